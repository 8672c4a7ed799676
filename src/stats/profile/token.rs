//! Where a token id goes in a layer.

use serde::Serialize;

use super::{
    context::{Example, examples},
    counted_layer::CountedLayer,
    rate::{ByDocument, Counted, Lift, Rate, lift},
};
use crate::{
    routing::{ExpertId, LayerId, View},
    stats::{
        share::{ShareKey, cell_shares},
        study::Study,
    },
};

/// What an expert takes of the occurrences of a token id.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TokenExpert {
    /// The expert.
    pub expert: ExpertId,
    /// The share of the occurrences that chose it: all of them are 1, however many choices a token has.
    pub takes: Rate,
    /// The share of the assignments of the token id (`expert_share`): all experts together are 1.
    pub of_assignments: Rate,
    /// `takes` over the expert's share of all tokens.
    pub over_own: Lift,
}

/// A token id within a category.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TokenCategory {
    /// The category.
    pub category: String,
    /// The expert whose share of the occurrences there lies farthest above its share of all occurrences.
    pub expert: ExpertId,
    /// Its share of the occurrences in the category.
    pub takes: Rate,
    /// Its share of all occurrences.
    pub of_all: f64,
}

/// Where a token id goes in a layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TokenLayer {
    /// Decoder layer index.
    pub layer: LayerId,
    /// Before or after capacity.
    pub view: View,
    /// Choices of every token.
    pub choices: usize,
    /// Occurrences that count.
    pub occurrences: u64,
    /// The documents that they are in.
    pub documents: u64,
    /// Every expert that any occurrence chose, the largest share first.
    pub experts: Vec<TokenExpert>,
    /// Categories in which some expert takes more than of all occurrences (the interval of its share there does not hold that of all),
    /// the largest difference first.
    pub categories: Vec<TokenCategory>,
    /// Some of the occurrences.
    pub examples: Vec<Example>,
}

impl TokenLayer {
    pub(super) fn new(layer: &CountedLayer<'_>, token_id: u32, most_examples: usize) -> Option<Self> {
        let study = &layer.study;
        let rows = study.rows_of_token(token_id)?;
        let occurrences = Counted::new(study, &by_document(study, rows));
        Some(Self {
            layer: study.data.layer,
            view: layer.view,
            choices: study.data.top_k,
            occurrences: occurrences.total,
            documents: occurrences.documents as u64,
            experts: experts(layer, rows, &occurrences),
            categories: categories(study, layer.view, rows),
            examples: examples(study, rows, most_examples),
        })
    }
}

/// Rows by document; rows of a document stand together.
fn by_document(study: &Study, rows: &[u32]) -> ByDocument {
    let document = |row: &u32| study.data.document[*row as usize];
    rows.chunk_by(|a, b| document(a) == document(b)).map(|run| (document(&run[0]) as usize, run.len() as u32)).collect()
}

/// Experts that any of the rows chose, the largest share first.
fn experts(layer: &CountedLayer<'_>, rows: &[u32], occurrences: &Counted) -> Vec<TokenExpert> {
    let (study, view) = (&layer.study, layer.view);
    let key = ShareKey::Token(study.data.token[rows[0] as usize] as usize);
    let [chosen, kept] = cell_shares(study, key, rows);
    let shares = if view == View::Chosen { chosen } else { kept };
    let assignments =
        Counted { total: shares.assignments(), documents: shares.documents, resampled: shares.resampled_assignments() };
    let all = &study.counts[view as usize];
    let of_all = |of: &dyn Fn(usize) -> u32| {
        Counted::new(study, &(0..study.data.documents()).map(|document| (document, of(document))).collect::<Vec<_>>())
    };
    let tokens = of_all(&|document| all.occurrences[document]);
    let of_expert = |expert: usize| {
        let resampled =
            shares.resampled.get(expert).map_or_else(Vec::new, |sums| sums.iter().map(|sum| f64::from(*sum)).collect());
        let own = Counted { total: shares.count[expert], documents: shares.documents, resampled };
        let chose = of_all(&|document| all.of(document)[expert]);
        TokenExpert {
            expert: expert as ExpertId,
            takes: own.of(study, occurrences),
            of_assignments: own.of(study, &assignments),
            over_own: lift(study, [&own, occurrences], [&chose, &tokens]),
        }
    };
    let chosen = (0..study.data.experts).filter(|expert| shares.count[*expert] > 0);
    let mut experts: Vec<TokenExpert> = chosen.map(of_expert).collect();
    let share = |expert: &TokenExpert| expert.takes.estimate.unwrap_or_default();
    experts.sort_by(|a, b| share(b).total_cmp(&share(a)));
    experts
}

/// Categories in which the rows go elsewhere.
fn categories(study: &Study, view: View, rows: &[u32]) -> Vec<TokenCategory> {
    let mut of_category: Vec<Vec<u32>> = vec![Vec::new(); study.data.category_names.len()];
    for row in rows {
        if let Some(own) = of_category.get_mut(study.data.category[*row as usize] as usize) {
            own.push(*row);
        }
    }
    let of_all = expert_counts(study, view, rows);
    let names = study.data.category_names.iter().zip(&of_category);
    let found = names.filter_map(|(name, own)| gaining(study, view, (name, own), (&of_all, rows.len())));
    let mut found: Vec<TokenCategory> = found.collect();
    let gain = |entry: &TokenCategory| entry.takes.estimate.unwrap_or_default() - entry.of_all;
    found.sort_by(|a, b| gain(b).total_cmp(&gain(a)));
    found
}

fn expert_counts(study: &Study, view: View, rows: &[u32]) -> Vec<u32> {
    let mut counts = vec![0; study.data.experts];
    for &expert in rows.iter().flat_map(|row| study.data.choices(view, *row as usize)) {
        counts[usize::from(expert)] += 1;
    }
    counts
}

/// The expert whose share in a category lies farthest above its share of all rows, if its interval does not hold the latter.
fn gaining(
    study: &Study,
    view: View,
    (name, own): (&String, &[u32]),
    (of_all, all): (&[u32], usize),
) -> Option<TokenCategory> {
    let tokens = by_document(study, own);
    if !study.resamples.enough(tokens.len()) {
        return None;
    }
    let counts = expert_counts(study, view, own);
    let share = |count: u32, n: usize| f64::from(count) / n as f64;
    let gain = |expert: &usize| share(counts[*expert], own.len()) - share(of_all[*expert], all);
    let expert = (0..counts.len()).max_by(|a, b| gain(a).total_cmp(&gain(b)).then(b.cmp(a)))?;
    let chose = |row: &&u32| study.data.choices(view, **row as usize).contains(&(expert as ExpertId));
    let chosen: Vec<u32> = own.iter().filter(chose).copied().collect();
    let takes = Counted::new(study, &by_document(study, &chosen)).of(study, &Counted::new(study, &tokens));
    let of_all = share(of_all[expert], all);
    let (low, high) = takes.low.zip(takes.high)?;
    let entry = TokenCategory { category: name.clone(), expert: expert as ExpertId, takes, of_all };
    (of_all < low || of_all > high).then_some(entry)
}
