//! Which token ids carry the difference of an expert, and whether they occur more often or go elsewhere.

use serde::Serialize;

use super::counts::LayerSide;
use crate::{
    routing::ExpertId,
    stats::{occurrences::dense, settings::Settings},
};

/// Token ids that are named for a side.
const NAMED: usize = 5;

/// A token id and its part of a difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CarrierToken {
    /// The token id.
    pub token_id: u32,
    /// Its text, where it is known.
    pub text: Option<String>,
    /// What it adds to the difference: its share of side A's tokens that chose the expert minus that of side B's. All token ids
    /// together add up to the difference.
    pub contribution: f64,
    /// How often it occurs on side A and on side B.
    pub occurrences: [u64; 2],
    /// How often it chose the expert there.
    pub chosen: [u64; 2],
}

/// The token ids behind the difference of one expert.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Carriers {
    /// What follows from token ids that are more frequent on one side.
    pub from_frequency: f64,
    /// What follows from the same token ids going to the expert more often on one side. The two add up to the difference.
    pub from_routing: f64,
    /// The token ids that add most on side A, the largest contribution first.
    pub a: Vec<CarrierToken>,
    /// Those that add most on side B, the most negative contribution first.
    pub b: Vec<CarrierToken>,
}

/// The tokens of one side of a layer.
struct TokenCounts {
    /// Tokens of the side.
    all: f64,
    /// Occurrences by token, `[tokens]`.
    occurrences: Vec<u32>,
    /// Those that chose each of the experts, `[tokens, experts]`.
    chosen: Vec<u32>,
}

impl TokenCounts {
    fn new(side: &LayerSide<'_>, token: &[u32], tokens: usize, experts: &[ExpertId], settings: &Settings) -> Self {
        let mut place = vec![None; side.trace.num_experts];
        experts.iter().enumerate().for_each(|(at, expert)| place[usize::from(*expert)] = Some(at));
        let mut counts = Self { all: 0.0, occurrences: vec![0; tokens], chosen: vec![0; tokens * experts.len()] };
        for row in side.side.rows(side.trace, settings) {
            let token = token[row] as usize;
            counts.all += 1.0;
            counts.occurrences[token] += 1;
            for at in side.trace.choices(row).iter().filter_map(|expert| place[usize::from(*expert)]) {
                counts.chosen[token * experts.len() + at] += 1;
            }
        }
        counts
    }
}

/// What carries the differences of some experts of a layer, in their order. Both sides must have token ids of one vocabulary.
pub(in crate::stats) fn carriers(
    a: &LayerSide<'_>,
    b: &LayerSide<'_>,
    experts: &[ExpertId],
    settings: &Settings,
) -> Vec<Carriers> {
    let both: Vec<u32> = a.trace.token_ids().iter().chain(b.trace.token_ids().iter()).copied().collect();
    let (ids, token) = dense(&both);
    let (of_a, of_b) = token.split_at(a.trace.len());
    let counts = [
        TokenCounts::new(a, of_a, ids.len(), experts, settings),
        TokenCounts::new(b, of_b, ids.len(), experts, settings),
    ];
    let text = |id: u32| a.sequences.token_text.get(&id).or_else(|| b.sequences.token_text.get(&id)).cloned();
    let of_expert = |at: usize| {
        let token = |dense: usize| {
            let chosen = [0, 1].map(|side: usize| counts[side].chosen[dense * experts.len() + at]);
            let occurrences = [0, 1].map(|side: usize| counts[side].occurrences[dense]);
            Token { dense, occurrences, chosen }
        };
        let tokens: Vec<Token> = (0..ids.len()).map(token).filter(|token| token.chosen != [0, 0]).collect();
        summarized(&tokens, [counts[0].all, counts[1].all], |dense| (ids[dense], text(ids[dense])))
    };
    (0..experts.len()).map(of_expert).collect()
}

/// One token and one expert.
struct Token {
    dense: usize,
    occurrences: [u32; 2],
    chosen: [u32; 2],
}

impl Token {
    /// Its part of the difference.
    fn contribution(&self, all: [f64; 2]) -> f64 {
        f64::from(self.chosen[0]) / all[0] - f64::from(self.chosen[1]) / all[1]
    }

    /// The part of it that follows from the frequency of the token: its difference in frequency at the mean of both rates.
    /// A token that occurs on one side only has no other rate, and is a matter of frequency alone.
    fn by_frequency(&self, all: [f64; 2]) -> f64 {
        if self.occurrences.contains(&0) {
            return self.contribution(all);
        }
        let rate = |side: usize| f64::from(self.chosen[side]) / f64::from(self.occurrences[side]);
        let frequency = |side: usize| f64::from(self.occurrences[side]) / all[side];
        (frequency(0) - frequency(1)) * f64::midpoint(rate(0), rate(1))
    }
}

fn summarized(tokens: &[Token], all: [f64; 2], name: impl Fn(usize) -> (u32, Option<String>)) -> Carriers {
    let from_frequency: f64 = tokens.iter().map(|token| token.by_frequency(all)).sum();
    let difference: f64 = tokens.iter().map(|token| token.contribution(all)).sum();
    let mut order: Vec<(f64, &Token)> = tokens.iter().map(|token| (token.contribution(all), token)).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.dense.cmp(&b.1.dense)));
    let carrier = |(contribution, token): &(f64, &Token)| {
        let (token_id, text) = name(token.dense);
        CarrierToken {
            token_id,
            text,
            contribution: *contribution,
            occurrences: token.occurrences.map(u64::from),
            chosen: token.chosen.map(u64::from),
        }
    };
    Carriers {
        from_frequency,
        from_routing: difference - from_frequency,
        a: order.iter().take_while(|(contribution, _)| *contribution > 0.0).take(NAMED).map(carrier).collect(),
        b: order.iter().rev().take_while(|(contribution, _)| *contribution < 0.0).take(NAMED).map(carrier).collect(),
    }
}
