//! `contrast` and what it is told.

use std::path::PathBuf;

use clap::Args;

use super::values::repetitions;

/// `contrast`.
#[derive(Clone, Debug, Args)]
#[command(
    override_usage = "openmoe-analyze contrast [OPTIONS] <RUN> [RUN_B] --out <DIR>",
    after_help = "Examples:\n  openmoe-analyze contrast openmoe-out --a category=zh --b category=en --out zh-and-en\n  openmoe-analyze contrast openmoe-out/drops --a role=assistant --b role=user --out roles\n  openmoe-analyze contrast runs/base runs/chat --out base-and-chat\n\nConditions: category=, dataset=, document=, role= (system, user, assistant, tool), turn= (from 0). Several --a must hold at once."
)]
pub struct ContrastArgs {
    /// Folder of a finished run
    pub run: PathBuf,
    /// Folder of a second run of the same kind of model; --a then chooses tokens of the first, --b of the second
    #[arg(value_name = "RUN_B")]
    pub second: Option<PathBuf>,
    /// Tokens of side A, such as category=zh; repeat it for conditions that must all hold [needed for one run]
    #[arg(long, value_name = "KEY=VALUE")]
    pub a: Vec<String>,
    /// Tokens of side B [default: everything else; of two runs all tokens of the second]
    #[arg(long, value_name = "KEY=VALUE")]
    pub b: Vec<String>,
    /// Folder of the contrast; must be new or empty unless --force
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Replace the contrast that --out holds
    #[arg(long)]
    pub force: bool,
    /// How many of the largest differences are shown, with the token ids that carry them
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub top: u32,
    /// Seed [default: the run's]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Bootstrap resamples: 40 or more, 0 = none
    #[arg(long, value_name = "N", default_value = "1000", value_parser = repetitions(40))]
    pub resamples: u32,
    /// Permutations: 10 or more, 0 = none
    #[arg(long, value_name = "N", default_value = "1000", value_parser = repetitions(10))]
    pub permutations: u32,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// Print contrast.json to standard output instead of the table
    #[arg(long)]
    pub json: bool,
    /// No progress bars and no notes
    #[arg(long, short)]
    pub quiet: bool,
}
