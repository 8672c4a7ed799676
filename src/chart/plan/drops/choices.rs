//! The five drop ratios, which are easily confused, side by side.

use super::{Bins, RATIOS, Specs, curve, of_layer, shown, spec, top};
use crate::{
    chart::{
        ChartKind,
        bars::{BarFigure, BarGroup, BarPanel},
        curve::{AxisScale, CurveFigure, CurvePanel},
        legend::{LegendEntry, Sample},
        page::Body,
        plan::{
            context::{group, plain},
            many::{arrangement, side_by_side as layers_side_by_side, side_by_side_words},
            room::ShownLayers,
            says,
            selection::Selection,
            series::series,
        },
    },
    routing::{LayerId, View},
    stats::{Finding, Statistic},
};

/// How many of [`RATIOS`] stand before the third choice.
const BEFORE_THIRD: usize = 3;

/// Up to this many choices a token have a number each; of more, the last takes the place of those that are left out.
const MOST_RANKS: usize = 8;

/// One of the numbers that are compared.
struct Ratio {
    statistic: Statistic,
    /// The choice, from 1, where the statistic has a row for each.
    rank: Option<u32>,
    words: String,
}

/// The numbers of a model with so many choices a token: [`RATIOS`], the third and later choices by rank among them.
fn ratios(choices: usize) -> Vec<Ratio> {
    let named = |(statistic, words): &(Statistic, &str)| Ratio {
        statistic: *statistic,
        rank: None,
        words: (*words).to_owned(),
    };
    let of_rank = |rank: usize| Ratio {
        statistic: Statistic::ChoiceDropRatio,
        rank: u32::try_from(rank).ok(),
        words: format!("choices of rank {rank}"),
    };
    let drawn = |rank: &usize| choices <= MOST_RANKS || *rank < MOST_RANKS || *rank == choices;
    let further = (3..=choices).filter(drawn).map(of_rank);
    let (first, last) = RATIOS.split_at(BEFORE_THIRD);
    first.iter().map(named).chain(further).chain(last.iter().map(named)).collect()
}

/// The ratios: bars over the layers, and curves by position.
pub(in crate::chart::plan) fn side_by_side(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let choices = selection.context.shape.most_choices();
    let ratios = ratios(choices);
    let groups: Vec<BarGroup> = ratios
        .iter()
        .filter_map(|ratio| {
            let rows =
                selection.rows(ratio.statistic, View::Chosen).filter(|row| row.is_over_all() && row.rank == ratio.rank);
            group(selection, &ratio.words, &rows.collect::<Vec<_>>(), plain)
        })
        .collect();
    if groups.is_empty() {
        return Specs::new();
    }
    let panel = BarPanel { y_label: "lost".to_owned(), percent: true, groups, ..BarPanel::default() };
    let bars = BarFigure { baseline_label: "choices permuted across sequences".to_owned(), panels: vec![panel] };
    let words = side_by_side_words(selection, &bars);
    let mut parts =
        vec![(format!("Over all positions, {}", arrangement(selection)), layers_side_by_side(selection, bars))];
    let shown = shown(selection, kind);
    parts.extend(curves(selection, &shown).map(|figure| ("By position".to_owned(), Body::Curve(figure))));
    let caption = format!("{}{words}{}", caption(choices, selection.has_many_layers()), shown.rule());
    let title = if choices > 2 { "Choices by rank, tokens" } else { "First choices, second choices, tokens" };
    let over_all = |statistic: Statistic| -> Vec<&Finding> {
        selection.rows(statistic, View::Chosen).filter(|row| row.is_over_all()).collect()
    };
    let (first, second) = (Statistic::FirstChoiceDropRatio, Statistic::SecondChoiceDropRatio);
    let message = says::first_choices(&over_all(first), &over_all(second));
    vec![spec(selection, kind, "", title.to_owned(), &caption, Body::Stack(parts)).saying(message)]
}

/// What the numbers are of, and how their baseline is drawn.
fn caption(choices: usize, many_layers: bool) -> String {
    let numbers = if choices > 2 {
        "Numbers that are easily taken for one another: the lost share of all assignments, of the choices of each rank (which queue \
         behind all earlier choices of the group), of the tokens (every choice lost), and of the gate probability of the choices."
    } else {
        "Five numbers that are easily taken for one another: the lost share of all assignments, of the first choices, of the \
         second choices (which queue behind all first choices of the group), of the tokens (every choice lost), and of the \
         gate probability of the choices."
    };
    let left_out = if choices > MOST_RANKS {
        format!(
            " Of the {choices} choices of a token the first {} and the last are drawn; all are in stats/{}.csv.",
            MOST_RANKS - 1,
            Statistic::ChoiceDropRatio.table()
        )
    } else {
        String::new()
    };
    let baseline = if many_layers { "Dotted in the upper part" } else { "Orange" };
    format!(
        "{numbers}{left_out} {baseline}: what the popularity of the experts alone would lose; what stands above it comes from texts that ask \
         for the same experts at once. Intervals of the curves are in stats/*.csv."
    )
}

fn curves(selection: &Selection<'_>, shown: &ShownLayers) -> Option<CurveFigure> {
    let rows = |layer: LayerId| RATIOS.map(|(statistic, _)| of_layer(selection, statistic, layer));
    let by_layer: Vec<(LayerId, [Vec<&Finding>; 5])> =
        shown.layers.iter().map(|layer| (*layer, rows(*layer))).collect();
    let all: Vec<&Finding> = by_layer.iter().flat_map(|(_, rows)| rows.iter().flatten().copied()).collect();
    let bins = Bins::new(&all)?;
    let panel = |(layer, rows): &(LayerId, [Vec<&Finding>; 5])| {
        let line = |(index, rows): (usize, &Vec<&Finding>)| {
            (series(index, RATIOS.len()), bins.line(&curve(rows, None, false), |row| row.estimate))
        };
        let lines = rows.iter().enumerate().map(line).collect();
        CurvePanel { title: format!("layer {layer}"), lines, ..CurvePanel::default() }
    };
    let panels: Vec<CurvePanel> = by_layer.iter().map(panel).collect();
    let points = panels.iter().flat_map(|panel| &panel.lines).flat_map(|(_, points)| points);
    let high = top(points.map(|point| point.1), std::iter::empty());
    let entry = |(index, (_, words)): (usize, &(Statistic, &str))| {
        LegendEntry::new(Sample::Line(series(index, RATIOS.len())), *words)
    };
    Some(CurveFigure {
        x_label: "position in the sequence".to_owned(),
        y_label: "lost".to_owned(),
        x_range: (0.0, bins.end),
        x_linear: true,
        x_ticks: bins.ticks(),
        x_shift: 0.0,
        y: AxisScale::from_zero(high).percent(),
        strip: None,
        legend: RATIOS.iter().enumerate().map(entry).collect(),
        panels,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_beyond_the_second_are_drawn_by_rank() {
        let ranks = |choices| ratios(choices).iter().filter_map(|ratio| ratio.rank).collect::<Vec<_>>();
        assert_eq!((ranks(1), ranks(2)), (Vec::new(), Vec::new()));
        assert_eq!((ranks(4), ranks(20)), (vec![3, 4], vec![3, 4, 5, 6, 7, 20]));
        assert!(caption(2, false).starts_with("Five numbers") && caption(2, false).contains(" Orange: "));
        let many = caption(20, true);
        assert!(!many.contains("Five") && !many.contains("Orange") && many.contains("first 7 and the last"), "{many}");
    }
}
