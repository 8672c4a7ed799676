//! The rotary embedding: its frequencies, and the rotation of heads.

use super::kernels::Rounding;
use crate::checkpoint::{Attention, Pairs, RotaryScaling};

/// Cosine and sine of every position and pair of dimensions, `[positions, dim / 2]`.
struct Table {
    cosine: Vec<f32>,
    sine: Vec<f32>,
}

impl Table {
    /// Cosine and sine of `position * frequency`, computed in f32, times a magnitude, cast to the activation type.
    fn new<R: Rounding>(positions: usize, frequencies: &[f32], magnitude: f64) -> Self {
        let angles = || (0..positions).flat_map(|p| frequencies.iter().map(move |f| p as f32 * f));
        let magnitude = magnitude as f32;
        Self {
            cosine: angles().map(|angle| R::round(angle.cos() * magnitude)).collect(),
            sine: angles().map(|angle| R::round(angle.sin() * magnitude)).collect(),
        }
    }
}

/// Rotates heads by their position.
pub(super) struct Rotary {
    half: usize,
    pairs: Pairs,
    table: Table,
    /// The table of sequences longer than so many tokens.
    long: Option<(usize, Table)>,
}

impl Rotary {
    /// The tables for sequences of up to so many tokens.
    pub(super) fn new<R: Rounding>(positions: usize, attention: &Attention) -> Self {
        let rotary = &attention.rotary;
        let half = rotary.dim / 2;
        let theta = rotary.theta as f32;
        let plain: Vec<f32> = (0..half).map(|j| 1.0 / theta.powf((2 * j) as f32 / rotary.dim as f32)).collect();
        let divided = |by: &[f64]| plain.iter().zip(by).map(|(inv, by)| inv / *by as f32).collect::<Vec<f32>>();
        let (table, long) = match &rotary.scaling {
            RotaryScaling::None => (Table::new::<R>(positions, &plain, 1.0), None),
            RotaryScaling::Yarn { magnitude, .. } => {
                (Table::new::<R>(positions, &yarn(&plain, rotary.theta, &rotary.scaling), *magnitude), None)
            }
            RotaryScaling::Long { short, long, short_magnitude, long_magnitude, original } => {
                let within = Table::new::<R>(positions.min(*original), &divided(short), *short_magnitude);
                let beyond = (positions > *original)
                    .then(|| (*original, Table::new::<R>(positions, &divided(long), *long_magnitude)));
                (within, beyond)
            }
        };
        Self { half, pairs: rotary.pairs, table, long }
    }

    /// Rotates the dimensions from `first` on of all heads of `width` numbers of one position of a sequence of `length` tokens.
    pub(super) fn rotate<R: Rounding>(
        &self,
        heads: &mut [f32],
        (width, first): (usize, usize),
        position: usize,
        length: usize,
    ) {
        let table = match &self.long {
            Some((original, table)) if length > *original => table,
            _ => &self.table,
        };
        let of_position = position * self.half..(position + 1) * self.half;
        let (cosine, sine) = (&table.cosine[of_position.clone()], &table.sine[of_position]);
        for head in heads.chunks_exact_mut(width) {
            let rotated = &mut head[first..first + 2 * self.half];
            match self.pairs {
                Pairs::Half => {
                    let (a, b) = rotated.split_at_mut(self.half);
                    for j in 0..self.half {
                        (a[j], b[j]) = turn::<R>(a[j], b[j], cosine[j], sine[j]);
                    }
                }
                Pairs::Interleaved => {
                    for ((pair, cosine), sine) in rotated.chunks_exact_mut(2).zip(cosine).zip(sine) {
                        (pair[0], pair[1]) = turn::<R>(pair[0], pair[1], *cosine, *sine);
                    }
                }
            }
        }
    }
}

/// A pair turned by an angle.
fn turn<R: Rounding>(x: f32, y: f32, cosine: f32, sine: f32) -> (f32, f32) {
    let first = R::round(R::round(x * cosine) + R::round(-y * sine));
    let second = R::round(R::round(y * cosine) + R::round(x * sine));
    (first, second)
}

