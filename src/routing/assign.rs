//! From router logits to choices and slots, as the original's routers do it, but in O(tokens * experts) and without dispatch masks.

use super::{ExpertId, LayerRouting, RouterRule, RouterScore, RoutingShape, scores::Scores};

/// Routes one group as OpenMoE does: choices, probabilities, queue slots and drops from router logits `[tokens, num_experts]`.
///
/// `capacity` is the number of slots per expert ([`super::RouterSettings::capacity`]). Layer, group and sequences of the
/// result are left at their defaults for the caller to fill in.
///
/// # Panics
/// As [`route_by`].
pub fn route(router_logits: Vec<f32>, num_experts: usize, top_k: usize, capacity: u32) -> LayerRouting {
    route_by(&RouterRule::OPENMOE, None, router_logits, num_experts, top_k, capacity)
}

/// As [`route`], by any rule. `bias`, `[num_experts]`, is added to the scores for the ranking alone.
///
/// # Panics
/// If the logits are not a whole number of rows, if there are fewer experts than choices or if `top_k` is not within
/// 1 and [`RoutingShape::MOST_CHOICES`]: a checkpoint is validated before it routes.
pub fn route_by(
    rule: &RouterRule,
    bias: Option<&[f32]>,
    router_logits: Vec<f32>,
    num_experts: usize,
    top_k: usize,
    capacity: u32,
) -> LayerRouting {
    let mut routing = choose_by(rule, bias, router_logits, num_experts, top_k, capacity);
    let tokens = 0..routing.tokens;
    queue(&mut routing, &tokens);
    routing
}

/// The choices alone, before any token queues: no slots, no drops.
pub(super) fn choose_by(
    rule: &RouterRule,
    bias: Option<&[f32]>,
    router_logits: Vec<f32>,
    num_experts: usize,
    top_k: usize,
    capacity: u32,
) -> LayerRouting {
    assert!(
        (1..=RoutingShape::MOST_CHOICES).contains(&top_k) && num_experts >= top_k,
        "top-{top_k} of {num_experts} experts"
    );
    assert_eq!(router_logits.len() % num_experts, 0, "logits are [tokens, {num_experts}]");
    let tokens = router_logits.len() / num_experts;
    let mut routing = LayerRouting {
        tokens,
        num_experts,
        top_k,
        capacity,
        expert: Vec::with_capacity(tokens * top_k),
        probability: Vec::with_capacity(tokens * top_k),
        combine_weight: Vec::with_capacity(tokens * top_k),
        entropy: Vec::with_capacity(tokens),
        margin_first: Vec::with_capacity(tokens),
        margin_k: Vec::with_capacity(tokens),
        ..LayerRouting::default()
    };
    let mut scores = Scores::new(rule, bias, num_experts);
    let mut ranked = Ranked::default();
    let single_by_logit = top_k == 1 && rule.score == RouterScore::SoftmaxOrLogit;
    let mut ties = 0;
    for logits in router_logits.chunks_exact(num_experts) {
        scores.set(logits);
        ranked.clear();
        if single_by_logit {
            ranked.put(argmax(logits));
        }
        choose(logits, &scores, &mut ranked, &mut routing);
        let is_tied = if single_by_logit {
            is_largest_twice(logits, ranked.experts()[0])
        } else {
            is_tied(&scores, ranked.experts())
        };
        ties += u64::from(is_tied);
    }
    routing.ties = ties;
    routing.router_logits = router_logits;
    routing
}

/// The choices of one token: the largest deciding scores in descending order. Ties go to the lowest id (model.md, "Router and
/// capacity"). With OpenMoE's top-1 the argmax of the LOGITS is ranked already, as in the original.
fn choose(logits: &[f32], scores: &Scores, ranked: &mut Ranked, routing: &mut LayerRouting) {
    let (top_k, deciding) = (routing.top_k, scores.deciding());
    ranked.fill(deciding, top_k + 1);
    let (chosen, all) = (&ranked.experts()[..top_k], ranked.experts());
    for &expert in chosen {
        routing.expert.push(expert as ExpertId);
        routing.probability.push(scores.probability[expert]);
    }
    scores.weigh(logits, chosen, &mut routing.combine_weight);
    routing.entropy.push(entropy(&scores.probability));
    // Without another expert a probability is all margin; one of a group that is left out is no alternative.
    let margin = |rank: usize| match all.get(rank + 1) {
        Some(&next) if scores.is_open(next) => deciding[all[rank]] - deciding[next],
        Some(_) => f32::NAN,
        None => deciding[all[rank]],
    };
    routing.margin_first.push(margin(0));
    routing.margin_k.push(margin(top_k - 1));
}

