//! Several pieces of work at once, of which the first error ends all.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crate::error::{Error, Result};

/// Connections that fetch together.
pub(super) const CONNECTIONS: usize = 4;

/// Whether work that is done beside other work should end, because some of it failed.
#[derive(Debug, Default)]
pub(in super::super) struct Halt(AtomicBool);

impl Halt {
    /// # Errors
    /// [`Error::Interrupted`] once other work has failed. Nobody sees it: the other error is returned.
    pub(in super::super) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }
}

/// Does the work of every item, several at once; the first error ends it, and is returned as soon as what is under way has looked at
/// its [`Halt`].
pub(in super::super) fn each_at_once<T: Sync>(
    items: &[T],
    work: impl Fn(&T, &Halt) -> Result<()> + Sync,
) -> Result<()> {
    let halt = Halt::default();
    if let [only] = items {
        return work(only, &halt);
    }
    let (next, first) = (AtomicUsize::new(0), Mutex::new(None));
    let worker = || {
        while halt.check().is_ok() {
            let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
            if let Err(error) = work(item, &halt) {
                first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                halt.0.store(true, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS.min(items.len())).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
    first.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_ends_what_is_under_way_and_is_the_one_that_is_told() {
        let done = AtomicUsize::new(0);
        let error = each_at_once(&[0, 1, 2, 3, 4, 5], |item, halt| {
            if *item == 1 {
                return Err(Error::internal("the first"));
            }
            // Endless work, but for the halt.
            while halt.check().is_ok() {
                std::thread::yield_now();
            }
            done.fetch_add(1, Ordering::Relaxed);
            halt.check()
        });
        assert_eq!(error.unwrap_err().to_string(), "internal error: the first");
        assert!(done.load(Ordering::Relaxed) < CONNECTIONS);
    }
}
