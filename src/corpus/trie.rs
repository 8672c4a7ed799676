//! A byte trie over the pieces of a tokenizer.

use std::{collections::VecDeque, ops::Range};

/// Marks a node at which no piece ends.
const NONE: u32 = u32::MAX;

/// Finds all pieces that a text starts with, shortest first, in O(length of the longest piece).
///
/// Nodes are in breadth-first order, so the children of a node are consecutive; their labels ascend.
#[derive(Clone, Debug)]
pub(super) struct PieceTrie {
    labels: Vec<u8>,
    pieces: Vec<u32>,
    children: Vec<(u32, u16)>,
}

impl PieceTrie {
    /// Builds the trie; of equal pieces the first is kept, empty ones are left out.
    pub(super) fn new<'a>(pieces: impl IntoIterator<Item = (&'a [u8], u32)>) -> Self {
        let mut sorted: Vec<_> = pieces.into_iter().filter(|(piece, _)| !piece.is_empty()).collect();
        sorted.sort_unstable();
        sorted.dedup_by_key(|(piece, _)| *piece);
        let mut trie = Self { labels: vec![0], pieces: vec![NONE], children: vec![(0, 0)] };
        let mut queue: VecDeque<(usize, Range<usize>, usize)> = VecDeque::from([(0, 0..sorted.len(), 0)]);
        while let Some((node, mut range, depth)) = queue.pop_front() {
            if sorted.get(range.start).is_some_and(|(piece, _)| piece.len() == depth) {
                trie.pieces[node] = sorted[range.start].1;
                range.start += 1;
            }
            trie.children[node].0 = trie.labels.len() as u32;
            let mut start = range.start;
            for same in sorted[range].chunk_by(|a, b| a.0[depth] == b.0[depth]) {
                trie.children[node].1 += 1;
                queue.push_back((trie.labels.len(), start..start + same.len(), depth + 1));
                start += same.len();
                trie.labels.push(same[0].0[depth]);
                trie.pieces.push(NONE);
                trie.children.push((0, 0));
            }
        }
        trie
    }

    /// The pieces that `text` starts with, shortest first: length in bytes and id.
    pub(super) fn prefixes<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = (usize, u32)> + 'a {
        let mut node = 0_usize;
        text.iter()
            .map_while(move |&byte| {
                let (first, count) = self.children[node];
                let siblings = first as usize..first as usize + count as usize;
                node = siblings.start + self.labels[siblings].binary_search(&byte).ok()?;
                Some(self.pieces[node])
            })
            .enumerate()
            .filter_map(|(index, piece)| (piece != NONE).then_some((index + 1, piece)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_come_shortest_first() {
        let pieces = ["ab", "a", "abcd", "b", "", "ab", "\u{2581}"];
        let trie = PieceTrie::new(pieces.iter().enumerate().map(|(id, piece)| (piece.as_bytes(), id as u32)));
        let found = |text: &str| trie.prefixes(text.as_bytes()).collect::<Vec<_>>();
        assert_eq!(found("abcdx"), [(1, 1), (2, 0), (4, 2)]);
        assert_eq!(found("abc"), [(1, 1), (2, 0)]);
        assert_eq!(found("ba"), [(1, 3)]);
        assert_eq!(found("\u{2581}a"), [(3, 6)]);
        assert!(found("cab").is_empty() && found("").is_empty());
        assert!(PieceTrie::new([]).prefixes(b"a").next().is_none());
    }
}
