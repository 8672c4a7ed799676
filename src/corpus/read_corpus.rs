//! Reads a corpus of plain text or token ids.

use std::{ops::ControlFlow, path::PathBuf};

use serde_json::{Map, Value};

use super::{
    Corpus, CorpusOptions, InputFile, LeftOut, Skipped, Tokenizer,
    build::CorpusBuilder,
    columns::wanted_columns,
    files::{Column, Identity, Refusal, RowSink, Source, collect_files, identify_file, read_source},
    row::{AskedKeys, Row},
};
use crate::error::{Error, OptionName, Result};

impl Corpus {
    /// Reads a corpus: `.jsonl`, `.jsonl.zst`, `.json` (a list), `.txt` and `.md` (one document each), `.parquet`,
    /// folders of these, `-`.
    ///
    /// Sequences are in input order, whatever the number of threads. Blank lines are ignored. The place of a row is
    /// `file:line`; in `.json` and `.parquet` the line is the number of the row, counted from 1.
    ///
    /// # Errors
    /// [`Error::Corpus`]: a path that is absent or of no known format; `input_ids` that are longer than the context or
    /// beyond the vocabulary; text without a tokenizer; nothing usable at all; with `strict`, anything unusable.
    /// [`Error::Tokenizer`]: the tokenizer has more ids than the model. [`Error::Io`]: a file cannot be read.
    pub fn read(options: &CorpusOptions, tokenizer: Option<&Tokenizer>) -> Result<Self> {
        check_limits(options.context, options.bos, options.vocab_size, options.max_sequences)?;
        if let Some(tokenizer) = tokenizer {
            tokenizer.check_vocabulary(options.vocab_size)?;
        }
        let (sources, skipped) = collect_files(&options.paths)?;
        let mut builder = CorpusBuilder::new(options, tokenizer);
        builder.corpus.skipped = skipped.into();
        for source in &sources {
            builder.begin(source);
            let identity = read_source(source, &mut CorpusRows { keys: options.asked(), builder: &mut builder })?;
            builder.end(identity);
        }
        let hint = format!(
            "a row is a JSON object with the key `text`: {{\"text\": \"...\"}}; {} names another one",
            OptionName::TextKey
        );
        checked_corpus(builder.finish()?, &options.paths, options.strict, &hint)
    }
}

impl Corpus {
    /// The files that [`Self::read`] would read for these paths, with their hashes and sizes. Their rows are not read, so
    /// `documents` is 0.
    ///
    /// # Errors
    /// As [`Self::read`] for paths that are absent or of no known format, and for files that cannot be read.
    pub fn identify(paths: &[PathBuf]) -> Result<Vec<InputFile>> {
        let (sources, _) = collect_files(paths)?;
        let identity = |source: Source| {
            let Identity { sha256, bytes, .. } = identify_file(&source.path)?;
            Ok(InputFile { path: source.path, sha256, bytes, ..InputFile::default() })
        };
        sources.into_iter().map(identity).collect()
    }
}

/// Refuses options that leave no room for a token.
pub(super) fn check_limits(
    context: usize,
    bos: Option<u32>,
    vocab_size: usize,
    max_sequences: Option<usize>,
) -> Result<()> {
    let least = 1 + usize::from(bos.is_some());
    if context < least {
        return Err(Error::usage(
            format!("the context is {context} tokens; expected at least {least}"),
            format!("raise {}", OptionName::Context),
        ));
    }
    if max_sequences == Some(0) {
        return Err(Error::usage(
            "at most 0 sequences were asked for; expected at least 1",
            format!("raise {}", OptionName::MaxSequences),
        ));
    }
    match bos.filter(|&bos| bos as usize >= vocab_size) {
        Some(bos) => Err(Error::usage(
            format!("the BOS id is {bos}; the model's vocab_size is {vocab_size}"),
            format!("leave it out with {}", OptionName::NoBos),
        )),
        None => Ok(()),
    }
}

/// The most places that a message lists.
const SHOWN: usize = 20;

