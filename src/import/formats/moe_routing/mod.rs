//! The interchange `moe-routing`, version 1: a folder with `routing.json`, and the routes in one of four carriers: rows in Parquet,
//! arrays in NPZ or safetensors, lines of JSON, or counts. Arrays, lines and counts can do without `routing.json` where they, or the
//! configuration of the model, say enough.

mod arrays;
mod counts;
mod header;
mod known;
mod layers;
mod lines;
mod rows;
mod sequences;

use std::path::Path;

use header::RoutingJson;
use known::{FILE, Known, NAME};

use crate::{
    error::{Error, Result},
    import::{
        array_file::ArrayFile,
        format::{Format, Opened},
        record::Routes,
        source::Source,
    },
};

/// The format.
pub(super) const FORMAT: Format = Format {
    name: NAME,
    title: "the interchange of this tool, as its recorders write it",
    recognises: |source| Ok(source.named(FILE).is_some() || !carriers(source)?.is_empty()),
    files,
    open,
};

/// Files that hold routes or counts.
enum Carrier<'a> {
    Rows(Vec<&'a Path>),
    Arrays(Vec<&'a Path>),
    Lines(Vec<&'a Path>),
    Counts(&'a Path),
}

impl Carrier<'_> {
    /// One of its files.
    fn example(&self) -> String {
        let path = match self {
            Self::Rows(paths) | Self::Arrays(paths) | Self::Lines(paths) => paths[0],
            Self::Counts(path) => path,
        };
        format!("`{}`", path.display())
    }
}

/// The routes or counts, and what says something about them.
fn files(source: &Source) -> Vec<&Path> {
    let about = [FILE, sequences::FILE].into_iter().filter_map(|name| source.named(name));
    let routes = carriers(source).unwrap_or_default().into_iter().flat_map(|carrier| match carrier {
        Carrier::Rows(paths) | Carrier::Arrays(paths) | Carrier::Lines(paths) => paths,
        Carrier::Counts(path) => vec![path],
    });
    about.chain(routes).collect()
}

fn open(opened: &Opened<'_>) -> Result<Routes> {
    let source = opened.source;
    let json = source.named(FILE).map(RoutingJson::read).transpose()?;
    let mut carriers = carriers(source)?;
    if let [first, second, ..] = carriers.as_slice() {
        return Err(Error::usage(
            format!("there are routes in {} and in {}", first.example(), second.example()),
            "they may be of the same tokens: import the ones or the others",
        ));
    }
    let Some(carrier) = carriers.pop() else {
        return Err(Error::corpus(
            "there are no routes among the files",
            format!(
                "expected routing-*.parquet, *.npz, *.safetensors, *.jsonl or counts.parquet, beside {FILE}; docs/import.md \
                 describes each"
            ),
        ));
    };
    let known = Known { json: json.as_ref(), opened };
    match carrier {
        Carrier::Rows(paths) => {
            let json = json.as_ref().ok_or_else(|| {
                Error::usage(format!("there is no {FILE} among the files"), "name the folder that the recorder wrote")
            })?;
            rows::Rows::open(json, paths, opened).map(|rows| Routes::Tokens(Box::new(rows)))
        }
        Carrier::Arrays(paths) => arrays::Arrays::open(&known, &paths).map(|arrays| Routes::Tokens(Box::new(arrays))),
        Carrier::Lines(paths) => lines::LineRoutes::open(&known, &paths).map(|lines| Routes::Tokens(Box::new(lines))),
        Carrier::Counts(path) => counts::read(&known, path).map(Routes::Counts),
    }
}

/// The carriers that there are files of.
fn carriers(source: &Source) -> Result<Vec<Carrier<'_>>> {
    let begins =
        |path: &&Path, start: &str| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start));
    let mut found = Vec::new();
    let rows: Vec<_> = source.with_extension("parquet").filter(|path| begins(path, "routing-")).collect();
    if !rows.is_empty() {
        found.push(Carrier::Rows(rows));
    }
    found.extend(source.named(counts::PARQUET).or_else(|| source.named(counts::LINES)).map(Carrier::Counts));
    let files: Vec<_> = source.with_extension("npz").chain(source.with_extension("safetensors")).collect();
    if let Some(first) = files.first()
        && ArrayFile::open(first).is_ok_and(|file| arrays::EXPERTS.iter().any(|name| file.has(name)))
    {
        found.push(Carrier::Arrays(files));
    }
    let lines: Vec<_> = source
        .with_extension("jsonl")
        .filter(|path| !begins(path, "sequences.") && !begins(path, counts::LINES))
        .collect();
    if let Some(first) = lines.first() {
        let start = Source::first_bytes(first)?;
        let has = |word: &[u8]| start.windows(word.len()).any(|part| part == word);
        if has(b"\"layers\"") && has(b"\"experts\"") {
            found.push(Carrier::Lines(lines));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
