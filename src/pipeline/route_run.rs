//! `route`: checkpoint and text -> trace, statistics, charts, report.

use std::{path::Path, time::Instant};

use super::{
    forward::forward,
    pass_manifest::record,
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
}

impl RouteRun {
    /// Opens, reads and validates everything.
    pub(crate) fn new(arguments: &RouteArgs) -> Result<Self> {
        let request = Request::from(arguments);
        if let Some(out) = &arguments.out {
            protect_folders(out, [arguments.checkpoint.as_path()])?;
        }
        let prepared = Prepared::new(&request)?;
        if let Some(out) = &arguments.out {
            protect_texts(out, prepared.text_paths(&request))?;
            RunDir::check(out, request.common.execution.occupied(), &prepared.identity)?;
        }
        Ok(Self { request, prepared })
    }

    /// The whole run, in the folder `out`. `clock` started with the command.
    pub(crate) fn run(self, out: &Path, clock: Instant) -> Result<(RunDir, Analysis)> {
        let Self { request, prepared } = self;
        let execution = &request.common.execution;
        let (run, resumed) = RunDir::prepare(out, execution.occupied(), &prepared.identity)?;
        note_resumed(&run, resumed, execution.quiet);
        let mut record = record(&prepared, &request);
        forward(&run, &prepared, &request, &mut record)?;
        drop(prepared);
        let analysis = analyse(&run, &mut record, execution.quiet, Some(clock))?;
        Ok((run, analysis))
    }
}
