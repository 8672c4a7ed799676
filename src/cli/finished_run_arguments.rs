//! Subcommands that start from finished runs.

use std::path::PathBuf;

use clap::Args;

use super::values::{millimetres, one_of, repetitions};
use crate::pipeline::paper_figures::FigureFormat;

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
#[command(
    after_help = "Examples:\n  openmoe-analyze chart openmoe-out\n  openmoe-analyze chart openmoe-out --only mutual_information --width 85\n  openmoe-analyze chart openmoe-out/drops --only drop_trend capacity_curve_layer_5 --format png --out figures\n\nWith --only the figure is drawn alone, in its real size; the words for its caption stand beside it, in a file that ends in .txt. Charts that a run does not draw by itself, such as radar_category, can be named too."
)]
pub struct ChartArgs {
    /// Folder of a run
    pub run: PathBuf,
    /// Draw these charts alone, for a paper: names as in charts/, or without layer and view
    #[arg(long, value_name = "NAME", num_args = 1.., conflicts_with = "show_command")]
    pub only: Vec<String>,
    /// File format of these charts [default: pdf]
    #[arg(long, value_name = "FORMAT", requires = "only", value_parser = one_of(FigureFormat::ALL, FigureFormat::name))]
    pub format: Option<FigureFormat>,
    /// Their width in millimetres: 85 is a column, 170 a page [default: 170]
    #[arg(long, value_name = "MM", requires = "only", value_parser = millimetres)]
    pub width: Option<f64>,
    /// Their folder [default: charts/ of the run]
    #[arg(long, value_name = "DIR", requires = "only")]
    pub out: Option<PathBuf>,
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
    /// Folder of a finished run (route, drift, drops, import or mitigate)
    pub run: PathBuf,
    /// The notebook, a file that ends in .ipynb [default: notebook.ipynb in the folder of the run]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace the file that is there
    #[arg(long)]
    pub force: bool,
}
