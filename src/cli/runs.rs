//! Subcommands that run a model over a text.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::Args;

use super::{
    common::CommonArgs,
    values::{one_of, size},
};
use crate::{
    corpus::{ChatTemplate, OasstPaths, TranscriptFormat},
    pipeline::options::DropsOptions,
};

/// `route`.
#[derive(Clone, Debug, Args)]
#[command(
    override_usage = "openmoe-analyze route [OPTIONS] <CHECKPOINT> --corpus <PATH>... --out <DIR>",
    after_help = "Example:\n  openmoe-analyze route path/to/openmoe-8b --corpus corpus/domains corpus/languages --out runs/8b\n\nCorpora: .jsonl, .json, .txt and .md, also as .gz or .zst, .parquet, folders of these, - for standard input. A row has `text` (or `input_ids`, or a prompt and its completion), and may have `id` and a category. If the text has another key, name it with --text-key."
)]
pub struct RouteArgs {
    /// Checkpoint: a folder with config.json, weights (safetensors or pytorch_model.bin) and tokenizer, or a name of the hub, OWNER/NAME or OWNER/NAME@REVISION
    pub checkpoint: PathBuf,
    /// Text to route: files, folders, or - for standard input
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub corpus: Vec<PathBuf>,
    /// Folder of the run, required unless --dry-run; must be new or empty unless --force or --resume
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    pub out: Option<PathBuf>,
    /// What every run has
    #[command(flatten)]
    pub common: CommonArgs,
}

/// `drift`.
#[derive(Clone, Debug, Args)]
#[command(
    override_usage = "openmoe-analyze drift [OPTIONS] <CHECKPOINT>... --corpus <PATH>... --out <DIR>\n       openmoe-analyze drift [OPTIONS] <IMPORT>... --out <DIR>",
    after_help = "Examples:\n  openmoe-analyze drift openmoe-8b-200B openmoe-8b-600B openmoe-8b-1T --corpus corpus/domains --out runs/drift\n  openmoe-analyze drift imports/step1000-tokens4B imports/step5000-tokens20B --out runs/drift\n\nCheckpoints stand in the order of training. Training tokens are read from names such as openmoe-8b-200B, 2.5M or step1000-tokens4B, or given as --tokens 200B 600B 1T."
)]
pub struct DriftArgs {
    /// Checkpoints of one training run, in order: folders or names of the hub (OWNER/NAME@REVISION), or LABEL=FOLDER; finished route runs of the same text and options are reused, also if all are such runs. Or imports of the routes of the same tokens, with such runs or alone
    #[arg(required = true, num_args = 1.., value_name = "CHECKPOINT")]
    pub checkpoints: Vec<PathBuf>,
    /// Every revision of the one checkpoint named (OWNER/NAME) that looks like this, in order of its training tokens, such as 'step*-tokens*'
    #[arg(long, value_name = "PATTERN")]
    pub revisions: Option<String>,
    /// Of these revisions only every N-th, and the last
    #[arg(long, value_name = "N", requires = "revisions", value_parser = clap::value_parser!(u32).range(1..))]
    pub every: Option<u32>,
    /// Text to route: files, folders, or - for standard input; none for imports, whose routes are recorded already
    #[arg(long, num_args = 1.., value_name = "PATH")]
    pub corpus: Vec<PathBuf>,
    /// Folder of the run, required unless --dry-run; must be new or empty unless --force or --resume
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    pub out: Option<PathBuf>,
    /// Training tokens of the checkpoints, in order, such as 200B or 2.5M [default: read from the names]
    #[arg(long, num_args = 1.., value_name = "N")]
    pub tokens: Vec<String>,
    /// A further checkpoint that is not on the time axis, such as a chat-tuned one
    #[arg(long = "final", value_name = "CHECKPOINT")]
    pub off_axis: Option<PathBuf>,
    /// Run the last checkpoint again with bf16 activations: what arithmetic alone changes
    #[arg(long)]
    pub noise_floor: bool,
    /// Match the experts of every checkpoint to those of the last (for checkpoints of different runs)
    #[arg(long)]
    pub match_experts: bool,
    /// Token ids whose expert shares are listed and drawn [default: the most frequent]
    #[arg(long, num_args = 1.., value_name = "ID")]
    pub tokens_of_interest: Vec<u32>,
    /// What every run has
    #[command(flatten)]
    pub common: CommonArgs,
}

