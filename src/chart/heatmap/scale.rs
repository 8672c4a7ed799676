//! How the values of a heat map become colours and words.

use crate::chart::theme::{ACCENT, Color, PAPER, TEXT, VALUE};

/// Most decimals under the colour bar.
const MOST_DECIMALS: usize = 5;

/// How a value becomes a colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::chart) enum Scale {
    /// White at 0, dark at the maximum.
    Sequential {
        /// The darkest value.
        max: f64,
    },
    /// White at a ratio of 1, orange above and blue below, as in the report; steps are equal on a logarithmic scale. Ratios
    /// below 1 are hatched so that greyscale tells the two sides apart.
    Ratio {
        /// The darkest ratio, above 1; its inverse is the darkest below.
        limit: f64,
    },
    /// White at a difference of 0, orange above and blue below; differences below 0 are hatched as ratios below 1 are.
    Difference {
        /// The darkest difference on both sides.
        limit: f64,
    },
}

impl Scale {
    /// The colour of a value.
    pub(super) fn color(self, value: f64) -> Color {
        match self {
            Self::Sequential { max } => PAPER.towards(VALUE.towards(TEXT, 0.25), value / max.max(1e-12)),
            Self::Ratio { .. } | Self::Difference { .. } => {
                let amount = self.distance(value);
                if amount < 0.0 { PAPER.towards(VALUE, -amount) } else { PAPER.towards(ACCENT, amount) }
            }
        }
    }

    /// How far a value is from the middle of a scale with two sides; 1 at the darkest value.
    fn distance(self, value: f64) -> f64 {
        match self {
            Self::Sequential { .. } => 0.0,
            Self::Ratio { limit } => value.max(1e-12).ln() / limit.ln().max(1e-12),
            Self::Difference { limit } => value / limit.max(1e-12),
        }
    }

    /// Whether a value is far enough on the lower side to be hatched.
    pub(super) fn is_hatched(self, value: f64) -> bool {
        self.distance(value) < -0.2
    }

    /// The middle of a scale with two sides.
    pub(super) fn middle(self) -> Option<u8> {
        match self {
            Self::Sequential { .. } => None,
            Self::Ratio { .. } => Some(1),
            Self::Difference { .. } => Some(0),
        }
    }

    /// Values along the colour bar.
    pub(super) fn samples(self) -> Vec<f64> {
        match self {
            Self::Sequential { max } => (0..=8).map(|step| max * f64::from(step) / 8.0).collect(),
            Self::Ratio { limit } => (-4..=4).map(|step| limit.powf(f64::from(step) / 4.0)).collect(),
            Self::Difference { limit } => (-4..=4).map(|step| limit * f64::from(step) / 4.0).collect(),
        }
    }
}

/// The values under the colour bar, with as many decimals, two or more, as tell them apart.
pub(super) fn scale_ticks(values: &[f64]) -> Vec<String> {
    let with = |decimals: usize| values.iter().map(|value| scale_tick(*value, decimals)).collect::<Vec<String>>();
    let differ = |ticks: &Vec<String>| ticks.windows(2).all(|pair| pair[0] != pair[1]);
    (2..MOST_DECIMALS).map(with).find(differ).unwrap_or_else(|| with(MOST_DECIMALS))
}

fn scale_tick(value: f64, decimals: usize) -> String {
    let text = if value.abs() >= 9.95 {
        format!("{value:.0}")
    } else {
        format!("{value:.decimals$}").trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    text.replace('-', "\u{2212}")
}

/// A number below this one has two decimals beside others that have one.
pub(super) const SMALL_NUMBER: f64 = 0.095;

/// A value with two digits, which fit into a cell; if all values are below 1, all have two decimals.
pub(super) fn cell_label(value: f64, scale: Scale) -> String {
    if let Scale::Difference { .. } = scale {
        // The sum turns a negative zero into zero.
        return format!("{:.0}", value.round() + 0.0).replace('-', "\u{2212}");
    }
    if matches!(scale, Scale::Sequential { max } if max <= 1.0) {
        // From 0.0005 on, what is not 0 does not read as 0.
        if (0.000_5..0.005).contains(&value) { format!("{value:.3}") } else { format!("{value:.2}") }
    } else if (99.5..100.0).contains(&value) {
        // In per cent what is not all does not read as all.
        format!("{:.1}", value.min(99.9))
    } else if value.abs() >= 9.95 {
        format!("{value:.0}")
    } else if value.abs() >= SMALL_NUMBER {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_a_narrow_scale_differ() {
        assert_eq!(scale_ticks(&Scale::Sequential { max: 2.0 }.samples())[..3], ["0", "0.25", "0.5"]);
        assert_eq!(scale_ticks(&Scale::Sequential { max: 0.05 }.samples())[..4], ["0", "0.006", "0.013", "0.019"]);
    }

    #[test]
    fn a_ratio_of_one_is_white_and_the_sides_mirror() {
        let scale = Scale::Ratio { limit: 4.0 };
        assert_eq!(scale.color(1.0), PAPER);
        assert_eq!(scale.color(0.25), VALUE);
        assert_eq!(scale.color(4.0), ACCENT);
        assert_eq!(scale.color(0.0), VALUE);
        assert!(scale.is_hatched(0.5) && !scale.is_hatched(2.0));
    }

    #[test]
    fn a_difference_of_zero_is_white_and_the_sides_mirror() {
        let scale = Scale::Difference { limit: 8.0 };
        assert_eq!([0.0, -8.0, 8.0, -20.0].map(|value| scale.color(value)), [PAPER, VALUE, ACCENT, VALUE]);
        assert!(scale.is_hatched(-2.0) && !scale.is_hatched(-1.0) && !scale.is_hatched(8.0));
        assert_eq!([-8.0, -0.4, 3.0].map(|value| cell_label(value, scale)), ["\u{2212}8", "0", "3"]);
    }
}
