//! Numbers with intervals, distances between share vectors, and the propagation of uncertainty.

use crate::{
    routing::View,
    stats::{Finding, routing_std_ceiling},
};

/// Half the width of a 95 % interval in standard errors.
const NORMAL_95: f64 = 1.959_963_984_540_054;

/// A number with its 95 % interval, if it has one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The number.
    pub value: f64,
    /// Both ends of its interval.
    pub interval: Option<(f64, f64)>,
}

impl Measured {
    /// A number without an interval.
    pub fn fixed(value: f64) -> Self {
        Self { value, interval: None }
    }

    /// The number of a row of a run's table; `None` if it is withheld.
    pub(super) fn of(row: &Finding) -> Option<Self> {
        Some(Self { value: row.estimate?, interval: row.low.zip(row.high) })
    }

    /// A share of `n` with its Wilson interval, as if the `n` were independent.
    pub fn wilson(share: f64, n: f64) -> Self {
        let z2 = NORMAL_95 * NORMAL_95;
        let (middle, scale) = (share + z2 / (2.0 * n), 1.0 + z2 / n);
        let half = NORMAL_95 * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
        let ends = (((middle - half) / scale).max(0.0), ((middle + half) / scale).min(1.0));
        Self { value: share, interval: (n > 0.0).then_some(ends) }
    }

    /// The mean of some values, with an interval of 1.96 standard errors; no interval for fewer than two values.
    pub(super) fn mean(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        let mean = (n > 0.0).then(|| values.iter().sum::<f64>() / n)?;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let half = NORMAL_95 * (variance / n).sqrt();
        Some(Self { value: mean, interval: (n > 1.0).then_some((mean - half, mean + half)) })
    }

    /// The weighted mean of numbers whose errors may be completely dependent: the ends of the interval are the means of the ends. No
    /// interval unless every number has one.
    pub(super) fn together(parts: &[(Self, f64)]) -> Option<Self> {
        let weight: f64 = parts.iter().map(|(_, weight)| weight).sum();
        let mean = |part: &dyn Fn(&Self) -> Option<f64>| -> Option<f64> {
            let terms = parts.iter().map(|(number, weight)| Some(part(number)? * weight));
            Some(terms.sum::<Option<f64>>()? / weight)
        };
        let value = mean(&|number| Some(number.value)).filter(|_| weight > 0.0)?;
        let ends = mean(&|n| Some(n.interval?.0)).zip(mean(&|n| Some(n.interval?.1)));
        Some(Self { value, interval: ends })
    }

    /// The same in another unit.
    pub(super) fn scaled(self, factor: f64) -> Self {
        Self { value: self.value * factor, interval: self.interval.map(|(low, high)| (low * factor, high * factor)) }
    }

    /// The same with the interval cut off at 0.
    pub(super) fn not_negative(self) -> Self {
        Self { interval: self.interval.map(|(low, high)| (low.max(0.0), high)), ..self }
    }

    /// The same without its interval if one of the numbers that it was made from has none: unlike the paper's, a run's
    /// number without an interval is not exact, it has too few documents.
    #[must_use]
    pub(super) fn known_from(self, parts: &[Self]) -> Self {
        Self { interval: self.interval.filter(|_| parts.iter().all(|part| part.interval.is_some())), ..self }
    }

    /// `self - other`.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        propagated(&[self, other], |at| at[0] - at[1])
    }

    /// `self / other`. The interval is computed on the logarithmic scale, so that the inverse ratio has the inverse ends. No interval
    /// if an end is 0 or one of the two numbers has none.
    #[must_use]
    pub(super) fn over(self, other: Self) -> Self {
        let logarithm = |number: Self| Self {
            value: number.value.ln(),
            interval: number.interval.map(|(low, high)| (low.ln(), high.ln())),
        };
        let (a, b) = (logarithm(self), logarithm(other));
        let ends = a.less(b).known_from(&[a, b]).interval.map(|(low, high)| (low.exp(), high.exp()));
        let positive = |number: Self| number.value > 0.0 && number.interval.is_some_and(|(low, _)| low > 0.0);
        Self { value: self.value / other.value, interval: ends.filter(|_| positive(self) && positive(other)) }
    }
}

/// A function of numbers with intervals. Each number in turn is moved to the ends of its interval, and the squares of the changes
/// are added (the square-and-add method; Zou and Donner, Statistics in Medicine 27, 2008), which assumes that the numbers
/// are independent. A number without an interval counts as exact; if no number has one, the result has none.
pub fn propagated(inputs: &[Measured], function: impl Fn(&[f64]) -> f64) -> Measured {
    let mut at: Vec<f64> = inputs.iter().map(|input| input.value).collect();
    let value = function(&at);
    let (mut below, mut above) = (0.0, 0.0);
    for (index, input) in inputs.iter().enumerate() {
        let Some((low, high)) = input.interval else { continue };
        let mut changes = [low, high].map(|end| {
            at[index] = end;
            function(&at) - value
        });
        at[index] = input.value;
        changes.sort_by(f64::total_cmp);
        below += changes[0].min(0.0).powi(2);
        above += changes[1].max(0.0).powi(2);
    }
    let known = inputs.iter().any(|input| input.interval.is_some());
    Measured { value, interval: known.then(|| (value - below.sqrt(), value + above.sqrt())) }
}

/// Half the sum of the differences between two share vectors over the same experts.
pub fn total_variation(a: &[f64], b: &[f64]) -> f64 {
    let (all_a, all_b) = (sum(a), sum(b));
    a.iter().zip(b).map(|(a, b)| (a / all_a - b / all_b).abs()).sum::<f64>() / 2.0
}

