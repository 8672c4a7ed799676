//! Charts and report from made-up tables: 16 experts, two MoE layers, 23 categories; and every degenerate input.
//!
//! The files are left in `target/tmp/charts` to be looked at.

mod made_up;

use std::{collections::BTreeSet, fs, path::Path};

use expect_test::expect;
use openmoe_analyze::{
    chart::{CHARTS, Chart, ChartContext, ChartSpec, FigureFormat, Ground, READABLE, plan, plan_all, specs_named},
    report,
    routing::{LayerShape, RoutingShape, RunKind},
    stats::{Finding, Statistic, Tables, Variable, verdict::RunVerdict},
    trace::{Block, Provides},
};

use made_up::{context, lean_context, lean_tables, tables};

use crate::{
    statistics::support::{Router, quick, synthetic},
    support::page::page_of,
};

/// Every chart, those that are drawn on request included.
fn draw(tables: &Tables, context: &ChartContext) -> Vec<Chart> {
    let drawn = plan_all(tables, context).iter().map(ChartSpec::draw).collect::<Result<_, _>>();
    drawn.expect("charts are drawn and written")
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
        let specs = plan_all(&tables, &context);
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
    assert!(plan_all(&withheld, &one).is_empty());
    let alone = RoutingShape::uniform(vec![0], LayerShape::of_choices(1, 1));
    for context in [ChartContext::default(), ChartContext { shape: alone, ..one.clone() }] {
        draw(&tables(&one), &context);
    }
    assert!(draw(&Tables::new(), &one).is_empty());
}

