//! The routing trace: one row per (sequence, layer, position, choice), in Parquet.
//!
//! [`TraceWriter`] listens to the forward pass; [`RoutingTrace`] reads a run folder back, one layer at a time, as
//! compact columns. Statistics see nothing else of a run.
//!
//! A part of the trace is one layer of one SEGMENT: consecutive routing groups of together about [`SEGMENT_TOKENS`]
//! tokens, the smallest wave. Waves are whole segments, so the files of a trace do not depend on the size of the waves.

mod build;
mod columns;
mod frame;
mod inputs;
mod layout;
mod part;
mod read;
mod write;
mod write_inputs;

pub use crate::{
    corpus::Role,
    routing::{Block, Provides, TRACE_SCHEMA},
};
pub use build::{RoutedSequence, TraceBuilder, TraceOptions};
pub use columns::{GroupTable, LayerTrace, SequenceTable, SpanTable};
pub use layout::{SEGMENT_TOKENS, Segment, TraceLayout};
pub use part::FinishedPart;
pub use read::RoutingTrace;
pub use write::TraceWriter;
pub use write_inputs::write_inputs;
