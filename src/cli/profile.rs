//! `expert`, `token` and `category`: questions about a finished run.

use std::path::PathBuf;

use clap::Args;

use super::values::one_of;
use crate::routing::View;

/// `expert`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  openmoe-analyze expert openmoe-out 5 11\n  openmoe-analyze expert openmoe-out 3 7 --only dataset=code_languages\n  openmoe-analyze expert openmoe-out/drift 3 7 --checkpoint openmoe-tiny-12.3M-chat --json"
)]
pub struct ExpertArgs {
    /// Folder of a finished run
    pub run: PathBuf,
    /// Decoder layer, as in the tables
    #[arg(allow_negative_numbers = true)]
    pub layer: u16,
    /// Expert of that layer, from 0
    #[arg(allow_negative_numbers = true)]
    pub expert: u16,
    /// What every question has
    #[command(flatten)]
    pub question: QuestionArgs,
}

/// `token`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  openmoe-analyze token openmoe-out the\n  openmoe-analyze token openmoe-out \"⏎\" --layer 5\n  openmoe-analyze token openmoe-out/drift\n\nEvery spelling of a token is understood: the, \" the\", ▁the, ␣the, Ġthe, an id, <0x0A>, \\n, ⏎."
)]
pub struct TokenArgs {
    /// Folder of a finished run
    pub run: PathBuf,
    /// The token, or its id [of a drift run default: the tokens that moved most]
    #[arg(value_name = "TEXT|ID", allow_hyphen_values = true)]
    pub token: Option<String>,
    /// Decoder layers [default: up to eight, evenly spread]
    #[arg(long, value_name = "N", num_args = 1..)]
    pub layer: Vec<u16>,
    /// What every question has
    #[command(flatten)]
    pub question: QuestionArgs,
}

/// `category`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  openmoe-analyze category openmoe-out zh-cn\n  openmoe-analyze category openmoe-out python --layer 3 --json"
)]
pub struct CategoryArgs {
    /// Folder of a finished run
    pub run: PathBuf,
    /// The category, or the language whose code it is: he or Hebrew
    pub category: String,
    /// Decoder layers [default: up to eight, evenly spread]
    #[arg(long, value_name = "N", num_args = 1..)]
    pub layer: Vec<u16>,
    /// What every question has
    #[command(flatten)]
    pub question: QuestionArgs,
}

/// What every question has.
#[derive(Clone, Debug, Args)]
pub struct QuestionArgs {
    /// Choices before capacity, or those that capacity left
    #[arg(long, value_name = "VIEW", default_value = "chosen", value_parser = one_of(View::ALL, View::name))]
    pub view: View,
    /// Checkpoint of a run with several [default: of a drift run the last of the training, of a drops run the first]
    #[arg(long, value_name = "LABEL")]
    pub checkpoint: Option<String>,
    /// Only tokens that meet a condition, such as category=en; repeat it for conditions that must all hold. Keys: category, dataset, document, role, turn
    #[arg(long, value_name = "KEY=VALUE")]
    pub only: Vec<String>,
    /// Rows of every list
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub top: u32,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// Print JSON with all numbers instead of sentences and tables
    #[arg(long)]
    pub json: bool,
    /// No notes
    #[arg(long, short)]
    pub quiet: bool,
}