#[test]
fn many_layers_share_one_picture_of_each_kind_and_the_caption_names_the_rule() {
    let deep = lean_context(&(0..128).map(|layer| (layer, 8)).collect::<Vec<_>>());
    let specs = plan_all(&lean_tables(&deep), &deep);
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
    let wide = lean_context(&(0..12).map(|layer| (2 * layer + 1, 128)).collect::<Vec<_>>());
    let charts = draw(&lean_tables(&wide), &wide);
    write("many", &charts);
    let find = |name: &str| charts.iter().find(|chart| chart.name == name).unwrap();
    let load = find("expert_load_kept");
    expect!["Share of each expert in the assignments of a layer in times an even load: 1 is even load. All 12 MoE layers are drawn: a row each. The 128 experts are drawn in 64 parts of equal size in order of their load over the whole corpus, the busiest first; a value is the mean of its part. Every expert is in stats/expert_share.parquet. Each layer has an order of its own, so that a column is a rank and no expert; layers of fewer experts end earlier. Intervals are in stats/expert_share.csv. n = 934,112 tokens, 1,840 sequences, 1,212 documents; the BOS at position 0 is counted."].assert_eq(&load.caption);
    assert!(load.svg.contains(">layer 23<") || load.svg.contains("layer 23\n"), "the last layer has a row");
    expect!["Share of each expert in the kept assignments of a category, experts clockwise from the top; n under each name: occurrences. All radars share one scale. Of each layer (L) at most 6 are drawn, evenly spread over all. Drawn are 8 of the 12 MoE layers: the first and the last, those with the lowest and the highest load of the busiest expert in times an even load (layers 5 and 21), and others evenly spaced; the numbers of all layers are in stats/expert_share.parquet. The 128 experts are drawn in 64 parts of equal size in order of their load over the whole corpus, the busiest first; a value is the mean of its part. Every expert is in stats/expert_share.parquet. n = 934,112 tokens, 1,840 sequences, 1,212 documents; the BOS at position 0 is counted. Compare Figs. 5-8 of the OpenMoE paper."].assert_eq(&find("radar_category_kept").caption);
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
    expect!["Share of each expert in the assignments of a layer in times an even load: 1 is even load. Intervals are in stats/expert_share.csv. A grey cell with a diagonal line has no value: nothing was measured there, the layer has no such expert, or it would be a pair of the same. n = 934,112 tokens, 1,840 sequences, 1,212 documents; the BOS at position 0 is counted."].assert_eq(&find("expert_load_kept").caption);
    assert!(charts.iter().all(|chart| chart.svg.contains("4 to 8 experts, top-2")));
    let differ: Vec<(u16, usize)> = (0..12).map(|layer| (layer, if layer % 2 == 0 { 4 } else { 8 })).collect();
    let many = lean_context(&differ);
    let specs = plan_all(&lean_tables(&many), &many);
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
    let specs = plan_all(&tables, &wide);
    let drawn: Vec<Chart> =
        kinds.iter().map(|kind| specs.iter().find(|spec| spec.kind == *kind).unwrap().draw().unwrap()).collect();
    write("wide", &drawn);
    let captions = ["radar_category", "category_load", "coactivation", "top_tokens"].map(|kind| {
        let mut of_kind: Vec<String> =
            specs.iter().filter(|spec| spec.kind == kind).map(|spec| spec.caption().to_owned()).collect();
        of_kind.dedup();
        format!("{kind}:\n{}\n", of_kind.join("\n"))
    });
    expect![[r#"
        radar_category:
        Share of each expert in the kept assignments of a category, experts clockwise from the top; n under each name: occurrences. All radars share one scale. The 128 experts are drawn in 64 parts of equal size in order of their load over the whole corpus, the busiest first; a value is the mean of its part. Every expert is in stats/expert_share.parquet. n = 934,112 tokens, 1,840 sequences, 1,212 documents; the BOS at position 0 is counted. Compare Figs. 5-8 of the OpenMoE paper.
        category_load:
        Share of each expert in the kept assignments of a category, in times an even load: 1 is even load, 2 twice that. Intervals are in stats/expert_share.csv. An even load is 0.78 %. The 128 experts are drawn in 64 parts of equal size in order of their load over the whole corpus, the busiest first; a value is the mean of its part. Every expert is in stats/expert_share.parquet. n = 934,112 tokens, 1,840 sequences, 1,212 documents; the BOS at position 0 is counted. Compare Figs. 5-8 of the OpenMoE paper.
        coactivation:
        How often two experts are chosen by the same token, over what their loads alone would give (maximum-entropy baseline): 1 is as expected, orange more often, blue less often. Shares and intervals are in stats/coactivation.csv. Drawn are 48 of the layer's 128 experts: those of the pairs that are chosen together most above expectation, by the lower end of the interval. n = 934,112 tokens, 1,840 sequences, 1,212 documents; the BOS at position 0 is counted.
        top_tokens:
        The token ids with the most kept assignments of each expert, and those whose odds in the expert are highest against the whole corpus (informative Dirichlet prior), at most ten of each. Coloured: the expert whose first five of the latter are farthest from chance. Below a frequent id: how many times as often as its load explains the expert takes it. ␣ is a space, ⏎ a line end, ⇥ a tab, … cuts a long text; empty cells: fewer ids. Counts and z-scores are in stats/top_tokens.csv. Drawn are the 16 of the layer's 128 experts with the largest load, the busiest first, and the 16 with the smallest; the tokens of all are in stats/top_tokens.parquet. n = 934,112 tokens, 1,840 sequences, 1,212 documents; the BOS at position 0 is counted. Compare Tables 9 and 15 of the OpenMoE paper.
    "#]].assert_eq(&captions.concat());
    // A picture for each kind and layer, and none for each page of experts.
    assert!(specs.len() <= 12 * 8, "{}", specs.len());
}

#[test]
fn pictures_of_large_models_are_not_too_tall_to_be_opened() {
    for (layers, experts) in [(128_u16, 8_usize), (61, 256)] {
        let large = lean_context(&(0..layers).map(|layer| (layer, experts)).collect::<Vec<_>>());
        for spec in plan_all(&lean_tables(&large), &large) {
            let (width, height) = spec.png_size();
            assert!(width <= 4_000 && height <= 6_000, "{}: {width} x {height}", spec.name);
        }
    }
}

#[test]
fn every_chart_says_something_and_claims_nothing_that_its_intervals_do_not_carry() {
    let context = context(16, &[1, 3]);
    let mut tables = tables(&context);
    let specs = plan_all(&tables, &context);
    for spec in specs.iter().filter(|spec| CHARTS.iter().any(|kind| kind.stem == spec.kind && !kind.on_request)) {
        let message = spec.message().unwrap_or_else(|| panic!("{} says nothing", spec.name));
        assert!(message.text.len() < 140 && !message.text.ends_with('.'), "{}: {}", spec.name, message.text);
        assert!(
            spec.draw()
                .unwrap()
                .svg
                .contains(&format!("aria-label=\"{}", message.text.split(['<', '"']).next().unwrap()))
        );
    }
    // Without intervals nothing differs from anything.
    for row in tables.values_mut().flat_map(|table| &mut table.rows) {
        (row.low, row.high, row.explained_low, row.explained_high) = (None, None, None, None);
    }
    for spec in plan_all(&tables, &context) {
        let Some(message) = spec.message() else { continue };
        let is_ranked = spec.kind == "top_tokens";
        assert!(message.ground != Ground::Shown || is_ranked, "{}: {}", spec.name, message.text);
    }
}

#[test]
fn charts_are_found_by_name_kind_and_statistic_and_some_only_on_request() {
    let context = context(16, &[1, 3]);
    let tables = tables(&context);
    let (usual, all) = (plan(&tables, &context), plan_all(&tables, &context));
    let is_usual = |spec: &ChartSpec| usual.iter().any(|usual| usual.name == spec.name);
    for spec in &all {
        let kind = CHARTS.iter().find(|kind| kind.stem == spec.kind).unwrap();
        assert_eq!(is_usual(spec), !kind.on_request, "{}", spec.name);
    }
    let named = |name: &str| specs_named(&all, name).iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>();
    assert_eq!(named("coactivation_layer_3_chosen"), ["coactivation_layer_3_chosen"]);
    assert_eq!(named("coactivation"), ["coactivation_layer_1_chosen", "coactivation_layer_3_chosen"]);
    assert_eq!(named("category_load_layer_3"), ["category_load_layer_3_kept"]);
    // A statistic without a chart of its name has all that show it.
    assert!(named("expert_share").contains(&"radar_token_layer_1_kept") && named("expert_share").len() > 6);
    assert_eq!((named("coactivatio"), named("")), (Vec::new(), Vec::new()));
}

#[test]
fn figures_for_papers_have_their_real_size_and_the_same_bytes_each_time() {
    let context = context(16, &[1, 3]);
    let tables = tables(&context);
    for spec in plan_all(&tables, &context) {
        for (millimetres, most) in [(85.0, 10_000.0), (170.0, 10_000.0)] {
            let svg = spec.draw_for_paper(FigureFormat::Svg, millimetres).unwrap();
            let text = String::from_utf8(svg.bytes.clone()).unwrap();
            assert!(text.contains(&format!("width=\"{millimetres}mm\"")), "{}", spec.name);
            assert!(svg.words.contains(spec.caption()), "{}", spec.name);
            assert!(svg.readable_from < most, "{}", spec.name);
            assert_eq!(svg.readable_from <= millimetres, svg.smallest_text >= READABLE, "{}", spec.name);
        }
    }
    let spec = &specs_named(&plan(&tables, &context), "mutual_information_chosen")[0].clone();
    let [pdf, again] = [0, 1].map(|_| spec.draw_for_paper(FigureFormat::Pdf, 85.0).unwrap());
    assert_eq!(pdf, again);
    let text = String::from_utf8_lossy(&pdf.bytes);
    assert!(text.starts_with("%PDF-1.") && text.trim_end().ends_with("%%EOF") && !text.contains("Date"));
    // 85 mm are 240.945 points.
    assert!(text.contains("/MediaBox [0 0 240.94"), "{}", &text[..600]);
    assert!(pdf.smallest_text >= READABLE);
    let png = spec.draw_for_paper(FigureFormat::Png, 85.0).unwrap();
    assert_eq!(u32::from_be_bytes(png.bytes[16..20].try_into().unwrap()), 2008, "85 mm at 600 pixels per inch");
}
