//! One forward pass over the text of a run.

use super::{checkpoint_spec::CheckpointSpec, options::RunOptions};
use crate::{checkpoint::Checkpoint, corpus::ChatTemplate, routing::RouterSettings};

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
    /// Chat template of the conversations.
    pub(crate) template: ChatTemplate,
}

impl Pass {
    /// A pass into the folder of the run itself.
    pub(crate) fn of_run(spec: CheckpointSpec, log_logits: bool) -> Self {
        let template = ChatTemplate::default();
        Self { spec, folder: ".".to_owned(), capacity_factor: None, log_logits, template }
    }

    /// How it turns router logits into assignments.
    pub(crate) fn router(&self, checkpoint: &Checkpoint, options: &RunOptions) -> RouterSettings {
        let routing = &options.routing;
        let factor = self.capacity_factor.or(routing.capacity_factor);
        checkpoint.architecture().router_settings(routing.capacity_rule, factor)
    }
}
