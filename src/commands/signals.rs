//! The signals of the system: those that ask the process to end are interrupts, and no other ends it without a word.

#[cfg(unix)]
mod watch {
    use std::{
        ffi::c_int,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
            mpsc::channel,
        },
    };

    use signal_hook::{
        consts::{SIGABRT, SIGHUP, SIGINT, SIGTERM, SIGXCPU, SIGXFSZ},
        flag,
        iterator::Signals,
    };

    /// The signals that ask a process to end: Ctrl-C, `kill`, a terminal that closes, a limit of computing time.
    const INTERRUPTS: [c_int; 4] = [SIGINT, SIGTERM, SIGHUP, SIGXCPU];

    /// From now on a file that grows beyond `ulimit -f` is an ordinary error of writing, which names the file, and an abort (when
    /// no memory is left) ends the process with the exit code of a fault of the tool instead of that of a signal.
    pub(in super::super) fn tame_signals() {
        // If a handler cannot be set, the signal keeps its default action.
        let _ = flag::register(SIGXFSZ, Arc::default());
        let _ = flag::register_conditional_shutdown(SIGABRT, 3, Arc::new(AtomicBool::new(true)));
    }

    /// From now on an interrupt lets the forward pass stop where nothing is lost. Signals that were ignored when the process
    /// started stay ignored: that is how `nohup` and shells protect work in the background.
    pub(in super::super) fn watch_for_interrupts() {
        static WATCHED: AtomicBool = AtomicBool::new(false);
        if WATCHED.swap(true, Ordering::SeqCst) {
            return;
        }
        let ignored = std::fs::read_to_string("/proc/self/status").map_or(0, |status| ignored(&status));
        let watched = INTERRUPTS.into_iter().filter(move |signal| ignored & (1 << (signal - 1)) == 0);
        let (ready, started) = channel();
        // If the thread cannot be started no handler is set: the system ends the process, and files are still whole or absent.
        let watcher = std::thread::Builder::new().name("interrupts".into()).spawn(move || {
            let signals = Signals::new(watched);
            let _ = ready.send(());
            let Ok(mut signals) = signals else { return };
            for _ in signals.forever() {
                crate::commands::interrupts::interrupted();
            }
        });
        if watcher.is_ok() {
            let _ = started.recv();
        }
    }

    /// The signals that a process ignores, one bit each, by its status file.
    pub(super) fn ignored(status: &str) -> u64 {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
    }
}

/// Systems other than Unix end the process at once; files are whole or absent.
#[cfg(not(unix))]
mod watch {
    /// Nothing to tame.
    pub(in super::super) fn tame_signals() {}
    /// Nothing to watch for.
    pub(in super::super) fn watch_for_interrupts() {}
}

pub(super) use watch::{tame_signals, watch_for_interrupts};

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        assert_eq!(super::watch::ignored("Name:\ta\nSigIgn:\t0000000000001001\nSigCgt:\t00000000000000ff\n"), 0x1001);
        assert_eq!(super::watch::ignored("Name:\ta\n"), 0);
    }
}
