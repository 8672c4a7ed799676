//! What chat templates of every kind have: the file that one comes from, and the special tokens that it writes.

use std::{fmt, path::PathBuf};

use crate::{
    corpus::Tokenizer,
    error::{Error, OptionName, Result},
};

/// The origin of a tokenizer's template, for the manifest.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TemplateSource {
    /// The file.
    #[serde(serialize_with = "crate::error::serialize_path")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub path: PathBuf,
    /// SHA-256 of the template's text, hexadecimal.
    pub sha256: String,
    /// The fixed day that its `strftime_now` gives, if it asks for the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Other files with a template, which is not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_used: Vec<String>,
}

impl fmt::Display for TemplateSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path.file_name().unwrap_or_default().to_string_lossy())?;
        if let Some(date) = &self.date {
            write!(f, "; strftime_now is {date}")?;
        }
        if !self.not_used.is_empty() {
            write!(f, "; that of {} is not used", self.not_used.join(" and "))?;
        }
        Ok(())
    }
}

/// The special ids of a model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Special {
    /// Id of the BOS; `None` for no BOS at all.
    pub bos: Option<u32>,
    /// Id of the EOS, if there is one.
    pub eos: Option<u32>,
    /// Ids are below it.
    pub vocab_size: usize,
}

/// The special tokens as words.
#[derive(Clone, Debug, Default)]
pub(super) struct TemplateTokens {
    /// What the template writes for the BOS; empty for none.
    pub bos: String,
    /// What the template writes for the EOS.
    pub eos: String,
    /// All words that are special tokens, with their ids.
    pub words: Vec<(String, u32)>,
}

impl TemplateTokens {
    /// The BOS and the EOS of the model, as words of its tokenizer.
    ///
    /// # Errors
    /// The tokenizer has no such id.
    pub(super) fn of_model(tokenizer: &Tokenizer, special: Special) -> Result<Self> {
        let word = |name: &str, id: u32| {
            tokenizer.piece(id).filter(|word| !word.is_empty()).ok_or_else(|| {
                Error::tokenizer(
                    format!("tokenizer `{}` has no token {id}, the model's {name}", tokenizer.file().display()),
                    format!("the tokenizer belongs to another model; or use {}", OptionName::Template.with("plain")),
                )
            })
        };
        let bos = special.bos.map(|id| Ok((word("BOS", id)?, id))).transpose()?;
        let eos = special.eos.ok_or_else(|| {
            Error::tokenizer(
                "the model's configuration names no EOS, which templates write",
                format!("add `eos_token_id` to config.json; or use {}", OptionName::Template.with("plain")),
            )
        })?;
        let eos = (word("EOS", eos)?, eos);
        Ok(Self {
            bos: bos.as_ref().map_or_else(String::new, |(word, _)| word.clone()),
            eos: eos.0.clone(),
            words: bos.into_iter().chain([eos]).collect(),
        })
    }
}
