//! Row kernels: normalisation, softmax, gating, dot products.
//!
//! Written as plain loops over fixed-width lanes that the compiler vectorises for the instruction set found at run time
//! (`pulp`). Sums have a fixed order and fused multiply-adds are explicit, so every instruction set gives the same bits.

// Kernels must be inlined into the function that pulp compiles for the instruction set found at run time.
#![allow(clippy::inline_always)]

use half::bf16;

/// The rounding of activations: none, or at every operation, as in a bf16 run of the original.
pub(super) trait Rounding: Copy + Send + Sync + 'static {
    /// Whether [`Rounding::round`] does anything.
    const ROUNDS: bool;
    /// The activation type's nearest value.
    fn round(value: f32) -> f32;
}

/// f32 activations.
#[derive(Clone, Copy)]
pub(super) struct Exact;

impl Rounding for Exact {
    const ROUNDS: bool = false;
    #[inline(always)]
    fn round(value: f32) -> f32 {
        value
    }
}

/// Activations rounded to bf16 (nearest, ties to even).
#[derive(Clone, Copy)]
pub(super) struct ToBf16;

impl Rounding for ToBf16 {
    const ROUNDS: bool = true;
    #[inline(always)]
    fn round(value: f32) -> f32 {
        bf16::from_f32(value).to_f32()
    }
}

/// Rounds a whole buffer.
pub(super) fn round_all<R: Rounding>(values: &mut [f32]) {
    if R::ROUNDS {
        for value in values {
            *value = R::round(*value);
        }
    }
}

const LANES: usize = 16;

/// Runs a kernel compiled for the best instruction set of this machine.
#[inline(always)]
fn vectorised<T>(kernel: impl FnOnce() -> T) -> T {
    pulp::Arch::new().dispatch(kernel)
}

/// Sum of the lanes, pairwise, in a fixed order.
#[inline(always)]
fn sum_lanes(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// `exp(x)` in f32 to about 1 ulp; 0 below -87.3. Cephes' range reduction and polynomial.
#[inline(always)]
fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding and subtracting it rounds to the nearest integer
    let clamped = x.clamp(-87.3, 88.3);
    let shifted = clamped.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-0.693_359_4, clamped);
    let r = n.mul_add(2.121_944_4e-4, r);
    let mut p = 1.987_569_2e-4_f32;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = p.mul_add(r, c);
    }
    let value = p.mul_add(r * r, r) + 1.0;
    // 2^n: the low bits of `shifted` are n, and a conversion that saturates would not be vectorised.
    let scaled = value * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x < -87.3 { 0.0 } else { scaled }
}

/// Division by one number, as exact as the machine's division and several times as fast for many numerators: multiply
/// by the reciprocal and correct twice (Markstein 1990, theorem 8.2: with a correctly rounded reciprocal and a quotient
/// within one ulp the corrected quotient is correctly rounded).
#[derive(Clone, Copy)]
struct Quotient {
    divisor: f32,
    reciprocal: f32,
}

impl Quotient {
    #[inline(always)]
    fn by(divisor: f32) -> Self {
        Self { divisor, reciprocal: 1.0 / divisor }
    }

    /// `numerator / divisor`, correctly rounded for quotients above 2^-100, whose remainders do not underflow.
    #[inline(always)]
    fn of(self, numerator: f32) -> f32 {
        let corrected = |quotient: f32| {
            let remainder = quotient.mul_add(-self.divisor, numerator);
            remainder.mul_add(self.reciprocal, quotient)
        };
        corrected(corrected(numerator * self.reciprocal))
    }
}

/// Dot product with 16 partial sums.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    vectorised(
        #[inline(always)]
        || {
            let mut lanes = [0.0_f32; LANES];
            let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
            let (a_rest, b_rest) = (a_chunks.remainder(), b_chunks.remainder());
            for (a, b) in a_chunks.zip(b_chunks) {
                for lane in 0..LANES {
                    lanes[lane] = a[lane].mul_add(b[lane], lanes[lane]);
                }
            }
            for (lane, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
                lanes[lane] = a.mul_add(*b, lanes[lane]);
            }
            sum_lanes(lanes)
        },
    )
}

/// `out = weight * round(x * rsqrt(mean(x^2) + eps))`: the cast to the activation type comes BEFORE the weight
/// (model.md, "Forward pass").
pub(super) fn rms_norm<R: Rounding>(out: &mut [f32], x: &[f32], weight: &[f32], eps: f32) {
    let scale = rms_scale(x, eps);
    for ((out, &x), &weight) in out.iter_mut().zip(x).zip(weight) {
        *out = R::round(weight * R::round(x * scale));
    }
}

