//! Figures of the capacity replay. It has thousands of numbers; a few of them show which capacity would prevent the drops.

use super::{
    data::Columns,
    keys::in_order,
    layout::{MOST_LABELS, MOST_SERIES, figure, left_out},
    row::FigureRow,
    shape::{Figure, FigureKind, Guide},
};
use crate::{
    report::text::readable,
    routing::CapacityRule,
    stats::{Finding, GROUPS_OF_RUN, Priority, Statistic, StatisticInfo, Variant, grouping_words},
};

/// The rules with a limited number of slots.
const RULES: [CapacityRule; 2] = [CapacityRule::Port, CapacityRule::T5x];
/// The kinds of losses, and their names.
const LOSSES: [(Variant, &str); 5] = [
    (Variant::Of(Statistic::AssignmentDropRatio), "dropped assignments"),
    (Variant::Of(Statistic::FirstChoiceDropRatio), "dropped first choices"),
    (Variant::Of(Statistic::SecondChoiceDropRatio), "dropped second choices"),
    (Variant::Of(Statistic::TokenDropRatio), "tokens that lose every choice"),
    (Variant::Of(Statistic::GateMassLost), "lost gate mass"),
];
/// The smallest factors that drop at most a certain share.
const LEVELS: [(Variant, &str); 3] = [
    (Variant::FactorForATenthPercent, "0.1 %"),
    (Variant::FactorForOnePercent, "1 %"),
    (Variant::FactorForFivePercent, "5 %"),
];

/// The figures of the capacity replay: curves over the factor, and the smallest factors; none for another statistic.
pub(super) fn figures(info: &StatisticInfo, rows: &[FigureRow<'_>]) -> Option<Vec<Figure>> {
    let replays = (info.statistic == Statistic::CapacityReplay).then(|| Replays::of(rows))?;
    let own = replays.own;
    let dropped = LOSSES[0];
    let mut curves = vec![
        replays.curve(dropped, "by capacity rule", |row| of(row, None, GROUPS_OF_RUN, Priority::Position), rule),
        replays.curve(
            dropped,
            &format!("by data set (rule {own})"),
            |row| is(row, own, GROUPS_OF_RUN, Priority::Position),
            dataset,
        ),
        replays.curve(
            dropped,
            &format!("by who competes (rule {own})"),
            |row| row.dataset.is_none() && row.rule == Some(own) && row.priority == Some(Priority::Position),
            grouping,
        ),
        replays.curve(
            LOSSES[4],
            &format!("by who queues first (rule {own})"),
            |row| row.dataset.is_none() && row.rule == Some(own) && row.grouping.as_deref() == Some(GROUPS_OF_RUN),
            priority,
        ),
        replays.smallest(),
    ];
    curves.extend(LOSSES[1..].iter().map(|loss| {
        replays.curve(*loss, "by capacity rule", |row| of(row, None, GROUPS_OF_RUN, Priority::Position), rule)
    }));
    let mut found: Vec<Figure> = curves.into_iter().flatten().collect();
    let drawn: usize = found.iter().map(|figure| figure.data["layer"].as_array().map_or(0, Vec::len)).sum();
    let remark = left_out(info, drawn, rows.len(), "replays");
    for figure in &mut found {
        figure.left_out.clone_from(&remark);
    }
    (!found.is_empty()).then_some(found)
}

/// The replays of a statistic.
struct Replays<'a, 'b> {
    rows: &'b [FigureRow<'a>],
    /// The rule of the run, or the first one that limits anything.
    own: CapacityRule,
}

