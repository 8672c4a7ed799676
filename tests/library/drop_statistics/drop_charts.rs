//! The charts of drops. The files are left in `target/tmp/drop_charts` to be looked at.

use std::{fs, path::Path};

use openmoe_analyze::{
    chart::{CHARTS, Chart, ChartContext, plan_all},
    report,
    routing::{CapacityRule, LayerShape, RouterSettings, RoutingShape, RunKind, View},
    stats::{
        DropLayer, DropSettings, DropStudy, Finding, Statistic, StatisticTable, Subject, Tables, Variant,
        drop_difference, drop_statistics, exact_replay, headline, merge,
        verdict::{DropsSource, RunVerdict},
    },
};

use super::support::*;
use crate::support::page::{in_layers, page_of};

const EXPERTS: u32 = 8;
const FACTOR: f64 = 1.25;
const DATASETS: [&str; 3] =
    ["mt_bench_answer_a-model-with-a-very-long-name-indeed-v0.2-of-this-year-and-more", "questions", "domains"];

fn context(layers: &[u16]) -> ChartContext {
    ChartContext {
        checkpoint: "openmoe-8b, openmoe-8b-chat".into(),
        corpus: "transcripts, domains".into(),
        shape: RoutingShape::uniform(layers.to_vec(), LayerShape::of_choices(EXPERTS as usize, 2)),
        sequences: 36,
        documents: 36,
        tokens: 9_000,
        bos: Some(true),
        bos_counted: true,
        ..ChartContext::default()
    }
}

fn router(factor: f64) -> RouterSettings {
    RouterSettings {
        num_experts: EXPERTS as usize,
        top_k: 2,
        capacity_rule: CapacityRule::Port,
        capacity_factor: factor,
        min_capacity: 4,
    }
}

/// Conversations and texts of unequal length; every text likes an expert of its own, `liking` tenths of the time.
fn run(layer: u16, seed: u64, liking: u32, factor: f64) -> MadeUpTrace {
    let mut run = MadeUpTrace::new(EXPERTS as usize, 2, &DATASETS, &["a", "b"]);
    run.layer.layer = layer;
    let mut random = Random(seed);
    for document in 0..36_u32 {
        let dataset = (document % 3) as u16;
        let length = if dataset == 1 { 40 + document } else { 120 + 13 * document };
        let rows: Vec<(u32, Vec<u16>)> = (0..length)
            .map(|_| {
                let (lot, any, step) = (random.below(10), random.below(EXPERTS), 1 + random.below(EXPERTS - 1));
                let first = if lot < liking { document % EXPERTS } else { any };
                let token = random.below(12).min(random.below(12));
                (token, vec![first as u16, ((first + step) % EXPERTS) as u16])
            })
            .collect();
        let sequence = run.document(dataset, Some(dataset % 2), &rows);
        for turn in (0..12).filter(|_| dataset < 2) {
            let role = if turn % 2 == 0 { Role::User } else { Role::Assistant };
            run.span(sequence, turn, role, length * u32::from(turn) / 12, length * u32::from(turn + 1) / 12);
        }
    }
    run.with_slots(1, |tokens| router(factor).capacity(tokens).unwrap());
    run
}

fn study(run: &MadeUpTrace, factor: f64) -> DropStudy<'_> {
    DropStudy::new(
        &DropLayer { router: router(factor), ..run.drop_layer() },
        &DropSettings { expert_parallel: vec![2, 4], ..quick() },
    )
    .unwrap()
}

/// All tables of two models and a rerun.
fn tables(layers: &[u16]) -> Tables {
    let mut tables = Tables::new();
    for &index in layers {
        let seed = 7 + u64::from(index);
        let (first, chat) = (run(index, seed, 4, FACTOR), run(index, seed, 2, FACTOR));
        let logged = study(&first, FACTOR);
        merge(&mut tables, drop_statistics(&logged, &|_| ()).unwrap());
        let model = study(&chat, FACTOR);
        let mut other = drop_statistics(&model, &|_| ()).unwrap();
        other.truncate(6);
        other
            .iter_mut()
            .flat_map(|table| &mut table.rows)
            .for_each(|row| row.subject.checkpoint = Some("8b-chat".into()));
        merge(&mut tables, other);
        merge(&mut tables, vec![drop_difference(&model, &logged, ("8b-chat", "8b")).unwrap()]);
        for factor in [1.0, 2.0] {
            let again = run(index, seed, 4, factor);
            merge(&mut tables, vec![exact_replay(&study(&again, factor), &logged).unwrap()]);
        }
    }
    tables
        .insert("dropped_tokens".into(), StatisticTable { name: "dropped_tokens".into(), rows: conversation(layers) });
    tables
}

