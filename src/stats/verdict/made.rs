//! Hand-made findings, for the tests of verdicts and of their words.

use crate::{
    routing::{LayerId, View},
    stats::{Finding, Statistic, Subject, Variable, Variant},
};

/// Estimate, lower and upper end.
pub(crate) type Interval = (f64, f64, f64);

/// A row of which `explained` is given: 0.5 bits by chance, 2.5 bits at most.
pub(crate) fn row(statistic: Statistic, variable: Variable, layer: LayerId, share: Interval) -> Finding {
    Finding {
        estimate: Some(0.5 + 2.0 * share.0),
        baseline: Some(0.5),
        ceiling: Some(2.5),
        explained: Some(share.0),
        explained_low: Some(share.1),
        explained_high: Some(share.2),
        ..Finding::new(statistic, layer, View::Chosen).about(|subject| Subject {
            variable: Some(variable),
            variant: (variable == Variable::PositionBucket).then_some(Variant::WithinSequenceShift),
            ..subject
        })
    }
}

/// A row of few bits, which has no `explained`: estimate, baseline and ceiling.
pub(crate) fn bits(statistic: Statistic, variable: Variable, layer: LayerId, numbers: Interval) -> Finding {
    let (estimate, baseline, ceiling) = numbers;
    Finding {
        estimate: Some(estimate),
        baseline: Some(baseline),
        ceiling: Some(ceiling),
        explained: None,
        explained_low: None,
        explained_high: None,
        ..row(statistic, variable, layer, (0.0, 0.0, 0.0))
    }
}

/// A layer of which the token id and the previous token explain so much.
pub(crate) fn layer(layer: LayerId, token: Interval, previous: Interval) -> Vec<Finding> {
    vec![
        row(Statistic::MutualInformation, Variable::Token, layer, token),
        row(Statistic::ConditionalMutualInformation, Variable::PreviousToken, layer, previous),
        row(Statistic::ConditionalMutualInformation, Variable::Category, layer, (0.02, 0.01, 0.03)),
        row(Statistic::ConditionalMutualInformation, Variable::PositionBucket, layer, (0.001, -0.01, 0.01)),
        row(Statistic::ConditionalMutualInformation, Variable::Document, layer, (0.03, 0.02, 0.04)),
    ]
}

/// A router that is a function of the token id: 2.5 bits, all of them explained, and nothing left.
pub(crate) fn function(layer: LayerId, token: Interval) -> Vec<Finding> {
    let nothing = |variable| bits(Statistic::ConditionalMutualInformation, variable, layer, (0.0, 0.0, 0.0));
    vec![
        Finding { estimate: Some(2.5), ..row(Statistic::MutualInformation, Variable::Token, layer, token) },
        nothing(Variable::Document),
        nothing(Variable::PreviousToken),
        nothing(Variable::PositionBucket),
        nothing(Variable::Category).withheld("1 category: at least 2 needed"),
    ]
}

/// A router that gives every token the experts 0 and 7.
pub(crate) fn constant(layer: LayerId) -> Vec<Finding> {
    let share = |(expert, share)| Finding {
        estimate: Some(share),
        ..Finding::new(Statistic::ExpertShare, layer, View::Chosen)
            .about(|subject| Subject { expert: Some(expert), ..subject })
    };
    let shares = [(0, 0.5), (3, 0.0), (7, 0.5)].map(share);
    [vec![bits(Statistic::MutualInformation, Variable::Token, layer, (0.0, 0.0, 0.0))], shares.to_vec()].concat()
}

/// The share of a category's tokens that choose an expert, of 16 of which a token chooses two, with its lower end.
pub(crate) fn takes(layer: LayerId, expert: u16, category: &str, share: f64, low: f64) -> Finding {
    let of_expert = |subject| Subject { expert: Some(expert), category: Some(category.into()), ..subject };
    Finding {
        estimate: Some(share),
        low: Some(low),
        high: Some(2.0 * share - low),
        baseline: Some(0.125),
        n: 500,
        ..Finding::new(Statistic::DomainSpecialization, layer, View::Chosen).by(Variable::Category).about(of_expert)
    }
}

/// The share of all assignments that an expert of 16 takes, with its lower end.
pub(crate) fn load(layer: LayerId, expert: u16, share: f64, low: f64) -> Finding {
    Finding {
        estimate: Some(share),
        low: Some(low),
        high: Some(2.0 * share - low),
        baseline: Some(0.0625),
        n: 9000,
        ..Finding::new(Statistic::ExpertShare, layer, View::Chosen)
            .about(|subject| Subject { expert: Some(expert), ..subject })
    }
}

