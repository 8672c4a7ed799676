//! Conversations -> sequences of token ids whose tokens know their message.
//!
//! A conversation is written as one text by a chat template and encoded as the original encodes its prompt: the special
//! tokens (`<pad>` as BOS, `</s>`) cut the text, and what stands between two of them is encoded as one string, over the
//! borders of messages. A special token that stands in a message as a word is special there too, as in the original. A
//! token belongs to the message that holds its first character that is no space ([`Token::offset`](super::Token)).

mod build;
mod conversation;
mod format;
mod jinja;
mod message;
mod mt_bench;
mod oasst;
mod template;

pub use format::{OasstPaths, TranscriptFormat};
pub use template::{ChatTemplate, Template};

use std::{ops::ControlFlow, path::PathBuf};

use serde_json::{Map, Value};

use self::{
    build::Builder,
    conversation::{Row, read_row},
    mt_bench::MtBench,
};
use super::{
    Corpus, Skipped, Tokenizer,
    files::{Column, Refusal, RowSink, Source, collect, read_source},
    read::{check, verdict},
};
use crate::error::{Error, Result};

/// What to read and how to cut it.
#[derive(Clone, Debug)]
pub struct TranscriptOptions {
    /// `.json` lists, `.jsonl`, `.jsonl.zst`, folders of these, or `-` for JSON lines on the standard input. Every file is
    /// a data set of its own, named after the file.
    pub paths: Vec<PathBuf>,
    /// How all files are written; `None` to detect it for each file by its first row that has one of the formats' keys.
    pub format: Option<TranscriptFormat>,
    /// Which conversations a tree of replies gives.
    pub oasst_paths: OasstPaths,
    /// Key of the rows that names their category; without it `domain`, then `category`, then `language`.
    pub category_key: Option<String>,
    /// Longest sequence in tokens; a longer conversation is cut there.
    pub context: usize,
    /// Id of the BOS that the template writes; `None` for no BOS.
    pub bos: Option<u32>,
    /// Id of the EOS that the template writes.
    pub eos: u32,
    /// Ids must be below it.
    pub vocab_size: usize,
    /// Stop after so many sequences, the first in input order.
    pub max_sequences: Option<usize>,
    /// Whether anything that cannot be used is an error instead of an entry in [`Corpus::skipped`].
    pub strict: bool,
}

impl Corpus {
    /// Reads conversations; each is one sequence. Answers of MT-Bench are joined with the questions of the same run by
    /// `question_id` (first choice); questions that nothing answers stay conversations of their own file.
    ///
    /// Sequences stand in input order, whatever the number of threads. The document's name is the row's `id`,
    /// `question_id`, `conversation_id`, `conversation_hash` or `message_tree_id`, else `file:line`.
    ///
    /// # Errors
    /// [`Error::Corpus`]: a path that is absent or of no known format; no tokenizer; nothing usable at all; with `strict`,
    /// anything unusable. [`Error::Tokenizer`]: the tokenizer has more ids than the model, or does not know the special
    /// tokens of the template. [`Error::Io`]: a file cannot be read.
    pub fn read_transcripts(
        options: &TranscriptOptions,
        template: &Template,
        tokenizer: Option<&Tokenizer>,
    ) -> Result<Self> {
        check(options.context, options.bos, options.vocab_size, options.max_sequences)?;
        let tokenizer = tokenizer.ok_or_else(|| {
            Error::corpus(
                "transcripts are text, but the checkpoint has no tokenizer",
                "put the model's `spiece.model` into the checkpoint folder",
            )
        })?;
        tokenizer.check_vocabulary(options.vocab_size)?;
        let (sources, skipped) = collect(&options.paths)?;
        let builder = Builder::new(options, template, tokenizer, skipped)?;
        let mut reader = Reader { options, builder, bench: MtBench::default() };
        for source in &sources {
            reader.source(source)?;
        }
        let hint = "a row is a conversation: MT-Bench (questions, and answers together with their questions file), \
                    ShareGPT, OpenAI messages, WildChat or an OASST tree; --format says which";
        verdict(reader.into_corpus(), &options.paths, options.strict, hint)
    }
}

