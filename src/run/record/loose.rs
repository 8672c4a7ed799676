//! A manifest of which nothing is believed: by it is decided whose a folder is, and what of it may be removed or gone on with.
//! It may be of another program, of a run that was killed, or damaged.

use serde_json::{Map, Value};

use crate::run::{RunKind, difference::differences_in_json};

/// The command that fills several run folders, as it stands in a command line.
const DEMO: &str = "demo";

/// What stands in a `manifest.json`, whoever wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct LooseRecord(Map<String, Value>);

impl LooseRecord {
    /// Reads what is JSON; anything but an object says nothing.
    ///
    /// # Errors
    /// It is not JSON.
    pub fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        Ok(Self(match serde_json::from_slice(bytes)? {
            Value::Object(keys) => keys,
            _ => Map::new(),
        }))
    }

    /// The same as JSON.
    pub fn into_json(self) -> Value {
        Value::Object(self.0)
    }

    /// Whether a run wrote it: the first manifest that a run writes has these keys already.
    pub fn is_of_a_run(&self) -> bool {
        let is = |key: &str, holds: fn(&Value) -> bool| self.0.get(key).is_some_and(holds);
        self.kind().is_some() && is("version", Value::is_string) && is("complete", Value::is_boolean)
    }

    /// The kind of run, if it names one.
    pub fn kind(&self) -> Option<RunKind> {
        self.command()?.parse().ok()
    }

    /// What stands in the place of the kind.
    pub fn command(&self) -> Option<&str> {
        self.0.get("command")?.as_str()
    }

    /// Whether it says that every file is in its place.
    pub fn is_complete(&self) -> bool {
        self.0.get("complete") == Some(&Value::Bool(true))
    }

    /// The digest of the run that the files belong to.
    pub fn run_digest(&self) -> Option<&str> {
        self.0.get("run_digest")?.as_str()
    }

    /// The folders of the runs that its report shows too.
    pub fn report_runs(&self) -> Vec<&str> {
        self.list("report_runs").filter_map(Value::as_str).collect()
    }

    /// The folders of its passes: those of several checkpoints, and those of replays.
    pub fn passes(&self) -> Vec<&str> {
        let entries = self.list("checkpoints").chain(self.list("exact_replay"));
        entries.filter_map(|entry| entry.get("trace")?.as_str()).collect()
    }

    /// Whether it was written as that of a pass of another run: its command line is not that of its own command.
    pub fn is_of_a_pass(&self) -> bool {
        let words = self.list("command_line").skip(1).filter_map(Value::as_str);
        let typed = words.into_iter().find(|word| *word == DEMO || word.parse::<RunKind>().is_ok());
        typed.is_none_or(|typed| self.command() != Some(typed))
    }

    /// Where it differs from what it would be now: only what stands in `now` counts.
    pub(in crate::run) fn differences(&self, now: &Value) -> Vec<String> {
        differences_in_json(&self.0.clone().into(), now)
    }

    /// The bytes of the same manifest, saying that the run is not complete.
    pub fn incomplete(mut self) -> Vec<u8> {
        self.0.insert("complete".to_owned(), Value::Bool(false));
        format!("{:#}\n", Value::Object(self.0)).into_bytes()
    }

    fn list(&self, key: &str) -> impl Iterator<Item = &Value> {
        self.0.get(key).and_then(Value::as_array).into_iter().flatten()
    }
}
