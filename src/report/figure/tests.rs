//! Which figures follow from which keys.

use super::*;
use crate::{
    routing::View,
    stats::{Finding, STATISTICS},
};

fn info(name: &str) -> &'static StatisticInfo {
    STATISTICS.iter().find(|info| info.name == name).unwrap()
}

fn finding(estimate: f64) -> Finding {
    Finding { estimate: Some(estimate), n: 10, ..Finding::new("expert_share", 1, View::Kept, "share") }
}

fn figures_of(name: &str, findings: &[Finding]) -> Vec<Figure> {
    let rows = findings.iter().map(|finding| Row { run: 0, command: "route", model: "base", finding });
    figures(info(name), &rows.collect::<Vec<_>>())
}

#[test]
fn experts_of_categories_become_cells_and_experts_alone_intervals() {
    let cell = |category: Option<&str>, expert| Finding {
        category: category.map(str::to_owned),
        expert: Some(expert),
        variable: category.map(|_| "category".into()),
        ..finding(0.25)
    };
    let rows: Vec<Finding> = [None, Some("b"), Some("a")]
        .into_iter()
        .flat_map(|category| (0..4).map(move |expert| cell(category, expert)))
        .collect();
    let found = figures_of("expert_share", &rows);
    assert_eq!(found.iter().map(|figure| figure.kind).collect::<Vec<_>>(), [Kind::Intervals, Kind::Matrix]);
    assert_eq!(found[0].rows, ["expert 0", "expert 1", "expert 2", "expert 3"]);
    assert_eq!(
        (&found[1].rows[..], &found[1].columns_order[..]),
        (&["b".to_owned(), "a".into()][..], &["0".to_owned(), "1".into(), "2".into(), "3".into()][..])
    );
    assert_eq!(found[1].data["row"].as_array().unwrap().len(), 8);
}

#[test]
fn single_positions_give_way_to_bins_and_a_second_model_is_another_line() {
    let at = |variable: &'static str, position, checkpoint: Option<&str>| Finding {
        variable: Some(variable.into()),
        position: Some(position),
        checkpoint: checkpoint.map(str::to_owned),
        ..finding(0.1)
    };
    let rows = [
        at("position", 3, None),
        at("position_bucket", 0, None),
        at("position_bucket", 64, None),
        at("position_bucket", 0, Some("chat")),
    ];
    let found = figures_of("assignment_drop_ratio", &rows);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].kind, found[0].label.as_str()), (Kind::Curve, "by position"));
    assert_eq!(found[0].data["x"], serde_json::json!([0.0, 64.0, 0.0]));
    assert_eq!(found[0].data["series"], serde_json::json!(["base", "base", "chat"]));
}

#[test]
fn many_lines_are_cut_into_figures_by_variant_first() {
    let line = |variant: usize, group: usize| Finding {
        variant: Some(format!("variant_{variant}").into()),
        grouping: Some(format!("batch:{group}").into()),
        capacity_factor: Some(1.0),
        ..finding(0.1)
    };
    let rows: Vec<Finding> = (0..3).flat_map(|variant| (0..4).map(move |group| line(variant, group))).collect();
    let labels: Vec<String> = figures_of("capacity_replay", &rows).into_iter().map(|figure| figure.label).collect();
    assert_eq!(
        labels,
        ["by capacity factor: variant 0", "by capacity factor: variant 1", "by capacity factor: variant 2"]
    );
}

#[test]
fn what_is_too_much_to_be_seen_is_left_out_and_said() {
    let rows: Vec<Finding> = (0..1000).map(|position| Finding { position: Some(position), ..finding(0.5) }).collect();
    let found = figures_of("routing_std", &rows);
    let places = found[0].data["x"].as_array().unwrap();
    assert_eq!((places.len(), places[0].as_f64(), places[255].as_f64()), (256, Some(0.0), Some(999.0)));
    assert_eq!(found[0].left_out.as_deref(), Some("256 of 1,000 places are shown; all are in stats/routing_std.csv"));
}

#[test]
fn checkpoints_against_the_last_are_a_curve_and_against_each_other_cells() {
    let pair = |at: usize, of: usize| Finding {
        checkpoint: Some(format!("t{at}")),
        reference: Some(format!("t{of}")),
        training_tokens: (at < 3).then_some(at as f64 + 1.0),
        ..finding(0.5)
    };
    let rows: Vec<Finding> = (0..4).flat_map(|at| (0..4).map(move |of| pair(at, of))).collect();
    let found = figures_of("router_saturation", &rows);
    assert_eq!(
        found.iter().map(|figure| (figure.kind, figure.label.as_str())).collect::<Vec<_>>(),
        [(Kind::Curve, "against t2"), (Kind::Matrix, "by checkpoint and reference checkpoint")]
    );
    // t3 is not on the time axis: a point of its own.
    assert_eq!(found[0].data["series"], serde_json::json!(["over training", "over training", "over training", "t3"]));
    assert_eq!(found[1].data["estimate"].as_array().unwrap().len(), 16);
}

#[test]
fn many_categories_stay_one_figure() {
    let rows: Vec<Finding> = (0..80)
        .map(|at| Finding { category: Some(format!("c{at}")), variable: Some("category".into()), ..finding(0.5) })
        .collect();
    let found = figures_of("load_cv", &rows);
    assert_eq!((found.len(), found[0].label.as_str(), found[0].rows.len()), (1, "by category", 60));
    assert_eq!(found[0].left_out.as_deref(), Some("60 of 80 rows are shown; all are in stats/expert_load.csv"));
}

#[test]
fn runs_that_end_at_different_checkpoints_are_each_held_against_their_own_end() {
    let pair = |at: usize, of: usize| Finding {
        checkpoint: Some(format!("t{at}")),
        reference: Some(format!("t{of}")),
        training_tokens: Some(at as f64 + 1.0),
        ..finding(0.5)
    };
    let findings = |last: usize| -> Vec<Finding> {
        (0..=last).flat_map(|at| (0..=last).map(move |of| (at, of))).map(|(at, of)| pair(at, of)).collect()
    };
    let (short, long) = (findings(1), findings(2));
    let row = |run, finding| Row { run, command: "drift", model: "t0", finding };
    let rows: Vec<Row<'_>> =
        short.iter().map(|finding| row(0, finding)).chain(long.iter().map(|finding| row(1, finding))).collect();
    let found = figures(info("router_saturation"), &rows);
    assert_eq!(found[0].label, "against the last checkpoint of each run");
    assert_eq!(found[0].data["run"], serde_json::json!([0, 0, 1, 1, 1]));
}

#[test]
fn words_of_two_units_are_two_figures_with_names_of_their_own() {
    let word = |unit: &'static str, ranking: &'static str| Finding {
        expert: Some(1),
        token_id: Some(7),
        ranking: Some(ranking.into()),
        rank: Some(1),
        unit: unit.into(),
        ..finding(3.0)
    };
    let found = figures_of("top_tokens", &[word("count", "count"), word("z", "log_odds")]);
    assert!(found.iter().all(|figure| figure.kind == Kind::Words));
    assert_eq!(found.iter().map(|figure| figure.y_title.as_str()).collect::<Vec<_>>(), ["count", "z"]);
    assert_ne!(found[0].label, found[1].label);
}
