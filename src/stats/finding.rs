//! One number with everything that a reader needs to believe it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::catalog::Statistic;
use crate::routing::{ExpertId, LayerId, View};

/// Text that is usually a literal and sometimes read back from a file.
pub type Name = Cow<'static, str>;

/// One statistic at one place, with its interval, its n and what it is to be compared with.
///
/// A finding is identified by statistic, layer, view and its optional keys; an absent key means "over all". The field
/// names are the column names of `stats/NAME.csv` and the keys of `summary.json`. Numbers are finite or absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Which statistic, by its name in the documentation: `mutual_information`, `routing_std` ...
    pub statistic: Statistic,
    /// Decoder layer index.
    pub layer: LayerId,
    /// "chosen" (before capacity) or "kept" (after capacity).
    pub view: Name,

    /// Which variable: "token", "position", "position_bucket", "category", "previous_token", "document".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable: Option<Name>,
    /// The variable that is known already, for conditional statistics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<Name>,
    /// Label of the checkpoint that the number is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// Label of the checkpoint that it is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Category (domain, language ...).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The second category of a pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_category: Option<String>,
    /// Expert index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expert: Option<ExpertId>,
    /// The second expert of a pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_expert: Option<ExpertId>,
    /// Raw position, or first position of a bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// Token id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<u32>,
    /// The token's text as its piece reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Name of a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// What a list is ranked by: "count", "log_odds".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranking: Option<Name>,
    /// Rank in a list, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// How ids are averaged ("unweighted", "token_weighted", "frequent"), which margin, which overlap ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<Name>,
    /// Quantile of a distribution, in (0, 1), absent = the mean; for a bin of values the quantile at its upper end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantile: Option<f64>,
    /// Smallest value of a bin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bin_low: Option<f64>,
    /// Largest value of a bin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bin_high: Option<f64>,
    /// Data set: the name of an input file or folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// Message of a conversation, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<u16>,
    /// Who speaks: "system", "user", "assistant" or "tool".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Name>,
    /// Capacity factor of a replay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity_factor: Option<f64>,
    /// Capacity rule of a replay: "port", "t5x" or "unlimited".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Name>,
    /// Which sequences compete in a replay: "run" (as routed), "sequence", "batch:N", "tokens:N".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grouping: Option<Name>,
    /// Who gets a slot first in a replay: "position", "gate_probability" or "random".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Name>,
    /// Which sequences a curve is over: absent = all that reach the position, "fixed" = those that reach the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cohort: Option<Name>,
    /// Tokens that the checkpoint was trained on, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training_tokens: Option<f64>,

    /// The value; for a statistic with a subtracted baseline the plug-in value. Absent = withheld, see `note`.
    pub estimate: Option<f64>,
    /// Lower end of the 95 % interval of `estimate`.
    pub low: Option<f64>,
    /// Upper end of the 95 % interval of `estimate`.
    pub high: Option<f64>,
    /// Number of units behind the estimate (occurrences or assignments, see the documentation of the statistic).
    pub n: u64,
    /// Documents behind the estimate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documents: Option<u64>,
    /// What to compare with: chance, load-matched chance or the mean over permutations.
    pub baseline: Option<f64>,
    /// Which baseline that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline_kind: Option<Name>,
    /// What uniform routing would give, where `baseline` is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uniform_baseline: Option<f64>,
    /// Share of permutations that reach the estimate, (1 + count) / (1 + permutations).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// `estimate - baseline` where the baseline is subtracted, else the statistic's own correction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrected: Option<f64>,
    /// Lower end of the interval of `corrected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrected_low: Option<f64>,
    /// Upper end of the interval of `corrected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrected_high: Option<f64>,
    /// Largest value that the statistic can take here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<f64>,
    /// `(estimate - baseline) / (ceiling - baseline)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explained: Option<f64>,
    /// Lower end of the interval of `explained`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explained_low: Option<f64>,
    /// Upper end of the interval of `explained`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explained_high: Option<f64>,
    /// Value that sampling noise alone would give.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise_floor: Option<f64>,
    /// Unit: "bits", "nats", "share", "ratio", "probability", "count", "experts", "z"
    /// "share per 1000 positions".
    pub unit: Name,
    /// Why a number is withheld, or what to keep in mind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Name>,
}