/// A conversation in several scripts; nothing is dropped in its first 400 tokens.
fn conversation(layers: &[u16]) -> Vec<Finding> {
    let latin =
        ["\u{2581}The", "\u{2581}expert", "s", "\u{2581}of", "\u{2581}a", "\u{2581}lay", "er", ",", "\u{2581}", "."];
    let code =
        ["<0x0A>", "\u{2581}\u{2581}\u{2581}\u{2581}", "if", "\u{2581}x", "<", "&", "\"", "\t", "\n\n", "<0xE4>"];
    let arabic =
        ["\u{2581}الله", "\u{2581}خلق", "ت", "\u{2581}ال", "عالم", "،", "\u{2581}و", "هو", "\u{2581}كتاب", "."];
    let hebrew =
        ["\u{2581}של", "ום", "\u{2581}עולם", "\u{2581}(", "abc", ")", "\u{2581}ספר", "ים", "\u{2581}רבים", "!"];
    let ideographs =
        ["\u{2581}专家", "的", "负载", "是", "、", "の", "エキスパート", "전문가", "\u{1F600}", "\u{0E01}"];
    let scripts = [latin, code, arabic, hebrew, ideographs];
    let mut rows = Vec::new();
    for &layer in layers {
        for position in 0..1_200_u32 {
            let (turn, script) = (position / 150, scripts[(position / 30) as usize % scripts.len()]);
            let variant = match position {
                0..400 => Variant::Kept,
                _ if position % 11 == 3 => Variant::FirstDropped,
                _ if position % 7 == 2 => Variant::SecondDropped,
                _ if position % 23 == 5 => Variant::AllDropped,
                _ => Variant::Kept,
            };
            rows.push(Finding {
                estimate: Some(if variant == Variant::Kept { 0.0 } else { 0.5 }),
                n: 1,
                ..Finding::new(Statistic::DroppedTokens, layer, View::Chosen).about(|subject| Subject {
                    position: Some(position),
                    token_id: Some(position % 100),
                    text: Some(script[position as usize % 10].into()),
                    turn: (position > 0).then_some(turn as u16),
                    role: (position > 0).then_some(if turn % 2 == 0 { Role::User } else { Role::Assistant }),
                    document: Some("question 81".into()),
                    dataset: Some(DATASETS[0].into()),
                    expert: Some(1),
                    other_expert: Some(2),
                    variant: Some(variant),
                    ..subject
                })
            });
        }
    }
    rows
}

/// All charts, also those that are drawn on request.
fn draw(folder: &str, tables: &Tables, context: &ChartContext) -> Vec<Chart> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    fs::create_dir_all(&folder).unwrap();
    let charts = openmoe_analyze::chart::draw(&plan_all(tables, context), &|_| ()).unwrap();
    for chart in &charts {
        assert!(chart.png.starts_with(b"\x89PNG") && chart.svg.starts_with("<svg "), "{}", chart.name);
        assert!(chart.caption.contains("n = "), "{}", chart.name);
        fs::write(folder.join(format!("{}.png", chart.name)), &chart.png).unwrap();
    }
    charts
}

