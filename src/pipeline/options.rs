//! What was typed, checked.

use crate::{
    cli::{CommonArgs, ExecutionArgs},
    error::{Error, Result},
    run::Occupied,
};

/// Refuses options that contradict each other or leave no slot.
pub(crate) fn check_options(common: &CommonArgs) -> Result<()> {
    if common.input.no_bos && common.statistics.exclude_bos {
        return Err(Error::usage(
            "--exclude-bos leaves position 0 out, and with --no-bos that is a token of the text",
            "leave one of the two out",
        ));
    }
    match common.routing.capacity_factor {
        Some(factor) if !(factor.is_finite() && factor > 0.0) => Err(Error::usage(
            format!("--capacity-factor {factor}; expected a positive number"),
            "for no drops at all use --capacity-rule unlimited",
        )),
        _ => Ok(()),
    }
}

/// Tokens per sequence: as typed, else as many as the model takes.
pub(crate) fn context(common: &CommonArgs, longest: usize) -> Result<usize> {
    match common.input.context.map(|context| context as usize) {
        Some(context) if context > longest => Err(Error::usage(
            format!("--context {context}; the model takes at most max_position_embeddings = {longest} tokens"),
            format!("use --context {longest} or less; longer documents are cut into several sequences"),
        )),
        context => Ok(context.unwrap_or(longest)),
    }
}

impl ExecutionArgs {
    /// What to do with a folder that holds something.
    pub(crate) fn occupied(&self) -> Occupied {
        match (self.force, self.resume) {
            (true, _) => Occupied::Replace,
            (_, true) => Occupied::Resume,
            _ => Occupied::Refuse,
        }
    }
}
