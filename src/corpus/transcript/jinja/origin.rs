//! Finds the file of a chat template: the same that transformers uses.
//!
//! `chat_template.jinja` comes before the `chat_template` of `tokenizer_config.json`, which comes before
//! `chat_template.json`, the file of older processors. Besides the default there may be a template for conversations with
//! tools, `tool_use`, in `additional_chat_templates/` or in the same list.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{
    error::{Error, OptionName, Result},
    first_bytes::{Foreign, parse_json, read_text},
};

/// The file of the tokenizer's settings, with its special tokens and often its template.
pub(super) const CONFIG: &str = "tokenizer_config.json";
/// The file that comes first.
const FILE: &str = "chat_template.jinja";
/// The folder of further templates.
const FOLDER: &str = "additional_chat_templates";
/// The file of older processors.
const PROCESSOR: &str = "chat_template.json";
/// Largest file of a template or of a tokenizer's settings; those with tens of thousands of added tokens have a few MB.
const MOST_BYTES: u64 = 64 << 20;
/// The name of the template that is used unless the row has tools.
const DEFAULT: &str = "default";
/// The name of the template for conversations with tools.
const TOOLS: &str = "tool_use";

/// The hint for a template that cannot be used.
pub(in super::super) fn other_templates() -> String {
    format!(
        "{} is the template of the authors, {} is none",
        OptionName::Template.with("openmoe"),
        OptionName::Template.with("plain")
    )
}

/// The templates of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The file.
    pub path: PathBuf,
    /// The template.
    pub default: String,
    /// The template for conversations with tools, if there is one.
    pub tools: Option<String>,
    /// Other files with templates, which are not used because this one comes first.
    pub others: Vec<&'static str>,
}

/// The template of a checkpoint's folder, and the settings of its tokenizer.
///
/// # Errors
/// A file cannot be read or is not JSON, or its template is of an unknown kind.
pub(super) fn find_template(checkpoint: &Path) -> Result<(Option<Found>, Value)> {
    let config = json(&checkpoint.join(CONFIG))?;
    let own = text(&checkpoint.join(FILE))?.map(|default| named(default, checkpoint)).transpose()?;
    let of_config = config.get("chat_template").filter(|template| !template.is_null());
    let processor = json(&checkpoint.join(PROCESSOR))?;
    let of_processor = processor.get("chat_template").filter(|template| !template.is_null());
    let mut found = Vec::new();
    if let Some((default, tools)) = own {
        found.push((FILE, default, tools));
    }
    for (file, template) in [(CONFIG, of_config), (PROCESSOR, of_processor)] {
        // The first file decides, even if a later one is broken.
        let Some(template) = template else { continue };
        if found.is_empty() {
            let (default, tools) =
                entry(template).map_err(|reason| unusable_template(&checkpoint.join(file), &reason))?;
            found.push((file, default, tools));
        } else {
            found.push((file, String::new(), None));
        }
    }
    let others = found.iter().skip(1).map(|(file, ..)| *file).collect();
    let first = found.into_iter().next();
    let found = first.map(|(file, default, tools)| Found { path: checkpoint.join(file), default, tools, others });
    Ok((found, config))
}

/// The error for a template that cannot be used.
pub(super) fn unusable_template(path: &Path, reason: &str) -> Error {
    Error::tokenizer(format!("chat template of `{}` cannot be used: {reason}", path.display()), other_templates())
}

/// A template with the one for tools, which is in the folder of further templates.
fn named(default: String, checkpoint: &Path) -> Result<(String, Option<String>)> {
    let tools = text(&checkpoint.join(FOLDER).join(format!("{TOOLS}.jinja")))?;
    Ok((default, tools))
}

/// The text of a file without a byte-order mark, if there is such a file. Anything else with this name is an error: otherwise the
/// authors' template would silently be used instead.
fn text(path: &Path) -> Result<Option<String>> {
    if !path.exists() && !path.is_symlink() {
        return Ok(None);
    }
    let text = read_text(path, MOST_BYTES).map_err(|Foreign { what, hint }| {
        let message = format!("chat template of `{}` cannot be used: the file {what}", path.display());
        Error::tokenizer(message, format!("{hint}; {}", other_templates()))
    })?;
    Ok(Some(text))
}

/// The content of a JSON file; null if there is no such file.
fn json(path: &Path) -> Result<Value> {
    let Some(text) = text(path)? else { return Ok(Value::Null) };
    parse_json(&text).map_err(|error| unusable_template(path, &format!("broken JSON: {error}")))
}

/// The template as text (the only one, or the one named default), with the one for tools.
fn entry(template: &Value) -> Result<(String, Option<String>), String> {
    let named: Vec<(String, Option<String>)> = match template {
        Value::String(source) => return Ok((source.clone(), None)),
        Value::Array(list) => list
            .iter()
            .map(|entry| {
                let name = entry["name"].as_str().map_or_else(|| entry["name"].to_string(), str::to_owned);
                (name, entry["template"].as_str().map(str::to_owned))
            })
            .collect(),
        Value::Object(entries) => {
            entries.iter().map(|(name, source)| (name.clone(), source.as_str().map(str::to_owned))).collect()
        }
        other => return Err(format!("`chat_template` is {other}; expected a text or a list of named texts")),
    };
    let of = |wanted: &str| named.iter().find(|(name, _)| name == wanted).and_then(|(_, source)| source.clone());
    let default = of(DEFAULT).ok_or_else(|| {
        let names: Vec<_> = named.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        format!("`chat_template` is a list without a template named \"{DEFAULT}\"; found {}", names.join(", "))
    })?;
    Ok((default, of(TOOLS)))
}
