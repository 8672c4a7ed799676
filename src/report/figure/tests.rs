//! Which figures the keys of rows give.

use super::*;
use crate::{
    routing::{CapacityRule, View},
    run::RunKind,
    stats::{Finding, GROUPS_OF_RUN, Priority, Ranking, Role, STATISTICS, Statistic, Subject, Variable, Variant},
};

fn info(name: &str) -> &'static StatisticInfo {
    STATISTICS.iter().find(|info| info.name == name).unwrap()
}

fn finding(estimate: f64) -> Finding {
    Finding { estimate: Some(estimate), n: 10, ..Finding::new(Statistic::ExpertShare, 1, View::Kept) }
}

fn figures_of(name: &str, findings: &[Finding]) -> Vec<Figure> {
    let rows = findings.iter().map(|finding| FigureRow { run: 0, command: RunKind::Route, model: "base", finding });
    figures(info(name), &rows.collect::<Vec<_>>())
}

#[test]
fn experts_of_categories_become_cells_and_experts_alone_intervals() {
    let cell = |category: Option<&str>, expert| {
        finding(0.25).about(|subject| Subject {
            category: category.map(str::to_owned),
            expert: Some(expert),
            variable: category.map(|_| Variable::Category),
            ..subject
        })
    };
    let rows: Vec<Finding> = [None, Some("b"), Some("a")]
        .into_iter()
        .flat_map(|category| (0..4).map(move |expert| cell(category, expert)))
        .collect();
    let found = figures_of("expert_share", &rows);
    assert_eq!(found.iter().map(|figure| figure.kind).collect::<Vec<_>>(), [FigureKind::Intervals, FigureKind::Matrix]);
    assert_eq!(found[0].rows, ["expert 0", "expert 1", "expert 2", "expert 3"]);
    assert_eq!(
        (&found[1].rows[..], &found[1].columns_order[..]),
        (&["b".to_owned(), "a".into()][..], &["0".to_owned(), "1".into(), "2".into(), "3".into()][..])
    );
    assert_eq!(found[1].data["row"].as_array().unwrap().len(), 8);
}

#[test]
fn single_positions_give_way_to_bins_and_a_second_model_is_another_line() {
    let at = |variable: Variable, position, checkpoint: Option<&str>| {
        finding(0.1).about(|subject| Subject {
            variable: Some(variable),
            position: Some(position),
            checkpoint: checkpoint.map(str::to_owned),
            ..subject
        })
    };
    let rows = [
        at(Variable::Position, 3, None),
        at(Variable::PositionBucket, 0, None),
        at(Variable::PositionBucket, 64, None),
        at(Variable::PositionBucket, 0, Some("chat")),
    ];
    let found = figures_of("assignment_drop_ratio", &rows);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].kind, found[0].label.as_str()), (FigureKind::Curve, "by position"));
    assert_eq!(found[0].data["x"], serde_json::json!([0.0, 64.0, 0.0]));
    assert_eq!(found[0].data["series"], serde_json::json!(["base", "base", "chat"]));
}

#[test]
fn many_lines_are_cut_into_figures_by_variant_first() {
    let line = |variant: Variant, group: usize| {
        finding(0.1).about(|subject| Subject {
            variant: Some(variant),
            grouping: Some(format!("batch:{group}").into()),
            capacity_factor: Some(1.0),
            ..subject
        })
    };
    let variants = [Variant::Unweighted, Variant::TokenWeighted, Variant::Frequent];
    let rows: Vec<Finding> =
        variants.into_iter().flat_map(|variant| (0..4).map(move |group| line(variant, group))).collect();
    let labels: Vec<String> = figures_of("capacity_replay", &rows).into_iter().map(|figure| figure.label).collect();
    assert_eq!(
        labels,
        ["by capacity factor: unweighted", "by capacity factor: token weighted", "by capacity factor: frequent"]
    );
}

#[test]
fn what_is_too_much_to_be_seen_is_left_out_and_said() {
    let rows: Vec<Finding> = (0..1000)
        .map(|position| finding(0.5).about(|subject| Subject { position: Some(position), ..subject }))
        .collect();
    let found = figures_of("routing_std", &rows);
    let places = found[0].data["x"].as_array().unwrap();
    assert_eq!((places.len(), places[0].as_f64(), places[255].as_f64()), (256, Some(0.0), Some(999.0)));
    assert_eq!(found[0].left_out.as_deref(), Some("256 of 1,000 places are shown; all are in stats/routing_std.csv"));
}

