//! Unpacks several chunks at the same time, each in a thread of its own: those of the forward pass may all be waiting for the numbers
//! that are read here.

use std::{
    io,
    sync::Arc,
    thread::{self, Builder},
};

use super::unpack::damaged;

/// Bytes of chunks that are worth a thread.
const WORTH_A_THREAD: usize = 256 << 10;

/// The unpacked bytes of a chunk.
type Unpacked = io::Result<Arc<Vec<u8>>>;

/// Unpacks chunks of so many bytes each, in their order.
pub(super) fn unpacked(chunks: &[usize], bytes: usize, unpack: &(dyn Fn(usize) -> Unpacked + Sync)) -> Vec<Unpacked> {
    let one_after_the_other = |chunks: &[usize]| chunks.iter().map(|&chunk| unpack(chunk)).collect::<Vec<_>>();
    let threads = rayon::current_num_threads().min(chunks.len());
    if threads < 2 || bytes < WORTH_A_THREAD {
        return one_after_the_other(chunks);
    }
    thread::scope(|scope| {
        let started = chunks.chunks(chunks.len().div_ceil(threads)).map(|chunks| {
            // If no thread can be started, this one does the work.
            (chunks, Builder::new().spawn_scoped(scope, move || one_after_the_other(chunks)).ok())
        });
        let started: Vec<_> = started.collect();
        let done = started.into_iter().flat_map(|(chunks, thread)| match thread {
            Some(thread) => {
                thread.join().unwrap_or_else(|_| vec![Err(damaged("a thread that unpacks it panicked".into()))])
            }
            None => one_after_the_other(chunks),
        });
        done.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_come_in_their_order() {
        for bytes in [1, WORTH_A_THREAD] {
            let chunks: Vec<usize> = (0..7).collect();
            let unpacked = unpacked(&chunks, bytes, &|chunk| Ok(Arc::new(vec![chunk as u8])));
            assert!(unpacked.into_iter().map(|bytes| bytes.unwrap()[0]).eq(0..7));
        }
    }
}
