//! A row of `stats/mitigation.csv`.

use serde::Serialize;

use super::parts::PartKind;
use crate::{routing::LayerId, stats::resample::Interval};

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Measure {
    /// Mean loss of the next token, in nats.
    Loss,
    /// Its exponential; the estimate is the factor by which it grows.
    Perplexity,
    /// Share of the tokens whose set of chosen experts is another one.
    ExpertSet,
    /// Share of the tokens whose first choice is another one.
    FirstChoice,
    /// Share of the assignments that are dropped.
    DropRatio,
    /// Kept assignments of the busiest expert over the mean of all experts of the layer.
    MaximumLoad,
    /// Experts that compute for a token, in each layer that routes.
    ExpertsPerToken,
    /// Loss with capacity less loss without, by what happened to the token.
    DropCost,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Loss,
        Self::Perplexity,
        Self::ExpertSet,
        Self::FirstChoice,
        Self::DropRatio,
        Self::MaximumLoad,
        Self::ExpertsPerToken,
        Self::DropCost,
    ];

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Perplexity => "perplexity",
            Self::ExpertSet => "expert_set",
            Self::FirstChoice => "first_choice",
            Self::DropRatio => "drop_ratio",
            Self::MaximumLoad => "maximum_load",
            Self::ExpertsPerToken => "experts_per_token",
            Self::DropCost => "drop_cost",
        }
    }

    /// The unit of the estimate.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Loss | Self::DropCost => "nats",
            Self::Perplexity => "factor",
            Self::ExpertSet | Self::FirstChoice | Self::DropRatio => "share",
            Self::MaximumLoad => "ratio",
            Self::ExpertsPerToken => "experts",
        }
    }
}

/// What the capacity of the unchanged model did to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Exposure {
    /// It lost an expert in some layer.
    Dropped,
    /// It did not, but a token did that stands at most 32 positions before it in its sequence.
    AfterDrop,
    /// A token did that stands farther before it.
    Rest,
    /// No token before it did: nothing that is dropped can reach it, and its loss is the same by construction.
    Unreached,
}

impl Exposure {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Dropped, Self::AfterDrop, Self::Rest, Self::Unreached];

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::AfterDrop => "after_drop",
            Self::Rest => "rest",
            Self::Unreached => "unreached",
        }
    }
}

/// A difference against the unchanged model with its interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Changed {
    /// Changed less unchanged.
    pub estimate: f64,
    /// Low end of its 95 % interval over documents.
    pub low: Option<f64>,
    /// High end.
    pub high: Option<f64>,
    /// The number of the unchanged model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unchanged: Option<f64>,
    /// The number with the strategy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<f64>,
}

impl Changed {
    /// From the number of the unchanged model to that with the strategy.
    pub(super) fn between([unchanged, changed]: [f64; 2], interval: Interval) -> Self {
        Self {
            estimate: changed - unchanged,
            low: interval.map(|(low, _)| low),
            high: interval.map(|(_, high)| high),
            unchanged: Some(unchanged),
            changed: Some(changed),
        }
    }

    /// Whether the whole interval lies above 0.
    pub fn is_above(&self) -> bool {
        self.low.is_some_and(|low| low > 0.0)
    }

    /// Whether the whole interval lies below 0.
    pub fn is_below(&self) -> bool {
        self.high.is_some_and(|high| high < 0.0)
    }
}

/// A change of loss as a share of that of another strategy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ShareOf {
    /// The share.
    pub estimate: f64,
    /// Low end of its 95 % interval over documents.
    pub low: Option<f64>,
    /// High end.
    pub high: Option<f64>,
}

/// One number about one strategy.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MitigationRow {
    /// The strategy, as typed.
    pub strategy: String,
    /// The only layer whose router it changes; absent: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_layer: Option<LayerId>,
    /// What changed.
    pub measure: Measure,
    /// The layer whose routing it is; absent: all layers together, or a loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<LayerId>,
    /// By what the tokens are divided.
    pub part: PartKind,
    /// Which of these tokens; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What capacity did to them; only `drop_cost`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Exposure>,
    /// The number.
    #[serde(flatten)]
    pub change: Changed,
    /// The change of the loss as a share of that of random experts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_random: Option<ShareOf>,
    /// The same of experts by a hash of the token id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_hash: Option<ShareOf>,
    /// Share of the tokens whose id has a row in the table; only of a lookup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
    /// The tokens behind the number.
    pub n: u64,
    /// Their documents.
    pub documents: u64,
    /// The unit of the estimate.
    pub unit: &'static str,
}

impl MitigationRow {
    /// A row about all tokens, without a number yet.
    pub(super) fn new(name: (&str, Option<LayerId>), measure: Measure, change: Changed) -> Self {
        Self {
            strategy: name.0.to_owned(),
            only_layer: name.1,
            measure,
            layer: None,
            part: PartKind::All,
            value: None,
            exposure: None,
            change,
            of_random: None,
            of_hash: None,
            coverage: None,
            n: 0,
            documents: 0,
            unit: measure.unit(),
        }
    }

    /// Whether it is about all tokens and all layers of a strategy that changes all layers.
    pub fn is_overall(&self) -> bool {
        self.part == PartKind::All && self.layer.is_none() && self.only_layer.is_none() && self.exposure.is_none()
    }
}
