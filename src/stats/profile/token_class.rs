//! What sort of token a piece is, by the Unicode properties of its characters.

use unicode_categories::UnicodeCategories;
use unicode_script::{Script, UnicodeScript};

use crate::trace::byte;

/// A class of tokens. Every piece has one kind; beside it, it may have upper case, and has the scripts of its letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenClass {
    /// A kind.
    Kind(TokenKind),
    /// An upper-case letter is in it.
    UpperCase,
    /// A letter of the script of this name is in it.
    Script(&'static str),
}

/// What a piece consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenKind {
    /// A space, then letters: it begins a word.
    WordInitial,
    /// Letters without a space before them: it goes on with a word, or stands in a script without spaces.
    WordPiece,
    /// Digits and other numbers alone.
    Digits,
    /// Punctuation, and mathematical, currency and modifier symbols: Unicode's general categories P, Sm, Sc and Sk.
    Punctuation,
    /// Other symbols, such as arrows, boxes and emoji: the general category So.
    Symbols,
    /// Spaces, tabs and line ends alone.
    WhiteSpace,
    /// Bytes that are only a part of a character.
    Bytes,
    /// A token of the model's own, told by its spelling: `<pad>`, `</s>`, `<|im_end|>`, `[CLS]`.
    Special,
    /// Anything else, such as letters mixed with digits.
    Mixed,
}

impl TokenKind {
    /// All kinds, in the order in which they are listed.
    pub const ALL: [Self; 9] = [
        Self::WordInitial,
        Self::WordPiece,
        Self::Digits,
        Self::Punctuation,
        Self::Symbols,
        Self::WhiteSpace,
        Self::Bytes,
        Self::Special,
        Self::Mixed,
    ];

    /// The name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::WordInitial => "beginnings of words",
            Self::WordPiece => "pieces of words",
            Self::Digits => "digits",
            Self::Punctuation => "punctuation",
            Self::Symbols => "other symbols",
            Self::WhiteSpace => "white space",
            Self::Bytes => "bytes",
            Self::Special => "special tokens",
            Self::Mixed => "mixed",
        }
    }

    /// The kind of a piece.
    fn of(piece: &str) -> Self {
        if is_special(piece) {
            return Self::Special;
        }
        let Some(text) = without_bytes(piece) else { return Self::Bytes };
        let body = text.trim_start_matches(is_blank);
        let all = |is: fn(char) -> bool| body.chars().all(is);
        match body {
            "" => Self::WhiteSpace,
            _ if all(is_letter) && body.len() < text.len() => Self::WordInitial,
            _ if all(is_letter) => Self::WordPiece,
            _ if all(char::is_numeric) => Self::Digits,
            _ if all(is_punctuation) => Self::Punctuation,
            _ if all(UnicodeCategories::is_symbol_other) => Self::Symbols,
            _ => Self::Mixed,
        }
    }
}

impl TokenClass {
    /// The name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kind(kind) => kind.name(),
            Self::UpperCase => "upper case",
            Self::Script(name) => name,
        }
    }

    /// All classes of a piece, each once: its kind first.
    pub fn of(piece: &str) -> Vec<Self> {
        let kind = TokenKind::of(piece);
        let mut classes = vec![Self::Kind(kind)];
        // What stands in the name of a special token, or in hexadecimal, is no text.
        let text = if kind == TokenKind::Special { None } else { without_bytes(piece) };
        let letters = || text.iter().flat_map(|text| text.chars()).filter(|character| is_letter(*character));
        if letters().any(char::is_uppercase) {
            classes.push(Self::UpperCase);
        }
        let scripts = letters().map(|letter| letter.script());
        let scripts = scripts.filter(|script| !matches!(script, Script::Common | Script::Inherited | Script::Unknown));
        for class in scripts.map(|script| Self::Script(script.full_name())) {
            if !classes.contains(&class) {
                classes.push(class);
            }
        }
        classes
    }
}

