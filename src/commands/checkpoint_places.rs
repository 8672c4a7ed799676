//! What was typed for a checkpoint: a folder, or a name of the hub, which is looked up where there is no such folder.

use std::{cell::OnceCell, path::Path};

use super::{hub_access, progress::TerminalProgress};
use crate::{
    checkpoint::ConfigSource,
    cli::CommonArgs,
    error::{Error, OptionName, Result},
    hub::{Hub, HubName, RangeMode},
    pipeline::{
        checkpoint_spec::{CheckpointSpec, folder_label},
        hub_checkpoint::{HubFiles, HubReading, hub_checkpoint},
        revisions::revisions,
    },
};

/// Looks up names; the hub is not asked anything unless one is typed.
pub(super) struct CheckpointPlaces<'p> {
    files: HubFiles,
    mode: RangeMode,
    /// Whether a ZIP of T5X may be fetched whole.
    takes_zip: bool,
    quiet: bool,
    config: ConfigSource,
    progress: &'p TerminalProgress,
    hub: OnceCell<(Hub, bool)>,
}

impl<'p> CheckpointPlaces<'p> {
    /// What is read of weights is kept.
    pub(super) fn new(files: HubFiles, quiet: bool, progress: &'p TerminalProgress) -> Self {
        let (mode, config) = (RangeMode::Kept, ConfigSource::Found);
        Self { files, mode, takes_zip: true, quiet, config, progress, hub: OnceCell::new() }
    }

    /// For a run over a text.
    ///
    /// # Errors
    /// As [`Self::with_config`].
    pub(super) fn of_run(typed: &CommonArgs, progress: &'p TerminalProgress) -> Result<Self> {
        let execution = &typed.execution;
        let mode = if execution.stream { RangeMode::Streamed } else { RangeMode::Kept };
        let places = Self::new(HubFiles::ConfigurationAndTokenizer, execution.quiet, progress);
        Self { mode, takes_zip: !execution.dry_run, ..places }.with_config(typed.input.config.as_deref())
    }

    /// No ZIP is fetched: where nothing is done with the weights yet, it would be a surprise.
    pub(super) fn without_zip(self) -> Self {
        Self { takes_zip: false, ..self }
    }

    /// With the configuration that was typed for checkpoints of T5X.
    ///
    /// # Errors
    /// [`Error::Usage`] if it is neither the name of a released model nor a file.
    pub(super) fn with_config(self, typed: Option<&Path>) -> Result<Self> {
        Ok(Self { config: typed.map_or(Ok(ConfigSource::Found), ConfigSource::of)?, ..self })
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
        let (hub, has_bar) = self.hub()?;
        let folder = hub.open(&name).map_err(|error| match error {
            Error::Hub { message, hint } if is_folder_too => Error::Hub {
                message: format!("there is no folder `{typed}`, and as a name of the hub: {message}"),
                hint,
            },
            error => error,
        })?;
        let reading = HubReading {
            files: self.files,
            mode: self.mode,
            takes_zip: self.takes_zip,
            config: &self.config,
            has_bar: *has_bar,
            progress: self.progress,
        };
        let found = hub_checkpoint(folder, label, &reading)?;
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
                format!(
                    "{} needs one name of the hub, without label and revision; found {found}",
                    OptionName::Revisions
                ),
                "for example drift allenai/OLMoE-1B-7B-0924 --revisions 'step*-tokens*' --every 10",
            )
        };
        let [only] = typed else { return Err(refuse(format!("{} checkpoints", typed.len()))) };
        let folder = only.folder.to_string_lossy();
        let name = HubName::parse(&folder, || only.folder.symlink_metadata().is_ok())?;
        let name = name.ok_or_else(|| refuse(format!("the folder `{folder}`")))?;
        if only.label != folder_label(&only.folder) {
            return Err(refuse(format!("the label `{}`", only.label)));
        }
        if name.has_revision() {
            return Err(refuse(format!("the revision `{}`", name.revision())));
        }
        let chosen = revisions(&self.hub()?.0, &name, pattern, every.unwrap_or(1) as usize, self.progress)?;
        Ok(chosen.iter().map(|name| CheckpointSpec::new(format!("hf://{name}"), false)).collect())
    }

    /// The hub, by the variables of the environment, and whether a download has a bar.
    ///
    /// # Errors
    /// As [`Hub::new`].
    fn hub(&self) -> Result<&(Hub, bool)> {
        if let Some(hub) = self.hub.get() {
            return Ok(hub);
        }
        let settings = hub_access::settings()?;
        let bars = settings.bars;
        let hub = hub_access::hub(settings, self.quiet)?;
        Ok(self.hub.get_or_init(|| (hub, bars)))
    }
}
