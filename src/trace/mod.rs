//! The routing trace: one row per (sequence, layer, position, choice), in Parquet.
//!
//! [`TraceWriter`] listens to the forward pass; [`RoutingTrace`] reads a run folder back, one layer at a time, as
//! compact columns. Statistics see nothing else of a run.
//!
//! A part of the trace is one layer of one SEGMENT: consecutive routing groups of together about [`SEGMENT_TOKENS`]
//! tokens, the smallest wave. Waves are whole segments, so the files of a trace do not depend on the size of the waves.

mod columns;
mod frame;
mod inputs;
mod read;
mod write;

pub use columns::{GroupTable, LayerTrace, ROLES, SequenceTable, SpanTable};
pub use read::RoutingTrace;
pub use write::{FinishedPart, SEGMENT_TOKENS, Segment, TraceLayout, TraceWriter, write_inputs};
