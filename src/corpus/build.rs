//! Rows -> sequences: encoding in parallel, cutting to the context, names.

use rayon::prelude::*;

use super::{
    Corpus, CorpusOptions, Sequence, Skipped, Tokenizer,
    names::Names,
    row::{Content, Row},
};
use crate::error::{Error, Result};

/// Rows and bytes that are encoded together; bounds the memory, does not change the result.
const BATCH: (usize, usize) = (1024, 8 << 20);

/// Collects rows in input order and turns them into sequences.
pub(super) struct Builder<'a> {
    options: &'a CorpusOptions,
    tokenizer: Option<&'a Tokenizer>,
    /// What has been built so far.
    pub corpus: Corpus,
    pending: Vec<Pending>,
    pending_bytes: usize,
    names: Names,
    /// Data set of the file that was registered last.
    pub dataset: String,
}

/// A row that waits to be encoded.
struct Pending {
    file: usize,
    /// `file:line`, or `file`.
    place: String,
    dataset: String,
    row: Row,
}

impl<'a> Builder<'a> {
    /// An empty corpus; without a tokenizer only rows of token ids can be taken.
    pub(super) fn new(options: &'a CorpusOptions, tokenizer: Option<&'a Tokenizer>) -> Self {
        let corpus = Corpus::default();
        Self {
            options,
            tokenizer,
            corpus,
            pending: Vec::new(),
            pending_bytes: 0,
            names: Names::default(),
            dataset: String::new(),
        }
    }

    /// Takes the next row of the file that was registered last; `fallback` is the category of rows that name none.
    ///
    /// # Errors
    /// The row makes the whole corpus unusable: token ids that the model cannot take, text without a tokenizer.
    pub(super) fn row(&mut self, place: String, row: Result<Row, String>, fallback: Option<&str>) -> Result<()> {
        match row {
            Err(reason) => self.skip(place, reason),
            Ok(mut row) => {
                self.check(&place, &row.content)?;
                row.category = row.category.or_else(|| fallback.map(str::to_owned));
                self.pending_bytes += match &row.content {
                    Content::Text(text) => text.len(),
                    Content::Ids(ids) => 4 * ids.len(),
                };
                let (file, dataset) = (self.corpus.files.len() - 1, self.dataset.clone());
                self.pending.push(Pending { file, place, dataset, row });
                if self.pending.len() >= BATCH.0 || self.pending_bytes >= BATCH.1 {
                    self.flush()?;
                }
            }
        }
        Ok(())
    }

    /// Notes what could not be used.
    pub(super) fn skip(&mut self, place: String, reason: String) {
        self.corpus.skipped.push(Skipped { place, reason });
    }

    /// Refuses ids that the model cannot take, and text that nothing can encode.
    fn check(&self, place: &str, content: &Content) -> Result<()> {
        let (context, vocab_size) = (self.options.context, self.options.vocab_size);
        match content {
            Content::Text(_) if self.tokenizer.is_none() => Err(Error::corpus(
                format!("{place}: the row has `text`, but the checkpoint has no tokenizer; only `input_ids` rows work"),
                "put the model's `spiece.model` into the checkpoint folder",
            )),
            Content::Ids(ids) if ids.len() > context => Err(Error::corpus(
                format!("{place}: `input_ids` has {} ids; the context is {context}", ids.len()),
                "ids are used as they are and never cut; shorten the row or raise --context",
            )),
            Content::Ids(ids) => match ids.iter().find(|&&id| id as usize >= vocab_size) {
                Some(id) => Err(Error::corpus(
                    format!("{place}: `input_ids` holds {id}; the model's vocab_size is {vocab_size}"),
                    "the ids were made with another tokenizer",
                )),
                None => Ok(()),
            },
            Content::Text(_) => Ok(()),
        }
    }

    /// Encodes what waits, each row on its own, and appends the sequences in input order.
    pub(super) fn flush(&mut self) -> Result<()> {
        let pending = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        if self.is_full() {
            self.corpus.documents_left_out += pending.len();
            return Ok(());
        }
        let encoded: Vec<Result<Vec<u32>>> =
            pending.par_iter().map(|pending| self.encode(&pending.row.content)).collect();
        for (pending, ids) in pending.into_iter().zip(encoded) {
            self.document(pending, &ids?);
        }
        Ok(())
    }

    fn encode(&self, content: &Content) -> Result<Vec<u32>> {
        match (content, self.tokenizer) {
            (Content::Ids(ids), _) => Ok(ids.clone()),
            (Content::Text(text), Some(tokenizer)) => tokenizer.encode(text),
            (Content::Text(_), None) => Ok(Vec::new()),
        }
    }

    fn is_full(&self) -> bool {
        self.options.max_sequences.is_some_and(|limit| self.corpus.sequences.len() >= limit)
    }

    /// Cuts a document into sequences; each starts with its own BOS.
    fn document(&mut self, pending: Pending, ids: &[u32]) {
        if ids.is_empty() {
            return self.skip(pending.place, "`text` gives no tokens".into());
        }
        if self.is_full() {
            self.corpus.documents_left_out += 1;
            return;
        }
        let bos = self.options.bos.filter(|_| matches!(pending.row.content, Content::Text(_)));
        let room = self.options.context - usize::from(bos.is_some());
        let document = self.names.unique(pending.row.id.unwrap_or(pending.place));
        let source = self.corpus.files[pending.file].path.display().to_string();
        let chunks = ids.len().div_ceil(room);
        let wanted = if self.options.truncate { 1 } else { chunks };
        let left = self.options.max_sequences.map_or(usize::MAX, |limit| limit - self.corpus.sequences.len());
        let taken = wanted.min(left);
        self.corpus.documents_left_out += usize::from(taken < wanted);
        self.corpus.files[pending.file].documents += 1;
        for (index, chunk) in ids.chunks(room).take(taken).enumerate() {
            self.corpus.sequences.push(Sequence {
                source: source.clone(),
                dataset: pending.dataset.clone(),
                document: document.clone(),
                category: pending.row.category.clone(),
                token_ids: bos.iter().chain(chunk).copied().collect(),
                spans: Vec::new(),
                truncated: taken < chunks && index + 1 == taken,
            });
        }
    }
}
