//! The identity of a run: everything that decides the bytes of its trace. Two runs with the same identity leave the same trace.

use std::path::Path;

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};

use super::{import::ImportRecord, keys::ManifestKeys, number::as_text};
use crate::{
    corpus::{InputFile, TemplateSource},
    error::{Result, path_text},
    routing::{CapacityPolicy, CapacityRule, GroupRule, LayerId},
    run::RunKind,
};

/// Everything that decides the bytes of a trace.
///
/// A part that a kind of run does not have is `None`, and none of its keys is written.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Identity {
    /// The kind of run: the subcommand that made it.
    pub command: RunKind,
    /// Version of the tool.
    pub version: String,
    /// The files of the checkpoint; a drift run has them in its `checkpoints` instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointFiles>,
    /// The file of the tokenizer; null for a checkpoint without one.
    pub tokenizer: Option<TokenizerFile>,
    /// How the text became sequences.
    #[serde(flatten)]
    pub text: Option<TextOptions>,
    /// How tokens competed for experts.
    #[serde(flatten)]
    pub queues: Option<QueueOptions>,
    /// How numbers are rounded, and in which order they are added.
    #[serde(flatten)]
    pub arithmetic: Option<ArithmeticOptions>,
    /// Settings of a forward pass of the run itself.
    #[serde(flatten)]
    pub forward_pass: Option<ForwardPassOptions>,
    /// The checkpoints of a run that has several forward passes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, schemars(default))]
    pub checkpoints: Vec<RecordedCheckpoint>,
    /// The forward passes of a drops run at other capacity factors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exact_replay: Option<Vec<RecordedReplay>>,
    /// What was changed about the routers; absent if nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intervention: Option<RecordedIntervention>,
    /// Where imported routes come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub import: Option<ImportRecord>,
}

/// What was changed about the routers of a forward pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RecordedIntervention {
    /// The strategy, as typed.
    pub strategy: String,
    /// Decoder layers whose routers it changes.
    pub layers: Vec<LayerId>,
    /// Seed of its random numbers, or of the folds of its tables; absent if it has neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The checkpoint whose routers are used; absent for the run's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routers: Option<CheckpointFiles>,
    /// The texts that its tables were made from; empty: the text of the run itself, without the documents of the same fold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calibration: Vec<RecordedInput>,
}

/// The files of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckpointFiles {
    /// Its folder.
    pub path: String,
    /// SHA-256 of its `config.json`, hexadecimal.
    pub config_sha256: String,
    /// Its weight files.
    pub weights: Vec<WeightFile>,
    /// The repository of the hub that it is read from; absent for a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<HubOrigin>,
}

/// A repository of the hub at one commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HubOrigin {
    /// `OWNER/NAME`.
    pub repository: String,
    /// The branch, tag, pull request or commit that was asked for.
    pub revision: String,
    /// The commit that it was, 40 hexadecimal digits.
    pub commit: String,
}

/// A weight file, identified by its hash or, if it was not hashed, by its times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WeightFile {
    /// The file.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// When its content was changed last: seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<u64>,
    /// When anything about it was changed last: seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<i64>,
}

/// The file of a tokenizer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TokenizerFile {
    /// The file.
    pub path: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
}

/// How the text became sequences of token ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TextOptions {
    /// The files that were read.
    pub inputs: Vec<RecordedInput>,
    /// The key that names the category of a row; null: the first of the usual keys that nearly all rows have.
    #[serde(default)]
    pub category_key: Option<String>,
    /// The key that holds the text of a row; null: the usual keys.
    #[serde(default)]
    pub text_key: Option<String>,
    /// Longest sequence in tokens.
    pub context: usize,
    /// Whether the rest of a longer document is left out.
    pub truncate: bool,
    /// Whether every sequence of plain text begins with a BOS.
    pub bos: bool,
    /// The number of sequences after which reading ended; null: all were taken.
    #[serde(default)]
    pub max_sequences: Option<usize>,
}

/// An input file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RecordedInput {
    /// Path as given.
    pub path: String,
    /// SHA-256 of the bytes that were read, hexadecimal.
    pub sha256: String,
    /// How many bytes were read.
    pub bytes: u64,
    /// Whether only the beginning of the file was read, because enough sequences had been taken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// Documents taken from it; null if they were not counted.
    #[serde(default)]
    pub documents: Option<usize>,
    /// The format of its conversations, such as `sharegpt`; absent for plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

/// How tokens competed for experts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct QueueOptions {
    /// How sequences were joined into routing groups: `sequence`, `batch:N` or `tokens:N`.
    #[serde(with = "as_text")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub group: GroupRule,
    /// Formula for the slots of an expert.
    pub capacity_rule: CapacityRule,
    /// Multiple of the average load that an expert accepts.
    pub capacity_factor: f64,
    /// Lower bound on the slots of an expert (rule `port` only).
    pub min_capacity: u32,
}

impl QueueOptions {
    /// How many assignments an expert accepts.
    pub fn policy(self) -> CapacityPolicy {
        let Self { capacity_rule: rule, capacity_factor: factor, min_capacity: minimum, .. } = self;
        CapacityPolicy { rule, factor, minimum }
    }
}

