//! Numbers in the type in which they are written, and what rounding did to them.

use half::{bf16, f16};

use crate::checkpoint::Dtype;

/// What rounding did to numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Rounding {
    /// Numbers that were written.
    pub numbers: u64,
    /// Numbers that are others now.
    pub changed: u64,
    /// Finite numbers that became infinite.
    pub infinite: u64,
    /// Numbers that became 0.
    pub zero: u64,
}

impl Rounding {
    /// Appends numbers to `out` in a type, little endian, rounded to the nearest one, of two to the even one.
    pub(super) fn narrow(&mut self, numbers: &[f32], dtype: Dtype, out: &mut Vec<u8>) {
        self.numbers += numbers.len() as u64;
        match dtype {
            Dtype::Bf16 => self.round(
                numbers,
                out,
                |number| {
                    // What has the type already keeps all its bits, those of a NaN too.
                    let bits = number.to_bits();
                    if bits.trailing_zeros() >= 16 {
                        bf16::from_bits((bits >> 16) as u16)
                    } else {
                        bf16::from_f32(number)
                    }
                },
                bf16::to_f32,
                bf16::to_le_bytes,
            ),
            Dtype::F16 => self.round(numbers, out, f16::from_f32, f16::to_f32, f16::to_le_bytes),
            _ if cfg!(target_endian = "little") => out.extend_from_slice(bytemuck::cast_slice(numbers)),
            _ => numbers.iter().for_each(|number| out.extend(number.to_le_bytes())),
        }
    }

    fn round<T: Copy>(
        &mut self,
        numbers: &[f32],
        out: &mut Vec<u8>,
        narrow: impl Fn(f32) -> T,
        widen: impl Fn(T) -> f32,
        bytes: impl Fn(T) -> [u8; 2],
    ) {
        for &number in numbers {
            let rounded = narrow(number);
            let now = widen(rounded);
            self.changed += u64::from(now != number && !number.is_nan());
            self.infinite += u64::from(now.is_infinite() && number.is_finite());
            self.zero += u64::from(now == 0.0 && number != 0.0);
            out.extend(bytes(rounded));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn narrowed(numbers: &[f32], dtype: Dtype) -> (Vec<u16>, Rounding) {
        let (mut rounding, mut out) = (Rounding::default(), Vec::new());
        rounding.narrow(numbers, dtype, &mut out);
        (out.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect(), rounding)
    }

    #[test]
    fn rounding_is_to_the_nearest_and_counted() {
        // Between 1 and the next bf16, 1 + 2^-7: the middle goes to the even one, 1; a little more goes up.
        let middle = 1.0 + 2_f32.powi(-8);
        let (bits, rounding) = narrowed(&[1.0, middle, middle + 2_f32.powi(-20), 3.4e38, 1e-45, -0.0], Dtype::Bf16);
        assert_eq!(bits, [0x3f80, 0x3f80, 0x3f81, 0x7f80, 0, 0x8000]);
        assert_eq!(rounding, Rounding { numbers: 6, changed: 4, infinite: 1, zero: 1 });
        let (bits, rounding) = narrowed(&[65504.0, 65520.0, 1e-8, 2_f32.powi(-24), f32::INFINITY], Dtype::F16);
        assert_eq!(bits, [0x7bff, 0x7c00, 0, 1, 0x7c00]);
        assert_eq!(rounding, Rounding { numbers: 5, changed: 2, infinite: 1, zero: 1 });
    }

    #[test]
    fn what_has_the_type_already_is_written_bit_by_bit() {
        let all: Vec<f32> = (0..=u16::MAX).map(|bits| f32::from_bits(u32::from(bits) << 16)).collect();
        let (bits, rounding) = narrowed(&all, Dtype::Bf16);
        assert!(bits.iter().copied().eq(0..=u16::MAX));
        assert_eq!((rounding.changed, rounding.infinite, rounding.zero), (0, 0, 0));
        let mut out = Vec::new();
        Rounding::default().narrow(&[1.5, f32::MIN_POSITIVE], Dtype::F32, &mut out);
        assert_eq!(out, [1.5_f32.to_le_bytes(), f32::MIN_POSITIVE.to_le_bytes()].concat());
    }
}
