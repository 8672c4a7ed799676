//! Vertical axes.

use crate::chart::axis::{log_ticks, short, tick_labels, ticks};

/// Share of the height under a logarithmic axis that is reserved for 0.
const ZERO_ROOM: f64 = 0.1;

/// Places values between the lower and the upper end of an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::chart) struct AxisScale {
    low: f64,
    high: f64,
    log: bool,
    /// Whether a logarithmic axis has a place for 0 under it.
    zero: bool,
    percent: bool,
}

impl AxisScale {
    /// A linear axis from 0.
    pub(in crate::chart) fn from_zero(high: f64) -> Self {
        Self::linear(0.0, high)
    }

    /// A linear axis.
    pub(in crate::chart) fn linear(low: f64, high: f64) -> Self {
        Self { low, high, log: false, zero: false, percent: false }
    }

    /// A logarithmic axis; smaller values are placed on its lower end.
    pub(in crate::chart) fn log(low: f64, high: f64) -> Self {
        Self { log: true, ..Self::linear(low, high) }
    }

    /// The same with a place for 0 under a logarithmic axis, apart from small values.
    pub(in crate::chart) fn and_zero(self) -> Self {
        Self { zero: true, ..self }
    }

    /// The same, in percent.
    pub(in crate::chart) fn percent(self) -> Self {
        Self { percent: true, ..self }
    }

    /// The place of a value: 0 at the lower end, 1 at the upper end; values beyond are placed on the ends.
    pub(super) fn place(self, value: f64) -> f64 {
        if !self.log {
            return ((value - self.low) / (self.high - self.low).max(1e-12)).clamp(0.0, 1.0);
        }
        let place = (value.max(1e-12) / self.low).ln() / (self.high / self.low).ln().max(1e-9);
        match (self.zero, value > 0.0) {
            (false, _) => place.clamp(0.0, 1.0),
            (true, true) => ZERO_ROOM + (1.0 - ZERO_ROOM) * place.clamp(0.0, 1.0),
            (true, false) => 0.0,
        }
    }

    /// Whether 0 lies inside the axis.
    pub(super) fn crosses_zero(self) -> bool {
        !self.log && self.low < 0.0 && self.high > 0.0
    }

    /// About `count` round values with their labels; at most twice as many on a logarithmic axis, where that leaves
    /// powers of ten.
    pub(super) fn ticks(self, count: usize) -> Vec<(f64, String)> {
        if !self.log {
            let values = ticks(self.low, self.high, count);
            let labels = tick_labels(&values, self.percent).into_iter().map(|label| label.replace('-', "\u{2212}"));
            return values.iter().copied().zip(labels).collect();
        }
        let (factor, unit) = if self.percent { (100.0, " %") } else { (1.0, "") };
        let zero = self.zero.then(|| (0.0, "0".to_owned()));
        let label = |value: f64| (value, format!("{}{unit}", short(value * factor)));
        let mut values = log_ticks(self.low, self.high);
        if values.len() > 2 * count {
            values.retain(|value| (value.log10() - value.log10().round()).abs() < 1e-9);
        }
        zero.into_iter().chain(values.into_iter().map(label)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_stands_apart_from_small_values() {
        let scale = AxisScale::log(1e-4, 1.0).percent().and_zero();
        assert_eq!([scale.place(0.0), scale.place(1e-4), scale.place(1e-9), scale.place(1.0)], [0.0, 0.1, 0.1, 1.0]);
        let labels: Vec<String> = scale.ticks(5).into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["0", "0.01 %", "0.1 %", "1 %", "10 %", "100 %"]);
    }

    #[test]
    fn linear_axes_go_below_zero() {
        let scale = AxisScale::linear(-0.02, 0.02).percent();
        assert_eq!([scale.place(-0.02), scale.place(0.0), scale.place(0.05)], [0.0, 0.5, 1.0]);
        assert!(scale.crosses_zero() && !AxisScale::from_zero(1.0).crosses_zero());
        assert_eq!(scale.ticks(2)[0].1, "\u{2212}2 %");
    }
}
