//! Which of many are shown where there is no room for all: one choice for charts, pages and sentences.

/// Up to so many layers are shown or named one by one; where more of them share a picture, a page or a sentence, so many are.
pub(crate) const LAYERS_EACH: usize = 8;

/// At most `most` of the values, evenly spread, the first and the last among them.
pub(crate) fn evenly_spread<T: Clone>(values: &[T], most: usize) -> Vec<T> {
    if values.len() <= most {
        return values.to_vec();
    }
    (0..most).map(|at| values[at * (values.len() - 1) / most.saturating_sub(1).max(1)].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_among_the_values_that_are_shown() {
        let values: Vec<u8> = (0..60).collect();
        assert_eq!(evenly_spread(&values, 4), [0, 19, 39, 59]);
        assert_eq!(evenly_spread(&values[..4], 4), [0, 1, 2, 3], "few are all shown");
        assert_eq!((evenly_spread(&values, 1), evenly_spread(&values, 0)), (vec![0], vec![]));
        assert!(evenly_spread::<u8>(&[], 4).is_empty());
    }
}
