//! Charts of the statistics: one theme, one file per kind of figure. Selects, sorts and scales; never computes a
//! statistic.
//!
//! [`plan()`] turns the tables of a run into a list of [`ChartSpec`]s, which is cheap; [`ChartSpec::draw`] draws one of
//! them as SVG and PNG, so that a caller may draw many at the same time and write them one by one.

mod axis;
mod bars;
mod canvas;
mod curve;
mod flow;
mod font;
mod forest;
mod heatmap;
mod image;
mod legend;
mod message;
mod page;
mod paper_figure;
mod pdf;
mod plan;
mod radar;
mod script;
mod table;
mod theme;
mod thumbnail;

pub use message::{Ground, Message};
pub use paper_figure::{FigureFormat, PaperFigure, READABLE};
pub use plan::{CHARTS, ChartSpec, plan, plan_all, plan_comparison, plan_contrast, plan_mitigation, specs_named};
pub use script::visible;
pub use thumbnail::thumbnail;

use rayon::prelude::*;

use crate::{
    error::Result,
    routing::{DecidingScore, RoutingShape},
    stats::{Statistic, Tables},
};

/// One chart, drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    /// File stem below `charts/`, e.g. `radar_category_layer_3_kept`.
    pub name: String,
    /// The [`ChartKind::stem`] it belongs to.
    pub kind: &'static str,
    /// What its numbers say, in one sentence; drawn as its headline.
    pub message: Option<Message>,
    /// What the chart shows, in one line.
    pub title: String,
    /// How to read it, with n; also drawn under the figure.
    pub caption: String,
    /// The chart as an SVG document (no identifiers, safe to embed in HTML more than once).
    pub svg: String,
    /// The chart as a PNG image; its text is drawn from a font inside the binary.
    pub png: Vec<u8>,
}

/// What a chart must know besides the numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChartContext {
    /// Name of the checkpoint, for the subtitle.
    pub checkpoint: String,
    /// Name of the corpus, for the subtitle.
    pub corpus: String,
    /// Experts and choices of every `MoE` layer.
    pub shape: RoutingShape,
    /// Categories in the order in which they are drawn.
    pub categories: Vec<String>,
    /// The data sets that the categories come from, in the same order, and how many each has; empty if there is only one.
    pub category_sets: Vec<(String, usize)>,
    /// Sequences that were routed.
    pub sequences: u64,
    /// Documents that they come from.
    pub documents: u64,
    /// Tokens that were routed.
    pub tokens: u64,
    /// Whether every sequence starts with a BOS; `None` where that was not recorded.
    pub bos: Option<bool>,
    /// Whether position 0 is counted.
    pub bos_counted: bool,
    /// Token ids that were asked for, drawn first where charts show a choice of ids.
    pub tokens_of_interest: Vec<u32>,
    /// The capacity that was asked about and is not that of the routes, in words.
    pub asked_capacity: Option<String>,
    /// What experts are ranked by.
    pub deciding: DecidingScore,
    /// Whether the routes are those of an OpenMoE, with whose paper a figure can be compared.
    pub is_openmoe: bool,
}

impl ChartContext {
    /// Every category with the data set that it comes from.
    pub fn category_origins(&self) -> Vec<CategoryOrigin> {
        let datasets = self.category_sets.iter().flat_map(|(dataset, categories)| vec![dataset.clone(); *categories]);
        let datasets = datasets.chain(std::iter::repeat(String::new()));
        let origin = |(category, dataset): (&String, String)| CategoryOrigin { category: category.clone(), dataset };
        self.categories.iter().zip(datasets).map(origin).collect()
    }
}

/// A category and where it is from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CategoryOrigin {
    /// The category.
    pub category: String,
    /// The data set that most of its sequences come from; empty if all categories come from one.
    pub dataset: String,
}

/// One kind of chart: the statistic that it shows and the figure of the `OpenMoE` paper that it corresponds to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChartKind {
    /// How the file names begin.
    pub stem: &'static str,
    /// The statistic, whose table the numbers come from.
    pub statistic: Statistic,
    /// Figure or table of the paper, or an empty string.
    pub paper: &'static str,
    /// The question that the chart answers.
    pub question: &'static str,
    /// Whether it is drawn only when it is asked for by name: a figure to hold against the paper's, which another chart of the
    /// run says at a glance, or one that answers a question of detail.
    pub on_request: bool,
}

/// Draws every chart of [`plan()`].
///
/// # Errors
/// As [`draw`].
pub fn draw_all(tables: &Tables, context: &ChartContext, progress: &(dyn Fn(&str) + Sync)) -> Result<Vec<Chart>> {
    draw(&plan(tables, context), progress)
}

/// Draws charts on all threads; `progress` is told the name of each as it is finished.
///
/// # Errors
/// As [`ChartSpec::draw`].
pub fn draw(specs: &[ChartSpec], progress: &(dyn Fn(&str) + Sync)) -> Result<Vec<Chart>> {
    let one = |spec: &ChartSpec| {
        let chart = spec.draw()?;
        progress(&chart.name);
        Ok(chart)
    };
    specs.par_iter().map(one).collect()
}
