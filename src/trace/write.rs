//! Writes the trace while the forward pass runs, and the tables of what went in.

use std::{collections::BTreeMap, ops::Range};

use polars::prelude::*;
use rayon::prelude::*;

use super::frame::to_parquet;
use crate::{
    corpus::{Sequence, Span},
    error::Result,
    routing::{GroupRule, LayerId, LayerRouting, RoutingObserver, RoutingShape},
    run::{RunDir, Written},
};

/// Tokens after which a segment is closed (at the end of the routing group that reaches it).
pub const SEGMENT_TOKENS: usize = 16_384;

/// Consecutive routing groups that share the parts of the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Sequences, by input order.
    pub sequences: Range<usize>,
    /// Routing groups, by input order.
    pub groups: Range<usize>,
    /// Tokens of the segment.
    pub tokens: usize,
}

/// How a run's sequences are laid out: routing groups, segments, routed layers. Decided by the input and the model's shape.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceLayout {
    /// Routing groups as ranges of sequences.
    pub groups: Vec<Range<usize>>,
    /// Tokens of each routing group.
    pub group_tokens: Vec<usize>,
    /// Segments in input order.
    pub segments: Vec<Segment>,
    /// The routed layers.
    pub shape: RoutingShape,
}

impl TraceLayout {
    /// Lays out sequences of the given lengths.
    pub fn new(lengths: &[usize], rule: GroupRule, shape: RoutingShape) -> Self {
        let groups = rule.partition(lengths);
        let group_tokens: Vec<usize> = groups.iter().map(|group| lengths[group.clone()].iter().sum()).collect();
        let mut segments: Vec<Segment> = Vec::new();
        for (index, (group, &tokens)) in groups.iter().zip(&group_tokens).enumerate() {
            match segments.last_mut().filter(|segment| segment.tokens < SEGMENT_TOKENS) {
                Some(segment) => {
                    segment.sequences.end = group.end;
                    segment.groups.end = index + 1;
                    segment.tokens += tokens;
                }
                None => segments.push(Segment { sequences: group.clone(), groups: index..index + 1, tokens }),
            }
        }
        Self { groups, group_tokens, segments, shape }
    }

    /// Slots per expert of every routing group in every routed layer, `[groups][layers]`.
    ///
    /// # Errors
    /// [`crate::error::Error::Usage`] if a group is left without a slot.
    pub fn capacities(&self) -> Result<Vec<Vec<u32>>> {
        let of_group = |tokens: &usize| self.shape.layers().map(|(_, layer)| layer.slots(*tokens)).collect();
        self.group_tokens.iter().map(of_group).collect()
    }

    /// Number of the part that holds a layer of a segment: parts are segment-major, then layer.
    pub fn part(&self, segment: usize, layer_index: usize) -> usize {
        segment * self.shape.len() + layer_index
    }

    /// The segments of which a part is missing or not what was written. Returns also how many files are there and are not.
    pub fn missing(&self, run: &RunDir, log_logits: bool) -> (Vec<usize>, usize) {
        let folders = &["trace", "router", "logits"][..if log_logits { 3 } else { 2 }];
        let broken = |segment: usize| -> (usize, usize) {
            let parts = (0..self.shape.len()).map(|layer| self.part(segment, layer));
            let names = parts.flat_map(|part| folders.iter().map(move |folder| part_name(folder, part)));
            let broken: Vec<String> = names.filter(|name| !run.is_intact(name)).collect();
            (broken.len(), broken.iter().filter(|name| run.file(name).is_file()).count())
        };
        let counts: Vec<(usize, usize)> = (0..self.segments.len()).into_par_iter().map(broken).collect();
        let missing = (0..).zip(&counts).filter(|(_, (broken, _))| *broken > 0).map(|(segment, _)| segment).collect();
        (missing, counts.iter().map(|(_, damaged)| damaged).sum())
    }
}

/// File name of a part, as in `trace/part-00042.parquet`.
pub(super) fn part_name(folder: &str, part: usize) -> String {
    format!("{folder}/part-{part:05}.parquet")
}

/// Columns of a part that is being filled.
#[derive(Default)]
struct Columns {
    sequence: Vec<u32>,
    position: Vec<u32>,
    token_id: Vec<u32>,
    expert: Vec<u16>,
    probability: Vec<f32>,
    slot: Vec<u32>,
    dropped: Vec<bool>,
    entropy: Vec<f32>,
    margin_first: Vec<f32>,
    margin_k: Vec<f32>,
    logits: Vec<f32>,
}

/// One layer of one segment, ready to be written.
pub struct FinishedPart {
    columns: Columns,
    layer: LayerId,
    part: usize,
    top_k: usize,
    num_experts: usize,
    log_logits: bool,
}