/// Frequencies by yarn: those with few turns within the original length are divided by the factor.
fn yarn(plain: &[f32], theta: f64, scaling: &RotaryScaling) -> Vec<f32> {
    let RotaryScaling::Yarn { factor, fast, slow, original, whole_dimensions, .. } = *scaling else {
        return plain.to_vec();
    };
    let dim = 2.0 * plain.len() as f64;
    let with_turns =
        |turns: f64| dim * (original as f64 / (2.0 * std::f64::consts::PI * turns)).ln() / (2.0 * theta.ln());
    let (mut low, mut high) = (with_turns(fast), with_turns(slow));
    if whole_dimensions {
        (low, high) = (low.floor(), high.ceil());
    }
    (low, high) = (low.max(0.0), high.min(dim - 1.0));
    if low == high {
        high += 0.001;
    }
    let scaled = |(f, inv): (usize, &f32)| {
        let keep = 1.0 - ((f as f64 - low) / (high - low)).clamp(0.0, 1.0);
        let inv = f64::from(*inv);
        (inv / factor * (1.0 - keep) + inv * keep) as f32
    };
    plain.iter().enumerate().map(scaled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        checkpoint::{Projection, Rotary as Description},
        model::kernels::Exact,
    };

    fn attention(dim: usize, theta: f64, pairs: Pairs, scaling: RotaryScaling) -> Attention {
        Attention {
            heads: 1,
            key_value_heads: 1,
            key_dim: dim,
            value_dim: dim,
            scale: 1.0,
            projection: Projection::Plain,
            input_bias: false,
            output_bias: false,
            query_key_norm: None,
            clip: None,
            rotary: Description { theta, dim, pairs, scaling },
            sinks: false,
        }
    }

    fn rotated(attention: &Attention, head: [f32; 4], position: usize, length: usize) -> [f32; 4] {
        let mut head = head;
        Rotary::new::<Exact>(length, attention).rotate::<Exact>(&mut head, (4, 0), position, length);
        head
    }

    fn assert_near(found: &[f32], expected: &[f32]) {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}, expected {expected:?}");
    }

    #[test]
    fn rotation_turns_the_half_split_pairs_and_the_interleaved_ones() {
        // One pair by 1 rad, the other by 0.01 rad.
        let (one, other) = ((1.0_f32.cos(), 1.0_f32.sin()), (0.01_f32.cos(), 0.01_f32.sin()));
        let half = attention(4, 10_000.0, Pairs::Half, RotaryScaling::None);
        let expected = [one.0 - 3.0 * one.1, 2.0 * other.0 - 4.0 * other.1, 3.0 * one.0 + one.1];
        assert_near(&rotated(&half, [1.0, 2.0, 3.0, 4.0], 1, 2), &expected);
        let interleaved = attention(4, 10_000.0, Pairs::Interleaved, RotaryScaling::None);
        let expected = [one.0 - 2.0 * one.1, 2.0 * one.0 + one.1, 3.0 * other.0 - 4.0 * other.1];
        assert_near(&rotated(&interleaved, [1.0, 2.0, 3.0, 4.0], 1, 2), &expected);
    }

    /// Values of the released configurations of DeepSeek-V2-Lite and gpt-oss, computed with transformers.
    #[test]
    fn yarn_has_the_frequencies_of_released_models() {
        for (theta, factor, whole_dimensions, expected) in [
            (1e4, 40.0, true, [(16, 0.005_500_000_4), (23, 3.333_803e-5)]),
            (150_000.0, 32.0, false, [(12, 0.006_794_959), (18, 3.830_881e-5)]),
        ] {
            let scaling =
                RotaryScaling::Yarn { factor, fast: 32.0, slow: 1.0, original: 4096, whole_dimensions, magnitude: 1.0 };
            let plain: Vec<f32> = (0..32).map(|j| 1.0 / (theta as f32).powf(j as f32 / 32.0)).collect();
            let found = yarn(&plain, theta, &scaling);
            for (dimension, frequency) in expected {
                assert!((found[dimension] / frequency - 1.0).abs() < 1e-5, "{dimension}: {}", found[dimension]);
            }
        }
    }

    #[test]
    fn the_length_of_a_sequence_decides_the_divisors_of_all_its_positions() {
        let scaling = RotaryScaling::Long {
            short: vec![1.0, 1.0],
            long: vec![2.0, 4.0],
            short_magnitude: 1.0,
            long_magnitude: 1.5,
            original: 2,
        };
        let attention = attention(4, 10_000.0, Pairs::Half, scaling);
        assert_near(&rotated(&attention, [1.0, 0.0, 0.0, 0.0], 1, 2), &[1.0_f32.cos()]);
        assert_near(&rotated(&attention, [1.0, 0.0, 0.0, 0.0], 1, 3), &[1.5 * 0.5_f32.cos()]);
    }
}
