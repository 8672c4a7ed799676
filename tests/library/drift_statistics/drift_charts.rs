//! The charts of drift. The files are left in `target/tmp/drift_charts` to be looked at.

use std::{fs, path::Path};

use expect_test::expect;
use openmoe_analyze::{
    chart::{CHARTS, Chart, ChartContext, draw_all, plan_all},
    report,
    routing::{LayerShape, RoutingShape, RunKind},
    stats::{DriftLayer, DriftSettings, Settings, Tables, drift_statistics, headline, merge, verdict::RunVerdict},
    trace::LayerTrace,
};

use super::training::*;
use crate::{
    statistics::support::*,
    support::page::{in_layers, page_of},
};

fn context(layers: &[u16], experts: usize) -> ChartContext {
    ChartContext {
        checkpoint: "openmoe-8b, 200B to 1T".into(),
        corpus: "domains".into(),
        shape: RoutingShape::uniform(layers.to_vec(), LayerShape::of_choices(experts, 2)),
        sequences: 24,
        documents: 24,
        tokens: 1_440,
        bos: Some(true),
        bos_counted: true,
        ..ChartContext::default()
    }
}

/// Layers that learn at different speed; tokens of unequal frequency; margins that are larger where routing is learnt.
fn tables(layers: &[u16], checkpoints: usize, experts: usize) -> Tables {
    let mut tables = Tables::new();
    for &layer in layers {
        let mut run = synthetic(Router::Token, experts, 2, 24, 60);
        run.layer.layer = layer;
        let mut random = Random(u64::from(layer));
        for t in 0..run.layer.len() {
            run.layer.token_id[t] = random.below(20).min(random.below(20));
            run.layer.margin_k[t] = random.below(1000) as f32 / 1000.0;
            run.layer.margin_first[t] = random.below(1000) as f32 / 1000.0;
        }
        let speed = 1.0 / f64::from(layer + 1);
        let traces: Vec<LayerTrace> = (0..checkpoints)
            .map(|index| {
                let learnt =
                    if index == 4 { 1.0 } else { (1.0 - (0.6 - 0.1 * speed).powi(index as i32 + 1)).min(0.97) };
                let learnt = learning(&run.layer, learnt, 1000 * (index as u64 + 1) + u64::from(layer));
                LayerTrace { layer, ..learnt }
            })
            .collect();
        let gate = vec![1.0 / experts as f32; run.layer.len() * experts];
        let gate = Some(gate.as_slice());
        let layers: Vec<DriftLayer<'_>> = traces.iter().map(|trace| DriftLayer { trace, gate }).collect();
        let settings = DriftSettings { match_experts: true, ..with(Settings { minimum_occurrences: 20, ..quick() }) };
        merge(
            &mut tables,
            drift_statistics(&run.sequences, &points(checkpoints), layers.as_slice(), &settings, &|_| ()).unwrap(),
        );
    }
    tables
}

fn write(folder: &str, charts: &[Chart]) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    fs::create_dir_all(&folder).unwrap();
    for chart in charts {
        fs::write(folder.join(format!("{}.png", chart.name)), &chart.png).unwrap();
    }
}

