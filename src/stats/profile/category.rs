//! Which experts take a category, and how much of that follows from the token ids that it uses.

use serde::Serialize;

use super::{
    counted_layer::CountedLayer,
    rate::{ByDocument, Counted, Lift, Rate, all_or_none, lift},
};
use crate::{
    error::Result,
    routing::{ExpertId, LayerId, View},
    stats::{
        contrast::{Carriers, Condition, ConditionKey, LayerSide, Side, carriers},
        resample::percentile,
        study::{Group, Study},
    },
    trace::{Block, SpanTable},
};

/// What follows from the token ids of a category alone. It is asked of the occurrences whose token id occurs elsewhere too.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OnceKnown {
    /// The share of the category's tokens that this is about: those whose token id occurs outside the category.
    pub covered: f64,
    /// The share of them that chose the expert.
    pub takes: f64,
    /// Low end of the 95 % interval of `takes` over documents.
    pub takes_low: Option<f64>,
    /// High end.
    pub takes_high: Option<f64>,
    /// The share that would, if every token id went to the expert as often as it does outside the category.
    pub expected: f64,
    /// Low end of the 95 % interval of `expected` over documents.
    pub expected_low: Option<f64>,
    /// High end.
    pub expected_high: Option<f64>,
    /// `takes - expected`: what the category adds once the token id is known.
    pub added: f64,
    /// Low end of its 95 % interval over documents.
    pub added_low: Option<f64>,
    /// High end.
    pub added_high: Option<f64>,
    /// The token ids that set the category apart from all other text at this expert, as `contrast` finds them.
    pub carriers: Carriers,
}

/// What an expert takes of a category.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CategoryExpert {
    /// The expert.
    pub expert: ExpertId,
    /// The share of the category's tokens that chose it (`domain_specialization`).
    pub takes: Rate,
    /// That share over the even one, choices / experts.
    pub over_even: Lift,
    /// That share over the expert's share of all tokens.
    pub over_own: Lift,
    /// The share of the category's assignments (`expert_share`).
    pub of_assignments: Rate,
    /// What follows from its token ids; only of the largest shares, and where token ids are known.
    pub once_known: Option<OnceKnown>,
}

/// Which experts take a category in a layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CategoryLayer {
    /// Decoder layer index.
    pub layer: LayerId,
    /// Before or after capacity.
    pub view: View,
    /// Experts of the layer.
    pub experts_in_layer: usize,
    /// Choices of every token.
    pub choices: usize,
    /// Tokens of the category.
    pub tokens: u64,
    /// Its documents.
    pub documents: u64,
    /// All experts, the largest share first.
    pub experts: Vec<CategoryExpert>,
}

impl CategoryLayer {
    pub(super) fn new(layer: &CountedLayer<'_>, category: usize, explained: usize) -> Result<Option<Self>> {
        let study = &layer.study;
        let Some(group) = study.groups().into_iter().find(|group| group.category == Some(category)) else {
            return Ok(None);
        };
        let mut experts = experts(layer, &group);
        let share = |expert: &CategoryExpert| expert.takes.estimate.unwrap_or_default();
        experts.sort_by(|a, b| share(b).total_cmp(&share(a)));
        let has_rest = group.documents.len() < study.data.documents();
        if study.trace.provides.has(Block::TokenIds) && has_rest {
            explain(study, layer.view, category, &mut experts[..explained.min(study.data.experts)])?;
        }
        Ok(Some(Self {
            layer: study.data.layer,
            view: layer.view,
            experts_in_layer: study.data.experts,
            choices: study.data.top_k,
            tokens: experts.first().map_or(0, |expert| expert.takes.n),
            documents: group.documents.len() as u64,
            experts,
        }))
    }
}

/// Every expert's share of the category.
fn experts(layer: &CountedLayer<'_>, group: &Group) -> Vec<CategoryExpert> {
    let study = &layer.study;
    let counts = &study.counts[layer.view as usize];
    let sum = |documents: &[usize], of: &dyn Fn(usize) -> u32| {
        Counted::new(study, &documents.iter().map(|document| (*document, of(*document))).collect::<ByDocument>())
    };
    let all: Vec<usize> = (0..study.data.documents()).collect();
    let own = &group.documents;
    let tokens = [own, &all].map(|documents| sum(documents, &|document| counts.occurrences[document]));
    let assignments = Counted { documents: own.len(), ..sum(own, &|document| counts.assignments[document]) };
    let even = study.data.top_k as f64 / study.data.experts as f64;
    let of_expert = |expert: usize| {
        let chosen = [own, &all].map(|documents| sum(documents, &|document| counts.of(document)[expert]));
        let takes = chosen[0].of(study, &tokens[0]);
        CategoryExpert {
            expert: expert as ExpertId,
            over_even: Lift::over(even, &takes),
            over_own: lift(study, [&chosen[0], &tokens[0]], [&chosen[1], &tokens[1]]),
            of_assignments: chosen[0].of(study, &assignments),
            takes,
            once_known: None,
        }
    };
    (0..study.data.experts).map(of_expert).collect()
}

