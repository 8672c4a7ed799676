//! A manifest that is not trusted. It decides whether a folder is that of a run, and which files of it may be removed or kept
//! when a run is resumed; it may be of another program, of a run that was killed, or damaged.

use serde_json::{Map, Value};

use crate::run::{RunKind, difference::differences_in_json};

/// The command that fills several run folders, as a command line names it.
const DEMO: &str = "demo";

/// The contents of a `manifest.json`, whoever wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct LooseRecord(Map<String, Value>);

impl LooseRecord {
    /// Reads JSON; anything but an object counts as an object without keys.
    ///
    /// # Errors
    /// It is not JSON.
    pub fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        Ok(Self(match serde_json::from_slice(bytes)? {
            Value::Object(keys) => keys,
            _ => Map::new(),
        }))
    }

    /// The keys that a run is about to write; `None` if it names none.
    pub(in crate::run) fn of(identity: &Value) -> Option<Self> {
        identity.as_object().cloned().map(Self)
    }

    /// The contents as JSON.
    pub fn into_json(self) -> Value {
        Value::Object(self.0)
    }

    /// Whether a run of this program wrote it: the first manifest that a run writes has these keys already.
    pub fn is_of_a_run(&self) -> bool {
        let is = |key: &str, holds: fn(&Value) -> bool| self.0.get(key).is_some_and(holds);
        self.kind().is_some() && is("version", Value::is_string) && is("complete", Value::is_boolean)
    }

    /// The kind of run, if it names one.
    pub fn kind(&self) -> Option<RunKind> {
        self.command()?.parse().ok()
    }

    /// The value of the key that names the kind of run.
    pub fn command(&self) -> Option<&str> {
        self.0.get("command")?.as_str()
    }

    /// Whether it says that the run is complete.
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

    /// What was changed about its routers, if anything was.
    pub fn strategy(&self) -> Option<&str> {
        self.0.get("intervention")?.get("strategy")?.as_str()
    }

    /// The folders of its passes: those of several checkpoints, and those of replays.
    pub fn passes(&self) -> Vec<&str> {
        let entries = self.list("checkpoints").chain(self.list("exact_replay"));
        entries.filter_map(|entry| entry.get("trace")?.as_str()).collect()
    }

    /// Whether it is the manifest of a pass of another run: its command line is that of another command.
    pub fn is_of_a_pass(&self) -> bool {
        let words = self.list("command_line").skip(1).filter_map(Value::as_str);
        let typed = words.into_iter().find(|word| *word == DEMO || word.parse::<RunKind>().is_ok());
        typed.is_none_or(|typed| self.command() != Some(typed))
    }

    /// The differences between this manifest and an identity; only the keys of `now` are compared.
    pub(in crate::run) fn differences(&self, now: &Value) -> Vec<String> {
        differences_in_json(&self.0.clone().into(), now)
    }

    /// The bytes of this manifest, changed to say that the run is not complete.
    pub fn incomplete(mut self) -> Vec<u8> {
        self.0.insert("complete".to_owned(), Value::Bool(false));
        format!("{:#}\n", Value::Object(self.0)).into_bytes()
    }

    fn list(&self, key: &str) -> impl Iterator<Item = &Value> {
        self.0.get(key).and_then(Value::as_array).into_iter().flatten()
    }
}
