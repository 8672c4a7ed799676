//! Makes the tables of a lookup from the router logits of a finished pass.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    sync::Arc,
};

use rayon::prelude::*;

use crate::{
    checkpoint::{Checkpoint, Role},
    error::{Error, Result},
    model::read_gate,
    pipeline::progress::{Progress, RunningStage, Stage},
    routing::{
        LayerId, LayerTable, OnLayers, RareIds, RareRule, RouterCall, RouterRule, RoutingPolicy, TableBuilder,
        TableIds, TokenTables,
    },
    run::{RunDir, write_file},
    stats::{LEAST_OCCURRENCES, folds},
    trace::{RoutingTrace, TokenTableRows},
};

/// The tables of all layers, from which the policy of every lookup is made.
pub(super) struct Tables {
    ids: Vec<Arc<TableIds>>,
    counts: Vec<BTreeMap<u32, u64>>,
    layers: BTreeMap<LayerId, Vec<Arc<LayerTable>>>,
    fold: Vec<u8>,
}

impl Tables {
    /// From the routing of the run's own text, in two folds: the table that routes a document is made from the documents of the other
    /// fold.
    ///
    /// # Errors
    /// Those of reading the trace.
    pub(super) fn of_own_text(run: &RunDir, rule: &RouterRule, seed: u64, progress: &dyn Progress) -> Result<Self> {
        let trace = RoutingTrace::open(run)?;
        let fold = folds(&trace.sequences()?.document, seed);
        Self::made(&trace, rule, fold, 2, progress)
    }

    /// From the routing of another text.
    ///
    /// # Errors
    /// Those of reading the trace.
    pub(super) fn of_calibration(run: &RunDir, rule: &RouterRule, progress: &dyn Progress) -> Result<Self> {
        Self::made(&RoutingTrace::open(run)?, rule, Vec::new(), 1, progress)
    }

    fn made(
        trace: &RoutingTrace,
        rule: &RouterRule,
        fold: Vec<u8>,
        folds: usize,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let layers = trace.moe_layers();
        let stage = RunningStage::begin(progress, Stage::Calibration, Some(layers.len() as u64));
        // A token of one fold belongs into the table of the other one.
        let table_of = |sequence: u32| match fold.get(sequence as usize) {
            Some(fold) => 1 - usize::from(*fold),
            None => 0,
        };
        let mut counts = vec![BTreeMap::new(); folds];
        let first = *layers.first().ok_or_else(|| Error::internal("no layer routes"))?;
        for segment in 0..trace.segments() {
            let rows = trace.segment(first, segment)?;
            for (sequence, id) in rows.sequence.iter().zip(&rows.token_id) {
                *counts[table_of(*sequence)].entry(*id).or_insert(0) += 1;
            }
        }
        let ids: Vec<Arc<TableIds>> =
            counts.iter().map(|counts| Arc::new(TableIds::new(counts, LEAST_OCCURRENCES))).collect();
        let mut made = BTreeMap::new();
        for &layer in layers {
            stage.check()?;
            let experts = trace.shape().experts(layer);
            let mut builders: Vec<TableBuilder> =
                ids.iter().map(|ids| TableBuilder::new(ids.clone(), rule, experts)).collect();
            for segment in 0..trace.segments() {
                let rows = trace.segment(layer, segment)?;
                let logits = trace.logits(layer, segment)?;
                let logits = logits.ok_or_else(|| Error::internal("the pass kept no router logits"))?;
                let tokens = rows.sequence.iter().zip(&rows.token_id).zip(logits.chunks_exact(experts));
                for ((sequence, id), logits) in tokens {
                    builders[table_of(*sequence)].add(*id, logits);
                }
            }
            made.insert(layer, builders.into_iter().map(|builder| Arc::new(builder.finish())).collect());
            stage.advance(1);
        }
        Ok(Self { ids, counts, layers: made, fold })
    }

    /// Whether no id has a row.
    pub(super) fn are_empty(&self) -> bool {
        self.ids.iter().all(|ids| ids.as_slice().is_empty())
    }

    /// The policy of a lookup in some layers; `sequences` are those that it will route.
    ///
    /// # Errors
    /// Those of reading the embedding.
    pub(super) fn policy(
        &self,
        rare: RareRule,
        layers: &BTreeSet<LayerId>,
        checkpoint: &Checkpoint,
        sequences: &[&[u32]],
    ) -> Result<Arc<dyn RoutingPolicy>> {
        let rare = match rare {
            RareRule::OwnRouter => RareIds::OwnRouter,
            RareRule::Marginal => RareIds::Marginal,
            RareRule::Embedding => RareIds::Nearest(self.nearest(checkpoint, sequences)?),
        };
        let (ids, tables, fold) = (self.ids.clone(), self.layers.clone(), self.fold.clone());
        let policy = Box::new(TokenTables { ids, layers: tables, fold, rare });
        Ok(Arc::new(OnLayers { layers: layers.clone(), policy }))
    }

