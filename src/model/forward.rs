//! The schedule: embed, layer by layer over the wave, stop where nothing more is needed.

use std::ops::Range;

use super::{
    head,
    kernels::{Exact, Rotary, Rounding, ToBf16, round_all},
    layers::{Buffers, Context},
};
use crate::{
    checkpoint::{Checkpoint, Config},
    error::{Error, Result},
    routing::{RouterSettings, RoutingObserver},
};

/// The type to which activations are rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arithmetic {
    /// f32 throughout (default), whatever the stored dtype.
    #[default]
    F32,
    /// Every activation rounded to bf16, at the places where the original rounds when run in bf16. The router stays f32.
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

/// What to compute beyond the routing. Nothing after the last MoE layer's router is computed unless asked for here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Negative log-likelihood of every next token.
    pub nll: bool,
    /// Logits of this many last positions of every sequence.
    pub final_logits: usize,
    /// Hidden states of this many last positions: embeddings, after every layer, the last after the final norm.
    pub hidden: usize,
}

impl Outputs {
    fn any(self) -> bool {
        self.nll || self.final_logits > 0 || self.hidden > 0
    }
}

/// How to run the forward pass.
#[derive(Clone, Copy, Debug)]
pub struct ForwardOptions {
    /// Capacity rule and factor; usually [`Config::router_settings`].
    pub router: RouterSettings,
    /// Rounding of activations.
    pub arithmetic: Arithmetic,
    /// What to compute beyond the routing.
    pub outputs: Outputs,
}

/// Sequences that go through the layers together. How sequences are cut into waves changes speed and memory, never a
/// result: what shares capacity is the routing group.
#[derive(Clone, Debug, Default)]
pub struct Wave<'a> {
    /// Index of the first sequence in input order.
    pub first_sequence: u32,
    /// Index of the first routing group in input order.
    pub first_group: u32,
    /// Token ids of every sequence; none is empty.
    pub sequences: Vec<&'a [u32]>,
    /// Routing groups as ranges of this wave's sequences, covering all in order.
    pub groups: Vec<Range<usize>>,
    /// For every sequence which keys are visible (`false` = padding), or empty: all. Padding tokens still route and take
    /// slots, and key 0 is always visible, as in the original.
    pub key_masks: Vec<Vec<bool>>,
}

impl Wave<'_> {
    /// Tokens of the wave.
    pub fn tokens(&self) -> usize {
        self.sequences.iter().map(|ids| ids.len()).sum()
    }

    /// First row of every sequence, and the number of rows at the end.
    pub(super) fn offsets(&self) -> Vec<usize> {
        let mut next = 0;
        std::iter::once(0)
            .chain(self.sequences.iter().map(|ids| {
                next += ids.len();
                next
            }))
            .collect()
    }
}

/// What was asked for in [`Outputs`], one entry per sequence of the wave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WaveOutput {
    /// `-log p(token s+1 | tokens <= s)`, `[tokens - 1]`.
    pub nll: Vec<Vec<f32>>,
    /// Logits of the last positions, `[min(final_logits, tokens), vocab_size]`.
    pub final_logits: Vec<Vec<f32>>,
    /// Per stage (embeddings, then every layer) and sequence: `[min(hidden, tokens), hidden_size]`.
    pub hidden: Vec<Vec<Vec<f32>>>,
}

/// A checkpoint ready to run.
pub struct Model<'a> {
    checkpoint: &'a Checkpoint,
    options: ForwardOptions,
}

impl<'a> Model<'a> {
    /// A model over a validated checkpoint; reads nothing yet.
    pub fn new(checkpoint: &'a Checkpoint, options: ForwardOptions) -> Self {
        Self { checkpoint, options }
    }

    /// Runs one wave through all layers that are needed and reports every routing decision to `observer`: per MoE
    /// layer, groups in input order.
    ///
    /// # Errors
    /// [`Error::Usage`] for a sequence that is empty, longer than `max_position_embeddings` or holds an id beyond the
    /// vocabulary; [`Error::NonFinite`] for NaN or infinity in router logits; reading errors; the observer's errors.
    pub fn forward(&self, wave: &Wave, observer: &mut dyn RoutingObserver) -> Result<WaveOutput> {
        self.check(wave)?;
        match self.options.arithmetic {
            Arithmetic::F32 => self.run::<Exact>(wave, observer),
            Arithmetic::Bf16 => self.run::<ToBf16>(wave, observer),
        }
    }

