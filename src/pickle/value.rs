//! The values of a pickle: all are in one list and refer to each other by index.

use std::ops::Range;

/// The most values that are kept of a checkpoint.
pub(super) const MAX_VALUES: usize = 1 << 22;

/// Index of a value.
pub(crate) type Index = u32;

/// A value. Text and bytes are ranges of the pickle.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
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
    /// A persistent id: it stands for data outside the pickle, here the storage of a tensor.
    Persistent(Index),
    False,
    /// Any value that is not needed to find tensors: None, true, floats, sets.
    Other,
    Mark,
}
