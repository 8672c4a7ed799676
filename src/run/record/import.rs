//! Where the routes of an imported run come from, and what the gate said of them.

use serde::{Deserialize, Serialize};

use crate::import::CheckResult;

/// The record of another engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ImportRecord {
    /// Name of its format.
    pub format: String,
    /// The engine that wrote it, where the record says it.
    #[serde(default)]
    pub engine: Option<String>,
    /// The model, where the record says it.
    #[serde(default)]
    pub model: Option<String>,
    /// Whether the order of the choices is known.
    pub ranked: bool,
    /// Whether the record itself says which choices were dropped; absent if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_drops: bool,
    /// Sequences in the record.
    pub sequences: u64,
    /// Positions in the record.
    pub positions: u64,
    /// Positions that were left out, because some layer has no whole route there.
    pub positions_left_out: u64,
    /// What a reader should know: how sequences were rebuilt, which rank was taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// Whether the record was taken although a check failed.
    pub forced: bool,
    /// What every check said.
    pub checks: Vec<CheckResult>,
}
