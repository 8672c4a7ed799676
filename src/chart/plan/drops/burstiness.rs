//! Observed drops beside those that remain when all texts ask for the same experts.

use super::{ASSIGNMENT, Scope, Specs, of_layer, precise, scope_name, scopes, spec};
use crate::{
    chart::{
        ChartKind,
        axis::count,
        canvas::Marker,
        forest::{ForestAxis, ForestFigure, ForestPoint, ForestRow},
        legend::{LegendEntry, Sample},
        page::Body,
        plan::{
            many::{Series, over_layers},
            says,
            selection::{Selection, interval},
        },
        theme::{ACCENT, VALUE},
    },
    routing::{LayerId, View},
    stats::{Finding, counted},
};

const TITLE: &str = "Burstiness: do single texts ask for the same experts?";
const CAPTION: &str = "Dropped share of the assignments, and its mean after permuting the choices of the tokens across the sequences (of the \
                       data set), which leaves every expert as popular as it is but in no text more than in another. What lies between the \
                       two is dropped because single texts ask for the same experts at once. The order of the tokens within a routing \
                       group cannot change it.";

/// The rows about everything and about every data set, of one layer or of all.
fn whole<'a>(rows: impl Iterator<Item = &'a Finding>) -> Vec<&'a Finding> {
    rows.filter(|row| row.is_over_all() || (row.dataset.is_some() && is_whole(row))).collect()
}

/// Whether a row is about every token of its data set.
fn is_whole(row: &Finding) -> bool {
    row.variable.is_none()
        && row.category.is_none()
        && row.expert.is_none()
        && row.token_id.is_none()
        && row.turn.is_none()
        && row.role.is_none()
        && row.position.is_none()
        && row.cohort.is_none()
}

/// Observed drops and those after permuting choices across sequences, by layer and data set.
pub(in crate::chart::plan) fn ratios(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let measured = selection.all_rows(kind.statistic, View::Chosen).next().is_some();
    let rows = whole(selection.rows(ASSIGNMENT, View::Chosen));
    let compared: Vec<&Finding> = rows.into_iter().filter(|row| row.baseline.is_some()).collect();
    if !measured || compared.is_empty() {
        return Specs::new();
    }
    let spec = if selection.has_many_layers() {
        over_all_layers(selection, kind, &compared)
    } else {
        by_layer(selection, kind)
    };
    spec.map(|spec| spec.saying(says::crowding(&compared))).into_iter().collect()
}

fn by_layer(selection: &Selection<'_>, kind: &'static ChartKind) -> Option<super::ChartSpec> {
    let section = |layer: &LayerId| {
        let own = whole(of_layer(selection, ASSIGNMENT, *layer).into_iter());
        let drawn: Vec<ForestRow> = scopes(&own).into_iter().filter_map(|scope| row(&own, scope)).collect();
        (format!("layer {layer}"), drawn)
    };
    let sections: Vec<(String, Vec<ForestRow>)> =
        selection.layers().iter().map(section).filter(|(_, rows)| !rows.is_empty()).collect();
    if sections.is_empty() {
        return None;
    }
    let body = Body::Forest(ForestFigure {
        x_label: "dropped assignments in %".to_owned(),
        axis: ForestAxis::Points,
        headers: vec!["observed".to_owned(), "choices permuted".to_owned()],
        legend: vec![
            LegendEntry::new(Sample::Point(Marker::Disc, VALUE), "observed"),
            LegendEntry::new(Sample::Whisker, "95 % interval over documents"),
            LegendEntry::new(Sample::Point(Marker::Diamond, ACCENT), "choices permuted across the texts"),
        ],
        sections,
    });
    let caption = format!(
        "{CAPTION} Ratios of the two, and experts one by one, are in stats/burstiness.csv. n of a row: tokens."
    );
    Some(spec(selection, kind, "", TITLE.to_owned(), &caption, body))
}

/// A curve over the layers for the observed and the permuted share.
fn over_all_layers(selection: &Selection<'_>, kind: &'static ChartKind, rows: &[&Finding]) -> Option<super::ChartSpec> {
    let own: Vec<&Finding> = rows.iter().copied().filter(|row| row.dataset.is_none()).collect();
    let permuted = own.iter().filter_map(|row| Some((row.layer, row.baseline?, None)));
    let series = [
        Series::of("observed", &own),
        Series {
            label: "choices permuted across the texts".to_owned(),
            points: permuted.collect(),
            ..Series::default()
        },
    ];
    let figure = over_layers(&series, "dropped assignments", true, "")?;
    let caption = format!(
        "{CAPTION} Bands: 95 % intervals over documents. {} Every data set and the ratios are in stats/burstiness.parquet.",
        selection.every_layer("from left to right")
    );
    Some(spec(selection, kind, "", TITLE.to_owned(), &caption, Body::Curve(figure)))
}

/// The row of one data set.
fn row(rows: &[&Finding], scope: Scope<'_>) -> Option<ForestRow> {
    let row = rows.iter().find(|row| row.dataset.as_deref() == scope)?;
    let observed = ForestPoint { at: row.estimate?, interval: interval(row), marker: Marker::Disc, color: VALUE };
    let permuted = row.baseline.map(|at| ForestPoint { at, interval: None, marker: Marker::Diamond, color: ACCENT });
    let ends = interval(row).map(|(low, high)| format!(" [{}, {}]", precise(low), precise(high)));
    Some(ForestRow {
        label: scope_name(scope),
        note: format!("n = {}, {}", count(row.n), counted(row.documents.unwrap_or(0), "document")),
        points: std::iter::once(observed).chain(permuted).collect(),
        cells: vec![
            format!("{} %{}", precise(row.estimate?), ends.unwrap_or_default()),
            row.baseline.map(|share| format!("{} %", precise(share))).unwrap_or_default(),
        ],
    })
}