/// `drops`.
#[derive(Clone, Debug, Args)]
#[command(
    override_usage = "openmoe-analyze drops [OPTIONS] <CHECKPOINT> --transcripts <PATH>... --out <DIR>\n       openmoe-analyze drops [OPTIONS] <IMPORT> --out <DIR>",
    after_help = "Example:\n  openmoe-analyze drops openmoe-8b --compare openmoe-8b-chat --transcripts mt_bench_question.jsonl mt_bench_answer.jsonl --corpus corpus/domains --out runs/drops\n\nImported routes have no capacity: what a capacity would drop of them, and how evenly ranks that share the experts are loaded:\n  openmoe-analyze drops runs/imported --capacity-factor 1.25 --group tokens:4096 --expert-parallel 4 8 --out runs/capacity\n\nTranscripts: lists of messages ({role, content} or {from, value}) under any key, as in ShareGPT, OpenAI and WildChat files, prompts with their responses, MT-Bench questions and answers, OASST trees; files as for a corpus, Parquet included, folders of these, - for standard input. The format is detected for each file."
)]
pub struct DropsArgs {
    /// Checkpoint: a folder or a name of the hub, or LABEL=FOLDER; or a finished import, whose routes are replayed with a capacity
    #[arg(value_name = "CHECKPOINT")]
    pub checkpoint: PathBuf,
    /// A second checkpoint for the same conversations, such as the chat-tuned one
    #[arg(long, value_name = "CHECKPOINT")]
    pub compare: Option<PathBuf>,
    /// Conversations to route: files, folders, or - for standard input; every file is a data set
    #[arg(long, num_args = 1.., value_name = "PATH")]
    pub transcripts: Vec<PathBuf>,
    /// Plain text to compare with: files or folders; every path is a data set
    #[arg(long, num_args = 1.., value_name = "PATH")]
    pub corpus: Vec<PathBuf>,
    /// Folder of the run, required unless --dry-run; must be new or empty unless --force or --resume
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    pub out: Option<PathBuf>,
    /// How conversations become tokens
    #[command(flatten)]
    pub transcript: TranscriptArgs,
    /// Positions per bin of the curves
    #[arg(long, value_name = "N", default_value_t = DropsOptions::default_bin(), value_parser = clap::value_parser!(u32).range(1..))]
    pub bin: u32,
    /// Run the forward pass again with these capacity factors, to see how far the replay of the recorded choices is off
    #[arg(long, num_args = 1.., value_name = "F")]
    pub exact_replay: Vec<f64>,
    /// Load of R ranks that hold contiguous blocks of a layer's experts: the largest over the mean load [default: 2, 4 and 8 for imported routes where the experts divide so, else none]
    #[arg(long, num_args = 1.., value_name = "R", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub expert_parallel: Vec<u32>,
    /// What every run has
    #[command(flatten)]
    pub common: CommonArgs,
}

/// How conversations become tokens.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Transcripts")]
pub struct TranscriptArgs {
    /// Format of all transcripts: mt-bench-questions, mt-bench-answers, sharegpt, openai, wildchat, oasst or instruction [default: detected for each file]
    #[arg(long, value_name = "FORMAT", value_parser = one_of(TranscriptFormat::ALL, TranscriptFormat::name), hide_possible_values = true)]
    pub format: Option<TranscriptFormat>,
    /// Conversations of an OASST tree: all paths from the root to a leaf, or the best-ranked one
    #[arg(long, value_name = "PATHS", default_value_t, value_parser = one_of(OasstPaths::ALL, OasstPaths::name), hide_possible_values = true)]
    pub oasst_paths: OasstPaths,
    /// Chat template: auto (the tokenizer's where there is one: chat_template.jinja, then tokenizer_config.json; else openmoe for an OpenMoE and plain for other families), openmoe (the template of its authors), tokenizer or plain
    #[arg(long, value_name = "TEMPLATE", default_value_t, value_parser = one_of(ChatTemplate::ALL, ChatTemplate::name), hide_possible_values = true)]
    pub template: ChatTemplate,
}

/// `inspect`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Example:\n  openmoe-analyze inspect path/to/openmoe-8b --tokens 1000000 --text \"The capital of France is\""
)]
pub struct InspectArgs {
    /// Checkpoint: a folder, or a name of the hub, of which only the headers are read
    pub checkpoint: PathBuf,
    /// Configuration of a T5X checkpoint: base, 8b, 34b, or a config.json [default: the config.json beside the step, or the released model that has these shapes]
    #[arg(long, value_name = "NAME|FILE")]
    pub config: Option<PathBuf>,
    /// Length for which to show the capacity [default: max_position_embeddings]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub length: Option<u32>,
    /// Tokens for which to estimate time and memory
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub tokens: u64,
    /// Memory that a run may take, such as 1.5GiB [default: a quarter of what machine, container and ulimit -v allow]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub memory: Option<ByteSize>,
    /// Print the perplexity of this text and continue it greedily
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// Tokens of the greedy continuation
    #[arg(long, value_name = "N", default_value_t = 24)]
    pub continuation: usize,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Folder of the run
    #[arg(long, value_name = "DIR", default_value = "openmoe-out")]
    pub out: PathBuf,
    /// Replace the run that is there
    #[arg(long, conflicts_with = "resume")]
    pub force: bool,
    /// Go on with the interrupted run that is there
    #[arg(long)]
    pub resume: bool,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// Show the command line and whole paths in the report; without it the report can be mailed
    #[arg(long)]
    pub show_command: bool,
    /// No progress bars and no notes
    #[arg(long, short)]
    pub quiet: bool,
}
