//! The table of a statistic, and the differences between two runs of a kind.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::reported_run::ReportedRun;
use crate::{
    report::{
        figure::subject_words,
        room::Room,
        text::{bracket, rounded, short},
    },
    routing::View,
    stats::{Finding, StatisticInfo, thousands},
};

/// Rows that the page contains as text, for readers without scripts.
const ROWS_WRITTEN: usize = 12;
/// The most such rows, if each of many layers would have one.
const MOST_WRITTEN: usize = 48;
/// How many of the most frequent ids are shown of tables of shares by token id and expert. Right after a forward pass the other ids
/// are only in the files.
const TOKENS: usize = 64;

/// A number with four significant digits, and in full.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ShownNumber {
    short: String,
    full: f64,
}

/// The rows of a statistic: first those about a whole layer, category, data set or checkpoint, then the others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Table {
    /// The first rows, for readers without scripts.
    rows: Vec<PageRow>,
    explained: bool,
    several_runs: bool,
    several_units: bool,
    /// Words on how many rows the page has, and how many the files have.
    count: String,
    /// All rows of the page in columns, for the scripts.
    #[serde(skip)]
    pub(super) columns: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct PageRow {
    run: usize,
    layer: u16,
    view: String,
    of: String,
    estimate: Option<ShownNumber>,
    interval: Option<String>,
    baseline: Option<ShownNumber>,
    explained: Option<ShownNumber>,
    explained_interval: Option<String>,
    unit: String,
    n_text: String,
    note: Option<String>,
}

/// The differences between two runs of a kind, number by number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Differences {
    of: String,
    /// The assumption behind the intervals.
    note: String,
    /// The first rows, for readers without scripts.
    rows: Vec<NumberPair>,
    count: String,
    /// All rows in columns, for the scripts.
    #[serde(skip)]
    pub(super) columns: Value,
}

/// The same number of both runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct NumberPair {
    layer: u16,
    view: String,
    of: String,
    first: ShownNumber,
    second: ShownNumber,
    difference: ShownNumber,
    interval: Option<String>,
    #[serde(skip)]
    ends: Option<(f64, f64)>,
    #[serde(skip)]
    n: u64,
    n_text: String,
}

/// The table of a statistic; none without rows.
pub(super) fn table(info: &StatisticInfo, runs: &[ReportedRun<'_>], room: Room) -> Option<Table> {
    let each: Vec<OwnRows<'_>> = runs.iter().map(|run| OwnRows::of(info, run, room)).collect();
    let several_runs = each.iter().filter(|own| !own.rows.is_empty()).count() > 1;
    let rows: Vec<(usize, &Finding)> =
        each.iter().enumerate().flat_map(|(run, own)| own.rows.iter().map(move |row| (run, *row))).collect();
    let units: BTreeSet<&str> = rows.iter().map(|(_, row)| &*row.unit).collect();
    let group = |(run, row): &(usize, &Finding)| (*run, row.layer, row.view.name());
    let written = first_of_every_layer(&rows, group);
    let cut = rows.iter().map(group).collect::<BTreeSet<_>>().len() > written.len();
    let text = if cut { format!(" As text stand the first {}.", written.len()) } else { String::new() };
    let total = each.iter().map(|own| own.total).sum();
    (!rows.is_empty()).then(|| Table {
        explained: rows.iter().any(|(_, row)| row.explained.is_some()),
        several_runs,
        several_units: units.len() > 1,
        count: format!("{}{text}", count(rows.len(), total, info)),
        columns: estimates(&rows, total),
        rows: written.into_iter().map(|(run, row)| table_row(run, row)).collect(),
    })
}

/// Words on how many of the rows in the files the page has.
fn count(shown: usize, total: usize, info: &StatisticInfo) -> String {
    let (page, all) = (thousands(shown as u64), thousands(total as u64));
    if shown == total {
        return format!("{page} rows: all of stats/{}.csv that are about this.", info.table);
    }
    format!(
        "{page} of {all} rows are in this page: those about a layer, category or checkpoint as a whole, and those whose \
         intervals are farthest from their baselines. All are in stats/{}.csv.",
        info.table
    )
}

/// The rows of a statistic in one run.
struct OwnRows<'a> {
    /// Those that the page has.
    rows: Vec<&'a Finding>,
    /// How many the run's files have.
    total: usize,
}

