//! A token of a text.

/// A token and where it stands in the text that was encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Token id.
    pub id: u32,
    /// Byte of the text at which the token's first character stands that is no space; for a token of spaces only, its
    /// first space. A space that the tokenizer adds to the text by itself stands where that text begins, and all the
    /// byte tokens of one character stand where it does. Offsets never fall from one token to the next.
    pub offset: usize,
}
