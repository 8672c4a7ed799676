//! The type and place of a stored tensor.

use std::fmt;

/// How the numbers of a tensor are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Four bits, two numbers in a byte, with a scale for each 32 in another tensor (OCP MX).
    Mxfp4,
    /// A byte that is the exponent of a scale.
    Scale,
    /// Eight bits, e4m3, with a scale for each block in another tensor.
    Fp8,
    /// bfloat16: the upper half of an f32.
    Bf16,
    /// IEEE half precision.
    F16,
    /// IEEE single precision.
    F32,
}

impl Dtype {
    /// All types, in the order of tables.
    pub(super) const ALL: [Self; 6] = [Self::Mxfp4, Self::Scale, Self::Fp8, Self::Bf16, Self::F16, Self::F32];

    /// The type of a safetensors name; `None` for those that are not supported. Bytes are scales until it is known that they are
    /// numbers of four bits.
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "U8" => Some(Self::Scale),
            "F8_E4M3" => Some(Self::Fp8),
            "BF16" => Some(Self::Bf16),
            "F16" => Some(Self::F16),
            "F32" => Some(Self::F32),
            _ => None,
        }
    }

    /// Bytes of an element of the stored shape: of one number, of two with four bits each.
    pub fn bytes(self) -> usize {
        match self {
            Self::Mxfp4 | Self::Scale | Self::Fp8 => 1,
            Self::Bf16 | Self::F16 => 2,
            Self::F32 => 4,
        }
    }

    /// Numbers in an element of the stored shape.
    fn numbers(self) -> usize {
        if self == Self::Mxfp4 { 2 } else { 1 }
    }

    /// The name in files and tables: "bf16", "f16", "f32".
    pub fn name(self) -> &'static str {
        match self {
            Self::Mxfp4 => "mxfp4",
            Self::Scale => "u8 scales",
            Self::Fp8 => "fp8 e4m3",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::F32 => "f32",
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The place of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredTensor {
    /// Index into the weight files.
    pub(super) file: usize,
    /// First byte.
    pub(super) offset: u64,
    /// Type of its numbers.
    pub(super) dtype: Dtype,
    /// Its sizes, outermost first.
    pub(super) shape: Vec<usize>,
    /// What its numbers are multiplied by, if they have scales.
    pub(super) scales: Option<Scales>,
}

/// Scales of the blocks of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scales {
    /// The scales.
    pub(super) tensor: Box<StoredTensor>,
    /// Rows and columns of a block; blocks at the lower and right edge are cut off.
    pub(super) block: [usize; 2],
}

impl StoredTensor {
    /// Number of its numbers.
    pub(super) fn elements(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.numbers()
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.bytes()
    }
}
