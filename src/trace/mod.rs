//! The routing trace: one row per (sequence, layer, position, choice), in Parquet.
//!
//! [`TraceWriter`] observes the forward pass; [`RoutingTrace`] reads a run folder back, one layer at a time, as
//! compact columns. Statistics read nothing else of a run.
//!
//! A part of the trace is one layer of one SEGMENT; a segment is a number of consecutive routing groups with about
//! [`SEGMENT_TOKENS`] tokens together. The segments depend only on the input, so the files of a trace do not depend on the size
//! of the waves.

mod columns;
mod counts;
mod frame;
mod inputs;
mod layout;
mod losses;
mod part;
mod read_trace;
mod routed_sequence;
mod ties;
mod token_table_rows;
mod trace_builder;
mod trace_writer;
mod write_inputs;

pub use crate::{
    corpus::{Role, byte, is_hidden, running_text, shown, shown_in_text},
    routing::{Block, Provides, TRACE_SCHEMA},
};
pub use columns::{GroupTable, LayerTrace, SequenceTable, SpanTable};
pub use counts::{AssignmentCounts, CountedUnit, LayerCounts};
pub use layout::{SEGMENT_TOKENS, Segment, TraceLayout};
pub use losses::LossTable;
pub use part::FinishedPart;
pub use read_trace::{RoutingTrace, rows_before};
pub use routed_sequence::RoutedSequence;
pub use ties::recorded_ties;
pub use token_table_rows::TokenTableRows;
pub use trace_builder::{TraceBuilder, TraceOptions};
pub use trace_writer::TraceWriter;
pub use write_inputs::write_inputs;

/// Resamples and permutations of the statistics of a trace unless settings say otherwise.
pub const REPETITIONS: (usize, usize) =
    (crate::run::RecordedSettings::RESAMPLES, crate::run::RecordedSettings::PERMUTATIONS);
