//! The schedule of the forward pass: embeds the wave, runs layer by layer, and stops where nothing more is needed.

use super::{
    experts::add_experts,
    head,
    kernels::{Exact, Rounding, ToBf16, round_all},
    layers::{Buffers, Context, kept_rows},
    mlp::KeptRow,
    rotary::Rotary,
    wave::{Outputs, Wave, WaveOutput},
    weights::{Loader, Parts},
};
use crate::{
    checkpoint::{Architecture, Block, Checkpoint, FeedForward, Role},
    error::{Error, OptionName, Result},
    routing::{LayerId, OwnRouter, RouterInput, RoutingObserver, RoutingPolicy, RoutingShape},
};

/// The type to which activations are rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arithmetic {
    /// f32 throughout (default), whatever the stored dtype.
    #[default]
    F32,
    /// Every activation rounded to bf16, at the places where OpenMoE's code rounds when run in bf16. The router stays f32.
    Bf16,
}

impl Arithmetic {
    /// The name in manifests: "f32" or "bf16".
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

/// How to run the forward pass.
#[derive(Clone, Debug)]
pub struct ForwardOptions {
    /// Experts, choices and capacity of every routed layer; usually [`Architecture::routing_shape`].
    pub shape: RoutingShape,
    /// Rounding of activations.
    pub arithmetic: Arithmetic,
    /// What to compute beyond the routing.
    pub outputs: Outputs,
}

/// A checkpoint ready to run.
pub struct Model<'a> {
    checkpoint: &'a Checkpoint,
    options: ForwardOptions,
    /// Who decides for the routers.
    policy: &'a dyn RoutingPolicy,
    /// Buffers that are reused for every wave.
    buffers: Buffers,
}

impl<'a> Model<'a> {
    /// A model over a validated checkpoint; reads nothing yet.
    pub fn new(checkpoint: &'a Checkpoint, options: ForwardOptions) -> Self {
        Self { checkpoint, options, policy: &OwnRouter, buffers: Buffers::default() }
    }

    /// The same with a policy that decides for its routers.
    #[must_use]
    pub fn with_policy(self, policy: &'a dyn RoutingPolicy) -> Self {
        Self { policy, ..self }
    }

    /// Runs one wave through all layers that are needed and reports every routing decision to `observer`: per MoE
    /// layer, groups in input order.
    ///
    /// # Errors
    /// [`Error::Usage`] for a sequence that is empty, longer than `max_position_embeddings` or holds an id beyond the
    /// vocabulary; [`Error::NonFinite`] for NaN or infinity in router logits; [`Error::NonFiniteBias`] for those in
    /// the bias of a router; reading errors; the observer's errors.
    pub fn forward(&mut self, wave: &Wave, observer: &mut dyn RoutingObserver) -> Result<WaveOutput> {
        self.check(wave)?;
        match self.options.arithmetic {
            Arithmetic::F32 => self.run::<Exact>(wave, observer),
            Arithmetic::Bf16 => self.run::<ToBf16>(wave, observer),
        }
    }

    fn run<R: Rounding>(&mut self, wave: &Wave, observer: &mut dyn RoutingObserver) -> Result<WaveOutput> {
        let mut buffers = std::mem::take(&mut self.buffers);
        let checkpoint = self.checkpoint;
        let output = std::thread::scope(|scope| {
            let loader = Loader::start(scope, checkpoint)?;
            self.layers::<R>(wave, &loader, &mut buffers, observer)
        });
        self.buffers = buffers;
        output
    }

