//! The document that loses most, as text whose tokens show what they lost.

use std::collections::BTreeMap;

use super::{
    data::Columns,
    dimension::document_words,
    keys::{StatisticKeys, in_order},
    layout::figure,
    row::FigureRow,
    shape::{Figure, FigureKind},
};
use crate::{
    report::text::readable,
    stats::{Statistic, StatisticInfo, Variant, largest_together, shown_in_text, thousands},
};

/// The most tokens that stand in the page; of a longer document those side by side that lose most.
const MOST_TOKENS: usize = 140;

/// The text of the dropped tokens; none for another statistic.
pub(super) fn figures(info: &StatisticInfo, rows: &[FigureRow<'_>]) -> Option<Vec<Figure>> {
    let is_token = |row: &&FigureRow<'_>| row.finding.position.is_some() && row.finding.estimate.is_some();
    let own: Vec<FigureRow<'_>> = rows.iter().filter(is_token).copied().collect();
    (info.statistic == Statistic::DroppedTokens).then(|| {
        let keys = StatisticKeys::of(&own);
        let model = |row: &FigureRow<'_>| keys.text(super::dimension::Dimension::Checkpoint, row).unwrap_or_default();
        let models = in_order(own.iter().map(model));
        let each = models.iter().map(|name| own.iter().copied().filter(|row| model(row) == *name).collect::<Vec<_>>());
        each.zip(&models).map(|(rows, name)| document(&rows, name, info)).collect()
    })
}

/// The tokens of every layer's document, position by position.
fn document(rows: &[FigureRow<'_>], model: &str, info: &StatisticInfo) -> Figure {
    let mut layers: BTreeMap<(usize, u16), Vec<FigureRow<'_>>> = BTreeMap::new();
    for row in rows {
        layers.entry((row.run, row.finding.layer)).or_default().push(*row);
    }
    let all = layers.values().map(Vec::len).max().unwrap_or(0);
    let (mut shown, mut counts) = (Vec::new(), Vec::new());
    for rows in layers.into_values() {
        let of_all = (lost(&rows), rows.len());
        let own = most_lost(rows);
        counts.extend(std::iter::repeat_n(losses(of_all, (lost(&own), own.len())), own.len()));
        shown.extend(own);
    }
    let mut columns = Columns::of(&shown).with_estimates(&shown);
    columns.words("label", shown.iter().map(|row| token(row)));
    columns.add("x", shown.iter().map(|row| row.finding.position.into()));
    columns.words("row", shown.iter().map(|row| message(row)));
    columns.words("column", shown.iter().map(|row| fate(row).to_owned()));
    let named = shown.iter().zip(counts).map(|(row, counts)| match document_words(row.finding) {
        Some(name) => format!("{name}: {counts}"),
        None => counts,
    });
    columns.words("series", named);
    columns.words("x_text", shown.iter().map(|row| experts(row)));
    let label = if model.is_empty() { "as text".to_owned() } else { format!("as text: {}", readable(model)) };
    let left_out = (all > MOST_TOKENS).then(|| {
        format!(
            "the {MOST_TOKENS} tokens side by side that lose most are shown, of up to {}; all are in stats/{}.csv",
            thousands(all as u64),
            info.table
        )
    });
    Figure { left_out, ..figure(FigureKind::Text, label, "share of the choices", columns) }
}

/// How many tokens lost a choice.
fn lost(rows: &[FigureRow<'_>]) -> usize {
    rows.iter().filter(|row| row.finding.estimate > Some(0.0)).count()
}

/// "1,259 of its 2,048 tokens lost a choice, 130 of the 140 that are shown".
fn losses((lost, all): (usize, usize), (lost_here, shown): (usize, usize)) -> String {
    let [lost, of, lost_here, here] = [lost, all, lost_here, shown].map(|count| thousands(count as u64));
    let part = if shown < all { format!(", {lost_here} of the {here} that are shown") } else { String::new() };
    format!("{lost} of its {of} tokens lost a choice{part}")
}

/// The tokens side by side that lose most of their choices.
fn most_lost(mut rows: Vec<FigureRow<'_>>) -> Vec<FigureRow<'_>> {
    rows.sort_by_key(|row| row.finding.position);
    let lost: Vec<f64> = rows.iter().map(|row| row.finding.estimate.unwrap_or(0.0)).collect();
    rows.drain(largest_together(&lost, MOST_TOKENS)).collect()
}

fn token(row: &FigureRow<'_>) -> String {
    match (&row.finding.text, row.finding.token_id) {
        (Some(piece), _) => shown_in_text(piece),
        (None, Some(id)) => format!("[{id}]"),
        (None, None) => "\u{b7}".to_owned(),
    }
}

/// "message 0, user"; nothing outside of conversations.
fn message(row: &FigureRow<'_>) -> String {
    let turn = row.finding.turn.map(|turn| format!("message {turn}"));
    let role = row.finding.role.map(|role| role.name().to_owned());
    [turn, role].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// What the token lost, in the words of the view of single tokens.
fn fate(row: &FigureRow<'_>) -> &'static str {
    match row.finding.variant {
        Some(Variant::AllDropped) => "all",
        Some(Variant::FirstDropped) => "first",
        Some(Variant::SecondDropped | Variant::LaterDropped) => "later",
        _ => "none",
    }
}

fn experts(row: &FigureRow<'_>) -> String {
    let choices = [row.finding.expert, row.finding.other_expert].into_iter().flatten();
    choices.map(|expert| format!("expert {expert}")).collect::<Vec<_>>().join(", then ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        routing::View,
        run::RunKind,
        stats::{Finding, Subject},
    };

    #[test]
    fn of_a_long_document_the_part_is_shown_that_loses_most() {
        let token = |at: u32| {
            let lost = (500..520).contains(&at);
            Finding {
                estimate: Some(if lost { 1.0 } else { 0.0 }),
                ..Finding::new(Statistic::DroppedTokens, 1, View::Chosen)
            }
            .about(|subject| Subject {
                document: Some("a/b.jsonl:3".into()),
                position: Some(at),
                text: Some(format!("\u{2581}{at}")),
                variant: Some(if lost { Variant::AllDropped } else { Variant::Kept }),
                ..subject
            })
        };
        let rows: Vec<Finding> = (0..600).map(token).collect();
        let rows: Vec<FigureRow<'_>> =
            rows.iter().map(|finding| FigureRow { run: 0, command: RunKind::Drops, model: "base", finding }).collect();
        let found = figures(Statistic::DroppedTokens.info(), &rows).unwrap();
        let shown = &found[0].data;
        assert_eq!((shown["x"].as_array().unwrap().len(), &shown["x"][139]), (140, &519.into()));
        assert_eq!([&shown["label"][0], &shown["column"][0], &shown["column"][130]], [" 380", "none", "all"]);
        assert_eq!(shown["series"][0], "b.jsonl:3: 20 of its 600 tokens lost a choice, 20 of the 140 that are shown");
        assert!(found[0].left_out.as_deref().unwrap().contains("of up to 600"));
    }
}
