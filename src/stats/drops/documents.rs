//! `document_drops`: the documents that lose most.

use super::{
    study::DropStudy,
    tally::{RATIOS, Tally},
};
use crate::stats::{Finding, StatisticTable};

/// The documents with the highest assignment drop ratio, highest first, ties in input order.
pub(super) fn document_drops(study: &DropStudy<'_>) -> StatisticTable {
    let mut tallies = vec![Tally::default(); study.documents()];
    for row in (0..study.len()).filter(|row| study.counts(*row)) {
        tallies[study.document[row] as usize].add(&Tally::of(study.observed(), row));
    }
    let mut total = Tally::default();
    for tally in &tallies {
        total.add(tally);
    }
    let mut worst: Vec<usize> = (0..tallies.len()).filter(|index| tallies[*index].above(0) > 0.0).collect();
    worst.sort_by(|a, b| tallies[*b].ratio(0).total_cmp(&tallies[*a].ratio(0)));
    worst.truncate(study.settings.documents_listed);
    let mut table = StatisticTable::new("document_drops");
    for (rank, document) in worst.iter().enumerate() {
        let n = u64::from(tallies[*document].occurrences);
        let finding = study.finding("document_drops", "share").measured(tallies[*document].ratio(0), None, n, 1);
        let finding = Finding { rank: Some(rank as u32 + 1), ..named(study, finding, *document) };
        table.rows.push(finding.against(total.ratio(0), "layer_mean").remark("no interval: one document"));
    }
    if worst.is_empty() {
        let reason = format!("no document has an {} above 0", RATIOS[0].replace('_', " "));
        table.rows.push(study.finding("document_drops", "share").withheld(reason));
    }
    table
}

/// A finding about a document, with the data set and category of its first sequence.
fn named(study: &DropStudy<'_>, finding: Finding, document: usize) -> Finding {
    let first = study.by_document.cell(document)[0] as usize;
    let sequences = study.layer.sequences;
    let category = study.category(first).map(|category| sequences.category_names[usize::from(category)].clone());
    let name = sequences.document_names[study.document_names[document] as usize].clone();
    let finding = study.about_dataset(finding, study.dataset(first));
    Finding { document: Some(name), category, ..finding }
}
