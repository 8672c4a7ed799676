//! What an interrupt does: a run ends where it loses nothing.

use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(unix)]
use super::terminal;
#[cfg(unix)]
use crate::error::Error;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static STOPS_ITSELF: AtomicBool = AtomicBool::new(false);

/// Says whether a stage is running that looks for interrupts itself and stops where nothing is lost: the forward pass at the next
/// routing group, a download between two blocks, a conversion when its unfinished folder is removed.
pub(super) fn stops_itself(running: bool) {
    STOPS_ITSELF.store(running, Ordering::SeqCst);
}

/// Whether an interrupt has been seen.
pub(super) fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// What an interrupt does: the forward pass and downloads stop where they lose nothing, and anything else at once, because files are
/// whole or absent. A second one ends those at once too.
#[cfg(unix)]
pub(super) fn interrupted() {
    if !STOPS_ITSELF.load(Ordering::SeqCst) {
        let error = Error::Interrupted;
        terminal::error(&error.to_string(), error.hint().as_deref());
        std::process::exit(130);
    }
    if INTERRUPTED.swap(true, Ordering::SeqCst) {
        std::process::exit(130);
    }
    terminal::note("interrupted: stopping at the next safe point (press again to stop at once)");
}
