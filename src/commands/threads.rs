//! The threads of the process.

use std::sync::{Mutex, atomic::AtomicBool, atomic::Ordering};

use crate::{
    error::{Error, Result},
    pipeline::{memory_bound::THREADS_BESIDE, process_memory::is_address_space_limited},
};

/// Sets the number of threads of the process, once; all cores if `None`.
///
/// # Errors
/// [`Error::Usage`] if the system does not allow as many as the run will start.
pub(super) fn set_threads(threads: Option<u32>) -> Result<()> {
    static SET: AtomicBool = AtomicBool::new(false);
    if SET.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    // Tables are read and written by another pool, which always has one thread for each core.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let typed = threads.map(|threads| threads as usize);
    // Where the address space is limited, a trial would use up the address space that the run needs.
    if !is_address_space_limited() {
        try_threads(typed.unwrap_or(cores) + cores + THREADS_BESIDE)?;
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(typed.unwrap_or(0));
    pool.build_global().map_err(|error| Error::usage(format!("cannot start the threads: {error}"), THREADS))
}

/// What to do where threads cannot be started.
const THREADS: &str = "allow more processes (ulimit -u) or address space (ulimit -v), or take fewer threads: --threads 1, and POLARS_MAX_THREADS=1 in the environment";

/// Starts `count` threads at once and ends them: a pool that cannot start a thread would panic in the middle of a run.
fn try_threads(count: usize) -> Result<()> {
    let gate = Mutex::new(());
    let wait = || drop(gate.lock());
    std::thread::scope(|scope| {
        let _closed = gate.lock();
        for started in 0..count {
            std::thread::Builder::new().spawn_scoped(scope, wait).map_err(|error| {
                Error::usage(format!("cannot start {count} threads: after {started}: {error}"), THREADS)
            })?;
        }
        Ok(())
    })
}
