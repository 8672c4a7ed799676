//! Cluster bootstrap over documents, and the one quantile rule.
//!
//! Tokens of one document are not independent, so that whole documents are drawn with replacement. A resample is a
//! weight per document; a statistic that is made of per-document counts is recomputed from the weighted counts.
//!
//! Which interval belongs to which statistic:
//! * ratios of sums (shares, accuracies, loads, means): the percentiles of the resampled values;
//! * `routing_std`: the same percentiles, moved by (estimate - mean of the resampled values), because resampling adds
//!   noise a second time and the plain percentiles of a spread miss their own estimate;
//! * entropies and other plug-in values of sparse tables: delete-one-document jackknife (see `entropy`).

use rayon::prelude::*;

use super::{
    random::{Purpose, Stream},
    settings::Settings,
};
use crate::routing::LayerId;

/// An interval `(low, high)`, absent where the data are too few.
pub(super) type Interval = Option<(f64, f64)>;

/// How often every document occurs in every resample.
#[derive(Debug, Default)]
pub(super) struct Resamples {
    /// `[documents, resamples]`.
    weight: Vec<u8>,
    count: usize,
    minimum_documents: usize,
}

impl Resamples {
    /// Draws `settings.resamples` times as many documents as there are, with replacement.
    pub(super) fn draw(settings: &Settings, layer: LayerId, documents: usize) -> Self {
        let count = settings.resamples;
        let drawn: Vec<Vec<u8>> = (0..count)
            .into_par_iter()
            .map(|index| {
                let mut stream = Stream::new(settings.seed, layer, Purpose::Bootstrap, index);
                let mut weight = vec![0_u8; documents];
                for _ in 0..documents {
                    let drawn = &mut weight[stream.below(documents as u32) as usize];
                    *drawn = drawn.saturating_add(1);
                }
                weight
            })
            .collect();
        let weight = (0..documents).flat_map(|document| drawn.iter().map(move |one| one[document])).collect();
        Self { weight, count, minimum_documents: settings.minimum_documents }
    }

    /// Number of resamples.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The weights of one document, `[resamples]`.
    #[inline]
    pub(super) fn of(&self, document: usize) -> &[u8] {
        &self.weight[document * self.count..(document + 1) * self.count]
    }

    /// Sum over documents of weight x value for every resample.
    pub(super) fn sums(&self, per_document: impl IntoIterator<Item = (usize, f64)>) -> Vec<f64> {
        let mut sums = vec![0.0; self.count];
        for (document, value) in per_document {
            if value != 0.0 {
                for (sum, weight) in sums.iter_mut().zip(self.of(document)) {
                    *sum += value * f64::from(*weight);
                }
            }
        }
        sums
    }

    /// Largest resampled total of a per-document count: what integer sums must be able to hold.
    pub(super) fn largest_total(&self, per_document: &[u32]) -> u64 {
        let total = self.sums(per_document.iter().map(|count| f64::from(*count)).enumerate());
        total.iter().fold(0.0, |a: f64, b| a.max(*b)) as u64
    }

    /// Adds weight x count of a document to integer sums. [`super::study::Study::new`] has made sure that they fit.
    #[inline]
    pub(super) fn add(&self, document: usize, count: u32, sums: &mut [u32]) {
        let weights = self.of(document);
        if count == 1 {
            sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += u32::from(*weight));
        } else {
            sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += count * u32::from(*weight));
        }
    }

    /// Interval of a ratio of sums over documents, by percentiles; `numerator` and `denominator` per document.
    pub(super) fn ratio(&self, numerator: &[f64], denominator: &[f64]) -> Interval {
        let documents = denominator.iter().filter(|value| **value > 0.0).count();
        if !self.enough(documents) {
            return None;
        }
        let above = self.sums(numerator.iter().copied().enumerate());
        let below = self.sums(denominator.iter().copied().enumerate());
        percentile(&mut above.iter().zip(&below).map(|(above, below)| above / below).collect::<Vec<_>>())
    }

    /// Whether there are enough documents for an interval.
    pub(super) fn enough(&self, documents: usize) -> bool {
        documents >= self.minimum_documents && documents >= 2
    }
}

/// The 95 % percentile interval of resampled values; values that are not finite (a resample without any unit) are
/// left out. Reorders the values.
pub(super) fn percentile(values: &mut Vec<f64>) -> Interval {
    values.retain(|value| value.is_finite());
    if values.is_empty() {
        return None;
    }
    Some((quantile(values, 0.025), quantile(values, 0.975)))
}

/// The percentile interval moved by (estimate - mean of the resampled values): for spreads, which resampling makes
/// larger. Cut at 0 and at the ceiling, and never beside its estimate. Reorders the values.
pub(super) fn centred(values: &mut Vec<f64>, estimate: f64, ceiling: f64) -> Interval {
    values.retain(|value| value.is_finite());
    let shift = estimate - values.iter().sum::<f64>() / values.len() as f64;
    percentile(values)
        .map(|(low, high)| ((low + shift).max(0.0).min(estimate), (high + shift).min(ceiling).max(estimate)))
}

/// The `p`-quantile by linear interpolation between order statistics: with h = (n - 1) p, the value at h
/// (type 7 of Hyndman and Fan 1996, the default of R, `NumPy` and pandas). Reorders the values; NaN without values.
pub(super) fn quantile(values: &mut [f64], p: f64) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let h = (values.len() - 1) as f64 * p;
    let below = h.floor() as usize;
    let (_, &mut low, rest) = values.select_nth_unstable_by(below, f64::total_cmp);
    let high = rest.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    low + (h - h.floor()) * (high - low)
}

/// The same quantile of values that are sorted already.
pub(super) fn quantile_sorted(values: &[f64], p: f64) -> f64 {
    let h = (values.len() as f64 - 1.0).max(0.0) * p.clamp(0.0, 1.0);
    let at = |index: usize| values.get(index).or(values.last()).copied().unwrap_or(f64::NAN);
    let low = at(h.floor() as usize);
    low + (h - h.floor()) * (at(h.floor() as usize + 1) - low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_type_seven() {
        // 1, 2, 4, 8: h = 3 * 0.5 = 1.5 between 2 and 4; h = 3 * 0.9 = 2.7 between 4 and 8.
        for (p, expected) in [(0.0, 1.0), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0)] {
            assert!((quantile(&mut [8.0, 1.0, 4.0, 2.0], p) - expected).abs() < 1e-12);
            assert!((quantile_sorted(&[1.0, 2.0, 4.0, 8.0], p) - expected).abs() < 1e-12);
        }
        assert!(quantile(&mut [], 0.5).is_nan());
    }

    #[test]
    fn every_resample_draws_as_many_documents_as_there_are() {
        let resamples = Resamples::draw(&Settings { resamples: 20, ..Settings::default() }, 3, 10);
        let total = resamples.sums((0..10).map(|document| (document, 1.0)));
        assert_eq!(total, vec![10.0; 20]);
        assert!((0..20).any(|r| resamples.of(0)[r] != resamples.of(1)[r]));
    }

    #[test]
    fn ratio_interval_of_a_constant_is_a_point_and_needs_eight_documents() {
        let resamples = Resamples::draw(&Settings::default(), 0, 8);
        assert_eq!(resamples.ratio(&[1.0; 8], &[4.0; 8]), Some((0.25, 0.25)));
        let mut seven = [4.0; 8];
        seven[0] = 0.0;
        assert_eq!(resamples.ratio(&[1.0; 8], &seven), None);
    }
}
