//! Writes the numbers of verdicts as text.

use crate::stats::{fixed, thousands, verdict::Evidence};

/// A share in whole percent.
pub(super) fn whole(share: f64) -> String {
    fixed(share * 100.0, 0)
}

/// A share in percent, below 2 % with a decimal place: what arithmetic alone changes is small.
pub(super) fn percent(share: f64) -> String {
    let text = fixed(share * 100.0, usize::from(share != 0.0 && share.abs() < 0.02));
    if is_zero(&text) { "0".to_owned() } else { text }
}

/// A share in percent with its interval.
pub(super) fn percent_with_ends(number: &Evidence) -> String {
    let ends = number.low.zip(number.high).map(|(low, high)| format!(" [{}, {}]", percent(low), percent(high)));
    format!("{} %{}", percent(number.estimate.unwrap_or_default()), ends.unwrap_or_default())
}

/// How many times something is another, with a decimal place.
pub(super) fn times(ratio: f64) -> String {
    format!("{ratio:.1}")
}

/// A ratio in percent with its interval.
pub(super) fn ratio(number: &Evidence) -> String {
    let percent = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), |value| format!("{:.2}", value * 100.0));
    match number.low {
        Some(_) => {
            format!("{} % [{}, {}]", percent(number.estimate), percent(number.low), percent(number.high))
        }
        None => format!("{} %", percent(number.estimate)),
    }
}

/// A difference of ratios in percentage points with its interval.
pub(super) fn points(number: &Evidence) -> String {
    match number.low.zip(number.high) {
        Some((low, high)) => format!("{} [{}, {}]", signed(number.estimate), point(low), point(high)),
        None => signed(number.estimate),
    }
}

/// A difference of ratios in percentage points with its interval, to a tenth of a point where that is not 0: "+0.5 points [-0.5, 1.5]".
pub(super) fn points_in_tenths(number: &Evidence) -> String {
    let estimate = number.estimate.unwrap_or_default();
    tenths(&point_with(estimate, 1), number.low.zip(number.high))
}

/// The size of a difference whose sign the words say: "5.4 points [4.7, 6.3]".
pub(super) fn points_without_sign(number: &Evidence) -> String {
    let estimate = number.estimate.unwrap_or_default();
    let ends = number.low.zip(number.high);
    let ends = if estimate < 0.0 { ends.map(|(low, high)| (-high, -low)) } else { ends };
    tenths(point_with(estimate.abs(), 1).trim_start_matches('+'), ends)
}

fn tenths(estimate: &str, ends: Option<(f64, f64)>) -> String {
    let end = |value: f64| point_with(value, 1).trim_start_matches('+').to_owned();
    let ends = ends.map(|(low, high)| format!(" [{}, {}]", end(low), end(high)));
    format!("{estimate} points{}", ends.unwrap_or_default())
}

/// A difference of ratios in percentage points.
pub(super) fn signed(value: Option<f64>) -> String {
    value.map_or_else(|| "unknown".to_owned(), |value| format!("{} points", point(value)))
}

/// Percentage points with their sign. A small number that is not 0 gets enough digits not to look like 0; rounding errors count as
/// 0 and have no sign.
pub(super) fn point(value: f64) -> String {
    point_with(value, 2)
}

/// The same with at least so many decimal places.
fn point_with(value: f64, fewest: usize) -> String {
    let mut texts = (fewest..=4).map(|decimals| format!("{:+.decimals$}", value * 100.0));
    texts.find(|text| !is_zero(text)).unwrap_or_else(|| format!("{:.fewest$}", 0.0))
}

/// A number of intervals that is expected by chance.
pub(super) fn expected(by_chance: f64) -> String {
    if by_chance < 0.5 { "less than 1".to_owned() } else { format!("about {}", thousands(by_chance.round() as u64)) }
}

fn is_zero(text: &str) -> bool {
    text.trim_start_matches(['+', '-']).chars().all(|digit| digit == '0' || digit == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_and_zero_has_no_sign() {
        assert_eq!([0.125, -0.001, 0.0, 1.0, -0.5].map(whole), ["13", "0", "0", "100", "-50"]);
        assert_eq!([0.0051, 0.02, 0.0001, -0.0001, 0.16, 0.0].map(percent), ["0.5", "2", "0", "0", "16", "0"]);
        assert_eq!([0.0587, -0.01, 0.000_003, 0.0].map(point), ["+5.87", "-1.00", "+0.0003", "0.00"]);
    }
}
