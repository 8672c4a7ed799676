//! Makes sequences from rows: encodes them in parallel, cuts them to the context, and makes their names unique.

use std::{collections::BTreeMap, ops::ControlFlow};

use rayon::prelude::*;

use super::{
    Corpus, CorpusOptions, InputFile, Sequence, Skipped, Tokenizer,
    categories::Candidates,
    files::{Identity, Source},
    ids::padding,
    keys::KeyCounts,
    names::UniqueNames,
    row::{Content, Row},
    row_treatment::Treatment,
    tokenizer::PUT_TOKENIZER,
};
use crate::error::{Error, OptionName, Result};

/// How many rows and bytes are encoded together; this bounds the memory and does not change the result.
const BATCH: (usize, usize) = (1024, 8 << 20);

/// Collects rows in input order and turns them into sequences.
pub(super) struct CorpusBuilder<'a> {
    options: &'a CorpusOptions,
    tokenizer: Option<&'a Tokenizer>,
    /// The corpus built so far.
    pub corpus: Corpus,
    pending: Vec<Pending>,
    pending_bytes: usize,
    names: UniqueNames,
    /// Data set of the file that was registered last.
    dataset: String,
    candidates: Candidates,
    /// Which keys rows have.
    pub keys: KeyCounts,
    told: BTreeMap<Treatment, Tally>,
}

/// How often something was done with a row.
#[derive(Debug)]
struct Tally {
    rows: usize,
    /// What it was done to, and the total: for example masked ids, of all ids.
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

impl<'a> CorpusBuilder<'a> {
    /// An empty corpus; without a tokenizer only rows of token ids can be taken.
    pub(super) fn new(options: &'a CorpusOptions, tokenizer: Option<&'a Tokenizer>) -> Self {
        let corpus = Corpus::default();
        Self {
            options,
            tokenizer,
            corpus,
            pending: Vec::new(),
            pending_bytes: 0,
            names: UniqueNames::default(),
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

    /// Records the hash and size of what was read of the last registered file.
    pub(super) fn end(&mut self, identity: Identity) {
        if let Some(file) = self.corpus.files.last_mut() {
            (file.sha256, file.bytes, file.partial) = (identity.sha256, identity.bytes, identity.partial);
        }
    }

    /// Takes the next row of the last registered file; `Break` if no more rows are needed.
    ///
    /// # Errors
    /// The row makes the whole corpus unusable: token ids that the model cannot take, text without a tokenizer.
    pub(super) fn row(&mut self, place: String, row: Result<Row, String>) -> Result<ControlFlow<()>> {
        match row {
            Err(reason) => self.skip(place, reason),
            // Enough sequences were taken, but the rest of the file is read to count its documents; a wrong row there is no error.
            Ok(_) if self.is_full() => self.corpus.documents_left_out += 1,
            Ok(row) => {
                self.check(&place, &row.content)?;
                self.pending_bytes += match &row.content {
                    Content::Text(text) => text.len(),
                    Content::Ids(ids) => 4 * ids.len(),
                };
                let (file, dataset) = (self.corpus.files.len() - 1, self.dataset.clone());
                self.pending.push(Pending { file, place, dataset, row });
                // A stream may never give more rows than are wanted: once there are enough, encoding must not wait for more.
                if self.pending.len() >= BATCH.0.min(self.left()) || self.pending_bytes >= BATCH.1 {
                    self.flush()?;
                }
            }
        }
        Ok(if self.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    /// The corpus, when all files have been read: encodes the remaining rows, and decides what the categories are.
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

    /// Adds a note or a warning about what was done with rows.
    fn tell(&mut self, told: &Treatment, Tally { rows, amount, place }: Tally) {
        let rows = if rows == 1 { String::new() } else { format!(" (so in {rows} rows)") };
        let reason = match told {
            Treatment::Joined(keys) => {
                let keys: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
                format!("{} joined into one text, a line each where no space is between them{rows}", keys.join(" and "))
            }
            Treatment::Lines(key) => format!("`{key}` is a list: its strings are joined, one a line{rows}"),
            Treatment::Masked => {
                format!("{} of {} ids left out: `attention_mask` masks them{rows}", amount.0, amount.1)
            }
            Treatment::Unused("text") => format!("`text` is not used where there are `input_ids`{rows}"),
            Treatment::Unused(key) => {
                format!("`{key}` is not used: the ids of a row are one sequence that starts at position 0{rows}")
            }
            Treatment::Padded(id) => {
                let percent = 100.0 * amount.0 as f64 / amount.1 as f64;
                self.corpus.warnings.push(format!(
                    "{place}: {percent:.0} % of `input_ids` are id {id} at an end{rows}: padding is routed like text; leave it out, or give an `attention_mask`"
                ));
                return;
            }
        };
        self.corpus.notes.push(Skipped { place, reason });
    }

    /// Records a row that could not be used.
    pub(super) fn skip(&mut self, place: String, reason: String) {
        self.corpus.skipped.push(Skipped { place, reason });
    }

    /// Refuses ids that the model cannot take, and text if there is no tokenizer.
    fn check(&self, place: &str, content: &Content) -> Result<()> {
        let (context, vocab_size) = (self.options.context, self.options.vocab_size);
        match content {
            Content::Text(_) if self.tokenizer.is_none() => Err(Error::corpus(
                format!("{place}: the row has `text`, but the checkpoint has no tokenizer; only `input_ids` rows work"),
                PUT_TOKENIZER,
            )),
            Content::Ids(ids) if ids.len() > context => Err(Error::corpus(
                format!("{place}: `input_ids` has {} ids; the context is {context}", ids.len()),
                format!("ids are used as they are and never cut; shorten the row or raise {}", OptionName::Context),
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

    /// Encodes the waiting rows in parallel, and appends their sequences in input order.
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
        let padded = padding(ids).map(|(id, count)| (Treatment::Padded(id), count));
        for (told, amount) in pending.row.told.iter().cloned().chain(padded) {
            let whole = ids.len() + masked;
            let tally =
                self.told.entry(told).or_insert(Tally { rows: 0, amount: (0, 0), place: pending.place.clone() });
            tally.rows += 1;
            tally.amount.0 += amount;
            tally.amount.1 += whole;
        }
    }

    /// Cuts a document into sequences; each starts with a BOS.
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
