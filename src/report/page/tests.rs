//! The page from made-up rows.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::{
    chart::ChartContext,
    routing::{LayerShape, RoutingShape, View},
    run::{RecordedSettings, RunKind},
    stats::{Finding, StatisticTable, Subject, Tables, Variable},
};

/// A route run with numbers and without any other facts.
fn bare_run<'a>(
    context: &'a ChartContext,
    tables: &'a Tables,
    rows_in_files: &'a BTreeMap<String, usize>,
    findings: &'a [Finding],
) -> ReportedRun<'a> {
    ReportedRun {
        label: "m".into(),
        command: RunKind::Route,
        model: "m".into(),
        provenance: json!({}),
        queues: None,
        ties: 0,
        statistics: None,
        context,
        tables,
        rows_in_files,
        findings,
        headline: &[],
        verdict: &[],
        excerpts: Vec::new(),
        experts: None,
        charts: Vec::new(),
        messages: Vec::new(),
        folder: None,
    }
}

fn page(rows: &[Finding]) -> String {
    let mut tables = Tables::new();
    for row in rows {
        let name = row.statistic.to_string();
        let table = tables.entry(name.clone()).or_insert_with(|| StatisticTable { name, rows: Vec::new() });
        table.rows.push(row.clone());
    }
    let provenance =
        json!({ "command": ["a", "<b>"], "inputs": [{ "file": "x" }], "resamples": 40, "permutations": 10 });
    let statistics = RecordedSettings { resamples: 40, permutations: 10, ..RecordedSettings::default() };
    let context = ChartContext {
        checkpoint: "m".into(),
        shape: RoutingShape::uniform(vec![1], LayerShape::of_choices(4, 2)),
        ..ChartContext::default()
    };
    let rows_in_files = BTreeMap::new();
    let run = ReportedRun {
        label: "m <i>".into(),
        provenance,
        statistics: Some(statistics),
        verdict: &["layer 1: <not> enough data".to_owned()],
        charts: [("radar_token_layer_1", "radar_token"), ("mutual \"information\"", "mutual_information")]
            .map(|(name, kind)| ReportedChart { name: name.into(), kind, thumbnail: Some(vec![1, 2, 3]) })
            .into(),
        folder: Some("a run".into()),
        ..bare_run(&context, &tables, &rows_in_files, rows)
    };
    html(&[run]).unwrap()
}

#[test]
fn values_are_escaped_and_numbers_stand_with_their_intervals() {
    let row = Finding {
        estimate: Some(1.23456),
        low: Some(-0.5),
        high: Some(2.0),
        n: 1234,
        ..Finding::new(Statistic::MutualInformation, 1, View::Chosen)
            .about(|subject| Subject { variable: Some(Variable::Token), ..subject })
    };
    let page = page(&[row.clone(), row.withheld("too <few>")]);
    for text in
        ["layer 1: &lt;not&gt; enough data", "a &lt;b&gt;", "m &lt;i&gt;", "inputs.0.file", "too &lt;few&gt;", "1,234"]
    {
        assert!(page.contains(text), "{text}");
    }
    assert!(page.contains("1.235") && page.contains("[\u{2212}0.500, 2.000]"));
    // The template writes a slash in an attribute as `&#x2f;`.
    let page = page.replace("&#x2f;", "/");
    for address in ["a%20run/charts/mutual%20%22information%22.svg", "a%20run/stats/mutual_information.csv"] {
        assert!(page.contains(&format!("href=\"{address}\"")), "{address}");
    }
    assert_eq!(page.matches("radar_token_layer_1.svg").count(), 1, "its statistic is not there, the list of charts is");
}

