//! Verdicts of hand-made numbers.

use super::*;
use crate::{
    routing::{CapacityRule, View},
    stats::{
        Finding, GROUPS_OF_RUN, Priority, Statistic, Subject, Variant,
        verdict::{
            Answer,
            made::{four_trends, of_dataset, ratio, trend},
        },
    },
};

/// What holds over all layers, then the details.
fn drops_verdict(findings: &[Finding]) -> Vec<String> {
    let verdict = DropsVerdict::of(findings);
    std::iter::once(overall(&verdict)).chain(lines(&verdict)).collect()
}

#[test]
fn the_interval_decides_and_random_order_is_named() {
    let rows = four_trends();
    assert_eq!(
        drops_verdict(&rows),
        [
            "overall: later tokens are dropped more in layers 1, 3 (+5.87 points); at least 94 % of that is there in random \
             order too: it is the queue; later tokens are dropped less in layer 5 (-2.00 points)",
            "layer 1: 2.50 % [2.00, 3.00] of the assignments are dropped; last quarter minus first quarter of 40 sequences +5.87 points [+5.77, +5.97], in \
             random order +5.66 points, left +0.21 points [+0.11, +0.31]: later tokens are dropped more, beyond what random \
             order gives",
            "layer 3: 2.50 % [2.00, 3.00] of the assignments are dropped; last quarter minus first quarter of 40 sequences +5.87 points [+5.77, +5.97], in \
             random order +5.82 points, left +0.05 points [-0.05, +0.15]: later tokens are dropped more, but no more than in \
             random order, U-shaped",
            "layer 5: 2.50 % [2.00, 3.00] of the assignments are dropped; last quarter minus first quarter of 40 sequences -2.00 points [-3.00, -1.00], in \
             random order +1.00 points, left -3.00 points [-4.00, -2.00]: later tokens are dropped less",
            "layer 7: 2.50 % [2.00, 3.00] of the assignments are dropped; last quarter minus first quarter of 40 sequences +0.50 points [-0.50, +1.50], in \
             random order -1.50 points, left +2.00 points [+1.00, +3.00]: no trend",
            "of 4 intervals of what is left above random order, 2 lie above 0 and 1 below; by chance less than 1 would miss 0",
        ]
    );
}

#[test]
fn data_sets_and_compared_models_have_a_line_each() {
    let of = |rows| of_dataset("talks", rows);
    let difference = Finding {
        estimate: Some(-0.01),
        low: Some(-0.02),
        high: Some(0.0),
        ..Finding::new(Statistic::DropDifference, 1, View::Chosen).about(|subject| Subject {
            checkpoint: Some("chat".into()),
            reference: Some("base".into()),
            variant: Some(Variant::Of(Statistic::AssignmentDropRatio)),
            ..subject
        })
    };
    let rows = [
        ratio(1),
        of(trend(1, Variant::LastMinusFirst, 0.05, 0.02, 0.01)),
        of(trend(3, Variant::LastMinusFirst, 0.05, 0.0, 0.01)),
        vec![difference],
    ]
    .concat();
    let lines = drops_verdict(&rows);
    assert_eq!(
        lines[3..],
        [
            "data set talks (40 sequences): later tokens are dropped more in layers 1, 3; above random order: layer 1 by \
             +2.00 points [+1.00, +3.00]",
            "chat against base, drop ratio: -1.00 points [-2.00, 0.00] in layer 1",
            "of 2 intervals of what is left above random order, 1 lies above 0 and 0 below; by chance less than 1 would miss 0",
        ]
    );
    let mut few = of(trend(1, Variant::LastMinusFirst, 0.05, 0.02, 0.01));
    few[0] = few[0].clone().withheld("3 documents");
    let lines = drops_verdict(&[ratio(1), few].concat());
    assert_eq!(lines[2], "data set talks: not enough data (3 documents)");
    assert!(drops_verdict(&[])[0].starts_with("not enough data"));
    let unknown = Finding::new(Statistic::AssignmentDropRatio, 1, View::Chosen).withheld("no drops");
    assert_eq!(drops_verdict(&[unknown])[1], "layer 1: no drop ratio (no drops); no trend was measured");
}

#[test]
fn roles_causes_and_capacity_have_a_line_each() {
    let role = |role: Role, estimate| Finding {
        estimate: Some(estimate),
        ..Finding::new(Statistic::AssignmentDropRatio, 1, View::Chosen)
            .about(|subject| Subject { role: Some(role), ..subject })
    };
    let cause = |text: &str, estimate| Finding {
        estimate: Some(estimate),
        ..Finding::new(Statistic::DropCauses, 1, View::Chosen).about(|subject| Subject {
            variant: Some(Variant::Token),
            expert: Some(4),
            text: Some(text.into()),
            ..subject
        })
    };
    let replay = |variant: Variant, factor, priority: Option<Priority>, estimate| Finding {
        estimate: Some(estimate),
        ..Finding::new(Statistic::CapacityReplay, 1, View::Chosen).about(|subject| Subject {
            variant: Some(variant),
            capacity_factor: factor,
            priority,
            rule: Some(CapacityRule::Port),
            grouping: Some(GROUPS_OF_RUN.into()),
            ..subject
        })
    };
    let rows = [
        ratio(1),
        vec![role(Role::User, 0.01), role(Role::Assistant, 0.04), cause("\u{2581}the", 0.25), cause("<0x0A>", 0.1)],
        vec![
            replay(Variant::Of(Statistic::AssignmentDropRatio), Some(2.0), Some(Priority::Position), 0.02),
            replay(Variant::FactorForOnePercent, None, None, 2.5),
        ],
    ];
    assert_eq!(
        drops_verdict(&rows.concat())[2..],
        [
            "by role in layer 1, which drops most: user 1.00 %, assistant 4.00 %",
            "queues that overflow most, and the tokens that fill them: expert 4 of layer 1 (\"␣the\" 25 %, \"⏎\" 10 %)",
            "capacity factor that would drop at most 1 % (replay of the choices, rule port): 2.50 in layer 1",
        ]
    );
}

