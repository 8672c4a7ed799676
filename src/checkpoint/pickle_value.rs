//! The values of a pickle that has been read: each lies in one list and names others by their index.

use std::ops::Range;

/// Most values that are kept.
pub(super) const MAX_VALUES: usize = 1 << 22;

/// Index of a value.
pub(super) type Index = u32;

/// A value. Text and bytes are places in the pickle.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Int(i128),
    Text(Range<usize>),
    Tuple(Vec<Index>),
    List(Vec<Index>),
    /// Keys and values in the order in which they were set.
    Dict(Vec<(Index, Index)>),
    /// Module and name.
    Global(Index, Index),
    /// A call: the function or class, and its arguments.
    Call(Index, Index),
    /// A persistent id: data that lies outside of the pickle, here the storage of a tensor.
    Persistent(Index),
    False,
    /// Anything that is not needed to find tensors: None, true, floats, sets.
    Other,
    Mark,
}
