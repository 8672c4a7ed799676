//! Errors: what went wrong, what to do about it, and the exit code.
//!
//! Every message says what is wrong, with its value, what was expected, what was found and where; the next step is in
//! [`Error::hint`]. The exit codes are those of the output contract: 1 a failed check, 2 bad input or usage, 3 a fault of the tool,
//! 130 interrupted.

mod command_name;
mod escaped_text;
mod option_name;
mod panics;
mod spelling;

pub use command_name::{CommandName, name_commands};
pub use escaped_text::{bullets, is_obeyed, one_line, path_text, quoted_name, serialize_path};
pub use option_name::{OptionName, name_options};
pub use panics::{guarded, last_resort, quiet_panics};
pub use spelling::{is_meant, nearest_spelling, similar_names};

use std::path::{Path, PathBuf};

/// What makes a record unreadable that no check of its own explains.
pub const ANOTHER_VERSION: &str = "the run was made by another version";

/// The hint that a run has to be made again, and why.
pub fn run_again(why: &str) -> String {
    format!("{why}: run it again with {}", OptionName::Force)
}

/// The result of every fallible function of the library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, from the user's point of view.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option, or a combination of options, that cannot be carried out.
    #[error("{message}")]
    Usage {
        /// What was asked for and what is possible.
        message: String,
        /// The next step.
        hint: Option<String>,
    },
    /// A checkpoint that cannot be used, with all of its problems.
    #[error("checkpoint `{}` cannot be used: {}", path.display(), listed(problems, *left_out))]
    Checkpoint {
        /// The checkpoint folder.
        path: PathBuf,
        /// One line per problem, each naming file and tensor.
        problems: Vec<String>,
        /// The number of further problems.
        left_out: usize,
        /// The next step.
        hint: Option<String>,
    },
    /// A tokenizer that cannot be used, or that does not belong to the checkpoint.
    #[error("{message}")]
    Tokenizer {
        /// The file, the value found and the value expected.
        message: String,
        /// The next step.
        hint: Option<String>,
    },
    /// A corpus file or line that cannot be used.
    #[error("{message}")]
    Corpus {
        /// The file, the line and the reason.
        message: String,
        /// The next step.
        hint: Option<String>,
    },
    /// NaN or infinity where a router must decide.
    #[error(
        "router logits of decoder layer {layer} are not finite: sequence {sequence}, position {position}, expert {expert} is {value}"
    )]
    NonFinite {
        /// Decoder layer index.
        layer: u16,
        /// Sequence index in input order.
        sequence: u32,
        /// Position in the sequence.
        position: u32,
        /// Expert whose logit it is.
        expert: u16,
        /// The value found.
        value: f32,
    },
    /// NaN or infinity in the bias that a router ranks experts by.
    #[error(
        "the correction bias of the router of decoder layer {layer} is not finite: that of expert {expert} is {value}"
    )]
    NonFiniteBias {
        /// Decoder layer index.
        layer: u16,
        /// Expert whose bias it is.
        expert: u16,
        /// The value found.
        value: f32,
    },
    /// A repository of the hub, or its cache, that does not give what was asked for.
    #[error("{message}")]
    Hub {
        /// The repository, the file, what was asked and what came.
        message: String,
        /// The next step.
        hint: Option<String>,
    },
    /// A run folder that is occupied, incomplete or not a run.
    #[error("{message}")]
    RunFolder {
        /// Path and what is wrong with it.
        message: String,
        /// The next step.
        hint: Option<String>,
    },
    /// A file could not be read or written.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was being done: "read", "write", "open" ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A check that was asked for did not hold.
    #[error("{message}")]
    CheckFailed {
        /// Which checks failed, of how many.
        message: String,
    },
    /// The run was interrupted; what is complete is kept.
    #[error("interrupted: what is complete has been kept")]
    Interrupted,
    /// A fault of the tool itself.
    #[error("internal error: {message}")]
    Internal {
        /// What happened and where.
        message: String,
    },
}

/// How many problems are listed; the rest is counted.
const LISTED: usize = 20;

/// A number and what is counted: "1 sequence", "2 sequences".
pub(crate) fn plural(count: u64, noun: &str) -> String {
    format!("{count} {}", noun_of(count, noun))
}

/// The noun of so many.
pub(crate) fn noun_of(count: u64, noun: &str) -> String {
    format!("{noun}{}", if count == 1 { "" } else { "s" })
}

/// How many problems there are, then the first of them, one line each.
fn listed(problems: &[String], left_out: usize) -> String {
    let all = problems.len() + left_out;
    let more = (all > LISTED).then(|| format!("and {} more", all - LISTED));
    let lines: Vec<String> = problems.iter().take(LISTED).cloned().chain(more).collect();
    format!("{}{}", plural(all as u64, "problem"), bullets(&lines))
}

impl Error {
    /// An I/O error with the action and the path that it met; for `map_err`.
    /// An error of this type that travelled inside the I/O error, as from a file that is read over the network, comes out as it is.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| source.downcast::<Self>().unwrap_or_else(|source| Self::Io { action, path, source })
    }

    /// A hub error with its next step.
    pub fn hub(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Hub { message: message.into(), hint: Some(hint.into()) }
    }

    /// A usage error with its next step.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: Some(hint.into()) }
    }

    /// A corpus error with its next step.
    pub fn corpus(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Corpus { message: message.into(), hint: Some(hint.into()) }
    }

    /// A tokenizer error with its next step.
    pub fn tokenizer(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Tokenizer { message: message.into(), hint: Some(hint.into()) }
    }

    /// A run-folder error with its next step.
    pub fn run_folder(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::RunFolder { message: message.into(), hint: Some(hint.into()) }
    }

    /// A fault of the tool.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::Internal { message: message.into() }
    }

    /// The next step for the person who reads the message, where one is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. }
            | Self::Checkpoint { hint, .. }
            | Self::Tokenizer { hint, .. }
            | Self::Corpus { hint, .. }
            | Self::Hub { hint, .. }
            | Self::RunFolder { hint, .. } => hint.clone(),
            Self::NonFinite { .. } => Some(
                "a weight is NaN or infinite, or the activations overflow; compare with another copy of the checkpoint"
                    .into(),
            ),
            Self::NonFiniteBias { .. } => Some("compare with another copy of the checkpoint".into()),
            Self::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::PermissionDenied => Some("check the permissions of the path".into()),
                std::io::ErrorKind::NotFound => Some("check the spelling of the path".into()),
                std::io::ErrorKind::NotADirectory | std::io::ErrorKind::AlreadyExists => {
                    Some("a part of the path is a file: choose another path".into())
                }
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    Some("make room, or choose a path on another disk".into())
                }
                std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof => {
                    Some("the file is damaged: fetch or copy it again".into())
                }
                _ => None,
            },
            Self::Interrupted => Some(format!(
                "run the same command again: route, drift, drops, mitigate and demo go on with {}, import begins anew with {}, fetch goes on where it was, convert begins anew",
                OptionName::Resume,
                OptionName::Force
            )),
            Self::CheckFailed { .. } => Some("the table above says what was expected and what was found".into()),
            // There is nothing that the reader could have done better.
            Self::Internal { .. } => None,
        }
    }

    /// The exit code of the process: 1 a check that was asked for failed, 2 bad input or usage, 3 a fault of the tool, 130 interrupted.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::CheckFailed { .. } => 1,
            Self::Internal { .. } => 3,
            Self::Interrupted => 130,
            _ => 2,
        }
    }
}
