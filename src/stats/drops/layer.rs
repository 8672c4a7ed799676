//! A layer as the drop statistics are given it.

use crate::{
    routing::RouterSettings,
    trace::{GroupTable, LayerTrace, SequenceTable, SpanTable},
};

/// One layer of a run, with everything that decides its drops.
#[derive(Clone, Copy, Debug)]
pub struct DropLayer<'a> {
    /// Documents, categories, data sets.
    pub sequences: &'a SequenceTable,
    /// Turns and roles; empty for plain text.
    pub spans: &'a SpanTable,
    /// Which sequences were routed together.
    pub groups: &'a GroupTable,
    /// Rule and factor of the run.
    pub router: RouterSettings,
    /// The layer as it was recorded.
    pub trace: &'a LayerTrace,
}
