//! One conversation as text, its dropped tokens marked.

use super::{Specs, of_layer, spec};
use crate::{
    chart::{
        ChartKind,
        axis::count,
        flow::{FlowFigure, FlowToken, Paragraph, Tint},
        page::Body,
        plan::{
            says,
            selection::{Selection, label},
        },
    },
    routing::LayerId,
    stats::{Finding, Role, Variant, largest_together},
};

/// Tokens that are drawn.
const TOKENS: usize = 700;
/// The symbol for the second and later bytes of a character.
const FURTHER: &str = "·";
/// Most bytes of a character.
const LONGEST: usize = 4;

/// The conversation that loses most, a chart per layer.
pub(in crate::chart::plan) fn conversation(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let mut specs = Specs::new();
    let (layers, rule) = drawn_layers(selection, kind);
    for layer in layers {
        let mut rows: Vec<&Finding> =
            of_layer(selection, kind.statistic, layer).into_iter().filter(|row| row.position.is_some()).collect();
        rows.sort_by_key(|row| row.position);
        let Some(name) = rows.first().map(|row| row.document.as_deref().unwrap_or("without a name")) else { continue };
        let drawn = region(&rows);
        let shown = &rows[drawn.clone()];
        let [dropped, dropped_here] = [&rows[..], shown].map(lost);
        let part = if shown.len() < rows.len() {
            let ends = [drawn.start + 1, drawn.end, rows.len()].map(|place| count(place as u64));
            format!(" Drawn: tokens {} to {} of {}, those side by side that lose most.", ends[0], ends[1], ends[2])
        } else {
            String::new()
        };
        let has_shared = selection.context.shape.layer(layer).is_some_and(|shape| shape.shared_experts > 0);
        let without = if has_shared { "has the shared experts alone" } else { "passes the layer unchanged" };
        let caption = format!(
            "The conversation that loses most (in a run of plain text: the document), token by token: {} of its {} tokens \
             lost at least one choice.{part} A token without any expert {without}. In the margin: message, from \
             0, and role. ⏎ is a line end, {FURTHER} a \
             further byte of the character before it. The worst of many is bad by selection too: it shows what is dropped, not how often.",
            count(dropped as u64),
            count(rows.len() as u64)
        );
        let dataset = rows.first().and_then(|row| row.dataset.as_deref()).map(|name| format!(" of {}", label(name)));
        let title = format!("Dropped tokens of document {}{}, layer {layer}", label(name), dataset.unwrap_or_default());
        let body = Body::Flow(FlowFigure { legend: legend(shown), paragraphs: paragraphs(shown) });
        let suffix = if rule.is_empty() { format!("layer_{layer}") } else { String::new() };
        let spec = spec(selection, kind, &suffix, title, &format!("{caption}{rule}"), body);
        specs.push(spec.saying(says::conversation((dropped, rows.len()), (dropped_here, shown.len()))));
    }
    specs
}

/// Every layer; if there are many, only the one that loses most tokens of its conversation. Also returns the words for the caption.
fn drawn_layers(selection: &Selection<'_>, kind: &'static ChartKind) -> (Vec<LayerId>, String) {
    let all = selection.layers();
    if !selection.has_many_layers() {
        return (all.to_vec(), String::new());
    }
    let lost_in = |layer: LayerId| lost(&of_layer(selection, kind.statistic, layer));
    let worst = all.iter().copied().max_by_key(|layer| (lost_in(*layer), LayerId::MAX - layer));
    let rule = format!(
        " Drawn is one of the {} MoE layers, the one that loses most tokens of its conversation; those of the others are in \
         stats/{}.parquet.",
        all.len(),
        kind.statistic.table()
    );
    (worst.into_iter().collect(), rule)
}

/// How many tokens lost a choice.
fn lost(rows: &[&Finding]) -> usize {
    rows.iter().filter(|row| tint(row) != Tint::Plain).count()
}

fn tint(row: &Finding) -> Tint {
    match row.variant {
        Some(Variant::FirstDropped) => Tint::Strong,
        Some(Variant::SecondDropped | Variant::LaterDropped) => Tint::Light,
        Some(Variant::AllDropped) => Tint::Dark,
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

/// The tokens that are drawn: of a long document those side by side that lose most of their choices, the first of such parts.
fn region(rows: &[&Finding]) -> std::ops::Range<usize> {
    let share = |row: &&Finding| if tint(row) == Tint::Plain { 0.0 } else { row.estimate.unwrap_or(0.0) };
    largest_together(&rows.iter().map(share).collect::<Vec<f64>>(), TOKENS)
}

/// A paragraph per message.
fn paragraphs(rows: &[&Finding]) -> Vec<Paragraph> {
    let speaker = |row: &Finding| (row.turn, row.role);
    rows.chunk_by(|a, b| speaker(a) == speaker(b))
        .map(|rows| Paragraph { label: rows.first().map(|row| role(row)).unwrap_or_default(), tokens: tokens(rows) })
        .collect()
}

fn role(row: &Finding) -> String {
    match (row.role.map(Role::name), row.turn) {
        (Some(role), Some(turn)) => format!("{turn} {role}"),
        (Some(role), None) => role.to_owned(),
        _ => String::new(),
    }
}

/// The tokens of a message; the bytes of a character are shown as that character.
fn tokens(rows: &[&Finding]) -> Vec<FlowToken> {
    let mut tokens: Vec<FlowToken> = rows.iter().map(|row| token(row)).collect();
    let mut at = 0;
    while at < tokens.len() {
        let bytes: Vec<u8> = tokens[at..].iter().map_while(|token| byte(&token.piece)).take(LONGEST).collect();
        let character = (2..=bytes.len()).find_map(|length| {
            let text = std::str::from_utf8(&bytes[..length]).ok().filter(|text| text.chars().count() == 1)?;
            Some((text.to_owned(), length))
        });
        let length = character.as_ref().map_or(1, |(_, length)| *length);
        if let Some((text, length)) = character {
            tokens[at..at + length].iter_mut().for_each(|token| FURTHER.clone_into(&mut token.piece));
            tokens[at].piece = text;
        }
        at += length;
    }
    tokens
}

/// The byte that a piece such as `<0xE4>` stands for.
fn byte(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    u8::from_str_radix(digits, 16).ok()
}

fn token(row: &Finding) -> FlowToken {
    let piece = match (&row.text, row.token_id) {
        (Some(text), _) => text.clone(),
        (None, Some(id)) => format!(" {id}"),
        (None, None) => "?".to_owned(),
    };
    FlowToken { piece, tint: tint(row) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        routing::View,
        stats::{Statistic, Subject},
    };

    #[test]
    fn bytes_are_shown_as_their_character() {
        let rows: Vec<Finding> = ["a", "<0xC4>", "<0x85>", "<0xC4>", "b", "<0x0A>", "<0xE2>", "<0x82>", "<0xAC>"]
            .map(|text| {
                Finding::new(Statistic::DroppedTokens, 1, View::Chosen)
                    .about(|subject| Subject { text: Some(text.to_owned()), ..subject })
            })
            .to_vec();
        let rows: Vec<&Finding> = rows.iter().collect();
        let pieces: Vec<String> = tokens(&rows).into_iter().map(|token| token.piece).collect();
        assert_eq!(pieces, ["a", "ą", "·", "<0xC4>", "b", "<0x0A>", "€", "·", "·"]);
    }
}
