//! Conversations -> sequences of token ids whose tokens know their message.
//!
//! A conversation is written as one text by a chat template and encoded as the original encodes its prompt: the special
//! tokens (`<pad>` as BOS, `</s>`) cut the text, and what stands between two of them is encoded as one string, over the
//! borders of messages. A special token that stands in a message as a word is special there too, as in the original. A
//! token belongs to the message that holds its first character that is no space ([`Token::offset`](super::Token)).

mod beside;
mod build;
mod conversation;
mod format;
mod jinja;
mod layout;
mod message;
mod mt_bench;
mod notes;
mod oasst;
mod options;
mod pairs;
mod template;

pub use format::{OasstPaths, TranscriptFormat};
pub use options::TranscriptOptions;
pub use template::{ChatTemplate, Template, TemplateSource};

use std::{collections::BTreeMap, ops::ControlFlow};

use serde_json::{Map, Value};

use self::{
    build::{Builder, Refused},
    conversation::{Row, read_row},
    layout::Layout,
    message::Findings,
    mt_bench::{MOST_WAITING, MtBench},
};
use super::{
    Corpus, Role, Skipped, Tokenizer,
    files::{Column, ColumnKind, Refusal, RowSink, Source, collect, read_source},
    read::{check, verdict},
    value_words::describe,
};
use crate::error::{Error, Result};

impl Corpus {
    /// Reads conversations; each is one sequence. Answers of MT-Bench are joined with the questions of the same run by
    /// `question_id` (first choice; the last answer of a model). Questions that nothing answers stay conversations of their own
    /// file.
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
        let hint = "a row is a conversation: a list of messages ({\"role\", \"content\"} or {\"from\", \"value\"}) under any \
                    key, a prompt with its response, MT-Bench (questions, and answers together with their questions \
                    file) or an OASST tree; --format says which";
        let (mut corpus, refused) = reader.into_corpus();
        if let Some(error) = broken(template, &refused, &corpus) {
            return Err(error);
        }
        if let Some(source) = template.source().filter(|source| !source.not_used.is_empty()) {
            let reason = format!("{} beside it holds a template too, which is not used", source.not_used.join(" and "));
            corpus.notes.push(Skipped { place: source.path.display().to_string(), reason });
        }
        corpus.template = template.source().cloned();
        verdict(corpus, &options.paths, options.strict, hint)
    }
}

/// The error about a template that refuses every conversation: it is not the rows that are wrong.
fn broken(template: &Template, refused: &Refused, corpus: &Corpus) -> Option<Error> {
    let first = refused.first.as_ref().filter(|_| refused.all && corpus.sequences.is_empty())?;
    let path = template.source()?.path.display();
    let Skipped { place, reason } = first;
    Some(Error::tokenizer(
        format!(
            "the chat template of `{path}` fails on every conversation ({}); the first, {place}: {reason}",
            refused.count
        ),
        jinja::HINT,
    ))
}

const READ_FROM: &str = "transcripts are read from .jsonl, .ndjson and .json (each also compressed, as .jsonl.gz or .jsonl.zst) \
                         and from .parquet";

/// Files -> rows -> documents.
struct Reader<'a> {
    options: &'a TranscriptOptions,
    builder: Builder<'a>,
    bench: MtBench,
}

impl Reader<'_> {
    /// Reads one file and takes its hash.
    fn source(&mut self, source: &Source) -> Result<()> {
        if source.is_text() && !source.named {
            self.builder.skip(source.path.display().to_string(), READ_FROM.into());
            return Ok(());
        }
        let number = self.builder.begin(source);
        let mut file = FileRows { number, layout: None, seen: None, roles: BTreeMap::new(), reader: self };
        let identity = read_source(source, &mut file)?;
        let format = file.format();
        file.told(&source.path.display().to_string(), identity.partial);
        self.builder.flush(number);
        self.builder.finish(number, format, identity);
        Ok(())
    }

    /// Joins what waited for the last file.
    fn into_corpus(mut self) -> (Corpus, Refused) {
        let mut current = 0;
        let place = "MT-Bench".to_owned();
        let notes = self.bench.notes().into_iter().map(|reason| Skipped { place: place.clone(), reason });
        notes.for_each(|note| self.builder.notes.push(note));
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
        let refused = self.builder.refused().clone();
        (self.builder.into_corpus(), refused)
    }
}

/// The rows of one file.
struct FileRows<'r, 'a> {
    number: usize,
    /// As the first row says that leaves no doubt.
    layout: Option<Layout>,
    /// The format of a row that leaves one, until then.
    seen: Option<TranscriptFormat>,
    /// Words that stood for a role.
    roles: BTreeMap<String, Role>,
    reader: &'r mut Reader<'a>,
}

