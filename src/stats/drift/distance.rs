//! Distances between the expert counts of two checkpoints, and what sampling another corpus would add to them.

use crate::stats::share::{Shares, shares};

/// Total variation between two count vectors taken as shares: half the sum of the absolute differences. NaN where one
/// has no counts.
pub(super) fn total_variation(a: &[u64], b: &[u64]) -> f64 {
    with_shares(a, b, |a, b| a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f64>() / 2.0)
}

/// Cosine of the angle between two count vectors. NaN where one has no counts.
pub(super) fn cosine(a: &[u64], b: &[u64]) -> f64 {
    with_shares(a, b, |a, b| {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()).min(1.0)
    })
}

fn with_shares(a: &[u64], b: &[u64], f: impl Fn(&[f64], &[f64]) -> f64) -> f64 {
    let (a, b) = (shares(a), shares(b));
    if a.is_empty() || b.is_empty() { f64::NAN } else { f(&a, &b) }
}

/// A distance of every resample; empty where the documents are too few.
pub(super) fn resampled(a: &Shares, b: &Shares, distance: impl Fn(&[u64], &[u64]) -> f64) -> Vec<f64> {
    let resamples = a.resampled.first().map_or(0, Vec::len);
    let count = |shares: &Shares, r: usize| shares.resampled.iter().map(|sums| u64::from(sums[r])).collect::<Vec<_>>();
    (0..resamples).map(|r| distance(&count(a, r), &count(b, r))).collect()
}

/// Mean distance between the two halves of each split of the documents; NaN where no split leaves counts on both
/// sides. `documents` are the expert counts by document.
pub(super) fn between_halves<'a>(
    halves: &[Vec<bool>],
    documents: &(impl Iterator<Item = (usize, &'a [u32])> + Clone),
    total: &[u64],
    distance: impl Fn(&[u64], &[u64]) -> f64,
) -> f64 {
    let mut sum = 0.0;
    let mut splits = 0.0;
    for half in halves {
        let mut one = vec![0_u64; total.len()];
        for (_, counts) in documents.clone().filter(|(document, _)| half[*document]) {
            one.iter_mut().zip(counts).for_each(|(sum, count)| *sum += u64::from(*count));
        }
        let other: Vec<u64> = total.iter().zip(&one).map(|(total, one)| total - one).collect();
        let found = distance(&one, &other);
        if found.is_finite() {
            (sum, splits) = (sum + found, splits + 1.0);
        }
    }
    sum / splits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_of_hand_made_counts() {
        // Shares 1/2, 1/2, 0 and 1/4, 1/4, 1/2.
        assert!((total_variation(&[2, 2, 0], &[1, 1, 2]) - 0.5).abs() < 1e-12);
        assert!((cosine(&[2, 2, 0], &[1, 1, 2]) - (0.25 / (0.5_f64 * 0.375).sqrt())).abs() < 1e-12);
        assert_eq!((total_variation(&[3, 1], &[6, 2]), cosine(&[3, 1], &[6, 2])), (0.0, 1.0));
        assert!(total_variation(&[0, 0], &[1, 0]).is_nan() && cosine(&[0, 0], &[1, 0]).is_nan());
    }

    #[test]
    fn halves_without_counts_are_left_out() {
        let documents: [(usize, &[u32]); 2] = [(0, &[2, 0]), (2, &[0, 2])];
        // Split 1 parts the two documents: distance 1. Split 2 has both on one side.
        let halves = [vec![true, true, false], vec![true, false, true]];
        assert_eq!(between_halves(&halves, &documents.into_iter(), &[2, 2], total_variation), 1.0);
        assert!(between_halves(&halves[1..], &documents.into_iter(), &[2, 2], total_variation).is_nan());
    }
}
