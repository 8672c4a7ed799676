//! How a token is spelled for people: the same in the terminal, in tables, charts, pages and notebooks.

/// A token's piece in the one spelling of all outputs: `␣` is a space, `⏎` a line end, `⇥` a tab, and a character that nobody can
/// see, or that turns the direction of the line, is `U+XXXX`. Bytes that are no whole character stay `<0xE4>`.
///
/// Different pieces may have one spelling (a line end and the byte `<0x0A>`): the token id tells them apart.
pub fn shown(piece: &str) -> String {
    if piece.is_empty() {
        return "(empty)".to_owned();
    }
    if let Some(blank @ (b'\t' | b'\n' | b'\r')) = byte(piece) {
        return shown(&char::from(blank).to_string());
    }
    let mut text = String::with_capacity(piece.len());
    for character in piece.chars() {
        match character {
            '\u{2581}' | ' ' => text.push('\u{2423}'),
            '\n' => text.push('\u{23ce}'),
            '\t' => text.push('\u{21e5}'),
            hidden if is_hidden(hidden) => text.extend([format!("U+{:04X}", u32::from(hidden))]),
            other => text.push(other),
        }
    }
    text
}

/// The same inside running text: its spaces are spaces.
pub fn shown_in_text(piece: &str) -> String {
    shown(piece).replace('\u{2423}', " ")
}

/// Pieces that follow each other as running text. Bytes that together are characters become these.
pub fn running_text<T: AsRef<str>>(pieces: &[T]) -> String {
    let (mut text, mut bytes) = (String::new(), Vec::new());
    for piece in pieces.iter().map(AsRef::as_ref) {
        if let Some(byte) = byte(piece) {
            bytes.push(byte);
        } else {
            push_bytes(&mut text, &mut bytes);
            text.push_str(&shown_in_text(piece));
        }
    }
    push_bytes(&mut text, &mut bytes);
    text
}

fn push_bytes(text: &mut String, bytes: &mut Vec<u8>) {
    for chunk in std::mem::take(bytes).utf8_chunks() {
        text.push_str(
            &chunk.valid().chars().map(|character| shown_in_text(&character.to_string())).collect::<String>(),
        );
        text.extend(chunk.invalid().iter().map(|byte| format!("<0x{byte:02X}>")));
    }
}

/// The byte that a piece such as `<0xE4>` stands for.
pub fn byte(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    let are_two = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    are_two.then(|| u8::from_str_radix(digits, 16).ok())?
}

/// Whether nobody sees a character for what it is: control characters, spaces other than the usual one, marks that turn the
/// direction of the line, and characters without a shape.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || (character.is_whitespace() && character != ' ')
        || matches!(
            u32::from(character),
            0xAD | 0x61C | 0x180E | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFE00..=0xFE0F | 0xFEFF
        )
}

/// The spellings, as [`shown`] writes them, of the tokens that somebody may mean who types this text: as it is shown, as a
/// tokenizer writes it (`▁the`, `Ġthe`, `<0x0A>`, also `<0x0a>`) or as a programmer does (`\n`), and any of these in the quotation
/// marks of an answer (`"␣the"`). A word without a space is also meant with one before it.
pub fn meant_by(typed: &str) -> Vec<String> {
    let mut meant = meant_without_marks(typed);
    let inside = [('"', '"'), ('\u{201c}', '\u{201d}')].iter().find_map(|(open, close)| {
        typed.strip_prefix(*open).and_then(|rest| rest.strip_suffix(*close)).filter(|inside| !inside.is_empty())
    });
    for spelling in inside.map(meant_without_marks).into_iter().flatten() {
        if !meant.contains(&spelling) {
            meant.push(spelling);
        }
    }
    meant
}

fn meant_without_marks(typed: &str) -> Vec<String> {
    let byte_level: String = typed.chars().map(|character| byte_level_blank(character).unwrap_or(character)).collect();
    let escaped = match typed {
        "\\n" => "\n",
        "\\t" => "\t",
        "\\r" => "\r",
        _ => typed,
    };
    let mut meant = Vec::new();
    let as_byte = byte(typed).map(|byte| format!("<0x{byte:02X}>"));
    for text in [as_byte.as_deref().unwrap_or(typed), &byte_level, escaped].map(shown) {
        let spaced = format!("\u{2423}{text}");
        let is_word = text.starts_with(char::is_alphanumeric);
        for spelling in [Some(text), is_word.then_some(spaced)].into_iter().flatten() {
            if !meant.contains(&spelling) {
                meant.push(spelling);
            }
        }
    }
    meant
}

/// The blank that GPT-2's alphabet of bytes writes as this letter.
fn byte_level_blank(character: char) -> Option<char> {
    match character {
        '\u{120}' => Some(' '),
        '\u{10a}' => Some('\n'),
        '\u{109}' => Some('\t'),
        '\u{10d}' => Some('\r'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_invisible_is_seen() {
        let pieces = ["\u{2581}the", " a b", "<0x0A>", "\n\t", "", "<0xE4>", "\u{4e2d}", "a\u{202e}b\u{7}\u{a0}"];
        let expected = ["␣the", "␣a␣b", "⏎", "⏎⇥", "(empty)", "<0xE4>", "中", "aU+202EbU+0007U+00A0"];
        assert_eq!(pieces.map(shown), expected);
        assert_eq!(shown_in_text("\u{2581}the\u{2581}"), " the ");
        let pieces = ["\u{2581}a", "<0xE4>", "<0xB8>", "<0xAD>", "<0x0A>", "<0xE4>", "b"];
        assert_eq!(running_text(&pieces), " a中⏎<0xE4>b");
    }

    #[test]
    fn every_way_to_write_a_token_means_it() {
        for typed in ["the", " the", "\u{2581}the", "␣the", "\u{120}the"] {
            assert!(meant_by(typed).contains(&"␣the".to_owned()), "{typed}");
        }
        assert_eq!(meant_by(" the"), ["␣the"], "with a space it is the one with a space");
        for typed in ["\n", "\\n", "⏎", "<0x0A>", "\u{10a}"] {
            assert!(meant_by(typed).contains(&"⏎".to_owned()), "{typed}");
        }
        assert_eq!(meant_by("<0xe4>")[0], "<0xE4>");
        for typed in ["\"␣the\"", "\"the\"", "\u{201c} the\u{201d}"] {
            assert!(meant_by(typed).contains(&"␣the".to_owned()), "{typed}");
        }
        assert_eq!([byte("<0x+5>"), byte("<0x5>"), byte("<0xe4>")], [None, None, Some(0xE4)]);
        assert_eq!(meant_by("{"), ["{"]);
        assert_eq!(meant_by("\\n"), ["\\n", "⏎"], "a backslash and a letter are a token too");
    }
}