#[test]
fn checkpoints_against_the_last_are_a_curve_and_against_each_other_cells() {
    let pair = |at: usize, of: usize| {
        finding(0.5).about(|subject| Subject {
            checkpoint: Some(format!("t{at}")),
            reference: Some(format!("t{of}")),
            training_tokens: (at < 3).then_some(at as f64 + 1.0),
            ..subject
        })
    };
    let rows: Vec<Finding> = (0..4).flat_map(|at| (0..4).map(move |of| pair(at, of))).collect();
    let found = figures_of("router_saturation", &rows);
    assert_eq!(
        found.iter().map(|figure| (figure.kind, figure.label.as_str())).collect::<Vec<_>>(),
        [(FigureKind::Curve, "against t2"), (FigureKind::Matrix, "by checkpoint and reference checkpoint")]
    );
    // t3 is not on the time axis: a point of its own.
    assert_eq!(found[0].data["series"], serde_json::json!(["over training", "over training", "over training", "t3"]));
    assert_eq!(found[1].data["estimate"].as_array().unwrap().len(), 16);
}

#[test]
fn runs_of_one_kind_apart_in_the_report_have_their_figures_once() {
    let row = finding(0.5).about(|subject| Subject { variable: Some(Variable::Token), ..subject });
    let runs = [RunKind::Route, RunKind::Drift, RunKind::Route].into_iter().zip(0..);
    let rows: Vec<FigureRow<'_>> =
        runs.map(|(command, run)| FigureRow { run, command, model: "base", finding: &row }).collect();
    let labels: Vec<String> = figures(info("load_cv"), &rows).into_iter().map(|figure| figure.label).collect();
    assert_eq!(labels, ["route: over all", "drift: over all"]);
}

#[test]
fn a_square_has_one_order_and_each_pair_once() {
    let pair = |a: u16, b: u16| Finding {
        baseline: Some(0.1),
        ..Finding::new(Statistic::Coactivation, 1, View::Chosen).about(|subject| Subject {
            expert: Some(a),
            other_expert: Some(b),
            ..subject
        })
    };
    let rows = [pair(0, 1), pair(0, 2), pair(1, 2)].map(|row| Finding { estimate: Some(0.2), n: 9, ..row });
    let found = figures_of("coactivation", &rows);
    assert_eq!(found[0].rows, ["0", "1", "2"]);
    assert_eq!(found[0].columns_order, found[0].rows);
    assert!(found[0].symmetric && found[0].ratio);
    let checkpoints = |at: &str, of: &str| {
        finding(0.5).about(|subject| Subject {
            checkpoint: Some(at.to_owned()),
            reference: Some(of.to_owned()),
            training_tokens: Some(1.0),
            ..subject
        })
    };
    // The last one is met first as a reference.
    let rows = [checkpoints("a", "b"), checkpoints("b", "b"), checkpoints("a", "a"), checkpoints("b", "a")];
    let found = figures_of("router_saturation", &rows);
    let square = found.iter().find(|figure| figure.kind == FigureKind::Matrix).unwrap();
    assert_eq!((&square.rows, square.symmetric, square.ratio), (&square.columns_order, false, false));
}

#[test]
fn a_share_without_a_baseline_of_its_own_is_no_multiple() {
    let cell = |expert, baseline| Finding {
        baseline,
        ..finding(0.25).about(|subject| Subject { category: Some("a".into()), expert: Some(expert), ..subject })
    };
    let told = figures_of("expert_share", &[cell(0, Some(0.25)), cell(1, Some(0.25))]);
    let withheld = figures_of("expert_share", &[cell(0, Some(0.25)), cell(1, None)]);
    let nothing = figures_of("expert_share", &[cell(0, Some(0.25)), cell(1, Some(0.0))]);
    assert!(told[0].ratio && !withheld[0].ratio && !nothing[0].ratio);
}

#[test]
fn what_is_explained_is_told_in_per_cent_with_its_bits() {
    let row = Finding {
        explained: Some(0.8127),
        explained_low: Some(0.8),
        baseline: Some(0.05),
        ..Finding { estimate: Some(2.434), ..Finding::new(Statistic::MutualInformation, 1, View::Chosen) }
            .about(|subject| Subject { variable: Some(Variable::Token), ..subject })
    };
    let found = figures_of("mutual_information", std::slice::from_ref(&row));
    let data = &found[0].data;
    let values = ["estimate", "low", "plain", "plain_baseline"].map(|name| data[name][0].as_f64().unwrap());
    assert_eq!(values, [81.27, 80.0, 2.434, 0.05]);
    assert_eq!((found[0].unit.as_str(), &data["plain_unit"][0]), ("% of what can be explained", &"bits".into()));
    assert_eq!(found[1].unit, "bits");
}

