//! The tensors that a configuration implies, and the number of their parameters.

use super::Config;

/// A tensor that the configuration implies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedTensor {
    /// Name in the weight files.
    pub name: String,
    /// Shape; linear layers are [out, in], expert tensors [E, in, out].
    pub shape: Vec<usize>,
}

/// The number of parameters of a model, by role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ParameterCount {
    /// All of them.
    pub total: u64,
    /// Those that one token uses: all but the experts that it does not choose. Both vocabulary matrices count in full.
    pub active_per_token: u64,
    /// `model.embed_tokens`.
    pub embedding: u64,
    /// `lm_head`.
    pub lm_head: u64,
    /// Query, key, value and output projections.
    pub attention: u64,
    /// Dense MLPs, those after the MoE layers included.
    pub dense_mlp: u64,
    /// Experts of all MoE layers.
    pub experts: u64,
    /// Router weights.
    pub routers: u64,
    /// Norm weights.
    pub norms: u64,
}

impl Config {
    /// Every tensor of the model, in layer order.
    pub fn tensors(&self) -> Vec<ExpectedTensor> {
        let (vocab, hidden) = (self.vocab_size, self.hidden_size);
        let mut tensors = vec![expected("model.embed_tokens.weight", &[vocab, hidden])];
        for layer in 0..self.num_hidden_layers {
            self.layer_tensors(layer, &mut tensors);
        }
        tensors.push(expected("model.norm.weight", &[hidden]));
        tensors.push(expected("lm_head.weight", &[vocab, hidden]));
        tensors
    }

    fn layer_tensors(&self, layer: usize, tensors: &mut Vec<ExpectedTensor>) {
        let (hidden, inner, experts) = (self.hidden_size, self.intermediate_size, self.num_experts);
        let (query, key) = (self.num_attention_heads * self.head_dim, self.num_key_value_heads * self.head_dim);
        let mut push = |name: &str, shape: &[usize]| {
            tensors.push(expected(&format!("model.layers.{layer}.{name}"), shape));
        };
        push("input_layernorm.weight", &[hidden]);
        push("self_attn.q_proj.weight", &[query, hidden]);
        push("self_attn.k_proj.weight", &[key, hidden]);
        push("self_attn.v_proj.weight", &[key, hidden]);
        push("self_attn.o_proj.weight", &[hidden, query]);
        push("post_attention_layernorm.weight", &[hidden]);
        let dense = if self.is_moe_layer(layer) {
            push("mlp.gate_weight", &[experts, hidden]);
            push("mlp.experts.wi_gate", &[experts, hidden, 2 * inner]);
            push("mlp.experts.wi_up", &[experts, hidden, inner]);
            push("mlp.experts.wo", &[experts, inner, hidden]);
            push("pre_extra_mlp_layernorm.weight", &[hidden]);
            "extra_mlp"
        } else {
            "mlp"
        };
        push(&format!("{dense}.gate_proj.weight"), &[2 * inner, hidden]);
        push(&format!("{dense}.up_proj.weight"), &[inner, hidden]);
        push(&format!("{dense}.down_proj.weight"), &[hidden, inner]);
    }

    /// Counts the parameters of [`Config::tensors`].
    pub fn parameter_count(&self) -> ParameterCount {
        let mut count = ParameterCount::default();
        for ExpectedTensor { name, shape } in self.tensors() {
            let size = shape.iter().fold(1_u64, |size, &dimension| size.saturating_mul(dimension as u64));
            count.total = count.total.saturating_add(size);
            let role = count.role(&name);
            *role = role.saturating_add(size);
        }
        let per_expert = count.experts / self.num_experts as u64;
        count.active_per_token = count.total - per_expert * (self.num_experts - self.router_topk) as u64;
        count
    }
}

impl ParameterCount {
    /// The same model whose head is its embedding.
    pub(super) fn without_head(self) -> Self {
        let total = self.total - self.lm_head;
        Self { total, active_per_token: self.active_per_token - self.lm_head, lm_head: 0, ..self }
    }

    /// The counter that a tensor belongs to.
    fn role(&mut self, name: &str) -> &mut u64 {
        match name {
            "model.embed_tokens.weight" => &mut self.embedding,
            "lm_head.weight" => &mut self.lm_head,
            _ if name.ends_with("norm.weight") => &mut self.norms,
            _ if name.ends_with("gate_weight") => &mut self.routers,
            _ if name.contains(".experts.") => &mut self.experts,
            _ if name.contains(".self_attn.") => &mut self.attention,
            _ => &mut self.dense_mlp,
        }
    }
}

fn expected(name: &str, shape: &[usize]) -> ExpectedTensor {
    ExpectedTensor { name: name.to_owned(), shape: shape.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The authors' configurations (model.md, "Config").
    fn released(hidden: usize, inner: usize, layers: usize, interval: usize, heads: usize, experts: usize) -> Config {
        let head_dim = if heads == 12 { 64 } else { 128 };
        let json = serde_json::json!({
            "architectures": ["OpenMoeForCausalLM"], "model_type": "llama", "hidden_size": hidden,
            "intermediate_size": inner, "num_hidden_layers": layers, "moe_layer_interval": interval,
            "num_attention_heads": heads, "head_dim": head_dim, "num_experts": experts,
        });
        Config::parse(&json.to_string()).unwrap()
    }

    #[test]
    fn released_models_have_their_parameter_counts_and_moe_layers() {
        let base = released(768, 2048, 12, 4, 12, 16);
        assert_eq!(base.parameter_count().total, 799_663_104);
        assert_eq!(base.moe_layers(), [3, 7, 11]);
        let large = released(2048, 8192, 24, 6, 24, 32);
        assert_eq!(large.parameter_count().total, 11_855_046_656);
        assert_eq!(large.moe_layers(), [5, 11, 17, 23]);
        let largest = released(3072, 12288, 32, 4, 24, 32);
        assert_eq!(largest.parameter_count().total, 46_270_737_408);
        assert_eq!(largest.moe_layers(), [3, 7, 11, 15, 19, 23, 27, 31]);
    }

    #[test]
    fn active_parameters_leave_out_the_experts_not_chosen() {
        // Base: an expert has 4 * 768 * 2048 = 6,291,456 parameters; 14 of 16 are idle in each of 3 layers.
        let count = released(768, 2048, 12, 4, 12, 16).parameter_count();
        assert_eq!(count.active_per_token, 799_663_104 - 3 * 14 * 6_291_456);
        assert_eq!((count.embedding, count.lm_head), (196_902_912, 196_902_912));
        assert_eq!((count.experts, count.routers), (3 * 16 * 6_291_456, 3 * 16 * 768));
        // Two norms a layer, one more in each MoE layer, one at the end.
        assert_eq!(count.norms, (12 * 2 + 3 + 1) * 768);
        assert_eq!((count.attention, count.dense_mlp), (12 * 4 * 768 * 768, 12 * 6_291_456));
    }

    #[test]
    fn every_name_occurs_once() {
        let config = released(2048, 8192, 24, 6, 24, 32);
        let mut names: Vec<_> = config.tensors().into_iter().map(|tensor| tensor.name).collect();
        // Dense layer 9, MoE layer 14 tensors; embedding, norm, lm_head.
        assert_eq!(names.len(), 20 * 9 + 4 * 14 + 3);
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 239);
    }
}