impl Finding {
    /// An empty finding of a statistic at a layer and view, in the unit of the statistic; keys and numbers are filled
    /// in by field update.
    pub fn new(statistic: Statistic, layer: LayerId, view: View) -> Self {
        Self {
            statistic,
            layer,
            view: Cow::Borrowed(view.name()),
            variable: None,
            given: None,
            checkpoint: None,
            reference: None,
            category: None,
            other_category: None,
            expert: None,
            other_expert: None,
            position: None,
            token_id: None,
            text: None,
            document: None,
            ranking: None,
            rank: None,
            variant: None,
            quantile: None,
            bin_low: None,
            bin_high: None,
            dataset: None,
            turn: None,
            role: None,
            capacity_factor: None,
            rule: None,
            grouping: None,
            priority: None,
            cohort: None,
            training_tokens: None,
            estimate: None,
            low: None,
            high: None,
            n: 0,
            documents: None,
            baseline: None,
            baseline_kind: None,
            uniform_baseline: None,
            p_value: None,
            corrected: None,
            corrected_low: None,
            corrected_high: None,
            ceiling: None,
            explained: None,
            explained_low: None,
            explained_high: None,
            noise_floor: None,
            unit: Cow::Borrowed(statistic.info().unit),
            note: None,
        }
    }

    /// The same finding in another unit than that of its statistic: some variants have one of their own.
    #[must_use]
    pub fn in_unit(mut self, unit: &'static str) -> Self {
        self.unit = Cow::Borrowed(unit);
        self
    }

    /// Whether this is the row of an information statistic that verdict, charts and tables quote. Position has two
    /// baselines; the stricter one decides, which moves positions within each sequence.
    pub fn decides(&self) -> bool {
        let by_position = matches!(self.variable.as_deref(), Some("position" | "position_bucket"));
        self.variant.as_deref() == by_position.then_some("within_sequence_shift")
    }

    /// Withholds the number and says why.
    #[must_use]
    pub fn withheld(mut self, reason: impl Into<Name>) -> Self {
        self.estimate = None;
        self.note = Some(reason.into());
        self
    }
    /// Fills in the number, its 95 % interval `(low, high)` and its units; what is not finite stays absent.
    #[must_use]
    pub fn measured(mut self, estimate: f64, interval: Option<(f64, f64)>, n: u64, documents: u64) -> Self {
        let interval = interval.filter(|(low, high)| low.is_finite() && high.is_finite());
        self.estimate = finite(estimate);
        self.low = interval.map(|(low, _)| low);
        self.high = interval.map(|(_, high)| high);
        self.n = n;
        self.documents = Some(documents);
        self
    }

    /// Fills in what the estimate is to be compared with; a baseline that is not finite stays absent.
    #[must_use]
    pub fn against(mut self, baseline: f64, kind: &'static str) -> Self {
        self.baseline = finite(baseline);
        self.baseline_kind = self.baseline.map(|_| Cow::Borrowed(kind));
        self
    }

    /// The same finding under a variable and one of its keys.
    #[must_use]
    pub fn by(mut self, variable: &'static str) -> Self {
        self.variable = Some(Cow::Borrowed(variable));
        self
    }

    /// The same finding under a variant name.
    #[must_use]
    pub fn variant(mut self, variant: &'static str) -> Self {
        self.variant = Some(Cow::Borrowed(variant));
        self
    }

    /// Adds a remark; remarks are separated by "; ".
    #[must_use]
    pub fn remark(mut self, text: impl Into<Name>) -> Self {
        let text = text.into();
        self.note = Some(match self.note.take() {
            Some(before) => Cow::Owned(format!("{before}; {text}")),
            None => text,
        });
        self
    }
}

/// The number, unless it is NaN or infinite.
pub(super) fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
