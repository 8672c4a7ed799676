//! The folder that `--out` names.

use std::path::Path;

use crate::error::{Error, Result};

/// The folder of the run, which every command but `--dry-run` needs.
pub(super) fn out(typed: Option<&Path>) -> Result<&Path> {
    typed.ok_or_else(|| Error::usage("--out is missing", "name a new folder"))
}
