//! What most families have in common: the keys of transformers, in the spelling of the hub and in that of transformers 5.

use super::{
    family::{Description, IgnoredTensors},
    keys::ConfigKeys,
};
use crate::{
    checkpoint::{
        architecture::{
            Activation, Architecture, Attention, DecoderLayer, Experts, FeedForward, Head, MOST_LAYERS, Mlp, Norm,
            NormKind, Projection, SharedExperts, SpecialTokens,
        },
        tensor_map::TensorNames,
    },
    routing::{CombineRule, RouterRule},
};

/// Tensors that checkpoints of most families may hold beside those that are used.
pub(super) const USUALLY_IGNORED: &[IgnoredTensors] = &[IgnoredTensors::RotaryFrequencies];

/// The spellings of the number of experts.
pub(super) const EXPERTS: [&str; 3] = ["num_experts", "num_local_experts", "n_routed_experts"];
/// The spellings of the number of experts that a token chooses.
pub(super) const CHOICES: [&str; 2] = ["num_experts_per_tok", "experts_per_token"];
const ACTIVATION: [&str; 2] = ["hidden_act", "activation_function"];

/// What a family assumes where a key is absent, and which key holds the width of an expert.
pub(super) struct Defaults {
    /// Of `rms_norm_eps`.
    pub(super) epsilon: f64,
    /// Of `rope_theta`.
    pub(super) theta: f64,
    /// Of `attention_bias`.
    pub(super) attention_bias: bool,
    /// The key of the inner width of an expert.
    pub(super) expert_inner: &'static str,
    /// Whether the rotary embedding may have two sets of divisors.
    pub(super) longrope: bool,
    /// Which share of a head is rotated where `partial_rotary_factor` is absent; the key is refused where that is all of it.
    pub(super) rotated: f64,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            epsilon: 1e-6,
            theta: 10_000.0,
            attention_bias: false,
            expert_inner: "moe_intermediate_size",
            longrope: false,
            rotated: 1.0,
        }
    }
}

impl ConfigKeys<'_> {
    /// The plainest decoder: every layer routes by a softmax, heads are as wide as they fit, nothing is scaled or shared.
    pub(super) fn base(&mut self, defaults: &Defaults) -> Architecture {
        let hidden = self.size(&["hidden_size"], None);
        let longest_sequence = self.size(&["max_position_embeddings"], None);
        let activation = self.text(&ACTIVATION, "silu");
        self.expect(activation == "silu", self.spelling(&ACTIVATION), &activation, "silu");
        let mlp_bias = self.truth(&["mlp_bias"], false);
        self.expect(!mlp_bias, "mlp_bias", true, "false");
        let mlp = |inner| Mlp { inner, activation: Activation::Gated, bias: false };
        let layers = self.size(&["num_hidden_layers"], None);
        self.expect(layers <= MOST_LAYERS, "num_hidden_layers", layers, "at most 65536");
        Architecture {
            family: self.family().to_owned(),
            vocabulary: self.size(&["vocab_size"], None),
            hidden,
            longest_sequence,
            norm: Norm { kind: NormKind::RootMeanSquare, epsilon: self.positive(&["rms_norm_eps"], defaults.epsilon) },
            attention: self.attention(defaults, hidden, longest_sequence),
            layers: vec![DecoderLayer { window: None, feed_forward: FeedForward::Moe }; layers.min(MOST_LAYERS)],
            dense: mlp(self.size(&["intermediate_size"], None)),
            experts: Experts {
                number: self.size(&EXPERTS, None),
                chosen: self.size(&CHOICES, None),
                router: RouterRule::SOFTMAX,
                router_bias: false,
                correction_bias: false,
                mlp: mlp(self.size(&[defaults.expert_inner], None)),
                shared: None,
            },
            embedding_multiplier: 1.0,
            residual_multiplier: 1.0,
            head: Head { tied: self.truth(&["tie_word_embeddings"], false), bias: false, divisor: 1.0 },
            special_tokens: SpecialTokens { bos: None, eos: self.ids(&["eos_token_id"]) },
            capacity: None,
        }
    }

    fn attention(&mut self, defaults: &Defaults, hidden: usize, longest_sequence: usize) -> Attention {
        let heads = self.size(&["num_attention_heads"], None);
        let dim = self.optional_size(&["head_dim"]).unwrap_or(hidden.checked_div(heads).unwrap_or(0));
        let bias = self.truth(&["attention_bias"], defaults.attention_bias);
        Attention {
            heads,
            key_value_heads: self.size(&["num_key_value_heads"], Some(heads)),
            key_dim: dim,
            value_dim: dim,
            scale: (dim as f64).powf(-0.5),
            projection: Projection::Plain,
            input_bias: bias,
            output_bias: bias,
            query_key_norm: None,
            clip: None,
            rotary: self.rotary(dim, defaults, longest_sequence),
            sinks: false,
        }
    }

    /// The weights of a softmax: its probabilities, over their sum if `norm_topk_prob` says so.
    pub(super) fn normed_softmax(&mut self) -> CombineRule {
        let divides = self.truth(&["norm_topk_prob"], false);
        if divides { CombineRule::ScoreOverSum { epsilon: 0.0 } } else { CombineRule::Score }
    }

    /// The window that all layers have, if it is a number.
    pub(super) fn window_everywhere(&mut self, architecture: &mut Architecture) {
        let window = self.optional_size(&["sliding_window"]);
        architecture.layers.iter_mut().for_each(|layer| layer.window = window);
    }

    /// The layers that route by Qwen's keys: every so many, but not those of a list.
    pub(super) fn sparse_steps(&mut self, architecture: &mut Architecture) {
        let step = self.size(&["decoder_sparse_step"], Some(1));
        let dense = self.counts(&["mlp_only_layers"]);
        for (index, layer) in architecture.layers.iter_mut().enumerate() {
            let routes = !dense.contains(&index) && (index + 1).is_multiple_of(step.max(1));
            layer.feed_forward = if routes { FeedForward::Moe } else { FeedForward::Dense };
        }
    }

    /// The layers that route by the keys of `DeepSeek`: all from one on, or every so many of these.
    pub(super) fn dense_first(&mut self, architecture: &mut Architecture, default: usize) {
        let first = self.count(&["first_k_dense_replace"], default);
        let step = self.size(&["moe_layer_freq"], Some(1));
        for (index, layer) in architecture.layers.iter_mut().enumerate() {
            let routes = index >= first && index.is_multiple_of(step.max(1));
            layer.feed_forward = if routes { FeedForward::Moe } else { FeedForward::Dense };
        }
    }

    /// The shared experts of `DeepSeek`: one MLP, as wide as so many experts.
    pub(super) fn shared_experts(&mut self, architecture: &mut Architecture) {
        let experts = &mut architecture.experts;
        experts.shared = self.optional_size(&["n_shared_experts"]).map(|number| SharedExperts {
            number,
            mlp: Mlp { inner: number.saturating_mul(experts.mlp.inner), ..experts.mlp },
            gated: false,
        });
    }

    /// Checks that everything fits together.
    pub(super) fn finish(&mut self, architecture: Architecture, names: TensorNames) -> Description {
        self.check(&architecture);
        let scaled_block = self.scaled_block(&names);
        Description { scaled_block, ..Description::new(architecture, names) }
    }
}