/// Refuses a corpus without any sequence and, with `strict`, one with unusable places; `hint` says what a row looks like.
pub(super) fn checked_corpus(corpus: Corpus, paths: &[PathBuf], strict: bool, hint: &str) -> Result<Corpus> {
    let total = corpus.skipped.total();
    if strict && total > 0 {
        return Err(Error::corpus(
            format!("{total} places cannot be used:{}", reasons(&corpus.skipped)),
            format!("correct them, or leave out {} to go on without them", OptionName::Strict),
        ));
    }
    if !corpus.sequences.is_empty() {
        return Ok(corpus);
    }
    if corpus.files.is_empty() && total == 0 {
        let folders: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
        let what = if folders.len() == 1 { "is an empty folder" } else { "are empty folders" };
        return Err(Error::corpus(
            format!("the corpus has no document: {} {what}", folders.join(", ")),
            "name a folder that holds files, or a file; `-` reads JSON lines from the standard input",
        ));
    }
    // The reason why the first row was skipped may hold a better hint.
    let tried = corpus.skipped.first().and_then(|skipped| skipped.reason.split_once(": try ")).map(|(_, what)| what);
    let is_category = corpus.skipped.first().is_some_and(|skipped| skipped.reason.starts_with("category `"));
    let hint = match tried {
        Some(what) => format!("try {what}"),
        None if is_category => {
            format!("name a key that holds a word or a number: {}", OptionName::Category.with("KEY"))
        }
        None => hint.to_owned(),
    };
    Err(Error::corpus(
        format!(
            "the corpus has no usable document: read {}; places that cannot be used: {total}{}",
            names(&corpus.files),
            reasons(&corpus.skipped)
        ),
        hint,
    ))
}

/// The first places with their reasons, one line for each, and the number of further places.
fn reasons(skipped: &LeftOut) -> String {
    let first = skipped.iter().take(SHOWN).map(|skipped| format!("\n  - {}: {}", skipped.place, skipped.reason));
    let rest = skipped.rest(SHOWN).into_iter().map(|(count, reason)| format!("\n  - and {count} more: {reason}"));
    first.chain(rest).collect()
}

/// The names of the first files, and the number of further files.
fn names(files: &[InputFile]) -> String {
    let shown: Vec<String> = files.iter().take(5).map(|file| format!("`{}`", file.path.display())).collect();
    match files.len() {
        0 => "no file".to_owned(),
        count if count > shown.len() => format!("{} and {} more files", shown.join(", "), count - shown.len()),
        _ => shown.join(", "),
    }
}

/// A sink that passes the rows of one file to the builder.
struct CorpusRows<'a, 'b> {
    keys: AskedKeys<'a>,
    builder: &'a mut CorpusBuilder<'b>,
}

impl RowSink for CorpusRows<'_, '_> {
    fn noun(&self) -> &'static str {
        "corpus"
    }

    fn row(&mut self, place: String, value: Result<Value, String>) -> Result<ControlFlow<()>> {
        if let (Some(_), Ok(Value::Object(object))) = (self.keys.category, &value) {
            self.builder.keys.add(object);
        }
        self.builder.row(place, value.and_then(|value| Row::new(value, &self.keys)))
    }

    fn text(&mut self, place: String, text: Result<String, String>) -> Result<ControlFlow<()>> {
        self.builder.row(place, text.map(Row::text))
    }

    fn refuses_text(&self) -> Option<Refusal> {
        None
    }

    fn note(&mut self, place: String, reason: String) {
        self.builder.corpus.notes.push(Skipped { place, reason });
    }

    fn columns(&mut self, columns: &[Column]) -> Result<Vec<bool>, Refusal> {
        let wanted = wanted_columns(columns, &self.keys)?;
        let unread = columns.iter().zip(&wanted).filter(|(_, wanted)| !**wanted).map(|(column, _)| &column.name);
        unread.for_each(|name| self.builder.keys.one(name.clone()));
        Ok(wanted)
    }

    fn is_row(&self, object: &Map<String, Value>) -> bool {
        self.keys.are_in(object)
    }
}