#[test]
fn one_name_has_one_number() {
    let row = |variant: Option<Variant>| {
        Finding { estimate: Some(0.1), ..Finding::new(Statistic::MutualInformation, 1, View::Chosen) }
            .about(|subject| Subject { variable: Some(Variable::Position), variant, ..subject })
    };
    let found = figures_of("mutual_information", &[row(None), row(Some(Variant::WithinSequenceShift))]);
    assert_eq!(found[0].rows, ["position (lenient baseline)", "position"]);
    // Elsewhere a variant is what it says.
    let found = figures_of(
        "vocabulary_specialization",
        &[finding(0.5).about(|subject| Subject { variant: Some(Variant::Frequent), ..subject })],
    );
    assert_eq!(found[0].rows, ["frequent"]);
}

#[test]
fn measures_with_floors_of_their_own_have_panels_of_their_own() {
    let at = |variant: Variant, checkpoint: &str, floor| Finding {
        noise_floor: Some(floor),
        ..finding(0.5).about(|subject| Subject {
            variant: Some(variant),
            checkpoint: Some(checkpoint.into()),
            reference: Some("b".into()),
            training_tokens: Some(1.0),
            ..subject
        })
    };
    let both = |checkpoint| [at(Variant::Cosine, checkpoint, 0.99), at(Variant::TotalVariation, checkpoint, 0.02)];
    let rows = [both("a"), both("b")].concat();
    let found = figures_of("load_drift", &rows);
    assert!(found[0].apart);
    assert_eq!(found[0].data["panel"], serde_json::json!(["cosine", "total variation", "cosine", "total variation"]));
    assert!(found[0].data["series"].as_array().unwrap().iter().all(|series| series == ""));
}

#[test]
fn pairs_of_categories_come_before_the_number_over_all() {
    let row = |a: Option<&str>, b: Option<&str>| {
        Finding { estimate: Some(0.1), ..Finding::new(Statistic::JensenShannon, 1, View::Chosen) }.about(|subject| {
            Subject { category: a.map(str::to_owned), other_category: b.map(str::to_owned), ..subject }
        })
    };
    let found = figures_of("jensen_shannon", &[row(None, None), row(Some("a"), Some("b"))]);
    assert_eq!(found.iter().map(|figure| figure.kind).collect::<Vec<_>>(), [FigureKind::Matrix, FigureKind::Intervals]);
}

/// A replay of 64 sequences under a rule.
fn replay(rule: CapacityRule, variant: Variant, factor: Option<f64>, estimate: f64) -> Finding {
    Finding {
        estimate: Some(estimate),
        n: 64,
        ..Finding::new(Statistic::CapacityReplay, 1, View::Chosen).about(|subject| Subject {
            rule: Some(rule),
            variant: Some(variant),
            grouping: Some(GROUPS_OF_RUN.into()),
            priority: factor.is_some().then_some(Priority::Position),
            capacity_factor: factor,
            ..subject
        })
    }
}

#[test]
fn the_capacity_that_would_do_is_a_curve_and_a_smallest_factor() {
    let mut rows: Vec<Finding> = Vec::new();
    for rule in [CapacityRule::Unlimited, CapacityRule::Port, CapacityRule::T5x] {
        for factor in [1.0, 2.0] {
            let lost = if rule == CapacityRule::Unlimited { 0.0 } else { 0.1 / factor };
            rows.push(replay(rule, Variant::Of(Statistic::AssignmentDropRatio), Some(factor), lost));
            rows.push(
                replay(rule, Variant::Of(Statistic::AssignmentDropRatio), Some(factor), lost)
                    .about(|subject| Subject { dataset: Some("chats".into()), ..subject }),
            );
        }
        rows.push(replay(rule, Variant::FactorForOnePercent, None, 1.87));
    }
    let found = figures_of("capacity_replay", &rows);
    let labels: Vec<&str> = found.iter().map(|figure| figure.label.as_str()).collect();
    assert_eq!(
        labels,
        [
            "dropped assignments over the capacity factor, by capacity rule",
            "dropped assignments over the capacity factor, by data set (rule port)",
            "dropped assignments over the capacity factor, by who competes (rule port)",
            "smallest factors that drop at most 0.1, 1 and 5 %",
        ]
    );
    assert_eq!((found[0].y_scale, &found[0].data["x"]), (Some("log"), &serde_json::json!([1.0, 2.0, 1.0, 2.0])));
    assert_eq!(found[0].data["series"], serde_json::json!(["rule port", "rule port", "rule t5x", "rule t5x"]));
    assert_eq!(found[1].data["series"], serde_json::json!(["all data sets", "chats", "all data sets", "chats"]));
    assert_eq!(found[3].rows, ["rule port: at most 1 %, all data sets", "rule t5x: at most 1 %, all data sets"]);
    assert!(found.iter().all(|figure| figure.left_out.as_deref().is_some_and(|text| text.contains("of 15 replays"))));
}

