//! Reads numbers at a position of a weight file, and widens them to f32.

use std::io;

use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};

use super::tensor::Dtype;
use crate::read_at::ReadAt;

/// Half-precision numbers read at a time; small enough to stay in the cache while they are widened.
const BLOCK: usize = 64 * 1024;

/// Reads `out.len()` numbers of type `dtype` that start at byte `offset`, widened exactly to f32.
///
/// Several threads may read from one file.
pub(super) fn read_numbers(bytes: &dyn ReadAt, offset: u64, dtype: Dtype, out: &mut [f32]) -> io::Result<()> {
    if dtype == Dtype::F32 {
        bytes.read_exact_at(bytemuck::cast_slice_mut(out), offset)?;
        if cfg!(target_endian = "big") {
            for number in out {
                *number = f32::from_bits(number.to_bits().swap_bytes());
            }
        }
        return Ok(());
    }
    let mut block = vec![0_u16; BLOCK.min(out.len())];
    let mut position = offset;
    for wide in out.chunks_mut(BLOCK) {
        let narrow = &mut block[..wide.len()];
        bytes.read_exact_at(bytemuck::cast_slice_mut(narrow), position)?;
        position += 2 * narrow.len() as u64;
        if cfg!(target_endian = "big") {
            for bits in &mut *narrow {
                *bits = bits.swap_bytes();
            }
        }
        widen(narrow, dtype, wide);
    }
    Ok(())
}

/// Widens 16-bit numbers; every bf16 and f16 has exactly one f32 of the same value.
fn widen(narrow: &[u16], dtype: Dtype, wide: &mut [f32]) {
    if dtype == Dtype::F16 {
        narrow.reinterpret_cast::<half::f16>().convert_to_f32_slice(wide);
    } else {
        for (wide, &bits) in wide.iter_mut().zip(narrow) {
            *wide = f32::from_bits(u32::from(bits) << 16);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_at::LocalFile;

    #[test]
    fn every_16_bit_number_is_widened_exactly() {
        let all: Vec<u16> = (0..=u16::MAX).collect();
        let mut wide = vec![0.0; all.len()];
        widen(&all, Dtype::Bf16, &mut wide);
        assert!(all.iter().zip(&wide).all(|(&bits, wide)| wide.to_bits() == u32::from(bits) << 16));
        widen(&all, Dtype::F16, &mut wide);
        // 1.0, the smallest subnormal 2^-24, the largest number 65504, minus infinity.
        for (bits, value) in [(0x3c00, 1.0), (1, 2_f32.powi(-24)), (0x7bff, 65504.0), (0xfc00, f32::NEG_INFINITY)] {
            assert_eq!(wide[bits], value);
        }
    }

    #[test]
    fn blocks_join_without_a_gap() {
        // Three numbers more than a block, from the second on: 1.0 2.0 alternate.
        let numbers: Vec<u8> =
            (0..BLOCK + 4).flat_map(|index| if index % 2 == 0 { [0x80, 0x3f] } else { [0x00, 0x40] }).collect();
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, &numbers).unwrap();
        let file = LocalFile::new(file).unwrap();
        let mut out = vec![0.0; BLOCK + 3];
        read_numbers(&file, 2, Dtype::Bf16, &mut out).unwrap();
        assert!(out.iter().enumerate().all(|(index, &x)| x == if index % 2 == 0 { 2.0 } else { 1.0 }));
        let mut beyond = vec![0.0; BLOCK + 4];
        assert!(read_numbers(&file, 2, Dtype::Bf16, &mut beyond).is_err());
    }
}
