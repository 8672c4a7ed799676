//! The charts of a mitigate run: what every strategy costs, where, and what dropping costs.

use super::{ChartSpec, series::series};
use crate::{
    chart::{
        Message,
        axis::{ceil_nice, count},
        canvas::Marker,
        curve::{AxisScale, CurveFigure, CurvePanel, Mark},
        forest::{ForestAxis, ForestFigure, ForestPoint, ForestRow},
        heatmap::{HeatBlock, HeatFigure, Scale},
        legend::{LegendEntry, Sample},
        page::{Body, Page},
        script,
        theme::{ACCENT, Color, MUTED, Stroke, VALUE},
    },
    stats::{Changed, Exposure, Measure, MitigationRow, PartKind, counted, nats_words, share_of_random_words},
};

const KIND: &str = "mitigation";
/// The strategies that are the scale.
const SCALE: [&str; 2] = ["random", "hash"];
/// Rows of a forest of single layers; more layers become a map.
const MOST_ROWS: usize = 60;
/// Strategies that are drawn category by category.
const STRONGEST: usize = 3;
/// Categories in a forest.
const MOST_CATEGORIES: usize = 24;
/// Strategies whose largest change is at most this share of the largest of all are drawn in a panel of their own.
const MUCH: f64 = 0.2;
/// Curves in a panel.
const MOST_CURVES: usize = 6;
/// Messages whose drop cost is drawn.
const MOST_MESSAGES: usize = 12;
const UNIT: &str = "change of the loss in nats per token";
const WHISKER: &str = "95 % interval over documents";

/// The charts of a mitigate run; `subtitle` names checkpoint and text.
pub fn plan_mitigation(rows: &[MitigationRow], subtitle: &str) -> Vec<ChartSpec> {
    let plan = Plan { rows, subtitle };
    let curves = [
        (PartKind::Position, "position", "position in the sequence"),
        (PartKind::Turn, "turn", "message"),
        (PartKind::Frequency, "frequency", "number of occurrences in the text"),
    ];
    let forests = [
        (PartKind::Category, "category", "category"),
        (PartKind::Role, "role", "role"),
        (PartKind::Dataset, "dataset", "data set"),
    ];
    let curves = curves.into_iter().filter_map(|(kind, name, label)| plan.curve(kind, name, label));
    let forests = forests.into_iter().filter_map(|(kind, name, words)| plan.parts(kind, name, words));
    plan.strategies()
        .into_iter()
        .chain(plan.layers())
        .chain(curves)
        .chain(forests)
        .chain(plan.coverage())
        .chain(plan.drop_cost())
        .collect()
}

/// A strategy with its place among all, and its changes at places of the horizontal axis.
type Line<'a> = (usize, &'a MitigationRow, Vec<(f64, &'a Changed)>);

struct Plan<'a> {
    rows: &'a [MitigationRow],
    subtitle: &'a str,
}

impl<'a> Plan<'a> {
    fn spec(&self, name: &str, title: &str, caption: &str, body: Body, message: Option<Message>) -> ChartSpec {
        let page = Page {
            message: None,
            title: script::printable(title),
            subtitle: script::printable(self.subtitle),
            caption: script::printable(caption),
            body,
        };
        ChartSpec { name: name.to_owned(), kind: KIND, page }.saying(message)
    }