impl RowSink for FileRows<'_, '_> {
    fn noun(&self) -> &'static str {
        "transcript"
    }

    fn row(&mut self, place: String, value: Result<Value, String>) -> Result<ControlFlow<()>> {
        self.take(place, value);
        let is_full = self.reader.builder.is_full(self.number) || self.is_enough();
        Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn text(&mut self, place: String, _: Result<String, String>) -> Result<ControlFlow<()>> {
        self.take(place, Err("plain text".into()));
        Ok(ControlFlow::Continue(()))
    }

    fn refuses_text(&self) -> Option<Refusal> {
        Some(Refusal::new(format!("is text; {READ_FROM}"), "plain text is a corpus: --corpus"))
    }

    fn note(&mut self, place: String, reason: String) {
        self.reader.builder.note(self.number, &place, &reason, 1);
    }

    fn columns(&mut self, columns: &[Column]) -> Result<Vec<bool>, Refusal> {
        // Any column may hold the messages, whatever it is called.
        let holds = |column: &Column| matches!(column.kind, ColumnKind::List | ColumnKind::Object | ColumnKind::Text);
        if columns.iter().any(holds) {
            return Ok(columns.iter().map(|column| column.kind != ColumnKind::Other).collect());
        }
        let found: Vec<_> =
            columns.iter().take(8).map(|column| format!("`{}` ({})", column.name, column.type_name)).collect();
        Err(Refusal::new(
            format!(
                "has no column of lists, objects or text that could hold conversations; found {}",
                found.join(", ")
            ),
            "a column of conversations is a list of structs with `role` and `content`, or their JSON",
        ))
    }

    fn is_row(&self, object: &Map<String, Value>) -> bool {
        self.layout.is_some() || Layout::detect(object, None).is_ok_and(|layout| layout.sure)
    }
}

impl FileRows<'_, '_> {
    /// The format of the file, as far as it is known.
    fn format(&self) -> Option<TranscriptFormat> {
        self.layout.as_ref().map(|layout| layout.format).or(self.seen).or(self.reader.options.format)
    }

    /// Whether more sides of MT-Bench wait for each other than any file of it has. Which of them are the first sequences is
    /// known when all are there, so that none below that is too many.
    fn is_enough(&self) -> bool {
        let most = self.reader.options.max_sequences.map(|most| most.max(MOST_WAITING));
        most.is_some_and(|most| self.reader.bench.waiting(self.number) >= most)
    }

    /// Says how the file was taken.
    fn told(&mut self, path: &str, is_partial: bool) {
        if is_partial && self.is_enough() {
            let waiting = self.reader.bench.waiting(self.number);
            let told = format!("{waiting} questions and answers were read and no more: --max-sequences wants fewer");
            self.reader.builder.note(self.number, path, &told, 1);
        }
        if let Some(told) = self.layout.as_ref().and_then(Layout::told) {
            self.reader.builder.note(self.number, path, &told, 1);
        }
        if !self.roles.is_empty() {
            let words = self.roles.iter().map(|(word, role)| format!("{word} -> {}", role.name()));
            let told = format!("roles: {}", words.collect::<Vec<_>>().join(", "));
            self.reader.builder.note(self.number, path, &told, 1);
        }
    }

    fn take(&mut self, place: String, value: Result<Value, String>) {
        let mut findings = Findings::default();
        match value.and_then(|value| self.read(&place, &value, &mut findings)) {
            Ok(row) => {
                for (reason, count) in findings.notes {
                    self.reader.builder.note(self.number, &place, &reason, count);
                }
                self.roles.append(&mut findings.roles);
                match row {
                    Row::Document(document) => self.reader.builder.document(self.number, document),
                    Row::Question(side) => self.reader.bench.question(self.number, side),
                    Row::Answer(side) => self.reader.bench.answer(self.number, side),
                }
            }
            Err(reason) => self.reader.builder.skip(place, reason),
        }
    }

    /// Reads a row; the first that leaves no doubt decides how those after it are read.
    fn read(&mut self, place: &str, value: &Value, findings: &mut Findings) -> Result<Row, String> {
        let options = self.reader.options;
        let Value::Object(row) = value else {
            let format = self.format().map_or("a conversation".to_owned(), |format| format!("`{}`", format.key()));
            return Err(format!("{}; expected an object with {format}", describe(value)));
        };
        let found = match &self.layout {
            Some(layout) => layout.clone(),
            None => Layout::detect(row, options.format)?,
        };
        if found.sure {
            self.layout.get_or_insert_with(|| found.clone());
        } else {
            self.seen.get_or_insert(found.format);
        }
        read_row(place, row, &found, options.category_key.as_deref(), options.oasst_paths, findings)
    }
}
