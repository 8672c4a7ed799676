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
    let settings: Vec<String> = document
        .iter()
        .filter(|(key, _)| *key != "findings")
        .map(|(key, value)| format!("  {}: {value},", Value::from(key.as_str())))
        .collect();
    let rows: Vec<String> =
        document["findings"].as_array().into_iter().flatten().map(|row| format!("    {row}")).collect();
    let text = format!("{{\n{}\n  \"findings\": [\n{}\n  ]\n}}\n", settings.join("\n"), rows.join(",\n"));
    Ok(text.into_bytes())
}

fn not_json(error: &serde_json::Error) -> Error {
    Error::internal(format!("a finding cannot be written as JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{routing::View, stats::Statistic};

    #[test]
    fn missing_numbers_are_null_and_other_absent_keys_are_left_out() {
        let row = Finding { n: 3, ..Finding::new(Statistic::LoadCv, 1, View::Kept) };
        let extra = Map::from_iter([("seed".to_owned(), json!(17)), ("bos_counted".to_owned(), json!(true))]);
        let bytes = summary_bytes("route", &[row.clone(), row], extra).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let line = r#"{"statistic":"load_cv","layer":1,"view":"kept","estimate":null,"low":null,"high":null,"n":3,"baseline":null,"unit":"ratio"}"#;
        assert_eq!(
            text,
            format!(
                "{{\n  \"schema\": 1,\n  \"command\": \"route\",\n  \"seed\": 17,\n  \"bos_counted\": true,\n  \
                 \"findings\": [\n    {line},\n    {line}\n  ]\n}}\n"
            )
        );
        let parsed: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(parsed["findings"][1]["estimate"], Value::Null);
    }

    #[test]
    fn a_summary_without_findings_is_still_json() {
        let bytes = summary_bytes("route", &[], Map::new()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap()["findings"], json!([]));
    }
}
