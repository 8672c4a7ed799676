//! A part of a trace: one layer of one segment.

use polars::prelude::*;
use serde_json::json;

use super::frame::{to_parquet, to_parquet_with};
use crate::{
    error::Result,
    routing::{Block, LayerId, LayerRouting, LayerShape, Provides},
    run::{RunDir, Written},
};

/// Key of the Parquet metadata that records what the trace provides, as the manifest does.
pub(super) const PROVIDES: &str = "openmoe_analyze.provides";

/// Key of the Parquet metadata that records the number of tokens for which equal scores decided, where there are any.
pub(super) const TIES: &str = "openmoe_analyze.ties";

/// File name of a part, as in `trace/part-00042.parquet`.
pub(super) fn part_name(folder: &str, part: usize) -> String {
    format!("{folder}/part-{part:05}.parquet")
}

/// Columns of a part that is being filled. The columns of a block that the trace does not provide stay empty.
#[derive(Default)]
pub(super) struct PartColumns {
    /// Index of the sequence, `[tokens]`.
    pub(super) sequence: Vec<u32>,
    /// Position in the sequence, `[tokens]`.
    pub(super) position: Vec<u32>,
    /// Token id, `[tokens]`.
    pub(super) token_id: Vec<u32>,
    /// Chosen experts, first choice first, `[tokens, top_k]`.
    pub(super) expert: Vec<u16>,
    /// Gate probability of every choice, `[tokens, top_k]`.
    pub(super) probability: Vec<f32>,
    /// Weight of every choice in the output, `[tokens, top_k]`.
    pub(super) combine_weight: Vec<f32>,
    /// Place of every choice in the queue of its expert, `[tokens, top_k]`.
    pub(super) slot: Vec<u32>,
    /// Whether the choice found no slot, `[tokens, top_k]`.
    pub(super) dropped: Vec<bool>,
    /// Entropy of the gate, `[tokens]`.
    pub(super) entropy: Vec<f32>,
    /// How far the first choice is ahead of the second, `[tokens]`.
    pub(super) margin_first: Vec<f32>,
    /// How far the last choice is ahead of the best expert that was not chosen, `[tokens]`.
    pub(super) margin_k: Vec<f32>,
    /// Router logits, `[tokens, num_experts]`.
    pub(super) logits: Vec<f32>,
    /// Tokens for which equal scores decided.
    pub(super) ties: u64,
}

impl PartColumns {
    /// Appends what a router decided; the caller appends sequences, positions and token ids.
    pub(super) fn append(&mut self, routing: &LayerRouting, log_logits: bool) {
        self.expert.extend(&routing.expert);
        self.probability.extend(&routing.probability);
        self.combine_weight.extend(&routing.combine_weight);
        self.slot.extend(&routing.slot);
        self.dropped.extend(&routing.dropped);
        self.entropy.extend(&routing.entropy);
        self.margin_first.extend(&routing.margin_first);
        self.margin_k.extend(&routing.margin_k);
        self.ties += routing.ties;
        if log_logits {
            self.logits.extend(&routing.router_logits);
        }
    }
}

/// A part of a trace, ready to be written.
pub enum FinishedPart {
    /// One layer of one segment.
    Layer(Box<LayerPart>),
    /// The losses of one segment.
    Losses(LossPart),
}

impl FinishedPart {
    /// Writes the part's files. They belong to the run only after [`RunDir::list`].
    ///
    /// # Errors
    /// Those of writing.
    pub fn write(self, run: &RunDir) -> Result<Written> {
        match self {
            Self::Layer(part) => part.write(run),
            Self::Losses(part) => part.write(run),
        }
    }
}

/// The loss of every next token of one segment.
#[derive(Default)]
pub struct LossPart {
    /// Number in the name of the file: the segment.
    pub(super) part: usize,
    /// Index of the sequence, `[next tokens]`.
    pub(super) sequence: Vec<u32>,
    /// Position of the token that is followed, `[next tokens]`.
    pub(super) position: Vec<u32>,
    /// `-log p` of the token that follows, in nats, `[next tokens]`.
    pub(super) loss: Vec<f32>,
}

