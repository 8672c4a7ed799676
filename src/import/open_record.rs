//! The formats, as data, and the one that a record has.

use std::path::Path;

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

/// The files that the format passes over; files that the options name are none of them.
pub fn passed_over<'a>(format: &Format, source: &'a Source, options: &ImportOptions) -> Vec<&'a Path> {
    let read = (format.files)(source);
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let named = [&options.model_config, &options.tokenizer, &options.tokens];
    let named: Vec<_> = named.into_iter().flatten().map(|path| real(path)).collect();
    let files = source.files.iter().map(std::path::PathBuf::as_path);
    files.filter(|path| !read.contains(path) && !named.contains(&real(path))).collect()
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

/// The first format that recognises the files. Files of another ending may be those of another format, which would be passed over.
fn recognised(source: &Source) -> Result<&'static Format> {
    let Some((format, _)) = first_that_recognises(source)? else { return Err(refused(source)) };
    for group in source.by_extension() {
        if let Some((other, file)) = first_that_recognises(&group)?.filter(|(other, _)| other.name != format.name) {
            return Err(Error::usage(
                format!("`{}` is of the format {}, other files are of {}", file.display(), other.name, format.name),
                "import the files of one format, or name the format to pass over all others",
            ));
        }
    }
    Ok(format)
}

/// The format, and the first of the files.
fn first_that_recognises(source: &Source) -> Result<Option<(&'static Format, &Path)>> {
    for format in FORMATS {
        if (format.recognises)(source)? {
            return Ok(source.files.first().map(|file| (format, file.as_path())));
        }
    }
    Ok(None)
}

/// The error for files that no format recognises.
fn refused(source: &Source) -> Error {
    let files: Vec<String> = source.files.iter().take(3).map(|path| format!("`{}`", path.display())).collect();
    let more = if source.files.len() > 3 { format!(" and {} more", source.files.len() - 3) } else { String::new() };
    Error::usage(
        format!("no format recognises {}{more}", files.join(", ")),
        format!("name the format, one of {}", names()),
    )
}