/// Says of some experts what follows from the token ids of the category.
fn explain(study: &Study, view: View, category: usize, experts: &mut [CategoryExpert]) -> Result<()> {
    let (sequences, trace) = (study.sequences, study.trace);
    let condition = Condition { key: ConditionKey::Category, value: study.data.category_names[category].clone() };
    let own = Side::of(&[condition], sequences, &SpanTable::default(), trace.provides)?;
    let rest = own.rest()?;
    let side = |side| LayerSide { sequences, trace, side, document: &sequences.document };
    let named: Vec<ExpertId> = experts.iter().map(|expert| expert.expert).collect();
    let found = carriers(&side(&own), &side(&rest), &named, study.settings);
    for (expert, carriers) in experts.iter_mut().zip(found) {
        let known = Standardized::new(study, view, category, expert.expert).known();
        expert.once_known = known.map(|known| OnceKnown { carriers, ..known });
    }
    Ok(())
}

/// Sums over the token ids that occur in the category and outside of it; the first entry is over all documents, the others are
/// of the resamples.
struct Standardized<'a> {
    study: &'a Study<'a>,
    /// The documents of the category, or those without it, whichever are fewer.
    documents: usize,
    /// Tokens of the category, also with ids that occur nowhere else.
    all: u64,
    /// Tokens of the category.
    tokens: Vec<f64>,
    /// Those of them that chose the expert.
    chosen: Vec<f64>,
    /// Those that would, by the rates of their ids elsewhere.
    expected: Vec<f64>,
}

impl<'a> Standardized<'a> {
    fn new(study: &'a Study<'a>, view: View, category: usize, expert: ExpertId) -> Self {
        let sums = || vec![0.0; 1 + study.resamples.len()];
        let own = study.data.category_documents()[category] as usize;
        let documents = own.min(study.data.documents() - own);
        let mut whole = Self { study, documents, all: 0, tokens: sums(), chosen: sums(), expected: sums() };
        for rows in study.by_token.iter() {
            whole.add_token(rows, view, category as u32, expert);
        }
        whole
    }

    /// Adds a token id, document by document.
    fn add_token(&mut self, rows: &[u32], view: View, category: u32, expert: ExpertId) {
        let (data, resamples) = (&self.study.data, &self.study.resamples);
        let is_own = |row: u32| data.category[row as usize] == category;
        let own = rows.iter().filter(|row| is_own(**row)).count();
        self.all += own as u64;
        if own == 0 || own == rows.len() {
            return;
        }
        // Tokens, and tokens that chose the expert, elsewhere and in the category.
        let mut sums = [(); 4].map(|()| vec![0.0; 1 + resamples.len()]);
        for run in rows.chunk_by(|a, b| data.document[*a as usize] == data.document[*b as usize]) {
            let chose = |row: &&u32| data.choices(view, **row as usize).contains(&expert);
            let counts = [run.len(), run.iter().filter(chose).count()].map(|count| count as f64);
            let weights = resamples.of(data.document[run[0] as usize] as usize);
            let first = if is_own(run[0]) { 2 } else { 0 };
            for (sums, count) in sums[first..first + 2].iter_mut().zip(counts) {
                sums[0] += count;
                sums[1..].iter_mut().zip(weights).for_each(|(sum, weight)| *sum += count * f64::from(*weight));
            }
        }
        let [elsewhere, chose_elsewhere, tokens, chosen] = sums;
        for at in (0..tokens.len()).filter(|at| elsewhere[*at] > 0.0) {
            self.tokens[at] += tokens[at];
            self.chosen[at] += chosen[at];
            self.expected[at] += tokens[at] * chose_elsewhere[at] / elsewhere[at];
        }
    }

    /// The shares; `None` if no token id of the category occurs elsewhere.
    fn known(&self) -> Option<OnceKnown> {
        let share = |sums: &[f64], at: usize| sums[at] / self.tokens[at];
        if self.tokens[0] == 0.0 {
            return None;
        }
        let (study, resampled) = (self.study, 1..self.tokens.len());
        let ends = |of: &dyn Fn(usize) -> f64| {
            study
                .resamples
                .enough(self.documents)
                .then(|| percentile(&mut resampled.clone().map(of).collect()))
                .flatten()
        };
        let [takes, of_ids] = [&self.chosen, &self.expected].map(|sums| share(sums, 0));
        let chosen = all_or_none(Some(takes), self.documents, || ends(&|at| share(&self.chosen, at)));
        let expected = ends(&|at| share(&self.expected, at));
        let added = ends(&|at| share(&self.chosen, at) - share(&self.expected, at));
        Some(OnceKnown {
            covered: self.tokens[0] / self.all as f64,
            takes,
            takes_low: chosen.map(|ends| ends.0),
            takes_high: chosen.map(|ends| ends.1),
            expected: of_ids,
            expected_low: expected.map(|ends| ends.0),
            expected_high: expected.map(|ends| ends.1),
            added: takes - of_ids,
            added_low: added.map(|ends| ends.0),
            added_high: added.map(|ends| ends.1),
            carriers: Carriers::default(),
        })
    }
}
