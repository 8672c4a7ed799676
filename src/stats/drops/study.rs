//! One layer laid out for the drop statistics: rows in input order, their keys, groups, resamples and permutations.

use std::{borrow::Cow, ops::Range};

use rayon::prelude::*;

use super::{layer::DropLayer, settings::DropSettings};
use crate::{
    error::{Error, Result},
    random::{Purpose, Stream},
    routing::{ExpertId, View, queue_slots},
    stats::{
        BaselineKind, Finding, Settings, Statistic, Subject,
        cells::Cells,
        occurrences::{NONE, check, dense},
        resample::Resamples,
    },
    trace::{Block, LayerTrace, Role, SequenceTable},
};

/// One layer, ready for counting drops. A row is an occurrence; rows stand in input order, sequences contiguous.
pub struct DropStudy<'a> {
    /// The layer as it was recorded: `layer.trace` has experts, probabilities, positions and token ids by row.
    pub(super) layer: DropLayer<'a>,
    /// The user's settings.
    pub(super) settings: DropSettings,
    /// Whether an assignment found no slot in the run, `[rows, top_k]`; where the trace does not say it, in the order of the text and
    /// of the columns, which is right about every expert's number alone.
    pub(super) dropped: Vec<bool>,
    /// Gate probability of every choice, `[rows, top_k]`.
    pub(super) probability: Cow<'a, [f32]>,
    /// Dense document index, `[rows]`.
    pub(super) document: Vec<u32>,
    /// Dense token index into `token_ids`, `[rows]`.
    pub(super) token: Vec<u32>,
    /// Token id by dense token index, ascending.
    pub(super) token_ids: Vec<u32>,
    /// Index into the span table, [`NONE`] for plain text, `[rows]`.
    pub(super) span: Vec<u32>,
    /// Rows of each sequence, `[sequences]`.
    pub(super) sequences: Vec<Range<usize>>,
    /// Rows and capacity of each routing group, `[groups]`.
    pub(super) groups: Vec<Group>,
    /// Whether groups and capacities are those that the drops come of. If not, drops can be counted but not computed again for other
    /// choices: there are no permutations and no replay.
    pub(super) queues_known: bool,
    /// Whether no routing group holds two documents, so that whole documents can be resampled.
    pub(super) separate: bool,
    /// Index into `SequenceTable::document_names` by dense document index.
    pub(super) document_names: Vec<u32>,
    /// Rows by dense document, within a document in input order.
    pub(super) by_document: Cells,
    /// Bootstrap weights of the dense documents.
    pub(super) resamples: Resamples,
}

/// Rows that compete for the same slots.
pub(super) struct Group {
    /// The rows of its sequences.
    pub(super) rows: Range<usize>,
    /// Slots per expert, `u32::MAX` when unlimited.
    pub(super) capacity: u32,
}

/// Choices, gate probabilities and drops by row, `[rows, top_k]` each: as observed, or after a permutation.
#[derive(Clone, Copy)]
pub(super) struct Routed<'a> {
    /// Choices per row.
    pub(super) top_k: usize,
    /// Chosen experts, first choice first.
    pub(super) expert: &'a [ExpertId],
    /// Gate probability of the choices.
    pub(super) probability: &'a [f32],
    /// Whether the choice found no slot.
    pub(super) dropped: &'a [bool],
}

impl<'a> Routed<'a> {
    /// The choices of a row: expert, gate probability, whether dropped.
    #[inline]
    pub(super) fn choices(&self, row: usize) -> impl Iterator<Item = (ExpertId, f32, bool)> + 'a {
        let range = row * self.top_k..(row + 1) * self.top_k;
        let gates = self.probability[range.clone()].iter().zip(&self.dropped[range.clone()]);
        self.expert[range].iter().zip(gates).map(|(expert, (gate, dropped))| (*expert, *gate, *dropped))
    }
}

/// Among which rows choice vectors are permuted. Rows that do not count (those of the BOS, where it is excluded) stay in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permutation {
    /// Among the rows of each sequence: keeps the experts that a text asks for, but not their places in it.
    WithinSequence,
    /// Among all rows of the layer: keeps the experts that the layer asks for, but not the texts that ask for them.
    AcrossSequences,
    /// Among the rows of each data set.
    AcrossDataset,
}

