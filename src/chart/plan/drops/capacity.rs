//! Which capacity would prevent the drops: replays of the logged choices.

use super::{ASSIGNMENT, Scope, Specs, of_layer, scope_name, scopes, spec};
use crate::{
    chart::{
        ChartKind,
        axis::short,
        canvas::Marker,
        curve::{AxisScale, CurveFigure, CurvePanel, Mark},
        font,
        legend::{LegendEntry, Sample},
        page::Body,
        plan::{
            many::{LayerMap, figure as map_figure, from_zero},
            says,
            selection::{Selection, interval, label},
            series::series,
        },
        table::{TableFigure, TableRow},
        theme::{ACCENT, CEILING_LINE, LABEL, Stroke},
    },
    routing::CapacityRule,
    stats::{Finding, GROUPS_OF_RUN, Priority, Statistic, Variant, grouping_words},
};

/// The lowest ratio above 0 on the axis; smaller ones are placed there.
const LOWEST: f64 = 1e-4;
/// The factors of the paper: training and inference.
const PAPER: [f64; 2] = [1.25, 2.0];
/// The levels of the table and their names.
const LEVELS: [(Variant, &str); 3] = [
    (Variant::FactorForATenthPercent, "0.1 %"),
    (Variant::FactorForOnePercent, "1 %"),
    (Variant::FactorForFivePercent, "5 %"),
];
/// Widest name in a legend, in pixels.
const LEGEND_ROOM: f64 = 200.0;
/// Rules with slots to run out of.
const RULES: [CapacityRule; 2] = [CapacityRule::Port, CapacityRule::T5x];

/// Replays of one layer.
struct Replays<'a> {
    rows: Vec<&'a Finding>,
    exact: Vec<&'a Finding>,
    /// The rule of the run.
    own: CapacityRule,
}

/// One line of a panel: what it is called and its rows.
type Curve<'a> = (String, Vec<&'a Finding>);

/// Drop ratio over the capacity factor, and the smallest sufficient factors; a chart per layer.
pub(in crate::chart::plan) fn curves(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    if selection.has_many_layers() {
        return every_layer(selection, kind);
    }
    let mut specs = Specs::new();
    for &layer in selection.layers() {
        let replays = Replays::of(selection, kind, layer);
        let mut parts: Vec<(String, Body)> =
            replays.figure().map(|figure| (String::new(), Body::Curve(figure))).into_iter().collect();
        parts.extend(replays.table().map(|table| {
            (
                "Smallest factor at which no more than this share of the assignments is dropped, 95 % interval"
                    .to_owned(),
                Body::Table(table),
            )
        }));
        if parts.is_empty() {
            continue;
        }
        let caption = "What other capacities would have dropped, recomputed from the logged choices without a forward pass: exact for the first MoE layer, first order \
                       for later ones, which would see other inputs. Dotted: the paper's capacity factors, 1.25 in training and 2.0 in inference. Bars: 95 % interval over \
                       documents, none where a routing group holds several documents. The axis is logarithmic down to 0.01 %; 0 has a place of its own below it. \
                       Curves that coincide hide each other. Who queues first changes the lost gate mass, never how many assignments are lost.";
        let title = format!("Drops over the capacity factor, layer {layer}");
        let (enough, tried) = replays.enough();
        let spec = spec(selection, kind, &format!("layer_{layer}"), title, caption, Body::Stack(parts));
        specs.push(spec.saying(says::capacity(enough, tried)));
    }
    specs
}

/// Drops over the factor: a row for every layer.
fn every_layer(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let first = |layer: &u16| Replays::of(selection, kind, *layer).dropped();
    let mut factors: Vec<f64> = selection.layers().iter().flat_map(first).map(|(factor, _)| factor).collect();
    factors.sort_by(f64::total_cmp);
    factors.dedup();
    let cells = |layer| {
        let dropped = Replays::of(selection, kind, layer).dropped();
        let at = |factor: &f64| dropped.iter().find(|(own, _)| own == factor).map(|(_, share)| share * 100.0);
        factors.iter().map(at).collect()
    };
    let map = LayerMap::of(selection, "", factors.iter().map(|factor| short(*factor)).collect(), cells);
    let Some(figure) = map_figure(vec![map], from_zero(0.1), "dropped assignments in %", "capacity factor") else {
        return Specs::new();
    };
    let caption = format!(
        "What other capacities would have dropped, recomputed from the logged choices without a forward pass, under the capacity rule \
         of the run and in its routing groups: exact for the first MoE layer, first order for later ones, which would see other inputs. \
         {} Other rules, groups and orders, the smallest sufficient factors and intervals are in stats/capacity_replay.parquet.",
        selection.every_layer("a row each")
    );
    let title = "Drops over the capacity factor, layer by layer".to_owned();
    let all: Vec<Replays<'_>> = selection.layers().iter().map(|layer| Replays::of(selection, kind, *layer)).collect();
    let enough: Vec<_> = all.iter().map(Replays::enough).collect();
    let message = says::capacity_of_layers(&enough);
    vec![spec(selection, kind, "", title, &caption, Body::Heat(figure)).saying(message)]
}