/// Jensen-Shannon divergence in bits of two share vectors over the same experts.
pub fn share_divergence(a: &[f64], b: &[f64]) -> f64 {
    let (all_a, all_b) = (sum(a), sum(b));
    let term = |p: f64, mean: f64| if p > 0.0 { p * (p / mean).log2() } else { 0.0 };
    let pair = |(a, b): (&f64, &f64)| {
        let (a, b) = (a.max(0.0) / all_a, b.max(0.0) / all_b);
        let mean = f64::midpoint(a, b);
        f64::midpoint(term(a, mean), term(b, mean))
    };
    a.iter().zip(b).map(pair).sum()
}

/// Distance between two share vectors that ignores which expert is which: the shares are sorted, multiplied by the number of experts
/// (1 = even) and taken as step functions over [0, 1]; the distance is half the area between the two. With equal numbers of
/// experts it is the total variation of the sorted shares. 0 = equally uneven; always below 1.
pub fn profile_distance(a: &[f64], b: &[f64]) -> f64 {
    step_area(&profile(a), &profile(b)) / 2.0
}

/// Area between two sorted lists, each taken as a step function with equal steps over [0, 1]. For samples it is the Wasserstein
/// distance between the two distributions.
pub(super) fn step_area(a: &[f64], b: &[f64]) -> f64 {
    let (mut i, mut j, mut from, mut area) = (0, 0, 0.0, 0.0);
    while i < a.len() && j < b.len() {
        let ends = ((i + 1) as f64 / a.len() as f64, (j + 1) as f64 / b.len() as f64);
        let to = ends.0.min(ends.1);
        area += (to - from) * (a[i] - b[j]).abs();
        from = to;
        i += usize::from(ends.0 <= to + 1e-12);
        j += usize::from(ends.1 <= to + 1e-12);
    }
    area
}

/// Shares from the busiest expert on, as multiples of even routing.
pub(super) fn profile(share: &[f64]) -> Vec<f64> {
    let scale = share.len() as f64 / sum(share);
    let mut profile: Vec<f64> = share.iter().map(|share| share * scale).collect();
    profile.sort_by(|a, b| b.total_cmp(a));
    profile
}

/// Standard deviation over experts, as a fraction of the largest that is possible with k distinct choices per token.
pub fn relative_std(share: &[f64], top_k: usize) -> f64 {
    let (experts, all) = (share.len() as f64, sum(share));
    let variance = share.iter().map(|share| (share / all - 1.0 / experts).powi(2)).sum::<f64>() / experts;
    variance.sqrt() / routing_std_ceiling(share.len(), top_k, View::Chosen)
}

fn sum(values: &[f64]) -> f64 {
    values.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_has_the_square_and_add_interval() {
        let a = Measured { value: 0.5, interval: Some((0.2, 0.9)) };
        let b = Measured { value: 0.3, interval: Some((0.3 - 0.4, 0.3 + 0.3)) };
        let difference = a.less(b);
        let (low, high) = difference.interval.unwrap();
        // Down: a by 0.3, b up by 0.3; up: a by 0.4, b down by 0.4.
        assert!((difference.value - 0.2).abs() < 1e-12);
        assert!((low - (0.2 - 0.18f64.sqrt())).abs() < 1e-12 && (high - (0.2 + 0.32f64.sqrt())).abs() < 1e-12);
        assert_eq!(Measured::fixed(2.0).less(Measured::fixed(0.5)), Measured::fixed(1.5));
    }

    #[test]
    fn distances_of_known_vectors() {
        assert!((total_variation(&[0.5, 0.5, 0.0], &[0.0, 0.5, 0.5]) - 0.5).abs() < 1e-12);
        assert!((share_divergence(&[1.0, 0.0], &[0.0, 1.0]) - 1.0).abs() < 1e-12);
        assert_eq!(profile_distance(&[0.7, 0.3], &[0.3, 0.7]), 0.0, "labels are forgotten");
        // Steps 2, 0 over halves against 4/3, 4/3, 4/3, 0 over quarters: half of (2/3 / 2 + 4/3 / 4) = 1/3.
        assert!((profile_distance(&[1.0, 0.0], &[1.0, 1.0, 0.0, 1.0]) - 1.0 / 3.0).abs() < 1e-12);
        let pair = relative_std(&[0.5, 0.5, 0.0, 0.0], 2);
        assert!((pair - 1.0).abs() < 1e-12, "both choices always the same is the ceiling: {pair}");
    }

    #[test]
    fn wilson_of_a_known_proportion() {
        // 10 of 100: the textbook interval 0.0552 to 0.1744.
        let (low, high) = Measured::wilson(0.1, 100.0).interval.unwrap();
        assert!((low - 0.0552).abs() < 5e-5 && (high - 0.1744).abs() < 5e-5, "{low} {high}");
    }

    #[test]
    fn numbers_that_err_together_keep_their_widths() {
        let part = |value: f64| Measured { value, interval: Some((value - 1.0, value + 2.0)) };
        let mean = Measured::together(&[(part(1.0), 1.0), (part(4.0), 3.0)]).unwrap();
        assert_eq!(mean, part(3.25));
        assert_eq!(Measured::together(&[(part(1.0), 1.0), (Measured::fixed(1.0), 1.0)]).unwrap().interval, None);
        assert_eq!(Measured::together(&[]), None);
    }
}
