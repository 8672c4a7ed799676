//! A corpus: options, files, verdict.

use std::{ops::ControlFlow, path::PathBuf};

use serde_json::{Map, Value};

use super::{
    Corpus, InputFile, Skipped, Tokenizer,
    build::Builder,
    files::{self, Column, Identity, Refusal, RowSink, Source, collect, identify},
    row::{CATEGORY_KEYS, Content, Row},
};
use crate::error::{Error, Result};

/// What to read and how to cut it.
#[derive(Clone, Debug)]
pub struct CorpusOptions {
    /// Files, folders, or `-` for JSON lines on the standard input.
    pub paths: Vec<PathBuf>,
    /// Key of the rows that names their category; without it `domain`, then `category`, then `language`, then
    /// (for files in a folder) the sub-folder or the file's stem. With it, rows that lack the key have no category.
    pub category_key: Option<String>,
    /// Longest sequence in tokens, the BOS included.
    pub context: usize,
    /// Keep only the first sequence of a document that is longer than the context, instead of cutting it into several.
    pub truncate: bool,
    /// Id that every sequence made from text starts with; `None` for no BOS. `input_ids` never get one.
    pub bos: Option<u32>,
    /// Ids must be below it.
    pub vocab_size: usize,
    /// Stop after so many sequences, the first in input order.
    pub max_sequences: Option<usize>,
    /// Whether anything that cannot be used is an error instead of an entry in [`Corpus::skipped`].
    pub strict: bool,
}

impl Corpus {
    /// Reads a corpus: `.jsonl`, `.jsonl.zst`, `.json` (a list), `.txt` and `.md` (one document each), `.parquet`,
    /// folders of these, `-`.
    ///
    /// Sequences stand in input order, whatever the number of threads. Blank lines are no rows. The place of a row is
    /// `file:line`; in `.json` and `.parquet` the line is the number of the row, counted from 1.
    ///
    /// # Errors
    /// [`Error::Corpus`]: a path that is absent or of no known format; `input_ids` that are longer than the context or
    /// beyond the vocabulary; text without a tokenizer; nothing usable at all; with `strict`, anything unusable.
    /// [`Error::Tokenizer`]: the tokenizer has more ids than the model. [`Error::Io`]: a file cannot be read.
    pub fn read(options: &CorpusOptions, tokenizer: Option<&Tokenizer>) -> Result<Self> {
        check(options.context, options.bos, options.vocab_size, options.max_sequences)?;
        if let Some(tokenizer) = tokenizer {
            tokenizer.check_vocabulary(options.vocab_size)?;
        }
        let (sources, skipped) = collect(&options.paths)?;
        let mut builder = Builder::new(options, tokenizer);
        builder.corpus.skipped = skipped;
        for source in &sources {
            read_source(source, options.category_key.as_deref(), &mut builder)?;
        }
        builder.flush()?;
        let hint = "a row is a JSON object with the key `text`: {\"text\": \"...\"}";
        verdict(builder.corpus, options.strict, hint)
    }
}

impl Corpus {
    /// The files that [`Self::read`] would read for these paths, with their hashes and sizes but without a look at what
    /// is in them: `documents` is 0.
    ///
    /// # Errors
    /// As [`Self::read`] for paths that are absent or of no known format, and for files that cannot be read.
    pub fn identify(paths: &[PathBuf]) -> Result<Vec<InputFile>> {
        let (sources, _) = collect(paths)?;
        let identity = |source: Source| {
            let Identity { sha256, bytes, .. } = identify(&source.path)?;
            Ok(InputFile { path: source.path, sha256, bytes, ..InputFile::default() })
        };
        sources.into_iter().map(identity).collect()
    }
}

/// Refuses options that leave no room for a token.
pub(super) fn check(context: usize, bos: Option<u32>, vocab_size: usize, max_sequences: Option<usize>) -> Result<()> {
    let least = 1 + usize::from(bos.is_some());
    if context < least {
        return Err(Error::usage(
            format!("the context is {context} tokens; expected at least {least}"),
            "raise --context",
        ));
    }
    if max_sequences == Some(0) {
        return Err(Error::usage("at most 0 sequences were asked for; expected at least 1", "raise --max-sequences"));
    }
    match bos.filter(|&bos| bos as usize >= vocab_size) {
        Some(bos) => Err(Error::usage(
            format!("the BOS id is {bos}; the model's vocab_size is {vocab_size}"),
            "leave it out with --no-bos",
        )),
        None => Ok(()),
    }
}

