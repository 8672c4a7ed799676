//! Conversations -> sequences: rendering and encoding in parallel, spans, cutting to the context.

use rayon::prelude::*;

use super::{
    TranscriptFormat, TranscriptOptions,
    conversation::{Document, check},
    message::Message,
    template::{Special, Template, TemplateTokens},
};
use crate::{
    corpus::{
        Corpus, InputFile, LeftOut, Sequence, Skipped, Span, Token, Tokenizer,
        files::{Identity, Source, stem},
        names::Names,
        special::SpecialTokens,
    },
    error::Result,
};

/// Documents and bytes that are encoded together; bounds the memory, does not change the result.
const BATCH: (usize, usize) = (1024, 8 << 20);

/// Turns documents into sequences; the sequences of a file stay together until all files have been read.
pub(super) struct Builder<'a> {
    options: &'a TranscriptOptions,
    encoder: Encoder<'a>,
    files: Vec<FileDocuments>,
    /// What could not be used.
    pub skipped: LeftOut,
    /// What was used, but not as it stands.
    pub notes: LeftOut,
    pending: Vec<Document>,
    pending_bytes: usize,
}

/// What one file gave.
struct FileDocuments {
    input: InputFile,
    dataset: String,
    documents: Vec<Encoded>,
    sequences: usize,
    left_out: usize,
}

/// A document, encoded.
struct Encoded {
    name: String,
    category: Option<String>,
    conversations: Vec<EncodedConversation>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct EncodedConversation {
    token_ids: Vec<u32>,
    spans: Vec<Span>,
    cut: bool,
}

impl<'a> Builder<'a> {
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
        Ok(Self { options, encoder, files, skipped: skipped.into(), notes, pending, pending_bytes: 0 })
    }

    /// Begins the next file and gives its number.
    pub(super) fn begin(&mut self, source: &Source) -> usize {
        let input = InputFile { path: source.path.clone(), ..InputFile::default() };
        let dataset = stem(&source.path);
        self.files.push(FileDocuments { input, dataset, documents: Vec::new(), sequences: 0, left_out: 0 });
        self.files.len() - 1
    }

    /// Notes what a file is, when it has been read.
    pub(super) fn finish(&mut self, file: usize, format: Option<TranscriptFormat>, identity: Identity) {
        let input = &mut self.files[file].input;
        input.format = format.map(|format| format.to_string());
        (input.sha256, input.bytes, input.partial) = (identity.sha256, identity.bytes, identity.partial);
    }

    /// Notes what could not be used.
    pub(super) fn skip(&mut self, place: String, reason: String) {
        self.skipped.push(Skipped { place, reason });
    }

    /// Takes the next document of a file; after the last one of the file comes [`Self::flush`].
    pub(super) fn document(&mut self, file: usize, document: Document) {
        if let Err(reason) = document.conversations.iter().try_for_each(|conversation| check(conversation)) {
            return self.skip(document.place, reason);
        }
        self.pending_bytes += document.bytes();
        self.pending.push(document);
        if self.pending.len() >= BATCH.0 || self.pending_bytes >= BATCH.1 {
            self.flush(file);
        }
    }

    /// Encodes what waits.
    pub(super) fn flush(&mut self, file: usize) {
        let pending = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        if pending.is_empty() {
            return;
        }
        if self.options.max_sequences.is_some_and(|most| self.files[file].sequences >= most) {
            self.files[file].left_out += pending.len();
            return;
        }
        let encoder = &self.encoder;
        let encoded: Vec<_> = pending.into_par_iter().map(|document| encoder.document(document)).collect();
        for outcome in encoded {
            match outcome {
                Ok(document) => {
                    self.files[file].sequences += document.conversations.len();
                    self.files[file].documents.push(document);
                }
                Err(skipped) => self.skipped.push(skipped),
            }
        }
    }

    /// All sequences in input order, the first `max_sequences` of them; names are made unique.
    pub(super) fn into_corpus(self) -> Corpus {
        let mut corpus = Corpus { skipped: self.skipped, notes: self.notes, ..Corpus::default() };
        let (mut names, mut datasets) = (Names::default(), Names::default());
        let most = self.options.max_sequences.unwrap_or(usize::MAX);
        for mut file in self.files {
            corpus.documents_left_out += file.left_out;
            let dataset = datasets.unique(file.dataset);
            for document in file.documents {
                let left = most - corpus.sequences.len();
                corpus.documents_left_out += usize::from(left < document.conversations.len());
                if left == 0 {
                    continue;
                }
                file.input.documents += 1;
                let name = names.unique(document.name);
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
            corpus.files.push(file.input);
        }
        corpus.conversations_cut = corpus.sequences.iter().filter(|sequence| sequence.truncated).count();
        corpus
    }
}

/// Turns conversations into token ids; shared between threads.
struct Encoder<'a> {
    template: &'a Template,
    tokenizer: &'a Tokenizer,
    tokens: TemplateTokens,
    special: SpecialTokens,
    bos: Option<u32>,
    context: usize,
}

impl Encoder<'_> {
    fn document(&self, document: Document) -> Result<Encoded, Skipped> {
        let Document { place, id, category, conversations } = document;
        let encoded: Result<_, String> = conversations.iter().map(|messages| self.conversation(messages)).collect();
        match encoded {
            Ok(conversations) => Ok(Encoded { name: id.unwrap_or(place), category, conversations }),
            Err(reason) => Err(Skipped { place, reason }),
        }
    }

    /// Renders, encodes and cuts a conversation.
    fn conversation(&self, messages: &[Message]) -> Result<EncodedConversation, String> {
        let rendered = self.template.render(messages, &self.tokens)?;
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
        // Whatever lies behind the cut need not be told apart.
        let last = if cut { tokens[tokens.len() - 1].offset } else { usize::MAX };
        let ends = self.template.ends(messages, &self.tokens, rendered, last)?;
        let spans = spans(messages, &ends, &tokens, cut);
        Ok(EncodedConversation { token_ids: tokens.into_iter().map(|token| token.id).collect(), spans, cut })
    }
}

/// The tokens of each message: a token belongs to the message in whose part of the text its offset lies. Messages behind
/// the cut have no span.
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