    fn layers<R: Rounding>(
        &self,
        wave: &Wave,
        loader: &Loader,
        buffers: &mut Buffers,
        observer: &mut dyn RoutingObserver,
    ) -> Result<WaveOutput> {
        let (map, architecture) = (self.checkpoint.map(), self.checkpoint.architecture());
        let longest = wave.sequences.iter().map(|ids| ids.len()).max().unwrap_or(0);
        let rotary = Rotary::new::<R>(longest, &architecture.attention);
        let context = Context { map, architecture, wave, rotary, shape: &self.options.shape, policy: self.policy };
        let outputs = self.options.outputs;
        let layers = self.layers_to_run(architecture);
        let schedule = Schedule { parts: Parts(map), loader, layers, complete: outputs.any() };
        schedule.request_from(0);
        let mut output = WaveOutput::default();
        buffers.reset(wave, architecture);
        self.embed::<R>(wave, &mut buffers.residual)?;
        self.keep_hidden(wave, &buffers.residual, &mut output);
        for layer in 0..layers {
            decoder_layer::<R>(&context, &schedule, layer, buffers, observer)?;
            observer.observe_layer(layer, layers)?;
            self.keep_hidden(wave, &buffers.residual, &mut output);
        }
        if outputs.any() {
            let weights = loader.take()?;
            context.norm::<R>(&weights, (Role::FinalNorm, Role::FinalNormBias), buffers);
            self.keep_hidden(wave, &buffers.normed, &mut output);
            head::evaluate::<R>(self.checkpoint, wave, outputs, &buffers.normed, &mut output)?;
        }
        Ok(output)
    }

    /// The number of layers to run: all, or those up to the last MoE layer, whose experts are not needed if only routing is wanted.
    fn layers_to_run(&self, architecture: &Architecture) -> usize {
        let last_moe = architecture.moe_layers().last().map_or(0, |&layer| usize::from(layer));
        if self.options.outputs.any() { architecture.layers.len() } else { last_moe + 1 }
    }

    /// `residual = multiplier * embed[ids]`; only the rows that occur are read.
    fn embed<R: Rounding>(&self, wave: &Wave, residual: &mut [f32]) -> Result<()> {
        let Architecture { hidden, embedding_multiplier, .. } = *self.checkpoint.architecture();
        let name = self.checkpoint.map().stored(0, Role::Embedding).name;
        let mut rows: Vec<(u32, usize)> = wave.sequences.iter().flat_map(|ids| ids.iter().copied()).zip(0..).collect();
        rows.sort_unstable();
        let mut embedding = Vec::new();
        for same in rows.chunk_by(|a, b| a.0 == b.0) {
            let first = same[0].0 as usize * hidden;
            self.checkpoint.read_part(&name, first, hidden, &mut embedding)?;
            for x in &mut embedding {
                *x *= embedding_multiplier as f32;
            }
            round_all::<R>(&mut embedding);
            for &(_, row) in same {
                residual[row * hidden..(row + 1) * hidden].copy_from_slice(&embedding);
            }
        }
        Ok(())
    }

    fn keep_hidden(&self, wave: &Wave, states: &[f32], output: &mut WaveOutput) {
        let count = self.options.outputs.hidden;
        if count == 0 {
            return;
        }
        let hidden = self.checkpoint.architecture().hidden;
        let offsets = wave.offsets();
        let tail = |ends: &[usize]| {
            let first = ends[0].max(ends[1].saturating_sub(count));
            states[first * hidden..ends[1] * hidden].to_vec()
        };
        output.hidden.push(offsets.windows(2).map(tail).collect());
    }

    fn check(&self, wave: &Wave) -> Result<()> {
        let Architecture { longest_sequence, vocabulary, .. } = *self.checkpoint.architecture();
        for (index, ids) in wave.sequences.iter().enumerate() {
            let sequence = wave.first_sequence as usize + index;
            if ids.is_empty() || ids.len() > longest_sequence {
                return Err(Error::usage(
                    format!(
                        "sequence {sequence} has {} tokens; expected 1 to max_position_embeddings = {longest_sequence}",
                        ids.len(),
                    ),
                    format!("cut the input with {}", OptionName::Context),
                ));
            }
            if let Some((position, id)) = ids.iter().enumerate().find(|(_, id)| **id as usize >= vocabulary) {
                return Err(Error::usage(
                    format!(
                        "sequence {sequence}, position {position}: token id {id} is beyond the vocabulary of {vocabulary}"
                    ),
                    "the tokenizer and the checkpoint must belong together",
                ));
            }
        }
        Ok(())
    }
}

