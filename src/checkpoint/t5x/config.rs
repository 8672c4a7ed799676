//! The configuration of a checkpoint that has none: from the shapes of its arrays and those of the released models.

use std::collections::BTreeMap;

use super::names::layer_of;
use crate::checkpoint::tensor::Dtype;

/// A released OpenMoE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReleasedShape {
    /// What it is called.
    pub(crate) name: &'static str,
    hidden: usize,
    inner: usize,
    layers: usize,
    interval: usize,
    heads: usize,
    head_dim: usize,
    experts: usize,
}

/// The released models (docs/checkpoints.md).
pub(crate) const RELEASED: [ReleasedShape; 3] = [
    ReleasedShape {
        name: "base",
        hidden: 768,
        inner: 2048,
        layers: 12,
        interval: 4,
        heads: 12,
        head_dim: 64,
        experts: 16,
    },
    ReleasedShape {
        name: "8b",
        hidden: 2048,
        inner: 8192,
        layers: 24,
        interval: 6,
        heads: 24,
        head_dim: 128,
        experts: 32,
    },
    ReleasedShape {
        name: "34b",
        hidden: 3072,
        inner: 12_288,
        layers: 32,
        interval: 4,
        heads: 24,
        head_dim: 128,
        experts: 32,
    },
];
/// The keys of the hub's config.json in their order, with the values that all released models have.
const KEYS: [(&str, &str); 45] = [
    ("architectures", "[\n    \"OpenMoeForCausalLM\"\n  ]"),
    ("model_type", "\"llama\""),
    ("vocab_size", ""),
    ("hidden_size", ""),
    ("intermediate_size", ""),
    ("num_hidden_layers", ""),
    ("num_attention_heads", ""),
    ("num_key_value_heads", ""),
    ("head_dim", ""),
    ("max_position_embeddings", "2048"),
    ("rms_norm_eps", "1e-06"),
    ("layer_norm_epsilon", "1e-06"),
    ("pad_token_id", "0"),
    ("bos_token_id", "0"),
    ("eos_token_id", "1"),
    ("initializer_range", "0.02"),
    ("num_experts", ""),
    ("moe_layer_interval", ""),
    ("router_topk", "2"),
    ("router_capacity_factor_train", "1.25"),
    ("router_capacity_factor_eval", "2.0"),
    ("router_min_capacity", "4"),
    ("router_noisy_policy", "null"),
    ("router_drop_tks", "true"),
    ("router_aux_loss_factor", "0.01"),
    ("router_z_loss_factor", "0.0001"),
    ("label_smoothing", "0.001"),
    ("z_loss_factor", "0.01"),
    ("dropout_rate", "0.0"),
    ("hidden_act", "\"swiglu\""),
    ("mlp_gated", "true"),
    ("attention_bias", "false"),
    ("tie_word_embeddings", "false"),
    ("torch_dtype", ""),
    ("rope_theta", "10000.0"),
    ("rope_scaling", "null"),
    ("expert_parallel", "null"),
    ("enable_kernel", "false"),
    ("enable_load_balance", "false"),
    ("load_balance_tolerance", "0.1"),
    ("load_balance_beam_width", "8"),
    ("load_balance_group_swap_factor", "0.4"),
    ("enable_comm_overlap", "false"),
    ("enable_hierarchical_alltoall", "false"),
    ("use_cache", "true"),
];
/// Tokens of the released models' vocabulary.
const VOCABULARY: usize = 256_384;

/// The names of the released models.
pub fn released_names() -> [&'static str; 3] {
    RELEASED.map(|model| model.name)
}

/// Shapes of arrays by their names.
pub(super) type Shapes<'a> = BTreeMap<&'a str, &'a [usize]>;

/// What shapes say of a model, as far as the arrays that tell it are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Tokens of the vocabulary.
    pub(super) vocabulary: Option<usize>,
    hidden: Option<usize>,
    inner: Option<usize>,
    layers: Option<usize>,
    interval: Option<usize>,
    query_width: Option<usize>,
    experts: Option<usize>,
}

impl Sizes {
    /// The sizes that shapes imply.
    pub(super) fn of(shapes: &Shapes) -> Self {
        let axis = |name: &str, axis: usize| shapes.get(name).and_then(|shape| shape.get(axis).copied());
        let in_layers = |part: &str, axis: usize| {
            let mut found = shapes.iter().filter(|(name, _)| layer_of(name).is_some_and(|(_, own)| own == part));
            found.find_map(|(_, shape)| shape.get(axis).copied())
        };
        let layer = |name: &&str| layer_of(name).map(|(layer, _)| layer);
        let routes = |name: &&&str| {
            layer_of(name).is_some_and(|(_, part)| part.starts_with("mlp.router.") || part.starts_with("mlp.expert."))
        };
        Self {
            vocabulary: axis("target.token_embedder.embedding", 0)
                .or_else(|| axis("target.decoder.logits_dense.kernel", 1)),
            hidden: axis("target.token_embedder.embedding", 1).or_else(|| axis("target.decoder.decoder_norm.scale", 0)),
            inner: in_layers("mlp.expert.wi_1.kernel", 2).or_else(|| in_layers("mlp.wi_1.kernel", 1)),
            layers: shapes.keys().filter_map(layer).max().map(|last| last + 1),
            interval: shapes.keys().filter(routes).filter_map(layer).min().map(|first| first + 1),
            query_width: in_layers("self_attention.query.kernel", 1),
            experts: in_layers("mlp.router.router_weights.w.kernel", 1)
                .or_else(|| in_layers("mlp.expert.wi_1.kernel", 0)),
        }
    }

