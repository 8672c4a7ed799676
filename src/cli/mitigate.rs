//! `mitigate`.

use std::path::PathBuf;

use clap::Args;

use super::{common::CommonArgs, runs::TranscriptArgs};

/// `mitigate`.
#[derive(Clone, Debug, Args)]
#[command(
    override_usage = "openmoe-analyze mitigate [OPTIONS] <CHECKPOINT> --corpus <PATH>... --out <DIR>\n       openmoe-analyze mitigate [OPTIONS] <CHECKPOINT> --transcripts <PATH>... --out <DIR>",
    after_help = "Examples:\n  openmoe-analyze mitigate path/to/openmoe-8b --corpus corpus/domains --out runs/mitigate\n  openmoe-analyze mitigate openmoe-8b --transcripts mt_bench_question.jsonl --strategy lookup early frozen=openmoe-8b-200B --each-layer --out runs/mitigate\n\nStrategies: lookup, lookup=marginal, lookup=embedding (a table of token ids; how ids with fewer than 8 occurrences are routed), frozen=CKPT (the routers of another checkpoint), early (routers read the input of attention), capacity=F, capacity=unlimited, rule=t5x (slots), priority=probability, priority=last, priority=random (who gets them), reroute (what is dropped goes to the next best expert with a free slot), top-k=K, random, hash (experts by a hash of the token id). random and hash always run: they are the scale. docs/mitigate.md explains each, and what it does not tell."
)]
pub struct MitigateArgs {
    /// Checkpoint: a folder or a name of the hub
    pub checkpoint: PathBuf,
    /// Text whose next tokens are predicted: files, folders, or - for standard input
    #[arg(long, num_args = 1.., value_name = "PATH")]
    pub corpus: Vec<PathBuf>,
    /// Conversations: files, folders, or - for standard input; every file is a data set
    #[arg(long, num_args = 1.., value_name = "PATH")]
    pub transcripts: Vec<PathBuf>,
    /// What is changed about the routers, a forward pass each [default: lookup early, and for a model that drops capacity=unlimited priority=probability reroute]
    #[arg(long, num_args = 1.., value_name = "NAME[=VALUE]")]
    pub strategy: Vec<String>,
    /// Run every strategy in one layer at a time too: a forward pass for each layer
    #[arg(long)]
    pub each_layer: bool,
    /// Text that the tables of token ids are made from [default: the text itself, in two folds, so that no document is routed by a table made from it]
    #[arg(long, num_args = 1.., value_name = "PATH")]
    pub calibration: Vec<PathBuf>,
    /// Write the table of token ids: layer, fold, token id, experts, weights, occurrences
    #[arg(long, value_name = "FILE.parquet")]
    pub write_table: Option<PathBuf>,
    /// Folder of the run, required unless --dry-run; must be new or empty unless --force or --resume
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    pub out: Option<PathBuf>,
    /// How conversations become tokens
    #[command(flatten)]
    pub transcript: TranscriptArgs,
    /// What every run has
    #[command(flatten)]
    pub common: CommonArgs,
}
