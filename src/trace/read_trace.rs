//! Reads a run folder back.

use std::{path::Path, sync::Arc};

use rayon::prelude::*;

use super::{
    columns::LayerTrace,
    counts::refuse_counts,
    frame::{flags, read_parquet, read_parquet_with, unreadable, values},
    part::{PROVIDES, part_name},
};
use crate::{
    error::{Error, Result},
    routing::{Block, DecidingScore, ExpertId, LayerId, MAX_POSITION, Provides, RoutingShape, softmax},
    run::{RunDir, RunRecord, again},
};

/// How many parts each thread reads before they are joined: enough to keep all threads busy, few compared with a layer.
const PARTS_PER_THREAD: usize = 8;

/// How many of a sequence's rows, whose positions ascend, stand before a position.
pub fn rows_before(positions: &[u32], position: u32) -> u32 {
    positions.partition_point(|before| *before < position) as u32
}

/// The routing trace of a run folder; layers are read one at a time.
#[derive(Clone, Debug)]
pub struct RoutingTrace {
    /// The folder that it is in.
    pub(super) run: RunDir,
    shape: RoutingShape,
    provides: Provides,
    /// What the manifest says that the trace provides; `None` if it does not say.
    stated: Option<Provides>,
    /// What experts are ranked by.
    deciding: DecidingScore,
    segments: usize,
    /// Tokens of every sequence.
    lengths: Arc<Vec<u32>>,
}

impl RoutingTrace {
    /// Opens the trace of a run whose forward pass is complete.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if the folder holds no run, its manifest lacks the layout, or parts are missing; the parts of the
    /// router logits must be all there or all absent.
    pub fn open(run: &RunDir) -> Result<Self> {
        Self::of(run, &run.record()?)
    }

