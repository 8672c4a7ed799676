//! What can be typed: clap types and help text. No logic.

// These comments are the help text that clap prints: Markdown would show in the terminal. Flags are bools.
#![allow(clippy::doc_markdown, clippy::struct_excessive_bools)]

use std::{ffi::OsStr, path::PathBuf, str::FromStr};

use bytesize::ByteSize;
use clap::{
    Arg, Args, Parser, Subcommand,
    builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser},
};
use clap_complete::Shell;

use crate::{
    corpus::{ChatTemplate, OasstPaths, TranscriptFormat},
    routing::{CapacityRule, GroupRule},
};

/// Shows how a mixture-of-experts language model routes its tokens.
#[derive(Debug, Parser)]
#[command(name = "openmoe-analyze", version, about, arg_required_else_help = true, subcommand_required = true)]
#[command(
    after_help = "Try it on the bundled model and text:  openmoe-analyze demo\n\nExit codes: 0 done, 1 a check that was asked for failed, 2 bad input or usage, 3 a fault of the tool, 130 interrupted (resumable)."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Is routing decided by the token id, whatever the context? Forward pass, trace, statistics, charts
    Route(RouteArgs),
    /// Compute the statistics of a finished run again, without a forward pass
    Stats(StatsArgs),
    /// Draw the charts of a finished run again from its statistics
    Chart(ChartArgs),
    /// Write one report of several finished runs: route, drift and drops together, or two runs of a kind side by side
    Report(ReportArgs),
    /// Show what a checkpoint is, what a run would cost, and whether the model is sane
    Inspect(InspectArgs),
    /// When was routing learnt, and what still changes? The same tokens through several checkpoints of one run
    Drift(DriftArgs),
    /// Are later tokens dropped more? Multi-turn transcripts: where tokens lose their experts, why, and what prevents it
    Drops(DropsArgs),
    /// Run route, drift and drops on the bundled checkpoints, text and transcripts
    Demo(DemoArgs),
    /// How far are finished runs from the paper? Its Figures 5-14 beside yours, and the closed forms they must satisfy
    Reproduce(ReproduceArgs),
    /// Write a Jupyter notebook that loads a finished run and draws its main figures again, ready to be changed
    Notebook(NotebookArgs),
    /// Print what makes a shell complete subcommands, options and values
    Completions(CompletionsArgs),
    /// Print the manual page, or write one page for every subcommand
    Man(ManArgs),
}

impl Command {
    /// Whether the page that the command writes shows the command line and whole paths.
    pub fn shows_command(&self) -> bool {
        match self {
            Self::Route(arguments) => arguments.common.execution.show_command,
            Self::Drift(arguments) => arguments.common.execution.show_command,
            Self::Drops(arguments) => arguments.common.execution.show_command,
            Self::Stats(arguments) => arguments.show_command,
            Self::Chart(arguments) => arguments.show_command,
            Self::Report(arguments) => arguments.show_command,
            Self::Demo(arguments) => arguments.show_command,
            Self::Inspect(_) | Self::Reproduce(_) | Self::Notebook(_) | Self::Completions(_) | Self::Man(_) => false,
        }
    }
}