impl Permutation {
    /// The kind of baseline that it gives.
    pub(super) fn kind(self) -> BaselineKind {
        match self {
            Self::WithinSequence => BaselineKind::WithinSequence,
            Self::AcrossSequences | Self::AcrossDataset => BaselineKind::AcrossSequences,
        }
    }

    fn purpose(self) -> Purpose {
        match self {
            Self::WithinSequence => Purpose::WithinSequence,
            Self::AcrossSequences => Purpose::AcrossSequences,
            Self::AcrossDataset => Purpose::AcrossDataset,
        }
    }
}

impl<'a> DropStudy<'a> {
    /// Lays out a layer and draws its resamples.
    ///
    /// # Errors
    /// [`Error::Internal`] if columns, spans or groups do not belong together.
    pub fn new(layer: &DropLayer<'a>, settings: &DropSettings) -> Result<Self> {
        let (table, trace) = (layer.sequences, layer.trace);
        check(table, trace)?;
        let sequences = sequence_rows(layer)?;
        let (document, document_names) = dense_documents(layer);
        let (token_ids, token) = dense(&trace.token_ids());
        let rows: Vec<u32> = (0..trace.len() as u32).collect();
        let groups = groups(layer, &sequences)?;
        let dropped = if trace.provides.has(Block::Drops) {
            (0..trace.len()).flat_map(|row| trace.kept(row)).map(|kept| !kept).collect()
        } else {
            requeued(&groups, trace, &trace.expert)
        };
        let alone = |group: &Group| document[group.rows.clone()].windows(2).all(|pair| pair[0] == pair[1]);
        Ok(Self {
            layer: *layer,
            settings: settings.clone(),
            dropped,
            probability: trace.probabilities(),
            by_document: Cells::by(&rows, &document),
            separate: groups.iter().all(alone),
            groups,
            document,
            token,
            token_ids,
            span: span_of_rows(layer, &sequences)?,
            sequences,
            resamples: Resamples::draw(&settings.statistics, trace.layer, document_names.len()),
            document_names,
            queues_known: true,
        })
    }

    /// The same where nobody knows who competed for how many slots.
    pub(super) fn without_queues(mut self) -> Self {
        self.queues_known = false;
        self.settings.statistics.permutations = 0;
        self
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.document.len()
    }

    /// Number of documents with at least one row.
    pub(super) fn documents(&self) -> usize {
        self.document_names.len()
    }

    /// Choices per row.
    pub(super) fn top_k(&self) -> usize {
        self.layer.trace.top_k
    }

    /// Whether a row takes part in the counting; all take part in the queues.
    #[inline]
    pub(super) fn counts(&self, row: usize) -> bool {
        self.settings.statistics.counts(self.layer.trace.position[row])
    }

    /// Sequence of a row.
    #[inline]
    pub(super) fn sequence(&self, row: usize) -> usize {
        self.layer.trace.sequence[row] as usize
    }

    /// Data set of a row: index into `SequenceTable::dataset_names`.
    #[inline]
    pub(super) fn dataset(&self, row: usize) -> u16 {
        self.layer.sequences.dataset[self.sequence(row)]
    }

    /// Category of a row: index into `SequenceTable::category_names`.
    #[inline]
    pub(super) fn category(&self, row: usize) -> Option<u16> {
        self.layer.sequences.category[self.sequence(row)]
    }

    /// Message of a row; none in plain text.
    #[inline]
    pub(super) fn turn(&self, row: usize) -> Option<u16> {
        self.layer.spans.turn.get(self.span[row] as usize).copied()
    }

    /// Who speaks; none in plain text.
    #[inline]
    pub(super) fn role(&self, row: usize) -> Option<Role> {
        self.layer.spans.role.get(self.span[row] as usize).copied()
    }

