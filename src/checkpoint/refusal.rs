//! The error of a checkpoint that cannot be used.

use std::path::Path;

use super::problem_list::Problems;
use crate::error::Error;

/// A checkpoint that cannot be used.
pub(super) fn refusal(dir: &Path, problems: Vec<String>, hint: &str) -> Error {
    refusal_of_all(dir, problems.into(), hint)
}

/// The same with problems that may be many.
pub(super) fn refusal_of_all(dir: &Path, problems: Problems, hint: &str) -> Error {
    let Problems { lines, left_out } = problems;
    Error::Checkpoint { path: dir.to_path_buf(), problems: lines, left_out, hint: Some(hint.to_owned()) }
}
