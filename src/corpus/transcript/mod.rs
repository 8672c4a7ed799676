//! Turns conversations into sequences of token ids, and records which message each token belongs to.
//!
//! A chat template writes a conversation as one text, which is encoded as the original encodes its prompt: the special
//! tokens (`<pad>` as BOS, `</s>`) cut the text, and the text between two of them is encoded as one string, across the
//! boundaries of messages. A special token that occurs as a word in a message is special too, as in the original. A
//! token belongs to the message with its first character that is not a space ([`Token::offset`](super::Token)).

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
mod other_keys;
mod pairs;
mod template;
mod template_parts;

pub use format::{OasstPaths, TranscriptFormat};
pub use options::TranscriptOptions;
pub use template::{ChatTemplate, Template};
pub use template_parts::TemplateSource;

use std::{collections::BTreeMap, ops::ControlFlow};

use serde_json::{Map, Value};

use self::{
    build::{Refused, TranscriptBuilder},
    conversation::{TranscriptRow, read_row},
    layout::Layout,
    message::Findings,
    mt_bench::{MOST_WAITING, MtBench},
};
use super::{
    Corpus, Role, Skipped, Tokenizer,
    files::{Column, ColumnKind, Refusal, RowSink, Source, collect_files, read_source},
    read_corpus::{check_limits, checked_corpus},
    tokenizer::PUT_TOKENIZER,
    value_words::describe_value,
};
use crate::error::{Error, OptionName, Result};

impl Corpus {
    /// Reads conversations; each is one sequence. Answers of MT-Bench are joined with the questions of the same run by
    /// `question_id` (first choice; the last answer of a model). A question without an answer is a conversation of its own file.
    ///
    /// Sequences are in input order, whatever the number of threads. The document's name is the row's `id`,
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
        check_limits(options.context, options.bos, options.vocab_size, options.max_sequences)?;
        let tokenizer = tokenizer
            .ok_or_else(|| Error::corpus("transcripts are text, but the checkpoint has no tokenizer", PUT_TOKENIZER))?;
        tokenizer.check_vocabulary(options.vocab_size)?;
        let (sources, skipped) = collect_files(&options.paths)?;
        let builder = TranscriptBuilder::new(options, template, tokenizer, skipped)?;
        let mut reader = Reader { options, builder, bench: MtBench::default() };
        for source in &sources {
            reader.source(source)?;
        }
        let hint = format!("{ROWS}; {} says which", OptionName::Format);
        let (mut corpus, refused) = reader.into_corpus();
        if let Some(error) = broken(template, &refused, &corpus) {
            return Err(error);
        }
        if let Some(source) = template.source().filter(|source| !source.not_used.is_empty()) {
            let reason = format!("{} beside it holds a template too, which is not used", source.not_used.join(" and "));
            corpus.notes.push(Skipped { place: source.path.display().to_string(), reason });
        }
        corpus.template = template.source().cloned();
        checked_corpus(corpus, &options.paths, options.strict, &hint)
    }
}

/// The error for a template that refuses every conversation: the template is wrong, not the rows.
fn broken(template: &Template, refused: &Refused, corpus: &Corpus) -> Option<Error> {
    let first = refused.first.as_ref().filter(|_| refused.all && corpus.sequences.is_empty())?;
    let path = template.source()?.path.display();
    let Skipped { place, reason } = first;
    Some(Error::tokenizer(
        format!(
            "the chat template of `{path}` fails on every conversation ({}); the first, {place}: {reason}",
            refused.count
        ),
        jinja::other_templates(),
    ))
}

/// What a row may look like, for a hint.
const ROWS: &str = "a row is a conversation: a list of messages ({\"role\", \"content\"} or {\"from\", \"value\"}) under any key, a \
                    prompt with its response, MT-Bench (questions, and answers together with their questions file) or an OASST \
                    tree";

const READ_FROM: &str = "transcripts are read from .jsonl, .ndjson and .json (each also compressed, as .jsonl.gz or .jsonl.zst) \
                         and from .parquet";

/// Reads files into documents.
struct Reader<'a> {
    options: &'a TranscriptOptions,
    builder: TranscriptBuilder<'a>,
    bench: MtBench,
}

impl Reader<'_> {
    /// Reads one file and hashes it.
    fn source(&mut self, source: &Source) -> Result<()> {
        if source.is_text() && !source.named {
            self.builder.skip(source.path.display().to_string(), READ_FROM.into());
            return Ok(());
        }
        let number = self.builder.begin(source);
        let mut file = TranscriptRows { number, layout: None, seen: None, roles: BTreeMap::new(), reader: self };
        let identity = read_source(source, &mut file)?;
        let format = file.format();
        file.told(&source.path.display().to_string(), identity.partial);
        self.builder.flush(number);
        self.builder.finish(number, format, identity);
        Ok(())
    }

    /// Joins the questions and answers of MT-Bench, and ends reading.
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

/// A sink for the rows of one file.
struct TranscriptRows<'r, 'a> {
    number: usize,
    /// The layout of the first unambiguous row.
    layout: Option<Layout>,
    /// The format of an ambiguous row, as long as there is no layout.
    seen: Option<TranscriptFormat>,
    /// Words that stood for a role.
    roles: BTreeMap<String, Role>,
    reader: &'r mut Reader<'a>,
}

impl RowSink for TranscriptRows<'_, '_> {
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
        Some(Refusal::new(format!("is text; {READ_FROM}"), format!("plain text is a corpus: {}", OptionName::Corpus)))
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

impl TranscriptRows<'_, '_> {
    /// The format of the file, as far as it is known.
    fn format(&self) -> Option<TranscriptFormat> {
        self.layout.as_ref().map(|layout| layout.format).or(self.seen).or(self.reader.options.format)
    }

    /// Whether more questions and answers of MT-Bench are waiting than any real file has. Fewer are never too many: which of them
    /// become the first sequences is known only when all have been read.
    fn is_enough(&self) -> bool {
        let most = self.reader.options.max_sequences.map(|most| most.max(MOST_WAITING));
        most.is_some_and(|most| self.reader.bench.waiting(self.number) >= most)
    }

    /// Notes how the file was read.
    fn told(&mut self, path: &str, is_partial: bool) {
        if is_partial && self.is_enough() {
            let waiting = self.reader.bench.waiting(self.number);
            let told = format!(
                "{waiting} questions and answers were read and no more: {} wants fewer",
                OptionName::MaxSequences
            );
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
                    TranscriptRow::Document(document) => self.reader.builder.document(self.number, document),
                    TranscriptRow::Question(side) => self.reader.bench.question(self.number, side),
                    TranscriptRow::Answer(side) => self.reader.bench.answer(self.number, side),
                }
            }
            Err(reason) => self.reader.builder.skip(place, reason),
        }
    }

    /// Reads a row; the first unambiguous row decides how later rows are read.
    fn read(&mut self, place: &str, value: &Value, findings: &mut Findings) -> Result<TranscriptRow, String> {
        let options = self.reader.options;
        let Value::Object(row) = value else {
            let format = self.format().map_or("a conversation".to_owned(), |format| format!("`{}`", format.key()));
            return Err(format!("{}; expected an object with {format}", describe_value(value)));
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