impl<'a, 'b> Replays<'a, 'b> {
    fn of(rows: &'b [FigureRow<'a>]) -> Self {
        let routed = rows.iter().filter(|row| row.finding.variable.is_some());
        let own = routed.filter_map(|row| row.finding.rule).find(|rule| RULES.contains(rule));
        Self { rows, own: own.unwrap_or(RULES[0]) }
    }

    /// What is lost over the capacity factor, on a logarithmic axis; none without two factors.
    fn curve(
        &self,
        (variant, loss): (Variant, &str),
        by: &str,
        belongs: impl Fn(&Finding) -> bool,
        series: impl Fn(&FigureRow<'a>) -> String,
    ) -> Option<Figure> {
        let rows: Vec<FigureRow<'_>> = self
            .rows
            .iter()
            .copied()
            .filter(|row| row.finding.variant == Some(variant) && row.finding.variable.is_none())
            .filter(|row| row.finding.capacity_factor.is_some() && limits(row.finding) && belongs(row.finding))
            .collect();
        let line = |row: &FigureRow<'a>| with_model(row, &series(row));
        let rows = first_of(rows, MOST_SERIES, line);
        let mut columns = Columns::of(&rows).with_estimates(&rows);
        columns.numbers("x", rows.iter().map(|row| row.finding.capacity_factor));
        columns.words("series", rows.iter().map(line));
        let factors =
            in_order(rows.iter().filter_map(|row| row.finding.capacity_factor.map(|factor| factor.to_string())));
        (factors.len() > 1).then(|| Figure {
            x_title: Some("capacity factor"),
            x_scale: Some("linear"),
            y_scale: Some("log"),
            guide: Some(Guide { value: 0.01, words: "1 % is lost" }),
            ..figure(FigureKind::Curve, format!("{loss} over the capacity factor, {by}"), "share", columns)
        })
    }

    /// The smallest factors that drop no more than 0.1, 1 and 5 %.
    fn smallest(&self) -> Option<Figure> {
        let level = |row: &FigureRow<'_>| {
            LEVELS.into_iter().find(|(variant, _)| row.finding.variant == Some(*variant)).map(|(_, words)| words)
        };
        let label = |row: &FigureRow<'a>| {
            let words = format!("{}: at most {}, {}", rule(row), level(row).unwrap_or_default(), dataset(row));
            with_model(row, &words)
        };
        let told = self.rows.iter().copied().filter(|row| level(row).is_some() && limits(row.finding));
        let rows: Vec<FigureRow<'_>> = told
            .filter(|row| row.finding.grouping.as_deref() == Some(GROUPS_OF_RUN) && row.finding.estimate.is_some())
            .collect();
        let rows = first_of(rows, MOST_LABELS, label);
        let mut columns = Columns::of(&rows).with_estimates(&rows);
        columns.words("label", rows.iter().map(label));
        (!rows.is_empty()).then(|| Figure {
            rows: in_order(rows.iter().map(label)),
            zero: true,
            unit: "times the average load".to_owned(),
            decimals: Some(2),
            ..figure(
                FigureKind::Intervals,
                "smallest factors that drop at most 0.1, 1 and 5 %".to_owned(),
                "capacity factor",
                columns,
            )
        })
    }
}

/// Whether the rule of a row limits anything.
fn limits(row: &Finding) -> bool {
    row.rule.is_some_and(|rule| RULES.contains(&rule))
}

fn of(row: &Finding, dataset: Option<&str>, grouping: &str, priority: Priority) -> bool {
    row.dataset.as_deref() == dataset && row.grouping.as_deref() == Some(grouping) && row.priority == Some(priority)
}

fn is(row: &Finding, rule: CapacityRule, grouping: &str, priority: Priority) -> bool {
    row.rule == Some(rule) && of(row, row.dataset.as_deref(), grouping, priority)
}

fn rule(row: &FigureRow<'_>) -> String {
    format!("rule {}", row.finding.rule.map_or("unknown", CapacityRule::name))
}

fn dataset(row: &FigureRow<'_>) -> String {
    row.finding.dataset.as_deref().map_or_else(|| "all data sets".to_owned(), readable)
}

fn grouping(row: &FigureRow<'_>) -> String {
    let known = row.finding.grouping.as_deref().and_then(grouping_words);
    known.unwrap_or_else(|| "groups of the run".to_owned())
}

fn priority(row: &FigureRow<'_>) -> String {
    row.finding.priority.map_or_else(String::new, |priority| priority.words().to_owned())
}

/// The name of a line; the lines of a second model carry its label.
fn with_model(row: &FigureRow<'_>, words: &str) -> String {
    match &row.finding.checkpoint {
        Some(name) => format!("{words}, {}", readable(name)),
        None => words.to_owned(),
    }
}

/// The rows of the first `most` names, because more lines cannot be distinguished.
fn first_of<'a>(rows: Vec<FigureRow<'a>>, most: usize, name: impl Fn(&FigureRow<'a>) -> String) -> Vec<FigureRow<'a>> {
    let names = in_order(rows.iter().map(&name));
    match names.get(most) {
        None => rows,
        Some(_) => rows.into_iter().filter(|row| names[..most].contains(&name(row))).collect(),
    }
}
