//! Statistics of numbers of assignments, where the choices of the tokens are unknown: loads, shares, and what they say about
//! categories. Without documents there are no intervals, and nothing that permutes the labels of documents.

use super::{
    Finding, STATISTICS, StatisticTable,
    catalog::Statistic,
    category,
    entropy::Jackknife,
    load,
    names::{BaselineKind, Variable},
    needs::{is_out_of_reach, withhold, without_numbers},
    occurrences::NONE,
    question::{Counted, Known, Question},
    settings::Settings,
    share,
    study::{DocumentCounts, Study},
};
use crate::{
    error::{Error, Result},
    routing::{LayerId, Provides, RunKind, View},
    trace::{AssignmentCounts, LayerTrace, SequenceTable},
};

/// All statistics of one layer of a run that has counts instead of a trace, in the order of [`super::route_statistics`]: those that
/// need the choices of the tokens are withheld.
///
/// # Errors
/// [`Error::Usage`] if there are more assignments than can be resampled.
pub fn count_statistics(counts: &AssignmentCounts, layer: LayerId, settings: &Settings) -> Result<Vec<StatisticTable>> {
    let tells_documents = counts.tells_documents();
    let without_documents = Settings { permutations: 0, minimum_documents: usize::MAX, ..settings.clone() };
    let settings = if tells_documents { settings } else { &without_documents };
    let sequences = SequenceTable { category_names: counts.categories(), ..SequenceTable::default() };
    let trace = LayerTrace {
        layer,
        num_experts: counts.shape.experts(layer),
        top_k: counts.shape.choices(layer),
        provides: Provides::COUNTS,
        ..LayerTrace::default()
    };
    let (label, documents) = by_document(counts, layer, &sequences.category_names)?;
    let study = Study { tells_documents, ..Study::of_counts(&sequences, &trace, settings, label, documents)? };
    let mut tables = tables(&study);
    withhold(&mut tables, Provides::COUNTS);
    if !tells_documents {
        tables.iter_mut().flat_map(|table| &mut table.rows).for_each(|row| row.documents = None);
    }
    Ok(tables)
}

/// The categories and counts of the documents of a layer, those without an assignment left out.
fn by_document(counts: &AssignmentCounts, layer: LayerId, categories: &[String]) -> Result<(Vec<u32>, DocumentCounts)> {
    let experts = counts.shape.experts(layer);
    let mut of = DocumentCounts { experts, ..DocumentCounts::default() };
    let mut label = Vec::new();
    let Some(counted) = counts.shape.index(layer).and_then(|at| counts.layers.get(at)) else { return Ok((label, of)) };
    let within = |count: u64| {
        u32::try_from(count).map_err(|_| {
            Error::usage(
                format!(
                    "layer {layer} has {count} assignments or tokens in one document or category; expected at most {}",
                    u32::MAX
                ),
                "import the counts of fewer steps",
            )
        })
    };
    for ((unit, row), &tokens) in
        counts.units.iter().zip(counted.assignments.chunks_exact(experts)).zip(&counted.tokens)
    {
        if row.iter().all(|count| *count == 0) {
            continue;
        }
        let category = unit.category.as_ref().and_then(|name| categories.iter().position(|other| other == name));
        label.push(category.map_or(NONE, |category| category as u32));
        of.assignments.push(within(row.iter().sum())?);
        of.occurrences.push(within(tokens)?);
        for count in row {
            of.expert.push(within(*count)?);
        }
    }
    Ok((label, of))
}

/// Every table of a route run.
fn tables(study: &Study) -> Vec<StatisticTable> {
    let mut tables: Vec<StatisticTable> = Vec::new();
    for info in STATISTICS.iter().filter(|info| info.command == RunKind::Route) {
        let first = tables.iter().all(|table| table.name != info.table);
        let rows = if is_out_of_reach(info.statistic, Provides::COUNTS) {
            without_numbers(info.statistic, study.data.layer, Provides::COUNTS)
        } else if first {
            let kept = study.finding(info.statistic, View::Kept);
            let is_of_category = info.statistic == Statistic::MutualInformation;
            let kept = if is_of_category { kept.by(Variable::Category) } else { kept };
            rows(study, info.statistic).into_iter().chain(info.kept.then_some(kept)).collect()
        } else {
            // The statistics of a table are computed together.
            Vec::new()
        };
        match tables.iter_mut().find(|table| table.name == info.table) {
            Some(table) => table.rows.extend(rows),
            None => tables.push(StatisticTable::of(info.statistic, rows)),
        }
    }
    tables
}

/// The rows of the table that begins with a statistic.
fn rows(study: &Study, statistic: Statistic) -> Vec<Finding> {
    let view = View::Chosen;
    let groups = study.groups();
    let shares = || groups.iter().map(|group| share::group_shares(study, view, group));
    let permuted = || {
        let categories = study.data.category_names.len();
        study.label_permutations(|label| study.counts[view as usize].by_label(label, categories))
    };
    match statistic {
        Statistic::ExpertShare => {
            let overall = shares().next().map_or_else(Vec::new, |all| all.share());
            let of_group = |shares: share::Shares| {
                share::expert_share(study, view, &shares.summary(), &overall).collect::<Vec<_>>()
            };
            shares().flat_map(of_group).collect()
        }
        Statistic::MutualInformation => information(study),
        Statistic::DomainSpecialization => {
            let of_group =
                |group| category::domain_specialization(study, view, group, &share::group_shares(study, view, group));
            groups.iter().flat_map(of_group).collect()
        }
        Statistic::CramersV => category::cramers_v_findings(study, view, &permuted()),
        Statistic::JensenShannon => category::jensen_shannon_findings(study, view, &permuted()),
        Statistic::MaxViolation => shares().flat_map(|shares| load::expert_load(study, view, &shares)).collect(),
        _ => Vec::new(),
    }
}

/// What the category tells about the chosen expert; of other variables it is said why they are withheld.
fn information(study: &Study) -> Vec<Finding> {
    let (statistic, view) = (Statistic::MutualInformation, View::Chosen);
    let (known, finer) = (Known::of_labelled(study), Counted::of_categories(study));
    let entropy = |label: &[u32]| {
        Jackknife::of_documents(&study.counts[view as usize].expert, label, &study.f).total.conditional_entropy()
    };
    let permuted = study.label_permutations(entropy);
    let category = Question { study, statistic, known: &known, finer: &finer, view };
    let withheld = [Variable::Token, Variable::Position, Variable::Document, Variable::PreviousToken];
    let withheld = withheld.map(|variable| study.finding(statistic, view).by(variable));
    let category = category.answer(&permuted, BaselineKind::DocumentLabelPermutation);
    withheld.into_iter().chain([category]).collect()
}