    /// The losses of all strategies over all tokens.
    fn overall(&self) -> Vec<&'a MitigationRow> {
        self.rows.iter().filter(|row| row.is_overall() && row.measure == Measure::Loss).collect()
    }

    /// Those that are no scale, the strongest change first.
    fn strongest(&self) -> Vec<&'a MitigationRow> {
        let mut rows: Vec<&MitigationRow> =
            self.overall().into_iter().filter(|row| !SCALE.contains(&row.strategy.as_str())).collect();
        rows.sort_by(|a, b| b.change.estimate.abs().total_cmp(&a.change.estimate.abs()));
        rows
    }

    fn strategies(&self) -> Option<ChartSpec> {
        let all = self.overall();
        let (scale, others): (Vec<&MitigationRow>, Vec<&MitigationRow>) =
            all.iter().partition(|row| SCALE.contains(&row.strategy.as_str()));
        let first = all.first()?;
        let figure = |rows: &[&MitigationRow], legend: Vec<LegendEntry>| {
            forest(UNIT, true, legend, vec![section("", rows, |row| row.strategy.clone())])
        };
        let mut parts = Vec::new();
        if !others.is_empty() {
            parts.push(("Strategies".to_owned(), figure(&others, legend())));
        }
        if !scale.is_empty() {
            parts.push((
                "The scale: random experts, and experts by a hash of the token id".to_owned(),
                figure(&scale, Vec::new()),
            ));
        }
        let message = self.strongest().first().map(|row| about(row));
        let caption = format!(
            "Loss of the next token with the strategy less that of the unchanged model, over the same tokens. The two panels have axes of \
             their own. n = {} next tokens of {} documents. Every number is in stats/mitigation.csv.",
            count(first.n),
            count(first.documents)
        );
        Some(self.spec("loss_by_strategy", "What it costs to route otherwise", &caption, Body::Stack(parts), message))
    }

    fn layers(&self) -> Option<ChartSpec> {
        let single: Vec<&MitigationRow> =
            self.rows.iter().filter(|row| row.only_layer.is_some() && row.measure == Measure::Loss).collect();
        let mut names: Vec<&str> = Vec::new();
        for row in &single {
            if !names.contains(&row.strategy.as_str()) {
                names.push(&row.strategy);
            }
        }
        let of = |name: &str| single.iter().copied().filter(|row| row.strategy == name).collect::<Vec<_>>();
        let is_scale = |row: &MitigationRow| SCALE.contains(&row.strategy.as_str());
        let size = |row: &MitigationRow| (!is_scale(row), row.change.estimate.abs());
        // The scale only where there is nothing else.
        let largest = single.iter().copied().max_by(|a, b| {
            let ((a_own, a_size), (b_own, b_size)) = (size(a), size(b));
            a_own.cmp(&b_own).then(a_size.total_cmp(&b_size))
        })?;
        let shown: Vec<&str> = names.iter().copied().filter(|name| !SCALE.contains(name)).collect();
        let body = if shown.iter().map(|name| of(name).len()).sum::<usize>() <= MOST_ROWS && !shown.is_empty() {
            let label = |row: &MitigationRow| format!("layer {}", row.only_layer.unwrap_or_default());
            let sections = shown.iter().map(|name| section(name, &of(name), label)).collect();
            forest(UNIT, true, legend(), sections)
        } else {
            let layers: Vec<u16> = of(names.first()?).iter().filter_map(|row| row.only_layer).collect();
            let thousandths = |name: &&str| -> Vec<Option<f64>> {
                of(name).iter().map(|row| Some(row.change.estimate * 1000.0)).collect()
            };
            let cells: Vec<Vec<Option<f64>>> = names.iter().map(thousandths).collect();
            let limit = ceil_nice(cells.iter().flatten().flatten().fold(0.0, |most: f64, cell| most.max(cell.abs())));
            Body::Heat(HeatFigure {
                scale: Scale::Difference { limit },
                scale_label: "thousandths of a nat per token".to_owned(),
                column_label: "decoder layer".to_owned(),
                row_height: None,
                blocks: vec![HeatBlock {
                    title: String::new(),
                    rows: names.iter().map(|name| script::printable(name)).collect(),
                    columns: layers.iter().map(ToString::to_string).collect(),
                    cells,
                    outlined: Vec::new(),
                }],
            })
        };
        let caption = "Each strategy in one layer alone; all other layers keep their routers. Changes of single layers need not add up to \
                       that of all.";
        let text = format!(
            "{} changes most in layer {}: {} nats per token",
            largest.strategy,
            largest.only_layer.unwrap_or_default(),
            nats_words(&largest.change)
        );
        let message = if is_shown(&largest.change) { Message::shown(text) } else { Message::open(text) };
        Some(self.spec("loss_by_layer", "One layer at a time", caption, body, Some(message)))
    }

    /// The rows of a strategy by the values of a part that have an interval, in order.
    fn by_value(&self, kind: PartKind, strategy: &str) -> Vec<&'a MitigationRow> {
        let own = |row: &&MitigationRow| {
            row.part == kind && row.strategy == strategy && row.measure == Measure::Loss && row.only_layer.is_none()
        };
        self.rows.iter().filter(own).collect()
    }

    fn curve(&self, kind: PartKind, name: &str, x_label: &str) -> Option<ChartSpec> {
        let strategies: Vec<&MitigationRow> = self.strongest();
        let mut values: Vec<&str> = Vec::new();
        for row in strategies.iter().flat_map(|own| self.by_value(kind, &own.strategy)) {
            let value = row.value.as_deref().unwrap_or_default();
            if row.change.low.is_some() && !values.contains(&value) {
                values.push(value);
            }
        }
        if values.len() < 2 {
            return None;
        }
        // The order of the rows of one strategy is that of the values; another may know values that it lacks.
        values.sort_by_key(|value| first_number(value));
        let curves: Vec<Line<'_>> = strategies
            .iter()
            .enumerate()
            .map(|(index, own)| {
                let rows = self.by_value(kind, &own.strategy).into_iter().filter(|row| row.change.low.is_some());
                let place = |row: &MitigationRow| values.iter().position(|value| Some(*value) == row.value.as_deref());
                let points = rows.filter_map(|row| Some((place(row)? as f64, &row.change))).collect();
                (index, *own, points)
            })
            .collect();
        let largest = |points: &[(f64, &Changed)]| {
            points.iter().fold(0.0, |most: f64, (_, change)| most.max(change.estimate.abs()))
        };
        let most = curves.iter().map(|(.., points)| largest(points)).fold(0.0, f64::max);
        let (much, little): (Vec<_>, Vec<_>) = curves
            .into_iter()
            .filter(|(.., points)| !points.is_empty())
            .partition(|(.., points)| largest(points) > most * MUCH);
        let left_out = [&much, &little].iter().map(|curves| curves.len().saturating_sub(MOST_CURVES)).sum::<usize>();
        let [much, little] = [much, little].map(|curves| curves.into_iter().take(MOST_CURVES).collect::<Vec<_>>());
        let figure = |curves: &[Line<'_>]| curve_figure(curves, &values, x_label, strategies.len());
        let mut parts = vec![(String::new(), figure(&much))];
        if !little.is_empty() {
            parts.push(("Strategies that change little, on an axis of their own".to_owned(), figure(&little)));
        }
        let more = match left_out {
            0 => String::new(),
            more => format!(" {more} more strategies that change less are in stats/mitigation.csv."),
        };
        let caption = format!(
            "By the {x_label} of the token that the model reads. Whiskers: {WHISKER}; values of too few documents for an interval are \
             left out.{more}"
        );
        let message = extreme(&much, &values);
        Some(self.spec(
            &format!("loss_by_{name}"),
            &format!("Change of the loss by {name}"),
            &caption,
            Body::Stack(parts),
            message,
        ))
    }

    fn parts(&self, kind: PartKind, name: &str, words: &str) -> Option<ChartSpec> {
        let strongest = self.strongest();
        let section_of = |own: &&MitigationRow| {
            let mut rows = self.by_value(kind, &own.strategy);
            let all = rows.len();
            rows.sort_by(|a, b| b.change.estimate.total_cmp(&a.change.estimate));
            rows.truncate(MOST_CATEGORIES);
            let title = if all > rows.len() {
                format!("{}: the {} of {all} with the largest rise", own.strategy, rows.len())
            } else {
                own.strategy.clone()
            };
            let label = |row: &MitigationRow| row.value.clone().unwrap_or_default();
            section(&title, &rows, label)
        };
        let sections: Vec<(String, Vec<ForestRow>)> =
            strongest.iter().take(STRONGEST).map(section_of).filter(|(_, rows)| rows.len() > 1).collect();
        if sections.is_empty() {
            return None;
        }
        let body = forest(UNIT, false, legend(), sections);
        let caption = format!(
            "The {STRONGEST} strategies that change the loss most, by {words}. All strategies are in stats/mitigation.csv."
        );
        let first = strongest.first().map(|own| self.by_value(kind, &own.strategy)).unwrap_or_default();
        let largest = first.iter().max_by(|a, b| a.change.estimate.abs().total_cmp(&b.change.estimate.abs()));
        let message = largest.map(|row| {
            let value = row.value.as_deref().unwrap_or_default();
            let does = if row.change.is_below() { "saves most in" } else { "costs most in" };
            let does = if is_shown(&row.change) { does } else { "changes most in" };
            let text = format!("{} {does} {value}: {} nats per token", row.strategy, nats_words(&row.change));
            if is_shown(&row.change) { Message::shown(text) } else { Message::open(text) }
        });
        Some(self.spec(&format!("loss_by_{name}"), &format!("Change of the loss by {words}"), &caption, body, message))
    }

    fn coverage(&self) -> Option<ChartSpec> {
        let lookups: Vec<&MitigationRow> = self.overall().into_iter().filter(|row| row.coverage.is_some()).collect();
        let section_of = |own: &&MitigationRow| {
            let rows = self.by_value(PartKind::Coverage, &own.strategy);
            let label = |row: &MitigationRow| format!("{} of the tokens known", row.value.clone().unwrap_or_default());
            section(&own.strategy, &rows, label)
        };
        let sections: Vec<(String, Vec<ForestRow>)> =
            lookups.iter().map(section_of).filter(|(_, rows)| !rows.is_empty()).collect();
        if sections.is_empty() {
            return None;
        }
        let body = forest(UNIT, false, legend(), sections);
        let caption = "Fifths of the documents, by the share of their tokens whose id has a row in the table. Documents differ in more than \
                       this share.";
        let message = lookups.first().map(|own| {
            let known = own.coverage.unwrap_or_default() * 100.0;
            Message::described(format!("The table knows the ids of {known:.0} % of the tokens"))
        });
        Some(self.spec("loss_by_coverage", "What a table knows, and what it costs", caption, body, message))
    }

    fn drop_cost(&self) -> Option<ChartSpec> {
        let rows: Vec<&MitigationRow> = self.rows.iter().filter(|row| row.measure == Measure::DropCost).collect();
        let of = |exposure: Exposure, part: PartKind| {
            rows.iter()
                .copied()
                .filter(move |row| row.exposure == Some(exposure) && row.part == part)
                .collect::<Vec<_>>()
        };
        let dropped = of(Exposure::Dropped, PartKind::All).first().copied()?;
        let words = |exposure: Exposure| match exposure {
            Exposure::Dropped => "tokens that lose an expert",
            Exposure::AfterDrop => "the 32 tokens behind one",
            Exposure::Rest => "tokens farther behind",
            Exposure::Unreached => "tokens before any drop",
        };
        // What no drop can reach is the same by construction.
        let all: Vec<ForestRow> = Exposure::ALL
            .into_iter()
            .filter(|exposure| *exposure != Exposure::Unreached)
            .flat_map(|exposure| {
                of(exposure, PartKind::All).into_iter().map(move |row| forest_row(row, words(exposure)))
            })
            .collect();
        let mut sections = vec![("All messages".to_owned(), all)];
        let by_turn: Vec<ForestRow> = of(Exposure::Dropped, PartKind::Turn)
            .into_iter()
            .filter(|row| row.change.low.is_some())
            .take(MOST_MESSAGES)
            .map(|row| forest_row(row, &format!("message {}", row.value.clone().unwrap_or_default())))
            .collect();
        if by_turn.len() > 1 {
            sections.push(("Tokens that lose an expert, by message of the conversation".to_owned(), by_turn));
        }
        let body = forest("loss with capacity less loss without, nats per token", false, legend(), sections);
        let text = format!(
            "After a token that loses an expert the loss changes by {} nats with capacity",
            nats_words(&dropped.change)
        );
        let message = if is_shown(&dropped.change) { Message::shown(text) } else { Message::open(text) };
        let caption = "The unchanged model against the same model without capacity, over the same tokens. A token loses an expert if one of \
                       its choices finds no slot in any layer; messages count from 0, and those of too few documents for an interval are left \
                       out.";
        Some(self.spec("drop_cost", "Does dropping hurt?", caption, body, Some(message)))
    }
}

