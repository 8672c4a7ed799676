//! All statistics of one layer over several checkpoints (part B of the documentation: early routing learning).
//!
//! The same tokens run through every checkpoint, so that an occurrence can be compared with itself. The agreement
//! statistics look at the chosen view; load and token drift at both.

mod agreement;
mod chance;
mod change;
mod course;
mod distance;
mod gate;
mod load;
mod margin;
mod matching;
mod token;

pub use chance::overlap_chance;
pub use matching::{Matching, match_experts};

use std::borrow::Cow;

use super::{Settings, StatisticTable};
use crate::{
    error::Result,
    trace::{LayerTrace, SequenceTable},
};
use course::Course;

/// One checkpoint of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DriftPoint<'a> {
    /// Its name, unique among the checkpoints.
    pub label: &'a str,
    /// Tokens that it was trained on, where known.
    pub training_tokens: Option<f64>,
    /// Whether it stands beside the time axis: it is compared with the last checkpoint, but is none of the steps.
    pub off_axis: bool,
}

/// What one layer of a checkpoint did with the tokens.
#[derive(Clone, Copy, Debug)]
pub struct DriftLayer<'a> {
    /// The routing; the same tokens in the same order for every checkpoint.
    pub trace: &'a LayerTrace,
    /// Gate probabilities over all experts, `[occurrences, num_experts]`; `None` withholds `gate_overlap`.
    pub gate: Option<&'a [f32]>,
}

/// What a person may choose about the statistics of `drift`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriftSettings {
    /// Seed, resamples and minima.
    pub statistics: Settings,
    /// Whether the experts of every checkpoint are renamed after those of the last one that take the same tokens.
    pub match_experts: bool,
    /// Bins of `agreement_by_margin`.
    pub margin_bins: usize,
    /// Length of the lists of `document_drift`.
    pub documents_listed: usize,
    /// Fewest occurrences for a place in these lists.
    pub minimum_document_occurrences: usize,
    /// How many of the most frequent token ids have their expert shares listed.
    pub tokens_listed: usize,
    /// Token ids whose expert shares are listed whatever their frequency, if it reaches the minimum.
    pub tokens_of_interest: Vec<u32>,
    /// Random splits of the documents into halves behind a noise floor.
    pub splits: usize,
}

impl Default for DriftSettings {
    fn default() -> Self {
        Self {
            statistics: Settings::default(),
            match_experts: false,
            margin_bins: 10,
            documents_listed: 50,
            minimum_document_occurrences: 64,
            tokens_listed: 100,
            tokens_of_interest: Vec::new(),
            splits: 20,
        }
    }
}

/// All drift statistics of one layer, one table per statistic in the order of [`super::STATISTICS`].
///
/// `points` stand in the order of training, those off the time axis anywhere; `layers[i]` is what checkpoint i did.
/// The reference of all comparisons is the last checkpoint of the time axis. `progress` is told what is being
/// computed. The result depends on the data, the layer index and the settings, never on the number of threads.
/// Memory: about 100 bytes per occurrence and checkpoint beside the traces, and the rows.
///
/// # Errors
/// [`crate::error::Error::Usage`] if there is no checkpoint on the time axis, two have one label, or a checkpoint did not see the
/// same tokens or has other experts, and
/// [`crate::error::Error::Internal`] if columns of a trace do not belong together.
pub fn drift_statistics(
    sequences: &SequenceTable,
    points: &[DriftPoint<'_>],
    layers: &[DriftLayer<'_>],
    settings: &DriftSettings,
    progress: &dyn Fn(&'static str),
) -> Result<Vec<StatisticTable>> {
    let reference = course::check(points, layers)?;
    let mut tables = Vec::new();
    let mut traces: Vec<Cow<'_, LayerTrace>> = layers.iter().map(|layer| Cow::Borrowed(layer.trace)).collect();
    let mut matchings = None;
    if settings.match_experts {
        progress("expert matching");
        let found: Vec<Matching> =
            layers.iter().map(|layer| match_experts(layers[reference].trace, layer.trace)).collect::<Result<_>>()?;
        traces = layers.iter().zip(&found).map(|(layer, m)| Cow::Owned(m.renamed(layer.trace))).collect();
        matchings = Some(found);
    }
    progress("counting");
    let course = Course::new(sequences, points, &traces, reference, settings)?;
    progress("agreement");
    tables.extend(agreement::agreement(&course));
    progress("gate overlap");
    let gates: Vec<Option<&[f32]>> = layers.iter().map(|layer| layer.gate).collect();
    tables.push(table("gate_overlap", gate::gate_overlap(&course, &gates, matchings.as_deref())));
    progress("token drift");
    tables.push(table("token_drift", token::token_drift(&course)));
    progress("last change");
    tables.push(table("last_change", change::last_change(&course)));
    progress("agreement by margin");
    tables.push(table("agreement_by_margin", margin::agreement_by_margin(&course)));
    progress("load drift");
    tables.push(table("load_drift", load::load_drift(&course)));
    tables.push(table("document_drift", change::document_drift(&course)));
    tables.push(table("expert_share", load::expert_shares(&course)));
    if let Some(matchings) = &matchings {
        tables.push(table("expert_matching", matching::findings(&course, matchings)));
    }
    Ok(tables)
}

fn table(name: &str, rows: Vec<super::Finding>) -> StatisticTable {
    StatisticTable { name: name.to_owned(), rows }
}
