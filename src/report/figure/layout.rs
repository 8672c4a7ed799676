//! Lays out figures by the keys of the rows.

#![allow(clippy::enum_glob_use, reason = "names of keys stand on every line")]

use std::collections::{BTreeMap, BTreeSet};

use super::{
    data::Columns,
    dimension::Dimension::{self, *},
    keys::{StatisticKeys, in_order, join},
    row::FigureRow,
    shape::{Figure, FigureKind},
};
use crate::{
    report::{some_of::some_of, text::is_share},
    stats::{Statistic, StatisticInfo, evenly_spread},
};

/// The most lines that a reader can distinguish.
pub(super) const MOST_SERIES: usize = 8;
/// The most places along a line that can be seen.
const MOST_PLACES: usize = 256;
const MOST_MATRIX_ROWS: usize = 48;
const MOST_MATRIX_COLUMNS: usize = 64;
/// Rows of a figure that has a label for each.
pub(super) const MOST_LABELS: usize = 60;
const MOST_POINTS: usize = 600;
/// The most keys along which a figure can be laid out; rows with more keys are a list, which is only in `stats/`.
const MOST_SUBJECTS: usize = 3;

/// Unit of the share of what can be explained.
pub(super) const EXPLAINED: &str = "% of what can be explained";
/// Unit of shares.
const PERCENT: &str = "%";
/// Shares of experts whose baseline is another share: a cell shows the ratio of the two.
const RATIOS: [Statistic; 3] = [Statistic::Coactivation, Statistic::DomainSpecialization, Statistic::ExpertShare];

/// Rows about the same kind of subject, in one unit.
struct RowGroup<'a> {
    /// The keys that name the subject, and all further keys of any row.
    dimensions: Vec<Dimension>,
    unit: &'a str,
    rows: Vec<FigureRow<'a>>,
}

