//! A dropped assignment goes to the next best expert with a free slot (Capacity-Aware Inference, arXiv 2503.05066, section 3.3).

use super::{ExpertId, LayerRouting, RouterCall, RoutingPolicy, assign::queue, scores::Scores};
use crate::error::Result;

/// The own router; what finds no slot goes elsewhere. All assignments that fit stay where they are. Then the dropped ones, all first
/// choices in the order of the text before all second ones, take the best expert by deciding score that has a free slot and that the
/// token does not have yet. Nobody loses a slot. The weights of a token that moved are those of its new choices by the model's own rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reroute;

impl RoutingPolicy for Reroute {
    fn route(&self, call: RouterCall<'_>) -> Result<LayerRouting> {
        let (rule, bias) = (call.rule, call.bias);
        let mut routing = call.choose();
        let tokens = 0..routing.tokens;
        queue(&mut routing, &tokens);
        if !routing.dropped.contains(&true) {
            return Ok(routing);
        }
        let (k, experts) = (routing.top_k, routing.num_experts);
        let mut scores = Scores::new(rule, bias, experts);
        let mut moved = vec![false; routing.tokens];
        for rank in 0..k {
            for (token, moved) in moved.iter_mut().enumerate() {
                let index = token * k + rank;
                if !routing.dropped[index] {
                    continue;
                }
                scores.set(&routing.router_logits[token * experts..(token + 1) * experts]);
                let held = &routing.expert[token * k..(token + 1) * k];
                let Some(expert) = best_free(&scores, held, &routing.used_capacity, routing.capacity) else { continue };
                routing.expert[index] = expert as ExpertId;
                routing.probability[index] = scores.probability[expert];
                routing.slot[index] = routing.used_capacity[expert];
                routing.used_capacity[expert] += 1;
                routing.dropped[index] = false;
                *moved = true;
            }
        }
        let (mut chosen, mut weights) = (Vec::new(), Vec::new());
        for token in (0..routing.tokens).filter(|token| moved[*token]) {
            let (row, own) = (token * experts..(token + 1) * experts, token * k..(token + 1) * k);
            chosen.clear();
            chosen.extend(routing.expert[own.clone()].iter().map(|expert| usize::from(*expert)));
            scores.set(&routing.router_logits[row.clone()]);
            weights.clear();
            scores.weigh(&routing.router_logits[row], &chosen, &mut weights);
            for (index, weight) in own.zip(&weights) {
                routing.combine_weight[index] = if routing.dropped[index] { 0.0 } else { *weight };
            }
        }
        Ok(routing)
    }
}

/// The expert with the largest deciding score among those that may be chosen, have a free slot and are not `held`; of equal scores the
/// lowest id.
fn best_free(scores: &Scores, held: &[ExpertId], used: &[u32], capacity: u32) -> Option<usize> {
    let deciding = scores.deciding();
    let free =
        |expert: &usize| used[*expert] < capacity && scores.is_open(*expert) && !held.contains(&(*expert as ExpertId));
    (0..deciding.len()).filter(free).reduce(|best, other| if deciding[other] > deciding[best] { other } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::{LayerShape, policy::tests::call};

    #[test]
    fn what_finds_no_slot_takes_the_next_best() {
        let (shape, ids) = (LayerShape::of_choices(3, 1), [&[1_u32, 1, 1][..]]);
        let logits = [3.0, 2.0, 1.0, 3.0, 2.0, 1.0, 3.0, 2.0, 1.0];
        let routing = Reroute.route(call(&shape, &ids, &logits, 1)).unwrap();
        assert_eq!((routing.expert, routing.slot), (vec![0, 1, 2], vec![0, 0, 0]));
        assert_eq!((routing.dropped, routing.used_capacity), (vec![false; 3], vec![1; 3]));
        assert_eq!(routing.combine_weight, routing.probability);
    }

    #[test]
    fn a_token_never_has_an_expert_twice_and_what_cannot_move_stays_dropped() {
        // Two choices of three experts, one slot each: six assignments, three slots.
        let (shape, ids) = (LayerShape::of_choices(3, 2), [&[1_u32, 1, 1][..]]);
        let logits = [3.0, 2.0, 1.0, 3.0, 2.0, 1.0, 3.0, 2.0, 1.0];
        let routing = Reroute.route(call(&shape, &ids, &logits, 1)).unwrap();
        // The first choices of tokens 1 and 2 find expert 0 taken. Expert 1 is that of token 0, expert 2 goes to token 1.
        assert_eq!(routing.expert, [0, 1, 2, 1, 0, 1]);
        assert_eq!(routing.dropped, [false, false, false, true, true, true]);
        assert!(
            routing.combine_weight.iter().zip(&routing.dropped).all(|(weight, dropped)| (*weight == 0.0) == *dropped)
        );
        assert!(routing.expert.chunks_exact(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn without_drops_nothing_changes() {
        let (shape, ids) = (LayerShape::of_choices(3, 1), [&[1_u32, 2][..]]);
        let logits = [3.0, 2.0, 1.0, 1.0, 2.0, 3.0];
        let own = call(&shape, &ids, &logits, 1).route();
        assert_eq!(Reroute.route(call(&shape, &ids, &logits, 1)).unwrap(), own);
    }
}
