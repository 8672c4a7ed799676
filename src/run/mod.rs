//! The folder of a run. All files are written here: only one process writes to a run at a time, a file is written under a
//! temporary name and renamed when it is on the disk, and a file that is read back is compared with its checksum.

mod again;
mod checksums;
mod difference;
mod digested;
mod durable;
mod finished_run;
mod folder;
#[cfg(test)]
pub(crate) mod json_schema;
mod lock;
mod occupied;
mod protected_paths;
mod record;
mod run_entries;
mod runs_in_report;
mod staged;
mod traces;

pub use crate::routing::RunKind;
pub use again::again;
pub use difference::differences;
pub use durable::{folder_of, sync_folder, write_file};
pub use finished_run::{
    note_on_report_above, notes_on_run, notes_on_statistics, open_finished, open_finished_to_write,
};
pub use folder::{RunDir, Written};
pub use lock::Lock;
pub use occupied::Occupied;
pub use protected_paths::{protect_folders, protect_from_file, protect_texts, real_path};
pub use record::{
    ArithmeticOptions, CheckpointFiles, DriftSettings, DropsSettings, ForwardPassCost, ForwardPassExecution,
    ForwardPassOptions, HubOrigin, Identity, ImportRecord, LayerTies, LooseRecord, QueueOptions, RecordedCheckpoint,
    RecordedInput, RecordedIntervention, RecordedLayer, RecordedLayout, RecordedReplay, RecordedSettings, RunCost,
    RunRecord, StatisticCost, SummarySettings, TextOptions, TextSummary, TokenizerFile, TraceDigests, UnknownKeys,
    WeightFile,
};
pub use runs_in_report::{names_beside, shown_beside};
pub use staged::Staged;
pub use traces::{check_traces, record_traces, recorded_checkpoints, traces_of};

#[cfg(test)]
mod tests;
