//! `summary.json`: the answer, the verdict and every headline number of the report, for programs.

use serde::Serialize;
use serde_json::{Map, Value};

use super::words::VerdictEntry;
use crate::{
    error::{Error, Result},
    routing::RunKind,
    stats::{Finding, MitigationRow},
};

/// Version of the layout of `summary.json`. It grows when a key gets another meaning, not when keys are added.
const SCHEMA: u64 = 1;

/// What `summary.json` holds.
///
/// Numbers are JSON numbers. `estimate`, `low`, `high` and `baseline` of a finding are always there, `null` where withheld;
/// other absent keys are left out.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Summary<'a, S> {
    /// Version of the layout.
    schema: u64,
    /// The kind of the run.
    command: RunKind,
    /// How the numbers were made.
    #[serde(flatten)]
    settings: S,
    /// What the run answers first, in at most three sentences.
    headline: &'a [VerdictEntry],
    /// What the numbers say, answer by answer.
    verdicts: &'a [VerdictEntry],
    /// The numbers.
    findings: &'a [Finding],
    /// The numbers of a mitigate run about all tokens; absent in other runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    strategies: Option<&'a [MitigationRow]>,
}

/// The keys before the lists.
#[derive(Serialize)]
struct Head<'a, S> {
    schema: u64,
    command: RunKind,
    #[serde(flatten)]
    settings: &'a S,
}

impl<'a, S: Serialize> Summary<'a, S> {
    /// The summary of a run of a kind, with the settings that its numbers depend on.
    pub fn new(
        command: RunKind,
        settings: S,
        (headline, verdicts): (&'a [VerdictEntry], &'a [VerdictEntry]),
        findings: &'a [Finding],
    ) -> Self {
        Self { schema: SCHEMA, command, settings, headline, verdicts, findings, strategies: None }
    }

    /// The same with the numbers of a mitigate run.
    #[must_use]
    pub fn with_strategies(self, strategies: &'a [MitigationRow]) -> Self {
        Self { strategies: Some(strategies), ..self }
    }

    /// The bytes of the file: one verdict or finding on each line, so that two runs can be compared with `diff`.
    ///
    /// # Errors
    /// [`Error::Internal`] if a part cannot be written as JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let Self { schema, command, settings, headline, verdicts, findings, strategies } = self;
        let head =
            serde_json::to_value(Head { schema: *schema, command: *command, settings }).map_err(|e| not_json(&e))?;
        let head: Map<String, Value> = serde_json::from_value(head).map_err(|e| not_json(&e))?;
        let head: Vec<String> =
            head.iter().map(|(key, value)| format!("  {}: {value},", Value::from(key.as_str()))).collect();
        let (headline, verdicts, findings) = (lines(headline)?, lines(verdicts)?, lines(findings)?);
        let strategies = strategies.map(lines).transpose()?;
        let strategies = strategies.map(|rows| format!(",\n  \"strategies\": [\n{rows}\n  ]")).unwrap_or_default();
        let text = format!(
            "{{\n{}\n  \"headline\": [\n{headline}\n  ],\n  \"verdicts\": [\n{verdicts}\n  ],\n  \"findings\": [\n{findings}\n  ]{strategies}\n}}\n",
            head.join("\n")
        );
        Ok(text.into_bytes())
    }
}

/// The rows of a list, one on each line.
fn lines<T: Serialize>(rows: &[T]) -> Result<String> {
    let line = |row: &T| Ok(format!("    {}", serde_json::to_string(row).map_err(|e| not_json(&e))?));
    Ok(rows.iter().map(line).collect::<Result<Vec<_>>>()?.join(",\n"))
}

fn not_json(error: &serde_json::Error) -> Error {
    Error::internal(format!("a part of the summary cannot be written as JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        report::{headline_entries, verdict_entries},
        routing::View,
        run::{SummarySettings, json_schema::assert_is_described},
        stats::{Statistic, verdict::RunVerdict},
    };

    #[test]
    fn missing_numbers_are_null_and_other_absent_keys_are_left_out() {
        let row = Finding { n: 3, ..Finding::new(Statistic::LoadCv, 1, View::Kept) };
        let settings = Map::from_iter([("seed".to_owned(), json!(17)), ("bos_counted".to_owned(), json!(true))]);
        let findings = [row.clone(), row];
        let empty = RunVerdict::route(&[]);
        let (headline, verdicts) = (headline_entries(&empty), verdict_entries(&empty));
        let bytes = Summary::new(RunKind::Route, settings, (&headline, &verdicts), &findings).to_bytes().unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let line = r#"{"statistic":"load_cv","layer":1,"view":"kept","estimate":null,"low":null,"high":null,"n":3,"baseline":null,"unit":"ratio"}"#;
        let verdict = r#"{"claim":"context_independent","answer":"not_enough_data","because":[],"criterion":"the interval of the token id is not known, or that of every context where one is needed","words":"Overall: there is not enough data to say whether the token id decides the experts."}"#;
        // The first sentence is that of the verdict.
        assert_eq!(
            text,
            format!(
                "{{\n  \"schema\": 1,\n  \"command\": \"route\",\n  \"seed\": 17,\n  \"bos_counted\": true,\n  \
                 \"headline\": [\n    {verdict}\n  ],\n  \"verdicts\": [\n    {verdict}\n  ],\n  \"findings\": [\n    {line},\n    {line}\n  ]\n}}\n"
            )
        );
        let parsed: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(parsed["findings"][1]["estimate"], Value::Null);
    }

    #[test]
    fn the_schema_of_the_summary_is_that_of_the_types() {
        assert_is_described::<Summary<'static, SummarySettings<'static>>>(
            "summary.json of openmoe-analyze",
            "summary.schema.json",
        );
    }

    /// The claims and answers of the schema, as they stand in the table of docs/outputs.md.
    #[test]
    fn every_claim_and_every_answer_is_documented() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
        let schema: Value = serde_json::from_str(&read("schema/summary.schema.json")).unwrap();
        let prose = read("outputs.md");
        let claims = schema["$defs"]["VerdictEntry"]["oneOf"].as_array().unwrap();
        assert!(claims.len() > 10);
        for claim in claims {
            let name = claim["properties"]["claim"]["const"].as_str().unwrap();
            let row = prose.lines().find(|line| line.contains(&format!("| `{name}` |")));
            let row = row.unwrap_or_else(|| panic!("no row of `{name}` in docs/outputs.md"));
            let answers = claim["properties"]["answer"]["$ref"].as_str().unwrap().trim_start_matches('#');
            for answer in schema.pointer(answers).unwrap()["oneOf"].as_array().unwrap() {
                let answer = answer["const"].as_str().unwrap();
                assert!(row.contains(&format!("`{answer}`")), "`{answer}` of `{name}` is not in docs/outputs.md");
            }
        }
    }

    #[test]
    fn a_summary_of_nothing_is_still_json() {
        let bytes = Summary::new(RunKind::Route, Map::new(), (&[], &[]), &[]).to_bytes().unwrap();
        let parsed: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((&parsed["verdicts"], &parsed["findings"]), (&json!([]), &json!([])));
    }
}
