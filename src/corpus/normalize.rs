//! The text normaliser that a SentencePiece model carries.

use super::{sentencepiece_proto::NormalizerSpec, trie::PieceTrie};

/// The symbol for a space inside pieces.
pub(super) const SPACE_SYMBOL: &str = "\u{2581}";

/// Normalises a text as SentencePiece's `normalizer.cc` does: rewriting rules, dummy prefix, spaces.
#[derive(Clone, Debug)]
pub(super) struct Normalizer {
    rules: Option<CharsMap>,
    /// Where a space is added to every text.
    dummy: Dummy,
    remove_extra_whitespaces: bool,
    /// The replacement of a space.
    space: &'static str,
    /// User-defined pieces, which stay unchanged.
    protected: PieceTrie,
}

impl Normalizer {
    /// A normaliser from the model's specification; `protected` holds its user-defined pieces.
    ///
    /// # Errors
    /// The rewriting rules are broken; says how.
    pub(super) fn new(spec: &NormalizerSpec, whitespace_is_suffix: bool, protected: PieceTrie) -> Result<Self, String> {
        let rules = spec.precompiled_charsmap.as_deref().filter(|blob| !blob.is_empty());
        Ok(Self {
            rules: rules.map(CharsMap::new).transpose()?,
            dummy: match (spec.add_dummy_prefix(), whitespace_is_suffix) {
                (false, _) => Dummy::None,
                (true, false) => Dummy::Prefix,
                (true, true) => Dummy::Suffix,
            },
            remove_extra_whitespaces: spec.remove_extra_whitespaces(),
            space: if spec.escape_whitespaces() { SPACE_SYMBOL } else { " " },
            protected,
        })
    }

    /// Whether a space is added to every text; decoding removes it again.
    pub(super) fn adds_prefix(&self) -> bool {
        self.dummy == Dummy::Prefix
    }

    /// The text that is cut into pieces.
    #[cfg(test)]
    fn normalize(&self, text: &str) -> String {
        self.normalize_with(text, |_, _| ())
    }

    /// The text that is cut into pieces. Every step of the normalisation calls `step`, in order, with the byte of the result at which
    /// its output begins and the byte of the text at which its input begins: the last step at or before a byte of the result made
    /// that byte.
    pub(super) fn normalize_with(&self, text: &str, mut step: impl FnMut(usize, usize)) -> String {
        let space = self.space;
        let mut rest = text;
        if self.remove_extra_whitespaces {
            while let Some((" ", length)) = self.prefix(rest) {
                rest = &rest[length..];
            }
        }
        let mut normalized = String::with_capacity(text.len() + text.len() / 2 + space.len());
        if rest.is_empty() {
            return normalized;
        }
        if self.adds_prefix() {
            step(0, text.len() - rest.len());
            normalized.push_str(space);
        }
        let mut after_space = self.remove_extra_whitespaces;
        while let Some((piece, length)) = self.prefix(rest) {
            step(normalized.len(), text.len() - rest.len());
            let piece = if after_space { piece.trim_start_matches(' ') } else { piece };
            for character in piece.chars() {
                if character == ' ' { normalized.push_str(space) } else { normalized.push(character) }
            }
            after_space =
                self.remove_extra_whitespaces && if piece.is_empty() { after_space } else { piece.ends_with(' ') };
            rest = &rest[length..];
        }
        if self.remove_extra_whitespaces {
            normalized.truncate(normalized.trim_end_matches(space).len());
        }
        if self.dummy == Dummy::Suffix {
            normalized.push_str(space);
        }
        normalized
    }

    /// The replacement for the start of the text, and the number of bytes that it replaces; `None` at the end.
    fn prefix<'a>(&'a self, text: &'a str) -> Option<(&'a str, usize)> {
        let character = text.chars().next()?;
        if let Some((length, _)) = self.protected.prefixes(text.as_bytes()).last() {
            return Some((&text[..length], length));
        }
        let rule = self.rules.as_ref().and_then(|rules| rules.longest(text));
        Some(rule.unwrap_or_else(|| (&text[..character.len_utf8()], character.len_utf8())))
    }
}

/// Where the dummy space is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dummy {
    None,
    Prefix,
    Suffix,
}

/// The `precompiled_charsmap`: length of a double-array trie, the trie, replacements that end in NUL.
#[derive(Clone, Debug)]
struct CharsMap {
    units: Vec<u32>,
    replacements: String,
}

