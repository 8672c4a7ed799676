//! The formats, as data, and the one that a record has.

use super::{
    format::{Format, Opened},
    formats,
    model_config::ModelConfig,
    options::ImportOptions,
    record::Routes,
    source::Source,
};
use crate::error::{Error, Result};

/// Every format, in the order in which they are tried: those with a name or a magic number of their own first.
pub const FORMATS: &[Format] = formats::ALL;

/// Opens the files: as the format that was named, or as the first that recognises them.
///
/// # Errors
/// [`Error::Usage`] for a format that is unknown, or files that none recognises; errors of reading.
pub fn open(source: &Source, options: &ImportOptions) -> Result<(&'static Format, Routes)> {
    let model = options.model_config.as_deref().map(ModelConfig::read).transpose()?;
    let format = match &options.format {
        Some(name) => named(name)?,
        None => recognised(source)?,
    };
    let routes = (format.open)(&Opened { source, options, model })?;
    Ok((format, routes))
}

fn names() -> String {
    FORMATS.iter().map(|format| format.name).collect::<Vec<_>>().join(", ")
}

fn named(name: &str) -> Result<&'static Format> {
    FORMATS.iter().find(|format| format.name == name).ok_or_else(|| {
        Error::usage(
            format!("the format `{name}` is unknown; expected one of {}", names()),
            "leave it to be recognised",
        )
    })
}

fn recognised(source: &Source) -> Result<&'static Format> {
    for format in FORMATS {
        if (format.recognises)(source)? {
            return Ok(format);
        }
    }
    let files: Vec<String> = source.files.iter().take(3).map(|path| format!("`{}`", path.display())).collect();
    let more = if source.files.len() > 3 { format!(" and {} more", source.files.len() - 3) } else { String::new() };
    Err(Error::usage(
        format!("no format recognises {}{more}", files.join(", ")),
        format!("name the format, one of {}", names()),
    ))
}
