//! Experts of a run as its page shows them, one by one.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    profile::{ExpertReport, is_telling},
    text::rounded,
};
use crate::{
    routing::{ExpertId, LayerId},
    stats::{ExpertProfile, Lift, Part, Partner, Rate, TopToken},
};

/// Rows of a list of one expert.
const LISTED: usize = 8;

/// A share, and the ends of its interval if there are any: 0.694, 0.631, 0.729.
type Share = [Option<f64>; 3];

/// Experts of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ExpertSection {
    /// Index of the run in the report.
    pub run: usize,
    /// Label of the model.
    pub checkpoint: String,
    /// How many experts the run has in all layers, and in how many layers.
    pub of: (usize, usize),
    /// The experts that are shown, by layer.
    pub layers: BTreeMap<LayerId, Vec<ExpertCard>>,
}

/// One expert.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExpertCard {
    expert: ExpertId,
    /// What it does, in a sentence.
    words: String,
    /// Share of all tokens.
    takes: Share,
    /// The even share.
    even: f64,
    /// Place among the experts of its layer by load.
    rank: usize,
    dropped: Option<Share>,
    dropped_of_all: Option<Share>,
    first_choice: Option<Share>,
    categories: Vec<PartRow>,
    classes: Vec<PartRow>,
    scripts: Vec<PartRow>,
    places: Vec<PartRow>,
    tokens: Vec<TokenRow>,
    /// Other expert, share of this one's tokens that choose it too, times what the loads alone give.
    partners: Vec<(ExpertId, Option<f64>, Option<f64>)>,
}

/// What it takes of a part of the tokens.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct PartRow {
    name: String,
    takes: Share,
    /// Times its share of all tokens.
    over_own: Option<f64>,
    of_expert: Option<f64>,
    n: u64,
}

/// A token id that goes to it more often than its frequency says.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct TokenRow {
    shown: String,
    id: u32,
    takes: Share,
    n: u64,
    /// The text before, the token, the text behind.
    example: Option<[String; 3]>,
}

impl ExpertCard {
    /// The part of a profile that a page shows.
    pub fn new(report: &ExpertReport) -> Self {
        let own: &ExpertProfile = &report.profile;
        let rows = |parts: &[Part]| parts.iter().take(LISTED).map(part).collect();
        let partner = |own: &Partner| (own.expert, own.of_expert.map(rounded), own.over_loads.as_ref().and_then(times));
        Self {
            expert: own.expert,
            words: report.words.clone(),
            takes: share(&own.takes),
            even: own.takes_over_even.chance,
            rank: own.rank,
            dropped: own.router.dropped.as_ref().map(share),
            dropped_of_all: own.router.dropped_of_all.as_ref().map(share),
            first_choice: own.router.first_choice.as_ref().map(share),
            categories: rows(&own.categories),
            classes: own.classes.iter().map(part).collect(),
            scripts: rows(&own.scripts),
            places: rows(&own.positions),
            tokens: own.top_tokens.iter().filter(|token| is_telling(token)).take(LISTED).map(token).collect(),
            partners: own.partners.iter().take(LISTED).map(partner).collect(),
        }
    }
}

fn share(rate: &Rate) -> Share {
    [rate.estimate, rate.low, rate.high].map(|value| value.map(rounded))
}

fn times(lift: &Lift) -> Option<f64> {
    lift.times.map(rounded)
}

fn part(part: &Part) -> PartRow {
    PartRow {
        name: part.name.clone(),
        takes: share(&part.takes),
        over_own: times(&part.over_own),
        of_expert: part.of_expert.estimate.map(rounded),
        n: part.takes.n,
    }
}

fn token(token: &TopToken) -> TokenRow {
    TokenRow {
        shown: token.shown.clone().unwrap_or_else(|| format!("id {}", token.token_id)),
        id: token.token_id,
        takes: share(&token.takes),
        n: token.takes.n,
        example: token.examples.first().map(|own| [&own.before, &own.token, &own.after].map(Clone::clone)),
    }
}
