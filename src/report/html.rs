//! `report.html`: one file that opens offline and asks no host for anything.

use minijinja::{Environment, value::Serde};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    embed::Embedder,
    sections::{SECTIONS, Section},
};
use crate::{
    chart::{CHARTS, Chart, visible},
    error::{Error, Result},
    routing::View,
    stats::Finding,
};

/// Rows that a table of the report shows; the rest is in `summary.json` and `stats/`.
const ROWS_SHOWN: usize = 120;

/// What the template is filled with.
#[derive(Serialize)]
struct Filling<'a> {
    verdict: &'a [String],
    sections: &'a [Value],
    provenance: &'a [Value],
    version: &'static str,
}

/// The report of a run as one HTML document with its charts inside; it makes no request to any host.
///
/// # Errors
/// [`Error::Internal`] if the template cannot be filled in.
pub fn html(manifest: &Value, findings: &[Finding], verdict: &[String], charts: &[Chart]) -> Result<String> {
    let mut embedder = Embedder::default();
    let sections: Vec<Value> = SECTIONS
        .iter()
        .map(|section| section_value(section, findings, charts, &mut embedder))
        .filter(|section| section["tables"] != json!([]) || section["groups"] != json!([]))
        .collect();
    let mut environment = Environment::new();
    environment.add_template("report.html", include_str!("assets/report.html")).map_err(|e| unfilled(&e))?;
    let template = environment.get_template("report.html").map_err(|e| unfilled(&e))?;
    let mut provenance = Vec::new();
    flatten("", manifest, &mut provenance);
    template
        .render(Serde(Filling {
            verdict,
            sections: &sections,
            provenance: &provenance,
            version: env!("CARGO_PKG_VERSION"),
        }))
        .map_err(|e| unfilled(&e))
}

/// Everything that the template needs for a question.
fn section_value(section: &Section, findings: &[Finding], charts: &[Chart], embedder: &mut Embedder) -> Value {
    let tables: Vec<Value> = section
        .statistics
        .iter()
        .flat_map(|(statistic, variable)| View::ALL.map(|view| table(findings, statistic, *variable, view)))
        .flatten()
        .collect();
    let groups: Vec<Value> = section
        .charts
        .iter()
        .filter_map(|stem| {
            let kind = CHARTS.iter().find(|kind| kind.stem == *stem)?;
            let own: Vec<Value> =
                charts.iter().filter(|chart| chart.kind == *stem).map(|chart| embedder.figure(chart)).collect();
            (!own.is_empty()).then(|| json!({ "question": kind.question, "paper": kind.paper, "charts": own }))
        })
        .collect();
    json!({
        "anchor": section.anchor,
        "question": section.question,
        "asked": section.asked,
        "tables": tables,
        "groups": groups,
    })
}

/// The rows of a statistic in one view that speak of a whole layer or category; none without rows.
fn table(findings: &[Finding], statistic: &str, variable: Option<&str>, view: View) -> Option<Value> {
    let all: Vec<&Finding> = findings
        .iter()
        .filter(|row| {
            row.statistic == statistic
                && row.view == view.name()
                && variable.is_none_or(|variable| row.variable.as_deref() == Some(variable))
                && row.expert.is_none()
                && row.token_id.is_none()
                && row.position.is_none()
        })
        .collect();
    let rows: Vec<Value> = all.iter().take(ROWS_SHOWN).map(|row| row_value(row)).collect();
    let explained = all.iter().any(|row| row.explained.is_some());
    (!rows.is_empty()).then(|| {
        json!({
            "statistic": statistic,
            "view": view.name(),
            "rows": rows,
            "explained": explained,
            "left_out": all.len().saturating_sub(ROWS_SHOWN),
        })
    })
}

fn row_value(row: &Finding) -> Value {
    json!({
        "layer": row.layer,
        "of": subject(row),
        "estimate": number(row.estimate),
        "interval": interval(row.low, row.high),
        "baseline": number(row.baseline),
        "explained": number(row.explained),
        "explained_interval": interval(row.explained_low, row.explained_high),
        "n": thousands(row.n),
        "unit": &*row.unit,
        "note": row.note.as_deref(),
    })
}

