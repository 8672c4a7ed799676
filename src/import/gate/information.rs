//! What a token id tells about an expert.

use std::iter::repeat_n;

use crate::routing::ExpertId;

/// Token ids fall into so many classes.
const CLASSES: usize = 1024;

/// Counts by class of token id and expert.
#[derive(Clone, Default)]
pub(super) struct TokenTable {
    experts: usize,
    /// `[CLASSES, experts]`
    counts: Vec<u32>,
}

/// The class of a token id; neighbouring ids fall into different ones.
fn class(id: u32) -> usize {
    (id.wrapping_mul(0x9E37_79B1) >> 22) as usize % CLASSES
}

impl TokenTable {
    /// Counts a choice.
    pub(super) fn add(&mut self, id: u32, expert: ExpertId) {
        let expert = usize::from(expert);
        if expert >= self.experts {
            self.widen((expert + 1).next_power_of_two().max(8));
        }
        self.counts[class(id) * self.experts + expert] += 1;
    }

    fn widen(&mut self, wider: usize) {
        let mut moved = Vec::with_capacity(CLASSES * wider);
        if self.counts.is_empty() {
            moved.resize(CLASSES * wider, 0);
        }
        for row in self.counts.chunks_exact(self.experts.max(1)) {
            moved.extend(row.iter().copied().chain(repeat_n(0, wider - self.experts)));
        }
        (self.counts, self.experts) = (moved, wider);
    }

    /// Information between the class of a token id and an expert, plug-in, in bits. Its bias is the same for every way to pair the
    /// same tokens with the same routes, since the counts have the same margins.
    pub(super) fn bits(&self) -> f64 {
        let (total, of_class, of_expert) = self.margins();
        let mut sum = 0.0;
        for (row, of_class) in self.counts.chunks_exact(self.experts.max(1)).zip(&of_class) {
            for (&count, of_expert) in row.iter().zip(&of_expert).filter(|(count, _)| **count > 0) {
                let count = f64::from(count);
                sum += count * (count * total / (of_expert * of_class)).log2();
            }
        }
        if total > 0.0 { sum / total } else { 0.0 }
    }

    /// Standard deviation of the information where a token tells nothing: 2 n ln 2 times it is chi-square distributed.
    pub(super) fn noise(&self) -> f64 {
        let (total, of_class, of_expert) = self.margins();
        let occupied = |margin: &[f64]| margin.iter().filter(|count| **count > 0.0).count().saturating_sub(1) as f64;
        let freedom = occupied(&of_class) * occupied(&of_expert);
        if total > 0.0 { (2.0 * freedom).sqrt() / (2.0 * total * std::f64::consts::LN_2) } else { 0.0 }
    }

    /// Sum, sums by class and by expert.
    fn margins(&self) -> (f64, Vec<f64>, Vec<f64>) {
        let (mut of_class, mut of_expert) = (Vec::with_capacity(CLASSES), vec![0.0; self.experts]);
        for row in self.counts.chunks_exact(self.experts.max(1)) {
            of_class.push(row.iter().map(|count| f64::from(*count)).sum());
            row.iter().zip(&mut of_expert).for_each(|(count, sum)| *sum += f64::from(*count));
        }
        (of_class.iter().sum(), of_class, of_expert)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_decides_tells_all_bits() {
        let mut table = TokenTable::default();
        // Eight ids, each with an expert of its own, whichever comes first: three bits.
        (0..800_u32).for_each(|row| table.add(row % 8 * 7, [9, 1, 2, 3, 4, 5, 6, 17][row as usize % 8]));
        assert!((table.bits() - 3.0).abs() < 1e-12, "{}", table.bits());
        let mut nothing = TokenTable::default();
        (0..64_u32).for_each(|row| nothing.add(row / 8 * 7, row as u16 % 8));
        assert!(nothing.bits().abs() < 1e-12);
        // 7 times 7 degrees of freedom: sqrt(98) / (2 * 64 * ln 2).
        assert!((nothing.noise() - 0.111_577).abs() < 1e-6, "{}", nothing.noise());
        assert_eq!((TokenTable::default().bits(), TokenTable::default().noise()), (0.0, 0.0));
    }
}
