//! Seeded random streams whose bytes depend only on (seed, layer, purpose, index).
//!
//! Bounded integers and the shuffle are written out here, so that another version of `rand` cannot change a result.

use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{RngCore, SeedableRng},
};

/// What a stream of random numbers is for; streams of different purposes are independent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// Documents drawn with replacement.
    Bootstrap = 1,
    /// Choice vectors over all occurrences.
    Shuffle = 2,
    /// Choice vectors over the occurrences that have a previous token.
    ShufflePrevious = 3,
    /// Choice vectors within each token id.
    WithinToken = 4,
    /// Choice vectors within each token id, over the occurrences that have a previous token.
    WithinTokenPrevious = 5,
    /// Choice vectors within each token id, over the occurrences that have a category.
    WithinTokenCategory = 6,
    /// Category labels over documents.
    Labels = 7,
    /// Documents to folds.
    Folds = 8,
    /// Positions within each sequence.
    Shift = 9,
    /// Documents to two halves.
    Halves = 10,
    /// Choice vectors within each sequence.
    WithinSequence = 11,
    /// Choice vectors over all sequences of a layer.
    AcrossSequences = 12,
    /// Choice vectors over the sequences of each data set.
    AcrossDataset = 13,
    /// Pairs of rows, to see what they share by chance.
    Pairs = 14,
    /// Documents to the sides of a contrast.
    Sides = 15,
    /// Tokens of a routing group that queue in random order.
    ReplayOrder = 20,
    /// Experts that replace those of a router.
    RandomExperts = 21,
    /// Experts that belong to a token id.
    HashedExperts = 22,
}

/// A stream of random numbers.
pub(crate) struct Stream(Xoshiro256PlusPlus);

impl Stream {
    /// The stream of `(seed, layer, purpose, index)`.
    pub(crate) fn new(seed: u64, layer: u16, purpose: Purpose, index: usize) -> Self {
        let mut state = seed;
        for part in [u64::from(layer), purpose as u64, index as u64] {
            state = split_mix(state ^ split_mix(part.wrapping_add(0x5851_F42D_4C95_7F2D)));
        }
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_exact_mut(8) {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            chunk.copy_from_slice(&split_mix(state).to_le_bytes());
        }
        Self(Xoshiro256PlusPlus::from_seed(bytes))
    }

    /// A uniform integer in `0..bound`, by multiplication with rejection (Lemire 2019, doi 10.1145/3230636).
    ///
    /// `bound` must not be 0.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        loop {
            let product = (self.0.next_u64() >> 32) * u64::from(bound);
            let low = product as u32;
            if low >= bound || low >= bound.wrapping_neg() % bound {
                return (product >> 32) as u32;
            }
        }
    }

    /// Puts the items into uniform random order (Fisher and Yates, from the end).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u32 + 1) as usize);
        }
    }
}

/// The finaliser of `SplitMix64` (Steele, Lea and Flood 2014): a bijection of 64-bit words.
pub(crate) fn split_mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_every_part_of_their_name_and_repeat() {
        let first = |seed, layer, purpose, index| Stream::new(seed, layer, purpose, index).0.next_u64();
        let names = [
            first(0, 0, Purpose::Bootstrap, 0),
            first(1, 0, Purpose::Bootstrap, 0),
            first(0, 1, Purpose::Bootstrap, 0),
            first(0, 0, Purpose::Shuffle, 0),
            first(0, 0, Purpose::Bootstrap, 1),
        ];
        for (i, a) in names.iter().enumerate() {
            assert!(names[..i].iter().all(|b| a != b), "stream {i} repeats another one");
        }
        assert_eq!(names[0], first(0, 0, Purpose::Bootstrap, 0));
    }

    #[test]
    fn shuffle_reaches_all_six_orders_of_three_about_equally() {
        let mut stream = Stream::new(7, 0, Purpose::Shuffle, 0);
        let mut seen = [0_u32; 6];
        for _ in 0..6000 {
            let mut items = [0_u8, 1, 2];
            stream.shuffle(&mut items);
            let rank = usize::from(items[0]) * 2 + usize::from(items[1] > items[2]);
            seen[rank] += 1;
        }
        // 1,000 expected each, standard deviation 29.
        assert!(seen.iter().all(|count| (850..1150).contains(count)), "{seen:?}");
    }
}
