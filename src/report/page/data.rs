//! The numbers and scripts of the page.

use std::io::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Map, Value, json};

use super::{drawn::DrawnStatistic, reported_run::ReportedRun};
use crate::error::{Error, Result};

/// Everything that the scripts show, as compressed JSON in Base64, so that no value can end the HTML element around it.
///
/// # Errors
/// [`Error::Internal`] if it cannot be written as JSON or compressed.
pub(super) fn packed(runs: &[ReportedRun<'_>], drawn: &[DrawnStatistic]) -> Result<String> {
    let excerpts: Vec<_> = runs.iter().flat_map(|run| &run.excerpts).collect();
    let experts: Vec<_> = runs.iter().filter_map(|run| run.experts.as_ref()).collect();
    let document = json!({
        "runs": runs.iter().map(run).collect::<Vec<Value>>(),
        "statistics": statistics(drawn).map_err(|error| unpacked(&error))?,
        "tokens": serde_json::to_value(excerpts).map_err(|error| unpacked(&error))?,
        "experts": serde_json::to_value(experts).map_err(|error| unpacked(&error))?,
    });
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(document.to_string().as_bytes()).map_err(|error| unpacked(&error))?;
    Ok(STANDARD.encode(encoder.finish().map_err(|error| unpacked(&error))?))
}

fn run(run: &ReportedRun<'_>) -> Value {
    json!({
        "label": run.label,
        "command": run.command,
        "layers": run.context.shape.moe_layers(),
        "experts": run.context.shape.most_experts(),
        "top_k": run.context.shape.most_choices(),
    })
}

fn statistics(drawn: &[DrawnStatistic]) -> serde_json::Result<Map<String, Value>> {
    let shown = drawn.iter().filter(|drawn| drawn.table.is_some() || !drawn.figures.is_empty());
    shown
        .map(|drawn| {
            let info = drawn.info;
            let figures = serde_json::to_value(&drawn.figures)?;
            let value = json!({
                "title": info.title,
                "unit": info.unit,
                "baseline": info.baseline,
                "figures": figures,
                "table": drawn.table.as_ref().map(|table| &table.columns),
                "differences": drawn.differences.as_ref().map(|differences| &differences.columns),
            });
            Ok((info.name.to_owned(), value))
        })
        .collect()
}

fn unpacked(error: &dyn std::fmt::Display) -> Error {
    Error::internal(format!("the numbers of the report could not be packed: {error}"))
}

/// The scripts in the order of their dependencies, libraries first.
macro_rules! scripts {
    ($($name:literal),* $(,)?) => {
        /// Name and text of each script.
        pub(super) const SCRIPTS: &[(&str, &str)] = &[$(($name, include_str!(concat!("../assets/", $name)))),*];
    };
}

scripts!(
    "vendor/d3.min.js",
    "vendor/plot.umd.min.js",
    "vendor/pako_inflate.min.js",
    "scripts/start.js",
    "scripts/format.js",
    "scripts/data.js",
    "scripts/address.js",
    "scripts/tip.js",
    "scripts/theme.js",
    "scripts/figure.js",
    "scripts/intervals.js",
    "scripts/curve.js",
    "scripts/matrix.js",
    "scripts/scatter.js",
    "scripts/words.js",
    "scripts/text.js",
    "scripts/tables.js",
    "scripts/token_data.js",
    "scripts/token_text.js",
    "scripts/token_id.js",
    "scripts/tokens.js",
    "scripts/experts.js",
    "scripts/answers.js",
    "scripts/controls.js",
    "scripts/landing.js",
    "scripts/main.js",
);

/// The script for pages about many layers, which precedes the last script.
const MANY_LAYERS: &str = include_str!("../assets/scripts/many_layers.js");

/// All scripts as one.
pub(super) fn script(many_layers: bool) -> String {
    let mut texts: Vec<&str> = SCRIPTS.iter().map(|(_, text)| *text).collect();
    if many_layers {
        texts.insert(texts.len() - 1, MANY_LAYERS);
    }
    texts.join("\n;\n")
}
