//! Which of many are shown where there is no room for all: one choice for charts, pages and sentences.

use std::ops::Range;

/// Up to so many layers are shown or named one by one; where more of them share a picture, a page or a sentence, so many are.
pub(crate) const LAYERS_EACH: usize = 8;

/// At most `most` of the values, evenly spread, the first and the last among them.
pub(crate) fn evenly_spread<T: Clone>(values: &[T], most: usize) -> Vec<T> {
    if values.len() <= most {
        return values.to_vec();
    }
    (0..most).map(|at| values[at * (values.len() - 1) / most.saturating_sub(1).max(1)].clone()).collect()
}

/// The places of at most `most` values side by side whose sum is largest, the first of such places.
pub(crate) fn largest_together(values: &[f64], most: usize) -> Range<usize> {
    let width = most.min(values.len());
    let mut sum: f64 = values[..width].iter().sum();
    let (mut largest, mut start) = (sum, 0);
    for at in width..values.len() {
        sum += values[at] - values[at - width];
        // Rounding makes no part larger than an equal one before it.
        if sum > largest + 1e-9 {
            (largest, start) = (sum, at + 1 - width);
        }
    }
    start..start + width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_largest_parts_is_taken() {
        assert_eq!(largest_together(&[0.0, 1.0, 1.0, 0.0, 1.0, 1.0], 2), 1..3);
        assert_eq!(largest_together(&[0.0, 0.5, 0.0, 1.0], 2), 2..4);
        assert_eq!(largest_together(&[1.0, 2.0], 3), 0..2);
        assert_eq!(largest_together(&[], 3), 0..0);
    }

    #[test]
    fn both_ends_are_among_the_values_that_are_shown() {
        let values: Vec<u8> = (0..60).collect();
        assert_eq!(evenly_spread(&values, 4), [0, 19, 39, 59]);
        assert_eq!(evenly_spread(&values[..4], 4), [0, 1, 2, 3], "few are all shown");
        assert_eq!((evenly_spread(&values, 1), evenly_spread(&values, 0)), (vec![0], vec![]));
        assert!(evenly_spread::<u8>(&[], 4).is_empty());
    }
}