impl<'a> Replays<'a> {
    fn of(selection: &Selection<'a>, kind: &'static ChartKind, layer: u16) -> Self {
        let rows = of_layer(selection, kind.statistic, layer);
        let exact = of_layer(selection, Statistic::ExactReplay, layer);
        let exact = exact.into_iter().filter(|row| row.variant == Some(Variant::Of(ASSIGNMENT))).collect();
        let own = rows.iter().filter(|row| row.variable.is_some()).find_map(|row| row.rule);
        Replays { own: own.filter(|rule| RULES.contains(rule)).unwrap_or(RULES[0]), rows, exact }
    }

    /// The row of the smallest factor that drops at most 1 % under the rule and in the groups of the run, and the largest factor
    /// that was tried.
    fn enough(&self) -> (Option<&'a Finding>, Option<f64>) {
        let row = self.rows.iter().copied().find(|row| {
            row.variant == Some(Variant::FactorForOnePercent)
                && row.rule == Some(self.own)
                && row.grouping.as_deref() == Some(GROUPS_OF_RUN)
                && row.dataset.is_none()
        });
        (row, self.rows.iter().filter_map(|row| row.capacity_factor).reduce(f64::max))
    }

    /// Factor and dropped share, under the rule and in the groups of the run.
    fn dropped(&self) -> Vec<(f64, f64)> {
        let rows = self.curve((self.own, GROUPS_OF_RUN, Priority::Position), Variant::Of(ASSIGNMENT), None);
        rows.into_iter().filter_map(|row| Some((row.capacity_factor?, row.estimate?))).collect()
    }

    /// The rows over all factors at one setting, ascending.
    fn curve(
        &self,
        (rule, grouping, priority): (CapacityRule, &str, Priority),
        variant: Variant,
        scope: Scope<'_>,
    ) -> Vec<&'a Finding> {
        let mut rows: Vec<&Finding> = self
            .rows
            .iter()
            .copied()
            .filter(|row| {
                row.rule == Some(rule) && row.grouping.as_deref() == Some(grouping) && row.priority == Some(priority)
            })
            .filter(|row| row.variant == Some(variant) && row.dataset.as_deref() == scope && row.variable.is_none())
            .filter(|row| row.capacity_factor.is_some())
            .collect();
        rows.sort_by(|a, b| a.capacity_factor.unwrap_or(0.0).total_cmp(&b.capacity_factor.unwrap_or(0.0)));
        rows
    }

    /// The values of a key, in file order.
    fn values<K: PartialEq>(&self, key: impl Fn(&'a Finding) -> Option<K>) -> Vec<K> {
        let mut found = Vec::new();
        for value in self.rows.iter().filter_map(|row| key(row)) {
            if !found.contains(&value) {
                found.push(value);
            }
        }
        found
    }

    /// A panel per question: the rules, the data sets, who competes, who comes first.
    fn panels(&self) -> Vec<CurvePanel> {
        let own = self.own;
        let rules = RULES.map(|rule| {
            (
                format!("rule {rule}"),
                self.curve((rule, GROUPS_OF_RUN, Priority::Position), Variant::Of(ASSIGNMENT), None),
            )
        });
        let by_dataset = scopes(&self.rows).into_iter();
        let datasets = by_dataset
            .map(|s| (scope_name(s), self.curve((own, GROUPS_OF_RUN, Priority::Position), Variant::Of(ASSIGNMENT), s)));
        let groupings = self.values(|row| row.grouping.as_deref()).into_iter();
        let groupings =
            groupings.map(|g| (named(g), self.curve((own, g, Priority::Position), Variant::Of(ASSIGNMENT), None)));
        let priorities = self.values(|row| row.priority).into_iter();
        let priorities = priorities.map(|p| {
            (p.words().to_owned(), self.curve((own, GROUPS_OF_RUN, p), Variant::Of(Statistic::GateMassLost), None))
        });
        [
            ("dropped assignments, by capacity rule".to_owned(), rules.to_vec()),
            (format!("dropped assignments, by data set (rule {own})"), datasets.collect()),
            (format!("dropped assignments, by who competes (rule {own})"), groupings.collect()),
            (format!("lost gate mass, by who queues first (rule {own})"), priorities.collect()),
        ]
        .into_iter()
        .filter_map(|(title, curves): (String, Vec<Curve<'a>>)| panel(title, &curves))
        .collect()
    }

    /// Forward passes at other factors, as points.
    fn add_exact(&self, panel: &mut CurvePanel) {
        let mark = |row: &&Finding| {
            let at = (row.capacity_factor?, row.estimate?);
            Some(Mark { at, interval: interval(row), marker: Marker::Square, color: ACCENT, label: String::new() })
        };
        let marks: Vec<Mark> = self.exact.iter().filter_map(mark).collect();
        if !marks.is_empty() {
            panel.legend.push(LegendEntry::new(Sample::Point(Marker::Square, ACCENT), "forward pass at this factor"));
            panel.marks.extend(marks);
        }
    }

    /// All panels over one axis; `None` if there is nothing to draw.
    fn figure(&self) -> Option<CurveFigure> {
        let mut panels = self.panels();
        if let Some(first) = panels.first_mut() {
            self.add_exact(first);
        }
        let places =
            || panels.iter().flat_map(|panel| &panel.lines).flat_map(|(_, points)| points).map(|point| point.0);
        let (low, high) = (places().fold(f64::INFINITY, f64::min), places().fold(0.0, f64::max));
        if low >= high {
            return None;
        }
        let paper: Vec<(f64, String)> =
            PAPER.iter().filter(|at| (low..=high).contains(at)).map(|at| (*at, short(*at))).collect();
        for panel in &mut panels {
            panel.verticals.clone_from(&paper);
        }
        Some(CurveFigure {
            x_label: "capacity factor".to_owned(),
            y_label: "lost share".to_owned(),
            x_range: (low - 0.1, high + 0.1),
            x_linear: true,
            x_ticks: (1..=(2.0 * high) as u32).map(|half| f64::from(half) / 2.0).map(|at| (at, short(at))).collect(),
            x_shift: 0.0,
            y: AxisScale::log(LOWEST, 1.0).percent().and_zero(),
            strip: None,
            legend: vec![LegendEntry::new(
                Sample::Line(CEILING_LINE),
                "factors of the paper: 1.25 in training, 2 in inference",
            )],
            panels,
        })
    }

    /// The smallest sufficient factors.
    fn table(&self) -> Option<TableFigure> {
        let cell = |rule: CapacityRule, grouping: &str, scope: Scope<'_>, level: Variant| {
            let found = self.rows.iter().find(|row| {
                row.variant == Some(level)
                    && row.rule == Some(rule)
                    && row.grouping.as_deref() == Some(grouping)
                    && row.dataset.as_deref() == scope
            });
            found.map_or_else(String::new, |row| factor_words(row))
        };
        let line = |name: String, grouping: &str, scope: Scope<'_>| {
            let cells = RULES.iter().flat_map(|rule| LEVELS.map(|(level, _)| cell(*rule, grouping, scope, level)));
            TableRow { name, cells: cells.collect() }
        };
        let datasets = scopes(&self.rows).into_iter().map(|scope| line(scope_name(scope), GROUPS_OF_RUN, scope));
        let others = self.values(|row| row.grouping.as_deref()).into_iter().filter(|name| *name != GROUPS_OF_RUN);
        let rows: Vec<TableRow> = datasets
            .chain(others.map(|grouping| line(named(grouping), grouping, None)))
            .filter(|row| row.cells.iter().any(|cell| !cell.is_empty()))
            .collect();
        (!rows.is_empty()).then(|| TableFigure {
            row_label: "groups of the run, unless said".to_owned(),
            groups: RULES.map(|rule| (format!("rule {rule}"), LEVELS.len())).to_vec(),
            headers: RULES.iter().flat_map(|_| LEVELS.map(|(_, words)| format!("at most {words}"))).collect(),
            rows,
        })
    }
}

