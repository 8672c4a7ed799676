//! The hub as the environment says it, watched from the terminal.

use std::sync::Arc;

use super::{interrupts, terminal};
use crate::{
    error::Result,
    hub::{Hub, HubSettings, Watch},
};

/// Stops at an interrupt; says notes unless it was asked to be quiet.
struct TerminalWatch {
    quiet: bool,
}

impl Watch for TerminalWatch {
    fn is_stopped(&self) -> bool {
        interrupts::is_interrupted()
    }

    fn note(&self, line: &str) {
        if !self.quiet {
            terminal::note(line);
        }
    }
}

/// How the hub is used, by the variables of the environment.
///
/// # Errors
/// A variable has a value that cannot be meant.
pub(super) fn settings() -> Result<HubSettings> {
    HubSettings::from_variables(|name| std::env::var_os(name), std::env::home_dir().as_deref())
}

/// The hub.
///
/// # Errors
/// As [`Hub::new`].
pub(super) fn hub(settings: HubSettings, quiet: bool) -> Result<Hub> {
    Hub::new(settings, Arc::new(TerminalWatch { quiet }))
}