impl LossPart {
    fn write(self, run: &RunDir) -> Result<Written> {
        let Self { part, sequence, position, loss } = self;
        let columns = vec![
            Column::new("sequence".into(), sequence),
            Column::new("position".into(), position),
            Column::new("loss".into(), loss),
        ];
        run.write_unlisted(&[(part_name("losses", part), to_parquet(columns)?)])
    }
}

/// One layer of one segment, ready to be written.
pub struct LayerPart {
    /// The numbers.
    pub(super) columns: PartColumns,
    /// Decoder layer.
    pub(super) layer: LayerId,
    /// Number in the names of the files.
    pub(super) part: usize,
    /// Experts and choices of the layer.
    pub(super) shape: LayerShape,
    /// Which columns are filled.
    pub(super) provides: Provides,
}

impl LayerPart {
    /// Writes the part's files: trace/ and, as far as the trace provides them, router/ and logits/. They belong to the run only
    /// after [`RunDir::list`].
    ///
    /// # Errors
    /// Those of writing.
    fn write(self, run: &RunDir) -> Result<Written> {
        let Self { mut columns, layer, part, shape, provides } = self;
        let mut metadata = vec![(PROVIDES.to_owned(), json!(provides).to_string())];
        if columns.ties > 0 {
            metadata.push((TIES.to_owned(), columns.ties.to_string()));
        }
        let choices = choices(&mut columns, layer, shape.top_k, provides);
        let mut files = vec![(part_name("trace", part), to_parquet_with(choices, metadata)?)];
        let rows = columns.position.len();
        let place = [
            Column::new("sequence".into(), columns.sequence),
            Column::new("layer".into(), vec![layer; rows]),
            Column::new("position".into(), columns.position),
        ];
        if provides.has(Block::Logits) {
            let rows = columns.logits.chunks_exact(shape.num_experts);
            let rows: ListChunked = rows.map(|row| Some(Series::new(PlSmallStr::EMPTY, row))).collect();
            let mut logits = place.to_vec();
            logits.push(rows.with_name("logits".into()).into_column());
            files.push((part_name("logits", part), to_parquet(logits)?));
        }
        if provides.has_router() {
            let measured = [
                (Block::Entropy, columns.entropy),
                (Block::MarginFirst, columns.margin_first),
                (Block::MarginK, columns.margin_k),
            ];
            let mut router = place.to_vec();
            for (block, values) in measured.into_iter().filter(|(block, _)| provides.has(*block)) {
                router.push(Column::new(block.name().into(), values));
            }
            files.push((part_name("router", part), to_parquet(router)?));
        }
        run.write_unlisted(&files)
    }
}

/// The columns of trace/, one row per choice. Moves those of `columns` that have one value per choice.
fn choices(columns: &mut PartColumns, layer: LayerId, top_k: usize, provides: Provides) -> Vec<Column> {
    let rows = columns.expert.len();
    let spread = |values: &[u32]| values.iter().flat_map(|&v| std::iter::repeat_n(v, top_k)).collect::<Vec<u32>>();
    let choice: Vec<u8> = (0..rows).map(|row| (row % top_k) as u8).collect();
    let mut table = vec![
        Column::new("sequence".into(), spread(&columns.sequence)),
        Column::new("layer".into(), vec![layer; rows]),
        Column::new("position".into(), spread(&columns.position)),
        Column::new("choice".into(), choice),
    ];
    if provides.has(Block::TokenIds) {
        table.push(Column::new("token_id".into(), spread(&columns.token_id)));
    }
    table.push(Column::new("expert".into(), std::mem::take(&mut columns.expert)));
    for (block, values) in
        [(Block::Probability, &mut columns.probability), (Block::CombineWeight, &mut columns.combine_weight)]
    {
        if provides.has(block) {
            table.push(Column::new(block.name().into(), std::mem::take(values)));
        }
    }
    if provides.has(Block::Slots) {
        table.push(Column::new("slot".into(), std::mem::take(&mut columns.slot)));
    }
    if provides.has(Block::Drops) {
        table.push(Column::new("dropped".into(), std::mem::take(&mut columns.dropped)));
    }
    table
}
