//! Progress in the terminal, notes and warnings on standard error; an interrupt cancels.
//!
//! Where standard error is a terminal, its last line says how much of the whole run is done, and is drawn again several times a
//! second. Where it is a file or a pipe, a plain line appears now and then.

mod estimate;
mod parts;
mod shown;
mod status_line;
mod ticker;

use std::{
    collections::BTreeSet,
    io::IsTerminal,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use self::{parts::Part, shown::Shown, ticker::Ticker};
use super::{interrupts, terminal};
use crate::pipeline::progress::{PlannedStage, Progress, Stage};

/// Shows the progress of a command.
pub(super) struct TerminalProgress {
    /// Only warnings are shown.
    quiet: bool,
    clock: Instant,
    shown: Arc<Mutex<Shown>>,
    /// Draws while a stage runs.
    ticker: Mutex<Option<Ticker>>,
    /// Warnings that are printed only once and have been.
    told: Mutex<BTreeSet<String>>,
}

impl TerminalProgress {
    /// Nothing is drawn yet; `quiet`: nor will anything but warnings be.
    pub(super) fn new(quiet: bool) -> Self {
        let shown = Shown::new(std::io::stderr().is_terminal());
        let (shown, ticker) = (Arc::new(Mutex::new(shown)), Mutex::default());
        Self { quiet, clock: Instant::now(), shown, ticker, told: Mutex::default() }
    }

    /// Says which of several runs comes next, such as "2 of 3: drift", which share of the time of all it takes, and in a note what it
    /// does.
    pub(super) fn part(&self, name: &str, share: f64, what: &str) {
        self.change(|shown, now| shown.part(now, &Part { name: name.to_owned(), share }));
        self.note(&format!("{name}, {what}"));
    }

    /// Passes an event on to what is shown, which may say a line.
    fn change(&self, event: impl FnOnce(&mut Shown, f64)) {
        if self.quiet {
            return;
        }
        let now = self.clock.elapsed().as_secs_f64();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        event(&mut shown, now);
        ticker::show(&mut shown, now);
    }
}

/// Whether a stage sees an interrupt by itself, and stops where it loses nothing.
fn stops_itself(stage: Stage) -> bool {
    matches!(stage, Stage::ForwardPass | Stage::Download | Stage::Conversion)
}

impl Progress for TerminalProgress {
    fn planned(&self, stages: &[PlannedStage]) {
        self.change(|shown, now| shown.planned(now, stages));
    }

    fn started(&self, stage: Stage, units: Option<u64>) {
        if stops_itself(stage) {
            interrupts::stops_itself(true);
        }
        self.change(|shown, now| shown.started(now, stage, units));
        if !self.quiet {
            let mut ticker = self.ticker.lock().unwrap_or_else(PoisonError::into_inner);
            ticker.get_or_insert_with(|| Ticker::start(Arc::clone(&self.shown), self.clock));
        }
    }

    fn advanced(&self, units: u64) {
        self.change(|shown, now| shown.advanced(now, units));
    }

    fn working_on(&self, what: &str) {
        self.change(|shown, _| shown.working_on(what));
    }

    fn ended(&self, stage: Stage) {
        if stops_itself(stage) {
            interrupts::stops_itself(false);
        }
        self.change(|shown, now| shown.ended(now, stage));
        terminal::clear_status();
    }

    fn note(&self, line: &str) {
        if !self.quiet {
            terminal::note(line);
        }
    }

    fn warn(&self, line: &str) {
        terminal::warn(line);
    }

    fn warn_once(&self, line: &str) {
        let is_new = self.told.lock().map_or(true, |mut told| told.insert(line.to_owned()));
        if is_new {
            terminal::warn(line);
        }
    }

    fn is_cancelled(&self) -> bool {
        interrupts::is_interrupted()
    }
}