    /// The same of a run whose record is known: its manifest is not read again.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn of(run: &RunDir, record: &RunRecord) -> Result<Self> {
        if record.provides.is_some_and(Provides::is_counts) {
            return Err(refuse_counts(run));
        }
        let mut trace = Self {
            run: run.clone(),
            shape: record.shape(run.path())?,
            // A run that does not record this is of the first version.
            provides: record.provides.unwrap_or(Provides::first_version(true)),
            stated: record.provides,
            deciding: record.deciding_score(),
            segments: record.layout.segments,
            lengths: Arc::new(lengths(run)?),
        };
        if !trace.check_parts()? {
            trace.provides = trace.provides.without(Block::Logits);
        }
        Ok(trace)
    }

    /// Experts, choices and capacity of every routed layer.
    pub fn shape(&self) -> &RoutingShape {
        &self.shape
    }

    /// What the trace records besides the chosen experts.
    pub fn provides(&self) -> Provides {
        self.provides
    }

    /// Decoder layer indices of the MoE layers.
    pub fn moe_layers(&self) -> &[LayerId] {
        self.shape.moe_layers()
    }

    /// Whether there are router logits; refuses a trace with missing parts. It stops at the first missing part, because a damaged
    /// manifest may count millions.
    fn check_parts(&self) -> Result<bool> {
        let count = self.segments * self.shape.len();
        let missing = |folder: &str| {
            let mut paths = (0..count).map(|part| self.run.file(&part_name(folder, part)));
            paths.find(|path| !path.is_file())
        };
        let missing_router = || if self.provides.has_router() { missing("router") } else { None };
        if let Some(path) = missing("trace").or_else(missing_router) {
            return Err(Error::run_folder(
                format!("`{}` is missing: the forward pass of this run is not complete", path.display()),
                format!("run the same command with {}", again(self.run.path())),
            ));
        }
        let some_logits = || (0..count).any(|part| self.run.file(&part_name("logits", part)).is_file());
        let losses = || (0..self.segments).map(|segment| self.run.file(&part_name("losses", segment)));
        if let Some(path) = losses().filter(|_| self.provides.has(Block::Losses)).find(|path| !path.is_file()) {
            return Err(Error::run_folder(
                format!("`{}` is missing: the losses of this run are not complete", path.display()),
                format!("run the same command with {}", again(self.run.path())),
            ));
        }
        match missing("logits") {
            Some(path) if some_logits() => Err(Error::run_folder(
                format!("`{}` is missing, but other parts of the router logits are there", path.display()),
                format!(
                    "run the same command with {}, or remove the folder logits/ to go on without logits",
                    again(self.run.path())
                ),
            )),
            missing => Ok(count > 0 && missing.is_none()),
        }
    }

    /// One MoE layer over all sequences. Parts are read in parallel, a few for every thread at a time; if several cannot be read,
    /// the error names the first.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if a part cannot be read or does not hold that layer.
    pub fn layer(&self, layer: LayerId) -> Result<LayerTrace> {
        let index = self.index(layer)?;
        let mut trace = self.no_rows(layer);
        let segments: Vec<usize> = (0..self.segments).collect();
        for wave in segments.chunks(PARTS_PER_THREAD * rayon::current_num_threads()) {
            let part = |segment: &usize| self.part(layer, segment * self.shape.len() + index);
            let parts: Vec<Result<LayerTrace>> = wave.par_iter().map(part).collect();
            let parts: Vec<LayerTrace> = parts.into_iter().collect::<Result<_>>()?;
            trace.extend(&parts, self.segments.div_ceil(wave.len()));
        }
        Ok(trace)
    }

    fn no_rows(&self, layer: LayerId) -> LayerTrace {
        let (num_experts, top_k) = (self.shape.experts(layer), self.shape.choices(layer));
        let (provides, deciding) = (self.provides, self.deciding);
        LayerTrace { layer, num_experts, top_k, provides, deciding, ..LayerTrace::default() }
    }

    /// One layer of one segment.
    fn part(&self, layer: LayerId, part: usize) -> Result<LayerTrace> {
        let mut trace = self.no_rows(layer);
        self.read_choices(&part_name("trace", part), &mut trace)?;
        if self.provides.has_router() {
            read_router(&self.run, &part_name("router", part), &mut trace)?;
        }
        Ok(trace)
    }

    /// One MoE layer of one segment.
    ///
    /// # Errors
    /// As [`Self::layer`].
    pub fn segment(&self, layer: LayerId, segment: usize) -> Result<LayerTrace> {
        self.part(layer, self.part_of(layer, segment)?)
    }

    /// The sequences of one segment, in order, each with the positions that have rows.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if the part cannot be read.
    pub fn sequences_of(&self, segment: usize) -> Result<Vec<(u32, Vec<u32>)>> {
        let name = part_name("trace", segment * self.shape.len());
        let (path, frame) = (self.run.file(&name), read_parquet(&self.run, &name, &["sequence", "position"])?);
        let (sequences, positions) = (values!(frame, &path, "sequence", u32), values!(frame, &path, "position", u32));
        let mut first = 0;
        let of_sequence = |run: &[u32]| {
            let mut own = positions[first..first + run.len()].to_vec();
            first += run.len();
            // Every choice of a position has a row.
            own.dedup();
            (run[0], own)
        };
        Ok(sequences.chunk_by(|a, b| a == b).map(of_sequence).collect())
    }

    /// The places of the choices of one segment in the queues of their experts, `[occurrences of the segment, top_k]`; `None` if
    /// the trace does not provide them.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if the part cannot be read.
    pub fn slots(&self, layer: LayerId, segment: usize) -> Result<Option<Vec<u32>>> {
        if !self.provides.has(Block::Slots) {
            return Ok(None);
        }
        let name = part_name("trace", self.part_of(layer, segment)?);
        let (path, frame) = (self.run.file(&name), read_parquet(&self.run, &name, &["slot"])?);
        let slots = values!(frame, &path, "slot", u32).into_owned();
        Ok(Some(slots))
    }

    /// The factors of the chosen experts' outputs in one segment, `[occurrences of the segment, top_k]`; `None` if the trace does
    /// not provide them. For a run of the first version they follow from its probabilities and drops.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if the part cannot be read.
    pub fn combine_weights(&self, layer: LayerId, segment: usize) -> Result<Option<Vec<f32>>> {
        let name = part_name("trace", self.part_of(layer, segment)?);
        let path = self.run.file(&name);
        if self.provides.has(Block::CombineWeight) {
            let frame = read_parquet(&self.run, &name, &["combine_weight"])?;
            let weights = values!(frame, &path, "combine_weight", f32).into_owned();
            return Ok(Some(weights));
        }
        if self.provides != Provides::first_version(self.provides.has(Block::Logits)) {
            return Ok(None);
        }
        let frame = read_parquet(&self.run, &name, &["probability", "dropped"])?;
        let dropped = flags(&frame, &path, "dropped")?;
        let weight = |(&probability, dropped): (&f32, bool)| if dropped { 0.0 } else { probability };
        let weights = values!(frame, &path, "probability", f32).iter().zip(dropped).map(weight).collect();
        Ok(Some(weights))
    }

    /// The number of segments that the occurrences are divided into.
    pub fn segments(&self) -> usize {
        self.segments
    }

    /// The choices of one MoE layer in one segment, `[occurrences of the segment, top_k]`.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if the part cannot be read or names an expert that does not exist.
    pub fn choices(&self, layer: LayerId, segment: usize) -> Result<Vec<ExpertId>> {
        let name = part_name("trace", self.part_of(layer, segment)?);
        let (path, frame) = (self.run.file(&name), read_parquet(&self.run, &name, &["expert"])?);
        let experts = values!(frame, &path, "expert", u16).into_owned();
        check_experts(&path, &experts, self.shape.experts(layer))?;
        Ok(experts)
    }

    /// Gate probabilities of one MoE layer over all experts, `[occurrences, num_experts]`; `None` if the run kept no
    /// router logits.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if a part cannot be read.
    pub fn gate(&self, layer: LayerId) -> Result<Option<Vec<f32>>> {
        let experts = self.shape.experts(layer);
        let mut gate = Vec::new();
        for segment in 0..self.segments {
            let Some(logits) = self.logits(layer, segment)? else { return Ok(None) };
            let first = gate.len();
            gate.resize(first + logits.len(), 0.0);
            let rows = logits.chunks_exact(experts);
            rows.zip(gate[first..].chunks_exact_mut(experts)).for_each(|(row, gate)| softmax(row, gate));
        }
        Ok(Some(gate))
    }

    /// Router logits of one MoE layer in one segment, `[occurrences of the segment, num_experts]`; `None` if the run kept none.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if the part cannot be read.
    pub fn logits(&self, layer: LayerId, segment: usize) -> Result<Option<Vec<f32>>> {
        let name = part_name("logits", self.part_of(layer, segment)?);
        let path = self.run.file(&name);
        if !path.is_file() {
            return Ok(None);
        }
        let frame = read_parquet(&self.run, &name, &["logits"])?;
        let lists = frame.column("logits").and_then(|c| c.list()).map_err(|error| unreadable(&path, &error))?;
        let inner = lists.get_inner();
        let logits: Vec<f32> = inner.f32().map_err(|error| unreadable(&path, &error))?.iter().flatten().collect();
        if logits.len() != lists.len() * self.shape.experts(layer) {
            return Err(unreadable(&path, &format!("{} logits in {} rows", logits.len(), lists.len())));
        }
        Ok(Some(logits))
    }

    /// Number of the part that holds a layer of a segment.
    fn part_of(&self, layer: LayerId, segment: usize) -> Result<usize> {
        Ok(segment * self.shape.len() + self.index(layer)?)
    }

    fn index(&self, layer: LayerId) -> Result<usize> {
        self.shape.index(layer).ok_or_else(|| {
            Error::internal(format!("layer {layer} is not one of the run's MoE layers {:?}", self.moe_layers()))
        })
    }

    fn read_choices(&self, name: &str, trace: &mut LayerTrace) -> Result<()> {
        let path = &self.run.file(name);
        let optional = [(Block::TokenIds, "token_id"), (Block::Probability, "probability"), (Block::Drops, "dropped")];
        let has = |block| self.provides.has(block);
        let mut names = vec!["sequence", "layer", "position", "expert"];
        names.extend(optional.into_iter().filter(|(block, _)| has(*block)).map(|(_, name)| name));
        let (frame, recorded) = read_parquet_with(&self.run, name, &names, PROVIDES)?;
        self.check_provided(path, recorded.as_deref())?;
        if let Some(other) = values!(frame, path, "layer", u16).iter().find(|layer| **layer != trace.layer) {
            return Err(unreadable(path, &format!("holds layer {other}, expected {}", trace.layer)));
        }
        let every = |values: &[u32]| values.iter().copied().step_by(trace.top_k).collect();
        trace.sequence = every(&values!(frame, path, "sequence", u32));
        trace.position = every(&values!(frame, path, "position", u32));
        trace.expert = values!(frame, path, "expert", u16).into_owned();
        if has(Block::TokenIds) {
            trace.token_id = every(&values!(frame, path, "token_id", u32));
        }
        if has(Block::Probability) {
            trace.probability = values!(frame, path, "probability", f32).into_owned();
        }
        if has(Block::Drops) {
            trace.kept = flags(&frame, path, "dropped")?.into_iter().map(|dropped| !dropped).collect();
        }
        check_experts(path, &trace.expert, trace.num_experts)?;
        self.check_rows(path, trace)
    }

    /// Refuses a part that says it provides something else than the manifest does. Whether there are logits is decided by their files,
    /// which may be removed.
    fn check_provided(&self, path: &Path, recorded: Option<&str>) -> Result<()> {
        let (Some(stated), Some(recorded)) = (self.stated, recorded) else { return Ok(()) };
        let own: Provides = serde_json::from_str(recorded).map_err(|error| unreadable(path, &error))?;
        if own.without(Block::Logits) == stated.without(Block::Logits) {
            return Ok(());
        }
        let what = format!("it provides {own:?}; expected {stated:?}, the `provides` of manifest.json");
        Err(unreadable(path, &what))
    }

    /// Refuses rows that only a damaged trace without checksums can hold: nothing that reads them later checks them.
    fn check_rows(&self, path: &Path, trace: &LayerTrace) -> Result<()> {
        if !trace.expert.len().is_multiple_of(trace.top_k) {
            return Err(unreadable(path, &format!("{} rows, {} for each token", trace.expert.len(), trace.top_k)));
        }
        if let Some(position) = trace.position.iter().find(|position| **position >= MAX_POSITION) {
            return Err(unreadable(path, &format!("position {position}")));
        }
        let length = |sequence: u32| self.lengths.get(sequence as usize).map_or(0, |length| *length as usize);
        // A sequence need not begin at position 0, and may have gaps: an import holds what was recorded.
        let mut sequences = trace.sequence.chunk_by(|a, b| a == b);
        if let Some(rows) = sequences.find(|rows| rows.len() > length(rows[0])) {
            let (sequence, found, length) = (rows[0], rows.len(), length(rows[0]));
            return Err(unreadable(path, &format!("{found} tokens of sequence {sequence}, which has {length}")));
        }
        if let Some(wrong) = trace.probability.iter().find(|probability| !(0.0..=1.001).contains(*probability)) {
            return Err(unreadable(path, &format!("probability {wrong}")));
        }
        let twice = |choices: &&[ExpertId]| (1..choices.len()).any(|at| choices[..at].contains(&choices[at]));
        match trace.expert.chunks_exact(trace.top_k).find(twice) {
            Some(choices) => Err(unreadable(path, &format!("a token with the choices {choices:?}"))),
            None => Ok(()),
        }
    }
}

