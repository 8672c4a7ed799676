//! What is shown of a run that goes on: from the events of its stages to the lines, with the time given, so that a test needs no
//! clock.

use super::{
    estimate::{Estimate, Known},
    parts::{Part, Parts},
    status_line,
};
use crate::pipeline::progress::{PlannedStage, Stage};

/// Seconds between two drawings of the status line.
const REDRAW: f64 = 0.1;
/// A run that is expected to be done within so many seconds says nothing where there is no terminal.
const SHORT: f64 = 20.0;
/// Seconds between two plain lines of one stage.
const PLAIN: f64 = 60.0;

/// What is known of the run, and what has been said of it.
pub(super) struct Shown {
    is_terminal: bool,
    estimate: Estimate,
    /// Which of several runs this is.
    parts: Parts,
    running: Option<Running>,
    drawn: Option<f64>,
    /// When the last plain line was said; the beginning of the run counts as one.
    said: f64,
}

/// The stage that is running.
struct Running {
    stage: Stage,
    /// What it is working on.
    what: String,
    /// Whether a plain line has said that it began.
    is_told: bool,
}

impl Shown {
    /// Of a run that has not begun.
    pub(super) fn new(is_terminal: bool) -> Self {
        let estimate = Estimate::default();
        Self { is_terminal, estimate, parts: Parts::default(), running: None, drawn: None, said: 0.0 }
    }

    /// Another of several runs begins.
    pub(super) fn part(&mut self, now: f64, part: &Part) {
        self.parts.begin(now, part);
        self.estimate = self.estimate.of_next_run(now);
    }

    /// How far the whole is.
    fn known(&mut self, now: f64) -> Known {
        let known = self.estimate.at(now);
        self.parts.of_whole(now, known, self.estimate.is_planned())
    }

    /// What is ahead.
    pub(super) fn planned(&mut self, now: f64, stages: &[PlannedStage]) {
        self.estimate.planned(now, stages);
    }

    /// A stage begins.
    pub(super) fn started(&mut self, now: f64, stage: Stage, units: Option<u64>) {
        self.estimate.started(now, stage, units);
        self.running = Some(Running { stage, what: String::new(), is_told: false });
        self.drawn = None;
    }

    /// The stage has finished more of its units.
    pub(super) fn advanced(&mut self, now: f64, units: u64) {
        self.estimate.advanced(now, units);
    }

    /// The stage works on something else.
    pub(super) fn working_on(&mut self, what: &str) {
        if let Some(running) = &mut self.running {
            what.clone_into(&mut running.what);
        }
    }

    /// The stage has ended.
    pub(super) fn ended(&mut self, now: f64, stage: Stage) {
        self.estimate.ended(now, stage);
        self.running = None;
    }

    /// The line of a terminal of some width, when it should be drawn.
    pub(super) fn status(&mut self, now: f64, width: impl FnOnce() -> usize) -> Option<String> {
        let running = self.running.as_ref().filter(|_| self.is_terminal)?;
        if self.drawn.is_some_and(|drawn| now < drawn + REDRAW) {
            return None;
        }
        self.drawn = Some(now);
        let words = status_line::working(running.stage, &running.what);
        let known = self.known(now);
        Some(status_line::status(self.parts.name(), known, &words, width()))
    }

    /// The plain line that is due where there is no terminal: when a stage of a long run begins, then once a minute.
    pub(super) fn due(&mut self, now: f64) -> Option<String> {
        let known = self.known(now);
        let running = self.running.as_mut().filter(|_| !self.is_terminal)?;
        let is_long = known.elapsed + known.left.unwrap_or_default() >= SHORT;
        if !(now >= self.said + PLAIN || (is_long && !running.is_told)) {
            return None;
        }
        (running.is_told, self.said) = (true, now);
        let words = status_line::working(running.stage, &running.what);
        Some(status_line::plain(self.parts.name(), known, &words))
    }
}

#[cfg(test)]
mod tests;
