//! A capacity that somebody asks about, of a record without drops or with those of another capacity: which of its choices would
//! have found no slot?

use std::ops::Range;

use super::study::{Group, requeued};
use crate::{
    error::{Error, Result},
    routing::{Block, CapacityPolicy, GroupRule, LayerShape, RecordedDrops},
    trace::{GroupTable, LayerTrace, SequenceTable},
};

/// Slots and routing groups for a trace that was recorded without any, or with others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AskedCapacity {
    /// How sequences are joined into routing groups.
    pub group: GroupRule,
    /// Slots of an expert.
    pub policy: CapacityPolicy,
    /// What the trace says about a capacity of its own.
    pub own: OwnCapacity,
}

/// What a trace says about a capacity of its own where another one, or none of its drops, decides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OwnCapacity {
    /// Nothing: an engine recorded the choices alone.
    NotRecorded,
    /// The model limits no expert.
    NoneInModel,
    /// How it was set, what was dropped, or both.
    Recorded(RecordedDrops),
}

impl AskedCapacity {
    /// A layer at this capacity.
    pub fn of(&self, shape: &LayerShape) -> LayerShape {
        LayerShape { capacity: Some(self.policy), ..*shape }
    }

    /// The routing groups of a layer, and their slots.
    ///
    /// # Errors
    /// [`Error::Usage`] if a group would have no slot.
    pub fn groups(&self, shape: &LayerShape, sequences: &SequenceTable) -> Result<GroupTable> {
        let lengths: Vec<usize> = sequences.tokens.iter().map(|tokens| *tokens as usize).collect();
        let mut table = GroupTable::default();
        for members in self.group.partition(&lengths) {
            table.capacity.push(self.of(shape).slots(lengths[members.clone()].iter().sum())?);
            table.sequences.push(members.start as u32..members.end as u32);
        }
        Ok(table)
    }

    /// Says of every choice of a layer whether it would have been kept. Where the order of a token's choices is not known, only how
    /// many an expert loses is certain, and the trace goes on without drops, those that were recorded at another capacity too.
    ///
    /// # Errors
    /// [`Error::Internal`] if the groups do not cover the rows of the layer.
    pub fn apply(trace: &mut LayerTrace, table: &GroupTable, sequences: &SequenceTable) -> Result<()> {
        if !trace.provides.has(Block::Ranks) {
            trace.provides = trace.provides.without(Block::Drops);
            trace.kept.clear();
            return Ok(());
        }
        let mut row = 0;
        let group = |(members, &capacity): (&Range<u32>, &u32)| {
            let members = members.start as usize..members.end as usize;
            let first = row;
            row += sequences.tokens[members].iter().map(|tokens| *tokens as usize).sum::<usize>();
            Group { rows: first..row, capacity }
        };
        let groups: Vec<Group> = table.sequences.iter().zip(&table.capacity).map(group).collect();
        if row * trace.top_k != trace.expert.len() {
            let (layer, rows) = (trace.layer, trace.expert.len() / trace.top_k);
            return Err(Error::internal(format!("layer {layer} has {rows} rows, its sequences {row} tokens")));
        }
        trace.kept = requeued(&groups, trace, &trace.expert).into_iter().map(|dropped| !dropped).collect();
        trace.provides = trace.provides.with(Block::Drops);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::CapacityRule;

    #[test]
    fn what_finds_no_slot_is_dropped() {
        let policy = CapacityPolicy { rule: CapacityRule::Port, factor: 1.0, minimum: 0 };
        let asked = AskedCapacity { group: GroupRule::Sequence, policy, own: OwnCapacity::NotRecorded };
        let shape = LayerShape::of_choices(2, 1);
        // Four tokens, two experts: two slots each. The fifth token is alone and would have none, odd ones become even.
        let sequences = SequenceTable { tokens: vec![4, 2], ..SequenceTable::default() };
        let groups = asked.groups(&shape, &sequences).unwrap();
        assert_eq!(groups.capacity, [2, 2]);
        let mut trace =
            LayerTrace { num_experts: 2, top_k: 1, expert: vec![0, 0, 0, 1, 1, 1], ..LayerTrace::default() };
        AskedCapacity::apply(&mut trace, &groups, &sequences).unwrap();
        assert_eq!(trace.kept, [true, true, false, true, true, true]);
        let unranked = trace.provides.without(Block::Ranks).without(Block::Drops);
        let mut trace = LayerTrace { provides: unranked, kept: Vec::new(), ..trace };
        AskedCapacity::apply(&mut trace, &groups, &sequences).unwrap();
        assert!(trace.kept.is_empty() && !trace.provides.has(Block::Drops));
        assert!(asked.groups(&shape, &SequenceTable { tokens: vec![1], ..sequences }).is_err());
    }
}
