//! The findings that a verdict rests on, and which of their numbers.

use serde::Serialize;

use crate::{
    routing::{LayerId, View},
    stats::{Finding, Name, Statistic, Subject},
};

/// What tells a finding of a verdict from all others: the keys of its row in `summary.json` and `stats/`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FindingKey {
    /// Which statistic.
    pub statistic: Statistic,
    /// Decoder layer index.
    pub layer: LayerId,
    /// Before or after capacity.
    pub view: View,
    /// What it is about.
    #[serde(flatten)]
    pub subject: Subject,
}

impl FindingKey {
    /// The keys of a finding.
    pub fn of(row: &Finding) -> Self {
        Self { statistic: row.statistic, layer: row.layer, view: row.view, subject: row.subject.clone() }
    }
}

/// Which number of a finding decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Number {
    /// Its `estimate`.
    Estimate,
    /// 1 less its `estimate`.
    OneMinusEstimate,
    /// Its `corrected`.
    Corrected,
    /// Its `explained`.
    Explained,
    /// Its `ceiling`: what there is to explain at all.
    Ceiling,
    /// Its `ceiling` less its `estimate`: what is left to be explained.
    LeftOpen,
}

/// Why a number that would decide is not there.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Missing {
    /// The run has no such finding.
    NotMeasured,
    /// The statistic gave no number; its note says why.
    Withheld {
        /// The note of the finding.
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<Name>,
    },
    /// There is a number without an interval.
    NoInterval {
        /// The note of the finding.
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<Name>,
    },
    /// Without permutations it is not known what chance gives.
    WithoutPermutations,
    /// The variable has one value only.
    SingleValue,
    /// Chance alone gives nearly all that there is to explain, in bits.
    NearChance {
        /// What chance gives.
        chance: f64,
        /// What there is to explain.
        ceiling: f64,
    },
}

impl Missing {
    /// What the finding itself says about it.
    pub fn note(&self) -> Option<&str> {
        match self {
            Self::Withheld { note } | Self::NoInterval { note } => note.as_deref(),
            _ => None,
        }
    }
}

/// A number of a finding with its 95 % interval and the threshold that its ends are held against.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Evidence {
    /// The finding.
    pub finding: FindingKey,
    /// Which of its numbers.
    pub number: Number,
    /// The number.
    pub estimate: Option<f64>,
    /// Lower end of its 95 % interval.
    pub low: Option<f64>,
    /// Upper end of its 95 % interval.
    pub high: Option<f64>,
    /// What the finding is compared with: chance, random order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
    /// The threshold; absent for a number that decides nothing by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Number of units behind the number.
    pub n: u64,
    /// Why it is not there, or has no interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
}

impl Evidence {
    /// A number of a finding without an interval.
    pub(super) fn point(row: &Finding, number: Number, value: Option<f64>) -> Self {
        Self { estimate: value, ..Self::new(FindingKey::of(row), number, row.n) }
    }

    /// The estimate of a finding, with its interval and its baseline.
    pub(super) fn estimate(row: &Finding) -> Self {
        let ends = (row.low, row.high);
        let missing = match (row.estimate, row.low) {
            (None, _) => Some(Missing::Withheld { note: row.note.clone() }),
            (_, None) => Some(Missing::NoInterval { note: row.note.clone() }),
            _ => None,
        };
        Self {
            low: ends.0,
            high: ends.1,
            baseline: row.baseline,
            missing,
            ..Self::point(row, Number::Estimate, row.estimate)
        }
    }

    /// The corrected estimate of a finding, with its interval.
    pub(super) fn corrected(row: &Finding) -> Self {
        let point = Self::point(row, Number::Corrected, row.corrected);
        Self { low: row.corrected_low, high: row.corrected_high, ..point }
    }

    /// 1 less the estimate of a finding, with its interval.
    pub(super) fn one_minus_estimate(row: &Finding) -> Self {
        let rest = |value: Option<f64>| value.map(|value| 1.0 - value);
        let ends = row.low.zip(row.high);
        let point = Self::point(row, Number::OneMinusEstimate, rest(row.estimate));
        Self { low: rest(ends.map(|(_, high)| high)), high: rest(ends.map(|(low, _)| low)), ..point }
    }

    /// The same, held against a threshold.
    #[must_use]
    pub(super) fn against(mut self, threshold: f64) -> Self {
        self.threshold = Some(threshold);
        self
    }

    /// A number of a finding, not filled in yet.
    pub(super) fn new(finding: FindingKey, number: Number, n: u64) -> Self {
        Self {
            finding,
            number,
            estimate: None,
            low: None,
            high: None,
            baseline: None,
            threshold: None,
            n,
            missing: None,
        }
    }

    /// Whether there is a number with an interval.
    pub fn is_known(&self) -> bool {
        self.estimate.is_some() && self.low.is_some()
    }

    /// Whether there is a number with both ends of its interval.
    pub fn has_both_ends(&self) -> bool {
        self.is_known() && self.high.is_some()
    }

    /// Whether the whole interval lies above 0.
    pub fn is_above_zero(&self) -> bool {
        self.low.is_some_and(|low| low > 0.0)
    }

    /// Whether the whole interval lies below 0.
    pub fn is_below_zero(&self) -> bool {
        self.high.is_some_and(|high| high < 0.0)
    }
}