    /// For every id of the text without a row, by fold: the row whose id has the nearest embedding, by cosine.
    fn nearest(&self, checkpoint: &Checkpoint, sequences: &[&[u32]]) -> Result<Vec<HashMap<u32, u32>>> {
        let occurring: BTreeSet<u32> = sequences.iter().flat_map(|ids| ids.iter().copied()).collect();
        let of_fold = |(fold, ids): (usize, &Arc<TableIds>)| {
            let of_this = |sequence: &usize| self.fold.get(*sequence).is_none_or(|own| usize::from(*own) == fold);
            let occurring: BTreeSet<u32> = if self.fold.is_empty() {
                occurring.clone()
            } else {
                (0..sequences.len()).filter(of_this).flat_map(|at| sequences[at].iter().copied()).collect()
            };
            let rare: Vec<u32> = occurring.into_iter().filter(|id| ids.row(*id).is_none()).collect();
            if rare.is_empty() || ids.as_slice().is_empty() {
                return Ok(HashMap::new());
            }
            let hidden = checkpoint.architecture().hidden;
            let (known, rare_rows) = (directions(checkpoint, ids.as_slice())?, directions(checkpoint, &rare)?);
            let nearest = |(id, row): (&u32, &[f32])| {
                let cosine = |other: &[f32]| row.iter().zip(other).map(|(a, b)| a * b).sum::<f32>();
                let cosines = known.chunks_exact(hidden).map(cosine).zip(0_u32..);
                let best = cosines.reduce(|best, other| if other.0 > best.0 { other } else { best });
                best.map(|(_, row)| (*id, row))
            };
            Ok(rare.par_iter().zip(rare_rows.par_chunks_exact(hidden)).filter_map(nearest).collect())
        };
        self.ids.iter().enumerate().map(of_fold).collect()
    }

    /// Writes the tables: for every layer, fold and id what its row chooses, by the model's own rule.
    ///
    /// # Errors
    /// Those of reading the routers and of writing.
    pub(super) fn write(&self, file: &Path, checkpoint: &Checkpoint, trace: &RoutingTrace) -> Result<()> {
        let mut rows = TokenTableRows::default();
        let rule = checkpoint.architecture().experts.router;
        for (&layer, tables) in &self.layers {
            let shape = trace.shape().layer(layer).ok_or_else(|| Error::internal("a table of no layer"))?;
            let bias = read_gate(checkpoint, layer)?.correction_bias;
            for (fold, (table, ids)) in tables.iter().zip(&self.ids).enumerate() {
                let logits = (0..ids.as_slice().len()).flat_map(|row| table.row(row)).copied().collect();
                let call = RouterCall {
                    layer,
                    group: 0,
                    sequences: 0..1,
                    token_ids: &[ids.as_slice()],
                    rule: &rule,
                    bias: Some(bias.as_slice()).filter(|bias| !bias.is_empty()),
                    shape,
                    capacity: u32::MAX,
                    logits,
                };
                let chosen = call.choose();
                let choices =
                    chosen.expert.chunks_exact(chosen.top_k).zip(chosen.combine_weight.chunks_exact(chosen.top_k));
                for (id, (experts, weights)) in ids.as_slice().iter().zip(choices) {
                    let occurrences = self.counts[fold].get(id).copied().unwrap_or(0);
                    rows.push((layer, fold as u8, *id), experts, weights, occurrences);
                }
            }
        }
        write_file(file, &rows.to_parquet()?)
    }
}

/// The embeddings of some ids, each of length 1, `[ids, hidden]`; one that is zero stays so.
fn directions(checkpoint: &Checkpoint, ids: &[u32]) -> Result<Vec<f32>> {
    let hidden = checkpoint.architecture().hidden;
    let name = checkpoint.map().stored(0, Role::Embedding).name;
    let (mut rows, mut row) = (Vec::with_capacity(ids.len() * hidden), Vec::new());
    for id in ids {
        checkpoint.read_part(&name, *id as usize * hidden, hidden, &mut row)?;
        let length = row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
        let scale = if length > 0.0 { (1.0 / length) as f32 } else { 0.0 };
        rows.extend(row.iter().map(|x| x * scale));
    }
    Ok(rows)
}
