//! Observed drops compared with those that remain when all texts ask for the same experts.

use super::{Scope, Specs, scope_name, scopes, spec};
use crate::{
    chart::{
        ChartKind,
        axis::{count, number},
        canvas::Marker,
        forest::{ForestFigure, ForestPoint, ForestRow},
        legend::{LegendEntry, Sample},
        page::Body,
        plan::{
            many::{Series, over_layers},
            selection::{Selection, interval},
        },
        theme::{Stroke, TEXT, VALUE},
    },
    routing::{LayerId, View},
    stats::{Finding, counted},
};

/// Observed drops over those after permuting choices across sequences, by layer and data set.
pub(in crate::chart::plan) fn ratios(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let rows: Vec<&Finding> =
        selection.all_rows(kind.statistic, View::Chosen).filter(|row| row.expert.is_none()).collect();
    if selection.has_many_layers() {
        return over_all_layers(selection, kind, &rows);
    }
    let section = |layer: &LayerId| {
        let own: Vec<&Finding> = rows.iter().copied().filter(|row| row.layer == *layer).collect();
        let drawn: Vec<ForestRow> = scopes(&own).into_iter().filter_map(|scope| row(&own, scope)).collect();
        (format!("layer {layer}"), drawn)
    };
    let sections: Vec<(String, Vec<ForestRow>)> =
        selection.layers().iter().map(section).filter(|(_, rows)| !rows.is_empty()).collect();
    if rows.iter().all(|row| row.estimate.is_none()) || sections.is_empty() {
        return Specs::new();
    }
    let body = Body::Forest(ForestFigure {
        x_label: "drops observed / drops after permuting across sequences".to_owned(),
        ratios: true,
        headers: vec!["ratio".to_owned(), "observed / permuted".to_owned()],
        legend: vec![
            LegendEntry::new(Sample::Point(Marker::Disc, VALUE), "drops observed / drops after permuting"),
            LegendEntry::new(Sample::Whisker, "95 % interval over documents"),
            LegendEntry::new(
                Sample::Line(Stroke::solid(TEXT, 1.2)),
                "1: the experts are equally popular in every text",
            ),
        ],
        sections,
    });
    let caption = "Dropped assignments over their mean after permuting choice vectors across the sequences (of the data set). Above 1 \
                   single texts ask for the same experts more than the whole does, and their queues overflow; at 1 the experts are as popular in every text. \
                   Where permuting leaves hardly a drop the ratio is withheld. The order of the tokens within a \
                   routing group cannot change it. Experts one by one are in stats/burstiness.csv. n of a row: tokens.";
    vec![spec(selection, kind, "", "Burstiness: do single texts ask for the same experts?".to_owned(), caption, body)]
}

/// A curve over the layers for each data set.
fn over_all_layers(selection: &Selection<'_>, kind: &'static ChartKind, rows: &[&Finding]) -> Specs {
    let line = |scope: Scope<'_>| {
        let own: Vec<&Finding> = rows.iter().copied().filter(|row| row.dataset.as_deref() == scope).collect();
        Series::of(&scope_name(scope), &own)
    };
    let series: Vec<Series> = scopes(rows).into_iter().map(line).collect();
    let Some(figure) = over_layers(&series, "observed / permuted", false, "") else { return Specs::new() };
    let caption = format!(
        "Dropped assignments over their mean after permuting choice vectors across the sequences (of the data set), with 95 % \
         intervals over documents as bands. Above 1 single texts ask for the same experts more than the whole does, and their queues \
         overflow; at 1 the experts are as popular in every text. Where permuting leaves hardly a drop the ratio is withheld. {} \
         Every number is in stats/burstiness.parquet.",
        selection.every_layer("from left to right")
    );
    let title = "Burstiness: do single texts ask for the same experts?".to_owned();
    vec![spec(selection, kind, "", title, &caption, Body::Curve(figure))]
}

/// The row of one data set, even if the ratio is withheld.
fn row(rows: &[&Finding], scope: Scope<'_>) -> Option<ForestRow> {
    let row = rows.iter().find(|row| row.dataset.as_deref() == scope)?;
    let point = |at: f64| ForestPoint { at, interval: interval(row), marker: Marker::Disc, color: VALUE };
    let ratio = match (row.estimate, interval(row)) {
        (Some(ratio), Some((low, high))) => format!("{} [{}, {}]", number(ratio), number(low), number(high)),
        (Some(ratio), None) => number(ratio),
        (None, _) => "withheld".to_owned(),
    };
    let drops = row.note.as_deref().and_then(drops).unwrap_or_default();
    Some(ForestRow {
        label: scope_name(scope),
        note: format!("n = {}, {}", count(row.n), counted(row.documents.unwrap_or(0), "document")),
        points: row.estimate.map(point).into_iter().collect(),
        cells: vec![ratio, drops],
    })
}

/// "120 / 3.4" out of the remark "120 dropped, 3.4 after permuting across sequences".
fn drops(note: &str) -> Option<String> {
    let (observed, permuted) = note.split("; ").find_map(|part| part.split_once(" dropped, "))?;
    Some(format!("{observed} / {}", permuted.split(' ').next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_read_from_the_remark() {
        let found = drops("no interval: 6 documents; 120 dropped, 3.4 after permuting across sequences");
        assert_eq!(found.as_deref(), Some("120 / 3.4"));
        assert_eq!(drops("7 dropped, none after permuting across sequences").as_deref(), Some("7 / none"));
        assert_eq!(drops("too few documents"), None);
    }
}
