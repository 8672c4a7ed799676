//! `drop_difference`: two models on the same sequences, paired by document.

use rayon::prelude::*;

use super::{
    atoms::Atoms,
    choices::{RankCounts, by_rank},
    curve::{self, Windows},
    keys::{self, Key},
    layer::DropLayer,
    losses::Ratio,
    reason::{missing, remarked},
    study::DropStudy,
    tally::{ByDocument, RATIOS},
    trend::{Resampled, Trend},
};
use crate::{
    error::{Error, Result},
    stats::{
        BaselineKind, Finding, Statistic, StatisticTable, Subject, Variant,
        needs::withhold,
        resample::{Interval, expanded_percentile, percentile},
    },
};

/// The same cell of both models.
struct Pair {
    key: Key,
    model: ByDocument,
    reference: ByDocument,
    /// Their choices by rank; empty where a model has no more than two.
    ranks: [RankCounts; 2],
}

/// How the drop ratios and the trend of `model` differ from those of `reference` on the same sequences: model -
/// reference, over all, by data set, role, turn and position; of more than two choices also rank by rank. Both models
/// count with the same weights in a resample.
///
/// `names` are the labels of model and reference (columns `checkpoint` and `reference`).
///
/// # Errors
/// [`Error::Usage`] if the two layers are not of the same tokens.
pub fn drop_difference(
    model: &DropStudy<'_>,
    reference: &DropStudy<'_>,
    names: (&str, &str),
) -> Result<StatisticTable> {
    check(&model.layer, &reference.layer, names)?;
    let studies = [model, reference];
    let difference = Difference { studies, names };
    let pairs = pairs(studies);
    let given = |ratio: usize| ratio != 2 || studies.iter().all(|study| study.top_k() > 1);
    let ranks = ranks(studies);
    let rows = |pair: &Pair| -> Vec<Finding> {
        let ratios = (0..RATIOS.len()).filter(|ratio| given(*ratio)).map(|ratio| difference.row(pair, ratio));
        ratios.chain((0..ranks).map(|rank| difference.of_rank(pair, rank))).collect()
    };
    let rows: Vec<Vec<Finding>> = pairs.par_iter().map(rows).collect();
    let mut rows: Vec<Finding> = rows.into_iter().flatten().collect();
    rows.extend(difference.trends());
    let mut table = [StatisticTable::of(Statistic::DropDifference, rows)];
    withhold(&mut table, model.layer.trace.provides.and(reference.layer.trace.provides));
    let [table] = table;
    Ok(table)
}

