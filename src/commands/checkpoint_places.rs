//! What was typed for a checkpoint: a folder, or a name of the hub, which is looked up where there is no such folder.

use std::{cell::OnceCell, path::Path};

use super::hub_access;
use crate::{
    checkpoint::ConfigSource,
    cli::CommonArgs,
    error::{Error, Result},
    hub::{Hub, HubName, RangeMode},
    pipeline::{
        checkpoint_spec::{CheckpointSpec, folder_label},
        hub_checkpoint::{HubFiles, hub_checkpoint},
        revisions::revisions,
    },
};

/// Looks up names; the hub is not asked anything unless one is typed.
pub(super) struct CheckpointPlaces {
    files: HubFiles,
    mode: RangeMode,
    quiet: bool,
    config: ConfigSource,
    hub: OnceCell<Hub>,
}

impl CheckpointPlaces {
    /// `stream`: weights that are read from the hub are kept nowhere.
    pub(super) fn new(files: HubFiles, stream: bool, quiet: bool) -> Self {
        let mode = if stream { RangeMode::Streamed } else { RangeMode::Kept };
        Self { files, mode, quiet, config: ConfigSource::Found, hub: OnceCell::new() }
    }

    /// For a run over a text.
    pub(super) fn of_run(typed: &CommonArgs) -> Self {
        let execution = &typed.execution;
        Self::new(HubFiles::ConfigurationAndTokenizer, execution.stream, execution.quiet)
            .with_config(typed.input.config.as_deref())
    }

    /// With the configuration that was typed for checkpoints of T5X.
    pub(super) fn with_config(self, typed: Option<&Path>) -> Self {
        Self { config: typed.map_or(ConfigSource::Found, ConfigSource::of), ..self }
    }

    /// Puts the checkpoint of the hub in the place of a name; a folder stays what it is.
    ///
    /// # Errors
    /// [`Error::Usage`] for a name that cannot be one; [`Error::Hub`]; [`Error::Interrupted`].
    pub(super) fn resolve(&self, spec: &mut CheckpointSpec) -> Result<()> {
        spec.config.clone_from(&self.config);
        let Some(typed) = spec.folder.to_str() else { return Ok(()) };
        let Some(name) = HubName::parse(typed, || spec.folder.symlink_metadata().is_ok())? else { return Ok(()) };
        let is_folder_too = !typed.starts_with("hf://");
        let label = (spec.label != folder_label(&spec.folder)).then_some(spec.label.as_str());
        let found = hub_checkpoint(self.hub()?, &name, label, self.files, self.mode).map_err(|error| match error {
            Error::Hub { message, hint } if is_folder_too => Error::Hub {
                message: format!("there is no folder `{typed}`, and as a name of the hub: {message}"),
                hint,
            },
            error => error,
        })?;
        *spec = CheckpointSpec {
            off_axis: spec.off_axis,
            arithmetic: spec.arithmetic,
            config: self.config.clone(),
            ..found
        };
        Ok(())
    }

    /// The revisions of the one repository among `typed` whose names look like `pattern`, of these every `every`-th.
    ///
    /// # Errors
    /// [`Error::Usage`] if there are several checkpoints, or the one is no name of the hub; those of [`revisions`].
    pub(super) fn revisions(
        &self,
        typed: &[CheckpointSpec],
        pattern: &str,
        every: Option<u32>,
    ) -> Result<Vec<CheckpointSpec>> {
        let refuse = |found: String| {
            Error::usage(
                format!("--revisions needs one name of the hub; found {found}"),
                "for example drift allenai/OLMoE-1B-7B-0924 --revisions 'step*-tokens*' --every 10",
            )
        };
        let [only] = typed else { return Err(refuse(format!("{} checkpoints", typed.len()))) };
        let folder = only.folder.to_string_lossy();
        let name = HubName::parse(&folder, || only.folder.symlink_metadata().is_ok())?;
        let name = name.ok_or_else(|| refuse(format!("the folder `{folder}`")))?;
        let chosen = revisions(self.hub()?, &name, pattern, every.unwrap_or(1) as usize)?;
        Ok(chosen.iter().map(|name| CheckpointSpec::new(format!("hf://{name}"), false)).collect())
    }

    /// The hub, by the variables of the environment.
    ///
    /// # Errors
    /// As [`Hub::new`].
    pub(super) fn hub(&self) -> Result<&Hub> {
        if let Some(hub) = self.hub.get() {
            return Ok(hub);
        }
        let hub = hub_access::hub(hub_access::settings()?, self.quiet)?;
        Ok(self.hub.get_or_init(|| hub))
    }
}