/// `route`.
#[derive(Clone, Debug, Args)]
#[command(
    override_usage = "openmoe-analyze route [OPTIONS] <CHECKPOINT> --corpus <PATH>... --out <DIR>",
    after_help = "Example:\n  openmoe-analyze route path/to/openmoe-8b --corpus corpus/domains corpus/languages --out runs/8b\n\nCorpora: .jsonl, .json, .txt and .md, also as .gz or .zst, .parquet, folders of these, - for standard input. A row has `text` (or `input_ids`, or a prompt and its completion), and may have `id` and a category. If the text has another key, name it with --text-key."
)]
pub struct RouteArgs {
    /// Checkpoint folder: config.json, weights (safetensors or pytorch_model.bin), tokenizer
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
    override_usage = "openmoe-analyze drift [OPTIONS] <CHECKPOINT>... --corpus <PATH>... --out <DIR>",
    after_help = "Example:\n  openmoe-analyze drift openmoe-8b-200B openmoe-8b-600B openmoe-8b-1T --corpus corpus/domains --out runs/drift\n\nCheckpoints stand in the order of training. Training tokens are read from names such as openmoe-8b-200B or 2.5M, or given as --tokens 200B 600B 1T."
)]
pub struct DriftArgs {
    /// Checkpoints of one training run, in order: folders, or LABEL=FOLDER; finished route runs of the same text and options are reused, also if all are such runs
    #[arg(required = true, num_args = 1.., value_name = "CHECKPOINT")]
    pub checkpoints: Vec<PathBuf>,
    /// Text to route: files, folders, or - for standard input
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
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
    override_usage = "openmoe-analyze drops [OPTIONS] <CHECKPOINT> --transcripts <PATH>... --out <DIR>",
    after_help = "Example:\n  openmoe-analyze drops openmoe-8b --compare openmoe-8b-chat --transcripts mt_bench_question.jsonl mt_bench_answer.jsonl --corpus corpus/domains --out runs/drops\n\nTranscripts: lists of messages ({role, content} or {from, value}) under any key, as in ShareGPT, OpenAI and WildChat files, prompts with their responses, MT-Bench questions and answers, OASST trees; files as for a corpus, Parquet included, folders of these, - for standard input. The format is detected for each file."
)]
pub struct DropsArgs {
    /// Checkpoint folder, or LABEL=FOLDER
    #[arg(value_name = "CHECKPOINT")]
    pub checkpoint: PathBuf,
    /// A second checkpoint for the same conversations, such as the chat-tuned one
    #[arg(long, value_name = "CHECKPOINT")]
    pub compare: Option<PathBuf>,
    /// Conversations to route: files, folders, or - for standard input; every file is a data set
    #[arg(long, num_args = 1.., value_name = "PATH", required_unless_present = "corpus")]
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
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub bin: u32,
    /// Run the forward pass again with these capacity factors, to see how far the replay of the recorded choices is off
    #[arg(long, num_args = 1.., value_name = "F")]
    pub exact_replay: Vec<f64>,
    /// What every run has
    #[command(flatten)]
    pub common: CommonArgs,
}

/// How conversations become tokens.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Transcripts")]
pub struct TranscriptArgs {
    /// Format of all transcripts: mt-bench-questions, mt-bench-answers, sharegpt, openai, wildchat, oasst or instruction [default: detected for each file]
    #[arg(long, value_name = "FORMAT", value_parser = one_of(TranscriptFormat::ALL, TranscriptFormat::name), hide_possible_values = true)]
    pub format: Option<TranscriptFormat>,
    /// Conversations of an OASST tree: all paths from the root to a leaf, or the best-ranked one
    #[arg(long, value_name = "PATHS", default_value_t, value_parser = one_of(OasstPaths::ALL, OasstPaths::name), hide_possible_values = true)]
    pub oasst_paths: OasstPaths,
    /// Chat template: auto (the tokenizer's where there is one: chat_template.jinja, then tokenizer_config.json; else openmoe), openmoe (the authors'), tokenizer or plain
    #[arg(long, value_name = "TEMPLATE", default_value_t, value_parser = one_of(ChatTemplate::ALL, ChatTemplate::name), hide_possible_values = true)]
    pub template: ChatTemplate,
}

/// What every run has.
#[derive(Clone, Debug, Default, Args)]
pub struct CommonArgs {
    /// How the corpus is read
    #[command(flatten)]
    pub input: InputArgs,
    /// How tokens are routed
    #[command(flatten)]
    pub routing: RoutingArgs,
    /// How statistics are computed
    #[command(flatten)]
    pub statistics: StatisticsArgs,
    /// How the run is carried out
    #[command(flatten)]
    pub execution: ExecutionArgs,
}

/// How the corpus becomes sequences.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Input")]
pub struct InputArgs {
    /// Key of the rows that names the category, such as style or meta.set [default: the first of domain, category and language that the rows have; else, inside a folder, the file's or sub-folder's name]
    #[arg(long, value_name = "KEY")]
    pub category: Option<String>,
    /// Key of the rows of a corpus that holds the text, such as content or data.body [default: text, or input_ids]
    #[arg(long, value_name = "NAME")]
    pub text_key: Option<String>,
    /// Tokens per sequence, BOS included [default: the model's max_position_embeddings]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    pub context: Option<u32>,
    /// Keep only the first --context tokens of a longer document, instead of cutting it into several sequences
    #[arg(long)]
    pub truncate: bool,
    /// Stop after this many sequences
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_sequences: Option<u32>,
    /// Do not put the BOS token (`<pad>`, id 0) at position 0
    #[arg(long)]
    pub no_bos: bool,
    /// Fail if any line of the input cannot be used, instead of listing it
    #[arg(long)]
    pub strict: bool,
}

