//! Ranges that are kept nowhere: the blocks that were used last stay in memory, so that small reads beside each other are one request.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::pieces::BLOCK;

/// Blocks in memory, at most so many.
#[derive(Debug)]
pub(super) struct Window {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Blocks with the time of their last use.
    blocks: HashMap<u64, (u64, Arc<[u8]>)>,
    /// Blocks by that time.
    by_use: BTreeMap<u64, u64>,
    time: u64,
}

impl Window {
    /// Of `most` bytes.
    pub(super) fn new(most: u64) -> Self {
        Self { most: (most / BLOCK).max(1) as usize, state: Mutex::default() }
    }

    /// How many bytes it holds at most.
    pub(super) fn capacity(&self) -> u64 {
        self.most as u64 * BLOCK
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The blocks of a range that are there.
    pub(super) fn get(&self, range: Range<u64>) -> BTreeMap<u64, Arc<[u8]>> {
        let mut state = self.state();
        range.filter_map(|block| Some((block, state.used(block)?))).collect()
    }

    /// Takes bytes that begin with a block; returns them as blocks.
    pub(super) fn put(&self, first: u64, bytes: &[u8]) -> BTreeMap<u64, Arc<[u8]>> {
        let blocks = bytes.chunks(BLOCK as usize).map(Arc::<[u8]>::from);
        let blocks: BTreeMap<u64, Arc<[u8]>> = (first..).zip(blocks).collect();
        let mut state = self.state();
        for (block, bytes) in &blocks {
            state.insert(*block, Arc::clone(bytes));
        }
        while state.blocks.len() > self.most {
            let Some((_, block)) = state.by_use.pop_first() else { break };
            state.blocks.remove(&block);
        }
        blocks
    }

    /// From now on these blocks are not there.
    pub(super) fn forget(&self, blocks: Range<u64>) {
        let mut state = self.state();
        for block in blocks {
            if let Some((time, _)) = state.blocks.remove(&block) {
                state.by_use.remove(&time);
            }
        }
    }
}

impl State {
    fn used(&mut self, block: u64) -> Option<Arc<[u8]>> {
        let bytes = Arc::clone(&self.blocks.get(&block)?.1);
        self.insert(block, Arc::clone(&bytes));
        Some(bytes)
    }

    fn insert(&mut self, block: u64, bytes: Arc<[u8]>) {
        self.time += 1;
        if let Some((before, _)) = self.blocks.insert(block, (self.time, bytes)) {
            self.by_use.remove(&before);
        }
        self.by_use.insert(self.time, block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let window = Window::new(3 * BLOCK);
        let block = |value: u8| vec![value; BLOCK as usize];
        let put = window.put(0, &[block(0), block(1), block(2)].concat());
        assert_eq!(put.len(), 3);
        assert_eq!(window.get(0..1).len(), 1);
        window.put(9, &[9, 9]);
        assert_eq!(window.get(0..20).into_keys().collect::<Vec<_>>(), [0, 2, 9]);
        assert_eq!(window.get(9..10)[&9].as_ref(), [9, 9], "the last block of a file is short");
        window.forget(1..3);
        assert_eq!(window.get(0..20).into_keys().collect::<Vec<_>>(), [0, 9]);
    }
}
