//! Turns documents and conversations into sequences of token ids.

mod append;
mod build;
mod byte_level;
mod categories;
mod columns;
mod corpus_options;
mod files;
mod ids;
mod keys;
mod left_out;
mod names;
mod normalize;
mod piece;
mod read_corpus;
mod row;
mod row_treatment;
mod sentencepiece;
mod sentencepiece_proto;
mod special;
#[cfg(test)]
mod tests;
mod token;
mod tokenizer;
mod transcript;
mod trie;
mod value_words;

pub use categories::Categories;
pub use corpus_options::CorpusOptions;
pub use files::{ColumnParts, ParquetColumns, Slices};
pub use left_out::LeftOut;
pub use piece::{byte, is_hidden, meant_by, running_text, shown, shown_in_text};
pub use token::Token;
pub use tokenizer::{PUT_TOKENIZER, Tokenizer};
pub use transcript::{ChatTemplate, OasstPaths, Template, TemplateSource, TranscriptFormat, TranscriptOptions};

use std::{collections::HashSet, path::PathBuf};

use sha2::{Digest, Sha256};

/// One sequence of the run: a document, a chunk of one that is longer than the context, or a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Name of the input file, as given.
    pub source: String,
    /// Data set: for plain text the name of the path as given, without its ending; for conversations the name of the file.
    pub dataset: String,
    /// Document name: the row's `id`, else `file:line`; unique in the corpus (duplicates get a suffix). All paths of one
    /// tree of replies share it, as all chunks of a text do.
    pub document: String,
    /// Category, if the corpus names one.
    pub category: Option<String>,
    /// Token ids, with the BOS if there is one.
    pub token_ids: Vec<u32>,
    /// Which tokens belong to which message, in order and without gaps from the first token to the last; empty for plain
    /// text. A message that gives no token has an empty span.
    pub spans: Vec<Span>,
    /// Whether the rest of the document was left out, and is in no other sequence.
    pub truncated: bool,
}

/// The tokens of one message of a conversation, including those that the template adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Message of the conversation, from 0.
    pub turn: u16,
    /// Who speaks.
    pub role: Role,
    /// First position.
    pub start: u32,
    /// Position after the last.
    pub end: u32,
}

impl Span {
    /// What of it stands before a position; `None` if nothing does.
    pub fn before(self, position: u32) -> Option<Self> {
        (self.start < position).then_some(Self { end: self.end.min(position), ..self })
    }
}

/// Who speaks. Transcripts have many words for it, and every word is one of these four or refused where it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Role {
    /// Instructions to the model before the conversation.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool.
    Tool,
}

impl Role {
    /// All roles, in the order in which tables list them.
    pub const ALL: [Self; 4] = [Self::System, Self::User, Self::Assistant, Self::Tool];

    /// The name in tables and in chat templates.
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }

    /// Who goes by a name in tables.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// A line or file that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Skipped {
    /// `file:line`, or `file`.
    pub place: String,
    /// Why.
    pub reason: String,
}

/// An input file with its identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct InputFile {
    /// Path as given.
    #[serde(serialize_with = "crate::error::serialize_path")]
    pub path: PathBuf,
    /// SHA-256 of its bytes, hexadecimal; of those that were read, if `partial`.
    pub sha256: String,
    /// Size in bytes, or how many were read.
    pub bytes: u64,
    /// Whether only the beginning of the file was read, because enough sequences had been taken.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// Documents taken from it; a tree of replies is one document.
    pub documents: usize,
    /// The format of its conversations, such as `sharegpt`; `None` for plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

/// Everything that was read: the sequences in input order, what could not be used, and the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corpus {
    /// Sequences in input order.
    pub sequences: Vec<Sequence>,
    /// The places that could not be used, with the reasons.
    pub skipped: LeftOut,
    /// What was left out of rows that were used, such as parts that are not text and deleted messages. Never an error.
    pub notes: LeftOut,
    /// Text that was used unchanged, but is hardly what was meant.
    pub warnings: Vec<String>,
    /// Where the categories of plain text come from; `None` without plain text.
    pub categories: Option<Categories>,
    /// The keys that rows of plain text have, the most frequent first; empty unless a category was asked for.
    pub keys: Vec<String>,
    /// The input files.
    pub files: Vec<InputFile>,
    /// Documents that were read but left out wholly or partly, because enough sequences had been taken.
    pub documents_left_out: usize,
    /// Conversations that were cut at the context.
    pub conversations_cut: usize,
    /// The origin of the chat template of the conversations; `None` for a built-in template.
    pub template: Option<TemplateSource>,
}

impl Corpus {
    /// Documents of which at least one sequence was taken.
    pub fn documents(&self) -> usize {
        self.files.iter().map(|file| file.documents).sum()
    }

    /// Documents with the same tokens as an earlier document.
    pub fn repeated_documents(&self) -> usize {
        let mut seen = HashSet::new();
        let documents = self.sequences.chunk_by(|a, b| a.document == b.document);
        documents.filter(|document| !seen.insert(digest(document))).count()
    }

    /// Tokens of all sequences, with the BOS of each.
    pub fn tokens(&self) -> u64 {
        self.sequences.iter().map(|sequence| sequence.token_ids.len() as u64).sum()
    }
}

/// A hash of the tokens of a document, to recognize equal documents.
fn digest(sequences: &[Sequence]) -> [u8; 16] {
    let mut hasher = Sha256::new();
    for sequence in sequences {
        hasher.update(sequence.token_ids.len().to_le_bytes());
        sequence.token_ids.iter().for_each(|id| hasher.update(id.to_le_bytes()));
    }
    let whole = hasher.finalize();
    std::array::from_fn(|byte| whole[byte])
}