/// [`rms_norm`] in place.
pub(super) fn rms_norm_in_place<R: Rounding>(x: &mut [f32], weight: &[f32], eps: f32) {
    let scale = rms_scale(x, eps);
    for (x, &weight) in x.iter_mut().zip(weight) {
        *x = R::round(weight * R::round(*x * scale));
    }
}

fn rms_scale(x: &[f32], eps: f32) -> f32 {
    1.0 / (dot(x, x) / x.len() as f32 + eps).sqrt()
}

/// `out = weight * (x - mean) / sqrt(variance + eps) + bias`; the variance without correction.
pub(super) fn layer_norm<R: Rounding>(out: &mut [f32], x: &[f32], weight: &[f32], bias: &[f32], eps: f32) {
    let count = x.len() as f32;
    let mean = x.iter().sum::<f32>() / count;
    let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / count;
    let scale = 1.0 / (variance + eps).sqrt();
    for (((out, &x), &weight), &bias) in out.iter_mut().zip(x).zip(weight).zip(bias) {
        *out = R::round((x - mean) * scale * weight + bias);
    }
}

/// Adds a bias to every row of its length.
pub(super) fn add_bias<R: Rounding>(rows: &mut [f32], bias: &[f32]) {
    for row in rows.chunks_exact_mut(bias.len()) {
        for (x, bias) in row.iter_mut().zip(bias) {
            *x = R::round(*x + bias);
        }
    }
}

/// `1 / (1 + exp(-x))`.
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// Softmax of the scores `row[..visible]` in place, f32; the rest of the row becomes 0. The length of the row is a multiple of
/// [`LANES`]. `mask`, if given, hides keys (`false`), but never key 0. `sink` is a further score, whose share is thrown away;
/// minus infinity is none.
pub(super) fn softmax<R: Rounding>(row: &mut [f32], visible: usize, mask: Option<&[bool]>, sink: f32) {
    let (row, behind) = row.split_at_mut(visible.next_multiple_of(LANES));
    behind.fill(0.0);
    // The exponential of minus infinity is 0, so all lanes can be computed.
    row[visible..].fill(f32::NEG_INFINITY);
    if let Some(mask) = mask {
        // Key 0 stays visible even when it is padding: prompts start with `<pad>` as BOS.
        for (score, &shown) in row.iter_mut().zip(mask).skip(1) {
            if !shown {
                *score = f32::NEG_INFINITY;
            }
        }
    }
    // One simple loop for each step: the compiler vectorises these, but not a single loop with all steps.
    vectorised(
        #[inline(always)]
        || {
            let mut maxima = [f32::NEG_INFINITY; LANES];
            for scores in row.as_chunks::<LANES>().0 {
                for lane in 0..LANES {
                    maxima[lane] = if scores[lane] > maxima[lane] { scores[lane] } else { maxima[lane] };
                }
            }
            let maximum = maxima.iter().copied().fold(sink, f32::max);
            for score in &mut *row {
                *score = exp(*score - maximum);
            }
            let mut sums = [0.0_f32; LANES];
            for exponentials in row.as_chunks::<LANES>().0 {
                for lane in 0..LANES {
                    sums[lane] += exponentials[lane];
                }
            }
            let quotient = Quotient::by(sum_lanes(sums) + exp(sink - maximum));
            for probability in row {
                *probability = R::round(quotient.of(*probability));
            }
        },
    );
}

/// The three-factor gate: `up = a * (b * sigmoid(b)) * up`, element by element; `a` is the first half of the gate
/// projection and `b` the second (model.md, `mlp3`: silu acts on the SECOND half).
pub(super) fn gate<R: Rounding>(up: &mut [f32], a: &[f32], b: &[f32]) {
    vectorised(
        #[inline(always)]
        || {
            for ((up, &a), &b) in up.iter_mut().zip(a).zip(b) {
                let sigmoid = R::round(1.0 / (1.0 + exp(-b)));
                *up = R::round(R::round(a * R::round(b * sigmoid)) * *up);
            }
        },
    );
}

/// The gate with two factors: `up = gate * sigmoid(gate) * up`, element by element.
pub(super) fn silu_gate<R: Rounding>(up: &mut [f32], gate: &[f32]) {
    vectorised(
        #[inline(always)]
        || {
            for (up, &gate) in up.iter_mut().zip(gate) {
                let sigmoid = R::round(1.0 / (1.0 + exp(-gate)));
                *up = R::round(R::round(gate * sigmoid) * *up);
            }
        },
    );
}

