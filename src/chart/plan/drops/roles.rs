//! Drops by who speaks and when.

use std::collections::BTreeSet;

use super::{ASSIGNMENT, Scope, Specs, of_layer, scope_name, scopes, spec};
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
        theme::{Color, LAYER_FILLS},
    },
    routing::View,
    stats::{Finding, Role},
};

/// Turns that are drawn.
const TURNS: u16 = 10;

/// Drop ratio by role and by turn, a panel per data set, a chart per layer.
pub(in crate::chart::plan) fn by_message(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    if selection.has_many_layers() {
        return every_layer(selection, kind);
    }
    let mut specs = Specs::new();
    for &layer in selection.layers() {
        let rows: Vec<&Finding> = of_layer(selection, ASSIGNMENT, layer)
            .into_iter()
            .filter(|row| row.variable.is_none() && row.role.is_some() != row.turn.is_some())
            .collect();
        let ends = rows.iter().filter(|row| row.turn.is_none_or(|turn| turn < TURNS));
        let ends = ends.flat_map(|row| [row.estimate, row.baseline, row.high]).flatten();
        let max = ends.fold(0.001, f64::max);
        let panels: Vec<BarPanel> = scopes(&rows)
            .into_iter()
            .map(|scope| panel(&rows, scope, max))
            .filter(|panel| !panel.groups.is_empty())
            .collect();
        if panels.is_empty() {
            continue;
        }
        let caption = format!(
            "Dropped share of the chosen assignments of each role and of each message, counted from 0 (the first {TURNS}). \
             Orange: the same choices in random order within each sequence, where later messages lose more as well, because queues \
             fill up; what a bar adds to it is about the order of the text. The tokens \
             of the template count with their message; plain text takes no part. n of every bar is in \
             stats/assignment_drop_ratio.csv."
        );
        let body = Body::Bars(BarFigure { baseline_label: "random order within each sequence".to_owned(), panels });
        let title = format!("Drop ratio by role and turn, layer {layer}");
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
    let spoken: Vec<&Finding> = of_roles().chain(of_turns()).copied().collect();
    let spoken: Vec<&Finding> = spoken.into_iter().filter(|row| row.role.is_some() != row.turn.is_some()).collect();
    let spec = spec(selection, kind, "", title, &caption, Body::Heat(figure));
    vec![spec.saying(says::speakers(&spoken))]
}

fn panel(rows: &[&Finding], scope: Scope<'_>, max: f64) -> BarPanel {
    let own = || rows.iter().copied().filter(|row| row.dataset.as_deref() == scope);
    let roles = own().filter_map(|row| Some(bar(row, row.role?.name().to_owned(), LAYER_FILLS[5])));
    let mut turns: Vec<(u16, &Finding)> = own().filter_map(|row| Some((row.turn?, row))).collect();
    turns.sort_by_key(|(turn, _)| *turn);
    let turns = turns.into_iter().filter(|(turn, _)| *turn < TURNS);
    let turns = turns.map(|(turn, row)| bar(row, turn.to_string(), LAYER_FILLS[2]));
    let groups = [("role", roles.collect::<Vec<_>>()), ("message", turns.collect())];
    let groups = groups.into_iter().filter(|(_, bars)| !bars.is_empty());
    BarPanel {
        title: scope_name(scope),
        y_label: "dropped assignments".to_owned(),
        percent: true,
        max: Some(max),
        groups: groups.map(|(label, bars)| BarGroup { label: label.to_owned(), bars }).collect(),
    }
}

fn bar(row: &Finding, label: String, color: Color) -> Bar {
    Bar {
        label,
        layer: None,
        value: row.estimate,
        interval: interval(row),
        baseline: row.baseline,
        ceiling: None,
        color,
    }
}
