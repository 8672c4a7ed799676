//! What a format is, and what it is opened with.

use std::path::Path;

use super::{model_config::ModelConfig, options::ImportOptions, record::Routes, source::Source};
use crate::error::Result;

/// Files, options, and the model's configuration where one was given: what a format is opened with.
pub struct Opened<'a> {
    /// The files.
    pub source: &'a Source,
    /// What was told beside them.
    pub options: &'a ImportOptions,
    /// The model's configuration.
    pub model: Option<ModelConfig>,
}

/// A format.
pub struct Format {
    /// Its name, as it is typed and recorded.
    pub name: &'static str,
    /// What writes it, and how it is called there.
    pub title: &'static str,
    /// Whether the files look like it. The first format that says yes is taken; none may read more than the beginning of a file.
    pub recognises: fn(&Source) -> Result<bool>,
    /// The files that it reads, or says why it does not: all others would be passed over without a word.
    pub files: for<'a> fn(&'a Source) -> Vec<&'a Path>,
    /// Opens it.
    pub open: fn(&Opened<'_>) -> Result<Routes>,
}
