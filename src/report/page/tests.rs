//! The page from made-up rows.

use serde_json::json;

use super::*;
use crate::{routing::View, stats::StatisticTable};

fn page(rows: &[Finding]) -> String {
    let mut tables = Tables::new();
    for row in rows {
        let name = row.statistic.to_string();
        let table = tables.entry(name.clone()).or_insert_with(|| StatisticTable { name, rows: Vec::new() });
        table.rows.push(row.clone());
    }
    let manifest = json!({ "command": ["a", "<b>"], "inputs": [{ "file": "x" }], "resamples": 40, "permutations": 10 });
    let context =
        ChartContext { checkpoint: "m".into(), layers: vec![1], num_experts: 4, top_k: 2, ..ChartContext::default() };
    let run = ReportedRun {
        label: "m <i>".into(),
        command: "route",
        model: "m".into(),
        manifest,
        context: &context,
        tables: &tables,
        rows_in_files: BTreeMap::new(),
        findings: rows,
        verdict: &["layer 1: <not> enough data".to_owned()],
        excerpts: Vec::new(),
        charts: vec![
            ("radar_token_layer_1".into(), "radar_token"),
            ("mutual \"information\"".into(), "mutual_information"),
        ],
        folder: Some("a run".into()),
    };
    html(&[run]).unwrap()
}

#[test]
fn values_are_escaped_and_numbers_stand_with_their_intervals() {
    let row = Finding {
        variable: Some("token".into()),
        estimate: Some(1.23456),
        low: Some(-0.5),
        high: Some(2.0),
        n: 1234,
        ..Finding::new("mutual_information", 1, View::Chosen, "bits")
    };
    let page = page(&[row.clone(), row.withheld("too <few>")]);
    for text in
        ["layer 1: &lt;not&gt; enough data", "a &lt;b&gt;", "m &lt;i&gt;", "inputs.0.file", "too &lt;few&gt;", "1,234"]
    {
        assert!(page.contains(text), "{text}");
    }
    assert!(page.contains("1.235") && page.contains("[\u{2212}0.5000, 2.000]"));
    // The template writes a slash in an attribute as `&#x2f;`.
    let page = page.replace("&#x2f;", "/");
    for address in ["a%20run/charts/mutual%20%22information%22.svg", "a%20run/stats/mutual_information.csv"] {
        assert!(page.contains(&format!("href=\"{address}\"")), "{address}");
    }
    assert!(!page.contains("radar_token_layer_1"), "a chart of a statistic that the run does not have");
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
        assert!(
            STATISTICS.iter().any(|info| info.name == kind.statistic && info.command == kind.command),
            "{}",
            kind.command
        );
    }
}

#[test]
fn no_script_can_end_the_element_that_it_stands_in() {
    for (name, text) in data::SCRIPTS {
        assert!(!text.contains("</script") && !text.contains("<!--"), "{name}");
    }
    assert!(!data::script().is_empty());
}