/// Whether the lower id decided: two neighbours of a ranking have equal scores, or the last group that stays and the first that
/// does not.
fn is_tied(scores: &Scores, ranked: &[usize]) -> bool {
    let deciding = scores.deciding();
    let equals = |pair: &[usize]| deciding[pair[0]] == deciding[pair[1]] && scores.is_open(pair[1]);
    scores.groups_tie() || ranked.windows(2).any(equals)
}

/// Whether the largest value, which is at this place, occurs twice.
fn is_largest_twice(values: &[f32], largest: usize) -> bool {
    values.iter().filter(|value| **value == values[largest]).count() > 1
}

/// Experts in the order of preference: a partial selection in one pass over the experts.
#[derive(Default)]
struct Ranked {
    expert: Vec<usize>,
}

impl Ranked {
    fn experts(&self) -> &[usize] {
        &self.expert
    }

    /// Begins the ranking of another token.
    fn clear(&mut self) {
        self.expert.clear();
    }

    /// Appends an expert to the ranking.
    fn put(&mut self, expert: usize) {
        self.expert.push(expert);
    }

    /// Extends the ranking to `length` with those experts not ranked yet that have the largest values, largest first; of equal
    /// values the lowest expert comes first. An expert moves up only past strictly smaller values, so that equal ones keep their
    /// order.
    fn fill(&mut self, values: &[f32], length: usize) {
        let placed = self.expert.len();
        for (expert, value) in values.iter().enumerate() {
            if self.expert[..placed].contains(&expert) {
                continue;
            }
            let passes = |other: usize| values[other] < *value;
            if self.expert.len() < length {
                self.expert.push(expert);
            } else if !passes(self.expert[length - 1]) {
                continue;
            }
            let mut place = self.expert.len() - 1;
            while place > placed && passes(self.expert[place - 1]) {
                self.expert[place] = self.expert[place - 1];
                place -= 1;
            }
            self.expert[place] = expert;
        }
    }
}

/// Lowest index of the largest value.
fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    for (index, &value) in values.iter().enumerate() {
        if value > values[best] {
            best = index;
        }
    }
    best
}

/// Entropy in nats; 0 log 0 = 0.
pub fn entropy(probabilities: &[f32]) -> f32 {
    -probabilities.iter().filter(|&&p| p > 0.0).map(|&p| f64::from(p) * f64::from(p).ln()).sum::<f64>() as f32
}

/// Fills in slots, drops and used capacity of a group; `tokens` names every token once, in the order in which they queue.
pub(super) fn queue(routing: &mut LayerRouting, tokens: &(impl Iterator<Item = usize> + Clone)) {
    let queued = queue_slots(&routing.expert, routing.top_k, routing.num_experts, tokens, &mut routing.slot);
    routing.dropped = routing.slot.iter().map(|&slot| slot >= routing.capacity).collect();
    for (weight, _) in routing.combine_weight.iter_mut().zip(&routing.dropped).filter(|(_, dropped)| **dropped) {
        *weight = 0.0;
    }
    routing.used_capacity = queued.into_iter().map(|count| count.min(routing.capacity)).collect();
}

