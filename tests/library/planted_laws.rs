//! Traces made from a law, through the door for arrays: the verdict must say the law.

use std::path::Path;

use openmoe_analyze::{
    routing::{ExpertId, LayerShape, RoutingShape},
    stats::{
        Settings, Tables, headline, merge, route_statistics,
        verdict::{Independence, RouteVerdict, RunVerdict},
    },
    trace::{RoutedSequence, RoutingTrace, TraceBuilder, TraceOptions},
};

use crate::support::random::Random;

const EXPERTS: u32 = 8;
const TOP_K: usize = 2;
const DOCUMENTS: u32 = 24;
const TOKENS: usize = 192;
/// Token ids, each some hundred times.
const IDS: u32 = 40;
const SEEDS: u64 = 20;

/// What decides the experts of a token.
#[derive(Clone, Copy, Debug)]
enum Law {
    Token,
    TokenAndPrevious,
    Category,
    Position,
    Nothing,
    Constant,
}

impl Law {
    /// Two different experts.
    fn choices(self, random: &mut Random, category: u32, ids: &[u32], position: usize) -> [ExpertId; TOP_K] {
        let previous = position.checked_sub(1).map_or(0, |before| ids[before]);
        let key = match self {
            Self::Token => ids[position],
            Self::TokenAndPrevious => ids[position] * 64 + previous,
            Self::Category => category,
            Self::Position => position as u32 / 64,
            Self::Nothing => random.below(1 << 20),
            Self::Constant => 5,
        };
        let word = key.wrapping_mul(0x9E37_79B1) ^ 0x5bd1;
        let first = (word >> 16) % EXPERTS;
        let second = (first + 1 + (word >> 24) % (EXPERTS - 1)) % EXPERTS;
        [first as ExpertId, second as ExpertId]
    }

    /// What the verdict may say.
    fn answers(self) -> &'static [Independence] {
        match self {
            Self::Token => &[Independence::Fully],
            Self::TokenAndPrevious | Self::Category | Self::Position => &[Independence::No],
            Self::Nothing => &[Independence::Unexplained],
            Self::Constant => &[Independence::ConstantRouter],
        }
    }
}

fn trace(folder: &Path, law: Law, seed: u64) -> RoutingTrace {
    let shape = RoutingShape::uniform(vec![3], LayerShape::of_choices(EXPERTS as usize, TOP_K));
    let mut builder = TraceBuilder::create(folder, shape, TraceOptions::default()).unwrap();
    let mut random = Random(seed);
    for document in 0..DOCUMENTS {
        let category = document % 3;
        let token_ids: Vec<u32> = (0..TOKENS).map(|_| random.below(IDS)).collect();
        let of_position = |position| law.choices(&mut random, category, &token_ids, position);
        let experts: Vec<ExpertId> = (0..TOKENS).flat_map(of_position).collect();
        let name = format!("category {category}");
        builder
            .push(&RoutedSequence {
                experts: &experts,
                token_ids: Some(&token_ids),
                category: Some(&name),
                ..RoutedSequence::default()
            })
            .unwrap();
    }
    builder.finish(|_| None).unwrap()
}

fn verdict(law: Law, seed: u64) -> RouteVerdict {
    let folder = tempfile::tempdir().unwrap();
    let trace = trace(folder.path(), law, seed);
    let settings = Settings { resamples: 40, permutations: 20, ..Settings::default() };
    let mut tables = Tables::new();
    let layer = trace.layer(3).unwrap();
    merge(&mut tables, route_statistics(&trace.sequences().unwrap(), &layer, &settings, &|_| ()).unwrap());
    match RunVerdict::route(&headline(&tables)) {
        RunVerdict::Route(verdict) => *verdict,
        other => panic!("{other:?} is no verdict on a route run"),
    }
}

/// At most one of twenty verdicts may be false.
fn check(law: Law) {
    let answers: Vec<Independence> = (0..SEEDS).map(|seed| verdict(law, seed).overall.answer).collect();
    let wrong = answers.iter().filter(|answer| !law.answers().contains(answer)).count();
    println!("{law:?}: {answers:?}");
    assert!(wrong <= 1, "{law:?}: {wrong} of {SEEDS} verdicts are false: {answers:?}");
}

macro_rules! laws {
    ($($name:ident: $law:ident),* $(,)?) => { $(
        #[test]
        fn $name() {
            check(Law::$law);
        }
    )* };
}

laws! {
    the_token_id_alone_is_fully_context_independent: Token,
    the_previous_token_is_seen: TokenAndPrevious,
    the_category_is_seen: Category,
    the_position_is_seen: Position,
    nothing_explains_a_random_router: Nothing,
    a_constant_router_is_called_so: Constant,
}
