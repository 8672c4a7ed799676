//! The part of a record that `summary.json` repeats: how the numbers were made, without anything that varies with the machine. The
//! hashes of text and checkpoint are only in the manifest.

use serde::Serialize;

use super::{DriftSettings, DropsSettings, RunRecord};
use crate::routing::{CapacityRule, GroupRule};

/// How the numbers of a run were made, in the order of the keys in `summary.json`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SummarySettings<'a> {
    label: &'a str,
    version: &'a str,
    #[serde(flatten)]
    sequences_of_text: Option<SequencesOfText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oasst_paths: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversations_cut: Option<usize>,
    #[serde(flatten)]
    drops: Option<&'a DropsSettings>,
    #[serde(flatten)]
    drift: Option<&'a DriftSettings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bos: Option<bool>,
    exclude_bos: bool,
    #[serde(flatten)]
    queues: Option<Queues>,
    seed: u64,
    resamples: usize,
    permutations: usize,
    sequences: usize,
    documents: usize,
    tokens: u64,
    /// Only if it is not the version that made the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    statistics_version: Option<&'a str>,
}

/// How text became sequences.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct SequencesOfText<'a> {
    context: usize,
    truncate: bool,
    category_key: Option<&'a str>,
    max_sequences: Option<usize>,
}

/// How tokens competed for experts.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Queues {
    #[serde(with = "super::number::as_text")]
    #[cfg_attr(test, schemars(with = "String"))]
    group: GroupRule,
    capacity_rule: CapacityRule,
    capacity_factor: f64,
}

impl<'a> SummarySettings<'a> {
    /// The settings of a run.
    pub fn of(record: &'a RunRecord) -> Self {
        let (identity, statistics) = (&record.identity, &record.statistics);
        let conversations = identity.forward_pass.as_ref();
        let (made, version) = (record.statistics_version(), identity.version.as_str());
        Self {
            label: &record.label,
            version,
            sequences_of_text: identity.text.as_ref().map(|text| SequencesOfText {
                context: text.context,
                truncate: text.truncate,
                category_key: text.category_key.as_deref(),
                max_sequences: text.max_sequences,
            }),
            template: conversations.and_then(|pass| pass.template.as_deref()),
            oasst_paths: conversations.and_then(|pass| pass.oasst_paths.as_deref()),
            conversations_cut: record.text.conversations_cut,
            drops: record.drops.as_ref(),
            drift: record.drift.as_ref(),
            bos: identity.text.as_ref().map(|text| text.bos),
            exclude_bos: statistics.exclude_bos,
            queues: identity.queues.map(|queues| Queues {
                group: queues.group,
                capacity_rule: queues.capacity_rule,
                capacity_factor: queues.capacity_factor,
            }),
            seed: statistics.seed,
            resamples: statistics.resamples,
            permutations: statistics.permutations,
            sequences: record.text.sequences,
            documents: record.text.documents,
            tokens: record.text.tokens,
            statistics_version: (made != version).then_some(made),
        }
    }
}
