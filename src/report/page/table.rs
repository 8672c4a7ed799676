//! The table of a statistic, and the differences between two runs of a kind.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ReportedRun;
use crate::{
    report::text::{readable, short, token_text},
    stats::{Finding, StatisticInfo, thousands},
};

/// Rows that a table of the page shows for each run, shared by its layers and views; the rest is in `stats/`.
const ROWS_SHOWN: usize = 120;
/// Rows that every layer and view has at least.
const ROWS_OF_LAYER: usize = 12;

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
    explained_low: Option<f64>,
    n: u64,
    n_text: String,
    note: Option<String>,
}

/// Two runs of a kind, number by number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Differences {
    of: String,
    /// What the intervals take for granted.
    note: String,
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
    low: Option<f64>,
    n: u64,
    n_text: String,
}

/// The table of a statistic; none without rows.
pub(super) fn table(info: &StatisticInfo, runs: &[ReportedRun<'_>]) -> Option<Table> {
    let each: Vec<Vec<&Finding>> = runs.iter().map(|run| rows_of(info, run)).collect();
    let several_runs = each.iter().filter(|rows| !rows.is_empty()).count() > 1;
    let shown: Vec<Vec<&Finding>> = each.iter().map(|rows| first_of_every_layer(rows)).collect();
    let left_out = each.iter().zip(&shown).map(|(rows, shown)| rows.len() - shown.len()).sum();
    let of_run = |(index, rows): (usize, &Vec<&Finding>)| -> Vec<TableRow> {
        rows.iter().map(|row| table_row(index, row)).collect()
    };
    let rows: Vec<TableRow> = shown.iter().enumerate().flat_map(of_run).collect();
    let explained = rows.iter().any(|row| row.explained.is_some());
    (!rows.is_empty()).then_some(Table { rows, explained, several_runs, left_out })
}

/// The rows of a run: those about layers, categories, data sets ... as a whole; where the statistic has none, all.
fn rows_of<'a>(info: &StatisticInfo, run: &ReportedRun<'a>) -> Vec<&'a Finding> {
    let whole: Vec<&Finding> = run.findings.iter().filter(|row| is_shown(info, row)).collect();
    if !whole.is_empty() {
        return whole;
    }
    let all = run.tables.get(info.table).into_iter().flat_map(|table| &table.rows);
    all.filter(|row| row.statistic == info.name).collect()
}

/// The first rows of every layer and view, so that none is without numbers.
fn first_of_every_layer<'a>(rows: &[&'a Finding]) -> Vec<&'a Finding> {
    let mut counts: BTreeMap<(u16, &str), usize> = rows.iter().map(|row| ((row.layer, &*row.view), 0)).collect();
    let most = (ROWS_SHOWN / counts.len().max(1)).max(ROWS_OF_LAYER);
    let mut shown = Vec::new();
    for &row in rows {
        let count = counts.entry((row.layer, &*row.view)).or_default();
        *count += 1;
        if *count <= most {
            shown.push(row);
        }
    }
    shown
}

/// The differences between the first two runs of the statistic's kind; none where there is one such run.
pub(super) fn differences(info: &StatisticInfo, runs: &[ReportedRun<'_>]) -> Option<Differences> {
    let of = |run: &&ReportedRun<'_>| run.command == info.command;
    let [first, second, ..] = runs.iter().filter(of).collect::<Vec<_>>()[..] else { return None };
    let place = |row: &Finding| (row.layer, row.view.to_string(), row.unit.to_string(), subject(row));
    let shown = |run: &ReportedRun<'_>| run.findings.iter().filter(|row| is_shown(info, row)).cloned().collect();
    let (left, right): (Vec<Finding>, Vec<Finding>) = (shown(first), shown(second));
    let others: BTreeMap<_, &Finding> = right.iter().map(|row| (place(row), row)).collect();
    let mut all: Vec<Pair> = left.iter().filter_map(|row| difference(row, others.get(&place(row)).copied()?)).collect();
    let left_out = all.len().saturating_sub(ROWS_SHOWN);
    all.truncate(ROWS_SHOWN);
    let note =
        "The interval takes the two runs for independent; where they share their documents it is usually too wide.";
    let of = format!("{} less {}", second.label, first.label);
    (!all.is_empty()).then(|| Differences { of, note: note.to_owned(), rows: all, left_out })
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
        low: interval.map(|(low, _)| low),
        n: first.n.min(second.n),
        n_text: thousands(first.n.min(second.n)),
    })
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
        explained_low: row.explained_low,
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
        row.token_id.map(|id| token_text(row, id)),
        row.expert.map(|expert| format!("expert {expert}")),
        row.other_expert.map(|expert| format!("and expert {expert}")),
        row.position.map(|position| format!("position {position}")),
        row.ranking.as_deref().map(words),
        row.rank.map(|rank| format!("rank {rank}")),
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