#[test]
fn every_kind_of_drop_chart_is_drawn() {
    let context = context(&[1, 3]);
    let tables = tables(context.shape.moe_layers());
    let charts = draw("drop_charts", &tables, &context);
    for kind in CHARTS {
        let drawn = charts.iter().any(|chart| chart.kind == kind.stem);
        assert_eq!(drawn, kind.statistic.info().command == RunKind::Drops, "{}", kind.stem);
    }
    let names: Vec<&str> = charts.iter().map(|chart| chart.name.as_str()).collect();
    for stem in ["drop_turn_role", "capacity_curve", "drop_causes"] {
        for layer in [1, 3] {
            assert!(names.contains(&format!("{stem}_layer_{layer}").as_str()), "{stem} {layer}: {names:?}");
        }
    }
    for one in ["drop_position", "drop_compare", "expert_occupancy", "burstiness", "drop_trend"] {
        assert!(names.contains(&one), "{one}: {names:?}");
    }
    for chart in &charts {
        let message = chart.message.as_ref().unwrap_or_else(|| panic!("{} says nothing", chart.name));
        println!("{}: {}", chart.name, message.text);
    }
    let text = charts.iter().find(|chart| chart.name == "dropped_tokens_layer_3").unwrap();
    assert!(text.caption.contains("tokens 411 to 1,110 of 1,200"), "{}", text.caption);
    assert!(text.caption.contains("Drawn: the first of the two checkpoints."), "{}", text.caption);
    let findings = headline(&tables);
    let page = page_of(
        "drops",
        &context,
        &tables,
        &findings,
        &report::verdict_lines(&RunVerdict::drops(&findings, DropsSource::OfRun)),
        &charts,
    );
    assert!(page.contains("Are later tokens dropped more?") && page.contains("What capacity would prevent it?"));
}

#[test]
fn many_layers_share_one_picture_of_each_kind() {
    let layers: Vec<u16> = (0..24).map(|layer| 2 * layer + 1).collect();
    let context = context(&layers);
    let tables = in_layers(&tables(&[1]), &layers);
    let charts = draw("drop_charts_many", &tables, &context);
    for kind in CHARTS.iter().filter(|kind| kind.statistic.info().command == RunKind::Drops) {
        assert_eq!(charts.iter().filter(|chart| chart.kind == kind.stem).count(), 1, "{}", kind.stem);
    }
    for chart in &charts {
        assert!(chart.caption.contains("24 MoE layers"), "{}: {}", chart.name, chart.caption);
    }
}

#[test]
fn one_model_and_one_text_give_fewer_charts() {
    let mut alone = run(3, 1, 4, FACTOR);
    alone.sequences.dataset.fill(2);
    alone.spans = openmoe_analyze::trace::SpanTable::default();
    let mut tables = Tables::new();
    merge(&mut tables, drop_statistics(&study(&alone, FACTOR), &|_| ()).unwrap());
    let kinds: Vec<&str> = draw("drop_charts_one", &tables, &context(&[3])).iter().map(|chart| chart.kind).collect();
    let expected = ["drop_trend", "drop_position", "drop_choice", "burstiness", "expert_occupancy", "drop_causes"];
    assert!(expected.iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    assert!(!kinds.contains(&"drop_compare") && !kinds.contains(&"drop_turn_role"), "{kinds:?}");
}

#[test]
fn withheld_numbers_and_missing_keys_never_panic() {
    let context = context(&[3]);
    let whole = tables(context.shape.moe_layers());
    let mut bare = whole.clone();
    for row in bare.values_mut().flat_map(|table| &mut table.rows) {
        (row.low, row.high, row.baseline, row.corrected) = (None, None, None, None);
        (row.subject.text, row.subject.token_id, row.note) = (None, None, None);
    }
    assert!(!draw("drop_charts_bare", &bare, &context).is_empty());
    let forget: [fn(&mut Finding); 8] = [
        |row| row.subject.position = None,
        |row| row.subject.variant = None,
        |row| row.subject.expert = None,
        |row| row.subject.capacity_factor = None,
        |row| (row.subject.rule, row.subject.grouping, row.subject.priority) = (None, None, None),
        |row| row.subject = Subject { dataset: None, role: None, turn: None, document: None, ..row.subject.clone() },
        |row| (row.subject.rank, row.subject.cohort, row.subject.variable) = (None, None, None),
        |row| (row.estimate, row.n) = (row.estimate.map(|_| 0.0), 0),
    ];
    for forget in forget {
        let mut tables = whole.clone();
        tables.values_mut().flat_map(|table| &mut table.rows).for_each(forget);
        plan_all(&tables, &context);
    }
    let mut withheld = whole;
    for row in withheld.values_mut().flat_map(|table| &mut table.rows) {
        *row = row.clone().withheld("too few data");
    }
    assert!(plan_all(&withheld, &context).is_empty());
}
