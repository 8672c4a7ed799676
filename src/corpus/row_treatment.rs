//! What was done to rows that were used.

/// Something that was done to a used row, or left out; it is reported once for all rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Treatment {
    /// The texts under several keys were joined.
    Joined(Vec<&'static str>),
    /// The strings of a list were joined.
    Lines(String),
    /// `attention_mask` removed ids; the amount is their number.
    Masked,
    /// A key beside `input_ids` was not used.
    Unused(&'static str),
    /// Most of the ids are one repeated id at the start or the end; the amount is their number.
    Padded(u32),
}
