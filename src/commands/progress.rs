//! Progress in the terminal: bars, notes and warnings on standard error; an interrupt cancels.

use std::{
    collections::BTreeSet,
    io::IsTerminal,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{interrupts, terminal};
use crate::pipeline::progress::{Progress, Stage};

/// Shows the progress of a command in the terminal.
pub(super) struct TerminalProgress {
    /// No bars and no notes.
    quiet: bool,
    bar: Mutex<Option<ProgressBar>>,
    /// Warnings that are printed only once and have been.
    told: Mutex<BTreeSet<String>>,
}

impl TerminalProgress {
    /// Nothing is drawn yet; `quiet`: nor will bars or notes be.
    pub(super) fn new(quiet: bool) -> Self {
        Self { quiet, bar: Mutex::default(), told: Mutex::default() }
    }

    fn bar(&self) -> MutexGuard<'_, Option<ProgressBar>> {
        self.bar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where bars are drawn: nowhere if the command is quiet.
    fn target(&self) -> ProgressDrawTarget {
        if self.quiet || !std::io::stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        }
    }

    /// A bar over a known amount of work. Its message takes the rest of the line.
    fn bar_over(&self, units: u64) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(units), self.target());
        let template = "{prefix:>14} [{wide_bar}] {percent:>3} %  {elapsed}, {eta} left  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar
    }

    /// A spinner for work whose amount is not known.
    fn spinner(&self) -> ProgressBar {
        let spinner = ProgressBar::with_draw_target(None, self.target());
        if let Ok(style) = ProgressStyle::with_template("{prefix:>14} {spinner} {elapsed}  {msg}") {
            spinner.set_style(style);
        }
        spinner.enable_steady_tick(Duration::from_millis(120));
        spinner
    }
}

impl Progress for TerminalProgress {
    fn started(&self, stage: Stage, units: Option<u64>) {
        let bar = units.map_or_else(|| self.spinner(), |units| self.bar_over(units));
        bar.set_prefix(stage.name());
        *self.bar() = Some(bar);
        if stage == Stage::ForwardPass {
            interrupts::in_forward_pass(true);
        }
    }

    fn advanced(&self, units: u64) {
        if let Some(bar) = self.bar().as_ref() {
            bar.inc(units);
        }
    }

    fn working_on(&self, what: &str) {
        if let Some(bar) = self.bar().as_ref() {
            bar.set_message(what.to_owned());
        }
    }

    fn ended(&self, stage: Stage) {
        if stage == Stage::ForwardPass {
            interrupts::in_forward_pass(false);
        }
        if let Some(bar) = self.bar().take() {
            bar.finish_and_clear();
        }
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
