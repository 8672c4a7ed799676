//! Options that every run has.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::Args;

use super::values::{Offered, one_of, repetitions, size};
use crate::{
    pipeline::options::StatisticSettings,
    routing::{CapacityRule, GroupRule},
};

/// What every run has.
#[derive(Clone, Debug, Args)]
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
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Input")]
pub struct InputArgs {
    /// Configuration of a T5X checkpoint: base, 8b, 34b, or a config.json [default: the config.json beside the step, or the released model that has these shapes]
    #[arg(long, value_name = "NAME|FILE")]
    pub config: Option<PathBuf>,
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
    /// Do not put a BOS token at position 0 (that of OpenMoE is `<pad>`, id 0; of others what their tokenizer says, if anything)
    #[arg(long)]
    pub no_bos: bool,
    /// Fail if any line of the input cannot be used, instead of listing it
    #[arg(long)]
    pub strict: bool,
}

/// How logits become assignments.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Routing")]
pub struct RoutingArgs {
    /// Which sequences compete for the same slots: sequence, batch:N or tokens:N (consecutive in input order)
    #[arg(long, value_name = "GROUP", default_value = "sequence", value_parser = Offered(&["sequence", "batch:8", "tokens:4096"]), hide_possible_values = true)]
    pub group: GroupRule,
    /// Slots per expert: port (PyTorch port, OpenMoE's released checkpoints), t5x (its training code) or unlimited [default: port for OpenMoE and imported routes, unlimited for other families]
    #[arg(long, value_name = "RULE", value_parser = one_of(CapacityRule::ALL, CapacityRule::name), hide_possible_values = true)]
    pub capacity_rule: Option<CapacityRule>,
    /// Multiple of the average load that an expert accepts [default: router_capacity_factor_eval of config.json; 1.25 where drops replays choices that were made without a capacity, else 1]
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
    #[arg(long, value_name = "N", default_value_t = StatisticSettings::default().seed)]
    pub seed: u64,
    /// Bootstrap resamples of documents behind every percentile interval: 40 or more; 0 = no such interval
    #[arg(long, value_name = "N", default_value_t = StatisticSettings::default().resamples as u32, value_parser = repetitions(40))]
    pub resamples: u32,
    /// Permutations behind every permutation baseline: 10 or more; 0 = no such baseline
    #[arg(long, value_name = "N", default_value_t = StatisticSettings::default().permutations as u32, value_parser = repetitions(10))]
    pub permutations: u32,
}

/// How a run is carried out: none of this changes a result.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Execution")]
pub struct ExecutionArgs {
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// Memory that the forward pass may take, such as 1.5GiB; decides how many tokens go through a layer together [default: a quarter of what machine, container and ulimit -v allow]
    #[arg(long, value_name = "SIZE", value_parser = size, conflicts_with = "wave_tokens")]
    pub memory: Option<ByteSize>,
    /// Tokens that go through a layer together; more = weights are read less often, fewer = less memory [default: by --memory]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub wave_tokens: Option<u32>,
    /// Keep the router logits of every token too (logits/)
    #[arg(long)]
    pub log_logits: bool,
    /// Keep nothing of checkpoints that are read from the hub; right for a text of one wave, since every wave reads them again
    #[arg(long)]
    pub stream: bool,
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
