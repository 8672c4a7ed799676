//! Charts and report from made-up tables: 16 experts, two MoE layers, 23 categories; and every degenerate input.
//!
//! The files are left in `target/tmp/charts` to be looked at.

use std::{collections::BTreeSet, fs, path::Path};

use openmoe_analyze::{
    chart::{CHARTS, Chart, ChartContext, ChartSpec, draw_all, plan},
    report,
    routing::{LayerShape, RoutingShape, RunKind, View},
    stats::{Finding, Ranking, Statistic, StatisticTable, Subject, Tables, Variable, Variant, verdict::RunVerdict},
    trace::{Block, Provides},
};

use crate::{
    statistics::support::{Router, quick, synthetic},
    support::page::page_of,
};

const TEXTS: [&str; 24] = [
    "\u{2581}the",
    "<0x0A>",
    "\u{2581}",
    "ed",
    "\u{2581}و",
    "ال",
    "של",
    "中",
    "の",
    "하",
    "\u{2581}что",
    "\n\n",
    "\t",
    "\u{2581}a_rather_long_identifier_name",
    "<0xE4>",
    "\u{2581}क",
    "{",
    "\u{2581}&",
    "<b>",
    "\"",
    "1",
    ",",
    "\u{2581}größer",
    "ing",
];

/// A number in [0, 1) that depends on its arguments alone.
fn noise(seed: usize) -> f64 {
    let mixed = (seed as u64).wrapping_add(0x9E37_79B9).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0x94D0_49BB_1331_11EB) >> 11) as f64 / (1u64 << 53) as f64
}

fn context(experts: usize, layers: &[u16]) -> ChartContext {
    let names = [
        "ar",
        "de",
        "es",
        "fr",
        "he",
        "it",
        "ja",
        "ko",
        "nl",
        "ru",
        "zh-cn",
        "zh-tw",
        "arxiv",
        "book",
        "c4",
        "cc",
        "github",
        "stackexchange",
        "wikipedia",
        "assembly",
        "blitzmax",
        "java",
        "a category with a very long name indeed",
    ];
    ChartContext {
        checkpoint: "openmoe-tiny-12.3M".into(),
        corpus: "domains + languages + code_languages".into(),
        shape: RoutingShape::uniform(layers.to_vec(), LayerShape::of_choices(experts, 2)),
        categories: names.map(String::from).to_vec(),
        sequences: 1_840,
        documents: 1_212,
        tokens: 934_112,
        bos: true,
        bos_counted: true,
        tokens_of_interest: Vec::new(),
    }
}

fn shares(experts: usize, seed: usize, sharpness: f64) -> Vec<f64> {
    let raw: Vec<f64> = (0..experts).map(|e| (sharpness * noise(seed * 131 + e)).exp()).collect();
    let sum: f64 = raw.iter().sum();
    raw.iter().map(|value| value / sum).collect()
}

fn with_interval(row: Finding, estimate: f64, half: f64) -> Finding {
    Finding { estimate: Some(estimate), low: Some((estimate - half).max(0.0)), high: Some(estimate + half), ..row }
}

fn add(tables: &mut Tables, row: Finding) {
    let table = row.statistic.table();
    tables.entry(table.to_owned()).or_insert_with(|| StatisticTable::new(table)).rows.push(row);
}

