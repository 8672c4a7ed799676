//! Numbers of eight and of four bits with scales, widened exactly to f32.

use std::{io, sync::Arc};

use super::{
    read_numbers::read_numbers,
    tensor::{Dtype, Scales, StoredTensor},
};
use crate::read_at::ReadAt;

/// Numbers of four bits that share a scale.
pub(super) const FOUR_BIT_BLOCK: usize = 32;
/// The numbers of four bits; those from 8 on are negative.
const FOUR_BITS: [f32; 16] = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0];

/// A tensor with scales; `handles` are the bytes of the weight files.
pub(super) struct Quantised<'a> {
    pub(super) handles: &'a [Arc<dyn ReadAt>],
    pub(super) tensor: &'a StoredTensor,
    pub(super) scales: &'a Scales,
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The number of a byte of type e4m3: a sign, four bits of exponent, three of fraction, no infinity.
fn eight_bits(byte: u8) -> f32 {
    let (exponent, fraction) = (i32::from(byte >> 3 & 15), f32::from(byte & 7));
    let size = match (exponent, byte & 0x7f) {
        (_, 0x7f) => f32::NAN,
        (0, _) => fraction / 8.0 * 2.0_f32.powi(-6),
        _ => (1.0 + fraction / 8.0) * 2.0_f32.powi(exponent - 7),
    };
    if byte & 0x80 == 0 { size } else { -size }
}

/// `2^(byte - 127)`; the largest byte is no number.
fn power_of_two(byte: u8) -> f32 {
    match byte {
        0 => f32::from_bits(1 << 22),
        0xff => f32::NAN,
        _ => f32::from_bits(u32::from(byte) << 23),
    }
}

