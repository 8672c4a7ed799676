//! Finds oddities in the numbers of a checkpoint: routers that give every token the same logits, tensors of zeros or of one number,
//! numbers that are not finite, and the zeros of a truncated and padded download.

use super::tensor::Dtype;

/// How many zeros at the end of a tensor are reported: trained weights do not end in zeros.
const TAIL: u64 = 1024;
/// The most names in one line; the rest is counted.
const NAMED: usize = 10;
/// Bits that no byte has: its numbers are never infinite.
const NEVER: u32 = 1 << 8;

/// An oddity in the numbers of a tensor, or of one expert's part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Oddity {
    /// The tensor, or `expert 3 of` it.
    pub place: String,
    /// The kind of oddity.
    pub kind: OddityKind,
}

/// The kinds of oddities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OddityKind {
    /// All are zero.
    Zero,
    /// All are this one number.
    Constant(f32),
    /// This many are NaN or infinite.
    NotFinite(u64),
    /// This many at the end are zero.
    ZeroTail(u64),
}

impl OddityKind {
    /// The words for a kind; oddities of one kind share one line.
    fn words(self) -> &'static str {
        match self {
            Self::Zero => "zero throughout",
            Self::Constant(_) => "of one number throughout",
            Self::NotFinite(_) => "not finite in places",
            Self::ZeroTail(_) => "zero from some place to the end, as a download that was cut and padded",
        }
    }

    fn detail(self) -> String {
        match self {
            Self::Zero => String::new(),
            Self::Constant(number) => format!(" ({number})"),
            Self::NotFinite(count) => format!(" ({count} NaN or infinite)"),
            Self::ZeroTail(count) => format!(" (the last {count} numbers)"),
        }
    }
}

/// Oddities in words, one line for each kind.
pub fn describe_oddities(oddities: &[Oddity]) -> Vec<String> {
    let mut lines: Vec<(&str, Vec<String>)> = Vec::new();
    for oddity in oddities {
        let place = format!("{}{}", oddity.place, oddity.kind.detail());
        match lines.iter_mut().find(|(words, _)| *words == oddity.kind.words()) {
            Some((_, places)) => places.push(place),
            None => lines.push((oddity.kind.words(), vec![place])),
        }
    }
    lines
        .into_iter()
        .map(|(words, places)| {
            let more = places.len().saturating_sub(NAMED);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            format!("weights are {words}: {}{more}", places[..places.len().min(NAMED)].join(", "))
        })
        .collect()
}

/// A part of a file that holds numbers of one tensor.
#[derive(Clone, Debug)]
pub(super) struct ScannedPart {
    /// Name of the tensor.
    pub(super) name: String,
    /// Which expert they are of, where the tensor holds several.
    pub(super) expert: Option<usize>,
    /// First byte.
    pub(super) begin: u64,
    /// Byte behind the last one.
    pub(super) end: u64,
    /// What is known of the numbers.
    pub(super) scan: Scan,
}

/// The oddities in the parts of a file, in their order; if all experts of a tensor have the same one, it is reported once for the
/// tensor.
pub(super) fn oddities(parts: &[ScannedPart]) -> Vec<Oddity> {
    let mut oddities = Vec::new();
    for tensor in parts.chunk_by(|a, b| a.name == b.name) {
        let kinds: Vec<Option<OddityKind>> = tensor.iter().map(|part| part.scan.kind(&part.name)).collect();
        if let (Some(kind), true) = (kinds[0], kinds.iter().all(|kind| *kind == kinds[0])) {
            oddities.push(Oddity { place: format!("`{}`", tensor[0].name), kind });
            continue;
        }
        for (part, kind) in tensor.iter().zip(kinds) {
            let Some(kind) = kind else { continue };
            let expert = part.expert.map_or_else(String::new, |expert| format!("expert {expert} of "));
            oddities.push(Oddity { place: format!("{expert}`{}`", part.name), kind });
        }
    }
    oddities
}

/// What is known about the numbers of a part after some blocks of them.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    dtype: Dtype,
    seen: u64,
    /// Bits of the first number.
    first: u32,
    constant: bool,
    not_finite: u64,
    /// Numbers up to the last one that is not zero.
    until_last: u64,
}

impl Scan {
    /// Nothing has been seen yet.
    pub(super) fn new(dtype: Dtype) -> Self {
        Self { dtype, seen: 0, first: 0, constant: true, not_finite: 0, until_last: 0 }
    }

