//! Rates, differences and q-values as text for people.

use super::study::ContrastRow;

impl ContrastRow {
    /// The difference with its interval: "+27 points [24, 30]".
    pub fn difference_words(&self) -> String {
        difference_and_interval(self.difference, self.low.zip(self.high))
    }

    /// The q-value: "q < 0.001"; `None` if it is withheld.
    pub fn q_words(&self) -> Option<String> {
        Some(match self.q? {
            q if q < 0.001 => "q < 0.001".to_owned(),
            q if q < 0.01 => format!("q = {q:.3}"),
            q => format!("q = {q:.2}"),
        })
    }

    /// Layer and expert: "expert 12 of layer 5".
    pub fn place(&self) -> String {
        format!("expert {} of layer {}", self.expert, self.layer)
    }
}

/// A share in percent: "31 %", "3.4 %", "0.05 %".
pub fn share_words(share: f64) -> String {
    if share > 0.0 && share < 0.000_05 {
        return "under 0.01 %".to_owned();
    }
    if share == 0.0 {
        return "0 %".to_owned();
    }
    format!("{} %", fixed(share * 100.0, digits(share)))
}

/// A share in percent with its interval: "69 % [63, 73]"; without one, the share alone.
pub fn share_and_interval(share: f64, interval: Option<(f64, f64)>) -> String {
    let ends = interval.map(|(low, high)| {
        // Nothing and everything have the decimals of their other end: "0 % [0, 1.2]", "100 % [99.7, 100]".
        let digits = match share {
            0.0 => digits(high),
            1.0 => digits(10.0 * (1.0 - low)),
            share => digits(share),
        };
        let end = |value: f64| match value {
            0.0 => "0".to_owned(),
            1.0 => "100".to_owned(),
            _ => fixed(value * 100.0, digits),
        };
        format!(" [{}, {}]", end(low), end(high))
    });
    format!("{}{}", share_words(share), ends.unwrap_or_default())
}

/// A difference of shares in percentage points with its interval: "+27 points [24, 30]".
pub fn difference_and_interval(difference: f64, interval: Option<(f64, f64)>) -> String {
    let digits = digits(difference);
    let end = |value: f64| fixed(value * 100.0, digits);
    let ends = interval.map(|(low, high)| format!(" [{}, {}]", end(low), end(high)));
    format!("{} points{}", points(difference), ends.unwrap_or_default())
}

/// A difference of shares in percentage points, with its sign: "+27", "-3.4".
pub fn points(difference: f64) -> String {
    let text = fixed(difference * 100.0, digits(difference));
    match text.trim_matches(['0', '.']) {
        "" => "0".to_owned(),
        _ if text.starts_with('-') => text,
        _ => format!("+{text}"),
    }
}

/// Decimals that leave two or three significant digits of a percentage.
fn digits(share: f64) -> usize {
    match share.abs() {
        share if share >= 0.099_5 => 0,
        share if share >= 0.009_95 => 1,
        _ => 2,
    }
}

/// A number with so many decimals, halves rounded away from 0 as in verdicts, and no sign before a zero.
pub fn fixed(value: f64, digits: usize) -> String {
    let scale = 10_f64.powi(digits as i32);
    let text = format!("{:.digits$}", (value * scale).round() / scale);
    let is_zero = text.bytes().all(|byte| matches!(byte, b'0' | b'.' | b'-'));
    if is_zero { text.trim_start_matches('-').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_rounded_as_in_verdicts() {
        assert_eq!([0.625, 0.115].map(|share| share_and_interval(share, None)), ["63 %", "12 %"]);
        assert_eq!(points(-0.625), "-63");
    }

    #[test]
    fn numbers_have_the_digits_that_they_need() {
        assert_eq!(
            [0.314, 0.0341, 0.000_52, 0.0, 1e-6, 0.0999].map(share_words),
            ["31 %", "3.4 %", "0.05 %", "0 %", "under 0.01 %", "10 %"]
        );
        assert_eq!([0.268, -0.034, -0.000_001, 0.0].map(points), ["+27", "-3.4", "0", "0"]);
        assert_eq!(share_and_interval(0.694, Some((0.631, 0.729))), "69 % [63, 73]");
        assert_eq!(share_and_interval(0.0341, None), "3.4 %");
        assert_eq!(share_and_interval(0.0, Some((0.0, 0.012))), "0 % [0, 1.2]");
        assert_eq!(share_and_interval(1.0, Some((0.741, 1.0))), "100 % [74, 100]");
        assert_eq!(share_and_interval(1.0, Some((0.9968, 1.0))), "100 % [99.7, 100]");
        let row = |low, high| ContrastRow { difference: 0.27, low, high, q: Some(0.0004), ..ContrastRow::default() };
        assert_eq!(row(Some(-0.001), Some(0.3)).difference_words(), "+27 points [0, 30]");
        assert_eq!(row(None, None).difference_words(), "+27 points");
        let q = |q| ContrastRow { q, ..ContrastRow::default() }.q_words();
        assert_eq!(
            [q(Some(0.0004)), q(Some(0.0042)), q(Some(0.31)), q(None)].map(Option::unwrap_or_default),
            ["q < 0.001", "q = 0.004", "q = 0.31", ""]
        );
    }
}
