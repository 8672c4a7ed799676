//! From router logits to choices and slots, as the original's routers do it, but in O(tokens * experts) and without dispatch masks.

use super::{ExpertId, LayerRouting, RoutingShape};

/// Routes one group: choices, probabilities, queue slots and drops from router logits `[tokens, num_experts]`.
///
/// `capacity` is the number of slots per expert ([`super::RouterSettings::capacity`]). Layer, group and sequences of the
/// result are left at their defaults for the caller to fill in.
///
/// # Panics
/// If the logits are not a whole number of rows, if there are fewer experts than choices or if `top_k` is not within
/// 1 and [`RoutingShape::MOST_CHOICES`]: a checkpoint is validated before it routes.
pub fn route(router_logits: Vec<f32>, num_experts: usize, top_k: usize, capacity: u32) -> LayerRouting {
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
        entropy: Vec::with_capacity(tokens),
        margin_first: Vec::with_capacity(tokens),
        margin_k: Vec::with_capacity(tokens),
        ..LayerRouting::default()
    };
    let mut probabilities = vec![0.0_f32; num_experts];
    let mut ranked = Ranked::default();
    for logits in router_logits.chunks_exact(num_experts) {
        softmax(logits, &mut probabilities);
        choose(logits, &probabilities, &mut ranked, &mut routing);
    }
    routing.router_logits = router_logits;
    queue(&mut routing);
    routing
}

/// Softmax of one token's router logits in f32, as the original computes it: maximum subtracted, all experts.
pub fn softmax(logits: &[f32], probabilities: &mut [f32]) {
    let maximum = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0_f32;
    for (probability, &logit) in probabilities.iter_mut().zip(logits) {
        *probability = (logit - maximum).exp();
        sum += *probability;
    }
    for probability in probabilities {
        *probability /= sum;
    }
}

/// The choices of one token. With top-1 that is the argmax of the LOGITS, as in the original; with more the largest
/// PROBABILITIES in descending order. Ties go to the lowest id (model.md, "Router and capacity").
fn choose(logits: &[f32], probabilities: &[f32], ranked: &mut Ranked, routing: &mut LayerRouting) {
    let top_k = routing.top_k;
    ranked.clear();
    if top_k == 1 {
        ranked.put(argmax(logits));
    }
    ranked.fill(probabilities, top_k + 1);
    let probability = |rank: usize| ranked.experts().get(rank).map_or(0.0, |expert| probabilities[*expert]);
    for &expert in &ranked.experts()[..top_k] {
        routing.expert.push(expert as ExpertId);
        routing.probability.push(probabilities[expert]);
    }
    routing.entropy.push(entropy(probabilities));
    routing.margin_first.push(probability(0) - probability(1));
    routing.margin_k.push(probability(top_k - 1) - probability(top_k));
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

/// Fills in slots, drops and used capacity of a group whose tokens queue in the order of the text.
fn queue(routing: &mut LayerRouting) {
    let tokens = 0..routing.tokens;
    let queued = queue_slots(&routing.expert, routing.top_k, routing.num_experts, &tokens, &mut routing.slot);
    routing.dropped = routing.slot.iter().map(|&slot| slot >= routing.capacity).collect();
    let weight = |(&probability, &dropped): (&f32, &bool)| if dropped { 0.0 } else { probability };
    routing.combine_weight = routing.probability.iter().zip(&routing.dropped).map(weight).collect();
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