/// Whether what was read is a corpus; `hint` says what a row looks like.
pub(super) fn verdict(corpus: Corpus, strict: bool, hint: &str) -> Result<Corpus> {
    let reasons = |skipped: &[Skipped]| {
        let lines: Vec<_> =
            skipped.iter().map(|skipped| format!("\n  - {}: {}", skipped.place, skipped.reason)).collect();
        lines.concat()
    };
    if strict && !corpus.skipped.is_empty() {
        return Err(Error::corpus(
            format!("{} places cannot be used:{}", corpus.skipped.len(), reasons(&corpus.skipped)),
            "correct them, or leave out --strict to go on without them",
        ));
    }
    if corpus.sequences.is_empty() {
        let shown = corpus.skipped.len().min(20);
        let more = match corpus.skipped.len() - shown {
            0 => String::new(),
            more => format!("\n  - and {more} more"),
        };
        return Err(Error::corpus(
            format!(
                "the corpus has no usable document: read {}; places that cannot be used: {}{}{more}",
                names(&corpus.files),
                corpus.skipped.len(),
                reasons(&corpus.skipped[..shown])
            ),
            hint,
        ));
    }
    Ok(corpus)
}

/// The first files by name, and how many more there are.
fn names(files: &[InputFile]) -> String {
    let shown: Vec<String> = files.iter().take(5).map(|file| format!("`{}`", file.path.display())).collect();
    match files.len() {
        0 => "no file".to_owned(),
        count if count > shown.len() => format!("{} and {} more files", shown.join(", "), count - shown.len()),
        _ => shown.join(", "),
    }
}

/// Reads one file into the builder and takes its hash.
fn read_source(source: &Source, key: Option<&str>, builder: &mut Builder) -> Result<()> {
    let index = builder.corpus.files.len();
    builder.corpus.files.push(InputFile { path: source.path.clone(), ..InputFile::default() });
    builder.dataset.clone_from(&source.dataset);
    let identity = files::read_source(source, &mut FileRows { source, key, builder })?;
    let entry = &mut builder.corpus.files[index];
    (entry.sha256, entry.bytes, entry.partial) = (identity.sha256, identity.bytes, identity.partial);
    Ok(())
}

/// The rows of one file on their way to the builder.
struct FileRows<'a, 'b> {
    source: &'a Source,
    key: Option<&'a str>,
    builder: &'a mut Builder<'b>,
}

impl RowSink for FileRows<'_, '_> {
    fn noun(&self) -> &'static str {
        "corpus"
    }

    fn row(&mut self, place: String, value: Result<Value, String>) -> Result<ControlFlow<()>> {
        // With a key of the user's own, a folder's name would be a category of another kind.
        let fallback = self.source.category.as_deref().filter(|_| self.key.is_none());
        let row = value.and_then(|value| Row::new(value, self.key));
        self.builder.row(place, row, fallback)?;
        Ok(ControlFlow::Continue(()))
    }

    fn text(&mut self, place: String, text: Result<String, String>) -> Result<ControlFlow<()>> {
        let row = text.map(|text| Row { id: None, category: None, content: Content::Text(text) });
        self.builder.row(place, row, self.source.category.as_deref())?;
        Ok(ControlFlow::Continue(()))
    }

    fn refuses_text(&self) -> Option<Refusal> {
        None
    }

    fn note(&mut self, place: String, reason: String) {
        self.builder.corpus.notes.push(Skipped { place, reason });
    }

    fn columns(&mut self, columns: &[Column]) -> Result<Vec<bool>, Refusal> {
        let categories = self.key.as_ref().map_or(&CATEGORY_KEYS[..], std::slice::from_ref);
        let wanted = |name: &str| ["text", "input_ids", "id"].contains(&name) || categories.contains(&name);
        if columns.iter().any(|column| column.name == "text" || column.name == "input_ids") {
            return Ok(columns.iter().map(|column| wanted(&column.name)).collect());
        }
        let names: Vec<_> = columns.iter().map(|column| format!("`{}`", column.name)).collect();
        Err(Refusal::new(
            format!("has the columns {}; expected `text` or `input_ids`", names.join(", ")),
            "rename the column that holds the documents",
        ))
    }

    fn is_row(&self, object: &Map<String, Value>) -> bool {
        object.contains_key("text") || object.contains_key("input_ids")
    }
}
