//! What can be typed: clap types and help text. No logic.

// These comments are the help text that clap prints: Markdown would show in the terminal. Flags are bools.
#![allow(clippy::doc_markdown, clippy::struct_excessive_bools)]

mod common;
mod contrast;
mod convert;
mod fetch;
mod finished_run_arguments;
mod import;
mod mitigate;
mod profile;
mod runs;
mod shell;
mod values;

pub use self::{
    common::{CommonArgs, ExecutionArgs, InputArgs, RoutingArgs, StatisticsArgs},
    contrast::ContrastArgs,
    convert::ConvertArgs,
    fetch::{FetchArgs, FetchedFiles},
    finished_run_arguments::{ChartArgs, NotebookArgs, ReportArgs, ReproduceArgs, StatsArgs},
    import::{ImportArgs, RecorderArgs},
    mitigate::MitigateArgs,
    profile::{CategoryArgs, ExpertArgs, QuestionArgs, TokenArgs},
    runs::{DemoArgs, DriftArgs, DropsArgs, InspectArgs, RouteArgs, TranscriptArgs},
    shell::{CompletionsArgs, ManArgs},
};

use clap::{Parser, Subcommand};

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
    /// Fetch checkpoints from the Hugging Face hub ahead of a run, into the cache that its clients share
    Fetch(FetchArgs),
    /// Show what a checkpoint is, what a run would cost, and whether the model is sane
    Inspect(InspectArgs),
    /// Write a checkpoint of any form that is read (T5X, pytorch_model.bin) as safetensors
    Convert(ConvertArgs),
    /// When was routing learnt, and what still changes? The same tokens through several checkpoints of one run
    Drift(DriftArgs),
    /// Are later tokens dropped more? Multi-turn transcripts: where tokens lose their experts, why, and what prevents it
    Drops(DropsArgs),
    /// What does it cost to route otherwise, and what would help? The same text again with a table, frozen routers, other slots
    Mitigate(MitigateArgs),
    /// Check routes that another engine recorded (vLLM, SGLang, transformers, Megatron ...), and study them as a run
    Import(ImportArgs),
    /// Print the script that makes an engine record its routes
    Recorder(RecorderArgs),
    /// Run route, drift and drops on the bundled checkpoints, text and transcripts
    Demo(DemoArgs),
    /// Which experts differ between two categories, roles, documents or turns of a run, or between two runs?
    Contrast(ContrastArgs),
    /// What does one expert do? Its load, categories, classes of tokens, top tokens, partners, drops
    Expert(ExpertArgs),
    /// Where does one token go, layer by layer? And which tokens moved most between checkpoints?
    Token(TokenArgs),
    /// Which experts take a category, and how much of it is its token ids?
    Category(CategoryArgs),
    /// How far are finished runs from the paper? Its Figures 5-14 beside yours, and the closed forms they must satisfy
    Reproduce(ReproduceArgs),
    /// Write a Jupyter notebook that loads a finished run and draws its main figures again, ready to be changed
    Notebook(NotebookArgs),
    /// Print what makes a shell complete subcommands, options and values
    Completions(CompletionsArgs),
    /// Print the manual page, or write one page for every subcommand
    Man(ManArgs),
}
