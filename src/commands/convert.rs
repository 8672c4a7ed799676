//! `convert`: a checkpoint of any form that is read -> safetensors.

use super::{
    checkpoint_places::CheckpointPlaces, dry_run::nothing_written, out::out, progress::TerminalProgress, signals,
    terminal,
};
use crate::{
    cli::ConvertArgs,
    pipeline::{Conversion, ConvertOptions, checkpoint_spec::CheckpointSpec, hub_checkpoint::HubFiles},
};

/// Writes the new folder, or says what it would hold.
pub(super) fn run(arguments: &ConvertArgs, progress: &TerminalProgress) -> anyhow::Result<()> {
    signals::watch_for_interrupts();
    let to = if arguments.dry_run { arguments.out.as_deref() } else { Some(out(arguments.out.as_deref())?) };
    let mut options = ConvertOptions::from(arguments);
    options.check(to)?;
    let places = if arguments.dry_run {
        CheckpointPlaces::new(HubFiles::ConfigurationAndTokenizer, arguments.quiet, progress).without_zip()
    } else {
        CheckpointPlaces::new(HubFiles::Everything, arguments.quiet, progress)
    };
    places.with_config(arguments.config.as_deref())?.resolve(&mut options.checkpoint)?;
    let conversion = Conversion::new(&options, to, progress)?;
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
            checkpoint: CheckpointSpec::in_folder(&arguments.checkpoint),
            dtype: arguments.dtype,
            max_shard_size: arguments.max_shard_size.as_u64(),
            force: arguments.force,
        }
    }
}