/// How logits become assignments.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Routing")]
pub struct RoutingArgs {
    /// Which sequences compete for the same slots: sequence, batch:N or tokens:N (consecutive in input order)
    #[arg(long, value_name = "GROUP", default_value = "sequence", value_parser = Offered(&["sequence", "batch:8", "tokens:4096"]), hide_possible_values = true)]
    pub group: GroupRule,
    /// Slots per expert: port (PyTorch port, the released checkpoints), t5x (training code) or unlimited
    #[arg(long, value_name = "RULE", default_value_t, value_parser = one_of(CapacityRule::ALL, CapacityRule::name), hide_possible_values = true)]
    pub capacity_rule: CapacityRule,
    /// Multiple of the average load that an expert accepts [default: router_capacity_factor_eval of config.json]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    pub capacity_factor: Option<f64>,
    /// Route with a router that gives every token the same logits (its rows are all equal), instead of refusing it
    #[arg(long)]
    pub allow_constant_router: bool,
}

/// How statistics are computed.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Statistics")]
pub struct StatisticsArgs {
    /// Leave the BOS rows (position 0) out of the statistics; they stay in the trace
    #[arg(long)]
    pub exclude_bos: bool,
    /// Seed of resamples, permutations and folds
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Bootstrap resamples of documents behind every percentile interval: 40 or more; 0 = no such interval
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = repetitions(40))]
    pub resamples: u32,
    /// Permutations behind every permutation baseline: 10 or more; 0 = no such baseline
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = repetitions(10))]
    pub permutations: u32,
}

impl Default for StatisticsArgs {
    fn default() -> Self {
        Self { exclude_bos: false, seed: 0, resamples: 1000, permutations: 100 }
    }
}

/// Values that have names: completions offer them, and a message on another one lists them.
fn one_of<T, const N: usize>(all: [T; N], name: fn(T) -> &'static str) -> impl TypedValueParser<Value = T>
where
    T: Clone + FromStr<Err: std::error::Error + Send + Sync + 'static> + Send + Sync + 'static,
{
    PossibleValuesParser::new(all.map(name)).try_map(|name| name.parse())
}

/// Text with endless values, of which completions offer some.
#[derive(Clone, Debug)]
struct Offered(&'static [&'static str]);

impl TypedValueParser for Offered {
    type Value = GroupRule;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<GroupRule, clap::Error> {
        StringValueParser::new().try_map(|text| text.parse::<GroupRule>()).parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(PossibleValue::new)))
    }
}

/// 0 for none, or enough for a number to mean something.
fn repetitions(least: u32) -> impl TypedValueParser<Value = u32> {
    clap::value_parser!(u32).range(..=100_000).try_map(move |count: u32| match count {
        count if count == 0 || count >= least => Ok(count),
        count => Err(format!("{count} is not 0 (none) or {least}..=100000")),
    })
}

