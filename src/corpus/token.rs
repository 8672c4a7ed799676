//! A token and its place in a text.

/// A token and its place in the encoded text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Token id.
    pub id: u32,
    /// Byte of the text at which the token's first character that is not a space begins; for a token of spaces only, its first
    /// space. A space that the tokenizer adds counts as the start of the text, and all byte tokens of one character have the
    /// offset of that character. Offsets never decrease from one token to the next.
    pub offset: usize,
}