fn is_blank(character: char) -> bool {
    character == '\u{2581}' || character.is_whitespace()
}

/// Whether a character is a letter, or a mark on one, such as a vowel sign.
fn is_letter(character: char) -> bool {
    character.is_alphabetic() || character.is_mark()
}

fn is_punctuation(character: char) -> bool {
    UnicodeCategories::is_punctuation(character) || (character.is_symbol() && !character.is_symbol_other())
}

/// Whether a piece is a token of the model's own, such as the first of every sequence: it is no part of the text.
pub fn is_special_token(piece: &str) -> bool {
    TokenKind::of(piece) == TokenKind::Special
}

/// Whether a piece is written as special tokens are: a name in angle brackets or between bars, or capitals in square brackets.
fn is_special(piece: &str) -> bool {
    let inside = |open: &str, close: &str| {
        piece.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).filter(|name| !name.is_empty())
    };
    let is_name = |name: &str| name.chars().all(|c| c.is_alphanumeric() || "_-/|:\u{ff5c}\u{2581}".contains(c));
    let is_capitals = |name: &str| name.len() > 1 && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let angle = inside("<", ">").is_some_and(|name| is_name(name) && name.chars().any(char::is_alphabetic));
    (angle && byte(piece).is_none()) || inside("[", "]").is_some_and(is_capitals)
}

/// The text of a piece: a piece that is one ASCII byte is that character. `None` if it holds bytes that are a part of a character.
fn without_bytes(piece: &str) -> Option<String> {
    if let Some(byte) = byte(piece) {
        return byte.is_ascii().then(|| char::from(byte).to_string());
    }
    // A piece of an alphabet of bytes may hold some beside whole characters.
    let is_part = |at: usize| piece.get(at..at + 6).and_then(byte).is_some();
    (!piece.match_indices("<0x").any(|(at, _)| is_part(at))).then(|| piece.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_has_one_kind() {
        let cases: [(TokenKind, &[&str]); 9] = [
            (TokenKind::WordInitial, &["\u{2581}the", "\u{2581}\u{5e9}\u{5dc}", "\u{2581}\u{2581}if"]),
            (TokenKind::WordPiece, &["ing", "\u{4e2d}", "A", "\u{e9}", "<0x41>", "e\u{301}"]),
            (TokenKind::Digits, &["7", "\u{2581}2024", "\u{664}"]),
            (TokenKind::Punctuation, &["{", "\u{2581}+=", ");", "\u{3002}", "<0x7B>", "$", "<"]),
            (TokenKind::Symbols, &["\u{1f600}", "\u{2581}\u{25a0}"]),
            (TokenKind::WhiteSpace, &["\u{2581}", "\u{2581}\u{2581}", "\n", "<0x0A>", "\t"]),
            (TokenKind::Bytes, &["<0xE4>", "\u{2581}<0xE4><0xBD>"]),
            (TokenKind::Special, &["<pad>", "</s>", "<|im_end|>", "<extra_id_0>", "[CLS]", "<\u{ff5c}end\u{ff5c}>"]),
            (TokenKind::Mixed, &["a1", "don't", "[0]", "x=", "<0x", "3rd"]),
        ];
        for (kind, pieces) in cases {
            for piece in pieces {
                assert_eq!(TokenKind::of(piece), kind, "{piece}");
            }
        }
    }

    #[test]
    fn upper_case_and_scripts_stand_beside_the_kind() {
        let names = |piece| TokenClass::of(piece).iter().map(|class| class.name()).collect::<Vec<_>>();
        assert_eq!(names("\u{2581}The"), ["beginnings of words", "upper case", "Latin"]);
        assert_eq!(names("\u{4e2d}\u{3042}"), ["pieces of words", "Han", "Hiragana"]);
        assert_eq!([names("<pad>"), names("<0xE4>"), names("42")], [["special tokens"], ["bytes"], ["digits"]]);
    }
}