fn add_shares(tables: &mut Tables, context: &ChartContext, layer: u16, view: View) {
    let experts = context.shape.experts(layer);
    let mut group = |key: Finding, seed: usize, sharpness: f64, n: u64| {
        for (expert, share) in shares(experts, seed, sharpness).into_iter().enumerate() {
            let row = Finding {
                baseline: Some(1.0 / experts as f64),
                n,
                ..key.clone().about(|subject| Subject { expert: Some(expert as u16), ..subject })
            };
            add(tables, with_interval(row, share, 0.12 * share + 0.004));
        }
    };
    let base = Finding::new(Statistic::ExpertShare, layer, view);
    group(base.clone(), usize::from(layer), 0.8, 1_868_224);
    for (index, category) in context.categories.iter().enumerate() {
        let key = base.clone().about(|subject| Subject {
            variable: Some(Variable::Category),
            category: Some(category.clone()),
            ..subject
        });
        group(key, 7 + index, 1.4, 81_234 + index as u64);
    }
    for position in (0..300).chain([511, 512, 1023, 1024, 2047]) {
        let key = base.clone().about(|subject| Subject {
            variable: Some(Variable::Position),
            position: Some(position),
            ..subject
        });
        group(key, 900 + position as usize, 0.5, 3_680);
    }
    for (index, text) in TEXTS.iter().enumerate() {
        let key = base.clone().about(|subject| Subject {
            variable: Some(Variable::Token),
            token_id: Some(index as u32),
            text: Some((*text).into()),
            ..subject
        });
        group(key, 2_000 + index, 5.0, 40_000 / (index as u64 + 1));
    }
}

fn add_spread(tables: &mut Tables, layer: u16, view: View) {
    let base = Finding { ceiling: Some(0.1654), ..Finding::new(Statistic::RoutingStd, layer, view) };
    let floor = |n: f64| (0.055 / n).sqrt();
    for position in 0..2048u32 {
        let n = 3_680.0 / (1.0 + f64::from(position) / 150.0);
        let estimate = floor(n) + 0.02 / (1.0 + f64::from(position)) + 0.004 * noise(position as usize);
        let key = Finding {
            n: n as u64,
            ..base.clone().about(|subject| Subject {
                variable: Some(Variable::Position),
                position: Some(position),
                ..subject
            })
        };
        add(tables, with_interval(Finding { noise_floor: Some(floor(n)), ..key.clone() }, estimate, 0.002));
        if view == View::Chosen {
            let row = Finding { statistic: Statistic::RoutingStdCorrected, ..key };
            add(tables, with_interval(row, 0.02 / (1.0 + f64::from(position)) + 0.003, 0.002));
        }
    }
    for id in 0..300u32 {
        let n = 20_000.0 / f64::from(id + 1).powf(0.9) + 130.0;
        let text = TEXTS[id as usize % TEXTS.len()].to_owned();
        let key = Finding {
            n: n as u64,
            ..base.clone().about(|subject| Subject {
                variable: Some(Variable::Token),
                token_id: Some(id),
                text: Some(text),
                ..subject
            })
        };
        let row = Finding { noise_floor: Some(floor(n)), ..key };
        add(tables, with_interval(row, 0.04 + 0.12 * noise(id as usize + 5), 0.006));
    }
    for variable in [Variable::Position, Variable::Token] {
        let row = Finding { n: 300, ..base.clone().about(|subject| Subject { variable: Some(variable), ..subject }) };
        add(tables, with_interval(row, if variable == Variable::Token { 0.096 } else { 0.011 }, 0.001));
    }
}

fn add_information(tables: &mut Tables, layer: u16, view: View) {
    let plain = [Variable::Token, Variable::PreviousToken, Variable::Category, Variable::Position, Variable::Document];
    let given = [Variable::PreviousToken, Variable::Category, Variable::PositionBucket, Variable::Document];
    let mut row = |statistic: Statistic, variable: Variable, bits: f64, baseline: f64, ceiling: f64| {
        let explained = (bits - baseline) / (ceiling - baseline);
        let key = Finding {
            baseline: Some(baseline),
            ceiling: Some(ceiling),
            corrected: Some(bits - baseline),
            explained: Some(explained),
            explained_low: Some(explained - 0.02),
            explained_high: Some(explained + 0.02),
            p_value: Some(1.0 / 101.0),
            n: 1_868_224,
            ..Finding::new(statistic, layer, view).about(|subject| Subject {
                variable: Some(variable),
                given: (statistic != Statistic::MutualInformation).then_some(Variable::Token),
                ..subject
            })
        };
        add(tables, with_interval(key, bits, 0.03));
    };
    let fade = 1.0 / (1.0 + f64::from(layer) * 0.15);
    for (index, variable) in plain.into_iter().enumerate() {
        row(
            Statistic::MutualInformation,
            variable,
            2.2 * fade / (1.0 + index as f64).powi(2),
            0.02 * index as f64,
            2.9,
        );
    }
    for (index, variable) in given.into_iter().enumerate() {
        row(Statistic::ConditionalMutualInformation, variable, 0.3 / (fade * (1.0 + index as f64)), 0.05, 1.1);
    }
}