#[test]
fn every_kind_of_drift_chart_is_drawn() {
    let context = context(&[1, 3, 5], 16);
    let tables = tables(context.shape.moe_layers(), 6, 16);
    let charts = draw_all(&tables, &context, &|_| ()).unwrap();
    write("drift_charts", &charts);
    for kind in CHARTS {
        let drawn = charts.iter().any(|chart| chart.kind == kind.stem);
        assert_eq!(drawn, kind.statistic.info().command == RunKind::Drift && !kind.on_request, "{}", kind.stem);
    }
    for chart in &charts {
        assert!(chart.png.starts_with(b"\x89PNG") && chart.svg.starts_with("<svg "), "{}", chart.name);
        println!("{}: {}", chart.name, chart.title);
    }
    let findings = headline(&tables);
    let told = RunVerdict::drift(&findings, &tables["token_drift"].rows);
    let verdict = [report::headline_lines(&told), report::verdict_lines(&told)].concat();
    // All layers, the model beside the time axis, then the details.
    expect![[r#"
        By 400B, after 40 % of the training, all 3 layers were at least halfway from chance to the routing of 1T: the lowest, layer 5, stood at 64 % [62, 66].
        Compared with 1T, chat changes the first choice of up to 4 % [4, 5] of the tokens (layer 5); how much bf16 arithmetic alone would change was not measured.
        layer 1: reached half of its final agreement by 400B: 69 % [66, 72] of the way from chance to full agreement with 1T (chance-corrected; uncorrected 74 %, by chance 16 %); 800B stands at 90 % [89, 92]
        layer 3: reached half of its final agreement by 400B: 65 % [62, 67] of the way from chance to full agreement with 1T (chance-corrected; uncorrected 71 %, by chance 16 %); 800B stands at 89 % [87, 91]
        layer 5: reached half of its final agreement by 400B: 64 % [62, 66] of the way from chance to full agreement with 1T (chance-corrected; uncorrected 70 %, by chance 15 %); 800B stands at 88 % [87, 89]
        chat against 1T: the first choice of the tokens differs for 3 % [1.9, 3] in layer 1, 3 % [3, 4] in layer 3, 4 % [4, 5] in layer 5
    "#]].assert_eq(&(verdict.join("\n") + "\n"));
    let page = page_of("drift", &context, &tables, &findings, &verdict, &charts);
    assert!(page.contains("200B, against 1T"));
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("drift_charts/report.html"), page).unwrap();
}

#[test]
fn one_or_two_checkpoints_and_withheld_numbers_give_fewer_charts_but_never_a_panic() {
    let context = context(&[1], 8);
    let single = tables(&[1], 1, 8);
    let kinds: Vec<&str> = plan_all(&single, &context).iter().map(|spec| spec.kind).collect();
    assert_eq!(kinds, ["drift_load", "drift_load"]);
    let two = tables(&[1], 2, 8);
    write("drift_charts_two", &draw_all(&two, &context, &|_| ()).unwrap());
    let mut withheld = two;
    for row in withheld.values_mut().flat_map(|table| &mut table.rows) {
        *row = row.clone().withheld("too few data");
    }
    assert!(plan_all(&withheld, &context).is_empty());
    let told = RunVerdict::drift(&headline(&withheld), &[]);
    let verdict = [report::headline_lines(&told), report::verdict_lines(&told)].concat();
    expect![[r#"
        There is not enough data to say when routing was learnt (layer 1: not enough data (too few data)).
        layer 1: not enough data (too few data)
    "#]]
    .assert_eq(&(verdict.join("\n") + "\n"));
}

#[test]
fn long_labels_are_cut_and_token_ids_that_were_asked_for_come_first() {
    let mut tables = tables(&[1, 3, 5], 6, 16);
    let long = |label: &str| format!("openmoe-with-a-long-name-{label}-of-the-first-series-of-checkpoints");
    for row in tables.values_mut().flat_map(|table| &mut table.rows) {
        row.subject.training_tokens = None;
        row.subject.checkpoint = row.checkpoint.as_deref().map(|label| format!("{}{label}", long(label)));
        row.subject.reference = row.reference.as_deref().map(|label| format!("{}{label}", long(label)));
    }
    let context = ChartContext { tokens_of_interest: vec![7, 11], ..context(&[1, 3, 5], 16) };
    let charts = draw_all(&tables, &context, &|_| ()).unwrap();
    write("drift_charts_long", &charts);
    let specs = plan_all(&tables, &context);
    let radar = specs.iter().find(|spec| spec.kind == "drift_radar_token").unwrap().draw().unwrap();
    let (seventh, eleventh) = (radar.svg.find("piece␣7 ·").unwrap(), radar.svg.find("piece␣11 ·").unwrap());
    assert!(seventh < eleventh && eleventh < radar.svg.find("piece␣0 ·").unwrap());
}

#[test]
fn many_layers_share_one_picture_of_each_kind() {
    let layers: Vec<u16> = (0..24).map(|layer| 2 * layer + 1).collect();
    let context = context(&layers, 8);
    let charts = draw_all(&in_layers(&tables(&[1], 6, 8), &layers), &context, &|_| ()).unwrap();
    write("drift_charts_many", &charts);
    let usual = CHARTS.iter().filter(|kind| !kind.on_request);
    for kind in usual.filter(|kind| kind.statistic.info().command == RunKind::Drift) {
        let drawn = charts.iter().filter(|chart| chart.kind == kind.stem).count();
        assert!((1..=3).contains(&drawn), "{}: {drawn}", kind.stem);
    }
    for chart in &charts {
        assert!(chart.caption.contains("24 MoE layers"), "{}: {}", chart.name, chart.caption);
    }
}