    /// The layer as the run recorded it.
    pub(super) fn observed(&self) -> Routed<'_> {
        let trace = self.layer.trace;
        Routed { top_k: trace.top_k, expert: &trace.expert, probability: &self.probability, dropped: &self.dropped }
    }

    /// Calls `fold` once per permutation of the choice vectors, their probabilities moved along and their drops
    /// recomputed group by group. Results stand in the order of the permutations, whatever the number of threads; only
    /// as many permuted layers exist at a time as there are threads.
    pub(super) fn permutations<T: Send>(
        &self,
        permutation: Permutation,
        fold: impl Fn(Routed<'_>) -> T + Sync,
    ) -> Vec<T> {
        let strata = self.strata(permutation);
        let Settings { seed, permutations, .. } = self.settings.statistics;
        (0..permutations)
            .into_par_iter()
            .map(|index| {
                let mut stream = Stream::new(seed, self.layer.trace.layer, permutation.purpose(), index);
                self.permuted(&strata, &mut stream, &fold)
            })
            .collect()
    }

    /// The rows that exchange their vectors, stratum by stratum.
    fn strata(&self, permutation: Permutation) -> Vec<Vec<u32>> {
        let counted = |rows: Range<usize>| rows.filter(|row| self.counts(*row)).map(|row| row as u32);
        match permutation {
            Permutation::WithinSequence => self.sequences.iter().map(|rows| counted(rows.clone()).collect()).collect(),
            Permutation::AcrossSequences => vec![counted(0..self.len()).collect()],
            Permutation::AcrossDataset => {
                let mut strata = vec![Vec::new(); self.layer.sequences.dataset_names.len()];
                counted(0..self.len()).for_each(|row| strata[usize::from(self.dataset(row as usize))].push(row));
                strata
            }
        }
    }

    /// One permutation.
    fn permuted<T>(&self, strata: &[Vec<u32>], stream: &mut Stream, fold: &impl Fn(Routed<'_>) -> T) -> T {
        let (trace, k) = (self.layer.trace, self.top_k());
        let (mut expert, mut probability) = (trace.expert.clone(), self.probability.to_vec());
        for stratum in strata {
            let mut source = stratum.clone();
            stream.shuffle(&mut source);
            for (to, from) in stratum.iter().zip(source) {
                let (to, from) = (*to as usize * k, from as usize * k);
                expert[to..to + k].copy_from_slice(&trace.expert[from..from + k]);
                probability[to..to + k].copy_from_slice(&self.probability[from..from + k]);
            }
        }
        let dropped = self.requeued(&expert);
        fold(Routed { top_k: k, expert: &expert, probability: &probability, dropped: &dropped })
    }

    /// The drops of the run's groups and capacities for other choices, `[rows, top_k]`.
    pub(super) fn requeued(&self, expert: &[ExpertId]) -> Vec<bool> {
        requeued(&self.groups, self.layer.trace, expert)
    }

    /// An empty finding at this layer; drops are shares of what was chosen.
    pub(super) fn finding(&self, statistic: Statistic) -> Finding {
        Finding::new(statistic, self.layer.trace.layer, View::Chosen)
    }

    /// A finding about one data set.
    pub(super) fn about_dataset(&self, finding: Finding, dataset: u16) -> Finding {
        let name = self.layer.sequences.dataset_names[usize::from(dataset)].clone();
        finding.about(|subject| Subject { dataset: Some(name), ..subject })
    }

    /// A finding about one token id, with its text.
    pub(super) fn about_token(&self, finding: Finding, dense_token: u32) -> Finding {
        let id = self.token_ids[dense_token as usize];
        finding.about(|subject| Subject {
            token_id: Some(id),
            text: self.layer.sequences.token_text.get(&id).cloned(),
            ..subject
        })
    }
}

/// Which choices find no slot in their group, `[rows, top_k]`; the groups cover all rows.
pub(super) fn requeued(groups: &[Group], trace: &LayerTrace, expert: &[ExpertId]) -> Vec<bool> {
    let k = trace.top_k;
    let mut dropped = Vec::with_capacity(expert.len());
    let mut slot = Vec::new();
    for group in groups {
        let choices = &expert[group.rows.start * k..group.rows.end * k];
        queue_slots(choices, k, trace.num_experts, &(0..group.rows.len()), &mut slot);
        dropped.extend(slot.iter().map(|slot| *slot >= group.capacity));
    }
    dropped
}

/// Rows of each sequence.
fn sequence_rows(layer: &DropLayer<'_>) -> Result<Vec<Range<usize>>> {
    let (table, trace) = (layer.sequences, layer.trace);
    let mut sequences = vec![0..0; table.tokens.len()];
    let mut start = 0;
    for run in trace.sequence.chunk_by(|a, b| a == b) {
        sequences[run[0] as usize] = start..start + run.len();
        start += run.len();
    }
    let complete = sequences.iter().zip(&table.tokens).all(|(rows, tokens)| rows.len() == *tokens as usize);
    if !complete || trace.sequence.windows(2).any(|pair| pair[0] > pair[1]) {
        return Err(fault(layer, "its rows are not the tokens of the sequences in input order"));
    }
    if trace.provides.has(Block::Probability) && trace.probability.len() != trace.expert.len() {
        return Err(fault(layer, "column `probability` has not one value per assignment"));
    }
    let datasets = table.dataset_names.len();
    if table.dataset.len() != sequences.len() || table.dataset.iter().any(|set| usize::from(*set) >= datasets) {
        return Err(fault(layer, "a sequence has no data set"));
    }
    Ok(sequences)
}

/// Dense document index by row, and the index of each in the table.
fn dense_documents(layer: &DropLayer<'_>) -> (Vec<u32>, Vec<u32>) {
    let SequenceTable { document, .. } = layer.sequences;
    let mut index = vec![NONE; document.iter().max().map_or(0, |max| *max as usize + 1)];
    let mut names = Vec::new();
    let mut dense_of = |sequence: &u32| {
        let name = document[*sequence as usize];
        let dense = &mut index[name as usize];
        if *dense == NONE {
            *dense = names.len() as u32;
            names.push(name);
        }
        *dense
    };
    let rows = layer.trace.sequence.iter().map(&mut dense_of).collect();
    (rows, names)
}

/// Index into the span table by row, [`NONE`] where no span is.
fn span_of_rows(layer: &DropLayer<'_>, sequences: &[Range<usize>]) -> Result<Vec<u32>> {
    let spans = layer.spans;
    let lengths = [spans.turn.len(), spans.role.len(), spans.start.len(), spans.end.len()];
    if lengths.iter().any(|length| *length != spans.sequence.len()) {
        return Err(fault(layer, "columns of the spans disagree in length"));
    }
    let mut span_of = vec![NONE; layer.trace.len()];
    for (span, &sequence) in spans.sequence.iter().enumerate() {
        let (start, end) = (spans.start[span] as usize, spans.end[span] as usize);
        let Some(rows) = sequences.get(sequence as usize).filter(|rows| start <= end && end <= rows.len()) else {
            return Err(fault(layer, &format!("span {span} lies outside of its sequence")));
        };
        span_of[rows.start + start..rows.start + end].fill(span as u32);
    }
    Ok(span_of)
}

/// Rows and capacity of each routing group.
fn groups(layer: &DropLayer<'_>, sequences: &[Range<usize>]) -> Result<Vec<Group>> {
    let table = layer.groups;
    let mut groups = Vec::with_capacity(table.sequences.len());
    let (mut next, mut row) = (0, 0);
    for (range, &capacity) in table.sequences.iter().zip(&table.capacity) {
        let members = sequences.get(range.start as usize..range.end as usize);
        let Some(members) = members.filter(|_| range.start == next) else {
            return Err(fault(layer, "its routing groups are not consecutive sequences"));
        };
        let tokens: usize = members.iter().map(ExactSizeIterator::len).sum();
        groups.push(Group { rows: row..row + tokens, capacity });
        (next, row) = (range.end, row + tokens);
    }
    if row != layer.trace.len() || table.sequences.len() != table.capacity.len() {
        return Err(fault(layer, "its routing groups do not cover all sequences"));
    }
    Ok(groups)
}

fn fault(layer: &DropLayer<'_>, message: &str) -> Error {
    Error::internal(format!("trace of decoder layer {}: {message}", layer.trace.layer))
}
