//! Changes of the loss in words.

use super::row::{Changed, ShareOf};
use crate::stats::fixed;

/// How many decimals a change and its interval are written with: two digits that say something of the larger of its size and the width
/// of its interval, three to five decimals.
fn decimals(change: &Changed) -> usize {
    let width = change.low.zip(change.high).map_or(0.0, |(low, high)| high - low);
    let size = change.estimate.abs().max(width);
    if size > 0.0 { ((-size.log10()).ceil() as i32 + 1).clamp(3, 5) as usize } else { 3 }
}

/// A change with its sign and its interval: "+0.055 [0.049, 0.060]".
pub fn nats_words(change: &Changed) -> String {
    let digits = decimals(change);
    let estimate = fixed(change.estimate, digits);
    let is_zero = estimate.chars().all(|digit| matches!(digit, '0' | '.'));
    let sign = if change.estimate > 0.0 && !is_zero { "+" } else { "" };
    format!("{sign}{estimate}{}", interval(change.low.zip(change.high), |value| fixed(value, digits)))
}

/// The size of a change whose sign the words say: "0.055 nats per token [0.049, 0.060]".
pub fn size_words(change: &Changed) -> String {
    let digits = decimals(change);
    let is_fall = change.estimate < 0.0;
    let ends = change.low.zip(change.high).map(|(low, high)| if is_fall { (-high, -low) } else { (low, high) });
    let size = fixed(change.estimate.abs(), digits);
    format!("{size} nats per token{}", interval(ends, |value| fixed(value, digits)))
}

/// The share of what random experts cost: "6.2 % [5.6, 6.9] of what random experts cost".
pub fn share_of_random_words(share: &ShareOf) -> String {
    let width = share.low.zip(share.high).map_or(0.0, |(low, high)| high - low);
    let digits = usize::from(share.estimate.abs().max(width) < 0.2);
    let percent = |value: f64| fixed(value * 100.0, digits);
    let ends = interval(share.low.zip(share.high), percent);
    format!("{} %{ends} of what random experts cost", percent(share.estimate))
}

fn interval(ends: Option<(f64, f64)>, write: impl Fn(f64) -> String) -> String {
    ends.map(|(low, high)| format!(" [{}, {}]", write(low), write(high))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(estimate: f64, low: f64, high: f64) -> Changed {
        Changed { estimate, low: Some(low), high: Some(high), unchanged: None, changed: None }
    }

    #[test]
    fn a_change_has_as_many_digits_as_it_is_sure_of() {
        assert_eq!(nats_words(&change(0.0547, 0.0491, 0.0602)), "+0.055 [0.049, 0.060]");
        assert_eq!(nats_words(&change(-0.003_62, -0.004_71, -0.002_58)), "-0.0036 [-0.0047, -0.0026]");
        assert_eq!(size_words(&change(-0.003_62, -0.004_71, -0.002_58)), "0.0036 nats per token [0.0026, 0.0047]");
        assert_eq!(nats_words(&change(0.0, 0.0, 0.0)), "0.000 [0.000, 0.000]");
        assert_eq!(nats_words(&Changed { estimate: 0.883, ..Changed::default() }), "+0.883");
    }

    #[test]
    fn a_share_is_in_percent() {
        let share = |estimate, low, high| ShareOf { estimate, low: Some(low), high: Some(high) };
        assert_eq!(share_of_random_words(&share(0.062, 0.056, 0.069)), "6.2 % [5.6, 6.9] of what random experts cost");
        assert_eq!(share_of_random_words(&share(0.981, 0.97, 0.99)), "98 % [97, 99] of what random experts cost");
    }
}