    /// Examines the next block of bytes, which holds complete numbers.
    pub(super) fn block(&mut self, bytes: &[u8]) {
        match self.dtype {
            Dtype::Bf16 => self.halves(bytes, 0x7f80),
            Dtype::F16 => self.halves(bytes, 0x7c00),
            Dtype::Fp8 => self.words(&bytes.iter().copied().map(u32::from), 0x7f, 0x7f),
            // Numbers of four bits are all finite, scales too; the sign of a zero does not count.
            Dtype::Mxfp4 => self.words(&bytes.iter().copied().map(u32::from), NEVER, 0x77),
            Dtype::Scale => self.words(&bytes.iter().copied().map(u32::from), NEVER, 0xff),
            Dtype::F32 => {
                let word = |word: &[u8]| word.try_into().map_or(0, u32::from_le_bytes);
                self.words(&bytes.chunks_exact(4).map(word), 0x7f80_0000, 0x7fff_ffff);
            }
        }
    }

    fn halves(&mut self, bytes: &[u8], exponent: u32) {
        let half = |half: &[u8]| half.try_into().map_or(0, u16::from_le_bytes).into();
        self.words(&bytes.chunks_exact(2).map(half), exponent, 0x7fff);
    }

    fn words<I>(&mut self, words: &I, exponent: u32, magnitude: u32)
    where
        I: DoubleEndedIterator<Item = u32> + ExactSizeIterator + Clone,
    {
        let count = words.len() as u64;
        if self.seen == 0 {
            self.first = words.clone().next().unwrap_or(0);
        }
        self.constant = self.constant && words.clone().all(|word| word == self.first);
        self.not_finite += words.clone().filter(|word| word & exponent == exponent).count() as u64;
        if let Some(last) = words.clone().rposition(|word| word & magnitude != 0) {
            self.until_last = self.seen + last as u64 + 1;
        }
        self.seen += count;
    }

    /// The oddity, if there is one. A norm may consist of one repeated number, and a tensor with a single number always does;
    /// scales may be whatever they are.
    fn kind(&self, name: &str) -> Option<OddityKind> {
        let tail = self.seen - self.until_last;
        match self {
            _ if self.seen == 0 || self.dtype == Dtype::Scale => None,
            _ if self.not_finite > 0 => Some(OddityKind::NotFinite(self.not_finite)),
            _ if self.until_last == 0 => Some(OddityKind::Zero),
            _ if self.constant && self.seen > 1 && !name.ends_with("norm.weight") => {
                Some(OddityKind::Constant(self.number()))
            }
            _ if tail >= TAIL => Some(OddityKind::ZeroTail(tail)),
            _ => None,
        }
    }

    /// The first number.
    fn number(&self) -> f32 {
        match self.dtype {
            Dtype::Bf16 => f32::from_bits(self.first << 16),
            Dtype::F16 => half::f16::from_bits(self.first as u16).to_f32(),
            Dtype::Fp8 | Dtype::Mxfp4 | Dtype::Scale => self.first as f32,
            Dtype::F32 => f32::from_bits(self.first),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(dtype: Dtype, blocks: &[&[f32]]) -> Option<OddityKind> {
        let mut scan = Scan::new(dtype);
        for block in blocks {
            let bytes: Vec<u8> = match dtype {
                Dtype::F32 => block.iter().flat_map(|x| x.to_le_bytes()).collect(),
                Dtype::F16 => block.iter().flat_map(|&x| half::f16::from_f32(x).to_le_bytes()).collect(),
                _ => block.iter().flat_map(|&x| half::bf16::from_f32(x).to_le_bytes()).collect(),
            };
            scan.block(&bytes);
        }
        scan.kind("w")
    }

    #[test]
    fn numbers_are_judged_over_all_blocks_and_in_every_type() {
        for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
            assert_eq!(scan(dtype, &[&[0.0, -0.0], &[0.0]]), Some(OddityKind::Zero));
            assert_eq!(scan(dtype, &[&[0.5, 0.5], &[0.5]]), Some(OddityKind::Constant(0.5)));
            assert_eq!(scan(dtype, &[&[0.5, 0.5], &[0.25]]), None);
            assert_eq!(scan(dtype, &[&[0.5, f32::NAN], &[f32::INFINITY]]), Some(OddityKind::NotFinite(2)));
            assert_eq!(scan(dtype, &[&[0.5, 1.0], &[0.0; 1024]]), Some(OddityKind::ZeroTail(1024)));
            assert_eq!(scan(dtype, &[&[0.5, 1.0], &[0.0; 1023]]), None);
            assert_eq!(scan(dtype, &[&[0.5, 1.0], &[0.0; 2000], &[1.0, 0.0]]), None);
        }
    }

    #[test]
    fn many_oddities_are_one_line_that_ends_in_a_count() {
        let oddity = |index| Oddity { place: format!("`t{index}`"), kind: OddityKind::Zero };
        let lines = describe_oddities(&(0..12).map(oddity).collect::<Vec<_>>());
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with("weights are zero throughout: `t0`, ") && lines[0].ends_with("`t9` and 2 more"));
    }
}
