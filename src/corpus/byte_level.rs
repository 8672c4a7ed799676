//! The alphabet of byte-level BPE (GPT-2), in which every byte is written as a printable character: a space as `Ġ`.

use tokenizers::{DecoderWrapper, Tokenizer};

/// Bytes that are written as the character with their number.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

/// The byte that a character stands for; the bytes that are not plain are numbered from U+0100 on.
fn byte_of(character: char) -> Option<u8> {
    let code = u32::from(character);
    match u8::try_from(code) {
        Ok(byte) => is_plain(byte).then_some(byte),
        Err(_) => (0..=u8::MAX).filter(|&byte| !is_plain(byte)).nth(code.checked_sub(0x100)? as usize),
    }
}

/// Whether a tokenizer writes its pieces in this alphabet.
pub(super) fn is_byte_level(tokenizer: &Tokenizer) -> bool {
    let is_own = |decoder: &DecoderWrapper| matches!(decoder, DecoderWrapper::ByteLevel(_));
    match tokenizer.get_decoder() {
        Some(DecoderWrapper::Sequence(sequence)) => sequence.get_decoders().iter().any(is_own),
        Some(decoder) => is_own(decoder),
        None => false,
    }
}

/// A piece of this alphabet as SentencePiece would write it: spaces as `▁`, bytes that are no whole character as `<0xE4>`. What is not
/// of this alphabet, such as most special tokens, stays as it is.
pub(super) fn as_text(piece: &str) -> String {
    let Some(bytes) = piece.chars().map(byte_of).collect::<Option<Vec<u8>>>() else { return piece.to_owned() };
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(&chunk.valid().replace(' ', "\u{2581}"));
        text.extend(chunk.invalid().iter().map(|byte| format!("<0x{byte:02X}>")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_character_of_its_own() {
        // As in GPT-2's encoder.py: the 188 plain bytes, then the others from U+0100 on.
        let bytes: Vec<u8> = ('!'..='\u{143}').filter_map(byte_of).collect();
        let mut sorted = bytes.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..=u8::MAX).collect::<Vec<_>>());
        assert_eq!(
            ['\u{120}', '\u{10a}', 'a', '\u{144}', '\u{2581}'].map(byte_of),
            [Some(b' '), Some(b'\n'), Some(b'a'), None, None]
        );
    }

    #[test]
    fn pieces_are_text_where_their_bytes_are() {
        let cases = [
            ("\u{120}the", "\u{2581}the"),
            ("\u{c3}\u{a9}", "\u{e9}"),
            ("\u{120}\u{e4}\u{bd}", "\u{2581}<0xE4><0xBD>"),
            ("<|im_start|>", "<|im_start|>"),
            ("<\u{ff5c}begin\u{2581}of\u{ff5c}>", "<\u{ff5c}begin\u{2581}of\u{ff5c}>"),
        ];
        for (piece, text) in cases {
            assert_eq!(as_text(piece), text, "{piece}");
        }
    }
}
