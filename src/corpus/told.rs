//! What happened to rows that were taken.

/// What was done with a row beside taking it, or left undone; told once for all rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Told {
    /// The texts under several keys were joined.
    Joined(Vec<&'static str>),
    /// The strings of a list were joined.
    Lines(String),
    /// `attention_mask` takes ids away; the amount: how many.
    Masked,
    /// A key beside `input_ids` is not used.
    Unused(&'static str),
    /// Most of the ids are one id over and over at an end; the amount: how many.
    Padded(u32),
}
