//! Makes sequences from conversations: renders and encodes them in parallel, cuts them to the context, and finds the tokens of
//! each message.

use std::collections::HashMap;

use rayon::prelude::*;
use serde_json::Value;

use super::{
    conversation::{Document, check},
    format::TranscriptFormat,
    jinja,
    message::Message,
    notes::Notes,
    options::TranscriptOptions,
    other_keys::Given,
    template::{Rendered, Template},
    template_parts::{Special, TemplateTokens},
};
use crate::{
    corpus::{
        Corpus, InputFile, LeftOut, Sequence, Skipped, Span, Token, Tokenizer,
        files::{Identity, Source, dataset_name},
        names::UniqueNames,
        special::SpecialTokens,
    },
    error::Result,
};

/// How many documents and bytes are encoded together; this bounds the memory and does not change the result.
const BATCH: (usize, usize) = (1024, 8 << 20);

/// Turns documents into sequences; the sequences of a file stay together until all files have been read.
pub(super) struct TranscriptBuilder<'a> {
    options: &'a TranscriptOptions,
    encoder: Encoder<'a>,
    files: Vec<FileDocuments>,
    /// What could not be used.
    pub skipped: LeftOut,
    /// Notes that belong to no single file.
    pub notes: LeftOut,
    /// Conversations that the template refuses.
    refused: Refused,
    /// Threads with large stacks for the templates of tokenizers; `None` to use the usual threads.
    threads: Option<rayon::ThreadPool>,
    pending: Vec<Document>,
    pending_bytes: usize,
}

/// The conversations that the template refused.
#[derive(Clone, Debug, Default)]
pub(super) struct Refused {
    /// Their number.
    pub count: usize,
    /// The first of them, with the reason.
    pub first: Option<Skipped>,
    /// Whether the template refused every conversation so far.
    pub all: bool,
}

/// The documents of one file.
struct FileDocuments {
    input: InputFile,
    dataset: String,
    documents: Vec<Encoded>,
    sequences: usize,
    left_out: usize,
    notes: Notes,
}

/// An encoded document.
struct Encoded {
    place: String,
    name: String,
    dataset: Option<String>,
    category: Option<String>,
    conversations: Vec<EncodedConversation>,
    /// Notes on what the template does not write.
    notes: Vec<String>,
}

/// Why a document could not be encoded.
struct EncodingFailure {
    skipped: Skipped,
    by_template: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct EncodedConversation {
    token_ids: Vec<u32>,
    spans: Vec<Span>,
    cut: bool,
}

impl<'a> TranscriptBuilder<'a> {
    /// # Errors
    /// The tokenizer does not know the special tokens of the template.
    pub(super) fn new(
        options: &'a TranscriptOptions,
        template: &'a Template,
        tokenizer: &'a Tokenizer,
        skipped: Vec<Skipped>,
    ) -> Result<Self> {
        let special = Special { bos: options.bos, eos: options.eos, vocab_size: options.vocab_size };
        let tokens = template.tokens(tokenizer, special)?;
        let special = SpecialTokens::new(&tokens.words);
        let encoder = Encoder { template, tokenizer, tokens, special, bos: options.bos, context: options.context };
        let (files, notes, pending) = (Vec::new(), LeftOut::default(), Vec::new());
        let refused = Refused { all: true, ..Refused::default() };
        let threads = template.source().and_then(|_| threads());
        let skipped = skipped.into();
        Ok(Self { options, encoder, files, skipped, notes, refused, threads, pending, pending_bytes: 0 })
    }

    /// Begins the next file and returns its number.
    pub(super) fn begin(&mut self, source: &Source) -> usize {
        let input = InputFile { path: source.path.clone(), ..InputFile::default() };
        let dataset = dataset_name(&source.path);
        let (documents, notes) = (Vec::new(), Notes::default());
        self.files.push(FileDocuments { input, dataset, documents, sequences: 0, left_out: 0, notes });
        self.files.len() - 1
    }

    /// Records the format and the hash of a file that has been read.
    pub(super) fn finish(&mut self, file: usize, format: Option<TranscriptFormat>, identity: Identity) {
        let input = &mut self.files[file].input;
        input.format = format.map(|format| format.to_string());
        (input.sha256, input.bytes, input.partial) = (identity.sha256, identity.bytes, identity.partial);
    }

    /// Records a row that could not be used.
    pub(super) fn skip(&mut self, place: String, reason: String) {
        self.skipped.push(Skipped { place, reason });
    }

