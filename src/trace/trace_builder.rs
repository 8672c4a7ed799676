//! Makes a run folder from arrays in memory, which another engine recorded or somebody made up.

use std::{collections::BTreeMap, path::Path};

use rayon::prelude::*;
use serde_json::json;

use super::{
    layout::{SEGMENT_TOKENS, TraceLayout},
    part::{FinishedPart, LayerPart, PartColumns},
    read_trace::RoutingTrace,
    routed_sequence::{CheckedSequence, RoutedSequence, append, refused},
    write_inputs::{InputRow, write_groups, write_sequences, write_spans, write_tokens},
};
use crate::{
    corpus::Span,
    error::{Error, Result},
    routing::{Block, CapacityRule, GroupRule, Provides, RoutingShape},
    run::{Identity, Occupied, QueueOptions, RecordedLayout, RunDir, RunKind, RunRecord, TextOptions, TextSummary},
};

/// Facts about a trace besides its arrays.
#[derive(Clone, Debug)]
pub struct TraceOptions {
    /// Name of the model, in tables and charts.
    pub label: String,
    /// Whether the choices of a token are in the order in which the router ranked them. If not, numbers about first choices are
    /// withheld.
    pub ranked: bool,
    /// Whether every sequence begins with a BOS.
    pub bos: bool,
    /// Whether the rows of a sequence stand as in its text. If not, numbers about positions and neighbours are withheld.
    pub in_order: bool,
}

impl Default for TraceOptions {
    fn default() -> Self {
        Self { label: "imported".to_owned(), ranked: true, bos: false, in_order: true }
    }
}

/// Builds a run folder sequence by sequence; only one segment is in memory at a time.
///
/// Every sequence is a separate routing group. If the shape says how capacity was set, slots and drops follow from the order of
/// the choices; if it does not, it is unknown which choices were dropped, and numbers about drops are withheld.
///
/// ```
/// use openmoe_analyze::{
///     routing::{LayerShape, RoutingShape},
///     stats::{Settings, Variable, route_statistics},
///     trace::{RoutedSequence, TraceBuilder, TraceOptions},
/// };
///
/// // Two routed layers, top-1 of four experts: in decoder layer 1 the token id decides, in layer 3 every token takes expert 0.
/// let shape = RoutingShape::uniform(vec![1, 3], LayerShape::of_choices(4, 1));
/// let folder = tempfile::tempdir()?;
/// let mut builder = TraceBuilder::create(folder.path(), shape, TraceOptions::default())?;
/// for text in 0..12_u32 {
///     let token_ids: Vec<u32> = (0..40).map(|position| (position * (text + 3)) % 4).collect();
///     let experts: Vec<u16> = token_ids.iter().flat_map(|id| [*id as u16, 0]).collect();
///     builder.push(&RoutedSequence { experts: &experts, token_ids: Some(&token_ids), ..RoutedSequence::default() })?;
/// }
/// let trace = builder.finish(|id| Some(format!("word {id}")))?;
///
/// let settings = Settings { resamples: 40, permutations: 10, ..Settings::default() };
/// let tables = route_statistics(&trace.sequences()?, &trace.layer(1)?, &settings, &|_| ())?;
/// let information = tables.iter().find(|table| table.name == "mutual_information").unwrap();
/// let of_token = information.rows.iter().find(|row| row.variable == Some(Variable::Token)).unwrap();
/// assert!(of_token.explained.unwrap() > 0.99);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TraceBuilder {
    run: RunDir,
    options: TraceOptions,
    shape: RoutingShape,
    /// Decided by the first sequence.
    provides: Option<Provides>,
    rows: Vec<InputRow>,
    /// Rows of the trace by sequence.
    lengths: Vec<usize>,
    /// Messages of conversations, each with its sequence.
    spans: Vec<(u32, Span)>,
    counts: BTreeMap<u32, u64>,
    /// The segment that is being filled, by routed layer.
    columns: Vec<PartColumns>,
    segments: usize,
    tokens: usize,
}

