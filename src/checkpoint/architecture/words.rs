//! An architecture in words, for people who know transformers.

use super::{
    Activation, Architecture, Attention, Experts, FeedForward, Mlp, NormKind, Pairs, Projection, QueryKeyNorm,
    RotaryScaling,
};
use crate::routing::{CombineRule, GroupScore, RouterScore};

impl Architecture {
    /// What distinguishes it from other decoders: the name of a part, and what is particular about it.
    pub fn in_words(&self) -> Vec<(&'static str, String)> {
        vec![
            ("attention", self.attention_in_words()),
            ("rotary", rotary(&self.attention)),
            ("router", router(&self.experts)),
            ("experts", self.experts_in_words()),
            ("norms", self.others_in_words()),
        ]
    }

    fn attention_in_words(&self) -> String {
        let Attention { projection, query_key_norm, clip, input_bias, output_bias, sinks, .. } = &self.attention;
        let mut parts = vec![match projection {
            Projection::Plain if self.attention.heads == self.attention.key_value_heads => "multi-head".to_owned(),
            Projection::Plain => "grouped-query".to_owned(),
            Projection::Latent(latent) => {
                let queries =
                    latent.query_rank.map_or_else(String::new, |rank| format!(", queries from one of {rank}"));
                format!(
                    "latent (MLA): keys and values from a latent of {}{queries}; {} + {} dimensions of keys, {} of values",
                    latent.key_value_rank, latent.plain_dim, self.attention.rotary.dim, self.attention.value_dim
                )
            }
        }];
        parts.push(scale(&self.attention));
        parts.extend(query_key_norm.map(|norm| match norm {
            QueryKeyNorm::Whole => "queries and keys normalised across all heads".to_owned(),
            QueryKeyNorm::PerHead => "queries and keys normalised in each head".to_owned(),
        }));
        parts.extend(clip.map(|clip| format!("queries, keys and values clamped at {clip}")));
        parts.extend(match (input_bias, output_bias) {
            (true, true) => Some("biases on queries, keys, values and the output".to_owned()),
            (true, false) => Some("biases on queries, keys and values".to_owned()),
            (false, true) => Some("a bias on the output".to_owned()),
            (false, false) => None,
        });
        parts.extend(self.windows_in_words());
        parts.extend(sinks.then(|| "a learnt sink for each head".to_owned()));
        parts.join("; ")
    }

    fn windows_in_words(&self) -> Option<String> {
        let windows: Vec<usize> = self.layers.iter().filter_map(|layer| layer.window).collect();
        let window = windows.first()?;
        let layers = if windows.len() == self.layers.len() {
            String::new()
        } else {
            format!(" in {} of {} layers", windows.len(), self.layers.len())
        };
        Some(format!("a sliding window of {window} keys{layers}"))
    }

    fn experts_in_words(&self) -> String {
        let mut parts = vec![mlp(&self.experts.mlp)];
        parts.extend(self.experts.shared.map(|shared| {
            let together = if shared.number == 1 { "expert" } else { "experts, together" };
            let gated = if shared.gated { ", times a sigmoid gate of the token" } else { "" };
            format!("{} shared {together} {} wide{gated}", shared.number, shared.mlp.inner)
        }));
        if self.layers.iter().any(|layer| layer.feed_forward == FeedForward::MoeThenDense) {
            parts.push("a dense MLP after them".to_owned());
        }
        if self.layers.iter().any(|layer| layer.feed_forward == FeedForward::Dense) {
            parts.push(format!("layers without experts have an MLP {} wide", self.dense.inner));
        }
        parts.push(match self.capacity {
            Some(capacity) => format!("capacity factor {}", capacity.factor),
            None => "no capacity limit".to_owned(),
        });
        parts.join("; ")
    }

