//! A router that is a table: token id to mean scores over a calibration text.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{CombineRule, LayerId, LayerRouting, RouterCall, RouterRule, RouterScore, RoutingPolicy, softmax};
use crate::error::Result;

/// The token ids that a table has a row for, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableIds(Vec<u32>);

impl TableIds {
    /// The ids that occur at least `least` times; `counts` ascends by id, as a map does.
    pub fn new(counts: &BTreeMap<u32, u64>, least: u64) -> Self {
        Self(counts.iter().filter(|(_, count)| **count >= least).map(|(id, _)| *id).collect())
    }

    /// The ids, ascending.
    pub fn as_slice(&self) -> &[u32] {
        &self.0
    }

    /// The row of an id; `None` if the table has none.
    pub fn row(&self, id: u32) -> Option<usize> {
        self.0.binary_search(&id).ok()
    }
}

/// What is averaged over the occurrences of an id, and how the mean becomes logits again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Averaged {
    /// Shares of a softmax; their logarithms are logits with the same softmax.
    Shares,
    /// Sigmoids; their log odds are logits with the same sigmoids.
    Sigmoids,
    /// The logits themselves: the sparse mixer weighs by their sizes, which no share keeps.
    Logits,
}

impl Averaged {
    fn of(rule: &RouterRule) -> Self {
        match (rule.score, rule.weight) {
            (_, CombineRule::SparseMixer { .. }) => Self::Logits,
            (RouterScore::Sigmoid, _) => Self::Sigmoids,
            _ => Self::Shares,
        }
    }

    /// The logit of a mean; finite, whatever the mean.
    fn logit(self, mean: f64) -> f32 {
        // A share that is 0 in f32 has the smallest logit that f32 tells from none.
        const LEAST: f64 = 1e-38;
        match self {
            Self::Shares => mean.max(LEAST).ln() as f32,
            Self::Sigmoids => (mean.max(LEAST) / (1.0 - mean).max(f64::EPSILON)).ln() as f32,
            Self::Logits => mean as f32,
        }
    }
}

/// The table of one layer, as logits whose scores are the means.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerTable {
    experts: usize,
    /// `[ids, num_experts]`
    rows: Vec<f32>,
    /// The mean over all tokens, `[num_experts]`.
    marginal: Vec<f32>,
}

impl LayerTable {
    /// The logits of a row, `[num_experts]`.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.rows[row * self.experts..(row + 1) * self.experts]
    }
}

/// Sums the scores of the tokens of a calibration text in one layer.
#[derive(Debug)]
pub struct TableBuilder {
    ids: Arc<TableIds>,
    averaged: Averaged,
    experts: usize,
    sums: Vec<f64>,
    counts: Vec<u64>,
    all: Vec<f64>,
    tokens: u64,
    scores: Vec<f32>,
}

impl TableBuilder {
    /// For the router of a layer with so many experts.
    pub fn new(ids: Arc<TableIds>, rule: &RouterRule, experts: usize) -> Self {
        let rows = ids.0.len();
        Self {
            ids,
            averaged: Averaged::of(rule),
            experts,
            sums: vec![0.0; rows * experts],
            counts: vec![0; rows],
            all: vec![0.0; experts],
            tokens: 0,
            scores: vec![0.0; experts],
        }
    }

    /// Adds a token with its router logits, `[num_experts]`.
    pub fn add(&mut self, id: u32, logits: &[f32]) {
        match self.averaged {
            Averaged::Shares => softmax(logits, &mut self.scores),
            Averaged::Sigmoids => {
                self.scores.iter_mut().zip(logits).for_each(|(score, logit)| *score = 1.0 / (1.0 + (-logit).exp()));
            }
            Averaged::Logits => self.scores.copy_from_slice(logits),
        }
        self.tokens += 1;
        self.all.iter_mut().zip(&self.scores).for_each(|(sum, score)| *sum += f64::from(*score));
        if let Some(row) = self.ids.row(id) {
            self.counts[row] += 1;
            let sums = &mut self.sums[row * self.experts..(row + 1) * self.experts];
            sums.iter_mut().zip(&self.scores).for_each(|(sum, score)| *sum += f64::from(*score));
        }
    }

    /// The table. Every id was added as often as [`TableIds`] counted it, so no row is empty.
    pub fn finish(self) -> LayerTable {
        let Self { averaged, experts, sums, counts, all, tokens, .. } = self;
        let mean = |sum: &f64, count: u64| averaged.logit(sum / count.max(1) as f64);
        let rows = sums.chunks_exact(experts).zip(&counts);
        let rows = rows.flat_map(|(sums, count)| sums.iter().map(move |sum| mean(sum, *count))).collect();
        LayerTable { experts, rows, marginal: all.iter().map(|sum| mean(sum, tokens)).collect() }
    }
}

/// What decides for an id that the table has no row for.
#[derive(Clone, Debug)]
pub enum RareIds {
    /// The model's own router.
    OwnRouter,
    /// The mean over all tokens of the calibration text.
    Marginal,
    /// The row of the id with the nearest embedding, by fold: from the id to the row; ids that are not there keep the own router.
    Nearest(Vec<HashMap<u32, u32>>),
}

