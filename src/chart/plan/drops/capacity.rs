//! Which capacity would prevent the drops: replays of the logged choices.

use super::{ASSIGNMENT, Scope, Specs, of_layer, scope_name, scopes, spec};
use crate::{
    chart::{
        ChartKind,
        axis::short,
        canvas::Marker,
        curve::{AxisScale, CurveFigure, CurvePanel, Mark},
        legend::{LegendEntry, Sample},
        page::Body,
        plan::{
            many::{LayerMap, figure as map_figure, from_zero},
            says,
            selection::{Selection, interval, label},
        },
        table::{TableFigure, TableRow},
        theme::{ACCENT, CEILING_LINE, Dash, MUTED, PAPER, Stroke, TEXT, UNIFORM_LINE, VALUE_LINE},
    },
    routing::CapacityRule,
    stats::{Finding, GROUPS_OF_RUN, Priority, Statistic, Variant, grouping_words},
};

/// The lowest ratio above 0 on the axis; smaller ones are placed there.
const LOWEST: f64 = 1e-4;
/// The factors of the paper: training and inference.
const PAPER_FACTORS: [f64; 2] = [1.25, 2.0];
/// The drops that the chart asks about.
const LEVEL: f64 = 0.01;
/// How grey the other rule is.
const BEHIND: f64 = 0.55;
/// The ends of the interval on the line of 1 % reach to this multiple of it.
const BRACKET: f64 = 1.35;
/// Rules with slots to run out of.
const RULES: [CapacityRule; 2] = [CapacityRule::Port, CapacityRule::T5x];

/// Replays of one layer.
struct Replays<'a> {
    rows: Vec<&'a Finding>,
    exact: Vec<&'a Finding>,
    /// The rule of the run.
    own: CapacityRule,
}

