//! Documents in two folds, so that no document is routed by a table that was made from it.

use crate::random::{Purpose, Stream};

/// The fold, 0 or 1, of every sequence: half of the documents each, at random. `document` is the document of every sequence.
pub fn folds(document: &[u32], seed: u64) -> Vec<u8> {
    let count = document.iter().max().map_or(0, |last| *last as usize + 1);
    let mut order: Vec<u32> = (0..count as u32).collect();
    Stream::new(seed, 0, Purpose::Folds, 0).shuffle(&mut order);
    let mut fold = vec![0_u8; count];
    order.iter().skip(count.div_ceil(2)).for_each(|document| fold[*document as usize] = 1);
    document.iter().map(|document| fold[*document as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_hold_whole_documents() {
        let document = [0, 0, 1, 2, 2, 3, 4];
        let fold = folds(&document, 7);
        assert_eq!((fold[0], fold[3]), (fold[1], fold[4]));
        let by_document = [fold[0], fold[2], fold[3], fold[5], fold[6]];
        assert_eq!(by_document.into_iter().map(u32::from).sum::<u32>(), 2);
        assert_eq!(fold, folds(&document, 7));
        assert!((0..20).any(|seed| folds(&document, seed) != fold));
        assert!(folds(&[], 0).is_empty());
    }
}
