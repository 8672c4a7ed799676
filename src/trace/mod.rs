//! The routing trace: one row per (sequence, layer, position, choice), in Parquet.
//!
//! [`TraceWriter`] listens to the forward pass; [`RoutingTrace`] reads a run folder back, one layer at a time, as
//! compact columns. Statistics see nothing else of a run.

mod columns;

pub use columns::{LayerTrace, SequenceTable};
