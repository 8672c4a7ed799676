//! Charts of a layer's drops: where they happen, why, what capacity would prevent them, and how two models differ.

mod burstiness;
mod capacity;
mod causes;
mod choices;
mod compare;
mod occupancy;
mod position;
mod ranks;
mod roles;
mod text;
mod trend;

pub(super) use burstiness::ratios as burstiness;
pub(super) use capacity::curves as capacity;
pub(super) use causes::table as causes;
pub(super) use choices::side_by_side;
pub(super) use compare::difference;
pub(super) use occupancy::map as occupancy;
pub(super) use position::by_position;
pub(super) use ranks::rank_load;
pub(super) use roles::by_message;
pub(super) use text::conversation;
pub(super) use trend::forest;

use super::{
    ChartSpec,
    selection::{Selection, label},
};
use crate::{
    chart::{
        ChartKind,
        axis::{count, ticks},
        curve::Span,
        page::Body,
        plan::{room::ShownLayers, selection::interval},
    },
    routing::View,
    stats::{Finding, Statistic, Variable},
};

/// Charts of several layers.
type Specs = Vec<ChartSpec>;

/// What a row is about: everything, or one data set.
type Scope<'a> = Option<&'a str>;

/// The ratio that the paper's figure shows.
const ASSIGNMENT: Statistic = Statistic::AssignmentDropRatio;

/// The five ratios and what each is a share of.
const RATIOS: [(Statistic, &str); 5] = [
    (ASSIGNMENT, "all assignments"),
    (Statistic::FirstChoiceDropRatio, "first choices"),
    (Statistic::SecondChoiceDropRatio, "second choices"),
    (Statistic::TokenDropRatio, "tokens, every choice lost"),
    (Statistic::GateMassLost, "gate mass"),
];

/// Everything, then every data set in file order; a single data set is everything.
fn scopes<'a>(rows: &[&'a Finding]) -> Vec<Scope<'a>> {
    let mut found: Vec<&str> = Vec::new();
    for name in rows.iter().filter_map(|row| row.dataset.as_deref()) {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    let named = if found.len() > 1 { found } else { Vec::new() };
    std::iter::once(None).chain(named.into_iter().map(Some)).collect()
}

fn scope_name(scope: Scope<'_>) -> String {
    scope.map_or_else(|| "over all".to_owned(), label)
}

/// The rows of a curve over bins of positions, ascending: those of all sequences, or of the fixed cohort.
fn curve<'a>(rows: &[&'a Finding], scope: Scope<'_>, fixed: bool) -> Vec<&'a Finding> {
    let mut own: Vec<&Finding> = rows
        .iter()
        .copied()
        .filter(|row| row.variable == Some(Variable::PositionBucket) && row.position.is_some())
        .filter(|row| row.dataset.as_deref() == scope && row.cohort.is_some() == fixed)
        .collect();
    own.sort_by_key(|row| row.position);
    own
}

/// The horizontal axis of curves over bins of positions.
#[derive(Clone, Copy)]
struct Bins {
    /// Positions per bin.
    width: f64,
    /// End of the last bin.
    end: f64,
}

impl Bins {
    /// `None` without bins.
    fn new(rows: &[&Finding]) -> Option<Self> {
        let bins = rows.iter().filter(|row| row.variable == Some(Variable::PositionBucket));
        let mut places: Vec<u32> = bins.filter_map(|row| row.position).collect();
        places.sort_unstable();
        places.dedup();
        let last = f64::from(*places.last()?);
        let width = places.windows(2).map(|pair| pair[1] - pair[0]).min().map_or(64.0, f64::from);
        Some(Self { width, end: last + width })
    }

    /// How many bins there are.
    fn count(self) -> usize {
        (self.end / self.width) as usize
    }

    /// The middle of a row's bin.
    fn x(self, row: &Finding) -> f64 {
        f64::from(row.position.unwrap_or(0)) + self.width / 2.0
    }

    fn line(self, rows: &[&Finding], value: impl Fn(&Finding) -> Option<f64>) -> Vec<(f64, f64)> {
        rows.iter().filter_map(|row| Some((self.x(row), value(row)?))).collect()
    }

    fn band(self, rows: &[&Finding]) -> Vec<Span> {
        rows.iter().filter_map(|row| interval(row).map(|(low, high)| (self.x(row), low, high))).collect()
    }

    fn ticks(self) -> Vec<(f64, String)> {
        ticks(0.0, self.end, 5).into_iter().map(|place| (place, count(place as u64))).collect()
    }
}

/// The upper end of an axis that shows all lines, and intervals up to twice the highest of them.
fn top(values: impl Iterator<Item = f64>, intervals: impl Iterator<Item = f64>) -> f64 {
    let highest = values.fold(0.0, f64::max);
    let ends = intervals.fold(highest, f64::max);
    let needed = ends.min(2.0 * highest);
    crate::chart::axis::ceil_nice(if needed > 0.0 { needed * 1.02 } else { 0.01 })
}

/// A planned chart about the first of the checkpoints in the subtitle.
fn spec(
    selection: &Selection<'_>,
    kind: &'static ChartKind,
    suffix: &str,
    title: String,
    caption: &str,
    body: Body,
) -> ChartSpec {
    let compared = selection.checkpoint_rows(Statistic::DropDifference, View::Chosen).next().is_some();
    let which = if compared { " Drawn: the first of the two checkpoints." } else { "" };
    selection.spec(kind, suffix, title, &format!("{caption}{which}"), body)
}

/// The number of a statistic over a whole layer.
fn whole_layer(selection: &Selection<'_>, statistic: Statistic, layer: u16) -> Option<f64> {
    let mut rows = selection.layer_rows(statistic, View::Chosen, layer);
    rows.find(|row| row.is_over_all())?.estimate
}

/// The layers that have a panel or rows. Their extremes are those that drop fewest and most.
fn shown(selection: &Selection<'_>, kind: &ChartKind) -> ShownLayers {
    ShownLayers::of(selection, kind.statistic, "dropped share", |layer| whole_layer(selection, ASSIGNMENT, layer))
}

/// A share as percent with two significant digits.
fn precise(share: f64) -> String {
    let value = share * 100.0;
    let text = match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 9.95 => format!("{value:.0}"),
        size if size >= 0.995 => format!("{value:.1}"),
        size if size >= 0.0995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    };
    text.replace('-', "\u{2212}")
}

/// The rows of a statistic about the first model, of one layer.
fn of_layer<'a>(selection: &Selection<'a>, statistic: Statistic, layer: u16) -> Vec<&'a Finding> {
    selection.layer_rows(statistic, View::Chosen, layer).collect()
}
