//! `convert`: a checkpoint of any form that is read -> safetensors.

use super::{dry_run::nothing_written, out::out, progress::TerminalProgress, signals, terminal};
use crate::{
    checkpoint::ConfigSource,
    cli::ConvertArgs,
    pipeline::{Conversion, ConvertOptions},
};

/// Writes the new folder, or says what it would hold.
pub(super) fn run(arguments: &ConvertArgs, progress: &TerminalProgress) -> anyhow::Result<()> {
    signals::watch_for_interrupts();
    let to = if arguments.dry_run { arguments.out.as_deref() } else { Some(out(arguments.out.as_deref())?) };
    let conversion = Conversion::new(&arguments.into(), to, progress)?;
    if arguments.dry_run {
        conversion.plan().iter().try_for_each(|line| terminal::print(line))?;
        nothing_written()?;
        return Ok(());
    }
    let converted = conversion.run(progress)?;
    converted.lines().iter().try_for_each(|line| terminal::print(line))?;
    Ok(())
}

impl From<&ConvertArgs> for ConvertOptions {
    fn from(arguments: &ConvertArgs) -> Self {
        Self {
            source: arguments.checkpoint.clone(),
            dtype: arguments.dtype,
            config: arguments.config.as_deref().map_or(ConfigSource::Found, ConfigSource::of),
            max_shard_size: arguments.max_shard_size.as_u64(),
            force: arguments.force,
        }
    }
}