fn add_tokens(tables: &mut Tables, context: &ChartContext, layer: u16, view: View) {
    for expert in 0..context.shape.experts(layer) {
        for (ranking, offset) in [(Ranking::Count, 0), (Ranking::LogOdds, 7)] {
            for rank in 1..=10u32 {
                let index = (expert * 3 + rank as usize + offset) % TEXTS.len();
                let row = Finding {
                    estimate: Some(1000.0 / f64::from(rank)),
                    n: 1000,
                    ..Finding::new(Statistic::TopTokens, layer, view).about(|subject| Subject {
                        expert: Some(expert as u16),
                        ranking: Some(ranking),
                        rank: Some(rank),
                        token_id: Some(index as u32),
                        text: Some(TEXTS[index].into()),
                        ..subject
                    })
                };
                add(tables, row);
            }
        }
    }
    for (statistic, variants) in [
        (Statistic::TokenPredictability, [Variant::Token, Variant::TokenAndPrevious, Variant::TopKOverlap]),
        (Statistic::VocabularySpecialization, [Variant::Unweighted, Variant::TokenWeighted, Variant::Frequent]),
        (Statistic::ExpertRepetition, [Variant::First, Variant::FirstOrSecond, Variant::Overlap]),
    ] {
        for (index, variant) in variants.into_iter().enumerate() {
            let row = Finding {
                baseline: Some(0.12),
                n: 9_000,
                ..Finding::new(statistic, layer, view).about(|subject| Subject { variant: Some(variant), ..subject })
            };
            add(tables, with_interval(row, 0.7 - 0.05 * f64::from(layer) - 0.1 * index as f64, 0.02));
        }
    }
}

/// The load of a layer, and the gate.
fn add_load(tables: &mut Tables, layer: u16, view: View) {
    for (statistic, value) in [
        (Statistic::MaxViolation, 0.8),
        (Statistic::LoadCv, 0.31),
        (Statistic::LoadGini, 0.2),
        (Statistic::EffectiveExperts, 14.2),
    ] {
        let row = Finding { baseline: Some(0.0), n: 9_000, ..Finding::new(statistic, layer, view) };
        add(tables, with_interval(row, value + 0.01 * f64::from(layer), 0.02 * value));
    }
    for statistic in [Statistic::RouterEntropy, Statistic::RouterMargin] {
        for quantile in [None, Some(0.05), Some(0.25), Some(0.5), Some(0.75), Some(0.95)] {
            let row = Finding {
                n: 9_000,
                ..Finding::new(statistic, layer, view).about(|subject| Subject { quantile, ..subject })
            };
            add(tables, with_interval(row, 0.4 + quantile.unwrap_or(0.5), 0.01));
        }
    }
}

/// Every pair of experts.
fn add_coactivation(tables: &mut Tables, context: &ChartContext, layer: u16, view: View) {
    let experts = context.shape.experts(layer);
    for a in 0..experts {
        for b in a + 1..experts {
            let baseline = 2.0 / (experts * (experts - 1)) as f64;
            let row = Finding {
                baseline: Some(baseline),
                n: 934_112,
                ..Finding::new(Statistic::Coactivation, layer, view).about(|subject| Subject {
                    expert: Some(a as u16),
                    other_expert: Some(b as u16),
                    ..subject
                })
            };
            add(tables, with_interval(row, baseline * (2.0 * (noise(a * 977 + b) - 0.5) * 1.2).exp(), 0.001));
        }
    }
}