/// gpt-oss's gate: `up = gate * sigmoid(alpha * gate) * (up + 1)`, with gate cut at `limit` from above and up on both sides.
pub(super) fn clamped_gate<R: Rounding>(up: &mut [f32], gate: &[f32], limit: f32, alpha: f32) {
    vectorised(
        #[inline(always)]
        || {
            for (up, &gate) in up.iter_mut().zip(gate) {
                let gate = gate.min(limit);
                let sigmoid = R::round(1.0 / (1.0 + exp(-alpha * gate)));
                *up = R::round(R::round(gate * sigmoid) * R::round(up.clamp(-limit, limit) + 1.0));
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_ulp_and_flushes_what_underflows() {
        for step in -8_700..8_800 {
            let x = step as f32 / 100.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 2.4e-7, "exp({x}) = {} but {exact}", exp(x));
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-88.0), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
    }

    #[test]
    fn the_quotient_is_the_machines() {
        let mut state = 1_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0
        };
        for _ in 0..2_000 {
            let divisor = 1.0 + 2047.0 * random() * random();
            let quotient = Quotient::by(divisor);
            for _ in 0..500 {
                let numerator = random() * (-60.0 * random()).exp();
                let (found, exact) = (quotient.of(numerator), numerator / divisor);
                assert_eq!(found.to_bits(), exact.to_bits(), "{numerator} / {divisor}");
            }
        }
        assert_eq!(Quotient::by(3.0).of(0.0), 0.0);
    }

    #[test]
    fn softmax_sums_to_one_hides_the_future_and_honours_the_mask() {
        let mut row = [99.0; 2 * LANES];
        row[..3].copy_from_slice(&[0.0, 1.0, 2.0]);
        softmax::<Exact>(&mut row, 3, None, f32::NEG_INFINITY);
        // e^0, e^1, e^2 over 1 + 2.718282 + 7.389056 = 11.107338
        for (found, expected) in row.iter().zip([0.090_030_57, 0.244_728_47, 0.665_240_96]) {
            assert!((found - expected).abs() < 1e-6, "{row:?}");
        }
        assert!(row[3..].iter().all(|hidden| *hidden == 0.0), "{row:?}");
        let mut row = [99.0; LANES];
        row[..3].copy_from_slice(&[0.0, 1.0, 2.0]);
        softmax::<Exact>(&mut row, 3, Some(&[true, false, true]), f32::NEG_INFINITY);
        assert_eq!(row[1], 0.0);
        assert!((row[0] - 0.119_202_92).abs() < 1e-6 && (row[2] - 0.880_797_1).abs() < 1e-6);
        // A sink of the same score as both keys takes a third.
        let mut row = [1.0; LANES];
        softmax::<Exact>(&mut row, 2, None, 1.0);
        assert!((row[0] - 1.0 / 3.0).abs() < 1e-6 && (row[1] - 1.0 / 3.0).abs() < 1e-6, "{row:?}");
    }

    #[test]
    fn the_gate_has_three_factors_and_silu_on_the_second_half() {
        let mut up = [3.0, -1.0];
        gate::<Exact>(&mut up, &[2.0, 5.0], &[0.0, 1.0]);
        // 2 * (0 * 0.5) * 3 = 0;  5 * (1 * 0.7310586) * -1 = -3.655293
        assert_eq!(up[0], 0.0);
        assert!((up[1] + 3.655_293).abs() < 1e-5);
    }

    #[test]
    fn the_other_gates_have_two_factors() {
        let mut up = [3.0, -1.0];
        silu_gate::<Exact>(&mut up, &[0.0, 1.0]);
        // 0 * 0.5 * 3 = 0;  1 * 0.7310586 * -1
        assert!(up[0] == 0.0 && (up[1] + 0.731_058_6).abs() < 1e-6, "{up:?}");
        let mut up = [5.0, -5.0];
        clamped_gate::<Exact>(&mut up, &[9.0, -9.0], 2.0, 0.5);
        // Gate 2, up 2: 2 * 0.7310586 * 3;  gate -9 is not cut, up -2: -9 * 0.0109869 * -1
        assert!((up[0] - 4.386_351_6).abs() < 1e-5 && (up[1] - 0.098_882_4).abs() < 1e-5, "{up:?}");
    }

    #[test]
    fn layer_norm_has_mean_and_variance() {
        let mut out = [0.0; 2];
        layer_norm::<Exact>(&mut out, &[1.0, 3.0], &[2.0, 1.0], &[0.5, 0.0], 0.0);
        assert_eq!(out, [-1.5, 1.0]);
    }

    #[test]
    fn rms_norm_rounds_before_the_weight() {
        let mut out = [0.0; 2];
        rms_norm::<ToBf16>(&mut out, &[1.0, 3.0], &[1.01, 1.0], 0.0);
        // rms = sqrt(5): 0.4472136 -> bf16 0.447265625, times 1.01 = 0.45173828 -> bf16 0.451171875
        assert_eq!(out[0], 0.451_171_88);
    }

    #[test]
    fn dot_counts_every_element_once() {
        let a: Vec<f32> = (0..37).map(|i| i as f32).collect();
        assert_eq!(dot(&a, &[1.0; 37]), 666.0);
    }
}