impl Quantised<'_> {
    /// Reads `out.len()` numbers, from number `first` on.
    pub(super) fn read(&self, first: usize, out: &mut [f32]) -> io::Result<()> {
        match self.tensor.dtype {
            Dtype::Mxfp4 => self.read_four_bits(first, out),
            _ => self.read_eight_bits(first, out),
        }
    }

    /// `number * scale[row / rows of a block, column / columns of a block]`.
    fn read_eight_bits(&self, first: usize, out: &mut [f32]) -> io::Result<()> {
        let Self { handles, tensor, scales } = *self;
        let columns = tensor.shape[1];
        let [block_rows, block_columns] = scales.block;
        let across = columns.div_ceil(block_columns);
        let first_scale = first / columns / block_rows * across;
        let end_scale = ((first + out.len()).div_ceil(columns).div_ceil(block_rows)) * across;
        let mut factors = vec![0.0; end_scale - first_scale];
        let Scales { tensor: of_scales, .. } = scales;
        let offset = of_scales.offset + (4 * first_scale) as u64;
        read_numbers(&*handles[of_scales.file], offset, of_scales.dtype, &mut factors)?;
        let mut bytes = vec![0; out.len()];
        handles[tensor.file].read_exact_at(&mut bytes, tensor.offset + first as u64)?;
        let table: Vec<f32> = (0..=u8::MAX).map(eight_bits).collect();
        for (index, (out, &byte)) in out.iter_mut().zip(&bytes).enumerate() {
            let (row, column) = ((first + index) / columns, (first + index) % columns);
            *out = table[usize::from(byte)] * factors[row / block_rows * across + column / block_columns - first_scale];
        }
        if bytes.iter().any(|byte| byte & 0x7f == 0x7f) {
            return Err(damaged("a number of eight bits is no number (NaN)"));
        }
        Ok(())
    }

    /// Rows of whole blocks of 32 numbers, the lower half of a byte first, times the scale of the block.
    fn read_four_bits(&self, first: usize, out: &mut [f32]) -> io::Result<()> {
        let Self { handles, tensor, scales } = *self;
        if !first.is_multiple_of(FOUR_BIT_BLOCK) || !out.len().is_multiple_of(FOUR_BIT_BLOCK) {
            return Err(damaged("a part of a block of four-bit numbers was asked for"));
        }
        let mut bytes = vec![0; out.len() / 2];
        handles[tensor.file].read_exact_at(&mut bytes, tensor.offset + first as u64 / 2)?;
        let mut exponents = vec![0; out.len() / FOUR_BIT_BLOCK];
        let offset = scales.tensor.offset + (first / FOUR_BIT_BLOCK) as u64;
        handles[scales.tensor.file].read_exact_at(&mut exponents, offset)?;
        let blocks = out.chunks_exact_mut(FOUR_BIT_BLOCK).zip(bytes.chunks_exact(FOUR_BIT_BLOCK / 2));
        for ((out, bytes), exponent) in blocks.zip(&exponents) {
            let scale = power_of_two(*exponent);
            for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
                pair[0] = FOUR_BITS[usize::from(byte & 15)] * scale;
                pair[1] = FOUR_BITS[usize::from(byte >> 4)] * scale;
            }
        }
        if exponents.contains(&0xff) {
            return Err(damaged("a scale of four-bit numbers is no number"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write as _};

    use super::*;
    use crate::read_at::LocalFile;

    fn stored(offset: u64, dtype: Dtype, shape: &[usize]) -> StoredTensor {
        StoredTensor { file: 0, offset, dtype, shape: shape.to_vec(), scales: None }
    }

    fn read(file: File, tensor: &StoredTensor, scales: &Scales, first: usize, out: &mut [f32]) {
        let handles: [Arc<dyn ReadAt>; 1] = [Arc::new(LocalFile::new(file).unwrap())];
        Quantised { handles: &handles, tensor, scales }.read(first, out).unwrap();
    }

    #[test]
    fn a_byte_is_the_number_of_the_standard() {
        for (byte, number) in
            [(0x00, 0.0), (0x38, 1.0), (0xb8, -1.0), (0x01, 0.001_953_125), (0x7e, 448.0), (0x40, 2.0)]
        {
            assert_eq!(eight_bits(byte), number, "{byte:#x}");
        }
        assert!(eight_bits(0x7f).is_nan() && eight_bits(0xff).is_nan());
        assert_eq!((power_of_two(127), power_of_two(128), power_of_two(0)), (1.0, 2.0, 2.0_f32.powi(-127)));
    }

    #[test]
    fn blocks_at_the_edges_are_cut_off() {
        // Three rows of three numbers in blocks of two by two: four scales.
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[0x38; 9]).unwrap();
        let scales: Vec<u8> = [1.0_f32, 2.0, 3.0, 4.0].iter().flat_map(|scale| scale.to_le_bytes()).collect();
        file.write_all(&scales).unwrap();
        let scales = Scales { tensor: Box::new(stored(9, Dtype::F32, &[2, 2])), block: [2, 2] };
        let tensor = stored(0, Dtype::Fp8, &[3, 3]);
        let mut out = [0.0; 9];
        read(file.try_clone().unwrap(), &tensor, &scales, 0, &mut out);
        assert_eq!(out, [1.0, 1.0, 2.0, 1.0, 1.0, 2.0, 3.0, 3.0, 4.0]);
        let mut last = [0.0; 3];
        read(file, &tensor, &scales, 6, &mut last);
        assert_eq!(last, [3.0, 3.0, 4.0]);
    }

    #[test]
    fn the_lower_half_of_a_byte_comes_first() {
        let mut file = tempfile::tempfile().unwrap();
        // 1 and -6 sixteen times, times 2.
        file.write_all(&[0xf2; 16]).unwrap();
        file.write_all(&[128]).unwrap();
        let scales = Scales { tensor: Box::new(stored(16, Dtype::Scale, &[1, 1])), block: [1, 32] };
        let mut out = [0.0; 32];
        read(file, &stored(0, Dtype::Mxfp4, &[1, 1, 16]), &scales, 0, &mut out);
        assert!(out.chunks(2).all(|pair| pair == [2.0, -12.0]), "{out:?}");
    }
}