/// Drop ratio over the capacity factor, and the smallest factors that drop at most 1 %; a chart per layer.
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
                "Smallest factor that drops at most 1 % of a data set, and with other groups that share the slots"
                    .to_owned(),
                Body::Table(table),
            )
        }));
        if parts.is_empty() {
            continue;
        }
        let caption = "What other capacities would have dropped, recomputed from the logged choices without a forward pass: exact for the first MoE layer, first order \
                       for later ones, which would see other inputs. Dotted: the paper's capacity factors, 1.25 in training and 2.0 in inference. Bars and brackets: 95 % interval over \
                       documents, none where a routing group holds several documents. The axis is logarithmic down to 0.01 %; 0 has a place of its own below it. \
                       Rule port is that of the released checkpoints, rule t5x that of the code that trained them; k: choices per token. \
                       Other levels than 1 %, curves of data sets and groups, and the gate mass lost by who queues first are in stats/capacity_replay.csv.";
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

    /// The rows of a rule in the groups of the run.
    fn of_rule(&self, rule: CapacityRule) -> Vec<&'a Finding> {
        self.curve((rule, GROUPS_OF_RUN, Priority::Position), Variant::Of(ASSIGNMENT), None)
    }

    /// The curve of the rule of the run in colour, behind it that of the other one.
    fn add_rules(&self, panel: &mut CurvePanel) {
        let own = Stroke { width: 2.6, ..VALUE_LINE };
        let other = Stroke::broken(PAPER.towards(MUTED, BEHIND), 1.6, Dash::Dashed);
        let mut rules = RULES.map(|rule| (rule, if rule == self.own { own } else { other }));
        rules.sort_by_key(|(rule, _)| *rule == self.own);
        for (rule, stroke) in rules {
            let rows = self.of_rule(rule);
            if !rows.is_empty() {
                panel.legend.insert(0, LegendEntry::new(Sample::Line(stroke), rule_words(rule)));
                add_curve(panel, &rows, stroke);
            }
        }
    }

    /// The line of 1 %, and on it the smallest factor that drops no more, with its interval.
    fn add_level(&self, panel: &mut CurvePanel, (from, to): (f64, f64)) {
        panel.lines.push((UNIFORM_LINE, vec![(from, LEVEL), (to, LEVEL)]));
        panel.legend.push(LegendEntry::new(Sample::Line(UNIFORM_LINE), "1 % dropped"));
        let Some((row, factor)) = self.enough().0.and_then(|row| Some((row, row.estimate?))) else { return };
        if let Some((low, high)) = interval(row) {
            panel.lines.push((Stroke::solid(ACCENT, 3.0), vec![(low, LEVEL), (high, LEVEL)]));
            for end in [low, high] {
                let bracket = vec![(end, LEVEL / BRACKET), (end, LEVEL * BRACKET)];
                panel.lines.push((Stroke::solid(ACCENT, 2.0), bracket));
            }
        }
        let name = "smallest factor that drops at most 1 %, 95 % interval";
        panel.legend.push(LegendEntry::new(Sample::Point(Marker::Square, ACCENT), name));
        let (at, color) = ((factor, LEVEL), ACCENT);
        panel.marks.push(Mark { at, interval: None, marker: Marker::Square, color, label: factor_words(row) });
    }

    /// Forward passes at other factors, as points.
    fn add_exact(&self, panel: &mut CurvePanel) {
        let mark = |row: &&Finding| {
            let at = (row.capacity_factor?, row.estimate?);
            Some(Mark { at, interval: interval(row), marker: Marker::Diamond, color: TEXT, label: String::new() })
        };
        let marks: Vec<Mark> = self.exact.iter().filter_map(mark).collect();
        if !marks.is_empty() {
            panel.legend.push(LegendEntry::new(Sample::Point(Marker::Diamond, TEXT), "forward pass at this factor"));
            panel.marks.extend(marks);
        }
    }

    /// The curves of the rules; `None` if there is nothing to draw.
    fn figure(&self) -> Option<CurveFigure> {
        let mut panel = CurvePanel::default();
        self.add_rules(&mut panel);
        let places = || panel.lines.iter().flat_map(|(_, points)| points).map(|point| point.0);
        let enough = self.enough().0.and_then(|row| row.high.or(row.estimate)).unwrap_or(0.0);
        let (low, high) = (places().fold(f64::INFINITY, f64::min), places().fold(enough, f64::max));
        if low >= high {
            return None;
        }
        let range = (low - 0.1, high + 0.1);
        self.add_level(&mut panel, range);
        self.add_exact(&mut panel);
        panel.verticals =
            PAPER_FACTORS.iter().filter(|at| (low..=high).contains(at)).map(|at| (*at, short(*at))).collect();
        let paper = "factors of the paper: 1.25 in training, 2 in inference";
        let mut legend = std::mem::take(&mut panel.legend);
        legend.push(LegendEntry::new(Sample::Line(CEILING_LINE), paper));
        Some(CurveFigure {
            x_label: "capacity factor".to_owned(),
            y_label: "dropped assignments".to_owned(),
            x_range: range,
            x_linear: true,
            x_ticks: (1..=(2.0 * high) as u32).map(|half| f64::from(half) / 2.0).map(|at| (at, short(at))).collect(),
            x_shift: 0.0,
            y: AxisScale::log(LOWEST, 1.0).percent().and_zero(),
            strip: None,
            legend,
            panels: vec![panel],
        })
    }

    /// The smallest sufficient factors.
    fn table(&self) -> Option<TableFigure> {
        let cell = |rule: &CapacityRule, grouping: &str, scope: Scope<'_>| {
            let found = self.rows.iter().find(|row| {
                row.variant == Some(Variant::FactorForOnePercent)
                    && row.rule == Some(*rule)
                    && row.grouping.as_deref() == Some(grouping)
                    && row.dataset.as_deref() == scope
            });
            found.map_or_else(String::new, |row| factor_words(row))
        };
        let line = |name: String, grouping: &str, scope: Scope<'_>| {
            let cells = RULES.iter().map(|rule| cell(rule, grouping, scope));
            TableRow { name, cells: cells.collect(), marked: scope.is_none() && grouping == GROUPS_OF_RUN }
        };
        let datasets = scopes(&self.rows).into_iter().map(|scope| line(scope_name(scope), GROUPS_OF_RUN, scope));
        let others = self.values(|row| row.grouping.as_deref()).into_iter().filter(|name| *name != GROUPS_OF_RUN);
        let rows: Vec<TableRow> = datasets
            .chain(others.map(|grouping| line(named(grouping), grouping, None)))
            .filter(|row| row.cells.iter().any(|cell| !cell.is_empty()))
            .collect();
        (!rows.is_empty()).then(|| TableFigure {
            row_label: "groups of the run, unless said".to_owned(),
            groups: RULES.map(|rule| (format!("rule {rule}"), 1)).to_vec(),
            headers: RULES.map(|_| "at most 1 %".to_owned()).to_vec(),
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

/// A rule and the slots of an expert under it.
fn rule_words(rule: CapacityRule) -> String {
    let slots = match rule {
        CapacityRule::Port => ": k \u{d7} factor \u{d7} tokens / experts slots for each expert",
        CapacityRule::T5x => ": factor \u{d7} tokens / experts slots for each expert, whatever k",
        CapacityRule::Unlimited => "",
    };
    format!("rule {rule}{slots}")
}

fn add_curve(panel: &mut CurvePanel, rows: &[&Finding], stroke: Stroke) {
    let points: Vec<(f64, f64, &Finding)> =
        rows.iter().filter_map(|row| Some((row.capacity_factor?, row.estimate?, *row))).collect();
    panel.lines.push((stroke, points.iter().map(|(x, y, _)| (*x, *y)).collect()));
    panel.marks.extend(points.iter().map(|(x, y, row)| Mark {
        at: (*x, *y),
        interval: interval(row),
        marker: Marker::Disc,
        color: stroke.color,
        label: String::new(),
    }));
}
