//! What an interrupt does: a run ends where it loses nothing.

use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(unix)]
use super::terminal;
#[cfg(unix)]
use crate::error::Error;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static IN_FORWARD_PASS: AtomicBool = AtomicBool::new(false);

/// Says whether the forward pass is running, which stops at the next routing group so that no part is lost.
pub(super) fn in_forward_pass(running: bool) {
    IN_FORWARD_PASS.store(running, Ordering::SeqCst);
}

/// Whether an interrupt has been seen.
pub(super) fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// What an interrupt does: the forward pass stops where it loses nothing, and anything else at once, because files are
/// whole or absent. A second one ends the forward pass at once too.
#[cfg(unix)]
pub(super) fn interrupted() {
    if !IN_FORWARD_PASS.load(Ordering::SeqCst) {
        let error = Error::Interrupted;
        terminal::error(&error.to_string(), error.hint().as_deref());
        std::process::exit(130);
    }
    if INTERRUPTED.swap(true, Ordering::SeqCst) {
        std::process::exit(130);
    }
    terminal::note("interrupted: stopping at the next safe point (press again to stop at once)");
}
