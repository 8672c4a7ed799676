//! `recorder`: the script that makes an engine record its routes.

use super::terminal;
use crate::cli::RecorderArgs;

/// Prints it.
pub(super) fn run(arguments: &RecorderArgs) -> anyhow::Result<()> {
    Ok(terminal::print_text(arguments.engine.script.trim_end())?)
}