impl TraceBuilder {
    /// Begins a run in a new or empty folder.
    ///
    /// # Errors
    /// [`Error::Usage`] if no layer routes; [`Error::RunFolder`] if the folder is occupied; [`Error::Io`] if it cannot be written.
    pub fn create(folder: &Path, shape: RoutingShape, options: TraceOptions) -> Result<Self> {
        if shape.is_empty() {
            return Err(Error::usage("the shape has no routed layer", "name the layers that route"));
        }
        let identity = json!({ "command": "route", "version": env!("CARGO_PKG_VERSION"), "label": options.label });
        let (run, _) = RunDir::prepare(folder, Occupied::Refuse, &identity)?;
        Self::within(run, shape, options)
    }

    /// Begins a run in a prepared folder, such as that of one of several checkpoints.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn within(run: RunDir, shape: RoutingShape, options: TraceOptions) -> Result<Self> {
        let columns = shape.layers().map(|_| PartColumns::default()).collect();
        let (rows, lengths, spans, counts) = (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
        Ok(Self { run, options, shape, provides: None, rows, lengths, spans, counts, columns, segments: 0, tokens: 0 })
    }

    /// Appends a sequence.
    ///
    /// # Errors
    /// [`Error::Usage`] if an array does not have the length that follows from the experts, an expert does not exist or is chosen
    /// twice by one token, a number is not finite, or other arrays are `None` than in the first sequence; errors of writing.
    pub fn push(&mut self, sequence: &RoutedSequence<'_>) -> Result<()> {
        let index = self.rows.len();
        let CheckedSequence { positions, end } = CheckedSequence::new(sequence, &self.shape, index)?;
        let provides = self.provided_by(sequence);
        match self.provides {
            Some(first) if first != provides => {
                return Err(refused(index, format!("provides {provides:?}, the first sequence {first:?}")));
            }
            _ => self.provides = Some(provides),
        }
        let first = index as u32;
        let (shape, columns) = (&self.shape, &mut self.columns);
        columns
            .par_iter_mut()
            .zip(0..shape.len())
            .try_for_each(|(columns, layer)| append(columns, sequence, shape, layer, (first, positions), provides))?;
        for id in sequence.token_ids.into_iter().flatten() {
            *self.counts.entry(*id).or_default() += 1;
        }
        self.rows.push(InputRow {
            source: sequence.source.unwrap_or("arrays").to_owned(),
            document: sequence.document.map_or_else(|| format!("sequence {index}"), str::to_owned),
            category: sequence.category.map(str::to_owned),
            dataset: sequence.dataset.unwrap_or("arrays").to_owned(),
            tokens: end,
            truncated: false,
        });
        if self.options.in_order {
            self.spans.extend(sequence.spans.iter().map(|span| (first, *span)));
        }
        self.lengths.push(positions);
        self.tokens += positions;
        if self.tokens >= SEGMENT_TOKENS { self.flush() } else { Ok(()) }
    }

    fn provided_by(&self, sequence: &RoutedSequence<'_>) -> Provides {
        // Slots and drops follow from the order of the choices only where the sequence says neither.
        let follows = !sequence.says_drops() && self.shape.layers().all(|(_, layer)| layer.capacity.is_some());
        let has = [
            (Block::TokenIds, sequence.token_ids.is_some()),
            (Block::Positions, self.options.in_order),
            (Block::Ranks, self.options.ranked),
            (Block::Probability, sequence.probability.is_some()),
            (Block::CombineWeight, sequence.combine_weight.is_some()),
            (Block::Entropy, sequence.entropy.is_some()),
            (Block::MarginFirst, sequence.margin_first.is_some()),
            (Block::MarginK, sequence.margin_k.is_some()),
            (Block::Drops, sequence.dropped.is_some() || follows && (self.options.ranked || self.is_unlimited())),
            (Block::Slots, sequence.slots.is_some() || follows && self.options.ranked),
            (Block::Logits, sequence.logits.is_some()),
        ];
        has.into_iter().filter(|(_, has)| *has).fold(Provides::EXPERTS, |provides, (block, _)| provides.with(block))
    }