impl<'a> OwnRows<'a> {
    fn of(info: &StatisticInfo, run: &ReportedRun<'a>, room: Room) -> Self {
        let table = run.tables.get(info.table);
        let all = table.into_iter().flat_map(|table| &table.rows);
        let (mut rows, further): (Vec<&Finding>, Vec<&Finding>) =
            all.filter(|row| row.statistic == info.statistic).partition(|row| row.is_whole());
        let in_files = run.rows_in_files.get(info.table).copied().unwrap_or(0);
        let only_in_files = in_files.saturating_sub(table.map_or(0, |table| table.rows.len()));
        let total = rows.len() + further.len() + only_in_files;
        let most = room.table_rows_kept;
        if rows.len() > room.table_rows {
            rows = farthest(&rows, most);
        }
        rows.extend(if total <= room.table_rows { further } else { farthest(&further, most) });
        Self { rows, total }
    }
}

/// The rows of each layer and view that are farthest from their baselines, the farthest first.
fn farthest<'a>(rows: &[&'a Finding], kept: usize) -> Vec<&'a Finding> {
    let frequent = FrequentTokens::of(rows);
    let mut groups: BTreeMap<(u16, View), Vec<&Finding>> = BTreeMap::new();
    for &row in rows.iter().filter(|row| frequent.has(row)) {
        groups.entry((row.layer, row.view)).or_default().push(row);
    }
    let most = (kept / groups.len().max(1)).max(1);
    let mut kept = Vec::new();
    for mut group in groups.into_values() {
        group.sort_by(|a, b| distance(b).partial_cmp(&distance(a)).unwrap_or(Ordering::Equal));
        kept.extend(group.into_iter().take(most));
    }
    kept
}

/// Whether a row has an interval, and the distance of the interval (or of the estimate without one) from the baseline; negative if
/// the baseline is inside the interval.
pub(super) fn distance(row: &Finding) -> (bool, f64) {
    let baseline = row.baseline.unwrap_or(0.0);
    match (row.estimate, row.low.zip(row.high)) {
        (None, _) => (false, f64::NEG_INFINITY),
        (Some(_), Some((low, high))) => (true, (low - baseline).max(baseline - high)),
        (Some(estimate), None) => (false, (estimate - baseline).abs()),
    }
}

/// The most frequent token ids of each layer, in tables with a row for each token id and expert.
struct FrequentTokens(BTreeSet<(u16, u64, u32)>);

impl FrequentTokens {
    fn of(rows: &[&Finding]) -> Self {
        let mut layers: BTreeMap<u16, BTreeSet<(u64, u32)>> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.expert.is_some()) {
            if let Some(id) = row.token_id {
                layers.entry(row.layer).or_default().insert((u64::MAX - row.n, id));
            }
        }
        let first = |(layer, ids): (u16, BTreeSet<(u64, u32)>)| {
            ids.into_iter().take(TOKENS).map(move |(n, id)| (layer, u64::MAX - n, id)).collect::<Vec<_>>()
        };
        Self(layers.into_iter().flat_map(first).collect())
    }

    fn has(&self, row: &Finding) -> bool {
        let id = row.token_id.filter(|_| row.expert.is_some());
        id.is_none_or(|id| self.0.contains(&(row.layer, row.n, id)))
    }
}

/// The first rows of every layer and view, so that each has some numbers.
fn first_of_every_layer<T: Clone, K: Ord>(rows: &[T], group: impl Fn(&T) -> K) -> Vec<T> {
    let mut counts: BTreeMap<K, usize> = rows.iter().map(|row| (group(row), 0)).collect();
    let most = (ROWS_WRITTEN / counts.len().max(1)).max(1);
    let mut first = Vec::new();
    for row in rows {
        let count = counts.entry(group(row)).or_default();
        *count += 1;
        if *count <= most {
            first.push(row.clone());
        }
    }
    first.truncate(MOST_WRITTEN);
    first
}

/// Columns of equal length with five significant digits, as in the figures. Empty columns are left out.
fn estimates(rows: &[(usize, &Finding)], total: usize) -> Value {
    let of = |cell: &dyn Fn(usize, &Finding) -> Value| -> Vec<Value> {
        rows.iter().map(|(run, row)| cell(*run, row)).collect()
    };
    let number = |value: Option<f64>| json!(value.map(rounded));
    packed(
        total,
        vec![
            ("run", of(&|run, _| json!(run))),
            ("layer", of(&|_, row| json!(row.layer))),
            ("view", of(&|_, row| json!(row.view))),
            ("of", of(&|_, row| json!(subject_words(row)))),
            ("estimate", of(&|_, row| number(row.estimate))),
            ("low", of(&|_, row| number(row.low))),
            ("high", of(&|_, row| number(row.high))),
            ("baseline", of(&|_, row| number(row.baseline))),
            ("explained", of(&|_, row| number(row.explained))),
            ("explained_low", of(&|_, row| number(row.explained_low))),
            ("explained_high", of(&|_, row| number(row.explained_high))),
            ("unit", of(&|_, row| json!(row.unit))),
            ("n", of(&|_, row| json!(row.n))),
            ("note", of(&|_, row| json!(row.note))),
        ],
    )
}