/// Who competes, in words; a grouping without words by its name.
fn named(grouping: &str) -> String {
    grouping_words(grouping).unwrap_or_else(|| label(grouping))
}

/// A factor with its interval.
fn factor_words(row: &Finding) -> String {
    let value = row.estimate.map(|factor| format!("{factor:.2}")).unwrap_or_default();
    interval(row).map_or(value.clone(), |(low, high)| format!("{value} [{low:.2}, {high:.2}]"))
}

/// One panel of curves; `None` if there is nothing to draw.
fn panel(title: String, curves: &[Curve<'_>]) -> Option<CurvePanel> {
    let drawn: Vec<&Curve<'_>> = curves.iter().filter(|curve| !curve.1.is_empty()).collect();
    let mut panel = CurvePanel { title, ..CurvePanel::default() };
    for (index, (name, rows)) in drawn.iter().enumerate() {
        let stroke = series(index, drawn.len());
        let name = font::fit(name, LEGEND_ROOM, LABEL, false);
        panel.legend.push(LegendEntry::new(Sample::Line(stroke), name));
        add_curve(&mut panel, rows, stroke, index);
    }
    (!drawn.is_empty()).then_some(panel)
}

fn add_curve(panel: &mut CurvePanel, rows: &[&Finding], stroke: Stroke, index: usize) {
    let marker = if index.is_multiple_of(2) { Marker::Disc } else { Marker::Diamond };
    let points: Vec<(f64, f64, &Finding)> =
        rows.iter().filter_map(|row| Some((row.capacity_factor?, row.estimate?, *row))).collect();
    panel.lines.push((stroke, points.iter().map(|(x, y, _)| (*x, *y)).collect()));
    panel.marks.extend(points.iter().map(|(x, y, row)| Mark {
        at: (*x, *y),
        interval: interval(row),
        marker,
        color: stroke.color,
        label: String::new(),
    }));
}