/// A checkpoint of the time axis against the last one, "1T".
pub(crate) fn step(layer: LayerId, label: &str, corrected: f64, low: f64) -> [Finding; 2] {
    let row = |statistic| Finding {
        estimate: Some(corrected),
        baseline: Some(0.25),
        corrected: Some(corrected),
        corrected_low: Some(low),
        corrected_high: Some((corrected + 0.02).min(1.0)),
        ..Finding::new(statistic, layer, View::Chosen).about(|subject| Subject {
            checkpoint: Some(label.into()),
            reference: Some("1T".into()),
            ..subject
        })
    };
    [row(Statistic::RouterSaturation), row(Statistic::LastChange)]
}

/// Layer 1, which falls below half of its final agreement once and stays above it from "600B" on, and layer 3, which reaches half
/// with the last checkpoint.
pub(crate) fn late_and_last() -> Vec<Finding> {
    [
        step(1, "200B", 0.53, 0.51),
        step(1, "400B", 0.50, 0.49),
        step(1, "600B", 0.65, 0.64),
        step(1, "1T", 1.0, 1.0),
        step(3, "200B", 0.5, 0.4),
        step(3, "1T", 1.0, 1.0),
    ]
    .concat()
}

/// The share of the first choices that a checkpoint has in common with "1T".
pub(crate) fn agreement(layer: LayerId, label: &str, share: f64) -> Finding {
    Finding {
        estimate: Some(share),
        low: Some(share - 0.01),
        high: Some(share + 0.01),
        ..Finding::new(Statistic::FirstChoiceAgreement, layer, View::Chosen).about(|subject| Subject {
            checkpoint: Some(label.into()),
            reference: Some("1T".into()),
            ..subject
        })
    }
}

/// How far a token id moved between "1T" and "chat".
pub(crate) fn token(layer: LayerId, id: u32, text: Option<&str>, distance: f64, floor: f64) -> Finding {
    Finding {
        estimate: Some(distance),
        low: Some(distance - 0.1),
        high: Some(distance + 0.1),
        noise_floor: Some(floor),
        ..Finding::new(Statistic::TokenDrift, layer, View::Chosen).about(|subject| Subject {
            checkpoint: Some("chat".into()),
            reference: Some("1T".into()),
            variant: Some(Variant::TotalVariation),
            token_id: Some(id),
            text: text.map(str::to_owned),
            ..subject
        })
    }
}

/// The trend and what is left of it above random order.
pub(crate) fn trend(layer: LayerId, variant: Variant, estimate: f64, left: f64, half: f64) -> Vec<Finding> {
    let row = |variant: Variant, estimate: f64, baseline: f64| Finding {
        estimate: Some(estimate),
        low: Some(estimate - half),
        high: Some(estimate + half),
        baseline: Some(baseline),
        n: 40,
        ..Finding::new(Statistic::DropTrend, layer, View::Chosen)
            .about(|subject| Subject { variant: Some(variant), ..subject })
    };
    let excess = if variant == Variant::LastMinusFirst { Variant::LastMinusFirstExcess } else { Variant::Slope };
    vec![row(variant, estimate, estimate - left), row(excess, left, 0.0)]
}

/// Later tokens are dropped more in layer 1, beyond random order; in layer 3, not beyond it, and least in the middle; less in
/// layer 5; neither in layer 7.
pub(crate) fn four_trends() -> Vec<Finding> {
    [
        ratio(1),
        trend(1, Variant::LastMinusFirst, 0.0587, 0.0021, 0.0010),
        ratio(3),
        trend(3, Variant::LastMinusFirst, 0.0587, 0.0005, 0.0010),
        trend(3, Variant::FirstMinusMiddle, 0.02, 0.0, 0.01),
        trend(3, Variant::LastMinusMiddle, 0.02, 0.0, 0.01),
        ratio(5),
        trend(5, Variant::LastMinusFirst, -0.02, -0.03, 0.01),
        ratio(7),
        trend(7, Variant::LastMinusFirst, 0.005, 0.02, 0.01),
    ]
    .concat()
}

/// The drop ratio of a layer: 2.5 %.
pub(crate) fn ratio(layer: LayerId) -> Vec<Finding> {
    let row = Finding::new(Statistic::AssignmentDropRatio, layer, View::Chosen);
    vec![Finding { estimate: Some(0.025), low: Some(0.02), high: Some(0.03), ..row }]
}

/// The same rows of a data set.
pub(crate) fn of_dataset(name: &str, rows: Vec<Finding>) -> Vec<Finding> {
    rows.into_iter().map(|row| row.about(|subject| Subject { dataset: Some(name.into()), ..subject })).collect()
}
