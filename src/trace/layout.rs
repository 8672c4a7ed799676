//! How the sequences of a run are divided into the files of its trace.

use std::ops::Range;

use rayon::prelude::*;

use super::part::part_name;
use crate::{
    error::Result,
    routing::{Block, GroupRule, Provides, RoutingShape},
    run::RunDir,
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

/// How a run's sequences are divided: routing groups, segments, routed layers. The input and the model's shape decide it.
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

    /// The segments that have a missing or changed part of a trace that provides these blocks. Also returns the number of files that
    /// exist but are changed.
    pub fn missing(&self, run: &RunDir, provides: Provides) -> (Vec<usize>, usize) {
        let there = [("trace", true), ("router", provides.has_router()), ("logits", provides.has(Block::Logits))];
        let folders: Vec<&str> =
            there.into_iter().filter(|(_, is_there)| *is_there).map(|(folder, _)| folder).collect();
        let broken = |segment: usize| -> (usize, usize) {
            let parts = (0..self.shape.len()).map(|layer| self.part(segment, layer));
            let names = parts.flat_map(|part| folders.iter().map(move |folder| part_name(folder, part)));
            let losses = provides.has(Block::Losses).then(|| part_name("losses", segment));
            let broken: Vec<String> = names.chain(losses).filter(|name| !run.is_intact(name)).collect();
            (broken.len(), broken.iter().filter(|name| run.file(name).is_file()).count())
        };
        let counts: Vec<(usize, usize)> = (0..self.segments.len()).into_par_iter().map(broken).collect();
        let missing = (0..).zip(&counts).filter(|(_, (broken, _))| *broken > 0).map(|(segment, _)| segment).collect();
        (missing, counts.iter().map(|(_, damaged)| damaged).sum())
    }
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