    /// The released model that has these sizes.
    pub(super) fn released(&self) -> Option<ReleasedShape> {
        RELEASED.into_iter().find(|model| {
            [
                (self.hidden, model.hidden),
                (self.inner, model.inner),
                (self.layers, model.layers),
                (self.interval, model.interval),
                (self.query_width, model.heads * model.head_dim),
                (self.experts, model.experts),
            ]
            .into_iter()
            .all(|(found, known)| found == Some(known))
        })
    }

    /// The sizes in words.
    pub(super) fn in_words(&self) -> String {
        let number = |size: Option<usize>| size.map_or_else(|| "?".to_owned(), |size| size.to_string());
        format!(
            "hidden {}, intermediate {}, {} layers, experts in every layer that {} divides, {} experts, {} numbers for all heads of a query",
            number(self.hidden),
            number(self.inner),
            number(self.layers),
            number(self.interval),
            number(self.experts),
            number(self.query_width)
        )
    }
}

/// The name of a type in config.json.
pub(crate) fn torch_dtype(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Bf16 => "bfloat16",
        Dtype::F16 => "float16",
        _ => "float32",
    }
}

impl ReleasedShape {
    /// By its name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        RELEASED.into_iter().find(|model| model.name == name)
    }

    /// Its config.json as the hub has it, but for the names of code that is not there; with another vocabulary if that of the
    /// arrays is another.
    pub(super) fn config_json(&self, vocabulary: Option<usize>, dtype: Dtype) -> String {
        let line = |(key, value): &(&str, &str)| {
            let size = match *key {
                "vocab_size" => vocabulary.unwrap_or(VOCABULARY),
                "hidden_size" => self.hidden,
                "intermediate_size" => self.inner,
                "num_hidden_layers" => self.layers,
                "num_attention_heads" | "num_key_value_heads" => self.heads,
                "head_dim" => self.head_dim,
                "num_experts" => self.experts,
                "moe_layer_interval" => self.interval,
                "torch_dtype" => return format!("  \"{key}\": \"{}\"", torch_dtype(dtype)),
                _ => return format!("  \"{key}\": {value}"),
            };
            format!("  \"{key}\": {size}")
        };
        format!("{{\n{}\n}}\n", KEYS.iter().map(line).collect::<Vec<_>>().join(",\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::TensorMap;

    #[test]
    fn the_shapes_of_a_released_model_are_recognised() {
        for model in RELEASED {
            let map = TensorMap::parse(&model.config_json(None, Dtype::F32)).unwrap();
            let expected = map.expected();
            let arrays: Vec<(String, Vec<usize>)> = expected
                .into_iter()
                .map(|tensor| {
                    let (name, transposed) = super::super::names::array_of(&tensor.name).unwrap();
                    let mut shape = tensor.shape;
                    if transposed {
                        shape.reverse();
                    }
                    (name, shape)
                })
                .collect();
            let mut shapes: Shapes = arrays.iter().map(|(name, shape)| (name.as_str(), &shape[..])).collect();
            let sizes = Sizes::of(&shapes);
            assert_eq!((sizes.released(), sizes.vocabulary), (Some(model), Some(VOCABULARY)));
            shapes.remove("target.token_embedder.embedding");
            shapes.remove("target.decoder.layers_0.mlp.wi_1.kernel");
            assert_eq!(Sizes::of(&shapes).released(), Some(model), "arrays that are missing are told by others");
            shapes.retain(|name, _| !name.contains(".mlp.expert") && !name.contains(".mlp.router"));
            assert_eq!(Sizes::of(&shapes).released(), None);
        }
    }

    #[test]
    fn parameters_are_those_that_were_counted() {
        let count = |name: &str| {
            let text = ReleasedShape::named(name).unwrap().config_json(None, Dtype::F32);
            TensorMap::parse(&text).unwrap().parameter_count().total
        };
        assert_eq!([count("base"), count("8b"), count("34b")], [799_663_104, 11_855_046_656, 46_270_737_408]);
        assert_eq!(ReleasedShape::named("9b"), None);
    }
}
