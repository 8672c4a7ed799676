//! The tensors that an architecture implies, and the number of their parameters.

use super::{Block, ExpertNames, FusedForm, Role, StoredPart, TensorGroup, TensorMap};
use crate::checkpoint::{quantised::FOUR_BIT_BLOCK, scales::of_four_bits};

/// A tensor that the architecture implies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedTensor {
    /// Name in the weight files.
    pub name: String,
    /// Shape; linear layers are [out, in], stacked expert tensors as their family has them.
    pub shape: Vec<usize>,
    /// How its numbers are stored.
    pub encoding: Encoding,
    /// What its parameters are counted as.
    pub group: TensorGroup,
    /// Whether it may be missing.
    pub optional: bool,
}

/// How the numbers of a tensor are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// One by one, in a floating-point type.
    Numbers,
    /// Two numbers of four bits in a byte (MXFP4).
    FourBits,
    /// A scale in a byte.
    Scales,
}

/// The number of parameters of a model, by role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ParameterCount {
    /// All of them.
    pub total: u64,
    /// Those that one token uses: all but the experts that it does not choose. Both vocabulary matrices count in full.
    pub active_per_token: u64,
    /// The embedding.
    pub embedding: u64,
    /// The head.
    pub lm_head: u64,
    /// Projections of attention.
    pub attention: u64,
    /// Dense MLPs, those after the MoE layers and shared experts included.
    pub dense_mlp: u64,
    /// Experts of all MoE layers.
    pub experts: u64,
    /// Routers.
    pub routers: u64,
    /// Norms.
    pub norms: u64,
}

impl ExpectedTensor {
    /// Parameters that it holds.
    pub fn parameters(&self) -> u64 {
        let stored = self.shape.iter().fold(1_u64, |size, &dimension| size.saturating_mul(dimension as u64));
        match self.encoding {
            Encoding::Numbers => stored,
            Encoding::FourBits => stored.saturating_mul(2),
            Encoding::Scales => 0,
        }
    }
}

impl TensorMap {
    /// Every tensor of the model, in layer order.
    pub fn expected(&self) -> Vec<ExpectedTensor> {
        let architecture = self.architecture();
        let mut tensors = self.tensors_of(0, &[Role::Embedding]);
        for layer in 0..architecture.layers.len() {
            tensors.extend(self.tensors_of(layer, &self.attention()));
            if architecture.routes(layer) {
                tensors.extend(self.tensors_of(layer, &self.router()));
                for expert in 0..self.tensors_of_experts() {
                    tensors.extend(self.tensors_of(layer, &self.mlp(Block::Expert(expert))));
                }
            }
            for block in self.blocks(layer) {
                tensors.extend(self.tensors_of(layer, &self.mlp(block)));
            }
        }
        tensors.extend(self.tensors_of(0, &self.final_norm()));
        let head = architecture.head;
        let optional = head.tied || !self.needs_head();
        tensors.extend(self.tensors_of(0, &[Role::Head]).into_iter().map(|head| ExpectedTensor { optional, ..head }));
        tensors.extend(if head.bias { self.tensors_of(0, &[Role::HeadBias]) } else { Vec::new() });
        tensors
    }

    /// How many experts of a layer have tensors of their own; stacked ones share those of the first.
    fn tensors_of_experts(&self) -> usize {
        match self.names().experts {
            ExpertNames::Separate { .. } => self.architecture().experts.number,
            _ => 1,
        }
    }

    fn tensors_of(&self, layer: usize, roles: &[Role]) -> Vec<ExpectedTensor> {
        let has_four_bits = matches!(self.names().experts, ExpertNames::Fused { form: FusedForm::Mxfp4, .. });
        let mut tensors = Vec::new();
        for role in roles {
            let part = self.stored(layer, *role);
            if has_four_bits && matches!(role, Role::Mlp(Block::Expert(_), _)) {
                tensors.extend(blocks_and_scales(&part));
            } else {
                tensors.push(ExpectedTensor {
                    shape: shape(&part, *role),
                    name: part.name,
                    encoding: Encoding::Numbers,
                    group: role.group(),
                    optional: false,
                });
            }
        }
        tensors
    }

    /// Counts the parameters of [`Self::expected`].
    pub fn parameter_count(&self) -> ParameterCount {
        let mut count = ParameterCount::default();
        for tensor in self.expected() {
            let size = tensor.parameters();
            count.total = count.total.saturating_add(size);
            if let Some(of_group) = count.of_group(tensor.group) {
                *of_group = of_group.saturating_add(size);
            }
        }
        let experts = &self.architecture().experts;
        let per_expert = count.experts / experts.number as u64;
        count.active_per_token = count.total - per_expert * (experts.number - experts.chosen) as u64;
        count
    }
}

/// The shape of the whole tensor that a part belongs to.
fn shape(part: &StoredPart, role: Role) -> Vec<usize> {
    let is_vector = part.rows == 1 && role != Role::SharedGate && !matches!(role, Role::Mlp(..) | Role::Router);
    let own = if is_vector { vec![part.columns] } else { vec![part.rows, part.columns] };
    part.stacked.into_iter().chain(own).collect()
}

/// The two tensors that hold matrices of four-bit numbers.
fn blocks_and_scales(part: &StoredPart) -> [ExpectedTensor; 2] {
    let experts = part.stacked.unwrap_or(1);
    let scales = vec![experts, part.rows, part.columns / FOUR_BIT_BLOCK];
    let blocks = scales.iter().copied().chain([FOUR_BIT_BLOCK / 2]).collect();
    let tensor = |name, shape, encoding, group| ExpectedTensor { name, shape, encoding, group, optional: false };
    [
        tensor(part.name.clone(), blocks, Encoding::FourBits, TensorGroup::Experts),
        tensor(of_four_bits(&part.name), scales, Encoding::Scales, TensorGroup::Scales),
    ]
}

impl ParameterCount {
    /// The same model whose head is its embedding.
    pub(in crate::checkpoint) fn without_head(self) -> Self {
        let total = self.total - self.lm_head;
        Self { total, active_per_token: self.active_per_token - self.lm_head, lm_head: 0, ..self }
    }

    /// The counter of a group.
    fn of_group(&mut self, group: TensorGroup) -> Option<&mut u64> {
        match group {
            TensorGroup::Embedding => Some(&mut self.embedding),
            TensorGroup::Head => Some(&mut self.lm_head),
            TensorGroup::Attention => Some(&mut self.attention),
            TensorGroup::DenseMlp => Some(&mut self.dense_mlp),
            TensorGroup::Experts => Some(&mut self.experts),
            TensorGroup::Routers => Some(&mut self.routers),
            TensorGroup::Norms => Some(&mut self.norms),
            TensorGroup::Scales => None,
        }
    }
}
