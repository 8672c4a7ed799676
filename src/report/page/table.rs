//! The table of a statistic, and the differences between two runs of a kind.

use serde::Serialize;

use super::ReportedRun;
use crate::{
    report::text::{readable, short, thousands},
    stats::{Finding, StatisticInfo},
};

/// Rows that a table of the page shows for each run; the rest is in `stats/`.
const ROWS_SHOWN: usize = 120;

/// A number: four significant digits, and the whole of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Number {
    short: String,
    full: f64,
}

/// The rows of a statistic that speak of a whole layer, category, data set, checkpoint ...
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Table {
    rows: Vec<TableRow>,
    explained: bool,
    several_runs: bool,
    left_out: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct TableRow {
    run: usize,
    layer: u16,
    view: String,
    of: String,
    estimate: Option<Number>,
    interval: Option<String>,
    low: Option<f64>,
    high: Option<f64>,
    baseline: Option<Number>,
    explained: Option<Number>,
    explained_interval: Option<String>,
    n: u64,
    n_text: String,
    note: Option<String>,
}

/// Two runs of a kind, number by number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Differences {
    of: String,
    rows: Vec<Pair>,
    left_out: usize,
}

/// The same number of both runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Pair {
    layer: u16,
    view: String,
    of: String,
    first: Number,
    second: Number,
    difference: Number,
    interval: Option<String>,
}

/// The table of a statistic; none without rows.
pub(super) fn table(info: &StatisticInfo, runs: &[ReportedRun<'_>]) -> Option<Table> {
    let of_run = |(index, run): (usize, &ReportedRun<'_>)| -> Vec<TableRow> {
        let rows = run.findings.iter().filter(|row| is_shown(info, row));
        rows.map(|row| table_row(index, row)).collect()
    };
    let each: Vec<Vec<TableRow>> = runs.iter().enumerate().map(of_run).collect();
    let left_out = each.iter().map(|rows| rows.len().saturating_sub(ROWS_SHOWN)).sum();
    let several_runs = each.iter().filter(|rows| !rows.is_empty()).count() > 1;
    let rows: Vec<TableRow> = each.into_iter().flat_map(|rows| rows.into_iter().take(ROWS_SHOWN)).collect();
    let explained = rows.iter().any(|row| row.explained.is_some());
    (!rows.is_empty()).then_some(Table { rows, explained, several_runs, left_out })
}

/// The differences between the first two runs that have the statistic and are of one kind; none where there is one such run.
pub(super) fn differences(info: &StatisticInfo, runs: &[ReportedRun<'_>]) -> Option<Differences> {
    let of = |run: &&ReportedRun<'_>| run.command == info.command;
    let [first, second] = runs.iter().filter(of).collect::<Vec<_>>()[..] else { return None };
    let rows = |run: &'_ ReportedRun<'_>| run.findings.iter().filter(|row| is_shown(info, row)).cloned().collect();
    let (left, right): (Vec<Finding>, Vec<Finding>) = (rows(first), rows(second));
    let mut all: Vec<Pair> = left
        .iter()
        .filter_map(|row| {
            let other = right.iter().find(|other| subject(other) == subject(row) && same_place(other, row))?;
            difference(row, other)
        })
        .collect();
    let left_out = all.len().saturating_sub(ROWS_SHOWN);
    all.truncate(ROWS_SHOWN);
    (!all.is_empty()).then(|| Differences { of: format!("{} less {}", second.label, first.label), rows: all, left_out })
}

/// The second value less the first. The interval takes the two runs for independent: the half-widths are added as squares,
/// each side with the end that it moves.
fn difference(first: &Finding, second: &Finding) -> Option<Pair> {
    let (a, b) = (first.estimate?, second.estimate?);
    let ends = first.low.zip(first.high).zip(second.low.zip(second.high));
    let interval = ends.map(|((a_low, a_high), (b_low, b_high))| {
        (b - a - (b - b_low).hypot(a_high - a), b - a + (b_high - b).hypot(a - a_low))
    });
    Some(Pair {
        layer: first.layer,
        view: first.view.to_string(),
        of: subject(first),
        first: number(a),
        second: number(b),
        difference: number(b - a),
        interval: interval.map(|(low, high)| bracket(low, high)),
    })
}

fn same_place(a: &Finding, b: &Finding) -> bool {
    a.layer == b.layer && a.view == b.view && a.unit == b.unit
}

/// Numbers about single experts, token ids and positions are for the figures.
fn is_shown(info: &StatisticInfo, row: &Finding) -> bool {
    row.statistic == info.name && row.expert.is_none() && row.token_id.is_none() && row.position.is_none()
}

fn table_row(run: usize, row: &Finding) -> TableRow {
    TableRow {
        run,
        layer: row.layer,
        view: row.view.to_string(),
        of: subject(row),
        estimate: row.estimate.map(number),
        interval: interval(row.low, row.high),
        low: row.low,
        high: row.high,
        baseline: row.baseline.map(number),
        explained: row.explained.map(number),
        explained_interval: interval(row.explained_low, row.explained_high),
        n: row.n,
        n_text: thousands(row.n),
        note: row.note.as_deref().map(str::to_owned),
    }
}

/// The keys that say which number of the layer it is.
fn subject(row: &Finding) -> String {
    let words = |text: &str| text.replace('_', " ");
    let keys = [
        row.checkpoint.as_deref().map(readable),
        row.reference.as_deref().map(|reference| format!("against {}", readable(reference))),
        row.variable.as_deref().map(words),
        row.given.as_deref().map(|given| format!("given {}", words(given))),
        row.dataset.as_deref().map(readable),
        row.category.as_deref().map(readable),
        row.other_category.as_deref().map(readable),
        row.role.as_deref().map(words),
        row.turn.map(|turn| format!("turn {turn}")),
        row.document.as_deref().map(readable),
        row.variant.as_deref().map(words),
        row.quantile.map(|quantile| format!("quantile {quantile}")),
        row.capacity_factor.map(|factor| format!("factor {factor}")),
        row.rule.as_deref().map(|rule| format!("rule {rule}")),
        row.grouping.as_deref().map(|grouping| format!("group {grouping}")),
        row.priority.as_deref().map(|priority| format!("by {}", words(priority))),
        row.cohort.as_deref().map(|cohort| format!("{cohort} cohort")),
    ];
    let words: Vec<String> = keys.into_iter().flatten().collect();
    if words.is_empty() { "over all".to_owned() } else { words.join(", ") }
}

fn number(value: f64) -> Number {
    Number { short: short(value), full: value }
}

fn interval(low: Option<f64>, high: Option<f64>) -> Option<String> {
    low.zip(high).map(|(low, high)| bracket(low, high))
}

fn bracket(low: f64, high: f64) -> String {
    format!("[{}, {}]", short(low), short(high))
}
