//! The machine: memory, threads, interruption.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static IN_FORWARD_PASS: AtomicBool = AtomicBool::new(false);

/// Says whether the forward pass is running, which stops at the next routing group so that no part is lost.
pub(super) fn in_forward_pass(running: bool) {
    IN_FORWARD_PASS.store(running, Ordering::SeqCst);
}

/// From now on an interrupt (Ctrl-C, SIGTERM) lets the forward pass stop where it loses nothing, and anything else at
/// once: files are whole or absent. A second one ends the forward pass at once too.
pub(super) fn watch_for_interrupts() {
    // A handler that is there already (a second run in one process) does the same.
    let _ = ctrlc::set_handler(|| {
        if !IN_FORWARD_PASS.load(Ordering::SeqCst) {
            let error = Error::Interrupted;
            super::terminal::error(&error.to_string(), error.hint().as_deref());
            std::process::exit(130);
        }
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        super::terminal::note("\ninterrupted: stopping at the next safe point (press again to stop at once)");
    });
}

/// Fails once an interrupt has been seen.
pub(super) fn check_interrupt() -> Result<()> {
    if INTERRUPTED.load(Ordering::SeqCst) { Err(Error::Interrupted) } else { Ok(()) }
}

/// Sets the number of threads of the process; all cores if `None`.
pub(super) fn set_threads(threads: Option<u32>) -> Result<()> {
    let Some(threads) = threads else { return Ok(()) };
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads as usize)
        .build_global()
        .map_err(|error| Error::internal(format!("thread pool: {error}")))
}

/// A line of a `/proc` file that starts with `key`, as bytes; `None` where there is no such file (not Linux).
fn proc_bytes(file: &str, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// Peak resident memory of this process so far.
pub(super) fn peak_memory() -> Option<u64> {
    proc_bytes("/proc/self/status", "VmHWM:")
}

/// Resident memory of this process; 0 where the system does not say.
pub(super) fn resident_memory() -> u64 {
    proc_bytes("/proc/self/status", "VmRSS:").unwrap_or(0)
}

/// Memory of the machine.
pub(super) fn total_memory() -> Option<u64> {
    proc_bytes("/proc/meminfo", "MemTotal:")
}
