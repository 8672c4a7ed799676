//! The headline: is the end of a sequence dropped more, and more than in random order?

use super::{Scope, Specs, of_layer, scope_name, scopes, spec};
use crate::{
    chart::{
        ChartKind,
        canvas::Marker,
        forest::{ForestAxis, ForestFigure, ForestPoint, ForestRow},
        legend::{LegendEntry, Sample},
        page::Body,
        plan::{
            many::{Series, over_layers},
            says,
            selection::{Selection, interval},
        },
        theme::{ACCENT, Color, MUTED, TEXT, VALUE},
    },
    routing::View,
    stats::{Finding, Variant, counted},
};

/// Last quarter minus first quarter, the same in random order, and the difference of the two, by layer and data set.
pub(in crate::chart::plan) fn forest(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    if selection.has_many_layers() {
        return over_all_layers(selection, kind);
    }
    let of = |layer: &u16| of_layer(selection, kind.statistic, *layer);
    let over_all = selection.layers().iter().filter_map(|layer| Some((*layer, row(&of(layer), None)?)));
    let over_all: Vec<ForestRow> =
        over_all.map(|(layer, row)| ForestRow { label: format!("layer {layer}"), ..row }).collect();
    let by_dataset = |layer: &u16| {
        let rows = of(layer);
        let datasets = scopes(&rows).into_iter().flatten();
        let drawn: Vec<ForestRow> = datasets.filter_map(|dataset| row(&rows, Some(dataset))).collect();
        (format!("layer {layer}"), drawn)
    };
    let by_dataset: Vec<(String, Vec<ForestRow>)> =
        selection.layers().iter().map(by_dataset).filter(|(_, rows)| !rows.is_empty()).collect();
    if over_all.is_empty() {
        return Specs::new();
    }
    let legend = vec![
        LegendEntry::new(Sample::Point(Marker::Disc, MUTED), "observed: last quarter minus first quarter"),
        LegendEntry::new(Sample::Point(Marker::Diamond, MUTED), "in random order within each sequence"),
        LegendEntry::new(Sample::Point(Marker::Square, TEXT), "observed minus random order: not told from 0"),
        LegendEntry::new(Sample::Point(Marker::Square, ACCENT), "above 0"),
        LegendEntry::new(Sample::Point(Marker::Square, VALUE), "below 0"),
        LegendEntry::new(Sample::Whisker, "95 % interval over documents"),
    ];
    let figure = |legend: Vec<LegendEntry>, sections: Vec<(String, Vec<ForestRow>)>| {
        Body::Forest(ForestFigure {
            axis: ForestAxis::Points,
            x_label: "percentage points of the assignments".to_owned(),
            headers: ["observed", "random order", "difference"].map(str::to_owned).to_vec(),
            legend,
            sections,
        })
    };
    let mut parts = vec![(String::new(), figure(legend, vec![("over all text".to_owned(), over_all)]))];
    parts.extend((!by_dataset.is_empty()).then(|| ("By data set".to_owned(), figure(Vec::new(), by_dataset))));
    let body = Body::Stack(parts);
    let caption = "Dropped share of the assignments in the last quarter of each sequence minus that in its first quarter, mean over \
                   the sequences. Later tokens are dropped more where the interval of the disc lies right of 0. Queues fill up in any order: \
                   the diamond is the mean over permutations of the same choices within each sequence, and the square is the mean over sequences of the \
                   observed minus the permuted difference, with an interval of its own. Only where it lies right of 0 does the order of the text \
                   itself drop later tokens. n: sequences of at least 64 positions.";
    let rows: Vec<&Finding> = selection.rows(kind.statistic, View::Chosen).collect();
    let spec = spec(selection, kind, "", "Are later tokens dropped more?".to_owned(), caption, body);
    vec![spec.saying(says::trend(&rows))]
}

