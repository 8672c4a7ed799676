//! `import` and its options; `recorder`.

use std::path::PathBuf;

use clap::{Args, builder::PossibleValuesParser};

use super::{common::StatisticsArgs, values::one_of};
use crate::import::{FORMATS, RECORDERS, Recorder};

/// Names of the formats, which completions offer and a message on another one lists.
fn formats() -> PossibleValuesParser {
    PossibleValuesParser::new(std::iter::once("auto").chain(FORMATS.iter().map(|format| format.name)))
}

/// `import`.
#[derive(Clone, Debug, Args)]
#[command(
    override_usage = "openmoe-analyze import [OPTIONS] <PATH>... --out <DIR>",
    after_help = "Example:\n  openmoe-analyze import responses.jsonl --model-config path/to/config.json --out runs/last-night\n\nThe record is read twice: first every check looks at all of it, then it becomes an ordinary run. docs/import.md lists the formats and how to record them."
)]
pub struct ImportArgs {
    /// Files and folders that an engine wrote
    #[arg(required = true, num_args = 1.., value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Folder of the run; must be new or empty unless --force
    #[arg(long, value_name = "DIR", required_unless_present = "check")]
    pub out: Option<PathBuf>,
    /// Format of the files, or auto: whatever recognises them
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = formats(), hide_possible_values = true)]
    pub from: String,
    /// config.json of the model: which layers route, how many experts and choices there are
    #[arg(long, value_name = "FILE")]
    pub model_config: Option<PathBuf>,
    /// Tokenizer of the model, for the text of token ids
    #[arg(long, value_name = "FILE")]
    pub tokenizer: Option<PathBuf>,
    /// Where categories come from: auto, folder, file, or the key of the rows that holds them
    #[arg(long, value_name = "WHERE", default_value = "auto")]
    pub category_from: String,
    /// Token ids of a format that has none: a text file of one id a line, or a NumPy array
    #[arg(long, value_name = "FILE")]
    pub tokens: Option<PathBuf>,
    /// Tokens per sequence, where a format has one long row of tokens
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub sequence_length: Option<u32>,
    /// Sequences that stand interleaved, token by token, as training engines write them
    #[arg(long, value_name = "B", value_parser = clap::value_parser!(u32).range(1..))]
    pub micro_batch: Option<u32>,
    /// Name of the model in tables and charts
    #[arg(long)]
    pub label: Option<String>,
    /// A line or file that cannot be read is an error, instead of being passed over and counted
    #[arg(long)]
    pub strict: bool,
    /// Look at the record and print what the checks say, and what else is to be known of it; write nothing
    #[arg(long)]
    pub check: bool,
    /// Take a record although a check failed; the run is marked
    #[arg(long)]
    pub force_checks: bool,
    /// Replace the run that is in the folder
    #[arg(long)]
    pub force: bool,
    /// Settings of the statistics
    #[command(flatten)]
    pub statistics: StatisticsArgs,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// Print summary.json to standard output instead of the result table
    #[arg(long)]
    pub json: bool,
    /// Show the command line and whole paths in the report; without it the report can be mailed
    #[arg(long)]
    pub show_command: bool,
    /// No progress bars and no notes
    #[arg(long, short)]
    pub quiet: bool,
}

/// `recorder`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Example:\n  openmoe-analyze recorder transformers > record_routing.py\n  python record_routing.py path/to/model corpus.jsonl routes"
)]
pub struct RecorderArgs {
    /// The engine
    #[arg(value_parser = one_of(RECORDERS, |recorder| recorder.engine))]
    pub engine: Recorder,
}