/// How a run is carried out: none of this changes a result.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Execution")]
pub struct ExecutionArgs {
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// Memory that the forward pass may take, such as 1.5GiB; decides how many tokens go through a layer together [default: a quarter of what machine, container and ulimit -v allow]
    #[arg(long, value_name = "SIZE", conflicts_with = "wave_tokens")]
    pub memory: Option<ByteSize>,
    /// Tokens that go through a layer together; more = weights are read less often, fewer = less memory [default: by --memory]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub wave_tokens: Option<u32>,
    /// Keep the router logits of every token too (logits/)
    #[arg(long)]
    pub log_logits: bool,
    /// Identify weight files by size and time instead of SHA-256; whether their numbers are sane is not looked at then
    #[arg(long)]
    pub no_hash: bool,
    /// Replace the run that --out holds
    #[arg(long, conflicts_with = "resume")]
    pub force: bool,
    /// Go on with the interrupted run that --out holds; gives the same bytes as an uninterrupted one
    #[arg(long)]
    pub resume: bool,
    /// Validate everything, show what would be done and what it would cost, and stop
    #[arg(long, conflicts_with = "json")]
    pub dry_run: bool,
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

/// `stats`.
#[derive(Clone, Debug, Args)]
pub struct StatsArgs {
    /// Folder of a run
    pub run: PathBuf,
    /// Leave the BOS rows out [default: as the run did]
    #[arg(long)]
    pub exclude_bos: bool,
    /// Count the BOS rows [default: as the run did]
    #[arg(long, conflicts_with = "exclude_bos")]
    pub include_bos: bool,
    /// Seed [default: the run's]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Bootstrap resamples: 40 or more, 0 = none [default: the run's]
    #[arg(long, value_name = "N", value_parser = repetitions(40))]
    pub resamples: Option<u32>,
    /// Permutations: 10 or more, 0 = none [default: the run's]
    #[arg(long, value_name = "N", value_parser = repetitions(10))]
    pub permutations: Option<u32>,
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

/// `chart`.
#[derive(Clone, Debug, Args)]
pub struct ChartArgs {
    /// Folder of a run
    pub run: PathBuf,
    /// Show the command line and whole paths in the report; without it the report can be mailed
    #[arg(long)]
    pub show_command: bool,
    /// No progress bars and no notes
    #[arg(long, short)]
    pub quiet: bool,
}

/// `report`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  openmoe-analyze report openmoe-out openmoe-out/drift openmoe-out/drops --out all.html\n  openmoe-analyze report runs/base runs/chat --out base-and-chat.html"
)]
pub struct ReportArgs {
    /// Folders of finished runs
    #[arg(required = true, num_args = 1.., value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// File of the report [default: report.html in the folder of the run; needed for several runs]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace the file that is there
    #[arg(long)]
    pub force: bool,
    /// Show the command line and whole paths in the report; without it the report can be mailed
    #[arg(long)]
    pub show_command: bool,
    /// No progress bars and no notes
    #[arg(long, short)]
    pub quiet: bool,
}

/// `inspect`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Example:\n  openmoe-analyze inspect path/to/openmoe-8b --tokens 1000000 --text \"The capital of France is\""
)]
pub struct InspectArgs {
    /// Checkpoint folder
    pub checkpoint: PathBuf,
    /// Length for which to show the capacity [default: max_position_embeddings]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub length: Option<u32>,
    /// Tokens for which to estimate time and memory
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub tokens: u64,
    /// Memory that a run may take, such as 1.5GiB [default: a quarter of what machine, container and ulimit -v allow]
    #[arg(long, value_name = "SIZE")]
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

/// `reproduce`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  openmoe-analyze reproduce openmoe-out openmoe-out/drift openmoe-out/drops\n  openmoe-analyze reproduce --paper-only\n\nRoute runs are held against Figures 5-10, 13 and 14, drift runs against Figure 11, drops runs against Figure 12. The paper's numbers are part of the program."
)]
pub struct ReproduceArgs {
    /// Folders of finished route, drift and drops runs of one kind of model
    #[arg(value_name = "RUN", conflicts_with = "paper_only")]
    pub runs: Vec<PathBuf>,
    /// Only check the paper's own numbers against closed forms and each other; needs no run
    #[arg(long)]
    pub paper_only: bool,
    /// Folder of the comparison; must be new or empty unless --force [default: RUN/reproduce of the first run; with --paper-only nothing is written]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace the comparison that --out holds
    #[arg(long)]
    pub force: bool,
    /// Print comparison.json to standard output instead of the tables
    #[arg(long)]
    pub json: bool,
    /// No progress bars and no notes
    #[arg(long, short)]
    pub quiet: bool,
}

/// `notebook`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Example:\n  openmoe-analyze notebook runs/8b --out notebooks/8b.ipynb\n\nThe notebook needs Python with polars and matplotlib, and Jupyter to show it."
)]
pub struct NotebookArgs {
    /// Folder of a finished run (route, drift or drops)
    pub run: PathBuf,
    /// The notebook, a file that ends in .ipynb [default: notebook.ipynb in the folder of the run]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace the file that is there
    #[arg(long)]
    pub force: bool,
}

/// `completions`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Example:\n  openmoe-analyze completions bash > ~/.local/share/bash-completion/completions/openmoe-analyze"
)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// `man`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  openmoe-analyze man --out ~/.local/share/man/man1")]
pub struct ManArgs {
    /// Folder for one page a subcommand, openmoe-analyze-SUBCOMMAND.1; pages that are there are replaced
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