fn check_experts(path: &Path, experts: &[ExpertId], of: usize) -> Result<()> {
    match experts.iter().find(|&&expert| usize::from(expert) >= of) {
        Some(expert) => Err(unreadable(path, &format!("expert {expert} of {of}"))),
        None => Ok(()),
    }
}

/// Tokens of every sequence.
fn lengths(run: &RunDir) -> Result<Vec<u32>> {
    let path = run.file("sequences.parquet");
    let frame = read_parquet(run, "sequences.parquet", &["tokens"])?;
    Ok(values!(frame, &path, "tokens", u32).into_owned())
}

/// Entropy and margins of a part; one row per token.
fn read_router(run: &RunDir, name: &str, trace: &mut LayerTrace) -> Result<()> {
    let path = &run.file(name);
    let (provides, rows) = (trace.provides, trace.len());
    let blocks = [Block::Entropy, Block::MarginFirst, Block::MarginK].into_iter().filter(|block| provides.has(*block));
    let frame = read_parquet(run, name, &blocks.map(Block::name).collect::<Vec<_>>())?;
    if provides.has(Block::Entropy) {
        trace.entropy = values!(frame, path, "entropy", f32).into_owned();
    }
    if provides.has(Block::MarginFirst) {
        trace.margin_first = values!(frame, path, "margin_first", f32).into_owned();
    }
    if provides.has(Block::MarginK) {
        trace.margin_k = values!(frame, path, "margin_k", f32).into_owned();
    }
    if frame.height() == rows {
        Ok(())
    } else {
        Err(unreadable(path, &format!("{} rows, expected {rows}", frame.height())))
    }
}
