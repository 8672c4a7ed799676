//! The data of a figure, whatever its subject is.

use serde::Serialize;
use serde_json::{Map, Value};

/// The kind of a figure, which decides the script that draws it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::report) enum FigureKind {
    /// Estimates with intervals and baselines, one under the other.
    #[default]
    Intervals,
    /// Lines over a numeric axis, with bands.
    Curve,
    /// Coloured cells.
    Matrix,
    /// Points over n.
    Scatter,
    /// Words by rank.
    Words,
    /// Text, token by token.
    Text,
}

/// Rows of a matrix that belong together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(in crate::report) struct Group {
    /// What they have in common.
    pub(in crate::report) name: String,
    /// How many they are.
    pub(in crate::report) count: usize,
}

/// A value that readers compare with, drawn as a line across the figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(in crate::report) struct Guide {
    /// In the unit of the estimates.
    pub(in crate::report) value: f64,
    /// What it stands for.
    pub(in crate::report) words: &'static str,
}

/// A figure with its numbers, in columns of equal length; the scripts of the page know nothing of statistics.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own for the scripts")]
pub(in crate::report) struct Figure {
    /// What draws it.
    pub(in crate::report) kind: FigureKind,
    /// The name by which the reader chooses it.
    pub(in crate::report) label: String,
    /// Title of the axis of the estimate.
    pub(in crate::report) y_title: String,
    /// The text after a number in a tooltip.
    pub(in crate::report) unit: String,
    /// Title of the other axis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) x_title: Option<&'static str>,
    /// What the rows of a matrix are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) row_title: Option<String>,
    /// What the columns of a matrix are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) column_title: Option<&'static str>,
    /// How it is divided: "linear", "log", or "ordinal" for places in a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) x_scale: Option<&'static str>,
    /// "log" where the axis of the estimate is logarithmic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) y_scale: Option<&'static str>,
    /// Rows of a matrix, or labels, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::report) rows: Vec<String>,
    /// Rows of a matrix that stand together, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::report) groups: Vec<Group>,
    /// Columns of a matrix, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::report) columns_order: Vec<String>,
    /// Whether the axis of the estimate starts at 0.
    pub(in crate::report) zero: bool,
    /// The values that the axis of the estimate contains at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) reach: Option<(f64, f64)>,
    /// The value that readers compare the estimates with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) guide: Option<Guide>,
    /// Decimals of the values that are written beside their marks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) decimals: Option<u8>,
    /// Whether each panel has its own axis, because the panels show measures that cannot be compared.
    #[serde(skip_serializing_if = "is_false")]
    pub(in crate::report) apart: bool,
    /// Whether the cells of a matrix show the estimate as a multiple of its baseline.
    #[serde(skip_serializing_if = "is_false")]
    pub(in crate::report) ratio: bool,
    /// Whether a matrix has each pair once, and shows it twice.
    #[serde(skip_serializing_if = "is_false")]
    pub(in crate::report) symmetric: bool,
    /// What is not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) left_out: Option<String>,
    /// The numbers: a list by name, all of one length.
    pub(in crate::report) data: Map<String, Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
