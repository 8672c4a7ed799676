//! Chunks that were unpacked lately, so that a chunk is unpacked once for all the parts of an array that it holds.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

/// An array and one of its chunks.
pub(super) type Key = (usize, usize);
/// A chunk that is being unpacked, or has been.
type Slot = Arc<Mutex<Option<Arc<Vec<u8>>>>>;

/// Unpacked chunks, of which those that were not used for the longest time are forgotten. Several threads may ask at once: one
/// unpacks, the others wait for it.
#[derive(Debug)]
pub(super) struct ChunkCache {
    limit: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    slots: HashMap<Key, (Slot, Use)>,
    bytes: usize,
    clock: u64,
}

/// When a chunk was asked for last, and the bytes that it takes.
#[derive(Clone, Copy, Debug, Default)]
struct Use {
    time: u64,
    bytes: usize,
}

impl ChunkCache {
    /// A cache of so many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, known: Mutex::default() }
    }

    /// The bytes of a chunk, `size` of them, which `unpack` makes if they are not here. Room for them is made before that.
    ///
    /// # Errors
    /// Those of `unpack`.
    pub(super) fn get(
        &self,
        key: Key,
        size: usize,
        unpack: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> io::Result<Arc<Vec<u8>>> {
        let slot = self.known.lock().unwrap_or_else(PoisonError::into_inner).slot(key);
        let mut content = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = &*content {
            return Ok(Arc::clone(bytes));
        }
        self.known.lock().unwrap_or_else(PoisonError::into_inner).forget(key, self.limit.saturating_sub(size));
        let unpacked = unpack();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match unpacked {
            Ok(bytes) => {
                let bytes = Arc::new(bytes);
                *content = Some(Arc::clone(&bytes));
                known.keep(key, bytes.len(), self.limit);
                Ok(bytes)
            }
            Err(error) => {
                known.slots.remove(&key);
                Err(error)
            }
        }
    }
}

impl Known {
    fn slot(&mut self, key: Key) -> Slot {
        self.clock += 1;
        let (slot, used) = self.slots.entry(key).or_default();
        used.time = self.clock;
        Arc::clone(slot)
    }

    /// Notes the size of a chunk, and makes room for it.
    fn keep(&mut self, key: Key, bytes: usize, limit: usize) {
        if let Some((_, used)) = self.slots.get_mut(&key) {
            used.bytes = bytes;
            self.bytes += bytes;
        }
        self.forget(key, limit);
    }

    /// Forgets the oldest chunks but one as long as all take more than the limit.
    fn forget(&mut self, key: Key, limit: usize) {
        while self.bytes > limit {
            let others = self.slots.iter().filter(|(other, (_, used))| **other != key && used.bytes > 0);
            let Some(oldest) = others.min_by_key(|(_, (_, used))| used.time).map(|(key, _)| *key) else { break };
            self.bytes -= self.slots.remove(&oldest).map_or(0, |(_, used)| used.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_chunk_is_unpacked_once_and_the_oldest_is_forgotten() {
        let (cache, unpacked) = (ChunkCache::new(20), AtomicUsize::new(0));
        let get = |chunk| {
            cache
                .get((0, chunk), 10, || {
                    unpacked.fetch_add(1, Ordering::SeqCst);
                    Ok(vec![chunk as u8; 10])
                })
                .unwrap()
        };
        std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(|| get(0)))));
        assert_eq!(unpacked.load(Ordering::SeqCst), 1);
        get(1);
        get(0);
        get(2);
        assert_eq!(get(0)[0], 0);
        assert_eq!(unpacked.load(Ordering::SeqCst), 3, "chunk 1 was the oldest");
        get(1);
        assert_eq!(unpacked.load(Ordering::SeqCst), 4);
    }

    #[test]
    fn a_failure_is_not_kept() {
        let cache = ChunkCache::new(20);
        assert!(cache.get((0, 0), 1, || Err(io::ErrorKind::InvalidData.into())).is_err());
        assert_eq!(*cache.get((0, 0), 1, || Ok(vec![1])).unwrap(), [1]);
    }
}