/// The numbers of a page, as its scripts read them.
fn unpacked(page: &str) -> serde_json::Value {
    use base64::Engine as _;
    use std::io::Read as _;

    let (_, from) = page.split_once("id=\"report-data\">").unwrap();
    let bytes =
        base64::engine::general_purpose::STANDARD.decode(from.split_once("</script>").unwrap().0.trim()).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The share of an expert in a category.
fn share(category: &str, expert: u16, estimate: f64) -> Finding {
    Finding {
        estimate: Some(estimate),
        low: Some(estimate - 0.01),
        high: Some(estimate + 0.01),
        baseline: Some(0.125),
        n: 100,
        ..Finding::new(Statistic::DomainSpecialization, 1, View::Chosen).about(|subject| Subject {
            category: Some(category.to_owned()),
            expert: Some(expert),
            ..subject
        })
    }
}

#[test]
fn a_table_has_all_rows_and_the_last_category_can_be_found() {
    let categories = (0..137).map(|at| format!("c{at:03}")).chain(["zh-cn".to_owned()]);
    let rows: Vec<Finding> = categories
        .flat_map(|name| (0..16).map(move |expert| share(&name, expert, 0.1 + f64::from(expert) / 100.0)))
        .collect();
    let page = page(&rows);
    let table = &unpacked(&page)["statistics"]["domain_specialization"]["table"];
    assert_eq!((&table["total"], table["columns"]["of"].as_array().unwrap().len()), (&2208.into(), 2208));
    assert_eq!(table["columns"]["of"][2207], "zh-cn, expert 15");
    assert_eq!(table["columns"]["estimate"][2207], 0.25);
    assert!(page.contains("2,208 rows: all of stats") && !page.contains("more rows are in the files"));
}

#[test]
fn a_table_that_is_cut_says_so_and_keeps_what_is_farthest_from_its_baseline() {
    let many = (0..600).flat_map(|at| (0..16).map(move |expert| share(&format!("c{at:03}"), expert, 0.125)));
    let mut rows: Vec<Finding> = many.collect();
    rows.push(share("zz", 4, 0.8692));
    rows.push(share("", 0, 0.125).about(|subject| Subject { category: None, expert: None, ..subject }));
    let page = page(&rows);
    let table = &unpacked(&page)["statistics"]["domain_specialization"]["table"];
    let of = table["columns"]["of"].as_array().unwrap();
    assert_eq!((&table["total"], of.len()), (&9602.into(), 1501));
    assert_eq!([&of[0], &of[1]], ["over all", "zz, expert 4"]);
    assert!(page.contains("1,501 of 9,602 rows are in this page: those about a layer"));
}

#[test]
fn rows_that_are_in_the_files_alone_are_counted() {
    let rows = [share("a", 0, 0.5)];
    let tables: Tables = [(
        "domain_specialization".to_owned(),
        StatisticTable { name: "domain_specialization".into(), rows: rows.to_vec() },
    )]
    .into();
    let context = ChartContext::default();
    let rows_in_files = BTreeMap::from([("domain_specialization".to_owned(), 70_500)]);
    let run = bare_run(&context, &tables, &rows_in_files, &rows);
    assert!(html(&[run]).unwrap().contains("1 of 70,500 rows are in this page"));
}

/// A run of 60 layers with 512 experts: more rows than a page can hold.
fn large_tables() -> Tables {
    let mut tables = Tables::new();
    let mut add = |row: Finding| {
        let name = row.statistic.table();
        tables.entry(name.to_owned()).or_insert_with(|| StatisticTable::new(name)).rows.push(row);
    };
    for (layer, view) in (0..60).flat_map(|layer| View::ALL.map(|view| (layer, view))) {
        let number = |seed: u32| f64::from((seed.wrapping_mul(2_654_435_761) ^ u32::from(layer)) % 99_991) / 99_991.0;
        let with = |row: Finding, at: f64| Finding {
            estimate: Some(at),
            low: Some(at * 0.93),
            high: Some(at * 1.07),
            baseline: Some(0.002),
            n: 9000 + (at * 1000.0) as u64,
            ..row
        };
        for expert in 0..512_u16 {
            let own = |statistic| {
                Finding::new(statistic, layer, view).about(|subject| Subject { expert: Some(expert), ..subject })
            };
            add(with(own(Statistic::ExpertShare), number(expert.into())));
            let category = |subject| Subject { category: Some("code".into()), ..subject };
            add(with(own(Statistic::DomainSpecialization).about(category), number(1000 + u32::from(expert))));
        }
        for at in 0..300_u32 {
            let own = |variable| Finding::new(Statistic::RoutingStd, layer, view).by(variable);
            let position = |subject| Subject { position: Some(at), ..subject };
            let token = |subject| Subject { token_id: Some(at), ..subject };
            add(with(own(Variable::Position).about(position), number(at)));
            add(with(own(Variable::Token).about(token), number(7 * at)));
        }
        add(with(Finding::new(Statistic::LoadCv, layer, view), number(1)));
    }
    tables
}

#[test]
fn a_page_about_many_layers_and_experts_stays_small_and_says_what_is_left_out() {
    let tables = large_tables();
    let findings: Vec<Finding> = tables["expert_load"].rows.clone();
    let context = ChartContext {
        shape: RoutingShape::uniform((0..60).collect(), LayerShape::of_choices(512, 10)),
        ..ChartContext::default()
    };
    let rows_in_files = BTreeMap::new();
    let run = bare_run(&context, &tables, &rows_in_files, &findings);
    let page = html(&[run]).unwrap();
    assert!(page.len() < 8_000_000, "{} bytes", page.len());
    assert!(page.contains("first.selected = true"), "the page opens at one layer");
    let statistics = &unpacked(&page)["statistics"];
    for statistic in statistics.as_object().unwrap().values() {
        for figure in statistic["figures"].as_array().unwrap() {
            assert!(figure["data"]["layer"].as_array().unwrap().len() <= 12_000);
        }
        assert!(statistic["table"]["columns"]["of"].as_array().unwrap().len() <= 8000);
    }
    let told = statistics["expert_share"]["figures"][0]["left_out"].as_str().unwrap();
    assert!(told.contains("8 of 60 layers are shown, evenly spread over all: 0, 8, 16"), "{told}");
    assert!(told.contains("all are in stats/expert_share.csv"), "{told}");
    // A number for each layer is small: all layers have it.
    let load = &statistics["load_cv"]["figures"][0];
    assert_eq!((load["data"]["layer"].as_array().unwrap().len(), &load["left_out"]), (120, &Value::Null));
}

#[test]
fn long_lists_of_the_manifest_are_cut_and_counted() {
    let lines = |manifest: &Value| {
        let mut lines = Vec::new();
        flatten("", manifest, &mut lines);
        lines.into_iter().map(|line| format!("{} = {}", line.name, line.value)).collect::<Vec<_>>()
    };
    let skipped: Vec<Value> = (0..20).map(|at| json!({ "place": format!("x:{at}") })).collect();
    let told = lines(&json!({ "skipped": skipped, "skipped_total": 1_234 }));
    assert_eq!((told.len(), told[0].as_str()), (22, "skipped.0.place = x:0"));
    assert_eq!(told[20], "skipped = \u{2026} and 1,214 more; manifest.json lists the first 20");
    let told = lines(&json!({ "skipped": vec!["x"; 25] }));
    assert!(told[0].ends_with("x \u{2026} and 5 more, in manifest.json"), "{told:?}");
    assert_eq!(lines(&json!({ "notes": [], "a": { "b": [1, 2] } })), ["notes = ", "a.b = 1 2"]);
}

#[test]
fn questions_without_numbers_are_left_out() {
    let page = page(&[]);
    assert!(QUESTIONS.iter().all(|question| !page.contains(question.asked)));
    assert!(page.contains("inputs.0.file"));
}

#[test]
fn every_hero_is_a_statistic_of_its_kind_of_run() {
    for kind in HEROES {
        assert!(kind.statistic.info().command == kind.command, "{}", kind.command);
    }
}

#[test]
fn no_script_can_end_the_element_that_it_stands_in() {
    for (name, text) in data::SCRIPTS {
        assert!(!text.contains("</script") && !text.contains("<!--"), "{name}");
    }
    assert!(!data::script(true).is_empty());
}