/// The order in which parts are read: everything up to the next router is requested together, because only the router decides
/// which experts come next.
struct Schedule<'a> {
    parts: Parts<'a>,
    loader: &'a Loader,
    /// Decoder layers that are run.
    layers: usize,
    /// Whether the last of these layers is run to its end.
    complete: bool,
}

impl Schedule<'_> {
    /// What follows attention in a layer.
    fn feed_forward(&self, layer: usize) -> FeedForward {
        self.parts.0.architecture().layers[layer].feed_forward
    }

    /// Whether a layer that routes has shared experts.
    fn has_shared(&self) -> bool {
        self.parts.0.architecture().experts.shared.is_some()
    }

    /// Requests the parts from the beginning of `layer` up to the next router, or to the end. Shared experts do not wait for the
    /// router.
    fn request_from(&self, layer: usize) {
        for layer in layer..self.layers {
            self.loader.request(self.parts.attention(layer));
            if self.feed_forward(layer).routes() {
                if self.has_shared() && !self.ends_at_router(layer) {
                    self.loader.request(self.parts.mlp(layer, Block::Shared));
                }
                return;
            }
            self.loader.request(self.parts.mlp(layer, Block::Dense));
        }
        if self.complete {
            self.loader.request(self.parts.final_norm());
        }
    }

    /// Requests the experts that have rows, and everything after them up to the next router.
    fn request_experts(&self, layer: usize, kept: &[Vec<KeptRow>]) {
        for (expert, _) in kept.iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
            self.loader.request(self.parts.mlp(layer, Block::Expert(expert)));
        }
        if self.feed_forward(layer) == FeedForward::MoeThenDense {
            self.loader.request(self.parts.mlp(layer, Block::Extra));
        }
        self.request_from(layer + 1);
    }

    /// Whether nothing after the router of this layer is needed.
    fn ends_at_router(&self, layer: usize) -> bool {
        !self.complete && layer + 1 == self.layers
    }
}

/// Runs one decoder layer; of the last MoE layer only attention and router, if only routing is wanted.
fn decoder_layer<R: Rounding>(
    context: &Context,
    schedule: &Schedule,
    layer: usize,
    buffers: &mut Buffers,
    observer: &mut dyn RoutingObserver,
) -> Result<()> {
    let loader = schedule.loader;
    let weights = loader.take()?;
    let routes = schedule.feed_forward(layer).routes();
    let is_early = routes && context.policy.input(layer as LayerId) == RouterInput::BeforeAttention;
    let early = is_early.then(|| context.logits_before_attention::<R>(layer, &weights, buffers));
    context.attention::<R>(layer, &weights, buffers);
    if !routes {
        loader.give_back(weights);
        let weights = loader.take()?;
        context.dense_mlp::<R>(&weights, Block::Dense, buffers);
        loader.give_back(weights);
        return Ok(());
    }
    let logits = early.unwrap_or_else(|| context.router_logits(layer, &weights, buffers));
    let routings = context.route::<R>(layer, &weights, logits, observer)?;
    loader.give_back(weights);
    if schedule.ends_at_router(layer) {
        return Ok(());
    }
    let kept = kept_rows(&routings, context.shape.experts(layer as LayerId));
    schedule.request_experts(layer, &kept);
    if schedule.has_shared() {
        let weights = loader.take()?;
        context.shared_experts::<R>(&weights, buffers);
        loader.give_back(weights);
    } else {
        buffers.begin_experts();
    }
    add_experts::<R>(context, loader, &kept, buffers)?;
    context.end_experts::<R>(buffers);
    if schedule.feed_forward(layer) == FeedForward::MoeThenDense {
        let weights = loader.take()?;
        context.norm::<R>(&weights, (Role::ExtraNorm, Role::ExtraNorm), buffers);
        context.dense_mlp::<R>(&weights, Block::Extra, buffers);
        loader.give_back(weights);
    }
    Ok(())
}