/// The share of what can be explained, which the verdicts quote, in per cent; with the bits behind it.
pub(super) fn explained(rows: &[FigureRow<'_>]) -> Option<Figure> {
    let told = rows.iter().filter(|row| row.finding.explained.is_some() && row.finding.decides());
    let rows: Vec<FigureRow<'_>> = told.copied().collect();
    let label = |row: &FigureRow<'_>| join([Variable, Given].into_iter().filter_map(|key| key.text(row.finding)));
    let labels = in_order(rows.iter().map(label));
    let mut columns = Columns::of(&rows).with_explained(&rows);
    columns.words("label", rows.iter().map(label));
    (!rows.is_empty()).then(|| Figure {
        rows: labels,
        zero: true,
        unit: EXPLAINED.to_owned(),
        reach: Some((0.0, 100.0)),
        decimals: Some(0),
        ..figure(FigureKind::Intervals, "share of what can be explained".to_owned(), EXPLAINED, columns)
    })
}

/// A figure, or several, for each set of keys.
pub(super) fn by_keys(info: &StatisticInfo, rows: &[FigureRow<'_>]) -> Vec<Figure> {
    let binned = rows.iter().any(|row| row.finding.variable == Some(crate::stats::Variable::PositionBucket));
    // Single positions are too many to be seen, and few of them have an interval.
    let shown = rows.iter().filter(|row| {
        let variable = row.finding.variable;
        !(binned && variable == Some(crate::stats::Variable::Position) && row.finding.position.is_some())
    });
    let shown: Vec<FigureRow<'_>> = shown.copied().collect();
    let keys = StatisticKeys::of(&shown);
    let mut groups: Vec<RowGroup<'_>> = Vec::new();
    for row in shown {
        let (dimensions, unit) = (keys.dimensions(&row), &*row.finding.unit);
        let subjects = keys.subjects(&dimensions);
        match groups.iter_mut().find(|group| keys.subjects(&group.dimensions) == subjects && group.unit == unit) {
            Some(group) => group.add(row, &dimensions),
            None => groups.push(RowGroup { dimensions, unit, rows: vec![row] }),
        }
    }
    // The most frequent tokens are the same in most experts, so the ranking by what an expert takes more often than others comes
    // first.
    let common = |group: &RowGroup<'_>| group.has(Ranking) && group.unit == "count";
    // Pairs of categories say more than one number over all categories.
    let pairs = |group: &RowGroup<'_>| group.has(OtherCategory);
    groups.sort_by_key(|group| (!pairs(group), keys.subjects(&group.dimensions).len(), common(group)));
    let mut figures: Vec<Figure> = groups.into_iter().flat_map(|group| group.figures(info, &keys)).collect();
    for figure in figures.iter_mut().filter(|figure| binned && figure.x_title == Some(Position.title())) {
        figure.leave_out(&format!("bins of positions are shown; single positions are in stats/{}.csv", info.table));
    }
    figures
}

impl<'a> RowGroup<'a> {
    fn add(&mut self, row: FigureRow<'a>, dimensions: &[Dimension]) {
        self.rows.push(row);
        if dimensions.iter().any(|key| !self.has(*key)) {
            self.dimensions.extend(dimensions);
            self.dimensions.sort_unstable();
            self.dimensions.dedup();
        }
    }

    fn has(&self, key: Dimension) -> bool {
        self.dimensions.contains(&key)
    }

    fn without(&self, keys: &[Dimension]) -> Vec<Dimension> {
        self.dimensions.iter().copied().filter(|key| !keys.contains(key)).collect()
    }

    fn figures(self, info: &StatisticInfo, keys: &StatisticKeys) -> Vec<Figure> {
        let subjects = keys.subjects(&self.dimensions);
        let over_time = subjects.contains(&Checkpoint) && keys.over_time;
        if subjects.iter().filter(|key| **key != OtherExpert).count() > MOST_SUBJECTS {
            return Vec::new();
        }
        if self.has(Ranking) {
            return vec![self.words(keys)];
        }
        if self.has(Reference) {
            return self.checkpoints_by_reference(info, keys);
        }
        if self.has(Token) && (self.has(OtherExpert) || !self.has(Expert)) {
            return self.cut(keys, &[Token, Expert, OtherExpert], 1, |part| part.scatter(info, keys));
        }
        for (row, column) in [(Expert, OtherExpert), (Category, OtherCategory)] {
            if self.has(row) && self.has(column) {
                return self.cut(keys, &[row, column], 1, |part| part.matrix(info, keys, &[row], column));
            }
        }
        if self.has(Document) {
            return self.cut(keys, &[Document], 1, |part| part.intervals(info, keys));
        }
        if self.has(Expert) && subjects.len() > 1 {
            let rows: Vec<Dimension> = subjects.iter().copied().filter(|key| *key != Expert).collect();
            let kept: Vec<Dimension> = rows.iter().copied().chain([Expert]).collect();
            return self.cut(keys, &kept, 1, |part| part.matrix(info, keys, &rows, Expert));
        }
        let numeric = [Position, CapacityFactor, Quantile, Turn].into_iter().find(|key| self.has(*key));
        match numeric.or(over_time.then_some(Checkpoint)) {
            Some(x) => self.cut(keys, &[x], MOST_SERIES, |part| part.curve(info, keys, x)),
            None if distinct(&self.rows, |row| keys.words(&self.dimensions, row)) <= MOST_LABELS / 2 => {
                vec![self.intervals(info, keys)]
            }
            None => self.cut(keys, &subjects, 1, |part| part.intervals(info, keys)),
        }
    }

    /// Divides the group into parts with at most `most` different keys besides `kept`, and draws a figure for each.
    fn cut(self, keys: &StatisticKeys, kept: &[Dimension], most: usize, draw: impl Fn(&Self) -> Figure) -> Vec<Figure> {
        // The numbers of the fixed cohort would cover the others.
        let mut by: Vec<Dimension> = if self.has(Cohort) { vec![Cohort] } else { Vec::new() };
        for candidate in Dimension::CUT_FIRST {
            let rest: Vec<Dimension> = self.without(kept).into_iter().filter(|key| !by.contains(key)).collect();
            if distinct(&self.rows, |row| keys.words(&rest, row)) <= most {
                break;
            }
            if rest.contains(&candidate) && !by.contains(&candidate) {
                by.push(candidate);
            }
        }
        let values: Vec<Vec<String>> =
            by.iter().map(|key| in_order(self.rows.iter().map(|row| keys.words(&[*key], row)))).collect();
        // In the order of the keys: everything about the first variant before the second.
        let mut parts: BTreeMap<Vec<usize>, Vec<FigureRow<'_>>> = BTreeMap::new();
        for row in &self.rows {
            let place = |(key, values): (&Dimension, &Vec<String>)| {
                values.iter().position(|value| *value == keys.words(&[*key], row)).unwrap_or(0)
            };
            parts.entry(by.iter().zip(&values).map(place).collect()).or_default().push(*row);
        }
        let draw = |rows: Vec<FigureRow<'a>>| {
            let name = keys.words(&by, &rows[0]);
            let mut figure = draw(&RowGroup { dimensions: self.without(&by), unit: self.unit, rows });
            if !name.is_empty() {
                figure.label = format!("{}: {name}", figure.label);
            }
            figure
        };
        parts.into_values().map(draw).collect()
    }

    fn label(&self, keys: &StatisticKeys) -> String {
        let titles: Vec<&str> = keys.subjects(&self.dimensions).into_iter().map(Dimension::title).collect();
        if titles.is_empty() { "over all".to_owned() } else { format!("by {}", titles.join(" and ")) }
    }

    /// The numbers of rows with the unit that they are in: shares in per cent, as the words have them.
    fn columns(&self, rows: &[FigureRow<'_>]) -> (Columns, &str) {
        let (factor, unit) = if is_share(self.unit) { (100.0, PERCENT) } else { (1.0, self.unit) };
        (Columns::of(rows).with_estimates_times(factor, rows), unit)
    }

    /// Estimates under each other.
    fn intervals(&self, info: &StatisticInfo, keys: &StatisticKeys) -> Figure {
        let label = |row: &FigureRow<'_>| {
            let words = keys.named(&self.dimensions, row);
            if words.is_empty() { "over all".to_owned() } else { words }
        };
        let all = in_order(self.rows.iter().map(label));
        let labels: Vec<String> = all.iter().take(MOST_LABELS).cloned().collect();
        let shown: Vec<FigureRow<'_>> = self.rows.iter().copied().filter(|row| labels.contains(&label(row))).collect();
        let (mut columns, unit) = self.columns(&shown);
        columns.words("label", shown.iter().map(label));
        let left_out = left_out(info, labels.len(), all.len(), "rows");
        let decimals = (unit == PERCENT).then_some(0);
        let figure = figure(FigureKind::Intervals, self.label(keys), unit, columns);
        Figure { rows: labels, left_out, zero: starts_at_zero(&shown), decimals, ..figure }
    }

    /// Lines over a numeric key, or over the checkpoints in order.
    fn curve(&self, info: &StatisticInfo, keys: &StatisticKeys, x: Dimension) -> Figure {
        let place = |row: &FigureRow<'_>| match x {
            Checkpoint => keys
                .checkpoints
                .iter()
                .position(|name| Some(name) == Checkpoint.text(row.finding).as_ref())
                .map(|at| at as f64),
            _ => x.number(row.finding),
        };
        let mut all: Vec<f64> = self.rows.iter().filter_map(place).collect();
        all.sort_by(f64::total_cmp);
        all.dedup();
        let places = evenly_spread(&all, MOST_PLACES);
        let shown: Vec<FigureRow<'_>> = self
            .rows
            .iter()
            .copied()
            .filter(|row| place(row).is_some_and(|at| places.binary_search_by(|other| other.total_cmp(&at)).is_ok()))
            .collect();
        // Measures with different noise floors cannot share an axis.
        let apart = self.has(Variant) && shown.iter().any(|row| row.finding.noise_floor.is_some());
        let series = if apart { self.without(&[x, Variant]) } else { self.without(&[x]) };
        let several = x == Checkpoint && shown.iter().any(|row| row.finding.training_tokens.is_none());
        let (mut columns, unit) = self.columns(&shown);
        columns.numbers("x", shown.iter().map(place));
        columns.words(
            "series",
            shown.iter().map(|row| {
                // A checkpoint beside the time axis is a separate point, not part of the line.
                let beside = x == Checkpoint && row.finding.training_tokens.is_none();
                let own =
                    if beside { Checkpoint.text(row.finding) } else { several.then(|| "over training".to_owned()) };
                join([keys.named(&series, row)].into_iter().filter(|words| !words.is_empty()).chain(own))
            }),
        );
        if apart {
            columns.words("panel", shown.iter().map(|row| keys.words(&[Variant], row)));
        }
        if x == Checkpoint {
            columns.words("x_text", shown.iter().map(|row| Checkpoint.text(row.finding).unwrap_or_default()));
        }
        let left_out = left_out(info, places.len(), all.len(), "places");
        let figure = figure(FigureKind::Curve, self.label(keys), unit, columns);
        let x_scale = Some(if x == Checkpoint { "ordinal" } else { "linear" });
        Figure { x_title: Some(x.title()), x_scale, left_out, apart, zero: starts_at_zero(&shown), ..figure }
    }

    /// Coloured cells; if there are many rows, those with the largest n, and if there are many positions, every n-th.
    fn matrix(&self, info: &StatisticInfo, keys: &StatisticKeys, rows: &[Dimension], column: Dimension) -> Figure {
        let name = |row: &FigureRow<'_>| if rows.len() > 1 { keys.named(rows, row) } else { keys.words(rows, row) };
        let column_name = |row: &FigureRow<'_>| keys.words(&[column], row);
        let own = in_order(self.rows.iter().map(name));
        let across = in_order(self.rows.iter().map(column_name));
        // In a square, rows and columns have the same names in the same order.
        let square =
            matches!((rows, column), ([Expert], OtherExpert) | ([Category], OtherCategory) | ([Checkpoint], Reference));
        let all = if square { in_order(own.into_iter().chain(across.iter().cloned())) } else { own };
        let chosen =
            if rows.contains(&Token) { self.most_frequent(&all, name) } else { evenly_spread(&all, MOST_MATRIX_ROWS) };
        let columns_order = if square { chosen.clone() } else { evenly_spread(&across, MOST_MATRIX_COLUMNS) };
        let (row_set, column_set): (BTreeSet<&String>, BTreeSet<&String>) =
            (chosen.iter().collect(), columns_order.iter().collect());
        let shown =
            self.rows.iter().filter(|row| row_set.contains(&name(row)) && column_set.contains(&column_name(row)));
        let shown: Vec<FigureRow<'_>> = shown.copied().collect();
        let (mut columns, unit) = self.columns(&shown);
        columns.words("row", shown.iter().map(name));
        columns.words("column", shown.iter().map(column_name));
        let figure = figure(FigureKind::Matrix, self.label(keys), unit, columns);
        Figure {
            row_title: Some(join(rows.iter().map(|key| key.title().to_owned()))),
            column_title: Some(column.title()),
            left_out: left_out(info, chosen.len(), all.len(), "rows"),
            ratio: RATIOS.contains(&info.statistic)
                && shown.iter().all(|row| row.finding.baseline.is_some_and(|b| b > 0.0)),
            symmetric: square && column != Reference,
            rows: chosen,
            columns_order,
            ..figure
        }
    }

    fn most_frequent(&self, all: &[String], name: impl Fn(&FigureRow<'a>) -> String) -> Vec<String> {
        let mut counts: Vec<(u64, usize)> = all.iter().enumerate().map(|(at, _)| (0, at)).collect();
        let places: BTreeMap<&String, usize> = all.iter().zip(0..).collect();
        for row in &self.rows {
            let at = places[&name(row)];
            counts[at].0 = counts[at].0.max(row.finding.n);
        }
        counts.sort_by_key(|(n, at)| (u64::MAX - n, *at));
        counts.truncate(MOST_MATRIX_ROWS);
        counts.into_iter().map(|(_, at)| all[at].clone()).collect()
    }

    /// Every checkpoint against the last, then every two.
    fn checkpoints_by_reference(&self, info: &StatisticInfo, keys: &StatisticKeys) -> Vec<Figure> {
        let dimensions = self.without(&[Reference]);
        let last: Vec<FigureRow<'_>> = self
            .rows
            .iter()
            .copied()
            .filter(|row| Reference.text(row.finding).as_ref() == keys.last.get(&row.run))
            .collect();
        let over_time = RowGroup { dimensions, unit: self.unit, rows: last };
        let mut curve = over_time.curve(info, keys, Checkpoint);
        let ends: BTreeSet<&String> = keys.last.values().collect();
        curve.label = match ends.first() {
            Some(last) if ends.len() == 1 => format!("against {last}"),
            _ => "against the last checkpoint of each run".to_owned(),
        };
        let square = self.matrix(info, keys, &[Checkpoint], Reference);
        if over_time.rows.is_empty() { vec![square] } else { vec![curve, square] }
    }

    /// Points over n.
    fn scatter(&self, info: &StatisticInfo, keys: &StatisticKeys) -> Figure {
        let all = distinct(&self.rows, |row| keys.words(&[Token], row));
        let mut sizes: Vec<u64> = self.rows.iter().map(|row| row.finding.n).collect();
        sizes.sort_unstable_by_key(|n| u64::MAX - n);
        let variants = (self.rows.len() / all.max(1)).max(1);
        let least = sizes.get((MOST_POINTS * variants).min(sizes.len() - 1)).copied().unwrap_or(0);
        let shown: Vec<FigureRow<'_>> = self.rows.iter().copied().filter(|row| row.finding.n >= least).collect();
        let mut columns = Columns::of(&shown).with_estimates(&shown);
        columns.add("x", shown.iter().map(|row| row.finding.n.into()));
        columns.words("label", shown.iter().map(|row| keys.words(&[Token], row)));
        let left_out = left_out(info, distinct(&shown, |row| keys.words(&[Token], row)), all, "token ids");
        let figure = figure(FigureKind::Scatter, self.label(keys), self.unit, columns);
        Figure { x_title: Some("n"), x_scale: Some("log"), left_out, zero: starts_at_zero(&shown), ..figure }
    }

    /// Words by rank.
    fn words(&self, keys: &StatisticKeys) -> Figure {
        let mut columns = Columns::of(&self.rows).with_estimates(&self.rows);
        columns.words("column", self.rows.iter().map(|row| keys.words(&[Expert], row)));
        columns.add("rank", self.rows.iter().map(|row| row.finding.rank.into()));
        columns.words("label", self.rows.iter().map(|row| keys.words(&[Token], row)));
        columns.words("series", self.rows.iter().map(|row| keys.words(&[Ranking], row)));
        let column_title = Some(Expert.title());
        Figure { column_title, ..figure(FigureKind::Words, self.label(keys), self.unit, columns) }
    }
}

/// A figure of one unit.
pub(super) fn figure(kind: FigureKind, label: String, unit: &str, columns: Columns) -> Figure {
    Figure { kind, label, y_title: unit.to_owned(), unit: unit.to_owned(), data: columns.finish(), ..Figure::default() }
}

/// Shares and counts start at 0; what is far from it (agreements, entropies) would be squeezed.
fn starts_at_zero(rows: &[FigureRow<'_>]) -> bool {
    let told = || rows.iter().flat_map(|row| [row.finding.estimate, row.finding.baseline]).flatten();
    let (low, high) = (told().fold(f64::INFINITY, f64::min), told().fold(f64::NEG_INFINITY, f64::max));
    low >= 0.0 && low < 0.6 * high
}

/// That some of many are shown; none where all are.
pub(super) fn left_out(info: &StatisticInfo, shown: usize, all: usize, what: &str) -> Option<String> {
    (shown < all).then(|| some_of(info, shown, all, what))
}

fn distinct<'a>(rows: &[FigureRow<'a>], name: impl Fn(&FigureRow<'a>) -> String) -> usize {
    rows.iter().map(name).collect::<BTreeSet<String>>().len()
}
