//! Experts that nobody learnt to choose: what a router is worth is seen beside them.

use super::{ExpertId, LayerRouting, RouterCall, RoutingPolicy, assign::queue, scores::own_scores};
use crate::{
    error::Result,
    random::{Purpose, Stream},
};

/// Draws other experts for every token. The weights of the router's own choices stay, rank by rank, so that only the experts differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Substitute {
    /// Experts at random for every token: what a model loses without any router.
    Random {
        /// The seed of the draws.
        seed: u64,
    },
    /// Experts that a hash of the token id names, the same for the id everywhere: what a table of ids is worth that nothing was trained
    /// for (Hash Layers, Roller et al. 2021, arXiv 2106.04426).
    Hash {
        /// The seed of the hash.
        seed: u64,
    },
}

impl Substitute {
    /// The stream that a token's experts are drawn from. Random streams are those of the sequence and position, so that neither waves nor
    /// groups change them.
    fn stream(self, layer: u16, sequence: u32, position: usize, id: u32) -> Stream {
        match self {
            Self::Random { seed } => {
                let index = (sequence as usize) << 24 | position;
                Stream::new(seed, layer, Purpose::RandomExperts, index)
            }
            Self::Hash { seed } => Stream::new(seed, layer, Purpose::HashedExperts, id as usize),
        }
    }
}

/// Distinct experts, uniform over all ordered choices (Floyd's sampling would lose the order): the beginning of a shuffle.
fn draw(stream: &mut Stream, experts: &mut [ExpertId], choices: usize) {
    for rank in 0..choices {
        let other = rank + stream.below((experts.len() - rank) as u32) as usize;
        experts.swap(rank, other);
    }
}

impl RoutingPolicy for Substitute {
    fn route(&self, mut call: RouterCall<'_>) -> Result<LayerRouting> {
        let (layer, k) = (call.layer, call.shape.top_k);
        let mut tokens = Vec::with_capacity(call.logits.len() / call.shape.num_experts);
        let (mut sequence_before, mut position) = (None, 0);
        for (sequence, id, _) in call.tokens_mut() {
            position = if sequence_before == Some(sequence) { position + 1 } else { 0 };
            sequence_before = Some(sequence);
            tokens.push((sequence, position, id));
        }
        let rule = call.rule;
        let mut routing = call.choose();
        let experts = routing.num_experts;
        let order: Vec<ExpertId> = (0..experts as u32).map(|expert| expert as ExpertId).collect();
        let mut drawn = order.clone();
        for (token, (sequence, position, id)) in tokens.into_iter().enumerate() {
            drawn.copy_from_slice(&order);
            draw(&mut self.stream(layer, sequence, position, id), &mut drawn, k);
            let shares = own_scores(rule, &routing.router_logits[token * experts..(token + 1) * experts]);
            for (rank, expert) in drawn[..k].iter().enumerate() {
                routing.expert[token * k + rank] = *expert;
                routing.probability[token * k + rank] = shares[usize::from(*expert)];
            }
        }
        // Nothing was ranked, so nothing was decided by the order of the ids.
        routing.ties = 0;
        let tokens = 0..routing.tokens;
        queue(&mut routing, &tokens);
        Ok(routing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::{LayerShape, policy::tests::call};

    #[test]
    fn an_id_has_its_experts_everywhere_and_a_place_has_its_own() {
        let shape = LayerShape::of_choices(16, 2);
        let ids = [&[5_u32, 6, 5][..], &[5][..]];
        let logits: Vec<f32> = (0..4 * 16).map(|index| (index % 7) as f32).collect();
        let routed = |policy: Substitute| policy.route(call(&shape, &ids, &logits, u32::MAX)).unwrap();
        let hashed = routed(Substitute::Hash { seed: 1 });
        assert_eq!(hashed.expert[0..2], hashed.expert[4..6]);
        assert_eq!(hashed.expert[0..2], hashed.expert[6..8]);
        assert_ne!(hashed.expert[0..2], hashed.expert[2..4]);
        let random = routed(Substitute::Random { seed: 1 });
        assert_ne!(random.expert[0..2], random.expert[4..6]);
        assert!(random.expert.chunks_exact(2).all(|pair| pair[0] != pair[1]));
        // The weights are those of the router's own choices.
        let own = call(&shape, &ids, &logits, u32::MAX).route();
        assert_eq!(random.combine_weight, own.combine_weight);
        assert_ne!(routed(Substitute::Random { seed: 2 }).expert, random.expert);
    }

    #[test]
    fn every_expert_is_drawn_about_equally_often() {
        let shape = LayerShape::of_choices(4, 2);
        let ids: Vec<u32> = (0..8000).collect();
        let ids = [ids.as_slice()];
        let routing = Substitute::Hash { seed: 0 }.route(call(&shape, &ids, &vec![0.0; 8000 * 4], u32::MAX)).unwrap();
        let mut first = [0; 4];
        routing.expert.iter().step_by(2).for_each(|expert| first[usize::from(*expert)] += 1);
        // 2,000 expected each, standard deviation 39.
        assert!(first.iter().all(|count| (1850..2150).contains(count)), "{first:?}");
        assert_eq!(routing.ties, 0);
    }
}