impl FinishedPart {
    /// Writes the part's files: trace/, router/ and, if they are kept, logits/. They count when the run lists them.
    ///
    /// # Errors
    /// Those of writing.
    pub fn write(self, run: &RunDir) -> Result<Written> {
        let Self { columns, layer, part, top_k, num_experts, log_logits } = self;
        let rows = columns.expert.len();
        let spread = |values: &[u32]| values.iter().flat_map(|&v| std::iter::repeat_n(v, top_k)).collect::<Vec<u32>>();
        let choice: Vec<u8> = (0..rows).map(|row| (row % top_k) as u8).collect();
        let trace = vec![
            Column::new("sequence".into(), spread(&columns.sequence)),
            Column::new("layer".into(), vec![layer; rows]),
            Column::new("position".into(), spread(&columns.position)),
            Column::new("choice".into(), choice),
            Column::new("token_id".into(), spread(&columns.token_id)),
            Column::new("expert".into(), columns.expert),
            Column::new("probability".into(), columns.probability),
            Column::new("slot".into(), columns.slot),
            Column::new("dropped".into(), columns.dropped),
        ];
        let mut files = vec![(part_name("trace", part), to_parquet(trace)?)];
        let place = vec![
            Column::new("layer".into(), vec![layer; columns.position.len()]),
            Column::new("sequence".into(), columns.sequence),
            Column::new("position".into(), columns.position),
        ];
        if log_logits {
            let rows: ListChunked =
                columns.logits.chunks_exact(num_experts).map(|row| Some(Series::new(PlSmallStr::EMPTY, row))).collect();
            let mut logits = in_contract_order(&place);
            logits.push(rows.with_name("logits".into()).into_column());
            files.push((part_name("logits", part), to_parquet(logits)?));
        }
        let mut router = in_contract_order(&place);
        router.push(Column::new("entropy".into(), columns.entropy));
        router.push(Column::new("margin_first".into(), columns.margin_first));
        router.push(Column::new("margin_k".into(), columns.margin_k));
        files.push((part_name("router", part), to_parquet(router)?));
        run.write_unlisted(&files)
    }
}

/// Listens to the forward pass and passes each part on as soon as its last routing group has been seen. A segment may
/// come in several waves: its layers are all kept until they are whole.
pub struct TraceWriter<'a> {
    layout: &'a TraceLayout,
    sequences: &'a [Sequence],
    log_logits: bool,
    /// By MoE layer: what has been seen of the segment.
    columns: Vec<Columns>,
    write: Box<dyn FnMut(FinishedPart) -> Result<()> + 'a>,
}

impl<'a> TraceWriter<'a> {
    /// A writer into a run folder; `log_logits` keeps the router logits of every token too.
    pub fn new(run: &'a RunDir, layout: &'a TraceLayout, sequences: &'a [Sequence], log_logits: bool) -> Self {
        Self::with(layout, sequences, log_logits, move |part| run.list(part.write(run)?))
    }

    /// A writer that hands finished parts to `write`, for example to send them to a thread that writes.
    pub fn with(
        layout: &'a TraceLayout,
        sequences: &'a [Sequence],
        log_logits: bool,
        write: impl FnMut(FinishedPart) -> Result<()> + 'a,
    ) -> Self {
        let columns = layout.shape.layers().map(|_| Columns::default()).collect();
        Self { layout, sequences, log_logits, columns, write: Box::new(write) }
    }

    fn append(&mut self, layer: usize, routing: &LayerRouting) {
        let columns = &mut self.columns[layer];
        for sequence in routing.sequences.clone() {
            let ids = &self.sequences[sequence as usize].token_ids;
            columns.sequence.extend(std::iter::repeat_n(sequence, ids.len()));
            columns.position.extend(0..ids.len() as u32);
            columns.token_id.extend(ids);
        }
        columns.expert.extend(&routing.expert);
        columns.probability.extend(&routing.probability);
        columns.slot.extend(&routing.slot);
        columns.dropped.extend(&routing.dropped);
        columns.entropy.extend(&routing.entropy);
        columns.margin_first.extend(&routing.margin_first);
        columns.margin_k.extend(&routing.margin_k);
        if self.log_logits {
            columns.logits.extend(&routing.router_logits);
        }
    }
}

/// sequence, layer, position from layer, sequence, position.
fn in_contract_order(place: &[Column]) -> Vec<Column> {
    vec![place[1].clone(), place[0].clone(), place[2].clone()]
}

impl RoutingObserver for TraceWriter<'_> {
    fn observe_routing(&mut self, routing: &LayerRouting) -> Result<()> {
        let layer = self.layout.shape.moe_layers().partition_point(|&layer| layer < routing.layer);
        self.append(layer, routing);
        let group = routing.group as usize;
        let segment = self.layout.segments.partition_point(|segment| segment.groups.end <= group);
        if group + 1 < self.layout.segments[segment].groups.end {
            return Ok(());
        }
        (self.write)(FinishedPart {
            columns: std::mem::take(&mut self.columns[layer]),
            layer: routing.layer,
            part: self.layout.part(segment, layer),
            top_k: routing.top_k,
            num_experts: routing.num_experts,
            log_logits: self.log_logits,
        })
    }
}

