//! The thread that shows progress while the others work.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::shown::Shown;
use crate::commands::{last_line, terminal};

/// How often the line is drawn.
const EVERY: Duration = Duration::from_millis(200);

/// Draws until it is dropped.
pub(super) struct Ticker {
    /// Dropped first: that ends the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts the thread. Without one, what is shown still changes with every event.
    pub(super) fn start(shown: Arc<Mutex<Shown>>, clock: Instant) -> Self {
        let (stop, stopped) = channel();
        let run = move || {
            while matches!(stopped.recv_timeout(EVERY), Err(RecvTimeoutError::Timeout)) {
                let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
                show(&mut shown, clock.elapsed().as_secs_f64());
            }
        };
        let thread = std::thread::Builder::new().name("progress".into()).spawn(run).ok();
        Self { stop: Some(stop), thread }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing more to draw.
            let _ = thread.join();
        }
    }
}

/// Draws the line of a terminal, or prints the plain line that is due.
pub(super) fn show(shown: &mut Shown, now: f64) {
    if let Some(line) = shown.status(now, last_line::width) {
        terminal::status(&line);
    }
    if let Some(line) = shown.due(now) {
        terminal::note(&line);
    }
}