/// The categories against each other and against the layer.
fn add_categories(tables: &mut Tables, context: &ChartContext, layer: u16, view: View) {
    let experts = context.shape.experts(layer);
    for (index, category) in context.categories.iter().enumerate() {
        for other in &context.categories[index + 1..] {
            let row = Finding {
                n: 9_000,
                ..Finding::new(Statistic::JensenShannon, layer, view).about(|subject| Subject {
                    category: Some(category.clone()),
                    other_category: Some(other.clone()),
                    ..subject
                })
            };
            add(tables, with_interval(row, 0.002 + 0.03 * noise(index * 31 + other.len()), 0.001));
        }
    }
    for (index, category) in context.categories.iter().enumerate() {
        for (expert, share) in shares(experts, 40 + index, 1.2).into_iter().enumerate() {
            let row = Finding {
                baseline: Some(2.0 / experts as f64),
                n: 9_000,
                ..Finding::new(Statistic::DomainSpecialization, layer, view).about(|subject| Subject {
                    category: Some(category.clone()),
                    expert: Some(expert as u16),
                    ..subject
                })
            };
            add(tables, with_interval(row, 2.0 * share, 0.01));
        }
    }
    let row = Finding { baseline: Some(0.01), n: 9_000, ..Finding::new(Statistic::CramersV, layer, view) };
    add(tables, with_interval(row, 0.1, 0.01));
}

fn tables(context: &ChartContext) -> Tables {
    let mut tables = Tables::new();
    for &layer in context.shape.moe_layers() {
        for view in View::ALL {
            add_shares(&mut tables, context, layer, view);
            add_spread(&mut tables, layer, view);
            add_information(&mut tables, layer, view);
            add_tokens(&mut tables, context, layer, view);
            add_load(&mut tables, layer, view);
            add_coactivation(&mut tables, context, layer, view);
            add_categories(&mut tables, context, layer, view);
        }
    }
    tables
}

fn draw(tables: &Tables, context: &ChartContext) -> Vec<Chart> {
    draw_all(tables, context, &|_| ()).expect("charts are drawn and written")
}

fn write(folder: &str, charts: &[Chart]) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    fs::create_dir_all(&folder).expect("charts are drawn and written");
    for chart in charts {
        fs::write(folder.join(format!("{}.svg", chart.name)), &chart.svg).expect("charts are drawn and written");
        fs::write(folder.join(format!("{}.png", chart.name)), &chart.png).expect("charts are drawn and written");
    }
}

