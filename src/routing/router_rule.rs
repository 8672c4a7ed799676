//! How a router turns its logits into choices and weights, as data: the families of models differ in nothing else here.

use serde::{Deserialize, Serialize};

/// From the router logits of a token to its choices and their weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RouterRule {
    /// The router's own score of an expert.
    pub score: RouterScore,
    /// Groups of experts of which only the best may be chosen from; `None`: all may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<ExpertGroups>,
    /// What the output of a chosen expert is multiplied by.
    pub weight: CombineRule,
    /// A further factor of every weight.
    pub scaling: f64,
}

/// The score by which experts are ranked. A bias that belongs to the checkpoint is added for the ranking alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum RouterScore {
    /// Softmax over all experts.
    Softmax,
    /// Softmax over all experts; a single choice is the largest logit, which differs where probabilities are equal (OpenMoE).
    SoftmaxOrLogit,
    /// The logistic function of each logit.
    Sigmoid,
    /// The logit itself.
    Logit,
}

/// What experts are ranked by, in whose unit margins are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecidingScore {
    /// A probability.
    #[default]
    Probability,
    /// A sigmoid, to which a bias may be added.
    Sigmoid,
    /// A logit.
    Logit,
}

impl From<RouterScore> for DecidingScore {
    fn from(score: RouterScore) -> Self {
        match score {
            RouterScore::Softmax | RouterScore::SoftmaxOrLogit => Self::Probability,
            RouterScore::Sigmoid => Self::Sigmoid,
            RouterScore::Logit => Self::Logit,
        }
    }
}

impl DecidingScore {
    /// Its unit in tables.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Probability => "probability",
            Self::Sigmoid => "score",
            Self::Logit => "logit",
        }
    }

    /// The same in words.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Probability => "gate probability",
            Self::Sigmoid => "score (sigmoid and bias)",
            Self::Logit => "router logit",
        }
    }
}

/// Which experts may be chosen at all: those of the best groups of consecutive experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExpertGroups {
    /// Groups; all hold the same number of experts.
    pub number: usize,
    /// Groups that stay.
    pub kept: usize,
    /// What groups are ranked by.
    pub score: GroupScore,
}

/// The score of a group of experts, and the score that experts of the other groups get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum GroupScore {
    /// The largest deciding score; experts left out get 0 (DeepSeek-V2).
    Largest,
    /// The sum of the two largest; experts left out get minus infinity, because a biased score may be negative (DeepSeek-V3).
    TwoLargest,
}

/// The weight of a chosen expert.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum CombineRule {
    /// Its score, without a bias.
    Score,
    /// Its score over the sum of the scores of all chosen experts, to which this is added.
    ScoreOverSum {
        /// Keeps the division from one by zero.
        epsilon: f64,
    },
    /// Softmax over the chosen logits.
    SoftmaxOfChosen,
    /// Phi's sparse mixer: each of two choices against the experts whose logit is near its own.
    SparseMixer {
        /// The relative distance within which a logit counts as near.
        window: f64,
    },
}

impl RouterRule {
    /// OpenMoE's.
    pub const OPENMOE: Self =
        Self { score: RouterScore::SoftmaxOrLogit, groups: None, weight: CombineRule::Score, scaling: 1.0 };
    /// The plainest: a softmax over all experts, whose probabilities are the weights.
    pub const SOFTMAX: Self =
        Self { score: RouterScore::Softmax, groups: None, weight: CombineRule::Score, scaling: 1.0 };
}