impl CharsMap {
    fn new(blob: &[u8]) -> Result<Self, String> {
        let broken = |what: &str| format!("its normalisation rules are broken: {what}");
        let (length, rest) = blob.split_first_chunk::<4>().ok_or_else(|| broken("no length"))?;
        let length = u32::from_le_bytes(*length) as usize;
        if length > rest.len() || !length.is_multiple_of(4) {
            return Err(broken("the trie is longer than the rules"));
        }
        let (trie, replacements) = rest.split_at(length);
        let units = trie.as_chunks::<4>().0.iter().map(|unit| u32::from_le_bytes(*unit)).collect();
        let replacements =
            String::from_utf8(replacements.to_vec()).map_err(|_| broken("replacements are not UTF-8"))?;
        Ok(Self { units, replacements })
    }

    /// The replacement by the longest rule that the text starts with, and the number of bytes that it replaces.
    ///
    /// A unit of the double array: bits 0-7 label, 8 has a leaf, 9 wide offset, 10-30 offset, 31 is a leaf (whose bits
    /// 0-30 are the value).
    fn longest<'a>(&'a self, text: &'a str) -> Option<(&'a str, usize)> {
        let offset = |unit: u32| ((unit >> 10) << ((unit & (1 << 9)) >> 6)) as usize;
        let mut position = offset(*self.units.first()?);
        let mut found = None;
        for (index, &byte) in text.as_bytes().iter().enumerate() {
            position ^= usize::from(byte);
            let Some(&unit) = self.units.get(position) else { break };
            if unit & ((1 << 31) | 0xff) != u32::from(byte) {
                break;
            }
            position ^= offset(unit);
            if (unit >> 8) & 1 == 1 {
                found = self.units.get(position).map(|leaf| ((leaf & !(1 << 31)) as usize, index + 1));
            }
        }
        let (start, length) = found.filter(|(_, length)| text.is_char_boundary(*length))?;
        let tail = self.replacements.get(start..)?;
        Some((&tail[..tail.find('\0').unwrap_or(tail.len())], length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalizer(remove_extra_whitespaces: bool, charsmap: Vec<u8>) -> Normalizer {
        let spec = NormalizerSpec {
            precompiled_charsmap: Some(charsmap),
            remove_extra_whitespaces: Some(remove_extra_whitespaces),
            ..NormalizerSpec::default()
        };
        Normalizer::new(&spec, false, PieceTrie::new([("[a  b]".as_bytes(), 0)])).unwrap()
    }

    /// A double array with one rule, "A" -> "xy": root offset 1; unit 1 ^ 'A' = 64 has label 'A', a leaf, offset 1 (so
    /// the leaf stands at 64 ^ 1 = 65) and value 0.
    fn one_rule() -> Vec<u8> {
        let mut units = [0_u32; 66];
        units[0] = 1 << 10;
        units[64] = u32::from(b'A') | (1 << 8) | (1 << 10);
        units[65] = 1 << 31;
        let trie: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        [&(trie.len() as u32).to_le_bytes()[..], &trie, b"xy\0"].concat()
    }

    #[test]
    fn spaces_are_kept_or_removed_as_the_model_says() {
        let text = "  a  b ";
        assert_eq!(normalizer(false, vec![]).normalize(text), "\u{2581}\u{2581}\u{2581}a\u{2581}\u{2581}b\u{2581}");
        assert_eq!(normalizer(true, vec![]).normalize(text), "\u{2581}a\u{2581}b");
        assert_eq!(normalizer(true, vec![]).normalize("   "), "");
        assert_eq!(normalizer(false, vec![]).normalize(""), "");
    }

    #[test]
    fn rules_replace_and_user_defined_pieces_pass() {
        let rules = normalizer(false, one_rule());
        assert_eq!(rules.normalize("bAA"), "\u{2581}bxyxy");
        assert_eq!(normalizer(true, one_rule()).normalize("A  [a  b]"), "\u{2581}xy\u{2581}[a\u{2581}\u{2581}b]");
    }

    #[test]
    fn broken_rules_are_refused() {
        for blob in [vec![1], vec![9, 0, 0, 0, 0], vec![0, 0, 0, 0, 0xff]] {
            assert!(CharsMap::new(&blob).is_err(), "{blob:?}");
        }
    }
}
