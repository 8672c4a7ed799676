//! One conversation as text, its dropped tokens marked.

use super::{Specs, of_layer, spec};
use crate::{
    chart::{
        ChartKind,
        axis::count,
        flow::{FlowFigure, FlowToken, Paragraph, Tint},
        page::Body,
        plan::selection::{Selection, label},
    },
    stats::Finding,
};

/// Tokens that are drawn.
const TOKENS: usize = 700;
/// Tokens before the first drop where the beginning has none.
const BEFORE: usize = 40;

/// The conversation that loses most, a chart per layer.
pub(in crate::chart::plan) fn conversation(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let mut specs = Specs::new();
    for &layer in selection.layers() {
        let mut rows: Vec<&Finding> =
            of_layer(selection, kind.statistic, layer).into_iter().filter(|row| row.position.is_some()).collect();
        rows.sort_by_key(|row| row.position);
        let dropped = rows.iter().filter(|row| tint(row) != Tint::Plain).count();
        let Some(name) = rows.first().map(|row| row.document.as_deref().unwrap_or("the document")) else { continue };
        let drawn = region(&rows);
        let shown = &rows[drawn.clone()];
        let part = if shown.len() < rows.len() {
            let ends = [drawn.start + 1, drawn.end, rows.len()].map(|place| count(place as u64));
            format!(" Drawn: tokens {} to {} of {}.", ends[0], ends[1], ends[2])
        } else {
            String::new()
        };
        let caption = format!(
            "The text of the document that loses most, in its order, token by token: {} of its {} tokens lost at least one choice.{part} A token \
             without any expert passes the layer unchanged. ⏎ is a line end. The worst of many documents is bad by selection too: it shows \
             what is dropped, not how often.",
            count(dropped as u64),
            count(rows.len() as u64)
        );
        let title = format!("Dropped tokens of {}, layer {layer}", label(name));
        let body = Body::Flow(FlowFigure { legend: legend(&rows), paragraphs: paragraphs(shown) });
        specs.push(spec(selection, kind, &format!("layer_{layer}"), title, &caption, body));
    }
    specs
}

fn tint(row: &Finding) -> Tint {
    match row.variant.as_deref() {
        Some("first_dropped") => Tint::Strong,
        Some("second_dropped") => Tint::Light,
        Some("all_dropped") => Tint::Dark,
        _ => Tint::Plain,
    }
}

/// The marks that occur.
fn legend(rows: &[&Finding]) -> Vec<(Tint, String)> {
    let all = [
        (Tint::Plain, "kept"),
        (Tint::Light, "a later choice dropped"),
        (Tint::Strong, "first choice dropped"),
        (Tint::Dark, "every choice dropped"),
    ];
    let occurs = |wanted: Tint| rows.iter().any(|row| tint(row) == wanted);
    all.into_iter().filter(|(tint, _)| occurs(*tint)).map(|(tint, words)| (tint, words.to_owned())).collect()
}

/// Which tokens are drawn: the first ones; where those are all kept, the ones around the first drop.
fn region(rows: &[&Finding]) -> std::ops::Range<usize> {
    let first = rows.iter().position(|row| tint(row) != Tint::Plain).unwrap_or(0);
    let start = if first < TOKENS.min(rows.len()) / 2 { 0 } else { first.saturating_sub(BEFORE) };
    let start = start.min(rows.len().saturating_sub(TOKENS));
    start..rows.len().min(start + TOKENS)
}

/// A paragraph per message.
fn paragraphs(rows: &[&Finding]) -> Vec<Paragraph> {
    let speaker = |row: &Finding| (row.turn, row.role.clone());
    rows.chunk_by(|a, b| speaker(a) == speaker(b))
        .map(|rows| Paragraph {
            label: rows.first().map(|row| role(row)).unwrap_or_default(),
            tokens: rows.iter().map(|row| token(row)).collect(),
        })
        .collect()
}

fn role(row: &Finding) -> String {
    match (row.role.as_deref(), row.turn) {
        (Some(role), Some(turn)) => format!("{turn} {role}"),
        (Some(role), None) => role.to_owned(),
        _ => String::new(),
    }
}

fn token(row: &Finding) -> FlowToken {
    let piece = match (&row.text, row.token_id) {
        (Some(text), _) => text.clone(),
        (None, Some(id)) => format!(" {id}"),
        (None, None) => "?".to_owned(),
    };
    FlowToken { piece, tint: tint(row) }
}
