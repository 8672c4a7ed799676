//! `convert`.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::Args;

use super::values::{one_of, size};
use crate::pipeline::WrittenType;

/// `convert`.
#[derive(Clone, Debug, Args)]
#[command(
    override_usage = "openmoe-analyze convert [OPTIONS] <CHECKPOINT> --out <DIR>",
    after_help = "Examples:\n  openmoe-analyze convert openmoe_base.zip --out openmoe-base\n  openmoe-analyze convert t5x/checkpoint_500000 --config base --dtype bf16 --out openmoe-base-bf16\n\nT5X: the folder of a step (checkpoint_N), the one above it, or a ZIP of either. The new folder has safetensors, their index, config.json and the tokenizer that lies beside the checkpoint; it appears when all of it is written. docs/t5x.md says what is read and how."
)]
pub struct ConvertArgs {
    /// Checkpoint: a step of T5X (folder or ZIP), a folder with config.json and weights (safetensors or pytorch_model.bin), or a name of the hub, which is fetched whole first
    pub checkpoint: PathBuf,
    /// New folder, required unless --dry-run
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    pub out: Option<PathBuf>,
    /// Type of the numbers, to which they are rounded: f32, bf16, f16 [default: as they are stored]
    #[arg(long, value_name = "TYPE", value_parser = one_of(WrittenType::ALL, WrittenType::name), hide_possible_values = true)]
    pub dtype: Option<WrittenType>,
    /// Configuration of a T5X checkpoint: base, 8b, 34b, or a config.json [default: the config.json beside the step, or the released model that has these shapes]
    #[arg(long, value_name = "NAME|FILE")]
    pub config: Option<PathBuf>,
    /// Largest file of weights, such as 2GiB, at least 100kB; a larger tensor has a file of its own
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "5GB")]
    pub max_shard_size: ByteSize,
    /// Replace the earlier conversion that --out holds
    #[arg(long)]
    pub force: bool,
    /// Check everything, show what would be written, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// No progress bars and no notes
    #[arg(long, short)]
    pub quiet: bool,
}
