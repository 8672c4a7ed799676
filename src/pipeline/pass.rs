//! One forward pass over the text of a run.

use super::{checkpoint_spec::CheckpointSpec, intervention::Intervention, options::RunOptions};
use crate::{
    checkpoint::{Architecture, Checkpoint},
    corpus::ChatTemplate,
    model::Cost,
    routing::{Block, Provides, RouterSettings},
};

/// What distinguishes one pass from the others of its run, which share the text and the options.
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    /// The checkpoint.
    pub(crate) spec: CheckpointSpec,
    /// The sub-folder of the run that its trace is written into; `.` is the folder of the run itself.
    pub(crate) folder: String,
    /// The capacity factor of an exact replay; `None`: that of the run.
    pub(crate) capacity_factor: Option<f64>,
    /// Whether the router logits of every token are kept too.
    pub(crate) log_logits: bool,
    /// Whether the loss of every next token is computed and kept.
    pub(crate) losses: bool,
    /// What is changed about the routers; `None`: nothing.
    pub(crate) intervention: Option<Intervention>,
    /// Chat template of the conversations.
    pub(crate) template: ChatTemplate,
}

impl Pass {
    /// A pass into the folder of the run itself.
    pub(crate) fn of_run(spec: CheckpointSpec, log_logits: bool) -> Self {
        Self {
            spec,
            folder: ".".to_owned(),
            capacity_factor: None,
            log_logits,
            losses: false,
            intervention: None,
            template: ChatTemplate::default(),
        }
    }

    /// How it turns router logits into assignments.
    pub(crate) fn router(&self, checkpoint: &Checkpoint, options: &RunOptions) -> RouterSettings {
        let routing = &options.routing;
        let factor = self.capacity_factor.or(routing.capacity_factor);
        checkpoint.architecture().router_settings(routing.capacity_rule, factor)
    }

    /// The blocks of its trace: there is no margin of the last choice where no other expert can be chosen. OpenMoE's is then the whole
    /// probability.
    pub(crate) fn provides(&self, architecture: &Architecture) -> Provides {
        let all = Provides::forward_pass(self.log_logits);
        let all = if self.losses { all.with(Block::Losses) } else { all };
        if architecture.is_openmoe() || architecture.experts.has_margin() { all } else { all.without(Block::MarginK) }
    }

    /// Its arithmetic and memory for sequences of `length` tokens.
    pub(crate) fn cost(&self, checkpoint: &Checkpoint, length: usize) -> Cost {
        let cost = Cost::new(checkpoint.map(), length);
        if self.losses { cost.with_losses(checkpoint.map(), length) } else { cost }
    }

    /// The decoder layers that it runs: all if it computes losses, else those up to the last router.
    pub(crate) fn layers(&self, architecture: &Architecture) -> u64 {
        let last = architecture.moe_layers().last().map_or(0, |&last| u64::from(last) + 1);
        if self.losses { architecture.layers.len() as u64 } else { last }
    }
}