/// The cells of the comparison, in the order of the table.
fn pairs([model, reference]: [&DropStudy<'_>; 2]) -> Vec<Pair> {
    let ranked = ranks([model, reference]) > 0;
    let wanted = |key: Key| !matches!(key, Key::Category(_) | Key::Position { .. } | Key::Bucket { fixed: true, .. });
    let of = |atoms: &Atoms<Key>| -> Vec<Pair> {
        let tables = atoms.by_document(model).into_iter().zip(atoms.by_document(reference));
        let none = || vec![RankCounts::default(); atoms.keys.len()];
        let counts = |study| if ranked { by_rank(study, atoms) } else { none() };
        let ranks = counts(model).into_iter().zip(counts(reference));
        let cells = atoms.keys.iter().zip(tables).zip(ranks);
        let pair = |((key, (model, reference)), (ours, theirs)): ((&Key, _), _)| Pair {
            key: *key,
            model,
            reference,
            ranks: [ours, theirs],
        };
        cells.map(pair).filter(|pair| wanted(pair.key)).collect()
    };
    let atoms = [keys::by_text(model), keys::by_message(model), curve::by_position(model, &Windows::new(model))];
    let mut pairs: Vec<Pair> = atoms.iter().flat_map(of).collect();
    if pairs.is_empty() {
        pairs.push(Pair {
            key: Key::All,
            model: ByDocument::default(),
            reference: ByDocument::default(),
            ranks: Default::default(),
        });
    }
    pairs.sort_by_key(|pair| pair.key);
    pairs
}

/// The ranks that both models have; 0 where one of them has no more than two choices, which are first and second.
fn ranks(studies: [&DropStudy<'_>; 2]) -> usize {
    let [one, other] = studies.map(DropStudy::top_k);
    let least = one.min(other);
    if least > 2 { least } else { 0 }
}

/// What both models chose and lost of the same thing.
struct Counts {
    lost: [f64; 2],
    chosen: [f64; 2],
    occurrences: u64,
    documents: usize,
}

/// Both models.
struct Difference<'a> {
    studies: [&'a DropStudy<'a>; 2],
    names: (&'a str, &'a str),
}

impl Difference<'_> {
    /// An empty finding.
    fn finding(&self, key: Key, compared: Statistic) -> Finding {
        let study = self.studies[0];
        let finding = key.about(study, study.finding(Statistic::DropDifference)).variant(Variant::Of(compared));
        let (model, reference) = self.names;
        finding.about(|subject| Subject {
            checkpoint: Some(model.to_owned()),
            reference: Some(reference.to_owned()),
            ..subject
        })
    }

    /// The difference of a ratio.
    fn row(&self, pair: &Pair, ratio: usize) -> Finding {
        let totals = [pair.model.total(), pair.reference.total()];
        let counts = Counts {
            lost: totals.map(|total| total.above(ratio)),
            chosen: totals.map(|total| total.below(ratio)),
            occurrences: u64::from(totals[0].occurrences),
            documents: pair.model.documents(ratio),
        };
        let resamples = &self.studies[0].resamples;
        let values = || [&pair.model, &pair.reference].map(|side| side.resampled(resamples, ratio));
        self.measured(self.finding(pair.key, RATIOS[ratio]), &counts, values)
    }

    /// The difference of the choices of a rank, from 0.
    fn of_rank(&self, pair: &Pair, rank: usize) -> Finding {
        let counts = Counts {
            lost: [0, 1].map(|side| pair.ranks[side].lost(rank) as f64),
            chosen: [0, 1].map(|side| pair.ranks[side].occurrences() as f64),
            occurrences: pair.ranks[0].occurrences(),
            documents: pair.ranks[0].documents(),
        };
        let resamples = &self.studies[0].resamples;
        let values = || [0, 1].map(|side| pair.ranks[side].resampled(resamples, rank));
        let finding = self.finding(pair.key, Statistic::ChoiceDropRatio);
        self.measured(Ratio::Choice(rank).about(finding), &counts, values)
    }

    /// Fills in the difference of two shares, given both in every resample.
    fn measured(&self, finding: Finding, counts: &Counts, values: impl FnOnce() -> [Vec<f64>; 2]) -> Finding {
        let Counts { lost, chosen, occurrences, documents } = *counts;
        if chosen.contains(&0.0) {
            return finding.withheld("nothing was chosen here");
        }
        let nothing = lost == [0.0; 2];
        let reason = self.missing(documents).or_else(|| {
            nothing.then(|| format!("no interval: neither model dropped anything in {documents} documents"))
        });
        let interval = interval(reason.as_ref(), values, percentile);
        let estimate = lost[0] / chosen[0] - lost[1] / chosen[1];
        let finding = finding.measured(estimate, interval, occurrences, documents as u64);
        remarked(finding.against(0.0, BaselineKind::NoDifference), reason)
    }

    /// The difference of `last_minus_first`, over all and by data set.
    fn trends(&self) -> Vec<Finding> {
        let trends = self.studies.map(Trend::new);
        let row = |scope: &Key| {
            let finding = self.finding(*scope, Statistic::DropTrend);
            let [model, reference] = [0, 1].map(|side| trends[side].resampled(self.studies[side], *scope));
            let Resampled { sequences, documents, .. } = model;
            if sequences == 0 {
                let least = self.studies[0].settings.minimum_length;
                return finding.withheld(format!("no sequence has {least} positions"));
            }
            let estimate = model.estimate - reference.estimate;
            let expanded = |values: &mut Vec<f64>| expanded_percentile(values, documents);
            let reason = self.missing(documents);
            let interval = interval(reason.as_ref(), || [model.values, reference.values], expanded);
            let finding = finding.measured(estimate, interval, sequences as u64, documents as u64);
            remarked(finding.against(0.0, BaselineKind::NoDifference), reason)
        };
        trends[0].scopes.iter().map(row).collect()
    }

    /// Why there is no interval.
    fn missing(&self, documents: usize) -> Option<String> {
        missing(self.studies[0], documents, self.studies.iter().all(|study| study.separate))
    }
}

/// The interval of the difference between the values of two models in the same resamples.
fn interval(
    missing: Option<&String>,
    values: impl FnOnce() -> [Vec<f64>; 2],
    of: impl FnOnce(&mut Vec<f64>) -> Interval,
) -> Interval {
    if missing.is_some() {
        return None;
    }
    let [model, reference] = values();
    of(&mut model.iter().zip(reference).map(|(model, reference)| model - reference).collect())
}

/// Refuses layers that are not of the same tokens.
fn check(model: &DropLayer<'_>, reference: &DropLayer<'_>, names: (&str, &str)) -> Result<()> {
    let (one, other) = (model.trace, reference.trace);
    let columns = [
        ("sequence", &one.sequence, &other.sequence),
        ("position", &one.position, &other.position),
        ("token id", &one.token_id, &other.token_id),
        ("document", &model.sequences.document, &reference.sequences.document),
    ];
    let found = columns.into_iter().find_map(|(what, one, other)| {
        if one.len() != other.len() {
            return Some(format!("{} and {} rows", one.len(), other.len()));
        }
        let row = one.iter().zip(other).position(|(a, b)| a != b)?;
        Some(format!("{what} {} and {} in row {row}", one[row], other[row]))
    });
    let layers = (one.layer != other.layer).then(|| format!("decoder layer {} and {}", one.layer, other.layer));
    match layers.or(found) {
        None => Ok(()),
        Some(difference) => Err(Error::usage(
            format!("models `{}` and `{}` cannot be compared: {difference}", names.0, names.1),
            "both models need the same transcripts, tokenizer, template and context",
        )),
    }
}
