//! Ticks of axes, and numbers as text.

pub(super) use crate::stats::thousands as count;

/// Round tick values that span `low` to `high` in about `count` steps.
pub(super) fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let span = high - low;
    if !(span.is_finite() && span > 0.0) {
        return vec![low];
    }
    let rough = span / count.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|m| m * power >= rough * 0.999).unwrap_or(10.0) * power;
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|index| index as f64 * step).collect()
}

/// The smallest round value at or above `value`, for the end of an axis.
pub(super) fn ceil_nice(value: f64) -> f64 {
    if !(value.is_finite() && value > 0.0) {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0]
        .into_iter()
        .find(|m| m * power >= value * 0.999_999)
        .unwrap_or(10.0)
        * power
}

/// Ticks of a logarithmic axis: powers of two for positions, so that they fall on bucket edges; 1, 2, 5 otherwise.
pub(super) fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let mut all = Vec::new();
    let mut power = 10f64.powf(low.max(1e-12).log10().floor());
    while power <= high {
        all.extend([1.0, 2.0, 5.0].map(|m| m * power));
        power *= 10.0;
    }
    all.retain(|tick| (low * 0.999..=high * 1.001).contains(tick));
    if all.len() > 9 {
        all.retain(|tick| (tick.log10() - tick.log10().round()).abs() < 1e-9);
    }
    all
}

/// A number with as many decimals as its step of the axis needs.
pub(super) fn tick_label(value: f64, step: f64) -> String {
    let decimals = (-(step.abs().max(1e-12)).log10().floor()).clamp(0.0, 6.0) as usize;
    let exact = (step * 10f64.powi(decimals as i32)).fract();
    let more = usize::from(exact > 1e-6 && exact < 1.0 - 1e-6);
    format!("{value:.*}", decimals + more)
}

/// Labels of evenly spaced ticks, as plain numbers or as percent.
pub(super) fn tick_labels(values: &[f64], percent: bool) -> Vec<String> {
    let factor = if percent { 100.0 } else { 1.0 };
    let step = values.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min) * factor;
    if !step.is_finite() {
        let unit = if percent { " %" } else { "" };
        return values.iter().map(|value| format!("{}{unit}", short(value * factor))).collect();
    }
    let unit = if percent { " %" } else { "" };
    values.iter().map(|value| format!("{}{unit}", tick_label(value * factor, step))).collect()
}

/// A share as percent with sensible decimals.
pub(super) fn percent(share: f64) -> String {
    let value = share * 100.0;
    if value != 0.0 && value.abs() < 10.0 { format!("{value:.1} %") } else { format!("{value:.0} %") }
}

/// A number in about three significant digits.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        a if a >= 100.0 => format!("{value:.0}"),
        a if a >= 10.0 => format!("{value:.1}"),
        a if a >= 1.0 => format!("{value:.2}"),
        a if a >= 0.01 => format!("{value:.3}"),
        a if a >= 0.0001 => format!("{value:.5}"),
        _ => format!("{value:.1e}"),
    }
}

/// A round number without trailing zeros.
pub(super) fn short(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 1.0, 4), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(tick_labels(&ticks(0.0, 0.12, 4), false), ["0.00", "0.05", "0.10"]);
        assert_eq!(tick_labels(&ticks(0.0, 1.0, 4), true), ["0 %", "25 %", "50 %", "75 %", "100 %"]);
        assert_eq!(ticks(1.0, 1.0, 5), [1.0]);
        assert_eq!([tick_labels(&[0.0], false), tick_labels(&[0.25], true)], [["0"], ["25 %"]]);
    }

    #[test]
    fn log_ticks_cover_the_range() {
        assert_eq!(log_ticks(1.0, 100.0), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        assert_eq!(log_ticks(1.0, 100_000.0), [1.0, 10.0, 100.0, 1000.0, 10_000.0, 100_000.0]);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([count(0), count(999), count(1_234_567)], ["0", "999", "1,234,567"]);
        assert_eq!([number(0.0), number(123.4), number(1.5), number(0.05)], ["0", "123", "1.50", "0.050"]);
        assert_eq!([percent(0.0625), percent(0.5), percent(0.0)], ["6.2 %", "50 %", "0 %"]);
        assert_eq!([ceil_nice(0.11), ceil_nice(7.0), ceil_nice(0.0)], [0.12, 8.0, 1.0]);
    }
}
