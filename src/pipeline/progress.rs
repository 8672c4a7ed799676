//! What the work tells whoever waits for it, and asks of them: the library neither prints nor looks at signals.

use crate::error::{Error, Result};

/// A stage of a run, long enough for somebody to wait for it. One is running at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A weight file is read and hashed; units are bytes.
    Weights,
    /// Tokens go through the model, the only stage that takes hours; units are tokens times decoder layers. Whoever cancels it
    /// waits until the routing group in work is done, so that no part of the trace is lost.
    ForwardPass,
    /// Statistics are computed from traces.
    Statistics,
    /// Charts are drawn.
    Charts,
    /// The report is put together.
    Report,
}

impl Stage {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Weights => "SHA-256",
            Self::ForwardPass => "forward pass",
            Self::Statistics => "statistics",
            Self::Charts => "charts",
            Self::Report => "report",
        }
    }
}

/// Whoever waits for a run: told how far it is and what is worth knowing, asked whether it should stop. Every method may be
/// called by several threads. What is not overridden is not listened to.
pub trait Progress: Sync {
    /// A stage begins; `units` of work are ahead, where their number is known.
    fn started(&self, stage: Stage, units: Option<u64>) {
        let _ = (stage, units);
    }

    /// So many more units of the running stage are done.
    fn advanced(&self, units: u64) {
        let _ = units;
    }

    /// What the running stage is working on.
    fn working_on(&self, what: &str) {
        let _ = what;
    }

    /// The running stage has ended, or was left with an error.
    fn ended(&self, stage: Stage) {
        let _ = stage;
    }

    /// Something worth knowing, in a line.
    fn note(&self, line: &str) {
        let _ = line;
    }

    /// Something that makes results less, or other, than they seem.
    fn warn(&self, line: &str) {
        let _ = line;
    }

    /// A warning that several openings of one file would repeat: to be told once.
    fn warn_once(&self, line: &str) {
        self.warn(line);
    }

    /// Whether the work should stop. What is complete is kept then.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// Stops work that is cancelled.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Interrupted) } else { Ok(()) }
    }
}

/// Nobody waits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Progress for Unwatched {}

/// A stage that is running; dropped, it has ended.
pub(crate) struct RunningStage<'a> {
    progress: &'a dyn Progress,
    stage: Stage,
}

impl<'a> RunningStage<'a> {
    /// Begins a stage.
    pub(crate) fn begin(progress: &'a dyn Progress, stage: Stage, units: Option<u64>) -> Self {
        progress.started(stage, units);
        Self { progress, stage }
    }

    /// So many more units are done.
    pub(crate) fn advance(&self, units: u64) {
        self.progress.advanced(units);
    }

    /// What is being worked on.
    pub(crate) fn working_on(&self, what: &str) {
        self.progress.working_on(what);
    }

    /// Stops work that is cancelled.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub(crate) fn check(&self) -> Result<()> {
        self.progress.check()
    }
}

impl Drop for RunningStage<'_> {
    fn drop(&mut self) {
        self.progress.ended(self.stage);
    }
}
