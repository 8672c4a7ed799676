//! All statistics of one layer over several checkpoints (part B of the documentation: early routing learning).
//!
//! The same tokens run through every checkpoint, so that an occurrence can be compared with itself. The agreement
//! statistics look at the chosen view; load and token drift at both.

mod agreement;
mod baseline;
mod chance;
mod change;
mod course;
mod distance;
mod gate;
mod load;
mod margin;
mod matching;
mod matrix;
mod source;
mod token;

pub use chance::overlap_chance;
pub use matching::{Matching, match_experts};
pub use source::{DriftLayer, DriftSource};

use std::borrow::Cow;

use super::{Settings, Statistic, StatisticTable, needs::withhold, study::Study};
use crate::{
    error::{Error, Result},
    trace::{Block, LayerTrace, SequenceTable},
};
use change::LastChange;
use course::{Course, Step};
use gate::GateReference;

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
/// `points` stand in the order of training, those off the time axis anywhere. The reference of all comparisons is the
/// last checkpoint of the time axis. `progress` is told what is being computed. The result depends on the data, the
/// layer index and the settings, never on the number of threads.
///
/// Memory: the reference and ONE other checkpoint, each about 100 bytes per occurrence and 4 per gate probability,
/// and the rows. It does not grow with the number of checkpoints: the comparison of every two of them reads their
/// choices segment by segment.
///
/// # Errors
/// [`crate::error::Error::Usage`] if there is no checkpoint on the time axis, two have one label, or a checkpoint did not see the
/// same tokens or has other experts, and
/// [`crate::error::Error::Internal`] if columns of a trace do not belong together; reading errors of the source.
pub fn drift_statistics<S: DriftSource + ?Sized>(
    sequences: &SequenceTable,
    points: &[DriftPoint<'_>],
    source: &S,
    settings: &DriftSettings,
    progress: &dyn Fn(&'static str),
) -> Result<Vec<StatisticTable>> {
    let reference = course::reference(points, source.checkpoints())?;
    progress("reading");
    let trace = source.layer(reference)?;
    let mut provides = trace.provides;
    let course = Course::new(sequences, points, &trace, reference, settings)?;
    let gate = GateReference::new(&course, source.gate(reference)?)?;
    let mut last_change = LastChange::new(&course);
    let mut matrix = matrix::Matrix::new(&course);
    let mut by_checkpoint: Vec<Vec<StatisticTable>> = vec![Vec::new(); points.len()];
    for at in course.backwards() {
        let own = one_layer(&course, source, at)?;
        provides = provides.and(own.provides);
        if settings.match_experts && !provides.has(Block::TokenIds) {
            return Err(unmatchable());
        }
        let matching = settings.match_experts.then(|| match_experts(&trace, &own)).transpose()?;
        let renamed = match &matching {
            Some(matching) => Cow::Owned(matching.renamed(&own)),
            None => own,
        };
        let is_laid_out = at == reference && matching.is_none();
        let study = if is_laid_out { None } else { Some(Study::new(sequences, &renamed, &settings.statistics)?) };
        let step = Step { course: &course, at, own: study.as_ref().unwrap_or(course.last()) };
        let own_gate = gate.of(&course, source, at, matching.as_ref())?;
        let mut tables = statistics_of(&step, &gate, own_gate.as_ref(), progress);
        tables.push(StatisticTable::of(Statistic::LastChange, last_change.step(&step).into_iter().collect()));
        tables.extend(
            matching
                .as_ref()
                .map(|matching| StatisticTable::of(Statistic::ExpertMatching, matching::findings(&step, matching))),
        );
        matrix.add(&step, matching);
        by_checkpoint[at] = tables;
    }
    let mut tables = in_order(by_checkpoint);
    progress("every two checkpoints");
    let saturation = tables.iter_mut().find(|table| table.name == Statistic::RouterSaturation.table());
    saturation.into_iter().try_for_each(|table| {
        table.rows.extend(matrix.rows(&course, source)?);
        Ok(())
    })?;
    withhold(&mut tables, provides);
    Ok(tables)
}

/// Experts are matched by the token ids that they take.
fn unmatchable() -> Error {
    let absence = Block::TokenIds.absence();
    Error::usage(format!("experts cannot be matched: {absence}"), "compare the checkpoints without matching")
}

/// The layer at one checkpoint, checked against the reference.
fn one_layer<'a, S: DriftSource + ?Sized>(
    course: &Course<'a>,
    source: &'a S,
    at: usize,
) -> Result<Cow<'a, LayerTrace>> {
    if at == course.reference {
        return Ok(Cow::Borrowed(course.last().trace));
    }
    let own = source.layer(at)?;
    course.check(at, &own)?;
    Ok(own)
}

/// Everything that compares one checkpoint with the reference alone.
fn statistics_of(
    step: &Step,
    gate: &GateReference,
    own_gate: Option<&gate::Gates>,
    progress: &dyn Fn(&'static str),
) -> Vec<StatisticTable> {
    progress("agreement");
    let mut tables = agreement::agreement(step);
    progress("gate overlap");
    tables.push(StatisticTable::of(Statistic::GateOverlap, vec![gate.overlap(step, own_gate)]));
    progress("token drift");
    tables.push(StatisticTable::of(Statistic::TokenDrift, token::token_drift(step)));
    progress("agreement by margin");
    tables.push(StatisticTable::of(Statistic::AgreementByMargin, margin::agreement_by_margin(step)));
    progress("load drift");
    tables.push(StatisticTable::of(Statistic::LoadDrift, load::load_drift(step)));
    tables.push(StatisticTable::of(Statistic::DocumentDrift, change::document_drift(step)));
    tables.push(StatisticTable::of(Statistic::ExpertShare, load::expert_shares(step)));
    tables
}

/// The rows of every checkpoint, in the order of the checkpoints and of the list of statistics.
fn in_order(by_checkpoint: Vec<Vec<StatisticTable>>) -> Vec<StatisticTable> {
    let mut tables: Vec<StatisticTable> = Vec::new();
    for mut table in by_checkpoint.into_iter().flatten() {
        match tables.iter_mut().find(|known| known.name == table.name) {
            Some(known) => known.rows.append(&mut table.rows),
            None => tables.push(table),
        }
    }
    let place = |table: &StatisticTable| super::STATISTICS.iter().position(|info| info.table == table.name);
    tables.sort_by_key(place);
    tables
}