    fn run<R: Rounding>(&self, wave: &Wave, observer: &mut dyn RoutingObserver) -> Result<WaveOutput> {
        let config = self.checkpoint.config();
        let longest = wave.sequences.iter().map(|ids| ids.len()).max().unwrap_or(0);
        let context = Context {
            checkpoint: self.checkpoint,
            wave,
            rotary: Rotary::new::<R>(longest, config.head_dim),
            router: self.options.router,
        };
        let mut buffers = Buffers::default();
        let mut output = WaveOutput::default();
        buffers.reset(wave.tokens(), config);
        self.embed::<R>(wave, &mut buffers)?;
        self.keep_hidden(wave, &buffers.residual, &mut output);
        let layers = self.layers_to_run(config);
        for layer in 0..layers {
            let complete = self.options.outputs.any() || layer + 1 < layers;
            decoder_layer::<R>(&context, layer, complete, &mut buffers, observer)?;
            observer.observe_layer(layer, layers)?;
            if layer + 1 < config.num_hidden_layers {
                self.keep_hidden(wave, &buffers.residual, &mut output);
            }
        }
        if self.options.outputs.any() {
            context.norm::<R>("model.norm.weight", &mut buffers)?;
            self.keep_hidden(wave, &buffers.normed, &mut output);
            head::evaluate::<R>(self.checkpoint, wave, self.options.outputs, &mut buffers, &mut output)?;
        }
        Ok(output)
    }

    /// All layers, or those up to the last MoE layer, whose experts nobody needs.
    fn layers_to_run(&self, config: &Config) -> usize {
        let last_moe = config.moe_layers().last().map_or(0, |&layer| usize::from(layer));
        if self.options.outputs.any() { config.num_hidden_layers } else { last_moe + 1 }
    }

    /// `residual = embed[ids]`, not scaled; only the rows that occur are read.
    fn embed<R: Rounding>(&self, wave: &Wave, buffers: &mut Buffers) -> Result<()> {
        let hidden = self.checkpoint.config().hidden_size;
        let mut rows: Vec<(u32, usize)> = wave.sequences.iter().flat_map(|ids| ids.iter().copied()).zip(0..).collect();
        rows.sort_unstable();
        for same in rows.chunk_by(|a, b| a.0 == b.0) {
            let first = same[0].0 as usize * hidden;
            self.checkpoint.read_part("model.embed_tokens.weight", first, hidden, &mut buffers.weight)?;
            round_all::<R>(&mut buffers.weight);
            for &(_, row) in same {
                buffers.residual[row * hidden..(row + 1) * hidden].copy_from_slice(&buffers.weight);
            }
        }
        Ok(())
    }

    fn keep_hidden(&self, wave: &Wave, states: &[f32], output: &mut WaveOutput) {
        let count = self.options.outputs.hidden;
        if count == 0 {
            return;
        }
        let hidden = self.checkpoint.config().hidden_size;
        let offsets = wave.offsets();
        let tail = |ends: &[usize]| {
            let first = ends[0].max(ends[1].saturating_sub(count));
            states[first * hidden..ends[1] * hidden].to_vec()
        };
        output.hidden.push(offsets.windows(2).map(tail).collect());
    }

    fn check(&self, wave: &Wave) -> Result<()> {
        let config = self.checkpoint.config();
        for (index, ids) in wave.sequences.iter().enumerate() {
            let sequence = wave.first_sequence as usize + index;
            if ids.is_empty() || ids.len() > config.max_position_embeddings {
                return Err(Error::usage(
                    format!(
                        "sequence {sequence} has {} tokens; expected 1 to max_position_embeddings = {}",
                        ids.len(),
                        config.max_position_embeddings
                    ),
                    "cut the input with --context",
                ));
            }
            if let Some((position, id)) = ids.iter().enumerate().find(|(_, id)| **id as usize >= config.vocab_size) {
                return Err(Error::usage(
                    format!(
                        "sequence {sequence}, position {position}: token id {id} is beyond the vocabulary of {}",
                        config.vocab_size
                    ),
                    "the tokenizer and the checkpoint must belong together",
                ));
            }
        }
        Ok(())
    }
}

/// One decoder layer. Of an incomplete layer (the last MoE layer when only routing is wanted) just attention and router.
fn decoder_layer<R: Rounding>(
    context: &Context,
    layer: usize,
    complete: bool,
    buffers: &mut Buffers,
    observer: &mut dyn RoutingObserver,
) -> Result<()> {
    let prefix = format!("model.layers.{layer}");
    context.attention::<R>(layer, buffers)?;
    context.norm::<R>(&format!("{prefix}.post_attention_layernorm.weight"), buffers)?;
    if !context.checkpoint.config().is_moe_layer(layer) {
        return context.dense_mlp::<R>(&format!("{prefix}.mlp"), buffers);
    }
    let routings = context.router(layer, buffers, observer)?;
    if !complete {
        return Ok(());
    }
    context.experts::<R>(layer, &routings, buffers)?;
    context.norm::<R>(&format!("{prefix}.pre_extra_mlp_layernorm.weight"), buffers)?;
    context.dense_mlp::<R>(&format!("{prefix}.extra_mlp"), buffers)
}
