//! The queues of a replay: the groups of competing tokens and their order decide every slot before a capacity is known.

use std::ops::Range;

use crate::{
    routing::{ExpertId, LayerId, QueueOrder, queue_slots},
    stats::Priority,
};

impl Priority {
    /// The order in which the tokens of a group queue; `seed` is that of a random one.
    pub(super) fn queue_order(self, seed: u64) -> QueueOrder {
        match self {
            Self::Position => QueueOrder::Position,
            Self::GateProbability => QueueOrder::Probability,
            Self::Random => QueueOrder::Random { seed },
        }
    }
}

/// The choices of a layer, occurrence-major.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choices<'a> {
    /// Decoder layer index: names the random streams.
    pub(super) layer: LayerId,
    /// Seed of the random order.
    pub(super) seed: u64,
    /// Experts of the layer.
    pub(super) num_experts: usize,
    /// Choices per occurrence.
    pub(super) top_k: usize,
    /// `[occurrences, top_k]`.
    pub(super) expert: &'a [ExpertId],
    /// `[occurrences, top_k]`.
    pub(super) probability: &'a [f32],
}

impl Choices<'_> {
    /// Queue slots of all occurrences, `[occurrences, top_k]`; `groups` are consecutive and cover all. O(occurrences),
    /// but for the sort by gate probability.
    pub(super) fn slots(&self, groups: &[Range<usize>], priority: Priority) -> Vec<u32> {
        let mut slots = Vec::with_capacity(self.expert.len());
        let mut own = Vec::new();
        for (index, group) in groups.iter().enumerate() {
            let first_gate = |token: usize| self.probability[(group.start + token) * self.top_k];
            let order = priority.queue_order(self.seed).order(self.layer, index as u32, group.len(), first_gate);
            let expert = &self.expert[group.start * self.top_k..group.end * self.top_k];
            let tokens = order.iter().map(|token| *token as usize);
            queue_slots(expert, self.top_k, self.num_experts, &tokens, &mut own);
            slots.extend_from_slice(&own);
        }
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three tokens of one group, all first choices expert 0; second choices 1, 1, 0 of two experts is not possible
    /// with distinct choices, so the third token takes 1 first and 0 second.
    fn choices<'a>(expert: &'a [ExpertId], probability: &'a [f32]) -> Choices<'a> {
        Choices { layer: 3, seed: 0, num_experts: 3, top_k: 2, expert, probability }
    }

    #[test]
    fn slots_by_position_and_by_gate_probability() {
        // Token 0: 0 then 1; token 1: 0 then 2; token 2: 1 then 0. Gates of the first choices 0.4, 0.6, 0.5.
        let (expert, gate) = ([0, 1, 0, 2, 1, 0], [0.4, 0.3, 0.6, 0.2, 0.5, 0.1]);
        let all = std::slice::from_ref(&(0..3));
        // First choices: expert 0 has tokens 0, 1; expert 1 has token 2. Then the second choices behind them.
        assert_eq!(choices(&expert, &gate).slots(all, Priority::Position), [0, 1, 1, 0, 0, 2]);
        // Order 1, 2, 0.
        assert_eq!(choices(&expert, &gate).slots(all, Priority::GateProbability), [1, 1, 0, 0, 0, 2]);
        // In groups of one token every slot is free.
        assert_eq!(choices(&expert, &gate).slots(&[0..1, 1..2, 2..3], Priority::GateProbability), [0; 6]);
    }

    #[test]
    fn equal_gates_queue_by_position_and_random_orders_repeat() {
        let (expert, gate) = ([0, 1, 0, 1, 0, 1], [0.5; 6]);
        let all = std::slice::from_ref(&(0..3));
        assert_eq!(choices(&expert, &gate).slots(all, Priority::GateProbability), [0, 0, 1, 1, 2, 2]);
        let random = choices(&expert, &gate).slots(all, Priority::Random);
        assert_eq!(random, choices(&expert, &gate).slots(all, Priority::Random));
        let mut first: Vec<u32> = random.iter().step_by(2).copied().collect();
        first.sort_unstable();
        assert_eq!(first, [0, 1, 2]);
    }
}