/// How numbers are rounded, and in which order they are added, which depends on the instructions of the processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ArithmeticOptions {
    /// Type to which activations are rounded.
    pub dtype: String,
    /// The device that computed.
    pub device: String,
    /// Instructions of the matrix multiplication.
    pub instruction_set: String,
}

/// Settings of a forward pass of the run itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ForwardPassOptions {
    /// Whether router logits were kept.
    pub log_logits: bool,
    /// Whether the losses of the next tokens were kept; absent if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub losses: bool,
    /// Whether routers that give every token the same logits were allowed; absent if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_constant_router: bool,
    /// The chat template; absent without conversations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Which paths of a tree of replies became sequences; absent without conversations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oasst_paths: Option<String>,
    /// The file that the chat template of the tokenizer was read from; absent with another template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_template: Option<TemplateSource>,
}

/// A checkpoint of a run that has several forward passes, and where its trace is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RecordedCheckpoint {
    /// Name in tables, charts and folders.
    pub label: String,
    /// Its folder as given, or the folder of the run that stands for it.
    pub path: String,
    /// Tokens that it was trained on; null if they are not known. Only in a drift run.
    #[serde(default)]
    pub training_tokens: Option<f64>,
    /// Whether it is beside the time axis instead of on it. Only in a drift run.
    #[serde(default)]
    pub off_axis: bool,
    /// Type to which activations were rounded. Only in a drift run.
    #[serde(default)]
    pub arithmetic: Option<String>,
    /// The folder of its trace: relative to the folder of the run, or an absolute path.
    pub trace: String,
    /// Its files. Only in a drift run.
    #[serde(default)]
    pub checkpoint: Option<CheckpointFiles>,
}

impl RecordedCheckpoint {
    /// A checkpoint by its label, its folder as given, and the folder of its trace.
    pub fn new(label: impl Into<String>, path: impl Into<String>, trace: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            path: path.into(),
            training_tokens: None,
            off_axis: false,
            arithmetic: None,
            trace: trace.into(),
            checkpoint: None,
        }
    }
}

impl Serialize for RecordedCheckpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let of_drift = self.arithmetic.is_some() || self.checkpoint.is_some() || self.training_tokens.is_some();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("label", &self.label)?;
        map.serialize_entry("path", &self.path)?;
        if of_drift || self.off_axis {
            map.serialize_entry("training_tokens", &self.training_tokens)?;
            map.serialize_entry("off_axis", &self.off_axis)?;
            map.serialize_entry("arithmetic", &self.arithmetic)?;
        }
        map.serialize_entry("trace", &self.trace)?;
        if of_drift || self.off_axis {
            map.serialize_entry("checkpoint", &self.checkpoint)?;
        }
        map.end()
    }
}

/// A forward pass at another capacity factor, and where its trace is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RecordedReplay {
    /// The factor.
    pub capacity_factor: f64,
    /// The folder of its trace, relative to the folder of the run.
    pub trace: String,
}

impl Identity {
    /// The identity of a run of this version; everything but its kind is to be filled in.
    pub fn new(command: RunKind) -> Self {
        Self {
            command,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            checkpoint: None,
            tokenizer: None,
            text: None,
            queues: None,
            arithmetic: None,
            forward_pass: None,
            checkpoints: Vec::new(),
            exact_replay: None,
            intervention: None,
            import: None,
        }
    }

    /// Reads the keys of a manifest that say what decides the run's bytes.
    pub(super) fn read(keys: &ManifestKeys<'_>) -> Result<Self> {
        Ok(Self {
            command: keys.key("command")?,
            version: keys.key("version")?,
            checkpoint: keys.optional("checkpoint")?,
            tokenizer: keys.optional("tokenizer")?,
            text: keys.optional_part()?,
            queues: keys.optional_part()?,
            arithmetic: keys.optional_part()?,
            forward_pass: keys.optional_part()?,
            checkpoints: keys.optional("checkpoints")?.unwrap_or_default(),
            exact_replay: keys.optional("exact_replay")?,
            intervention: keys.optional("intervention")?,
            import: keys.optional("import")?,
        })
    }

    /// The part of the identity that all forward passes of a run have in common.
    #[must_use]
    pub fn in_common(&self, command: RunKind) -> Self {
        Self {
            command,
            checkpoint: None,
            forward_pass: None,
            checkpoints: Vec::new(),
            exact_replay: None,
            intervention: None,
            ..self.clone()
        }
    }
}

impl From<&InputFile> for RecordedInput {
    fn from(file: &InputFile) -> Self {
        Self {
            path: path_text(&file.path),
            sha256: file.sha256.clone(),
            bytes: file.bytes,
            partial: file.partial,
            documents: Some(file.documents),
            format: file.format.clone(),
        }
    }
}

/// The names of texts: their paths without folders and endings.
pub(super) fn text_names<'a>(paths: impl Iterator<Item = &'a String>) -> Vec<String> {
    let name =
        |path: &String| Path::new(path).file_stem().map_or(path.clone(), |stem| stem.to_string_lossy().into_owned());
    paths.map(name).collect()
}