/// A curve over the layers for each data set.
fn over_all_layers(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let rows: Vec<&Finding> = selection.rows(kind.statistic, View::Chosen).collect();
    let drawn = |scope: Scope<'_>| {
        let of = |variant: Variant| {
            let own = |row: &&&Finding| row.dataset.as_deref() == scope && row.variant == Some(variant);
            rows.iter().filter(own).copied().collect::<Vec<&Finding>>()
        };
        let (observed, left) = (of(Variant::LastMinusFirst), of(Variant::LastMinusFirstExcess));
        let random = observed.iter().filter_map(|row| Some((row.layer, row.baseline?, None)));
        let series = [
            Series::of("observed: last quarter minus first quarter", &observed),
            Series {
                label: "in random order within each sequence".to_owned(),
                points: random.collect(),
                ..Series::default()
            },
            Series::of("left above random order", &left),
        ];
        let figure = over_layers(&series, "percentage points", true, "")?;
        Some((scope_name(scope), Body::Curve(figure)))
    };
    let parts: Vec<(String, Body)> = scopes(&rows).into_iter().filter_map(drawn).collect();
    if parts.is_empty() {
        return Specs::new();
    }
    let caption = format!(
        "Dropped share of the assignments in the last quarter of each sequence minus that in its first quarter, mean over the \
         sequences, with 95 % intervals over documents as bands. Queues fill up in any order: the second line is the mean over \
         permutations of the same choices within each sequence, and the third is what is left. Only where its band lies above 0 \
         does the order of the text itself drop later tokens. {} Every number is in stats/drop_trend.parquet.",
        selection.every_layer("from left to right")
    );
    let spec = spec(selection, kind, "", "Are later tokens dropped more?".to_owned(), &caption, Body::Stack(parts));
    vec![spec.saying(says::trend(&rows))]
}

/// One data set; `None` where the difference is withheld.
fn row(rows: &[&Finding], scope: Scope<'_>) -> Option<ForestRow> {
    let of = |variant: Variant| {
        let own = |row: &&&Finding| row.dataset.as_deref() == scope && row.variant == Some(variant);
        rows.iter().find(own).copied()
    };
    let observed = of(Variant::LastMinusFirst)?;
    let left = of(Variant::LastMinusFirstExcess);
    let point = |row: &Finding, marker: Marker, color: Color| {
        Some(ForestPoint { at: row.estimate?, interval: interval(row), marker, color })
    };
    let random = observed.baseline.map(|at| ForestPoint { at, interval: None, marker: Marker::Diamond, color: MUTED });
    let answer = left.and_then(|left| point(left, Marker::Square, side(left)));
    let points = [point(observed, Marker::Disc, MUTED), random, answer];
    let documents = observed.documents.unwrap_or(0);
    Some(ForestRow {
        label: scope_name(scope),
        note: format!("n = {}, {}", counted(observed.n, "sequence"), counted(documents, "document")),
        points: points.into_iter().flatten().collect(),
        cells: vec![
            in_points(observed.estimate, interval(observed)),
            in_points(observed.baseline, None),
            left.map_or_else(String::new, |left| in_points(left.estimate, interval(left))),
        ],
    })
}

/// The colour of a difference: orange above 0, blue below, where its interval leaves 0.
fn side(row: &Finding) -> Color {
    match interval(row) {
        Some((low, _)) if low > 0.0 => ACCENT,
        Some((_, high)) if high < 0.0 => VALUE,
        _ => TEXT,
    }
}

/// A difference of shares in percentage points; with more decimals where an end of the interval that is not 0 would read as 0,
/// because its side of 0 is what the colour says.
fn in_points(value: Option<f64>, interval: Option<(f64, f64)>) -> String {
    let reads_as_zero = |end: f64, decimals: i32| end != 0.0 && (end * 100.0).abs() < 0.5 * 0.1_f64.powi(decimals);
    let ends = interval.map_or(Vec::new(), |(low, high)| vec![low, high]);
    let decimals = (2..5).find(|decimals| !ends.iter().any(|end| reads_as_zero(*end, *decimals))).unwrap_or(5);
    let signed = |value: f64| format!("{:+.*}", decimals as usize, value * 100.0).replace('-', "\u{2212}");
    let value = value.map(signed).unwrap_or_default();
    interval.map_or(value.clone(), |(low, high)| format!("{value} [{}, {}]", signed(low), signed(high)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_on_one_side_of_zero_does_not_read_as_zero() {
        assert_eq!(in_points(Some(0.0074), Some((0.000_02, 0.0165))), "+0.740 [+0.002, +1.650]");
        assert_eq!(in_points(Some(-0.0144), Some((-0.02, 0.0))), "\u{2212}1.44 [\u{2212}2.00, +0.00]");
    }
}