/// The keys that say which number of the layer it is.
fn subject(row: &Finding) -> String {
    let quantile = row.quantile.map(|quantile| format!("quantile {quantile}"));
    let keys = [
        row.checkpoint.as_deref().map(visible),
        row.reference.as_deref().map(|reference| format!("against {}", visible(reference))),
        row.variable.as_deref().map(str::to_owned),
        row.given.as_deref().map(|given| format!("given {given}")),
        row.category.as_deref().map(visible),
        row.other_category.as_deref().map(visible),
        row.variant.as_deref().map(str::to_owned),
        quantile,
    ];
    let words: Vec<String> = keys.into_iter().flatten().map(|key| key.replace('_', " ")).collect();
    if words.is_empty() { "all".to_owned() } else { words.join(", ") }
}

/// A number for reading: four significant digits, the whole of it beside.
fn number(value: Option<f64>) -> Value {
    value.map_or(Value::Null, |value| json!({ "short": short(value), "full": value }))
}

fn short(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-4 {
        return format!("{value:.2e}").replace('-', "\u{2212}");
    }
    let magnitude = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    let decimals = (3 - magnitude).clamp(0, 6) as usize;
    format!("{value:.decimals$}").replace('-', "\u{2212}")
}

fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let (head, tail) = digits.split_at(digits.len() % 3);
    let groups = tail.as_bytes().chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
    let parts: Vec<String> = (!head.is_empty()).then(|| head.to_owned()).into_iter().chain(groups).collect();
    parts.join(",")
}

fn interval(low: Option<f64>, high: Option<f64>) -> Value {
    low.zip(high).map_or(Value::Null, |(low, high)| json!(format!("[{}, {}]", short(low), short(high))))
}

/// The manifest as lines of key and value.
fn flatten(prefix: &str, value: &Value, lines: &mut Vec<Value>) {
    let below = |key: &str| if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| flatten(&below(key), value, lines)),
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            items.iter().enumerate().for_each(|(index, item)| flatten(&below(&index.to_string()), item, lines));
        }
        Value::Array(items) => {
            let text = items.iter().map(plain).collect::<Vec<_>>().join(" ");
            lines.push(json!({ "key": prefix, "value": text }));
        }
        other => lines.push(json!({ "key": prefix, "value": plain(other) })),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn unfilled(error: &minijinja::Error) -> Error {
    Error::internal(format!("the report template could not be filled in: {error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(findings: &[Finding], charts: &[Chart]) -> String {
        let manifest =
            json!({ "command": ["a", "<b>"], "checkpoint": { "sha256": "00" }, "inputs": [{ "file": "x" }] });
        html(&manifest, findings, &["layer 1: <not> enough data".to_owned()], charts).unwrap()
    }

    fn chart(name: &str, svg: &str) -> Chart {
        Chart {
            name: name.into(),
            kind: "mutual_information",
            title: "a title".into(),
            caption: "n = 3 & more".into(),
            svg: svg.into(),
            png: vec![1, 2, 3],
        }
    }

    #[test]
    fn the_page_escapes_what_it_is_given_and_asks_no_host() {
        let row = Finding {
            variable: Some("token".into()),
            estimate: Some(1.23456),
            low: Some(-0.5),
            high: Some(2.0),
            n: 12,
            ..Finding::new("mutual_information", 1, View::Chosen, "bits")
        };
        let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\"></svg>";
        let page = page(&[row.clone(), row.withheld("too few")], &[chart("one", svg)]);
        assert!(page.contains("layer 1: &lt;not&gt; enough data"));
        assert!(page.contains("a &lt;b&gt;") && page.contains("inputs.0.file"));
        assert!(page.contains("1.235") && page.contains("[\u{2212}0.5000, 2.000]") && page.contains("too few"));
        assert!(page.contains("<svg width=\"9\">"));
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("<script"));
    }

    #[test]
    fn sections_without_numbers_and_charts_are_left_out() {
        let page = page(&[], &[]);
        assert!(SECTIONS.iter().all(|section| !page.contains(section.question)));
        assert!(page.contains("Provenance"));
    }

    #[test]
    fn numbers_have_four_digits() {
        assert_eq!([thousands(0), thousands(999), thousands(1_234_567)], ["0", "999", "1,234,567"]);
        assert_eq!(
            [short(0.0), short(12.345_67), short(0.001_234_56), short(-1e-7)],
            ["0.000", "12.35", "0.001235", "\u{2212}1.00e\u{2212}7"]
        );
    }
}