/// Tables instead of the routers of some layers. With several folds each sequence is routed by the table of its own fold, which was made
/// from the documents of the others.
#[derive(Clone, Debug)]
pub struct TokenTables {
    /// By fold: the ids that have a row.
    pub ids: Vec<Arc<TableIds>>,
    /// By layer, then by fold.
    pub layers: BTreeMap<LayerId, Vec<Arc<LayerTable>>>,
    /// The fold of every sequence; empty if there is one fold.
    pub fold: Vec<u8>,
    /// What becomes of ids without a row.
    pub rare: RareIds,
}

impl RoutingPolicy for TokenTables {
    fn route(&self, mut call: RouterCall<'_>) -> Result<LayerRouting> {
        let Some(tables) = self.layers.get(&call.layer) else { return Ok(call.route()) };
        for (sequence, id, logits) in call.tokens_mut() {
            let fold = self.fold.get(sequence as usize).map_or(0, |fold| usize::from(*fold));
            let table = &tables[fold];
            let row = self.ids[fold].row(id).or_else(|| match &self.rare {
                RareIds::Nearest(nearest) => nearest[fold].get(&id).map(|row| *row as usize),
                RareIds::OwnRouter | RareIds::Marginal => None,
            });
            match (row, &self.rare) {
                (Some(row), _) => logits.copy_from_slice(table.row(row)),
                (None, RareIds::Marginal) => logits.copy_from_slice(&table.marginal),
                (None, _) => (),
            }
        }
        Ok(call.route())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::{LayerShape, policy::tests::call};

    const LN3: f32 = 1.098_612_3;

    fn table(rule: &RouterRule, rows: &[(u32, [f32; 2])]) -> (Arc<TableIds>, LayerTable) {
        let mut counts = BTreeMap::new();
        for (id, _) in rows {
            *counts.entry(*id).or_insert(0) += 1;
        }
        let ids = Arc::new(TableIds::new(&counts, 2));
        let mut builder = TableBuilder::new(ids.clone(), rule, 2);
        for (id, logits) in rows {
            builder.add(*id, logits);
        }
        (ids, builder.finish())
    }

    fn assert_near(found: &[f32], expected: &[f32]) {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?}, expected {expected:?}");
    }

    #[test]
    fn a_row_has_the_mean_scores() {
        // Shares 3/4 and 1/4 of the first expert: mean 1/2.
        let rows = [(5, [LN3, 0.0]), (5, [0.0, LN3]), (9, [0.0, 0.0])];
        let (ids, softmaxed) = table(&RouterRule::SOFTMAX, &rows);
        assert_eq!(ids.as_slice(), [5]);
        assert_near(softmaxed.row(0), &[0.5_f32.ln(); 2]);
        assert_near(&softmaxed.marginal, &[0.5_f32.ln(); 2]);
        // Sigmoids 3/4 and 1/2: mean 5/8, whose odds are 5/3.
        let sigmoid = RouterRule { score: RouterScore::Sigmoid, ..RouterRule::SOFTMAX };
        let (_, table_of_sigmoids) = table(&sigmoid, &rows);
        assert_near(table_of_sigmoids.row(0), &[(5.0_f32 / 3.0).ln(); 2]);
        let mixer = RouterRule { weight: CombineRule::SparseMixer { window: 0.2 }, ..RouterRule::SOFTMAX };
        let (_, logits) = table(&mixer, &rows);
        assert_near(logits.row(0), &[LN3 / 2.0; 2]);
    }

    #[test]
    fn logits_are_finite_whatever_the_scores() {
        let rows = [(5, [300.0, -300.0]), (5, [300.0, -300.0])];
        for score in [RouterScore::Softmax, RouterScore::Sigmoid] {
            let (_, table) = table(&RouterRule { score, ..RouterRule::SOFTMAX }, &rows);
            assert!(table.row(0).iter().all(|logit| logit.is_finite()) && table.row(0)[0] > table.row(0)[1]);
        }
    }

    #[test]
    fn a_sequence_is_routed_by_its_own_fold_and_rare_ids_as_asked() {
        let table = |rows: &[(u32, [f32; 2])]| table(&RouterRule::OPENMOE, rows);
        let first = table(&[(5, [2.0, 0.0]), (5, [2.0, 0.0])]);
        let second = table(&[(5, [0.0, 2.0]), (5, [0.0, 2.0]), (6, [0.0, 9.0])]);
        let tables = |rare| TokenTables {
            ids: vec![first.0.clone(), second.0.clone()],
            layers: BTreeMap::from([(1, vec![Arc::new(first.1.clone()), Arc::new(second.1.clone())])]),
            fold: vec![0, 1],
            rare,
        };
        let (shape, ids) = (LayerShape::of_choices(2, 1), [&[5_u32, 7][..], &[5, 7][..]]);
        // The own router always says expert 0.
        let own = [1.0, 0.0].repeat(4);
        let routed = |rare| tables(rare).route(call(&shape, &ids, &own, 9)).unwrap().expert;
        assert_eq!(routed(RareIds::OwnRouter), [0, 0, 1, 0]);
        assert_eq!(routed(RareIds::Marginal), [0, 0, 1, 1]);
        let nearest = vec![HashMap::new(), HashMap::from([(7, 0)])];
        assert_eq!(routed(RareIds::Nearest(nearest)), [0, 0, 1, 1]);
    }
}