    fn others_in_words(&self) -> String {
        let kind = match self.norm.kind {
            NormKind::RootMeanSquare => "RMSNorm",
            NormKind::Layer => "LayerNorm with bias",
        };
        let mut parts = vec![format!("{kind}, epsilon {:e}", self.norm.epsilon)];
        let multipliers = [
            ("embeddings times", self.embedding_multiplier),
            ("what a layer adds times", self.residual_multiplier),
            ("logits divided by", self.head.divisor),
        ];
        parts.extend(
            multipliers
                .into_iter()
                .filter(|(_, number)| *number != 1.0)
                .map(|(what, number)| format!("{what} {number}")),
        );
        parts.extend(self.head.tied.then(|| "tied embeddings".to_owned()));
        parts.extend(self.head.bias.then(|| "a bias on the logits of the vocabulary".to_owned()));
        parts.join("; ")
    }
}

fn scale(attention: &Attention) -> String {
    let plain = 1.0 / (attention.key_dim as f64).sqrt();
    match attention.scale {
        1.0 => "scores not scaled".to_owned(),
        scale if (scale / plain - 1.0).abs() < 1e-9 => format!("scores divided by the root of {}", attention.key_dim),
        scale => format!("scores times {}", (scale * 1e6).round() / 1e6),
    }
}

fn rotary(attention: &Attention) -> String {
    let rotary = &attention.rotary;
    let pairs = match rotary.pairs {
        Pairs::Half => "paired by halves",
        Pairs::Interleaved => "paired with their neighbours",
    };
    let scaling = match &rotary.scaling {
        RotaryScaling::None => String::new(),
        RotaryScaling::Yarn { factor, original, .. } => {
            format!("; YaRN, {factor} times the original {original} tokens")
        }
        RotaryScaling::Long { original, .. } => {
            format!("; LongRoPE, long factors for sequences of more than {original} tokens")
        }
    };
    let part = if rotary.dim == attention.key_dim { "all".to_owned() } else { format!("{} of", rotary.dim) };
    format!("base {}; {part} {} dimensions of a head, {pairs}{scaling}", rotary.theta, attention.key_dim)
}

fn router(experts: &Experts) -> String {
    let rule = &experts.router;
    let mut parts = vec![
        match rule.score {
            RouterScore::Softmax | RouterScore::SoftmaxOrLogit => "softmax over all experts",
            RouterScore::Sigmoid => "sigmoid of each logit",
            RouterScore::Logit => "ranked by logits",
        }
        .to_owned(),
    ];
    parts.extend(experts.router_bias.then(|| "a bias on the logits".to_owned()));
    parts.extend(experts.correction_bias.then(|| "a correction bias that decides and does not weigh".to_owned()));
    parts.extend(rule.groups.map(|groups| {
        let score = match groups.score {
            GroupScore::Largest => "best expert",
            GroupScore::TwoLargest => "two best experts",
        };
        format!("only experts of {} of the {} groups, ranked by their {score}", groups.kept, groups.number)
    }));
    let scaling = if rule.scaling == 1.0 { String::new() } else { format!(", times {}", rule.scaling) };
    let weights = match rule.weight {
        CombineRule::Score => "weights are the scores",
        CombineRule::ScoreOverSum { .. } => "weights are the scores divided by their sum",
        CombineRule::SoftmaxOfChosen => "weights are the softmax of the chosen logits",
        CombineRule::SparseMixer { .. } => "weights by the sparse mixer",
    };
    parts.push(format!("{weights}{scaling}"));
    parts.join("; ")
}

fn mlp(mlp: &Mlp) -> String {
    let activation = match mlp.activation {
        Activation::Gated => "silu(gate) * up",
        Activation::ThreeFactors => "a * silu(b) * up",
        Activation::Clamped { .. } => "clamped gate and up, gate * sigmoid(gate) * (up + 1)",
    };
    let bias = if mlp.bias { ", biases" } else { "" };
    format!("{} wide, {activation}{bias}", mlp.inner)
}