/// Queue slots of one group, `[tokens, top_k]` as `expert`: all first choices in the order of `tokens`, then all second
/// choices in that order, and so on. A dropped choice still takes its place in the queue, so it still pushes later choices
/// back. `tokens` names every token of the group once; the model's own order is 0, 1, 2 ... Returns the length of each
/// expert's queue.
pub fn queue_slots(
    expert: &[ExpertId],
    top_k: usize,
    num_experts: usize,
    tokens: &(impl Iterator<Item = usize> + Clone),
    slot: &mut Vec<u32>,
) -> Vec<u32> {
    let mut queued = vec![0_u32; num_experts];
    slot.clear();
    slot.resize(expert.len(), 0);
    for choice in 0..top_k {
        for token in tokens.clone() {
            let index = token * top_k + choice;
            let length = &mut queued[expert[index] as usize];
            slot[index] = *length;
            *length += 1;
        }
    }
    queued
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::{CombineRule, ExpertGroups, GroupScore};

    fn ties(rule: &RouterRule, bias: Option<&[f32]>, top_k: usize, rows: &[&[f32]]) -> u64 {
        route_by(rule, bias, rows.concat(), rows[0].len(), top_k, u32::MAX).ties
    }

    #[test]
    fn ties_are_counted_where_they_decide() {
        let rows: [&[f32]; 5] = [
            &[3.0, 2.0, 1.0, 0.0],
            // The order of the two choices; who is chosen second; nothing that is chosen; the same twice over, counted once.
            &[2.0, 2.0, 1.0, 0.0],
            &[3.0, 1.0, 0.0, 1.0],
            &[3.0, 2.0, 1.0, 1.0],
            &[1.0, 1.0, 1.0, 1.0],
        ];
        assert_eq!(ties(&RouterRule::SOFTMAX, None, 2, &rows), 3);
        // A single choice is decided by ties for the first place alone; of all experts only the order is open.
        assert_eq!(ties(&RouterRule::SOFTMAX, None, 1, &rows), 2);
        assert_eq!(ties(&RouterRule::SOFTMAX, None, 4, &rows), 4);
        // A bias makes ties and breaks them: sigmoids of 0 and 0, then 0.5 + 0.25 twice.
        let sigmoid = RouterRule { score: RouterScore::Sigmoid, ..RouterRule::SOFTMAX };
        assert_eq!(ties(&sigmoid, Some(&[0.25, 0.0, 0.0]), 1, &[&[0.0, 0.0, -1.0]]), 0);
        assert_eq!(ties(&sigmoid, Some(&[0.25, 0.0, 0.25]), 1, &[&[0.0, 0.0, 0.0]]), 1);
    }

    #[test]
    fn a_single_choice_by_logits_is_tied_by_logits() {
        // Both probabilities are 1/2 in f32, the logits differ.
        let logits: [&[f32]; 1] = [&[1e-8, 2e-8, -200.0]];
        let routing = route(logits.concat(), 3, 1, u32::MAX);
        assert_eq!((routing.expert.as_slice(), routing.ties), ([1].as_slice(), 0));
        assert_eq!(ties(&RouterRule::OPENMOE, None, 1, &[&[8.0, 8.0, -1.0]]), 1);
    }

    #[test]
    fn groups_tie_at_the_edge_of_those_that_stay() {
        let groups = |kept| Some(ExpertGroups { number: 3, kept, score: GroupScore::TwoLargest });
        let rule = |kept| RouterRule {
            score: RouterScore::Logit,
            groups: groups(kept),
            weight: CombineRule::SoftmaxOfChosen,
            ..RouterRule::SOFTMAX
        };
        // Sums 5, 3 and 3: with one group there is no tie, with two the second is kept before the third.
        let row: &[f32] = &[3.0, 2.0, 2.5, 0.5, 1.0, 2.0];
        assert_eq!(ties(&rule(1), None, 2, &[row]), 0);
        assert_eq!(ties(&rule(2), None, 2, &[row]), 1);
        assert_eq!(ties(&rule(3), None, 2, &[row]), 0);
        // Equal experts of groups that are left out decide nothing; sums of -0 and 0 are equal.
        assert_eq!(ties(&rule(1), None, 2, &[&[3.0, 2.0, 0.0, 0.0, 0.0, 0.0]]), 0);
        let zeros = route_by(&rule(1), None, vec![-0.0, -0.0, 0.0, 0.0, -1.0, -1.0], 6, 2, u32::MAX);
        assert_eq!((zeros.expert.as_slice(), zeros.ties), ([0, 1].as_slice(), 1));
    }
}
