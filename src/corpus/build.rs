//! Rows -> sequences: encoding in parallel, cutting to the context, names.

use std::{collections::BTreeMap, ops::ControlFlow};

use rayon::prelude::*;

use super::{
    Corpus, CorpusOptions, InputFile, Sequence, Skipped, Tokenizer,
    categories::Candidates,
    files::{Identity, Source},
    ids::padding,
    keys::KeyCounts,
    names::Names,
    row::{Content, Row},
    told::Told,
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
    dataset: String,
    candidates: Candidates,
    /// Which keys rows have.
    pub keys: KeyCounts,
    told: BTreeMap<Told, Tally>,
}

/// How often something was done with a row.
#[derive(Debug)]
struct Tally {
    rows: usize,
    /// What it was done to, and of how much.
    amount: (usize, usize),
    /// The first such row.
    place: String,
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
            candidates: Candidates::default(),
            keys: KeyCounts::default(),
            told: BTreeMap::new(),
        }
    }

    /// Registers the next file.
    pub(super) fn begin(&mut self, source: &Source) {
        self.corpus.files.push(InputFile { path: source.path.clone(), ..InputFile::default() });
        self.dataset.clone_from(&source.dataset);
        self.candidates.file(source.category.clone());
    }

    /// Notes what was read of the file that was registered last.
    pub(super) fn end(&mut self, identity: Identity) {
        if let Some(file) = self.corpus.files.last_mut() {
            (file.sha256, file.bytes, file.partial) = (identity.sha256, identity.bytes, identity.partial);
        }
    }

    /// Takes the next row of the file that was registered last; `Break` if no more are needed.
    ///
    /// # Errors
    /// The row makes the whole corpus unusable: token ids that the model cannot take, text without a tokenizer.
    pub(super) fn row(&mut self, place: String, row: Result<Row, String>) -> Result<ControlFlow<()>> {
        match row {
            Err(reason) => self.skip(place, reason),
            // A row that is not wanted is counted, of a file whose rest is read: what is in it ends nothing.
            Ok(_) if self.is_full() => self.corpus.documents_left_out += 1,
            Ok(row) => {
                self.check(&place, &row.content)?;
                self.pending_bytes += match &row.content {
                    Content::Text(text) => text.len(),
                    Content::Ids(ids) => 4 * ids.len(),
                };
                let (file, dataset) = (self.corpus.files.len() - 1, self.dataset.clone());
                self.pending.push(Pending { file, place, dataset, row });
                // A stream may give no more rows than are wanted: what is enough is not waited for.
                if self.pending.len() >= BATCH.0.min(self.left()) || self.pending_bytes >= BATCH.1 {
                    self.flush()?;
                }
            }
        }
        Ok(if self.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    /// The corpus, when all files have been read: encodes what waits, and decides what the categories are.
    ///
    /// # Errors
    /// As [`Self::row`].
    pub(super) fn finish(mut self) -> Result<Corpus> {
        self.flush()?;
        let asked = self.options.asked();
        for (told, tally) in std::mem::take(&mut self.told) {
            self.tell(&told, tally);
        }
        let Self { mut corpus, candidates, keys, .. } = self;
        let is_asked = asked.category.is_some();
        let (files, sequences) = (&corpus.files, &mut corpus.sequences);
        corpus.categories = Some(candidates.decide(&asked.categories(), is_asked, files, sequences));
        corpus.keys = keys.by_frequency();
        Ok(corpus)
    }

    /// What was done with rows, in words: a note, or a warning.
    fn tell(&mut self, told: &Told, Tally { rows, amount, place }: Tally) {
        let rows = if rows == 1 { String::new() } else { format!(" (so in {rows} rows)") };
        let reason = match told {
            Told::Joined(keys) => {
                let keys: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
                format!("{} joined into one text, a line each where no space is between them{rows}", keys.join(" and "))
            }
            Told::Lines(key) => format!("`{key}` is a list: its strings are joined, one a line{rows}"),
            Told::Masked => format!("{} of {} ids left out: `attention_mask` masks them{rows}", amount.0, amount.1),
            Told::Unused("text") => format!("`text` is not used where there are `input_ids`{rows}"),
            Told::Unused(key) => {
                format!("`{key}` is not used: the ids of a row are one sequence that starts at position 0{rows}")
            }
            Told::Padded(id) => {
                let percent = 100.0 * amount.0 as f64 / amount.1 as f64;
                self.corpus.warnings.push(format!(
                    "{place}: {percent:.0} % of `input_ids` are id {id} at an end{rows}: padding is routed like text; leave it out, or give an `attention_mask`"
                ));
                return;
            }
        };
        self.corpus.notes.push(Skipped { place, reason });
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
    fn flush(&mut self) -> Result<()> {
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

    /// Sequences that may still be taken.
    fn left(&self) -> usize {
        self.options.max_sequences.map_or(usize::MAX, |limit| limit.saturating_sub(self.corpus.sequences.len()))
    }

    fn is_full(&self) -> bool {
        self.left() == 0
    }

    /// Counts what was done with a row that is used.
    fn count(&mut self, pending: &Pending) {
        let ids = if let Content::Ids(ids) = &pending.row.content { ids.as_slice() } else { &[] };
        let masked: usize = pending.row.told.iter().map(|told| told.1).sum();
        let padded = padding(ids).map(|(id, count)| (Told::Padded(id), count));
        for (told, amount) in pending.row.told.iter().cloned().chain(padded) {
            let whole = ids.len() + masked;
            let tally =
                self.told.entry(told).or_insert(Tally { rows: 0, amount: (0, 0), place: pending.place.clone() });
            tally.rows += 1;
            tally.amount.0 += amount;
            tally.amount.1 += whole;
        }
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
        self.count(&pending);
        let bos = self.options.bos.filter(|_| matches!(pending.row.content, Content::Text(_)));
        let room = self.options.context - usize::from(bos.is_some());
        let document = self.names.unique(pending.row.id.unwrap_or(pending.place));
        let source = self.corpus.files[pending.file].path.display().to_string();
        let chunks = ids.len().div_ceil(room);
        let wanted = if self.options.truncate { 1 } else { chunks };
        let taken = wanted.min(self.left());
        let keys = self.options.asked().categories().len();
        self.candidates.document(pending.file, self.corpus.sequences.len(), &pending.row.categories, keys);
        self.corpus.documents_left_out += usize::from(taken < wanted);
        self.corpus.files[pending.file].documents += 1;
        for (index, chunk) in ids.chunks(room).take(taken).enumerate() {
            self.corpus.sequences.push(Sequence {
                source: source.clone(),
                dataset: pending.dataset.clone(),
                document: document.clone(),
                category: None,
                token_ids: bos.iter().chain(chunk).copied().collect(),
                spans: Vec::new(),
                truncated: taken < chunks && index + 1 == taken,
            });
        }
    }
}
