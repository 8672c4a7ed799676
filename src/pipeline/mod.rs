//! From options to results: the work of every subcommand.

pub(crate) mod asked_queues;
pub(crate) mod chart_context;
pub(crate) mod checkpoint_comparison;
pub(crate) mod checkpoint_description;
pub(crate) mod checkpoint_list;
pub(crate) mod checkpoint_spec;
pub(crate) mod contrast_run;
pub mod convert;
mod download_plan;
pub(crate) mod drift_run;
pub(crate) mod drops_run;
pub(crate) mod expert_section;
pub(crate) mod fingerprint;
pub(crate) mod forward_pass;
pub(crate) mod forward_waves;
pub mod hub_checkpoint;
pub(crate) mod hub_files;
pub(crate) mod import_counts;
pub(crate) mod import_drops_run;
pub(crate) mod import_run;
pub(crate) mod imported_checkpoints;
pub(crate) mod input_text;
pub(crate) mod intervention;
pub(crate) mod mailable_paths;
pub(crate) mod memory_bound;
pub(crate) mod memory_plan;
pub(crate) mod mitigate;
pub mod options;
pub(crate) mod paper_comparison;
pub(crate) mod paper_figures;
pub(crate) mod pass;
pub(crate) mod pass_identity;
pub(crate) mod pass_record;
pub(crate) mod pass_sequence;
pub(crate) mod prepared_pass;
pub(crate) mod process_memory;
pub mod profile;
pub(crate) mod progress;
pub(crate) mod quantities;
pub(crate) mod recorded_settings;
pub(crate) mod report_page;
mod reported_charts;
pub(crate) mod result_folder;
pub(crate) mod reused_runs;
pub(crate) mod revisions;
pub(crate) mod route_run;
pub(crate) mod run_folder;
pub(crate) mod run_tables;
pub(crate) mod statistics;
pub(crate) mod token_ids;
pub(crate) mod verdict;
pub(crate) mod work_plan;

pub use self::{
    contrast_run::{ContrastOptions, contrast},
    convert::{Conversion, ConvertOptions, Converted, WrittenType},
    drift_run::drift,
    drops_run::drops,
    import_run::{ImportRunOptions, import},
    mitigate::mitigate,
    progress::{PlannedStage, Progress, Stage, Unwatched},
    route_run::route,
    run_tables::{read_table, read_tables},
    statistics::{Analysis, analyse, compute_statistics},
};
