//! Who waits for the hub.

/// Waits for the hub, may stop it, and is told what it should know. Several threads may call every method.
pub trait Watch: Send + Sync {
    /// Whether to stop; asked between blocks of bytes and while waiting.
    fn is_stopped(&self) -> bool {
        false
    }

    /// Something worth knowing, in a line.
    fn note(&self, line: &str) {
        let _ = line;
    }
}

/// Nobody: never stops, is told nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Watch for Alone {}

/// A function that says whether to stop.
impl<F: Fn() -> bool + Send + Sync> Watch for F {
    fn is_stopped(&self) -> bool {
        self()
    }
}