/// Writes `sequences.parquet`, `groups.parquet`, `tokens.parquet` and, if there are conversations, `spans.parquet`:
/// everything that is known before the forward pass.
/// `checkpoint` is the checkpoint's label; `text` gives the piece of a token id, where there is a tokenizer.
///
/// # Errors
/// Writing errors; a capacity of zero.
pub fn write_inputs(
    run: &RunDir,
    layout: &TraceLayout,
    sequences: &[Sequence],
    checkpoint: &str,
    text: impl Fn(u32) -> Option<String>,
) -> Result<()> {
    let collect = |field: fn(&Sequence) -> &str| sequences.iter().map(field).collect::<Vec<_>>();
    let table = vec![
        Column::new("sequence".into(), (0..sequences.len() as u32).collect::<Vec<_>>()),
        Column::new("source".into(), collect(|s| &s.source)),
        Column::new("document".into(), collect(|s| &s.document)),
        Column::new("category".into(), sequences.iter().map(|s| s.category.as_deref()).collect::<Vec<_>>()),
        Column::new("checkpoint".into(), vec![checkpoint; sequences.len()]),
        Column::new("tokens".into(), sequences.iter().map(|s| s.token_ids.len() as u32).collect::<Vec<_>>()),
        Column::new("truncated".into(), sequences.iter().map(|s| s.truncated).collect::<Vec<_>>()),
        Column::new("dataset".into(), collect(|s| &s.dataset)),
    ];
    run.write("sequences.parquet", &to_parquet(table)?)?;
    write_spans(run, sequences)?;
    write_groups(run, layout)?;
    let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
    for id in sequences.iter().flat_map(|sequence| &sequence.token_ids) {
        *counts.entry(*id).or_default() += 1;
    }
    let table = vec![
        Column::new("token_id".into(), counts.keys().copied().collect::<Vec<_>>()),
        Column::new("text".into(), counts.keys().map(|&id| text(id)).collect::<Vec<_>>()),
        Column::new("count".into(), counts.values().copied().collect::<Vec<_>>()),
    ];
    run.write("tokens.parquet", &to_parquet(table)?)
}

/// One row per message; no file for plain text.
fn write_spans(run: &RunDir, sequences: &[Sequence]) -> Result<()> {
    let spans: Vec<(u32, Span)> = (0..)
        .zip(sequences)
        .flat_map(|(index, sequence)| sequence.spans.iter().map(move |span| (index, *span)))
        .collect();
    if spans.is_empty() {
        return Ok(());
    }
    let number = |field: fn(&Span) -> u32| spans.iter().map(|(_, span)| field(span)).collect::<Vec<_>>();
    let table = vec![
        Column::new("sequence".into(), spans.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>()),
        Column::new("turn".into(), spans.iter().map(|(_, span)| span.turn).collect::<Vec<_>>()),
        Column::new("role".into(), spans.iter().map(|(_, span)| span.role.name()).collect::<Vec<_>>()),
        Column::new("start".into(), number(|span| span.start)),
        Column::new("end".into(), number(|span| span.end)),
    ];
    run.write("spans.parquet", &to_parquet(table)?)
}

fn write_groups(run: &RunDir, layout: &TraceLayout) -> Result<()> {
    let capacities = layout.capacities()?;
    let (mut group_column, mut sequence_column, mut layer_column) = (Vec::new(), Vec::new(), Vec::new());
    let (mut capacity_column, mut tokens_column) = (Vec::new(), Vec::new());
    for (index, group) in layout.groups.iter().enumerate() {
        for sequence in group.clone() {
            for (&layer, &capacity) in layout.shape.moe_layers().iter().zip(&capacities[index]) {
                group_column.push(index as u32);
                sequence_column.push(sequence as u32);
                layer_column.push(layer);
                capacity_column.push(capacity);
                tokens_column.push(layout.group_tokens[index] as u32);
            }
        }
    }
    let table = vec![
        Column::new("group".into(), group_column),
        Column::new("sequence".into(), sequence_column),
        Column::new("layer".into(), layer_column),
        Column::new("capacity".into(), capacity_column),
        Column::new("tokens".into(), tokens_column),
    ];
    run.write("groups.parquet", &to_parquet(table)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::LayerShape;

    #[test]
    fn segments_are_whole_groups_and_close_at_their_size() {
        let shape = |layers| RoutingShape::uniform(layers, LayerShape::of_choices(4, 2));
        let lengths = [SEGMENT_TOKENS - 1, 1, 5, SEGMENT_TOKENS, 7];
        let layout = TraceLayout::new(&lengths, GroupRule::Sequence, shape(vec![1, 3]));
        let sequences: Vec<_> = layout.segments.iter().map(|segment| segment.sequences.clone()).collect();
        assert_eq!(sequences, [0..2, 2..4, 4..5]);
        assert_eq!(layout.part(2, 1), 5);
        let layout = TraceLayout::new(&lengths, GroupRule::Batch(3), shape(vec![1]));
        let groups: Vec<_> = layout.segments.iter().map(|segment| segment.groups.clone()).collect();
        assert_eq!(groups, [0..1, 1..2]);
    }
}
