//! `manifest.json` as a type, with one writer and one reader.
//!
//! Reading checks everything: a key that is missing, or has an impossible value, is an error that names it, never a silent
//! default. Keys that this version does not know are kept. A manifest without `schema` has the first schema.

mod contradictions;
mod identity;
mod import;
mod keys;
mod loose;
mod number;
mod order;
mod parts;
mod summary_settings;
#[cfg(test)]
mod tests;

pub use identity::{
    ArithmeticOptions, CheckpointFiles, ForwardPassOptions, HubOrigin, Identity, QueueOptions, RecordedCheckpoint,
    RecordedInput, RecordedIntervention, RecordedReplay, TextOptions, TokenizerFile, WeightFile,
};
pub use import::ImportRecord;
pub use loose::LooseRecord;
pub use parts::{
    DriftSettings, DropsSettings, ForwardPassCost, ForwardPassExecution, LayerTies, RecordedLayer, RecordedLayout,
    RecordedSettings, RunCost, StatisticCost, TextSummary, TraceDigests,
};
pub use summary_settings::SummarySettings;

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use self::{identity::text_names, keys::ManifestKeys};
use crate::{
    checkpoint::{Architecture, OpenMoeConfig},
    error::{Error, Result, run_again},
    routing::{DecidingScore, Provides, RoutingShape, TRACE_SCHEMA},
    run::{RunKind, difference::as_json},
};

/// The version of the manifest's layout that this program writes. It grows when a key gets another meaning, not when keys are
/// added.
const SCHEMA: u64 = 1;

/// What a manifest without the key is read as.
#[cfg(test)]
fn first_schema() -> u64 {
    SCHEMA
}

/// What two runs must have in common to be the same run; the digest of a run is computed from it.
#[derive(Debug, Serialize)]
pub struct Decisive<'a> {
    #[serde(flatten)]
    identity: &'a Identity,
    /// Only for a drift run, whose text may have been read by other runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    corpus: Option<&'a [String]>,
}

/// What was run, how, and how much time and memory it took.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunRecord {
    /// The version of the layout of the keys; manifests without it have the first layout.
    #[cfg_attr(test, schemars(default = "first_schema"))]
    pub schema: u64,
    /// What decides the bytes of the trace.
    #[serde(flatten)]
    pub identity: Identity,
    /// Settings of the statistics that only a drops run has.
    #[serde(flatten)]
    pub drops: Option<DropsSettings>,
    /// Whether the run is complete.
    pub complete: bool,
    /// Settings of the statistics that only a drift run has.
    #[serde(flatten)]
    pub drift: Option<DriftSettings>,
    /// How the statistics were computed.
    #[serde(flatten)]
    pub statistics: RecordedSettings,
    /// The command line as typed.
    #[cfg_attr(test, schemars(default))]
    pub command_line: Vec<String>,
    /// The label of the checkpoint; for a drift run the labels of all checkpoints.
    pub label: String,
    /// Which layers route, and into how many parts the trace is cut.
    pub layout: RecordedLayout,
    /// What the trace records besides the chosen experts; absent in a run of the first version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<crate::routing::RecordedBlocks>"))]
    pub provides: Option<Provides>,
    /// An OpenMoE's `config.json`, with defaults filled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<OpenMoeConfig>,
    /// What a model of another family computes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Architecture>,
    /// What went through the model.
    #[serde(flatten)]
    pub text: TextSummary,
    /// The number of threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// How the forward pass was carried out.
    #[serde(flatten)]
    pub forward_pass: Option<ForwardPassExecution>,
    /// Paths of the text as typed.
    #[cfg_attr(test, schemars(default))]
    pub corpus: Vec<String>,
    /// Time and memory that the forward pass took.
    #[serde(flatten)]
    pub forward_cost: Option<ForwardPassCost>,
    /// The layers in which equal deciding scores decided; empty: there are none. Absent in a run that did not count them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ties: Option<Vec<LayerTies>>,
    /// Time that the statistics took.
    #[serde(flatten)]
    pub statistic_cost: Option<StatisticCost>,
    /// The digests of the runs that hold the traces of a run with several forward passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<std::collections::BTreeMap<String, String>>"))]
    pub trace_digests: Option<TraceDigests>,
    /// Time and memory that the whole run took.
    #[serde(flatten)]
    pub run_cost: Option<RunCost>,
    /// SHA-256 of the identity, which ties the files to this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_digest: Option<String>,
    /// Sub-folders that hold other runs which the report of this run shows too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, schemars(default))]
    pub report_runs: Vec<String>,
    /// Keys that this version does not know, including those within known objects.
    #[serde(skip)]
    pub unknown: UnknownKeys,
}

/// Keys that this version does not know, with their values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnknownKeys(Map<String, Value>);

impl RunRecord {
    /// The record of a run that is about to start, without text and command line.
    pub fn new(identity: Identity, label: impl Into<String>, layout: RecordedLayout) -> Self {
        Self {
            schema: SCHEMA,
            identity,
            drops: None,
            complete: false,
            drift: None,
            statistics: RecordedSettings::default(),
            command_line: Vec::new(),
            label: label.into(),
            layout,
            provides: None,
            config: None,
            architecture: None,
            text: TextSummary::default(),
            threads: None,
            forward_pass: None,
            corpus: Vec::new(),
            forward_cost: None,
            ties: None,
            statistic_cost: None,
            trace_digests: None,
            run_cost: None,
            run_digest: None,
            report_runs: Vec::new(),
            unknown: UnknownKeys::default(),
        }
    }

