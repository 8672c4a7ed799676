//! The folder of a run, and the only writer of files: one process at a time writes there, everything appears under a temporary
//! name and is renamed when it is on the disk, and what is read back is compared with the checksum that it had.

mod beside;
mod checksums;
mod difference;
mod digested;
mod durable;
mod finished;
mod folder;
#[cfg(test)]
pub(crate) mod json_schema;
mod lock;
mod occupied;
mod ours;
mod protect;
mod record;
mod staged;
mod traces;

pub use crate::routing::RunKind;
pub use beside::{names_beside, shown_beside};
pub use difference::differences;
pub use durable::{folder_of, write_file};
pub use finished::{note_on_report_above, notes_on_run, notes_on_statistics, open_finished, open_finished_to_write};
pub use folder::{RunDir, Written};
pub use lock::Lock;
pub use occupied::Occupied;
pub use protect::{protect_folders, protect_texts, real_path};
pub use record::{
    ArithmeticOptions, CheckpointFiles, DriftSettings, DropsSettings, ForwardPassCost, ForwardPassExecution,
    ForwardPassOptions, Identity, LooseRecord, QueueOptions, RecordedCheckpoint, RecordedInput, RecordedLayer,
    RecordedLayout, RecordedReplay, RunCost, RunRecord, StatisticCost, StatisticSettings, SummarySettings, TextOptions,
    TextSummary, TokenizerFile, TraceDigests, UnknownKeys, WeightFile,
};
pub use staged::Staged;
pub use traces::{check_traces, record_traces, recorded_checkpoints, traces_of};

#[cfg(test)]
mod tests;
