//! Drops by who speaks and when.

use std::collections::BTreeSet;

use super::{ASSIGNMENT, Specs, of_layer, spec};
use crate::{
    chart::{
        ChartKind,
        bars::{Bar, BarFigure, BarGroup, BarPanel},
        page::Body,
        plan::{
            many::{LayerMap, figure, from_zero},
            says,
            selection::{Selection, interval},
        },
        theme::{ACCENT, LAYER_FILLS, PAPER},
    },
    routing::View,
    stats::{Finding, Role},
};

/// Turns that are drawn.
const TURNS: u16 = 10;
/// How strongly a bar above random order is coloured: its line stays visible.
const ABOVE: f64 = 0.45;

/// Drop ratio of the messages over all data sets, a chart per layer.
pub(in crate::chart::plan) fn by_message(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    if selection.has_many_layers() {
        return every_layer(selection, kind);
    }
    let mut specs = Specs::new();
    for &layer in selection.layers() {
        let rows: Vec<&Finding> = of_layer(selection, ASSIGNMENT, layer)
            .into_iter()
            .filter(|row| row.variable.is_none() && row.dataset.is_none() && row.role.is_none())
            .filter(|row| row.turn.is_some_and(|turn| turn < TURNS))
            .collect();
        if rows.is_empty() {
            continue;
        }
        let panels = vec![panel(&rows)];
        let caption = format!(
            "Dropped share of the chosen assignments of each message of a conversation, counted from 0 (the first {TURNS}), over all \
             data sets. Orange lines: the same choices in random order within each sequence, where later messages lose more as well, because queues \
             fill up; what a bar adds to it is about the order of the text. Orange bars: the whole interval lies above random order, and only there \
             more is lost than in random order. The tokens \
             of the template count with their message; plain text takes no part. Roles, single data sets and n are in \
             stats/assignment_drop_ratio.csv."
        );
        let body = Body::Bars(BarFigure { baseline_label: "random order within each sequence".to_owned(), panels });
        let title = format!("Drop ratio of the messages of a conversation, layer {layer}");
        let spec = spec(selection, kind, &format!("layer_{layer}"), title, &caption, body);
        specs.push(spec.saying(says::speakers(&rows)));
    }
    specs
}

/// A row for every layer, a column for each role and message.
fn every_layer(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let rows: Vec<&Finding> = selection.rows(ASSIGNMENT, View::Chosen).filter(|row| row.dataset.is_none()).collect();
    let of_roles = || rows.iter().filter(|row| row.variable.is_none() && row.turn.is_none());
    let mut roles: Vec<Role> = Vec::new();
    for role in of_roles().filter_map(|row| row.role) {
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    let of_turns = || rows.iter().filter(|row| row.variable.is_none() && row.role.is_none());
    let turns: BTreeSet<u16> = of_turns().filter_map(|row| row.turn).filter(|turn| *turn < TURNS).collect();
    let percent = |row: Option<&&Finding>| row.and_then(|row| row.estimate).map(|share| share * 100.0);
    let cells = |layer: u16| {
        let role = |role: &Role| percent(of_roles().find(|row| row.layer == layer && row.role == Some(*role)));
        let turn = |turn: &u16| percent(of_turns().find(|row| row.layer == layer && row.turn == Some(*turn)));
        roles.iter().map(role).chain(turns.iter().map(turn)).collect()
    };
    let names =
        roles.iter().map(|role| role.name().to_owned()).chain(turns.iter().map(|turn| format!("message {turn}")));
    let map = LayerMap::of(selection, "", names.collect(), cells);
    if roles.is_empty() && turns.is_empty() {
        return Specs::new();
    }
    let Some(figure) = figure(vec![map], from_zero(0.1), "dropped assignments in %", "") else { return Specs::new() };
    let caption = format!(
        "Dropped share of the chosen assignments of each role and of each message, counted from 0 (the first {TURNS}), over all \
         data sets. The tokens of the template count with their message; plain text takes no part. {} Random order, intervals and \
         n are in stats/assignment_drop_ratio.parquet.",
        selection.every_layer("a row each")
    );
    let title = "Drop ratio by role and turn, layer by layer".to_owned();
    let is_drawn = |row: &&&Finding| row.turn.is_some_and(|turn| turn < TURNS);
    let spoken: Vec<&Finding> = of_turns().filter(is_drawn).copied().collect();
    let spec = spec(selection, kind, "", title, &caption, Body::Heat(figure));
    vec![spec.saying(says::speakers(&spoken))]
}

/// A bar per message; orange where the interval lies above random order.
fn panel(rows: &[&Finding]) -> BarPanel {
    let mut turns: Vec<&Finding> = rows.to_vec();
    turns.sort_by_key(|row| row.turn);
    let ends = turns.iter().flat_map(|row| [row.estimate, row.baseline, row.high]).flatten();
    let max = ends.fold(0.001, f64::max);
    let bars = turns.into_iter().map(bar).collect();
    BarPanel {
        title: String::new(),
        y_label: "dropped assignments".to_owned(),
        percent: true,
        max: Some(max),
        groups: vec![BarGroup { label: "message".to_owned(), bars }],
    }
}

fn bar(row: &Finding) -> Bar {
    let color = if says::is_above(row) { PAPER.towards(ACCENT, ABOVE) } else { LAYER_FILLS[2] };
    Bar {
        label: row.turn.unwrap_or(0).to_string(),
        layer: None,
        value: row.estimate,
        interval: interval(row),
        baseline: row.baseline,
        ceiling: None,
        color,
    }
}
