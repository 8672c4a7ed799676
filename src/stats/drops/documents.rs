//! `document_drops`: the documents that lose most. `dropped_tokens`: the worst conversation token by token.

use super::{
    reason::remarked,
    study::DropStudy,
    tally::{RATIOS, Tally},
};
use crate::{
    routing::ExpertId,
    stats::{BaselineKind, Finding, Statistic, StatisticTable, Subject, Variant, occurrences::NONE},
};

/// Both tables.
pub(super) fn tables(study: &DropStudy<'_>) -> [StatisticTable; 2] {
    let mut tallies = vec![Tally::default(); study.documents()];
    for row in (0..study.len()).filter(|row| study.counts(*row)) {
        tallies[study.document[row] as usize].add(&Tally::of(study.observed(), row));
    }
    let mut worst: Vec<usize> = (0..tallies.len()).filter(|index| tallies[*index].above(0) > 0.0).collect();
    worst.sort_by(|a, b| tallies[*b].ratio(0).total_cmp(&tallies[*a].ratio(0)));
    [document_drops(study, &tallies, &worst), dropped_tokens(study, &worst)]
}

/// The documents with the highest assignment drop ratio, highest first, ties in input order.
fn document_drops(study: &DropStudy<'_>, tallies: &[Tally], worst: &[usize]) -> StatisticTable {
    let mut total = Tally::default();
    for tally in tallies {
        total.add(tally);
    }
    let mut table = StatisticTable::of(Statistic::DocumentDrops, Vec::new());
    for (rank, document) in worst.iter().take(study.settings.documents_listed).enumerate() {
        let n = u64::from(tallies[*document].occurrences);
        let finding = study.finding(Statistic::DocumentDrops).measured(tallies[*document].ratio(0), None, n, 1);
        let finding =
            named(study, finding, *document).about(|subject| Subject { rank: Some(rank as u32 + 1), ..subject });
        table.rows.push(finding.against(total.ratio(0), BaselineKind::LayerMean).remark("no interval: one document"));
    }
    if worst.is_empty() {
        let reason = format!("no document has an {} above 0", RATIOS[0].name().replace('_', " "));
        table.rows.push(study.finding(Statistic::DocumentDrops).withheld(reason));
    }
    table
}

/// Every token of the worst conversation, or of the worst document where there is none; of several sequences that which
/// loses most. `expert` and `other_expert` are its first two choices, the note has those behind them, `variant` says which
/// were dropped.
fn dropped_tokens(study: &DropStudy<'_>, worst: &[usize]) -> StatisticTable {
    let mut table = StatisticTable::of(Statistic::DroppedTokens, Vec::new());
    let first_row = |document: &usize| study.by_document.cell(*document)[0] as usize;
    let conversation = worst.iter().find(|document| study.span[first_row(document)] != NONE);
    let Some(document) = conversation.or(worst.first()) else {
        table.rows.push(study.finding(Statistic::DroppedTokens).withheld("no document lost an assignment"));
        return table;
    };
    let rows = study.by_document.cell(*document);
    let losses = |rows: &&[u32]| -> usize {
        rows.iter().map(|row| study.observed().choices(*row as usize).filter(|choice| choice.2).count()).sum()
    };
    let sequences = rows.chunk_by(|a, b| study.sequence(*a as usize) == study.sequence(*b as usize));
    // The first of equal sequences.
    let most = sequences.rev().max_by_key(losses).unwrap_or_default();
    table.rows = most.iter().map(|row| token(study, *document, *row as usize)).collect();
    table
}

/// One token, and which of its choices were dropped.
fn token(study: &DropStudy<'_>, document: usize, row: usize) -> Finding {
    let choices: Vec<_> = study.observed().choices(row).collect();
    let dropped = choices.iter().filter(|choice| choice.2).count();
    let variant = match (dropped, choices[0].2) {
        (0, _) => Variant::Kept,
        (n, _) if n == choices.len() => Variant::AllDropped,
        (_, true) => Variant::FirstDropped,
        (_, false) if choices.len() > 2 => Variant::LaterDropped,
        (_, false) => Variant::SecondDropped,
    };
    let finding = study.finding(Statistic::DroppedTokens).variant(variant);
    let finding = study.about_token(named(study, finding, document), study.token[row]);
    let finding = finding.about(|subject| Subject {
        position: Some(study.layer.trace.position[row]),
        turn: study.turn(row),
        role: study.role(row),
        expert: Some(choices[0].0),
        other_expert: choices.get(1).map(|choice| choice.0),
        ..subject
    });
    remarked(finding.measured(dropped as f64 / choices.len() as f64, None, 1, 1), further(&choices))
}

/// The choices after the second one, in words.
fn further(choices: &[(ExpertId, f32, bool)]) -> Option<String> {
    let one =
        |(expert, _, dropped): &(ExpertId, f32, bool)| format!("{expert}{}", if *dropped { " (dropped)" } else { "" });
    let further: Vec<String> = choices.iter().skip(2).map(one).collect();
    (!further.is_empty()).then(|| format!("further choices: {}", further.join(", ")))
}

/// A finding about a document, with the data set and category of its first sequence.
fn named(study: &DropStudy<'_>, finding: Finding, document: usize) -> Finding {
    let first = study.by_document.cell(document)[0] as usize;
    let sequences = study.layer.sequences;
    let category = study.category(first).map(|category| sequences.category_names[usize::from(category)].clone());
    let name = sequences.document_names[study.document_names[document] as usize].clone();
    let finding = study.about_dataset(finding, study.dataset(first));
    finding.about(|subject| Subject { document: Some(name), category, ..subject })
}
