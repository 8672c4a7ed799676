//! An array of numbers as files hold it, whatever the width of a number there.

use half::{bf16, f16};

use super::numbers::Whole;

/// How the numbers of an array are stored, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberType {
    Bool,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F16,
    Bf16,
    F32,
    F64,
}

impl NumberType {
    /// Bytes of a number.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 | Self::F16 | Self::Bf16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    /// The type of this name, as numpy and torch have them.
    pub(super) fn named(name: &str) -> Option<Self> {
        let all = [
            Self::Bool,
            Self::I8,
            Self::U8,
            Self::I16,
            Self::U16,
            Self::I32,
            Self::U32,
            Self::I64,
            Self::U64,
            Self::F16,
            Self::Bf16,
            Self::F32,
            Self::F64,
        ];
        all.into_iter().find(|kind| kind.name() == name.trim_start_matches("torch."))
    }

    /// Its name, as numpy has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I8 => "int8",
            Self::U8 => "uint8",
            Self::I16 => "int16",
            Self::U16 => "uint16",
            Self::I32 => "int32",
            Self::U32 => "uint32",
            Self::I64 => "int64",
            Self::U64 => "uint64",
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }
}

/// Numbers in C order: the last index runs fastest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NumberArray {
    shape: Vec<usize>,
    kind: NumberType,
    bytes: Vec<u8>,
}

impl NumberArray {
    /// An array of this shape. The bytes are those of the numbers, one after the other, little-endian.
    ///
    /// # Errors
    /// The bytes are fewer or more than the shape needs.
    pub(super) fn new(shape: Vec<usize>, kind: NumberType, bytes: Vec<u8>) -> Result<Self, String> {
        let needed = shape.iter().try_fold(kind.bytes(), |bytes, size| bytes.checked_mul(*size));
        if needed != Some(bytes.len()) {
            return Err(format!(
                "has {} bytes of {} for the shape {}; expected {}",
                bytes.len(),
                kind.name(),
                shape_text(&shape),
                needed.map_or_else(|| "fewer numbers".to_owned(), |needed| needed.to_string())
            ));
        }
        Ok(Self { shape, kind, bytes })
    }

    /// Its sizes, outermost first; none for a single number.
    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its whole numbers, `[product of the shape]`; -1 is what [`Whole::NULL`] says.
    ///
    /// # Errors
    /// It holds fractions, a number out of range, or a -1 where there may be none.
    pub(super) fn whole<T: Whole>(&self) -> Result<Vec<T>, String> {
        macro_rules! of {
            ($type:ty) => {
                self.items::<{ size_of::<$type>() }>().map(|item| narrow(<$type>::from_le_bytes(item).into())).collect()
            };
        }
        match self.kind {
            NumberType::I8 => of!(i8),
            NumberType::U8 => of!(u8),
            NumberType::I16 => of!(i16),
            NumberType::U16 => of!(u16),
            NumberType::I32 => of!(i32),
            NumberType::U32 => of!(u32),
            NumberType::I64 => of!(i64),
            NumberType::U64 => of!(u64),
            other => Err(format!("holds {}; expected whole numbers", other.name())),
        }
    }

    /// Its fractions, `[product of the shape]`, wider ones rounded to single precision.
    ///
    /// # Errors
    /// It holds something else.
    pub(super) fn fractions(&self) -> Result<Vec<f32>, String> {
        match self.kind {
            NumberType::F16 => Ok(self.items().map(|item| f16::from_le_bytes(item).to_f32()).collect()),
            NumberType::Bf16 => Ok(self.items().map(|item| bf16::from_le_bytes(item).to_f32()).collect()),
            NumberType::F32 => Ok(self.items().map(f32::from_le_bytes).collect()),
            NumberType::F64 => Ok(self.items().map(|item| f64::from_le_bytes(item) as f32).collect()),
            other => Err(format!("holds {}; expected fractions", other.name())),
        }
    }

    /// Its truth values, `[product of the shape]`.
    ///
    /// # Errors
    /// It holds something else.
    pub(super) fn flags(&self) -> Result<Vec<bool>, String> {
        match self.kind {
            NumberType::Bool => Ok(self.bytes.iter().map(|byte| *byte != 0).collect()),
            other => Err(format!("holds {}; expected true or false", other.name())),
        }
    }

    fn items<const N: usize>(&self) -> impl Iterator<Item = [u8; N]> + '_ {
        self.bytes.as_chunks().0.iter().copied()
    }
}

fn narrow<T: Whole>(number: i128) -> Result<T, String> {
    if number == -1 {
        return T::NULL.ok_or_else(|| "has a -1 where a number is needed".to_owned());
    }
    T::try_from(number).map_err(|_| format!("holds {number}, which is out of range"))
}

/// A shape as messages show it: `[12, 26, 6]`.
pub(super) fn shape_text(shape: &[usize]) -> String {
    format!("{shape:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::ABSENT;

    #[test]
    fn whole_numbers_of_every_width_are_themselves() {
        let array = |kind, bytes: &[u8]| NumberArray::new(vec![2], kind, bytes.to_vec()).unwrap().whole::<u16>();
        assert_eq!(array(NumberType::I8, &[0xff, 3]), Ok(vec![ABSENT, 3]));
        assert_eq!(array(NumberType::U8, &[0xff, 3]), Ok(vec![255, 3]));
        assert_eq!(array(NumberType::I16, &[1, 2, 0xff, 0xff]), Ok(vec![513, ABSENT]));
        assert_eq!(array(NumberType::I32, &[7, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]), Ok(vec![7, ABSENT]));
        assert_eq!(
            array(NumberType::U64, &[[1, 0, 0, 0, 0, 0, 0, 0], [2, 1, 0, 0, 0, 0, 0, 0]].concat()),
            Ok(vec![1, 258])
        );
        assert_eq!(
            array(NumberType::I32, &[0, 0, 1, 0, 0, 0, 0, 0]),
            Err("holds 65536, which is out of range".to_owned())
        );
        assert_eq!(array(NumberType::F16, &[0; 4]), Err("holds float16; expected whole numbers".to_owned()));
        let ids = NumberArray::new(vec![1], NumberType::I16, vec![0xff, 0xff]).unwrap().whole::<u32>();
        assert_eq!(ids, Err("has a -1 where a number is needed".to_owned()));
    }

    #[test]
    fn fractions_of_every_width_are_themselves() {
        let one = |kind, bytes: &[u8]| NumberArray::new(Vec::new(), kind, bytes.to_vec()).unwrap().fractions().unwrap();
        assert_eq!(one(NumberType::F16, &[0, 0x3e]), [1.5]);
        assert_eq!(one(NumberType::Bf16, &[0xc0, 0x3f]), [1.5]);
        assert_eq!(one(NumberType::F32, &1.5_f32.to_le_bytes()), [1.5]);
        assert_eq!(one(NumberType::F64, &1.5_f64.to_le_bytes()), [1.5]);
    }

    #[test]
    fn a_shape_that_the_bytes_do_not_fill_is_refused() {
        let refused = NumberArray::new(vec![2, 3], NumberType::I16, vec![0; 10]).unwrap_err();
        assert_eq!(refused, "has 10 bytes of int16 for the shape [2, 3]; expected 12");
        assert!(NumberArray::new(vec![usize::MAX, 3], NumberType::I16, vec![0; 10]).is_err());
        assert!(NumberArray::new(vec![0, usize::MAX], NumberType::I16, Vec::new()).is_ok());
    }
}