#[test]
fn every_kind_of_chart_is_drawn_twice_the_same() {
    let context = context(16, &[1, 3]);
    let tables = tables(&context);
    let charts = draw(&tables, &context);
    write("charts", &charts);
    for kind in CHARTS.iter().filter(|kind| kind.statistic.info().command == RunKind::Route) {
        assert!(charts.iter().any(|chart| chart.kind == kind.stem), "no chart of kind {}", kind.stem);
    }
    for chart in &charts {
        assert!(chart.png.starts_with(b"\x89PNG"), "{}", chart.name);
        assert!(chart.svg.starts_with("<svg ") && chart.svg.trim_end().ends_with("</svg>"), "{}", chart.name);
        assert!(!chart.svg.contains(" id="), "{}", chart.name);
        assert!(chart.caption.contains("n = 934,112 tokens"), "{}", chart.caption);
    }
    let again = plan(&tables, &context)[0].draw().unwrap();
    assert_eq!(again, charts[0]);
    let findings: Vec<Finding> = tables
        .values()
        .flat_map(|t| &t.rows)
        .filter(|r| r.expert.is_none() && r.token_id.is_none() && r.position.is_none())
        .cloned()
        .collect();
    let page =
        page_of("route", &context, &tables, &findings, &report::verdict_lines(&RunVerdict::route(&findings)), &charts);
    assert!(page.contains("charts&#x2f;mutual_information_chosen.svg"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::write(folder.join("charts/report.html"), page).unwrap();
}

/// What a trace does not say takes away the charts that are made of it, and no others.
#[test]
fn every_statistic_that_a_trace_has_rows_of_is_drawn() {
    let context = ChartContext { categories: vec!["a".into(), "b".into()], ..context(8, &[3]) };
    let drawn = |provides: Provides| {
        let mut run = synthetic(Router::Token, 8, 3, 130, 40);
        let layer = &mut run.layer;
        layer.provides = provides;
        // What a trace does not provide has an empty column; positions are counted.
        macro_rules! emptied {
            ($($column:ident: $block:ident),*) => { $(if !provides.has(Block::$block) { layer.$column.clear(); })* };
        }
        emptied!(token_id: TokenIds, probability: Probability, kept: Drops, entropy: Entropy,
            margin_first: MarginFirst, margin_k: MarginK);
        let tables = run.statistics(&quick());
        let specs = plan(&tables, &context);
        // Of the deviations those by token id and position are drawn.
        let of_category =
            |row: &Finding| row.statistic == Statistic::RoutingStd && row.variable == Some(Variable::Category);
        let numbered = |row: &&Finding| row.estimate.is_some() && !of_category(row);
        let told: BTreeSet<Statistic> =
            tables.values().flat_map(|table| &table.rows).filter(numbered).map(|row| row.statistic).collect();
        for kind in CHARTS.iter().filter(|kind| told.contains(&kind.statistic)) {
            let of_statistic = |spec: &&ChartSpec| {
                CHARTS.iter().any(|other| other.stem == spec.kind && other.statistic == kind.statistic)
            };
            assert!(specs.iter().any(|spec| of_statistic(&spec)), "no chart of {}", kind.statistic);
        }
        specs
    };
    let kinds = |specs: &[ChartSpec]| specs.iter().map(|spec| spec.kind).collect::<BTreeSet<_>>();
    let (all, without_drops) = (drawn(Provides::default()), drawn(Provides::default().without(Block::Drops)));
    assert_eq!(kinds(&all), kinds(&without_drops));
    let words = "The trace does not say what was dropped: drawn are the choices before capacity.";
    let told = |specs: &[ChartSpec]| {
        specs.iter().filter(|spec| spec.caption().contains(words)).map(|spec| spec.kind).collect::<BTreeSet<_>>()
    };
    assert_eq!(told(&all), BTreeSet::new());
    let fallen_back = ["radar_category", "category_load", "radar_token", "radar_position", "top_tokens"];
    assert_eq!(told(&without_drops), fallen_back.into());
    assert!(without_drops.iter().all(|spec| !spec.caption().contains("kept assignments")));
    let experts = drawn(Provides::EXPERTS);
    let named = |kind: &str| experts.iter().find(|spec| spec.kind == kind).map(|spec| spec.name.as_str());
    assert_eq!(named("radar_category"), Some("radar_category_layer_3_chosen"));
    assert_eq!((named("category_load"), named("radar_token")), (Some("category_load_layer_3_chosen"), None));
}

#[test]
fn degenerate_tables_give_a_chart_or_none_but_never_a_panic() {
    let one = ChartContext { categories: vec!["only".into()], ..context(4, &[0]) };
    let mut withheld = tables(&one);
    for row in withheld.values_mut().flat_map(|table| &mut table.rows) {
        (row.low, row.high, row.explained_low, row.explained_high) = (None, None, None, None);
    }
    let charts = draw(&withheld, &one);
    assert!(!charts.is_empty());
    write("degenerate", &charts);
    for row in withheld.values_mut().flat_map(|table| &mut table.rows) {
        *row = row.clone().withheld("too few data");
    }
    assert!(plan(&withheld, &one).is_empty());
    let alone = RoutingShape::uniform(vec![0], LayerShape::of_choices(1, 1));
    for context in [ChartContext::default(), ChartContext { shape: alone, ..one.clone() }] {
        draw(&tables(&one), &context);
    }
    assert!(draw(&Tables::new(), &one).is_empty());
}

/// Every kind of row in every layer, few of each.
fn lean_tables(context: &ChartContext) -> Tables {
    let mut tables = Tables::new();
    for (&layer, view) in context.shape.moe_layers().iter().flat_map(|layer| View::ALL.map(|view| (layer, view))) {
        let experts = context.shape.experts(layer);
        let seed = usize::from(layer) * 7919;
        let share = Finding::new(Statistic::ExpertShare, layer, view);
        let spread = Finding { ceiling: Some(0.3), ..Finding::new(Statistic::RoutingStd, layer, view) };
        let mut keys = vec![(share.clone(), spread.clone())];
        for category in &context.categories {
            let of = |row: &Finding| {
                let about = |subject| Subject { category: Some(category.clone()), ..subject };
                row.clone().by(Variable::Category).about(about)
            };
            keys.push((of(&share), of(&spread)));
        }
        for position in [0, 1, 2, 4, 8, 16, 32, 40] {
            let of = |row: &Finding| {
                row.clone().by(Variable::Position).about(|subject| Subject { position: Some(position), ..subject })
            };
            keys.push((of(&share), of(&spread)));
        }
        for (id, text) in (0..8).zip(TEXTS) {
            let of = |row: &Finding| {
                let about = |subject| Subject { token_id: Some(id), text: Some(text.into()), ..subject };
                row.clone().by(Variable::Token).about(about)
            };
            keys.push((of(&share), of(&spread)));
        }
        for variable in [Variable::Position, Variable::Token] {
            let row = spread.clone().by(variable);
            add(&mut tables, with_interval(row, 0.05 + 0.02 * noise(seed + variable.name().len()), 0.001));
        }
        for (at, (share, spread)) in keys.into_iter().enumerate() {
            let n = 9_000 / (at as u64 + 1);
            for (expert, value) in shares(experts, seed + at, 1.5).into_iter().enumerate() {
                let own = share.clone().about(|subject| Subject { expert: Some(expert as u16), ..subject });
                let row = Finding { baseline: Some(1.0 / experts as f64), n, ..own };
                add(&mut tables, with_interval(row, value, 0.1 * value));
            }
            if at > 0 {
                let row = Finding { noise_floor: Some(0.01), n, ..spread };
                add(&mut tables, with_interval(row, 0.04 + 0.1 * noise(seed + at), 0.01));
            }
        }
        add_information(&mut tables, layer, view);
        add_tokens(&mut tables, context, layer, view);
        add_load(&mut tables, layer, view);
        add_coactivation(&mut tables, context, layer, view);
        add_categories(&mut tables, context, layer, view);
    }
    tables
}

/// Layers that may differ in their experts; a few categories.
fn lean_context(layers: &[(u16, usize)]) -> ChartContext {
    let shape = |&(layer, experts): &(u16, usize)| (layer, LayerShape::of_choices(experts, 2));
    ChartContext {
        shape: RoutingShape::new(layers.iter().map(shape).collect()).unwrap(),
        categories: ["book", "code", "news", "talk", "a category with a long name"].map(String::from).to_vec(),
        ..context(8, &[])
    }
}

#[test]
fn many_layers_share_one_picture_of_each_kind_and_the_caption_names_the_rule() {
    let deep = lean_context(&(0..128).map(|layer| (layer, 8)).collect::<Vec<_>>());
    let specs = plan(&lean_tables(&deep), &deep);
    for kind in CHARTS.iter().filter(|kind| kind.statistic.info().command == RunKind::Route) {
        let own: Vec<&str> =
            specs.iter().filter(|spec| spec.kind == kind.stem).map(|spec| spec.name.as_str()).collect();
        assert!((1..=2).contains(&own.len()), "{}: {own:?}", kind.stem);
    }
    assert!(specs.len() <= 40, "{}", specs.len());
    for spec in &specs {
        assert!(spec.caption().contains("128 MoE layers"), "{}: {}", spec.name, spec.caption());
        assert!(!spec.name.contains("layer_"), "{}", spec.name);
    }
}

#[test]
fn many_layers_with_many_experts_are_drawn() {
    let wide = lean_context(&(0..24).map(|layer| (2 * layer + 1, 128)).collect::<Vec<_>>());
    let charts = draw(&lean_tables(&wide), &wide);
    write("many", &charts);
    let find = |name: &str| charts.iter().find(|chart| chart.name == name).unwrap();
    let load = find("expert_load_kept");
    assert!(
        load.caption.contains("All 24 MoE layers are drawn")
            && load.caption.contains("The 128 experts are drawn in 64 parts")
    );
    assert!(load.svg.contains(">layer 47<") || load.svg.contains("layer 47\n"), "the last layer has a row");
    let radars = find("radar_category_kept");
    assert!(radars.caption.contains("8 of the 24 MoE layers: the first and the last"), "{}", radars.caption);
    assert!(charts.iter().all(|chart| chart.svg.len() < 4_000_000), "no picture has a cell for every pair or expert");
}

#[test]
fn layers_of_different_size_have_axes_of_their_own() {
    let few = lean_context(&[(1, 4), (3, 8)]);
    let charts = draw(&lean_tables(&few), &few);
    write("differ", &charts);
    let find = |name: &str| charts.iter().find(|chart| chart.name == name).unwrap();
    assert!(find("radar_category_layer_1_kept").svg.contains("uniform routing, 1/4 = 25 %"));
    assert!(find("radar_category_layer_3_kept").svg.contains("uniform routing, 1/8 = 12 %"));
    assert!(find("expert_load_kept").caption.contains("1 is even load"));
    assert!(charts.iter().all(|chart| chart.svg.contains("4 to 8 experts, top-2")));
    let differ: Vec<(u16, usize)> = (0..12).map(|layer| (layer, if layer % 2 == 0 { 4 } else { 8 })).collect();
    let many = lean_context(&differ);
    let specs = plan(&lean_tables(&many), &many);
    let radars = specs.iter().find(|spec| spec.kind == "radar_category").unwrap().draw().unwrap();
    assert!(radars.svg.contains("Layers of 4 experts") && radars.svg.contains("Layers of 8 experts"));
    assert!(radars.svg.contains("uniform routing, 1/4 = 25 %") && radars.svg.contains("uniform routing, 1/8 = 12 %"));
    write("differ", &[radars]);
}

#[test]
fn many_experts_and_layers_stay_on_the_page() {
    let wide = ChartContext { categories: vec!["a".into(), "b".into()], ..context(128, &[1, 3, 5, 7, 9, 11, 13, 15]) };
    let mut tables = tables(&wide);
    tables.retain(|name, _| name != "routing_std" && name != "routing_std_corrected");
    let kinds = ["radar_category", "expert_load", "coactivation", "top_tokens", "mutual_information", "category_load"];
    let specs = plan(&tables, &wide);
    let drawn: Vec<Chart> =
        kinds.iter().map(|kind| specs.iter().find(|spec| spec.kind == *kind).unwrap().draw().unwrap()).collect();
    write("wide", &drawn);
    for spec in specs.iter().filter(|spec| ["radar_category", "category_load"].contains(&spec.kind)) {
        assert!(spec.caption().contains("The 128 experts are drawn in 64 parts"), "{}", spec.caption());
    }
    let caption = |kind: &str| specs.iter().find(|spec| spec.kind == kind).unwrap().caption();
    assert!(caption("coactivation").contains("48 of the layer's 128 experts"), "{}", caption("coactivation"));
    assert!(caption("top_tokens").contains("16 of the layer's 128 experts"), "{}", caption("top_tokens"));
    // A picture for each kind and layer, and none for each page of experts.
    assert!(specs.len() <= 12 * 8, "{}", specs.len());
}
