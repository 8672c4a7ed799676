//! Subcommands for the shell and the manual.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

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