/// The first number of the name of a bin.
fn first_number(value: &str) -> u64 {
    let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// Whether an interval leaves 0.
fn is_shown(change: &Changed) -> bool {
    change.is_above() || change.is_below()
}

fn legend() -> Vec<LegendEntry> {
    vec![
        LegendEntry::new(Sample::Point(Marker::Disc, ACCENT), "the loss rises"),
        LegendEntry::new(Sample::Point(Marker::Diamond, VALUE), "it falls"),
        LegendEntry::new(Sample::Point(Marker::Square, MUTED), "not told from no change, or no interval"),
        LegendEntry::new(Sample::Whisker, WHISKER),
    ]
}

/// What the columns of numbers are; the last one only where all tokens are meant.
fn headers(has_share: bool) -> Vec<String> {
    let all = ["nats per token", "95 % interval", "of random experts"];
    all.into_iter().take(2 + usize::from(has_share)).map(str::to_owned).collect()
}

/// Rows of points with their intervals, in sections.
fn forest(x_label: &str, has_share: bool, legend: Vec<LegendEntry>, sections: Vec<(String, Vec<ForestRow>)>) -> Body {
    Body::Forest(ForestFigure {
        x_label: x_label.to_owned(),
        axis: ForestAxis::Differences,
        headers: headers(has_share),
        legend,
        sections,
    })
}

/// A section of such a figure.
fn section(title: &str, rows: &[&MitigationRow], label: impl Fn(&MitigationRow) -> String) -> (String, Vec<ForestRow>) {
    (script::printable(title), rows.iter().map(|row| forest_row(row, &label(row))).collect())
}

/// Shape and colour of a change.
fn look(change: &Changed) -> (Marker, Color) {
    match change {
        change if change.is_above() => (Marker::Disc, ACCENT),
        change if change.is_below() => (Marker::Diamond, VALUE),
        _ => (Marker::Square, MUTED),
    }
}

fn minus(text: &str) -> String {
    text.replace('-', "\u{2212}")
}

fn forest_row(row: &MitigationRow, label: &str) -> ForestRow {
    let (marker, color) = look(&row.change);
    let share = row.of_random.as_ref().filter(|_| row.strategy != "random");
    let share = share.map(|share| minus(&share_of_random_words(share).replace(" of what random experts cost", "")));
    let words = minus(&nats_words(&row.change));
    let (estimate, interval) = words.split_once(" [").unwrap_or((&words, ""));
    let interval = if interval.is_empty() { String::new() } else { format!("[{interval}") };
    ForestRow {
        label: script::printable(label),
        note: format!("n = {}, {}", count(row.n), counted(row.documents, "document")),
        points: vec![ForestPoint {
            at: row.change.estimate,
            interval: row.change.low.zip(row.change.high),
            marker,
            color,
        }],
        cells: vec![estimate.to_owned(), interval, share.unwrap_or_default()],
    }
}

/// What the strongest strategy does.
fn about(row: &MitigationRow) -> Message {
    let share = row.of_random.map(|share| format!(", {}", share_of_random_words(&share))).unwrap_or_default();
    let text = format!("{}: {} nats per token{share}", row.strategy, nats_words(&row.change));
    if is_shown(&row.change) { Message::shown(text) } else { Message::open(text) }
}

/// Where the highest of the curves is highest.
fn extreme(curves: &[Line<'_>], values: &[&str]) -> Option<Message> {
    let points = curves.iter().flat_map(|(_, own, points)| points.iter().map(move |point| (*own, *point)));
    let (own, (place, change)) = points.max_by(|a, b| a.1.1.estimate.total_cmp(&b.1.1.estimate))?;
    let value = values.get(place as usize)?;
    Some(Message::described(format!("{} is highest at {value}: {} nats per token", own.strategy, nats_words(change))))
}

/// One panel with a line for every strategy; `of` is the number of strategies in all, whose lines keep their looks.
fn curve_figure(curves: &[Line<'_>], values: &[&str], x_label: &str, of: usize) -> Body {
    let markers = [Marker::Disc, Marker::Square, Marker::Diamond];
    let ends =
        || curves.iter().flat_map(|(.., points)| points).flat_map(|(_, change)| [change.low, change.high]).flatten();
    let (low, high) = (ends().fold(0.0, f64::min), ends().fold(0.0, f64::max));
    // Labels of very small steps would be long: thousandths instead.
    let is_small = high.max(-low) < 0.02;
    let factor = if is_small { 1000.0 } else { 1.0 };
    let margin = (high - low).max(1e-6) * 0.05 * factor;
    let looks: Vec<(Stroke, Marker)> =
        curves.iter().map(|(index, ..)| (series(*index, of), markers[index % markers.len()])).collect();
    let marks = curves.iter().zip(&looks).flat_map(|((.., points), (stroke, marker))| {
        points.iter().map(move |(x, change)| Mark {
            at: (*x, change.estimate * factor),
            interval: change.low.zip(change.high).map(|(low, high)| (low * factor, high * factor)),
            marker: *marker,
            color: stroke.color,
            label: String::new(),
        })
    });
    let lines = curves.iter().zip(&looks).map(|((.., points), (stroke, _))| {
        (*stroke, points.iter().map(|(x, change)| (*x, change.estimate * factor)).collect())
    });
    let legend = curves.iter().zip(&looks);
    let legend = legend
        .map(|((_, own, _), (stroke, _))| LegendEntry::new(Sample::Line(*stroke), script::printable(&own.strategy)));
    let tick = |(at, value): (usize, &&str)| {
        let first = value.split(['-', ' ']).next().unwrap_or_default();
        (at as f64, first.to_owned())
    };
    Body::Curve(CurveFigure {
        x_label: if values.iter().any(|value| value.contains('-')) {
            format!("{x_label} (from)")
        } else {
            x_label.to_owned()
        },
        y_label: if is_small { "0.001 nats per token".to_owned() } else { "nats per token".to_owned() },
        x_range: (-0.3, values.len() as f64 - 0.7),
        x_linear: true,
        x_ticks: values.iter().enumerate().map(tick).collect(),
        x_shift: 0.0,
        y: AxisScale::linear(low * factor - margin, high * factor + margin),
        strip: None,
        legend: legend.collect(),
        panels: vec![CurvePanel { marks: marks.collect(), lines: lines.collect(), ..CurvePanel::default() }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::ShareOf;

    fn row(strategy: &str, estimate: f64) -> MitigationRow {
        MitigationRow {
            strategy: strategy.to_owned(),
            only_layer: None,
            measure: Measure::Loss,
            layer: None,
            part: PartKind::All,
            value: None,
            exposure: None,
            change: Changed {
                estimate,
                low: Some(estimate - 0.002),
                high: Some(estimate + 0.002),
                unchanged: None,
                changed: None,
            },
            of_random: Some(ShareOf { estimate: estimate / 0.9, low: None, high: None }),
            of_hash: None,
            coverage: None,
            n: 1000,
            documents: 20,
            unit: "nats",
        }
    }

    fn run() -> Vec<MitigationRow> {
        let mut rows = vec![row("lookup", 0.05), row("early", 0.001), row("random", 0.9), row("hash", 0.8)];
        rows[0].coverage = Some(0.8);
        for (strategy, estimate) in [("lookup", 0.05), ("early", 0.001)] {
            let part = |part, value: &str, by: f64| MitigationRow {
                part,
                value: Some(value.to_owned()),
                ..row(strategy, estimate * by)
            };
            rows.extend(
                ["0", "1", "2-3", "4-7"]
                    .iter()
                    .zip(1..)
                    .map(|(value, by)| part(PartKind::Position, value, f64::from(by))),
            );
            rows.extend([part(PartKind::Category, "news", 1.0), part(PartKind::Category, "code", 2.0)]);
            rows.extend(
                (1..4).map(|layer| MitigationRow {
                    only_layer: Some(layer),
                    ..row(strategy, estimate / f64::from(layer))
                }),
            );
        }
        rows.push(MitigationRow { part: PartKind::Coverage, value: Some("10-20 %".to_owned()), ..row("lookup", 0.02) });
        for exposure in Exposure::ALL {
            rows.push(MitigationRow {
                measure: Measure::DropCost,
                exposure: Some(exposure),
                ..row("capacity=unlimited", 0.03)
            });
        }
        rows
    }

    #[test]
    fn every_question_has_its_chart_and_all_can_be_drawn() {
        let specs = plan_mitigation(&run(), "tiny \u{b7} text");
        let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        let expected = [
            "loss_by_strategy",
            "loss_by_layer",
            "loss_by_position",
            "loss_by_category",
            "loss_by_coverage",
            "drop_cost",
        ];
        assert_eq!(names, expected);
        assert!(specs.iter().all(|spec| spec.draw().is_ok()));
        let Body::Stack(parts) = &specs[0].page.body else { panic!("no stack") };
        assert_eq!(parts.len(), 2);
        // A strategy that changes little has a panel of its own.
        let Body::Stack(parts) = &specs[2].page.body else { panic!("no stack") };
        assert_eq!(parts.len(), 2);
        assert_eq!(
            specs[0].message().unwrap().text,
            "lookup: +0.050 [0.048, 0.052] nats per token, 5.6 % of what random experts cost"
        );
    }

    #[test]
    fn many_layers_become_a_map() {
        let rows: Vec<MitigationRow> = (0..48)
            .flat_map(|layer| {
                ["lookup", "early"].map(|name| MitigationRow { only_layer: Some(layer), ..row(name, 0.01) })
            })
            .collect();
        let specs = plan_mitigation(&rows, "");
        let Body::Heat(figure) = &specs[0].page.body else { panic!("no map") };
        assert_eq!((figure.blocks[0].rows.len(), figure.blocks[0].columns.len()), (2, 48));
        assert!(specs[0].draw().is_ok());
    }

    #[test]
    fn without_rows_there_is_no_chart() {
        assert!(plan_mitigation(&[], "").is_empty());
    }
}
