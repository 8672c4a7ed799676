//! What a family calls its tensors, where families differ.

/// Names below `model.layers.N.`, without which a family's are those of [`TensorNames::COMMON`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::checkpoint) struct TensorNames {
    /// The router's matrix.
    pub(in crate::checkpoint) router: &'static str,
    /// The router's bias.
    pub(in crate::checkpoint) router_bias: &'static str,
    /// The experts.
    pub(in crate::checkpoint) experts: ExpertNames,
    /// What stands before the projections of the shared experts.
    pub(in crate::checkpoint) shared: &'static str,
    /// Whether a model whose head is not its embedding must have a head; routing needs none.
    pub(in crate::checkpoint) needs_head: bool,
}

/// How experts are stored, and what their tensors are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::checkpoint) enum ExpertNames {
    /// Linear layers, one tensor for each projection of each expert: `PREFIX.E.NAME.weight`, `[outputs, inputs]`.
    Separate {
        /// What stands before the number of the expert.
        prefix: &'static str,
        /// Gate, up and down.
        projections: [&'static str; 3],
    },
    /// One tensor for each projection, `[E, inputs, outputs]`.
    Stacked {
        /// Gate, up and down.
        projections: [&'static str; 3],
    },
    /// One tensor for gate and up, one for down.
    Fused {
        /// Gate and up.
        gate_and_up: &'static str,
        /// Down.
        down: &'static str,
        /// Order of the numbers.
        form: FusedForm,
    },
}

/// The order of the numbers of fused experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::checkpoint) enum FusedForm {
    /// `[E, outputs, inputs]`; the rows of the gate before those of up.
    Halves,
    /// `[E, inputs, outputs]`; columns of gate and up alternate.
    Alternating,
    /// Blocks of 32 numbers of four bits with a common scale: `NAME_blocks [E, outputs, inputs / 32, 16]` and
    /// `NAME_scales [E, outputs, inputs / 32]`; rows of gate and up alternate.
    Mxfp4,
}

impl TensorNames {
    /// Those of most families.
    pub(in crate::checkpoint) const COMMON: Self = Self {
        router: "mlp.gate.weight",
        router_bias: "mlp.gate.bias",
        experts: ExpertNames::Separate { prefix: "mlp.experts", projections: ["gate_proj", "up_proj", "down_proj"] },
        shared: "mlp.shared_experts",
        needs_head: true,
    };
}