    /// Notes what was left out of a row of a file that is used.
    pub(super) fn note(&mut self, file: usize, place: &str, reason: &str, count: usize) {
        self.files[file].notes.add(place, reason, count);
    }

    /// Whether a file has given as many sequences as are wanted.
    pub(super) fn is_full(&self, file: usize) -> bool {
        self.left(file) == 0
    }

    /// Sequences that a file may still give.
    fn left(&self, file: usize) -> usize {
        self.options.max_sequences.map_or(usize::MAX, |most| most.saturating_sub(self.files[file].sequences))
    }

    /// The conversations that the template refused, in all files.
    pub(super) fn refused(&self) -> &Refused {
        &self.refused
    }

    /// Takes the next document of a file; after the last one of the file comes [`Self::flush`].
    pub(super) fn document(&mut self, file: usize, document: Document) {
        if let Err(reason) = document.conversations.iter().try_for_each(|conversation| check(conversation)) {
            return self.skip(document.place, reason);
        }
        self.pending_bytes += document.bytes();
        self.pending.push(document);
        // A stream may never give more rows than are wanted: once there are enough, encoding must not wait for more.
        if self.pending.len() >= BATCH.0.min(self.left(file)) || self.pending_bytes >= BATCH.1 {
            self.flush(file);
        }
    }

    /// Encodes the waiting documents.
    pub(super) fn flush(&mut self, file: usize) {
        let pending = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        if pending.is_empty() {
            return;
        }
        if self.is_full(file) {
            self.files[file].left_out += pending.len();
            return;
        }
        let encoder = &self.encoder;
        let encode = || pending.into_par_iter().map(|document| encoder.document(document)).collect();
        let encoded: Vec<_> = match &self.threads {
            Some(threads) => threads.install(encode),
            None => encode(),
        };
        for outcome in encoded {
            self.encoded(file, outcome);
        }
    }

    fn encoded(&mut self, file: usize, outcome: Result<Encoded, EncodingFailure>) {
        match outcome {
            Ok(document) => {
                self.refused.all = false;
                let file = &mut self.files[file];
                document.notes.iter().for_each(|note| file.notes.add(&document.place, note, 1));
                file.sequences += document.conversations.len();
                file.documents.push(document);
            }
            Err(EncodingFailure { skipped, by_template }) => {
                self.refused.all &= by_template;
                self.refused.count += usize::from(by_template);
                if by_template && self.refused.first.is_none() {
                    self.refused.first = Some(skipped.clone());
                }
                self.skipped.push(skipped);
            }
        }
    }

    /// All sequences in input order, the first `max_sequences` of them; names are made unique.
    pub(super) fn into_corpus(self) -> Corpus {
        let mut corpus = Corpus { skipped: self.skipped, notes: self.notes, ..Corpus::default() };
        let (mut names, mut datasets) = (UniqueNames::default(), UniqueNames::default());
        let most = self.options.max_sequences.unwrap_or(usize::MAX);
        for mut file in self.files {
            corpus.documents_left_out += file.left_out;
            let own = file.documents.iter().any(|document| document.dataset.is_none());
            let dataset = if own || file.documents.is_empty() { datasets.unique(file.dataset) } else { String::new() };
            let mut models: HashMap<String, String> = HashMap::new();
            for document in file.documents {
                let left = most - corpus.sequences.len();
                corpus.documents_left_out += usize::from(left < document.conversations.len());
                if left == 0 {
                    continue;
                }
                file.input.documents += 1;
                let name = names.unique(document.name);
                let dataset = match document.dataset {
                    Some(model) => {
                        models.entry(model).or_insert_with_key(|model| datasets.unique(model.clone())).clone()
                    }
                    None => dataset.clone(),
                };
                corpus.sequences.extend(document.conversations.into_iter().take(left).map(|conversation| Sequence {
                    source: file.input.path.display().to_string(),
                    dataset: dataset.clone(),
                    document: name.clone(),
                    category: document.category.clone(),
                    token_ids: conversation.token_ids,
                    spans: conversation.spans,
                    truncated: conversation.cut,
                }));
            }
            let path = file.input.path.display().to_string();
            file.notes.into_list(&path).into_iter().for_each(|note| corpus.notes.push(note));
            corpus.files.push(file.input);
        }
        corpus.conversations_cut = corpus.sequences.iter().filter(|sequence| sequence.truncated).count();
        corpus
    }
}

/// As many threads as the usual pool has, at most eight, with large stacks for the templates of tokenizers.
fn threads() -> Option<rayon::ThreadPool> {
    let count = rayon::current_num_threads().min(8);
    rayon::ThreadPoolBuilder::new().num_threads(count).stack_size(jinja::STACK).build().ok()
}

/// Turns conversations into token ids. Threads share it.
struct Encoder<'a> {
    template: &'a Template,
    tokenizer: &'a Tokenizer,
    tokens: TemplateTokens,
    special: SpecialTokens,
    bos: Option<u32>,
    context: usize,
}

