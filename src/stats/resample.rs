//! Cluster bootstrap over documents, and the one quantile rule.
//!
//! Tokens of one document are not independent, so that whole documents are drawn with replacement. A resample is a
//! weight per document; a statistic that is made of per-document counts is recomputed from the weighted counts.
//!
//! Which interval belongs to which statistic:
//! * ratios of sums (shares, accuracies, loads, means): the percentiles of the resampled values;
//! * `routing_std`: the same percentiles, moved by (estimate - mean of the resampled values), because resampling adds
//!   noise a second time and the plain percentiles of a spread miss their own estimate;
//! * `drop_trend` and contrasts: percentiles at levels widened for few documents;
//! * entropies and other plug-in values of sparse tables: delete-one-document jackknife (see `entropy`).

use rayon::prelude::*;

use super::settings::Settings;
use crate::{
    random::{Purpose, Stream},
    routing::LayerId,
};

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
        Self::draw_within(settings, layer, &[(0..documents as u32).collect()])
    }

    /// Draws as many documents of every group as the group has, with replacement. Every document is in one group.
    pub(super) fn draw_within(settings: &Settings, layer: LayerId, groups: &[Vec<u32>]) -> Self {
        let count = settings.resamples;
        let documents: usize = groups.iter().map(Vec::len).sum();
        let drawn: Vec<Vec<u8>> = (0..count)
            .into_par_iter()
            .map(|index| {
                let mut stream = Stream::new(settings.seed, layer, Purpose::Bootstrap, index);
                let mut weight = vec![0_u8; documents];
                for group in groups {
                    for _ in group {
                        let document = group[stream.below(group.len() as u32) as usize];
                        let drawn = &mut weight[document as usize];
                        *drawn = drawn.saturating_add(1);
                    }
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

    /// [`expanded_percentile`], where there are enough documents.
    pub(super) fn expanded(&self, values: &mut Vec<f64>, documents: usize) -> Interval {
        if self.enough(documents) { expanded_percentile(values, documents) } else { None }
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

/// The percentile interval at levels widened for few clusters: resampled means of n documents spread too little by
/// sqrt((n - 1) / n), and normal tails are shorter than those of Student's t (Hesterberg 2015, doi
/// 10.1080/00031305.2015.1089789, "expanded percentile"). Reorders the values.
pub(super) fn expanded_percentile(values: &mut Vec<f64>, documents: usize) -> Interval {
    values.retain(|value| value.is_finite());
    if values.is_empty() || documents < 2 {
        return None;
    }
    let n = documents as f64;
    let level = normal_tail((n / (n - 1.0)).sqrt() * student_t_95(documents - 1));
    Some((quantile(values, level), quantile(values, 1.0 - level)))
}

/// P(Z > x) of a standard normal variable for x >= 1: density over the continued fraction of Mills' ratio.
fn normal_tail(x: f64) -> f64 {
    let fraction = (1..200).rev().fold(x, |below, term| x + f64::from(term) / below);
    (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt() / fraction
}

/// The 97.5 % quantile of Student's t, by bisection of its distribution function.
fn student_t_95(degrees: usize) -> f64 {
    let (mut low, mut high) = (1.9, 13.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if student_t_within(middle, degrees) < 0.95 { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// P(|T| < t) for a whole number of degrees of freedom (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4).
fn student_t_within(t: f64, degrees: usize) -> f64 {
    let angle = (t / (degrees as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let odd = degrees % 2 == 1;
    let (mut term, mut sum) = if odd { (cosine, cosine) } else { (1.0, 1.0) };
    let mut index = if odd { 3 } else { 2 };
    while index < degrees {
        term *= (index - 1) as f64 / index as f64 * cosine * cosine;
        sum += term;
        index += 2;
    }
    match (odd, degrees) {
        (true, 1) => angle * std::f64::consts::FRAC_2_PI,
        (true, _) => (angle + sine * sum) * std::f64::consts::FRAC_2_PI,
        _ => sine * sum,
    }
}

/// The percentile interval moved by (estimate - mean of the resampled values): for spreads, which resampling makes
/// larger. It is cut at 0 and at the ceiling, and always contains the estimate. Reorders the values.
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
pub(super) fn quantile_sorted<T: Copy + Into<f64>>(values: &[T], p: f64) -> f64 {
    let h = (values.len() as f64 - 1.0).max(0.0) * p.clamp(0.0, 1.0);
    let at = |index: usize| values.get(index).or(values.last()).map_or(f64::NAN, |value| (*value).into());
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
    fn tails_are_those_of_the_tables() {
        let student = [(1, 12.7062), (2, 4.3027), (3, 3.1824), (7, 2.3646), (8, 2.3060), (39, 2.0227), (928, 1.9625)];
        for (degrees, expected) in student {
            assert!((student_t_95(degrees) - expected).abs() < 5e-5, "{degrees}: {}", student_t_95(degrees));
        }
        for (x, expected) in [(1.0, 0.158_655_25), (1.959_964, 0.025), (3.0, 0.001_349_9)] {
            assert!((normal_tail(x) - expected).abs() < 1e-7, "{x}: {}", normal_tail(x));
        }
        // 8 documents: Phi(-sqrt(8 / 7) 2.3646) = Phi(-2.5279) = 0.00574; of 0..=1000 the values 5.74 and 994.26.
        let (low, high) = expanded_percentile(&mut (0..=1000).map(f64::from).collect(), 8).unwrap();
        assert!((low - 5.74).abs() < 0.01 && (high - 994.26).abs() < 0.01, "{low} {high}");
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
