//! Writes the trace while the forward pass runs.

use super::{
    layout::TraceLayout,
    part::{FinishedPart, LayerPart, LossPart, PartColumns},
};
use crate::{
    corpus::Sequence,
    error::Result,
    routing::{Block, LayerRouting, LayerShape, Provides, RoutingObserver},
    run::RunDir,
};

/// Observes the forward pass and passes each part on as soon as its last routing group has been seen. A segment may be cut
/// into several waves: all its layers are then kept until they are whole.
pub struct TraceWriter<'a> {
    layout: &'a TraceLayout,
    sequences: &'a [Sequence],
    provides: Provides,
    /// The rows of the current segment that have been seen, by MoE layer.
    columns: Vec<PartColumns>,
    /// The losses of the current segment that have been seen.
    losses: LossPart,
    write: Box<dyn FnMut(FinishedPart) -> Result<()> + 'a>,
}

impl<'a> TraceWriter<'a> {
    /// A writer into a run folder; `provides` says which blocks are kept.
    pub fn new(run: &'a RunDir, layout: &'a TraceLayout, sequences: &'a [Sequence], provides: Provides) -> Self {
        Self::with(layout, sequences, provides, move |part| run.list(part.write(run)?))
    }

    /// A writer that hands finished parts to `write`, for example to send them to a thread that writes.
    pub fn with(
        layout: &'a TraceLayout,
        sequences: &'a [Sequence],
        provides: Provides,
        write: impl FnMut(FinishedPart) -> Result<()> + 'a,
    ) -> Self {
        let columns = layout.shape.layers().map(|_| PartColumns::default()).collect();
        Self { layout, sequences, provides, columns, losses: LossPart::default(), write: Box::new(write) }
    }

    /// Takes the losses of consecutive sequences, `-log p(token s + 1)` for every position but the last. They come in input order,
    /// after the routing of the same sequences.
    ///
    /// # Errors
    /// Those of writing.
    pub fn observe_losses(&mut self, first_sequence: usize, losses: &[Vec<f32>]) -> Result<()> {
        for (sequence, losses) in (first_sequence..).zip(losses) {
            self.losses.sequence.extend(std::iter::repeat_n(sequence as u32, losses.len()));
            self.losses.position.extend(0..losses.len() as u32);
            self.losses.loss.extend(losses);
            let segment = self.layout.segments.partition_point(|segment| segment.sequences.end <= sequence);
            if sequence + 1 == self.layout.segments[segment].sequences.end {
                let whole = std::mem::take(&mut self.losses);
                (self.write)(FinishedPart::Losses(LossPart { part: segment, ..whole }))?;
            }
        }
        Ok(())
    }

    fn append(&mut self, layer: usize, routing: &LayerRouting) {
        let columns = &mut self.columns[layer];
        for sequence in routing.sequences.clone() {
            let ids = &self.sequences[sequence as usize].token_ids;
            columns.sequence.extend(std::iter::repeat_n(sequence, ids.len()));
            columns.position.extend(0..ids.len() as u32);
            columns.token_id.extend(ids);
        }
        columns.append(routing, self.provides.has(Block::Logits));
    }
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
        (self.write)(FinishedPart::Layer(Box::new(LayerPart {
            columns: std::mem::take(&mut self.columns[layer]),
            layer: routing.layer,
            part: self.layout.part(segment, layer),
            shape: LayerShape::of_choices(routing.num_experts, routing.top_k),
            provides: self.provides,
        })))
    }
}