impl Encoder<'_> {
    fn document(&self, document: Document) -> Result<Encoded, EncodingFailure> {
        let Document { place, id, dataset, category, given, conversations } = document;
        let failure =
            |reason, by_template| EncodingFailure { skipped: Skipped { place: place.clone(), reason }, by_template };
        let (mut encoded, mut notes) = (Vec::with_capacity(conversations.len()), Vec::new());
        for messages in &conversations {
            let rendered =
                self.template.render(messages, &given, &self.tokens).map_err(|reason| failure(reason, true))?;
            notes.extend(not_written(self.template, &rendered.text, messages, &given));
            let conversation = self.conversation(messages, &given, rendered);
            encoded.push(conversation.map_err(|reason| failure(reason, false))?);
        }
        let name = id.unwrap_or_else(|| place.clone());
        Ok(Encoded { place, name, dataset, category, conversations: encoded, notes })
    }

    /// Encodes and cuts a conversation.
    fn conversation(
        &self,
        messages: &[Message],
        given: &Given,
        rendered: Rendered,
    ) -> Result<EncodedConversation, String> {
        let tokens = if self.template.is_plain() {
            self.tokenizer.encode_with_offsets(&rendered.text)
        } else {
            self.tokenizer.encode_prompt(&rendered.text, &self.special)
        };
        let mut tokens = tokens.map_err(|error| error.to_string())?;
        if tokens.is_empty() {
            return Err("the conversation gives no tokens".into());
        }
        if let Some(id) = self.bos.filter(|_| self.template.is_plain()) {
            tokens.insert(0, Token { id, offset: 0 });
        }
        let cut = tokens.len() > self.context;
        tokens.truncate(self.context);
        // Messages after the cut have no tokens, so their ends are not needed.
        let last = if cut { tokens[tokens.len() - 1].offset } else { usize::MAX };
        let ends = self.template.ends(messages, given, &self.tokens, rendered, last)?;
        let spans = spans(messages, &ends, &tokens, cut);
        Ok(EncodedConversation { token_ids: tokens.into_iter().map(|token| token.id).collect(), spans, cut })
    }
}

/// Notes on what a conversation has but its text does not show: reasoning, tools, documents.
fn not_written(template: &Template, text: &str, messages: &[Message], given: &Given) -> Vec<String> {
    let mut notes = Vec::new();
    for (key, reasoning) in messages.iter().filter_map(Message::reasoning) {
        let thought = reasoning.as_str().map_or_else(|| reasoning.to_string(), |text| text.trim().to_owned());
        if !thought.is_empty() && !text.contains(&thought) {
            notes.push(format!("`{key}` of a message left out: the template does not write it"));
        }
    }
    for (name, value) in &given.values {
        let first = value.get(0).unwrap_or(value);
        let of = |key: &str| first.get(key).or_else(|| first.get("function")?.get(key)).and_then(Value::as_str);
        let words = ["name", "title", "text"].into_iter().find_map(of);
        if !template.speaks_of(name) || !words.is_some_and(|words| text.contains(words.trim())) {
            notes.push(format!("`{name}` beside the messages left out: the template does not write them"));
        }
    }
    notes
}

/// The tokens of each message: a token belongs to the message in whose part of the text its offset lies. Messages after the
/// cut have no span.
fn spans(messages: &[Message], ends: &[usize], tokens: &[Token], cut: bool) -> Vec<Span> {
    let mut start = 0;
    let mut spans = Vec::new();
    for (turn, (message, &text_end)) in messages.iter().zip(ends).enumerate() {
        if cut && start == tokens.len() {
            break;
        }
        let is_last = turn + 1 == messages.len();
        let count = tokens[start..].iter().take_while(|token| is_last || token.offset < text_end).count();
        let end = start + count;
        spans.push(Span { turn: turn as u16, role: message.role, start: start as u32, end: end as u32 });
        start = end;
    }
    spans
}
