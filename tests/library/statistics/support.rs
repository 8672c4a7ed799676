//! Traces of routers that look at one thing, and of degenerate runs.

use openmoe_analyze::{
    routing::ExpertId,
    stats::{Finding, Settings, Tables, Variable},
};

pub(crate) use crate::support::{
    made_up_trace::MadeUpTrace,
    random::Random,
    tables::{close, one, sound},
};

/// What a synthetic router looks at.
#[derive(Clone, Copy)]
pub(crate) enum Router {
    Token,
    Position,
    Nothing,
}

/// Documents of `length` tokens with random ids 0..20, in turn of category a and b; one choice of twenty is dropped.
pub(crate) fn synthetic(router: Router, experts: usize, k: usize, documents: u32, length: u32) -> MadeUpTrace {
    let mut random = Random(7);
    let fixed: Vec<Vec<ExpertId>> = (0..64).map(|_| random.subset(experts, k)).collect();
    let mut run = MadeUpTrace::new(experts, k, &[], &["a", "b"]);
    for document in 0..documents {
        let tokens: Vec<_> = (0..length)
            .map(|position| {
                let token = random.below(20);
                let choices = match router {
                    Router::Token => fixed[token as usize].clone(),
                    Router::Position => fixed[(position % 64) as usize].clone(),
                    Router::Nothing => random.subset(experts, k),
                };
                let kept = (0..k).map(|_| random.below(20) > 0).collect();
                (token, choices, kept)
            })
            .collect();
        run.document(0, Some((document % 2) as u16), &tokens);
    }
    run
}

/// Runs without tokens, experts to choose between or documents to resample, and one in which everything is dropped.
pub(crate) fn degenerate() -> [MadeUpTrace; 9] {
    let mut all_dropped = synthetic(Router::Nothing, 4, 2, 12, 30);
    all_dropped.layer.kept.fill(false);
    [
        MadeUpTrace::new(4, 2, &[], &[]),
        MadeUpTrace::new(1, 1, &[], &["a"]),
        synthetic(Router::Nothing, 4, 2, 1, 1),
        synthetic(Router::Nothing, 4, 2, 1, 30),
        synthetic(Router::Nothing, 2, 2, 9, 30),
        synthetic(Router::Nothing, 1, 1, 9, 30),
        synthetic(Router::Nothing, 4, 1, 12, 30),
        synthetic(Router::Nothing, 6, 3, 12, 30),
        all_dropped,
    ]
}

pub(crate) fn quick() -> Settings {
    Settings { resamples: 100, permutations: 20, ..Settings::default() }
}

/// An information statistic without a variant.
#[track_caller]
pub(crate) fn information<'a>(tables: &'a Tables, table: &str, variable: &str, view: &str) -> &'a Finding {
    one(tables, table, |row| {
        row.variable.map(Variable::name) == Some(variable) && row.view.name() == view && row.variant.is_none()
    })
}

pub(crate) const MI: &str = "mutual_information";
pub(crate) const CMI: &str = "conditional_mutual_information";