/// Files -> rows -> documents.
struct Reader<'a> {
    options: &'a TranscriptOptions,
    builder: Builder<'a>,
    bench: MtBench,
}

impl Reader<'_> {
    /// Reads one file and takes its hash.
    fn source(&mut self, source: &Source) -> Result<()> {
        let number = self.builder.begin(source);
        let mut file = FileRows { number, format: self.options.format, reader: self };
        let identity = read_source(source, &mut file)?;
        let format = file.format;
        self.builder.flush(number);
        self.builder.finish(number, format, identity);
        Ok(())
    }

    /// Joins what waited for the last file.
    fn into_corpus(mut self) -> Corpus {
        let mut current = 0;
        if let Some((alone, all)) = self.bench.unanswered() {
            let reason =
                format!("{alone} of {all} questions have no answer: conversations of the user's messages alone");
            self.builder.notes.push(Skipped { place: "MT-Bench".to_owned(), reason });
        }
        for (file, document) in self.bench.join() {
            if file != current {
                self.builder.flush(current);
                current = file;
            }
            match document {
                Ok(document) => self.builder.document(file, document),
                Err(Skipped { place, reason }) => self.builder.skip(place, reason),
            }
        }
        self.builder.flush(current);
        self.builder.into_corpus()
    }
}

/// The rows of one file.
struct FileRows<'r, 'a> {
    number: usize,
    /// As asked for, or as detected.
    format: Option<TranscriptFormat>,
    reader: &'r mut Reader<'a>,
}

impl RowSink for FileRows<'_, '_> {
    fn noun(&self) -> &'static str {
        "transcript"
    }

    fn row(&mut self, place: String, value: Result<Value, String>) -> Result<ControlFlow<()>> {
        self.take(place, value);
        Ok(ControlFlow::Continue(()))
    }

    fn text(&mut self, place: String, _: Result<String, String>) -> Result<ControlFlow<()>> {
        self.take(place, Err("plain text".into()));
        Ok(ControlFlow::Continue(()))
    }

    fn refuses_text(&self) -> Option<Refusal> {
        Some(Refusal::new(
            "cannot be read: transcripts are read from .json, .jsonl and .jsonl.zst",
            "plain text is a corpus: --corpus; a table must be written as JSON lines",
        ))
    }

    fn note(&mut self, place: String, reason: String) {
        self.reader.builder.notes.push(Skipped { place, reason });
    }

    fn columns(&mut self, columns: &[Column]) -> Result<Vec<bool>, Refusal> {
        Ok(vec![true; columns.len()])
    }

    fn is_row(&self, object: &Map<String, Value>) -> bool {
        self.format.is_some() || TranscriptFormat::ALL.iter().any(|format| object.contains_key(format.key()))
    }
}

impl FileRows<'_, '_> {
    fn take(&mut self, place: String, value: Result<Value, String>) {
        let mut notes = Vec::new();
        let row = value.and_then(|value| {
            let format = self.format.map_or_else(|| TranscriptFormat::detect(&value), Ok)?;
            self.format = Some(format);
            let Reader { options, .. } = self.reader;
            read_row(&place, &value, format, options.category_key.as_deref(), options.oasst_paths, &mut notes)
        });
        match row {
            Ok(row) => {
                let note = |reason| Skipped { place: place.clone(), reason };
                self.reader.builder.notes.extend(notes.into_iter().map(note));
                match row {
                    Row::Document(document) => self.reader.builder.document(self.number, document),
                    Row::Question(side) => self.reader.bench.question(self.number, side),
                    Row::Answer(side) => self.reader.bench.answer(self.number, side),
                }
            }
            Err(reason) => self.reader.builder.skip(place, reason),
        }
    }
}
