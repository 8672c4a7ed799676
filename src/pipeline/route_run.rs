//! A route run: a text goes through one checkpoint; writes trace, statistics, charts and report.

use std::{path::Path, time::Instant};

use super::{
    forward_pass::run_forward_pass,
    options::RouteOptions,
    pass::Pass,
    pass_record::pass_record,
    prepared_pass::PreparedPass,
    progress::Progress,
    run_folder::note_resumed,
    statistics::{Analysis, finish_run},
    work_plan,
};
use crate::{
    error::Result,
    run::{RunDir, protect_folders, protect_texts},
};

/// Routes a text with one checkpoint, into the new or empty folder `out`: trace, statistics, charts, report.
/// [`ExecutionOptions::occupied`](super::options::ExecutionOptions::occupied) decides what happens to a folder that is not empty.
///
/// # Errors
/// Options, checkpoints, text or a folder that cannot be used. Nothing is written then, unless the forward pass itself fails.
/// [`Error::Interrupted`](crate::error::Error::Interrupted) if the run is cancelled; what is complete is kept.
pub fn route(options: RouteOptions, out: &Path, progress: &dyn Progress) -> Result<(RunDir, Analysis)> {
    RouteRun::new(options, Some(out), progress)?.run(out, progress)
}

/// A route run, ready to start.
pub(crate) struct RouteRun {
    /// What is asked of it.
    pub(crate) options: RouteOptions,
    /// Its forward pass.
    pub(crate) pass: Pass,
    /// The same, opened and checked.
    pub(crate) prepared: PreparedPass,
    clock: Instant,
}

impl RouteRun {
    /// Opens, reads and validates everything; also the folder `out`, if the run is to be written.
    pub(crate) fn new(options: RouteOptions, out: Option<&Path>, progress: &dyn Progress) -> Result<Self> {
        let clock = Instant::now();
        if let Some(out) = out {
            protect_folders(out, [options.checkpoint.folder.as_path()])?;
        }
        let pass = Pass::of_run(options.checkpoint.clone(), options.log_logits);
        let prepared = PreparedPass::new(&options.run, &pass, progress)?;
        if let Some(out) = out {
            protect_texts(out, prepared.text_paths(&options.run))?;
            RunDir::check(out, options.run.execution.occupied, &prepared.identity)?;
        }
        Ok(Self { options, pass, prepared, clock })
    }

    /// The whole run, in the folder `out`.
    pub(crate) fn run(self, out: &Path, progress: &dyn Progress) -> Result<(RunDir, Analysis)> {
        let Self { options, pass, prepared, clock } = self;
        let execution = &options.run.execution;
        let (run, resumed) = RunDir::prepare(out, execution.occupied, &prepared.identity)?;
        note_resumed(&run, resumed, progress);
        let mut record = pass_record(&prepared, &pass, &options.run);
        progress.planned(&work_plan::of_run(Some(&prepared), 1, &record));
        run_forward_pass(&run, &prepared, &pass, &mut record, progress)?;
        drop(prepared);
        let analysis = finish_run(&run, &mut record, execution.report, progress, Some(clock))?;
        Ok((run, analysis))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{
        error::Error,
        pipeline::{
            options::{InputOptions, RunOptions},
            progress::Stage,
        },
    };

    /// Cancels the run in its forward pass, and remembers what was reported.
    #[derive(Default)]
    struct Impatient {
        begun: Mutex<Vec<Stage>>,
        ended: Mutex<Vec<Stage>>,
    }

    impl Progress for Impatient {
        fn started(&self, stage: Stage, _: Option<u64>) {
            self.begun.lock().unwrap().push(stage);
        }

        fn ended(&self, stage: Stage) {
            self.ended.lock().unwrap().push(stage);
        }

        fn is_cancelled(&self) -> bool {
            self.begun.lock().unwrap().last() == Some(&Stage::ForwardPass)
        }
    }

    #[test]
    fn a_run_that_is_cancelled_stops_in_its_stage_and_stays_incomplete() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("run");
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let options = RouteOptions {
            checkpoint: fixtures.join("checkpoints/openmoe-tiny-12.3M").into(),
            run: RunOptions {
                corpus: vec![fixtures.join("corpora/domains/wikipedia.jsonl")],
                input: InputOptions { context: Some(16), max_sequences: Some(2), ..InputOptions::default() },
                ..RunOptions::default()
            },
            ..RouteOptions::default()
        };
        let progress = Impatient::default();
        let stopped = route(options, &out, &progress).map(|_| ());
        assert!(matches!(stopped, Err(Error::Interrupted)), "{stopped:?}");
        assert_eq!(*progress.begun.lock().unwrap(), [Stage::Weights, Stage::ForwardPass]);
        assert_eq!(*progress.begun.lock().unwrap(), *progress.ended.lock().unwrap());
        assert!(!RunDir::open(&out).unwrap().record().unwrap().complete);
    }
}
