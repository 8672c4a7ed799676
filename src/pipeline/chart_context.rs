//! The facts about a run that its charts print.

use super::verdict::asked_capacity;
use crate::{
    chart::ChartContext,
    error::Result,
    run::{RunDir, RunRecord, traces_of},
    stats::{Tables, in_clusters},
    trace::{AssignmentCounts, Provides, RoutingTrace, SequenceTable},
};

/// The facts about the run that its charts print. The tables say which categories stand beside each other.
pub(crate) fn chart_context(run: &RunDir, record: &RunRecord, tables: &Tables) -> Result<ChartContext> {
    if record.provides.is_some_and(Provides::is_counts) {
        return Ok(of_counts(record, &AssignmentCounts::read(run, record)?, tables));
    }
    let traces = traces_of(run, record)?;
    let trace = RoutingTrace::open(&traces[0].1)?;
    let labels = traces.into_iter().map(|(label, _)| label).collect::<Vec<_>>().join(", ");
    Ok(ChartContext { checkpoint: labels, ..of_trace(record, &trace, &trace.sequences()?, tables) })
}

/// Whether the routes are those of an OpenMoE, whose configuration a run records; imported ones have none.
fn is_openmoe(record: &RunRecord) -> bool {
    record.config.is_some()
}

/// The capacity that a run replays, if the routes were made without it.
fn asked_in_words(record: &RunRecord) -> Option<String> {
    let policy = asked_capacity(record)?.policy;
    Some(format!("rule {}, {}", policy.rule, policy.rule.factor_in_words(policy.factor)))
}

/// The facts about a run that has counts instead of a trace.
fn of_counts(record: &RunRecord, counts: &AssignmentCounts, tables: &Tables) -> ChartContext {
    let (categories, category_sets) = ordered(tables, vec![(String::new(), counts.categories())]);
    ChartContext {
        checkpoint: record.label.clone(),
        corpus: record.text_names().join(", "),
        shape: counts.shape.clone(),
        categories,
        category_sets,
        sequences: 0,
        documents: record.text.documents as u64,
        tokens: counts.tokens(),
        bos: None,
        bos_counted: true,
        tokens_of_interest: Vec::new(),
        asked_capacity: asked_in_words(record),
        deciding: record.deciding_score(),
        is_openmoe: is_openmoe(record),
    }
}

fn of_trace(record: &RunRecord, trace: &RoutingTrace, sequences: &SequenceTable, tables: &Tables) -> ChartContext {
    let (categories, category_sets) = ordered(tables, by_data_set(sequences));
    ChartContext {
        checkpoint: record.label.clone(),
        corpus: record.text_names().join(", "),
        shape: trace.shape().clone(),
        categories,
        category_sets,
        sequences: sequences.tokens.len() as u64,
        documents: sequences.document_names.len() as u64,
        tokens: record.text.tokens,
        bos: record.identity.text.as_ref().map(|text| text.bos),
        bos_counted: !record.statistics.exclude_bos,
        tokens_of_interest: record.tokens_of_interest().to_vec(),
        asked_capacity: asked_in_words(record),
        deciding: record.deciding_score(),
        is_openmoe: is_openmoe(record),
    }
}

/// The categories of each data set, by name. A category is of the data set that most of its sequences come from.
fn by_data_set(sequences: &SequenceTable) -> Vec<(String, Vec<String>)> {
    let mut counts = vec![vec![0_usize; sequences.dataset_names.len()]; sequences.category_names.len()];
    for (category, dataset) in sequences.category.iter().zip(&sequences.dataset) {
        let of_category = category.and_then(|category| counts.get_mut(usize::from(category)));
        if let Some(count) = of_category.and_then(|counts| counts.get_mut(usize::from(*dataset))) {
            *count += 1;
        }
    }
    // The first of equally frequent ones.
    let home = |counts: &Vec<usize>| (0..counts.len()).rev().max_by_key(|dataset| counts[*dataset]);
    let homes: Vec<Option<usize>> = counts.iter().map(home).collect();
    let names = |dataset: Option<usize>| {
        let own = homes.iter().zip(&sequences.category_names).filter(|(home, _)| **home == dataset);
        own.map(|(_, name)| name.clone()).collect::<Vec<String>>()
    };
    let sets = (0..sequences.dataset_names.len()).map(Some).chain([None]);
    let named = sets.map(|dataset| {
        (dataset.map_or_else(String::new, |dataset| sequences.dataset_names[dataset].clone()), names(dataset))
    });
    named.filter(|(_, names)| !names.is_empty()).collect()
}

/// The categories in drawing order, and the sizes of the data sets if there are several.
fn ordered(tables: &Tables, sets: Vec<(String, Vec<String>)>) -> (Vec<String>, Vec<(String, usize)>) {
    let (names, categories): (Vec<String>, Vec<Vec<String>>) = sets.into_iter().unzip();
    let sizes: Vec<(String, usize)> = names.into_iter().zip(categories.iter().map(Vec::len)).collect();
    let sizes = if sizes.len() > 1 { sizes } else { Vec::new() };
    (in_clusters(tables, &categories).concat(), sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_is_of_the_data_set_that_most_of_its_sequences_come_from() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        let sequences = SequenceTable {
            category: vec![Some(0), Some(1), Some(1), Some(1), Some(2), None],
            dataset: vec![1, 0, 1, 1, 0, 0],
            category_names: names(&["a", "b", "c"]),
            dataset_names: names(&["first", "second"]),
            ..SequenceTable::default()
        };
        let sets = by_data_set(&sequences);
        assert_eq!(sets, [("first".to_owned(), names(&["c"])), ("second".to_owned(), names(&["a", "b"]))]);
        let (order, sizes) = ordered(&Tables::new(), sets);
        assert_eq!(order, ["c", "a", "b"]);
        assert_eq!(sizes, [("first".to_owned(), 1), ("second".to_owned(), 2)]);
        let one = SequenceTable { dataset: vec![0; 6], dataset_names: names(&["only"]), ..sequences };
        assert_eq!(ordered(&Tables::new(), by_data_set(&one)), (names(&["a", "b", "c"]), vec![]));
    }
}
