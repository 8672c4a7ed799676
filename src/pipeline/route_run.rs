//! `route`: checkpoint and text -> trace, statistics, charts, report.

use std::{path::Path, time::Instant};

use serde_json::Value;

use super::{
    forward::forward,
    prepared_pass::Prepared,
    request::Request,
    run_folder::note_resumed,
    statistics::{Analysis, analyse},
};
use crate::{
    cli::RouteArgs,
    error::Result,
    run::{RunDir, protect_folders, protect_texts},
};

/// A route run, ready to start.
pub(crate) struct RouteRun {
    pub(crate) request: Request,
    pub(crate) prepared: Prepared,
    identity: Value,
}

impl RouteRun {
    /// Opens, reads and validates everything.
    pub(crate) fn new(arguments: &RouteArgs) -> Result<Self> {
        let request = Request::from(arguments);
        if let Some(out) = &arguments.out {
            protect_folders(out, [arguments.checkpoint.as_path()])?;
        }
        let prepared = Prepared::new(&request)?;
        let identity = Value::Object(prepared.identity.clone());
        if let Some(out) = &arguments.out {
            protect_texts(out, prepared.text_paths(&request))?;
            RunDir::check(out, request.common.execution.occupied(), &identity)?;
        }
        Ok(Self { request, prepared, identity })
    }

    /// The whole run, in the folder `out`. `clock` started with the command.
    pub(crate) fn run(self, out: &Path, clock: Instant) -> Result<(RunDir, Analysis)> {
        let Self { request, prepared, identity } = self;
        let execution = &request.common.execution;
        let (run, resumed) = RunDir::prepare(out, execution.occupied(), &identity)?;
        note_resumed(&run, resumed, execution.quiet);
        let mut manifest = forward(&run, &prepared, &request)?;
        drop(prepared);
        let analysis = analyse(&run, &mut manifest, execution.quiet, Some(clock))?;
        Ok((run, analysis))
    }
}