    fn is_unlimited(&self) -> bool {
        self.shape
            .layers()
            .all(|(_, layer)| layer.capacity.is_some_and(|policy| policy.rule == CapacityRule::Unlimited))
    }

    /// Writes the segment.
    fn flush(&mut self) -> Result<()> {
        let (segment, layers) = (self.segments, self.shape.len());
        let provides = self.provides.unwrap_or(Provides::EXPERTS);
        let columns = std::mem::replace(&mut self.columns, (0..layers).map(|_| PartColumns::default()).collect());
        let parts: Vec<FinishedPart> = columns
            .into_iter()
            .zip(self.shape.layers())
            .enumerate()
            .map(|(at, (columns, (layer, shape)))| {
                let part = segment * layers + at;
                FinishedPart::Layer(Box::new(LayerPart { columns, layer, part, shape: *shape, provides }))
            })
            .collect();
        let written: Vec<_> = parts.into_par_iter().map(|part| part.write(&self.run)).collect();
        written.into_iter().try_for_each(|written| self.run.list(written?))?;
        (self.segments, self.tokens) = (segment + 1, 0);
        Ok(())
    }

    /// Writes the last segment and the tables about the sequences; `text` gives the text of a token id, if there is one.
    ///
    /// # Errors
    /// [`Error::Usage`] if no sequence was pushed; errors of writing.
    pub fn finish(self, text: impl Fn(u32) -> Option<String>) -> Result<RoutingTrace> {
        let (run, record) = self.finish_record(text)?;
        run.write_record(&record)?;
        RoutingTrace::open(&run)
    }

    /// The same without the manifest: its record is left to the caller to complete and to write.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn finish_record(mut self, text: impl Fn(u32) -> Option<String>) -> Result<(RunDir, RunRecord)> {
        if self.rows.is_empty() {
            return Err(Error::usage("the trace has no sequence", "push at least one"));
        }
        if self.tokens > 0 {
            self.flush()?;
        }
        let layout = TraceLayout::new(&self.lengths, GroupRule::Sequence, self.shape.clone());
        write_sequences(&self.run, &self.rows, &self.options.label)?;
        write_spans(&self.run, &self.spans)?;
        write_groups(&self.run, &layout)?;
        write_tokens(&self.run, &self.counts, text)?;
        self.run.settle_checksums()?;
        let record = self.record(&layout);
        Ok((self.run, record))
    }

    fn record(&self, layout: &TraceLayout) -> RunRecord {
        let mut documents: Vec<&str> = self.rows.iter().map(|row| row.document.as_str()).collect();
        documents.sort_unstable();
        documents.dedup();
        let text = TextSummary {
            sequences: self.rows.len(),
            documents: documents.len(),
            tokens: layout.group_tokens.iter().map(|&tokens| tokens as u64).sum(),
            ..TextSummary::default()
        };
        RunRecord {
            text,
            provides: self.provides,
            ..RunRecord::new(
                self.identity(layout),
                self.options.label.as_str(),
                RecordedLayout::of(&self.shape, layout.segments.len(), layout.groups.len()),
            )
        }
    }

    fn identity(&self, layout: &TraceLayout) -> Identity {
        let queues = self.shape.alike().and_then(|layer| layer.capacity).map(|capacity| QueueOptions {
            group: GroupRule::Sequence,
            capacity_rule: capacity.rule,
            capacity_factor: capacity.factor,
            min_capacity: capacity.minimum,
        });
        let text = TextOptions {
            inputs: Vec::new(),
            category_key: None,
            text_key: None,
            context: layout.group_tokens.iter().copied().max().unwrap_or(0),
            truncate: false,
            bos: self.options.bos,
            max_sequences: None,
        };
        Identity { text: Some(text), queues, ..Identity::new(RunKind::Route) }
    }
}