    /// Reads the manifest of the run in a folder.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if it was made by a newer version, or for the first key that is missing or has an impossible value.
    pub fn read(run: &Path, manifest: &Value) -> Result<Self> {
        let keys = ManifestKeys::new(run, manifest)?;
        let schema: u64 = keys.optional("schema")?.unwrap_or(SCHEMA);
        if schema > SCHEMA {
            return Err(newer(run, ("schema", schema), SCHEMA));
        }
        if schema < SCHEMA {
            return Err(keys.wrong("schema", &schema.into(), &format!("a whole number from {SCHEMA} on")));
        }
        let columns = manifest.pointer("/provides/trace_schema").and_then(Value::as_u64);
        if let Some(columns) = columns.filter(|columns| *columns > u64::from(TRACE_SCHEMA)) {
            return Err(newer(run, ("provides.trace_schema", columns), TRACE_SCHEMA.into()));
        }
        let mut record = Self {
            schema,
            identity: Identity::read(&keys)?,
            drops: keys.optional_part()?,
            complete: keys.key("complete")?,
            drift: keys.optional_part()?,
            statistics: keys.part()?,
            command_line: keys.optional("command_line")?.unwrap_or_default(),
            label: keys.key("label")?,
            layout: keys.key("layout")?,
            provides: keys.optional("provides")?,
            config: keys.optional("config")?,
            architecture: keys.optional("architecture")?,
            text: keys.part()?,
            threads: keys.optional("threads")?,
            forward_pass: keys.optional_part()?,
            corpus: keys.optional("corpus")?.unwrap_or_default(),
            forward_cost: keys.optional_part()?,
            ties: keys.optional("ties")?,
            statistic_cost: keys.optional_part()?,
            trace_digests: keys.optional("trace_digests")?,
            run_cost: keys.optional_part()?,
            run_digest: keys.optional("run_digest")?,
            report_runs: keys.optional("report_runs")?.unwrap_or_default(),
            unknown: UnknownKeys::default(),
        };
        let is_counts = record.provides.is_some_and(Provides::is_counts);
        let has_rows = record.complete && record.text.tokens > 0 && !is_counts;
        contradictions::refuse(&keys, &record.identity, &record.layout, has_rows)?;
        if let (Value::Object(there), Value::Object(known)) = (manifest, record.to_json()?) {
            record.unknown = UnknownKeys(order::unknown(there, &known));
        }
        Ok(record)
    }

    /// What makes it this run and no other one.
    pub fn decisive(&self) -> Decisive<'_> {
        let corpus = (self.identity.command == RunKind::Drift).then_some(self.corpus.as_slice());
        Decisive { identity: &self.identity, corpus }
    }

    /// The manifest as JSON, its keys in their order.
    ///
    /// # Errors
    /// [`Error::Internal`] if it cannot be written as JSON.
    pub fn to_json(&self) -> Result<Value> {
        let value = as_json(self)?;
        let Value::Object(keys) = value else { return Ok(value) };
        let mut keys = order::settled(self.identity.command, keys);
        order::merge(&mut keys, &self.unknown.0);
        Ok(Value::Object(keys))
    }

    /// The bytes of `manifest.json`.
    ///
    /// # Errors
    /// As [`Self::to_json`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        Ok(format!("{:#}\n", self.to_json()?).into_bytes())
    }

    /// The names of the texts, as typed, without folders and endings.
    pub fn text_names(&self) -> Vec<String> {
        let transcripts = self.forward_pass.iter().filter_map(|pass| pass.transcripts.as_ref()).flatten();
        text_names(transcripts.chain(&self.corpus))
    }

    /// What the model computes, if that was recorded.
    pub fn described(&self) -> Option<Architecture> {
        self.architecture.clone().or_else(|| self.config.as_ref().map(OpenMoeConfig::architecture))
    }

    /// What experts are ranked by; where the model is not known, margins are those of shares.
    pub fn deciding_score(&self) -> DecidingScore {
        self.described().map_or_else(DecidingScore::default, |model| model.experts.router.score.into())
    }

    /// The token ids whose shares a drift run follows.
    pub fn tokens_of_interest(&self) -> &[u32] {
        self.drift.as_ref().map_or(&[], |drift| &drift.tokens_of_interest)
    }

    /// What every routed layer looks like; `run` is the folder, for the message.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if a layer cannot be as it is recorded.
    pub fn shape(&self, run: &Path) -> Result<RoutingShape> {
        self.layout.shape(self.identity.queues.map(QueueOptions::policy)).map_err(|error| {
            Error::run_folder(
                format!("manifest.json of `{}` has `layout.layers` that cannot be: {error}", run.display()),
                run_again("the manifest was changed or is damaged"),
            )
        })
    }

    /// The version that made the statistics, else that which made the run.
    pub fn statistics_version(&self) -> &str {
        let made = self.statistic_cost.as_ref().and_then(|cost| cost.statistics_version.as_deref());
        made.unwrap_or(&self.identity.version)
    }
}

fn newer(run: &Path, (key, schema): (&str, u64), newest: u64) -> Error {
    Error::run_folder(
        format!(
            "manifest.json of `{}` has `{key}` {schema}; expected at most {newest}, the newest that version {} reads",
            run.display(),
            env!("CARGO_PKG_VERSION")
        ),
        "the run was made by a newer version of openmoe-analyze: use that one",
    )
}
