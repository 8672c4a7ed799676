//! A verdict as `summary.json` holds it.

use serde::Serialize;

use super::{Answer, Evidence, Measured};
use crate::routing::{ExpertId, LayerId};

/// One answer with what it is about and what it rests on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Verdict {
    /// The claim and the answer.
    #[serde(flatten)]
    pub answer: Answer,
    /// Decoder layer index; absent: all layers together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<LayerId>,
    /// Label of the checkpoint that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// Label of the checkpoint that it is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The strategy of a mitigate run that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// Data set; absent: all texts together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// Expert index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expert: Option<ExpertId>,
    /// Of all layers together: the layers that decided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, schemars(default))]
    pub layers: Vec<LayerId>,
    /// Of all layers together: those that have nothing to say, because their routers are constant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, schemars(default))]
    pub layers_left_out: Vec<LayerId>,
    /// The drops are lowest in the middle of the sequences.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, schemars(default))]
    pub u_shaped: bool,
    /// How many intervals were counted, and with which result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intervals: Option<IntervalsThatMissZero>,
    /// A number that follows from several findings: the least share of the rise that is there in random order too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// The numbers that decided, each with its finding.
    pub because: Vec<Evidence>,
}

impl Verdict {
    /// An answer about everything; what it is about is filled in by field update.
    pub fn new(answer: Answer, because: Vec<Evidence>) -> Self {
        Self {
            answer,
            layer: None,
            checkpoint: None,
            reference: None,
            strategy: None,
            dataset: None,
            expert: None,
            layers: Vec::new(),
            layers_left_out: Vec::new(),
            u_shaped: false,
            intervals: None,
            at_least: None,
            because,
        }
    }
}

/// How many of several intervals miss 0, or what chance gives: who looks at many finds some.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct IntervalsThatMissZero {
    /// Intervals in all.
    pub all: usize,
    /// Those above it.
    pub above: usize,
    /// Those below it.
    pub below: usize,
    /// How many would miss it by chance.
    pub by_chance: f64,
}

impl IntervalsThatMissZero {
    /// Those of what is left above random order, as an entry of `summary.json`.
    pub fn verdict(self) -> Verdict {
        Verdict { intervals: Some(self), ..Verdict::new(Answer::IntervalsMissZero(Measured::Measured), Vec::new()) }
    }
}
