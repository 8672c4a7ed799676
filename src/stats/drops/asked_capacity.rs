//! A capacity that a record does not have and somebody asks about: which of its choices would have found no slot?

use crate::{
    error::{Error, Result},
    routing::{Block, CapacityPolicy, GroupRule, LayerShape, RouterSettings, queue_slots},
    trace::{GroupTable, LayerTrace, SequenceTable},
};

/// Slots and routing groups for a trace that was recorded without any.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AskedCapacity {
    /// How sequences are joined into routing groups.
    pub group: GroupRule,
    /// Slots of an expert.
    pub policy: CapacityPolicy,
    /// Why the trace has no capacity of its own.
    pub reason: NoCapacity,
}

/// Why a trace has no capacity of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCapacity {
    /// An engine recorded the choices alone.
    NotRecorded,
    /// The model limits no expert.
    NoneInModel,
}

impl AskedCapacity {
    /// How a layer of this shape turns choices into assignments at this capacity.
    pub fn router(&self, shape: &LayerShape) -> RouterSettings {
        let CapacityPolicy { rule, factor, minimum } = self.policy;
        RouterSettings {
            num_experts: shape.num_experts,
            top_k: shape.top_k,
            capacity_rule: rule,
            capacity_factor: factor,
            min_capacity: minimum,
        }
    }

    /// The routing groups and their slots.
    ///
    /// # Errors
    /// [`Error::Usage`] if a group would have no slot.
    pub fn groups(&self, router: &RouterSettings, sequences: &SequenceTable) -> Result<GroupTable> {
        let lengths: Vec<usize> = sequences.tokens.iter().map(|tokens| *tokens as usize).collect();
        let mut table = GroupTable::default();
        for members in self.group.partition(&lengths) {
            table.capacity.push(router.capacity(lengths[members.clone()].iter().sum())?);
            table.sequences.push(members.start as u32..members.end as u32);
        }
        Ok(table)
    }

    /// Says of every choice of a layer whether it would have been kept. Where the order of a token's choices is not known, only how
    /// many an expert loses is certain, and the trace goes on without drops.
    ///
    /// # Errors
    /// [`Error::Internal`] if the groups do not cover the rows of the layer.
    pub fn apply(trace: &mut LayerTrace, groups: &GroupTable, sequences: &SequenceTable) -> Result<()> {
        if !trace.provides.has(Block::Ranks) {
            return Ok(());
        }
        let (mut row, mut slots) = (0, Vec::new());
        trace.kept.clear();
        for (members, capacity) in groups.sequences.iter().zip(&groups.capacity) {
            let members = members.start as usize..members.end as usize;
            let tokens: usize = sequences.tokens[members].iter().map(|tokens| *tokens as usize).sum();
            let choices = trace.expert.get(row * trace.top_k..(row + tokens) * trace.top_k).ok_or_else(|| {
                Error::internal(format!("layer {} has fewer rows than its sequences have tokens", trace.layer))
            })?;
            queue_slots(choices, trace.top_k, trace.num_experts, &(0..tokens), &mut slots);
            trace.kept.extend(slots.iter().map(|slot| slot < capacity));
            row += tokens;
        }
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
        let asked = AskedCapacity { group: GroupRule::Sequence, policy, reason: NoCapacity::NotRecorded };
        let router = asked.router(&LayerShape::of_choices(2, 1));
        // Four tokens, two experts: two slots each. The fifth token is alone and would have none, odd ones become even.
        let sequences = SequenceTable { tokens: vec![4, 2], ..SequenceTable::default() };
        let groups = asked.groups(&router, &sequences).unwrap();
        assert_eq!(groups.capacity, [2, 2]);
        let mut trace =
            LayerTrace { num_experts: 2, top_k: 1, expert: vec![0, 0, 0, 1, 1, 1], ..LayerTrace::default() };
        AskedCapacity::apply(&mut trace, &groups, &sequences).unwrap();
        assert_eq!(trace.kept, [true, true, false, true, true, true]);
        let unranked = trace.provides.without(Block::Ranks).without(Block::Drops);
        let mut trace = LayerTrace { provides: unranked, kept: Vec::new(), ..trace };
        AskedCapacity::apply(&mut trace, &groups, &sequences).unwrap();
        assert!(trace.kept.is_empty() && !trace.provides.has(Block::Drops));
        assert!(asked.groups(&router, &SequenceTable { tokens: vec![1], ..sequences }).is_err());
    }
}
