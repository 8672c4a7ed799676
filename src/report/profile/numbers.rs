//! Shares, lifts and means as text.

use crate::{
    routing::View,
    stats::{Lift, Mean, Rate, share_and_interval},
};

/// "69 % [63, 73]", or "-" where nothing was counted.
pub(super) fn rate(rate: &Rate) -> String {
    rate.estimate.map_or_else(|| "-".to_owned(), |share| share_and_interval(share, rate.low.zip(rate.high)))
}

/// A share that is known exactly, with three digits: "12.5 %", "6.25 %", "25 %".
pub(super) fn exact(share: f64) -> String {
    let text = format!("{:.*}", if share < 0.1 { 2 } else { 1 }, share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// "5.5", or "-".
pub(super) fn times(lift: &Lift) -> String {
    lift.times.map_or_else(|| "-".to_owned(), factor)
}

/// The same of an even load: nothing after capacity, where queues that are full make shares alike.
pub(super) fn times_even(lift: &Lift, view: View) -> String {
    if view == View::Chosen { times(lift) } else { "-".to_owned() }
}

/// The head of a column with shares over an even load.
pub(super) const TIMES_EVEN: &str = "times\neven";
/// The head of a column with shares over the share of all tokens.
pub(super) const TIMES_OWN: &str = "times its share\nof all tokens";

/// "5.5": as many digits as are worth reading.
pub(super) fn factor(times: f64) -> String {
    match times {
        0.0 => "0".to_owned(),
        times if times < 0.095 => format!("{times:.2}"),
        times if times < 9.95 => format!("{times:.1}"),
        times => format!("{times:.0}"),
    }
}

/// A mean with three decimals: "0.431 [0.420, 0.440]".
pub(super) fn mean(mean: &Mean) -> String {
    let Some(estimate) = mean.estimate else { return "-".to_owned() };
    let ends = mean.low.zip(mean.high).map(|(low, high)| format!(" [{low:.3}, {high:.3}]"));
    format!("{estimate:.3}{}", ends.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_they_need() {
        let share = |estimate, low, high| Rate { estimate, low, high, ..Rate::default() };
        assert_eq!(rate(&share(Some(0.694), Some(0.631), Some(0.729))), "69 % [63, 73]");
        assert_eq!([rate(&share(Some(0.034), None, None)), rate(&share(None, None, None))], ["3.4 %", "-"]);
        assert_eq!([0.125, 0.0625, 0.25].map(exact), ["12.5 %", "6.25 %", "25 %"]);
        assert_eq!([0.0, 0.03, 0.4, 5.55, 12.3].map(factor), ["0", "0.03", "0.4", "5.5", "12"]);
    }
}
