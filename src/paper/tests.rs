//! Runs whose layers differ: each is held against the paper by its own experts and choices.

use super::*;
use crate::{
    routing::{LayerId, LayerShape, RoutingShape, View},
    run::RunKind,
    stats::{Finding, Statistic, StatisticTable, Subject, Variable, routing_std_ceiling},
};

/// Layer 1 has 4 experts and one choice, layer 2 has 8 and two.
const LAYERS: [(LayerId, usize, usize); 2] = [(1, 4, 1), (2, 8, 2)];

fn run(command: RunKind, statistic: Statistic, rows: Vec<Finding>) -> Run {
    let layers = LAYERS.map(|(layer, experts, choices)| (layer, LayerShape::of_choices(experts, choices)));
    let table = StatisticTable::of(statistic, rows);
    Run {
        name: "uneven".to_owned(),
        command,
        label: "uneven".to_owned(),
        checkpoint: "uneven".to_owned(),
        family: None,
        corpus: "text".to_owned(),
        shape: RoutingShape::new(layers.to_vec()).unwrap(),
        tokens: 1000,
        documents: 10,
        tables: [(table.name.clone(), table)].into(),
    }
}

/// The run's numbers of a measure, of every layer that has one, over all that both have.
fn yours(comparison: &Comparison, figure: &str, measure: &str) -> Vec<(LayerId, Option<f64>)> {
    let sections = comparison.sections.iter().filter(|section| section.figure == figure);
    let rows = sections.flat_map(|section| &section.rows).filter(|row| row.summary && row.measure == measure);
    rows.map(|row| (row.layer, row.yours)).collect()
}

/// Two categories that always have the first experts of a layer: one of four, or two of eight. That is the ceiling of
/// either, and the two layers are as uneven as they can be.
#[test]
fn shares_are_a_part_of_the_ceiling_of_their_own_layer() {
    let rows = LAYERS.into_iter().flat_map(|(layer, experts, choices)| {
        let row = move |category: &str, expert: usize| Finding {
            estimate: Some(if expert < choices { 1.0 / choices as f64 } else { 0.0 }),
            n: 500,
            ..Finding::new(Statistic::ExpertShare, layer, View::Kept).about(|subject| Subject {
                variable: Some(Variable::Category),
                category: Some(category.to_owned()),
                expert: Some(expert as u16),
                ..subject
            })
        };
        ["arxiv", "github"].into_iter().flat_map(move |category| (0..experts).map(move |expert| row(category, expert)))
    });
    let run = run(RunKind::Route, Statistic::ExpertShare, rows.collect());
    let comparison = compare(&Paper::load().unwrap(), &[run]);
    let found = yours(&comparison, "5", "relative_std");
    assert_eq!(found.iter().map(|(layer, _)| *layer).collect::<Vec<_>>(), [1, 2]);
    assert!(found.iter().all(|(_, part)| part.is_some_and(|part| (part - 1.0).abs() < 1e-9)), "{found:?}");
    let section = comparison.sections.iter().find(|section| section.figure == "5").unwrap();
    assert!(section.sentence.contains("the number of experts (32 against 4 to 8)"), "{}", section.sentence);
    let labels: Vec<&str> =
        comparison.overlays[0].panels[0].series.iter().map(|series| series.label.as_str()).collect();
    assert_eq!(labels[1..], ["layer 1, 4 experts", "layer 2, 8 experts"]);
}

#[test]
fn spreads_are_a_part_of_the_ceiling_of_their_own_layer() {
    let row = |(layer, experts, choices): (LayerId, usize, usize)| Finding {
        estimate: Some(routing_std_ceiling(experts, choices, View::Chosen)),
        n: 200,
        ..Finding::new(Statistic::RoutingStd, layer, View::Kept).by(Variable::Token)
    };
    let run = run(RunKind::Route, Statistic::RoutingStd, LAYERS.map(row).to_vec());
    let found = yours(&compare(&Paper::load().unwrap(), &[run]), "14", "relative_std");
    assert_eq!(found, [(1, Some(1.0)), (2, Some(1.0))]);
}

#[test]
fn assignments_are_counted_by_the_choices_of_their_own_layer() {
    let row = |layer: LayerId, about: fn(Subject) -> Subject| Finding {
        estimate: Some(0.25),
        n: 100,
        ..Finding::new(Statistic::AssignmentDropRatio, layer, View::Chosen).about(about)
    };
    let rows = LAYERS.into_iter().flat_map(|(layer, ..)| {
        let over_all = row(layer, |subject| Subject { dataset: Some("redpajama".to_owned()), ..subject });
        let at = row(layer, |subject| Subject {
            dataset: Some("redpajama".to_owned()),
            variable: Some(Variable::Position),
            position: Some(0),
            ..subject
        });
        [over_all, at]
    });
    let run = run(RunKind::Drops, Statistic::AssignmentDropRatio, rows.collect());
    let comparison = compare(&Paper::load().unwrap(), &[run]);
    let section = comparison.sections.iter().find(|section| section.figure == "12a").unwrap();
    let rows = section.rows.iter().filter(|row| row.summary && row.measure == "drop_ratio");
    assert_eq!(rows.map(|row| (row.layer, row.yours_n)).collect::<Vec<_>>(), [(1, Some(100)), (2, Some(200))]);
}

#[test]
fn what_the_trace_does_not_record_is_the_reason() {
    let why = "the trace records no token ids";
    let row = |layer| Finding::new(Statistic::RoutingStd, layer, View::Kept).by(Variable::Token).withheld(why);
    let comparison =
        compare(&Paper::load().unwrap(), &[run(RunKind::Route, Statistic::RoutingStd, vec![row(1), row(2)])]);
    let reasons: Vec<&str> = comparison.not_compared.iter().map(|figure| figure.reason.as_str()).collect();
    assert!(reasons.contains(&why), "{reasons:?}");
}