#[test]
fn both_directions_are_said_and_a_single_data_set_is_not_said_twice() {
    let of = of_dataset;
    let all = [
        trend(1, Variant::LastMinusFirst, 0.05, 0.0, 0.01),
        trend(3, Variant::LastMinusFirst, 0.05, -0.007, 0.0066),
        trend(5, Variant::LastMinusFirst, 0.05, 0.0743e-2, 0.0740e-2),
    ]
    .concat();
    let single = drops_verdict(&[all.clone(), of("talks", all.clone())].concat());
    assert!(single.iter().all(|line| !line.starts_with("data set")), "{single:?}");
    assert_eq!(single.len(), 5);
    let lines = drops_verdict(&[all.clone(), of("talks", all.clone()), of("texts", all)].concat());
    assert_eq!(
        lines[4],
        "data set talks (40 sequences): later tokens are dropped more in layers 1, 3, 5; above random order: layer 5 by +0.07 \
         points [+0.0003, +0.15]; below random order: layer 3 by -0.70 points [-1.36, -0.04]"
    );
    assert_eq!(
        lines[6],
        "of 6 intervals of what is left above random order, 2 lie above 0 and 2 below; by chance less than 1 would miss 0"
    );
}

#[test]
fn a_rise_that_random_order_lacks_is_not_called_the_queue() {
    let lines = drops_verdict(&trend(1, Variant::LastMinusFirst, 0.05, 0.03, 0.01));
    assert_eq!(
        lines[0],
        "overall: later tokens are dropped more in layer 1 (+5.00 points); random order alone may not give half of that"
    );
    let lines = drops_verdict(&trend(1, Variant::LastMinusFirst, 0.005, 0.0, 0.01));
    assert_eq!(lines[0], "overall: later tokens are not measurably dropped more in any layer");
    let none = vec![Finding { estimate: Some(0.0), low: None, high: None, ..ratio(1).remove(0) }];
    assert_eq!(drops_verdict(&none)[0], "overall: nothing is dropped");
}

/// Every layer's answer is an entry, although only few of them have a line.
#[test]
fn many_layers_are_summarised_in_the_lines_and_whole_in_the_entries() {
    let factor = |layer: LayerId| Finding {
        estimate: Some(1.0 + f64::from(layer) / 100.0),
        ..Finding::new(Statistic::CapacityReplay, layer, View::Chosen).about(|subject| Subject {
            variant: Some(Variant::FactorForOnePercent),
            rule: Some(CapacityRule::Port),
            grouping: Some(GROUPS_OF_RUN.into()),
            ..subject
        })
    };
    let replay = Finding::new(Statistic::CapacityReplay, 0, View::Chosen).about(|subject| Subject {
        priority: Some(Priority::Position),
        capacity_factor: Some(2.0),
        rule: Some(CapacityRule::Port),
        ..subject
    });
    let layers = (0..128).flat_map(|layer| {
        let both = trend(layer, Variant::LastMinusFirst, 0.05, 0.02, 0.01);
        [ratio(layer), both.clone(), of_dataset("talks", both.clone()), of_dataset("texts", both), vec![factor(layer)]]
    });
    let rows: Vec<Finding> = layers.flatten().chain([replay]).collect();
    let lines = drops_verdict(&rows);
    assert_eq!(
        lines[0],
        "overall: later tokens are dropped more in layers 0 to 127 (+5.00 points); random order alone may not give half of that"
    );
    assert_eq!(lines[9], "120 more layers: see summary.json");
    let (start, end) = (
        "data set talks (40 sequences): later tokens are dropped more in layers 0 to 127; above random order: layer 0 by +2.00 points",
        ", +2.00 points in 120 more layers",
    );
    assert!(lines[10].starts_with(start) && lines[10].ends_with(end), "{}", lines[10]);
    assert!(lines[12].ends_with("1.07 in layer 7, between 1.08 and 2.27 in 120 more layers"), "{}", lines[12]);
    assert_eq!(lines.len(), 14);

    let entries = entries(&DropsVerdict::of(&rows));
    let of = |dataset: Option<&str>, answer: Answer| {
        entries
            .iter()
            .filter(|own| own.verdict.answer == answer && own.verdict.dataset.as_deref() == dataset)
            .filter(|own| own.verdict.layer.is_some())
            .count()
    };
    let more = Answer::LaterTokensDroppedMore(LaterTokens::MoreThanInRandomOrder);
    assert_eq!([of(None, more), of(Some("texts"), more)], [128, 128]);
    assert_eq!(of(Some("talks"), Answer::DiffersFromRandomOrder(Side::Above)), 128);
    assert_eq!(entries[0].words, lines[0]);
    assert_eq!(entries[1].words, "overall: random order alone may not give half of the rise");
    let last = &entries[entries.len() - 1];
    assert_eq!(
        last.words,
        "capacity factor that would drop at most 1 % (replay of the choices, rule port): 2.27 in layer 127"
    );
}