fn packed(total: usize, columns: Vec<(&str, Vec<Value>)>) -> Value {
    let told = columns.into_iter().filter(|(_, values)| values.iter().any(|value| !value.is_null()));
    let columns: Map<String, Value> = told.map(|(name, values)| (name.to_owned(), Value::Array(values))).collect();
    json!({ "total": total, "columns": columns })
}

/// The differences between the first two runs of the statistic's kind; none where there is one such run.
pub(super) fn differences(info: &StatisticInfo, runs: &[ReportedRun<'_>]) -> Option<Differences> {
    let of = |run: &&ReportedRun<'_>| run.command.studied_as() == info.command;
    let [first, second, ..] = runs.iter().filter(of).collect::<Vec<_>>()[..] else { return None };
    let place = |row: &Finding| (row.layer, row.view.name(), row.unit.to_string(), subject_words(row));
    let of_whole = |run: &'_ ReportedRun<'_>| -> Vec<Finding> {
        run.findings.iter().filter(|row| row.statistic == info.statistic && row.is_whole()).cloned().collect()
    };
    let (left, right) = (of_whole(first), of_whole(second));
    let others: BTreeMap<_, &Finding> = right.iter().map(|row| (place(row), row)).collect();
    let all: Vec<NumberPair> =
        left.iter().filter_map(|row| difference(row, others.get(&place(row)).copied()?)).collect();
    let note =
        "The interval takes the two runs for independent; where they share their documents it is usually too wide.";
    let of = format!("{} less {}", second.label, first.label);
    (!all.is_empty()).then(|| Differences {
        of,
        note: note.to_owned(),
        count: format!(
            "{} rows: every number about a layer, category or checkpoint as a whole.",
            thousands(all.len() as u64)
        ),
        columns: pairs(&all),
        rows: first_of_every_layer(&all, |pair| (pair.layer, pair.view.clone())),
    })
}

/// The differences in columns, with all digits: a difference has fewer significant digits than the two numbers.
fn pairs(all: &[NumberPair]) -> Value {
    let of = |cell: &dyn Fn(&NumberPair) -> Value| -> Vec<Value> { all.iter().map(cell).collect() };
    packed(
        all.len(),
        vec![
            ("layer", of(&|pair| json!(pair.layer))),
            ("view", of(&|pair| json!(pair.view))),
            ("of", of(&|pair| json!(pair.of))),
            ("first", of(&|pair| json!(pair.first.full))),
            ("second", of(&|pair| json!(pair.second.full))),
            ("difference", of(&|pair| json!(pair.difference.full))),
            ("low", of(&|pair| json!(pair.ends.map(|(low, _)| low)))),
            ("high", of(&|pair| json!(pair.ends.map(|(_, high)| high)))),
            ("n", of(&|pair| json!(pair.n))),
        ],
    )
}

/// The second value minus the first. The interval assumes that the two runs are independent: the squares of the half-widths are
/// added, separately for the lower and the upper end.
fn difference(first: &Finding, second: &Finding) -> Option<NumberPair> {
    let (a, b) = (first.estimate?, second.estimate?);
    let ends = first.low.zip(first.high).zip(second.low.zip(second.high));
    let interval = ends.map(|((a_low, a_high), (b_low, b_high))| {
        (b - a - (b - b_low).hypot(a_high - a), b - a + (b_high - b).hypot(a - a_low))
    });
    Some(NumberPair {
        layer: first.layer,
        view: first.view.name().to_owned(),
        of: subject_words(first),
        first: number(a),
        second: number(b),
        difference: number(b - a),
        interval: interval.map(|(low, high)| bracket(low, high)),
        ends: interval,
        n: first.n.min(second.n),
        n_text: thousands(first.n.min(second.n)),
    })
}

fn table_row(run: usize, row: &Finding) -> PageRow {
    PageRow {
        run,
        layer: row.layer,
        view: row.view.name().to_owned(),
        of: subject_words(row),
        estimate: row.estimate.map(number),
        interval: interval(row.low, row.high),
        baseline: row.baseline.map(number),
        explained: row.explained.map(number),
        explained_interval: interval(row.explained_low, row.explained_high),
        unit: row.unit.to_string(),
        n_text: thousands(row.n),
        note: row.note.as_deref().map(str::to_owned),
    }
}

fn number(value: f64) -> ShownNumber {
    ShownNumber { short: short(value), full: value }
}

fn interval(low: Option<f64>, high: Option<f64>) -> Option<String> {
    low.zip(high).map(|(low, high)| bracket(low, high))
}
