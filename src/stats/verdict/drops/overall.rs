//! The verdicts over all layers and data sets.

use std::collections::BTreeSet;

use super::trend::{Trend, TrendRows};
use crate::{
    routing::LayerId,
    stats::{
        Finding,
        verdict::{Answer, Evidence, IntervalsThatMissZero, LaterTokens, RiseIsTheQueue, Side, Verdict},
    },
};

/// The share of 95 % intervals that miss the truth.
pub(in crate::stats::verdict) const MISSED_BY_CHANCE: f64 = 0.05;
/// At least this share of a rise must be there in random order too to call it that of the queue.
const MOSTLY: f64 = 0.5;

/// All layers together.
#[derive(Clone, Debug, PartialEq)]
pub struct OverallDrops {
    /// Whether later tokens are dropped more.
    pub answer: LaterTokens,
    /// The share of the rises that is surely there in random order too, in the layer where it is least, and whether that makes
    /// them the queue's; none without a rise, or without the numbers.
    pub queue: Option<(RiseIsTheQueue, f64)>,
    /// The layers with a trend that is known.
    known: Vec<LayerId>,
    because: Vec<Evidence>,
    excesses: Vec<Evidence>,
}

/// One data set.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetDrops {
    /// Its name.
    pub dataset: String,
    /// Whether later tokens are dropped more in some layer.
    pub answer: LaterTokens,
    /// Layer by layer.
    pub trends: Vec<Trend>,
}

impl OverallDrops {
    /// Whether later tokens are dropped more in any layer, from the trends of all; `is_nothing_dropped`: of no layer is anything lost.
    pub(super) fn of(trends: &[&Trend], is_nothing_dropped: bool) -> Self {
        let known: Vec<&Trend> = trends.iter().copied().filter(|trend| trend.answer.is_known()).collect();
        let rises: Vec<&Trend> = known.iter().copied().filter(|trend| trend.answer.is_more()).collect();
        let answer = if is_nothing_dropped { LaterTokens::NothingDropped } else { of_layers(trends) };
        let queue = if is_nothing_dropped { None } else { in_random_order(&rises) };
        Self {
            answer,
            queue,
            known: known.iter().map(|trend| trend.layer).collect(),
            because: known.iter().map(|trend| trend.last_minus_first.clone()).collect(),
            excesses: rises
                .iter()
                .flat_map(|trend| std::iter::once(&trend.last_minus_first).chain(&trend.excess))
                .cloned()
                .collect(),
        }
    }

    /// Whether later tokens are dropped more, as an entry of `summary.json`.
    pub fn verdict(&self) -> Verdict {
        let answer = Answer::LaterTokensDroppedMore(self.answer);
        Verdict { layers: self.known.clone(), ..Verdict::new(answer, self.because.clone()) }
    }

    /// Whether a rise is the queue's, as an entry of `summary.json`.
    pub fn queue_verdict(&self) -> Option<Verdict> {
        let (answer, least) = self.queue?;
        let entry = Verdict::new(Answer::RiseIsTheQueue(answer), self.excesses.clone());
        Some(Verdict { at_least: Some(least), ..entry })
    }
}

/// What the trends of several layers say together.
fn of_layers(trends: &[&Trend]) -> LaterTokens {
    let is = |holds: fn(LaterTokens) -> bool| trends.iter().any(|trend| holds(trend.answer));
    match (is(LaterTokens::is_more), is(|answer| answer == LaterTokens::Less)) {
        _ if !is(LaterTokens::is_known) => LaterTokens::NotEnoughData,
        (true, true) => LaterTokens::MoreInSomeLessInOthers,
        (true, false) => LaterTokens::MoreInSomeLayers,
        (false, true) => LaterTokens::LessInSomeLayers,
        (false, false) => LaterTokens::NoTrend,
    }
}

/// How much of a rise is there in random order too, in the layer where that is least: by the upper end of what is left and the
/// lower end of the rise.
fn in_random_order(rises: &[&Trend]) -> Option<(RiseIsTheQueue, f64)> {
    let shares: Vec<f64> = rises.iter().map(|trend| trend.share_in_random_order()).collect::<Option<_>>()?;
    let least = shares.into_iter().reduce(f64::min)?.min(1.0);
    let answer = if least >= MOSTLY { RiseIsTheQueue::AtLeastHalf } else { RiseIsTheQueue::NotShown };
    Some((answer, least))
}

/// Counts the intervals that miss 0; none for fewer than two.
pub(super) fn intervals_that_miss_zero<'a>(trends: impl Iterator<Item = &'a Trend>) -> Option<IntervalsThatMissZero> {
    let known = |trend: &&Trend| trend.excess.as_ref().is_some_and(Evidence::has_both_ends);
    let sides: Vec<Side> = trends.filter(known).map(|trend| trend.side).collect();
    let count = |side| sides.iter().filter(|own| **own == side).count();
    let all = sides.len();
    (all > 1).then(|| IntervalsThatMissZero {
        all,
        above: count(Side::Above),
        below: count(Side::Below),
        by_chance: all as f64 * MISSED_BY_CHANCE,
    })
}

impl DatasetDrops {
    /// The data sets in the order of the rows; none for a single one that is everything.
    pub(super) fn of<'a>(
        rows: &[&'a Finding],
        trend_rows: &TrendRows<'a>,
        layers: &BTreeSet<LayerId>,
        over_all: &[&Trend],
    ) -> Vec<Self> {
        let mut seen = BTreeSet::new();
        let names = rows.iter().filter_map(|row| row.dataset.as_deref()).filter(|name| seen.insert(*name));
        let sets: Vec<Self> = names
            .map(|name| {
                let of_layer = |layer: &LayerId| Trend::of(trend_rows, *layer, Some(name));
                let trends: Vec<Trend> = layers.iter().filter_map(of_layer).collect();
                let answer = of_layers(&trends.iter().collect::<Vec<_>>());
                Self { dataset: name.to_owned(), answer, trends }
            })
            .collect();
        let is_everything = |set: &Self| {
            let sequences = set.trends.iter().map(|trend| trend.last_minus_first.n);
            sequences.eq(over_all.iter().map(|trend| trend.last_minus_first.n))
        };
        if sets.len() < 2 && sets.iter().all(is_everything) { Vec::new() } else { sets }
    }

    /// Sequences in the layer that has most.
    pub fn sequences(&self) -> u64 {
        self.trends.iter().map(|trend| trend.last_minus_first.n).max().unwrap_or_default()
    }

    /// All layers together, as an entry of `summary.json`.
    pub fn verdict(&self) -> Verdict {
        let known = || self.trends.iter().filter(|trend| trend.answer.is_known());
        Verdict {
            dataset: Some(self.dataset.clone()),
            layers: known().map(|trend| trend.layer).collect(),
            ..Verdict::new(
                Answer::LaterTokensDroppedMore(self.answer),
                known().map(|trend| trend.last_minus_first.clone()).collect(),
            )
        }
    }
}
