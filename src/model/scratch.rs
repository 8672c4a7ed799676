//! Working memory of the threads, kept from call to call: allocating it again for every tile would cost more time in page
//! faults than the tile itself.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Buffers of one thread. Their contents have no meaning when a part of a layer begins.
#[derive(Default)]
pub(super) struct Scratch {
    /// Rows gathered for an expert `[rows, hidden]`.
    pub(super) gathered: Vec<f32>,
    /// Inner columns of an MLP.
    pub(super) mlp: MlpScratch,
    /// Queries, scores and sums of a few rows of attention.
    pub(super) attention: AttentionScratch,
}

/// Some inner columns of an MLP: both halves of the gate, and the up projection, `[rows, columns]` each.
#[derive(Default)]
pub(super) struct MlpScratch {
    /// First half of the gate.
    pub(super) a: Vec<f32>,
    /// Second half of the gate.
    pub(super) b: Vec<f32>,
    /// The up projection.
    pub(super) up: Vec<f32>,
}

/// Working memory of attention for one group of query rows.
#[derive(Default)]
pub(super) struct AttentionScratch {
    /// `[dim, rows]`
    pub(super) query: Vec<f32>,
    /// `[rows, keys]`
    pub(super) scores: Vec<f32>,
    /// `[rows, dim]`
    pub(super) sums: Vec<f32>,
}

/// One [`Scratch`] for every thread of the pool.
pub(super) struct ScratchPool {
    threads: Vec<Mutex<Scratch>>,
}

impl Default for ScratchPool {
    fn default() -> Self {
        Self { threads: (0..=rayon::current_num_threads()).map(|_| Mutex::default()).collect() }
    }
}

impl ScratchPool {
    /// The scratch of the calling thread; no other thread of the pool uses it.
    pub(super) fn mine(&self) -> MutexGuard<'_, Scratch> {
        let thread = rayon::current_thread_index().unwrap_or(self.threads.len() - 1);
        // A poisoned lock is fine: nobody reads what a panicking thread left in the buffers.
        self.threads[thread].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first `length` elements, with any contents; grows the buffer if needed.
pub(super) fn at_least(buffer: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    &mut buffer[..length]
}
