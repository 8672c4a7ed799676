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
mod point;
mod settings;
mod source;
mod token;

pub use chance::overlap_chance;
pub use matching::{Matching, match_experts};
pub use point::DriftPoint;
pub use settings::DriftSettings;
pub use source::{DriftLayer, DriftSource};

use std::borrow::Cow;

use super::{Finding, Statistic, StatisticTable, needs::withhold, study::Study};
use crate::{
    error::{Error, Result},
    trace::{Block, LayerTrace, Provides, SequenceTable},
};
use baseline::Baseline;
use change::LastChange;
use course::{Course, Step};
use gate::GateReference;
use matrix::Matrix;

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
    let course = Course::new(sequences, points, &trace, reference, settings)?;
    let gate = GateReference::new(&course, source.gate(reference)?)?;
    let baseline = Baseline::new(course.last(), settings);
    let comparison = Comparison { course: &course, source, baseline, gate };
    let mut provides = trace.provides;
    let mut last_change = LastChange::new(&course);
    let mut matrix = Matrix::new(&course);
    let mut by_checkpoint: Vec<Vec<StatisticTable>> = vec![Vec::new(); points.len()];
    for at in course.backwards() {
        let own = comparison.layer(at)?;
        provides = provides.and(own.provides);
        let matching = matching(settings, provides, &trace, &own)?;
        let renamed = match &matching {
            Some(matching) => Cow::Owned(matching.renamed(&own)),
            None => own,
        };
        let is_laid_out = at == reference && matching.is_none();
        let study = if is_laid_out { None } else { Some(Study::new(sequences, &renamed, &settings.statistics)?) };
        let step = Step { course: &course, at, own: study.as_ref().unwrap_or(course.last()) };
        let tables = &mut by_checkpoint[at];
        tables.extend(comparison.tables(&step, matching.as_ref(), progress)?);
        tables.push(StatisticTable::of(Statistic::LastChange, last_change.step(&step).into_iter().collect()));
        matrix.add(&step, matching);
    }
    let mut tables = in_order(by_checkpoint);
    progress("every two checkpoints");
    if let Some(table) = tables.iter_mut().find(|table| table.name == Statistic::RouterSaturation.table()) {
        table.rows.extend(matrix.rows(&course, source)?);
    }
    withhold(&mut tables, provides);
    Ok(tables)
}

/// Which expert of a checkpoint is which of the reference, where a person wants them matched: by the token ids that they
/// take.
fn matching(
    settings: &DriftSettings,
    provides: Provides,
    reference: &LayerTrace,
    own: &LayerTrace,
) -> Result<Option<Matching>> {
    if settings.match_experts && !provides.has(Block::TokenIds) {
        let absence = Block::TokenIds.absence();
        let message = format!("experts cannot be matched: {absence}");
        return Err(Error::usage(message, "compare the checkpoints without matching"));
    }
    settings.match_experts.then(|| match_experts(reference, own)).transpose()
}

/// What one checkpoint after the other is compared with.
struct Comparison<'a, S: ?Sized> {
    course: &'a Course<'a>,
    source: &'a S,
    baseline: Baseline,
    gate: GateReference<'a>,
}

impl<'a, S: DriftSource + ?Sized> Comparison<'a, S> {
    /// The layer at one checkpoint, checked against the reference.
    fn layer(&self, at: usize) -> Result<Cow<'a, LayerTrace>> {
        if at == self.course.reference {
            return Ok(Cow::Borrowed(self.course.last().trace));
        }
        let own = self.source.layer(at)?;
        self.course.check(at, &own)?;
        Ok(own)
    }

    /// Everything that compares one checkpoint with the reference alone.
    fn tables(
        &self,
        step: &Step,
        matching: Option<&Matching>,
        progress: &dyn Fn(&'static str),
    ) -> Result<Vec<StatisticTable>> {
        let Self { course, source, baseline, gate } = self;
        let own_gate = gate.of(course, *source, step.at, matching)?;
        progress("agreement");
        let mut tables = agreement::agreement(step, &baseline.sets);
        let mut add = |statistic: Statistic, rows: Vec<Finding>| tables.push(StatisticTable::of(statistic, rows));
        progress("gate overlap");
        add(Statistic::GateOverlap, vec![gate.overlap(step, own_gate.as_ref())]);
        progress("token drift");
        add(Statistic::TokenDrift, token::token_drift(step, &baseline.frequent));
        progress("agreement by margin");
        add(Statistic::AgreementByMargin, margin::agreement_by_margin(step, &baseline.margins));
        progress("load drift");
        add(Statistic::LoadDrift, load::load_drift(step, &baseline.load));
        add(Statistic::DocumentDrift, change::document_drift(step));
        add(Statistic::ExpertShare, load::expert_shares(step, &baseline.listed));
        if let Some(matching) = matching {
            add(Statistic::ExpertMatching, matching::findings(step, matching));
        }
        Ok(tables)
    }
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
