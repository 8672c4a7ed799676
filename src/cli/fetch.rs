//! `fetch` and what it is told.

use clap::{Args, ValueEnum};

/// Which files of a repository are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FetchedFiles {
    /// What a checkpoint needs: configuration, tokenizer and weights (safetensors if there are any, else PyTorch's), or the ZIP of a T5X checkpoint
    Weights,
    /// Every file
    All,
}

/// `fetch`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  openmoe-analyze fetch OrionZheng/openmoe-base\n  openmoe-analyze fetch OrionZheng/openmoe-8b-200B OrionZheng/openmoe-8b-1T OrionZheng/openmoe-8b\n  openmoe-analyze fetch OrionZheng/openmoe-base@refs/pr/1\n\nFiles go into the cache that huggingface_hub has too (HF_HUB_CACHE, HF_HOME); what is there is not fetched again. An interrupted fetch goes on where it stopped."
)]
pub struct FetchArgs {
    /// Repositories of the hub: OWNER/NAME or OWNER/NAME@REVISION (a branch, a tag, a commit, refs/pr/1)
    #[arg(required = true, num_args = 1.., value_name = "REPO")]
    pub repositories: Vec<String>,
    /// Which files of them
    #[arg(long, value_name = "FILES", default_value = "weights", value_enum)]
    pub files: FetchedFiles,
    /// No progress bars and no notes
    #[arg(long, short)]
    pub quiet: bool,
}
