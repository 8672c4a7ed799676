//! Where a role is stored: name, part of the tensor, order of the numbers.

use super::{Block, ExpertNames, FusedForm, MlpPart, Role, TensorMap};
use crate::checkpoint::architecture::QueryKeyNorm;

/// A tensor, or the part of a stacked tensor that belongs to one expert, as a matrix; a vector has one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// Name of the tensor.
    pub name: String,
    /// Index of the matrix in a tensor that stacks several; they are of one size.
    pub index: usize,
    /// How many the tensor stacks; `None`: it is the matrix, or the vector.
    pub stacked: Option<usize>,
    /// Rows in which it is stored.
    pub rows: usize,
    /// Columns in which it is stored.
    pub columns: usize,
    /// How it is used.
    pub order: Order,
}

/// From the order in which a matrix is stored to that in which it is used, `[inputs, outputs]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The same.
    Same,
    /// Rows and columns exchanged: a linear layer is stored `[outputs, inputs]`.
    Transposed,
    /// The columns stored alternate between two halves: 0, 2, 4 ... come first.
    ColumnsAlternate,
    /// Transposed; the rows stored alternate between two halves.
    TransposedRowsAlternate,
}

impl Order {
    /// Whether rows and columns are exchanged.
    pub fn transposes(self) -> bool {
        matches!(self, Self::Transposed | Self::TransposedRowsAlternate)
    }

    /// Whether what is stored alternates between two halves.
    pub fn alternates(self) -> bool {
        matches!(self, Self::ColumnsAlternate | Self::TransposedRowsAlternate)
    }
}

impl StoredPart {
    /// Numbers of the matrix.
    pub fn elements(&self) -> usize {
        self.rows * self.columns
    }

    /// The first of its numbers in the tensor.
    pub fn first(&self) -> usize {
        self.index * self.elements()
    }

    /// Rows and columns as it is used.
    pub fn used_shape(&self) -> [usize; 2] {
        if self.order.transposes() { [self.columns, self.rows] } else { [self.rows, self.columns] }
    }

    fn vector(name: String, length: usize) -> Self {
        Self::whole(name, 1, length)
    }

    /// A matrix that is used as it is stored.
    fn whole(name: String, rows: usize, columns: usize) -> Self {
        Self { name, index: 0, stacked: None, rows, columns, order: Order::Same }
    }

    /// A linear layer, stored `[outputs, inputs]`.
    fn linear(name: String, outputs: usize, inputs: usize) -> Self {
        Self { order: Order::Transposed, ..Self::whole(name, outputs, inputs) }
    }
}

impl TensorMap {
    /// Where a role of a layer is stored; roles of the whole model have no layer.
    pub fn stored(&self, layer: usize, role: Role) -> StoredPart {
        let (architecture, hidden) = (&self.architecture, self.architecture.hidden);
        let name = |part: &str| format!("model.layers.{layer}.{part}");
        let norm = |part: &str| StoredPart::vector(name(part), hidden);
        match role {
            Role::Embedding => {
                StoredPart::whole("model.embed_tokens.weight".to_owned(), architecture.vocabulary, hidden)
            }
            Role::Head => StoredPart::whole("lm_head.weight".to_owned(), architecture.vocabulary, hidden),
            Role::HeadBias => StoredPart::vector("lm_head.bias".to_owned(), architecture.vocabulary),
            Role::FinalNorm => StoredPart::vector("model.norm.weight".to_owned(), hidden),
            Role::FinalNormBias => StoredPart::vector("model.norm.bias".to_owned(), hidden),
            Role::AttentionNorm => norm("input_layernorm.weight"),
            Role::AttentionNormBias => norm("input_layernorm.bias"),
            Role::FeedForwardNorm => norm("post_attention_layernorm.weight"),
            Role::FeedForwardNormBias => norm("post_attention_layernorm.bias"),
            Role::ExtraNorm => norm("pre_extra_mlp_layernorm.weight"),
            Role::Router => StoredPart::whole(name(self.names.router), architecture.experts.number, hidden),
            Role::RouterBias => StoredPart::vector(name(self.names.router_bias), architecture.experts.number),
            Role::CorrectionBias => {
                StoredPart::vector(name("mlp.gate.e_score_correction_bias"), architecture.experts.number)
            }
            Role::SharedGate => StoredPart::vector(name(&format!("{}_gate.weight", self.names.shared)), hidden),
            Role::Mlp(block, part) => self.projection(layer, block, part),
            Role::MlpBias(block, part) => self.projection_bias(layer, block, part),
            role => self.of_attention(role, &name),
        }
    }

