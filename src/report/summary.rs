//! `summary.json`: every headline number of the report, in a form that programs read.

use serde_json::{Map, Value, json};

use crate::{
    error::{Error, Result},
    stats::Finding,
};

/// Version of the layout of `summary.json`.
const SCHEMA: u64 = 1;

/// The summary of a run: `schema`, `command`, the settings passed in as `extra`, then `findings`.
///
/// Numbers are JSON numbers. `estimate`, `low`, `high` and `baseline` are always there, `null` where withheld; other
/// absent keys are left out.
///
/// # Errors
/// [`Error::Internal`] if a finding cannot be written as JSON.
pub fn summary(command: &str, findings: &[Finding], extra: Map<String, Value>) -> Result<Value> {
    let rows = findings.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>().map_err(|e| not_json(&e))?;
    let mut document = Map::new();
    document.insert("schema".into(), json!(SCHEMA));
    document.insert("command".into(), json!(command));
    document.extend(extra);
    document.insert("findings".into(), Value::Array(rows));
    Ok(Value::Object(document))
}

/// [`summary`] as the bytes of the file: one finding a line, so that two runs can be compared with `diff`.
///
/// # Errors
/// As [`summary`].
pub fn summary_bytes(command: &str, findings: &[Finding], extra: Map<String, Value>) -> Result<Vec<u8>> {
    let Value::Object(document) = summary(command, findings, extra)? else {
        return Err(Error::internal("the summary is not a JSON object"));
    };
    let mut text = String::from("{\n");
    for (key, value) in document.iter().filter(|(key, _)| *key != "findings") {
        text.push_str(&format!("  {}: {value},\n", Value::from(key.as_str())));
    }
    let rows: Vec<String> =
        document["findings"].as_array().into_iter().flatten().map(|row| format!("    {row}")).collect();
    text.push_str(&format!("  \"findings\": [\n{}\n  ]\n}}\n", rows.join(",\n")));
    Ok(text.into_bytes())
}

fn not_json(error: &serde_json::Error) -> Error {
    Error::internal(format!("a finding cannot be written as JSON: {error}"))
}
