//! `exact_replay`: a real forward pass at another capacity factor against the replay of the logged choices.

use super::{
    layer::DropLayer,
    losses::{Chosen, Losses, NOTHING},
    replay,
    study::DropStudy,
};
use crate::{
    error::{Error, Result},
    stats::{
        BaselineKind, Finding, Statistic, StatisticTable, Subject,
        needs::{is_out_of_reach, withhold, without_numbers},
        resample::percentile,
    },
};

/// How far the first-order replay of `logged` at the factor of `rerun` was off: one row per ratio.
///
/// `rerun` is the same layer over the same sequences in the same groups, from a forward pass at another capacity factor.
/// Estimate: the rerun; baseline: the replay of the logged choices at its factor; corrected: the difference, whose
/// interval draws the same documents for both.
///
/// # Errors
/// [`Error::Usage`] if the two runs do not have the same tokens, groups or rule, and [`Error::Internal`] if the drops of a
/// trace are not those of its setting.
pub fn exact_replay(rerun: &DropStudy<'_>, logged: &DropStudy<'_>) -> Result<StatisticTable> {
    comparable(&rerun.layer, &logged.layer)?;
    let provides = rerun.layer.trace.provides.and(logged.layer.trace.provides);
    if is_out_of_reach(Statistic::ExactReplay, provides) {
        let rows = without_numbers(Statistic::ExactReplay, rerun.layer.trace.layer, provides);
        return Ok(StatisticTable { name: Statistic::ExactReplay.table().to_owned(), rows });
    }
    replay::verify(rerun)?;
    replay::verify(logged)?;
    let factor = rerun.layer.router.capacity_factor;
    let first_order = replay::at_factor(logged, factor).ok_or_else(|| {
        Error::internal(format!("a capacity of 0 at factor {factor}, with which the rerun has routed"))
    })?;
    let pair = Pair {
        separate: rerun.separate,
        chosen: [Chosen::over_all(rerun), Chosen::over_all(logged)],
        lost: [Losses::observed(rerun), first_order],
        study: rerun,
    };
    let rows = (0..pair.chosen[0].ratios.len()).map(|i| pair.row(i)).collect();
    let mut table = [StatisticTable::of(Statistic::ExactReplay, rows)];
    withhold(&mut table, provides);
    let [table] = table;
    Ok(table)
}

/// Refuses two runs that differ in more than the factor.
fn comparable(rerun: &DropLayer<'_>, logged: &DropLayer<'_>) -> Result<()> {
    let (a, b) = (&rerun.router, &logged.router);
    let differs = [
        ("decoder layer", rerun.trace.layer != logged.trace.layer),
        ("tokens", rerun.trace.token_id != logged.trace.token_id || rerun.trace.sequence != logged.trace.sequence),
        ("documents", rerun.sequences.document != logged.sequences.document),
        ("routing groups", rerun.groups.sequences != logged.groups.sequences),
        ("experts", (a.num_experts, a.top_k) != (b.num_experts, b.top_k)),
        ("capacity rule", (a.capacity_rule, a.min_capacity) != (b.capacity_rule, b.min_capacity)),
    ];
    match differs.iter().find(|(_, differs)| *differs) {
        None => Ok(()),
        Some((what, _)) => Err(Error::usage(
            format!(
                "the exact replay and the run differ in their {what}; expected nothing but the capacity factor to differ"
            ),
            "rerun with the settings of the run",
        )),
    }
}

/// The rerun and the first-order replay of the same documents.
struct Pair<'a> {
    study: &'a DropStudy<'a>,
    /// Denominators of both: gate probabilities differ in all layers but the first.
    chosen: [Chosen; 2],
    lost: [Losses; 2],
    separate: bool,
}

impl Pair<'_> {
    fn row(&self, ratio: usize) -> Finding {
        let (study, scope) = (self.study, &self.chosen[0]);
        let finding = study.finding(Statistic::ExactReplay);
        let finding =
            finding.about(|subject| Subject { capacity_factor: Some(study.layer.router.capacity_factor), ..subject });
        let lost = |run: usize| self.lost[run].at(ratio, 0);
        let [exact, first_order] = [0, 1].map(|run| self.chosen[run].share(ratio, lost(run)));
        if exact.is_nan() || first_order.is_nan() {
            return scope.about(study, finding, ratio).withheld(NOTHING);
        }
        let finding = scope.measured(study, finding, ratio, lost(0), self.separate);
        let interval = if self.separate { self.difference(ratio) } else { None };
        Finding {
            corrected: Some(exact - first_order),
            corrected_low: interval.map(|(low, _)| low),
            corrected_high: interval.map(|(_, high)| high),
            ..finding.against(first_order, BaselineKind::FirstOrder)
        }
    }

    /// The interval of the difference, paired by document.
    fn difference(&self, ratio: usize) -> Option<(f64, f64)> {
        let of = |run: usize| self.chosen[run].resampled_share(self.study, ratio, self.lost[run].at(ratio, 0));
        percentile(&mut of(0).iter().zip(of(1)).map(|(exact, first_order)| exact - first_order).collect())
    }
}