    fn of_attention(&self, role: Role, name: &dyn Fn(&str) -> String) -> StoredPart {
        let (attention, hidden) = (&self.architecture.attention, self.architecture.hidden);
        let (query, key, value) = (attention.query_width(), attention.key_width(), attention.value_width());
        let linear = |part: &str, outputs, inputs| {
            StoredPart::linear(name(&format!("self_attn.{part}.weight")), outputs, inputs)
        };
        let vector = |part: &str, length| StoredPart::vector(name(&format!("self_attn.{part}")), length);
        let latent = attention.latent();
        let query_rank = latent.and_then(|latent| latent.query_rank).unwrap_or(0);
        let key_value_rank = latent.map_or(0, |latent| latent.key_value_rank);
        let plain = latent.map_or(0, |latent| latent.plain_dim);
        let rotated = key_value_rank + attention.rotary.dim;
        let of_norm = |whole| match attention.query_key_norm {
            Some(QueryKeyNorm::PerHead) => attention.key_dim,
            _ => whole,
        };
        match role {
            Role::Query => linear("q_proj", query, hidden),
            Role::QueryBias => vector("q_proj.bias", query),
            Role::Key => linear("k_proj", key, hidden),
            Role::KeyBias => vector("k_proj.bias", key),
            Role::Value => linear("v_proj", value, hidden),
            Role::ValueBias => vector("v_proj.bias", value),
            Role::Output => linear("o_proj", hidden, attention.output_width()),
            Role::OutputBias => vector("o_proj.bias", hidden),
            Role::QueryNorm => vector("q_norm.weight", of_norm(query)),
            Role::KeyNorm => vector("k_norm.weight", of_norm(key)),
            Role::QueryLatent => linear("q_a_proj", query_rank, hidden),
            Role::QueryLatentBias => vector("q_a_proj.bias", query_rank),
            Role::QueryLatentNorm => vector("q_a_layernorm.weight", query_rank),
            Role::QueryFromLatent => linear("q_b_proj", query, query_rank),
            Role::KeyValueLatent => linear("kv_a_proj_with_mqa", rotated, hidden),
            Role::KeyValueLatentBias => vector("kv_a_proj_with_mqa.bias", rotated),
            Role::KeyValueLatentNorm => vector("kv_a_layernorm.weight", key_value_rank),
            Role::KeyValueFromLatent => {
                linear("kv_b_proj", attention.heads * (plain + attention.value_dim), key_value_rank)
            }
            _ => vector("sinks", attention.heads),
        }
    }

    /// Outputs and inputs of a projection.
    fn sizes(&self, block: Block, part: MlpPart) -> (usize, usize) {
        let (mlp, hidden) = (self.mlp_of(block), self.architecture.hidden);
        match part {
            MlpPart::Gate => (mlp.gate_width(), hidden),
            MlpPart::Up => (mlp.inner, hidden),
            MlpPart::GateAndUp => (mlp.gate_width() + mlp.inner, hidden),
            MlpPart::Down => (hidden, mlp.inner),
        }
    }

    fn projection(&self, layer: usize, block: Block, part: MlpPart) -> StoredPart {
        let (outputs, inputs) = self.sizes(block, part);
        let linear = |prefix: &str, name: &str| {
            StoredPart::linear(format!("model.layers.{layer}.{prefix}.{name}.weight"), outputs, inputs)
        };
        let index = match block {
            Block::Dense => return linear("mlp", dense_name(part)),
            Block::Extra => return linear("extra_mlp", dense_name(part)),
            Block::Shared => return linear(self.names.shared, dense_name(part)),
            Block::Expert(index) => index,
        };
        let stacked = |name: &str, rows, columns, order| StoredPart {
            name: format!("model.layers.{layer}.{name}"),
            index,
            stacked: Some(self.architecture.experts.number),
            rows,
            columns,
            order,
        };
        match self.names.experts {
            ExpertNames::Separate { prefix, projections } => {
                linear(&format!("{prefix}.{index}"), of_three(projections, part))
            }
            ExpertNames::Stacked { projections } => stacked(of_three(projections, part), inputs, outputs, Order::Same),
            ExpertNames::Fused { gate_and_up, down, form } => {
                let is_down = part == MlpPart::Down;
                let name = if is_down { down } else { gate_and_up };
                match form {
                    FusedForm::Halves => stacked(name, outputs, inputs, Order::Transposed),
                    FusedForm::Alternating if is_down => stacked(name, inputs, outputs, Order::Same),
                    FusedForm::Alternating => stacked(name, inputs, outputs, Order::ColumnsAlternate),
                    FusedForm::Mxfp4 => {
                        let order = if is_down { Order::Transposed } else { Order::TransposedRowsAlternate };
                        stacked(&format!("{name}_blocks"), outputs, inputs, order)
                    }
                }
            }
        }
    }

    fn projection_bias(&self, layer: usize, block: Block, part: MlpPart) -> StoredPart {
        let (outputs, _) = self.sizes(block, part);
        let weight = self.projection(layer, block, part);
        let order = if weight.order.alternates() { Order::ColumnsAlternate } else { Order::Same };
        let stem = weight.name.trim_end_matches(".weight").trim_end_matches("_blocks");
        let name = if weight.stacked.is_some() { format!("{stem}_bias") } else { format!("{stem}.bias") };
        StoredPart { name, rows: 1, columns: outputs, order, ..weight }
    }
}

fn dense_name(part: MlpPart) -> &'static str {
    of_three(["gate_proj", "up_proj", "down_proj"], part)
}

/// The name of a part among those of gate, up and down.
fn of_three([gate, up, down]: [&'static str; 3], part: MlpPart) -> &'static str {
    match part {
        MlpPart::Gate | MlpPart::GateAndUp => gate,
        MlpPart::Up => up,
        MlpPart::Down => down,
    }
}
