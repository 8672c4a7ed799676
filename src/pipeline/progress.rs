//! How a run reports its progress and learns that it should stop: the library itself neither prints nor handles signals.

use crate::{
    error::{Error, Result},
    routing::LayerId,
};

/// A stage of a run that may take long. Only one is running at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Files come from the hub; units are bytes. After a cancellation what has arrived is kept.
    Download,
    /// A weight file is read and hashed; units are bytes.
    Weights,
    /// A checkpoint is written in another form; units are bytes. After a cancellation nothing of it is left.
    Conversion,
    /// A record of another engine is read and checked; units are positions.
    Gate,
    /// It is read again and becomes a trace; units are positions.
    Import,
    /// Tokens go through the model, the only stage that may take hours; units are tokens times decoder layers. After a
    /// cancellation the current routing group is finished first, so that no part of the trace is lost.
    ForwardPass,
    /// Tables of token ids are made from a trace; units are layers.
    Calibration,
    /// Statistics are computed from traces; units are layers, in a drops run fifths of the layer of a model.
    Statistics,
    /// Their tables are written.
    Tables,
    /// Charts are drawn; units are charts.
    Charts,
    /// The report is put together.
    Report,
}

impl Stage {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Download => "downloading",
            Self::Weights => "reading weights",
            Self::Conversion => "converting",
            Self::Gate => "checking the record",
            Self::Import => "importing",
            Self::ForwardPass => "forward pass",
            Self::Calibration => "making tables",
            Self::Statistics => "statistics",
            Self::Tables => "writing tables",
            Self::Charts => "charts",
            Self::Report => "report",
        }
    }
}

/// A stage that is ahead, with what it should take before anything of it is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlannedStage {
    /// The stage.
    pub stage: Stage,
    /// Seconds that it should take.
    pub seconds: f64,
    /// Units of its work, where they are known.
    pub units: Option<u64>,
}

/// Receives the progress, notes and warnings of a run, and decides whether it should stop. Several threads may call every
/// method. A method that is not implemented ignores what it gets.
pub trait Progress: Sync {
    /// What the run will do from now on, in order. A stage that turns out to have less to do, because an earlier run was
    /// interrupted, starts with fewer units.
    fn planned(&self, stages: &[PlannedStage]) {
        let _ = stages;
    }

    /// A stage begins; `units` of work are ahead, where their number is known.
    fn started(&self, stage: Stage, units: Option<u64>) {
        let _ = (stage, units);
    }

    /// The running stage has finished `units` more units of its work.
    fn advanced(&self, units: u64) {
        let _ = units;
    }

    /// What the running stage is working on.
    fn working_on(&self, what: &str) {
        let _ = what;
    }

    /// The running stage has ended, with success or an error.
    fn ended(&self, stage: Stage) {
        let _ = stage;
    }

    /// Something worth knowing, in a line.
    fn note(&self, line: &str) {
        let _ = line;
    }

    /// A warning: something that makes the results worth less than they seem, or other than expected.
    fn warn(&self, line: &str) {
        let _ = line;
    }

    /// A warning that would be repeated whenever a file is opened again: it should be shown once.
    fn warn_once(&self, line: &str) {
        self.warn(line);
    }

    /// Whether the run should stop. What is complete is kept.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// Returns an error if the run should stop.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Interrupted) } else { Ok(()) }
    }
}

/// Ignores all progress and never stops a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Progress for Unwatched {}

/// A stage that is running. Dropping it ends the stage.
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

    /// `units` more units are done.
    pub(crate) fn advance(&self, units: u64) {
        self.progress.advanced(units);
    }

    /// What is being worked on.
    pub(crate) fn working_on(&self, what: &str) {
        self.progress.working_on(what);
    }

    /// A layer is being worked on, which is one of `layers`.
    pub(crate) fn working_on_layer(&self, layer: LayerId, layers: &[LayerId], what: &str) {
        let place = layers.iter().position(|own| *own == layer).map_or(0, |index| index + 1);
        self.progress.working_on(&format!("layer {layer} ({place} of {}), {what}", layers.len()));
    }

    /// Returns an error if the run should stop.
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
