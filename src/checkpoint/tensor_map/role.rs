//! The roles that tensors play in a model.

/// What a tensor, or a part of a stacked tensor, is for. Roles of a layer are the same in all layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Token ids to hidden states, `[vocabulary, H]`.
    Embedding,
    /// The last norm, `[H]`.
    FinalNorm,
    /// Its bias.
    FinalNormBias,
    /// Hidden states to logits, `[vocabulary, H]`.
    Head,
    /// Its bias, `[vocabulary]`.
    HeadBias,
    /// The norm before attention, `[H]`.
    AttentionNorm,
    /// Its bias.
    AttentionNormBias,
    /// The projection to queries, `[heads * D, H]`.
    Query,
    /// Its bias.
    QueryBias,
    /// The projection to keys.
    Key,
    /// Its bias.
    KeyBias,
    /// The projection to values.
    Value,
    /// Its bias.
    ValueBias,
    /// From the heads back to hidden states, `[H, heads * D]`.
    Output,
    /// Its bias.
    OutputBias,
    /// The norm of queries.
    QueryNorm,
    /// The norm of keys.
    KeyNorm,
    /// A logit of each head that is no key's, `[heads]`.
    Sinks,
    /// Hidden states to the latent of queries.
    QueryLatent,
    /// Its bias.
    QueryLatentBias,
    /// The norm of that latent.
    QueryLatentNorm,
    /// The latent to queries.
    QueryFromLatent,
    /// Hidden states to the latent of keys and values, and to the rotated part of the keys.
    KeyValueLatent,
    /// Its bias.
    KeyValueLatentBias,
    /// The norm of that latent.
    KeyValueLatentNorm,
    /// The latent to keys and values.
    KeyValueFromLatent,
    /// The norm before MLP, router and experts, `[H]`.
    FeedForwardNorm,
    /// Its bias.
    FeedForwardNormBias,
    /// Hidden states to router logits, `[E, H]`.
    Router,
    /// Its bias, `[E]`.
    RouterBias,
    /// Added to the scores for the choice, `[E]`.
    CorrectionBias,
    /// A projection of an MLP.
    Mlp(Block, MlpPart),
    /// Its bias.
    MlpBias(Block, MlpPart),
    /// Hidden states to the gate of the shared experts, `[1, H]`.
    SharedGate,
    /// The norm before the dense MLP that follows experts, `[H]`.
    ExtraNorm,
}

/// The MLPs of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// In place of experts.
    Dense,
    /// After the experts (OpenMoE).
    Extra,
    /// Beside the experts.
    Shared,
    /// One expert.
    Expert(usize),
}

/// The projections of an MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MlpPart {
    /// The gate.
    Gate,
    /// The factor of the gate.
    Up,
    /// Both in one matrix, gate first.
    GateAndUp,
    /// Back to hidden states.
    Down,
}

/// What the parameters of a tensor are counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorGroup {
    /// The embedding.
    Embedding,
    /// The head.
    Head,
    /// Attention, but for the norms in it.
    Attention,
    /// Dense MLPs and shared experts.
    DenseMlp,
    /// Experts.
    Experts,
    /// Routers.
    Routers,
    /// Norms.
    Norms,
    /// Scales of other tensors, which are no parameters.
    Scales,
}

impl Role {
    /// What its parameters are counted as.
    pub fn group(self) -> TensorGroup {
        match self {
            Self::Embedding => TensorGroup::Embedding,
            Self::Head | Self::HeadBias => TensorGroup::Head,
            Self::FinalNorm
            | Self::FinalNormBias
            | Self::AttentionNorm
            | Self::AttentionNormBias
            | Self::FeedForwardNorm
            | Self::FeedForwardNormBias
            | Self::QueryNorm
            | Self::KeyNorm
            | Self::QueryLatentNorm
            | Self::KeyValueLatentNorm
            | Self::ExtraNorm => TensorGroup::Norms,
            Self::Query
            | Self::QueryBias
            | Self::Key
            | Self::KeyBias
            | Self::Value
            | Self::ValueBias
            | Self::Output
            | Self::OutputBias
            | Self::Sinks
            | Self::QueryLatent
            | Self::QueryLatentBias
            | Self::QueryFromLatent
            | Self::KeyValueLatent
            | Self::KeyValueLatentBias
            | Self::KeyValueFromLatent => TensorGroup::Attention,
            Self::Router | Self::RouterBias | Self::CorrectionBias => TensorGroup::Routers,
            Self::Mlp(Block::Expert(_), _) | Self::MlpBias(Block::Expert(_), _) => TensorGroup::Experts,
            Self::Mlp(..) | Self::MlpBias(..) | Self::SharedGate => TensorGroup::DenseMlp,
        }
    }
}
