//! From the roles of tensors to what is stored: the one place that knows names, shapes and layouts.

mod expected;
mod names;
mod role;
mod stored;
#[cfg(test)]
mod tests;

pub use expected::{Encoding, ExpectedTensor, ParameterCount};
pub(super) use names::{ExpertNames, FusedForm, TensorNames};
pub use role::{Block, MlpPart, Role, TensorGroup};
pub use stored::{Order, StoredPart};

use super::architecture::{Architecture, FeedForward, Mlp, NormKind};

/// The tensors of a model.
#[derive(Clone, Debug)]
pub struct TensorMap {
    architecture: Architecture,
    names: TensorNames,
}

impl TensorMap {
    /// The tensors of an architecture under the names of its family.
    pub(super) fn new(architecture: Architecture, names: TensorNames) -> Self {
        Self { architecture, names }
    }

    /// The architecture.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// What the family calls its tensors.
    fn names(&self) -> &TensorNames {
        &self.names
    }

    /// Whether the head must be there unless the embedding stands for it.
    fn needs_head(&self) -> bool {
        self.names.needs_head
    }

    /// The roles of attention and its two norms, in the order in which a forward pass uses them.
    pub fn attention(&self) -> Vec<Role> {
        let attention = &self.architecture.attention;
        let mut roles = self.norm(Role::AttentionNorm, Role::AttentionNormBias);
        let mut add = |role: Role, is_there: bool| roles.extend(is_there.then_some(role));
        let bias = attention.input_bias;
        if let Some(latent) = attention.latent() {
            let has_query_latent = latent.query_rank.is_some();
            add(Role::Query, !has_query_latent);
            add(Role::QueryLatent, has_query_latent);
            add(Role::QueryLatentBias, has_query_latent && bias);
            add(Role::QueryLatentNorm, has_query_latent);
            add(Role::QueryFromLatent, has_query_latent);
            add(Role::KeyValueLatent, true);
            add(Role::KeyValueLatentBias, bias);
            add(Role::KeyValueLatentNorm, true);
            add(Role::KeyValueFromLatent, true);
        } else {
            for (matrix, its_bias) in
                [(Role::Query, Role::QueryBias), (Role::Key, Role::KeyBias), (Role::Value, Role::ValueBias)]
            {
                add(matrix, true);
                add(its_bias, bias);
            }
            add(Role::QueryNorm, attention.query_key_norm.is_some());
            add(Role::KeyNorm, attention.query_key_norm.is_some());
        }
        add(Role::Sinks, attention.sinks);
        add(Role::Output, true);
        add(Role::OutputBias, attention.output_bias);
        roles.extend(self.norm(Role::FeedForwardNorm, Role::FeedForwardNormBias));
        roles
    }

    /// The roles of the router of a layer that routes.
    pub fn router(&self) -> Vec<Role> {
        let experts = &self.architecture.experts;
        let biases = [(Role::RouterBias, experts.router_bias), (Role::CorrectionBias, experts.correction_bias)];
        let mut roles = vec![Role::Router];
        roles.extend(biases.into_iter().filter(|(_, is_there)| *is_there).map(|(role, _)| role));
        roles
    }

    /// The roles of an MLP.
    pub fn mlp(&self, block: Block) -> Vec<Role> {
        let fused = matches!(self.names.experts, ExpertNames::Fused { .. }) && matches!(block, Block::Expert(_));
        let parts: &[MlpPart] =
            if fused { &[MlpPart::GateAndUp, MlpPart::Down] } else { &[MlpPart::Gate, MlpPart::Up, MlpPart::Down] };
        let mut roles: Vec<Role> = parts.iter().map(|part| Role::Mlp(block, *part)).collect();
        if self.mlp_of(block).bias {
            roles.extend(parts.iter().map(|part| Role::MlpBias(block, *part)));
        }
        match block {
            Block::Extra => roles.push(Role::ExtraNorm),
            Block::Shared if self.architecture.experts.shared.is_some_and(|shared| shared.gated) => {
                roles.push(Role::SharedGate);
            }
            _ => {}
        }
        roles
    }

    /// The roles of the final norm.
    pub fn final_norm(&self) -> Vec<Role> {
        self.norm(Role::FinalNorm, Role::FinalNormBias)
    }

    fn norm(&self, weight: Role, bias: Role) -> Vec<Role> {
        match self.architecture.norm.kind {
            NormKind::RootMeanSquare => vec![weight],
            NormKind::Layer => vec![weight, bias],
        }
    }

    /// The MLP of a block.
    pub fn mlp_of(&self, block: Block) -> Mlp {
        let Architecture { dense, experts, .. } = &self.architecture;
        match block {
            Block::Dense | Block::Extra => *dense,
            Block::Expert(_) => experts.mlp,
            Block::Shared => experts.shared.map_or(*dense, |shared| shared.mlp),
        }
    }

    /// The blocks of a layer besides its experts.
    pub fn blocks(&self, layer: usize) -> Vec<Block> {
        let shared = self.architecture.experts.shared.map(|_| Block::Shared);
        match self.architecture.layers[layer].feed_forward {
            FeedForward::Dense => vec![Block::Dense],
            FeedForward::Moe => shared.into_iter().collect(),
            FeedForward::MoeThenDense => shared.into_iter().chain([Block::Extra]).collect(),
        }
    }
}