#[test]
fn a_list_of_figures_that_is_cut_keeps_what_varies_and_says_so_everywhere() {
    let rows: Vec<Finding> = (0..70)
        .flat_map(|document| {
            (0..9_u32).map(move |turn| {
                // The last documents differ from the others, so the line is not straight.
                let value = if document < 65 { 0.0 } else { f64::from(turn) };
                let dataset = Some(format!("d{document}"));
                let (turn, role) = (Some(turn as u16), Some(Role::User));
                finding(value).about(|subject| Subject { dataset, turn, role, ..subject })
            })
        })
        .collect();
    let found = figures_of("assignment_drop_ratio", &rows);
    assert!(found.len() == MOST_FIGURES && found[0].varies() && !found[MOST_FIGURES - 1].varies());
    assert!(
        found
            .iter()
            .all(|figure| figure.left_out.as_deref().is_some_and(|text| text.contains("further figures are not")))
    );
}

#[test]
fn many_categories_stay_one_figure() {
    let rows: Vec<Finding> = (0..80)
        .map(|at| {
            finding(0.5).about(|subject| Subject {
                category: Some(format!("c{at}")),
                variable: Some(Variable::Category),
                ..subject
            })
        })
        .collect();
    let found = figures_of("load_cv", &rows);
    assert_eq!((found.len(), found[0].label.as_str(), found[0].rows.len()), (1, "by category", 60));
    assert_eq!(found[0].left_out.as_deref(), Some("60 of 80 rows are shown; all are in stats/expert_load.csv"));
}

#[test]
fn runs_that_end_at_different_checkpoints_are_each_held_against_their_own_end() {
    let pair = |at: usize, of: usize| {
        finding(0.5).about(|subject| Subject {
            checkpoint: Some(format!("t{at}")),
            reference: Some(format!("t{of}")),
            training_tokens: Some(at as f64 + 1.0),
            ..subject
        })
    };
    let findings = |last: usize| -> Vec<Finding> {
        (0..=last).flat_map(|at| (0..=last).map(move |of| (at, of))).map(|(at, of)| pair(at, of)).collect()
    };
    let (short, long) = (findings(1), findings(2));
    let row = |run, finding| FigureRow { run, command: RunKind::Drift, model: "t0", finding };
    let rows: Vec<FigureRow<'_>> =
        short.iter().map(|finding| row(0, finding)).chain(long.iter().map(|finding| row(1, finding))).collect();
    let found = figures(info("router_saturation"), &rows);
    assert_eq!(found[0].label, "against the last checkpoint of each run");
    assert_eq!(found[0].data["run"], serde_json::json!([0, 0, 1, 1, 1]));
}

#[test]
fn words_of_two_units_are_two_figures_with_names_of_their_own() {
    let word = |unit: &'static str, ranking: Ranking| Finding {
        unit: unit.into(),
        ..finding(3.0).about(|subject| Subject {
            expert: Some(1),
            token_id: Some(7),
            ranking: Some(ranking),
            rank: Some(1),
            ..subject
        })
    };
    let found = figures_of("top_tokens", &[word("count", Ranking::Count), word("z", Ranking::LogOdds)]);
    assert!(found.iter().all(|figure| figure.kind == FigureKind::Words));
    assert_eq!(found.iter().map(|figure| figure.y_title.as_str()).collect::<Vec<_>>(), ["z", "count"]);
    assert_ne!(found[0].label, found[1].label);
}
