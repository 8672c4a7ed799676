//! One number with everything that a reader needs to judge it.

use std::{borrow::Cow, ops::Deref};

use serde::{Deserialize, Serialize};

use super::{
    catalog::Statistic,
    names::{BaselineKind, Variable, Variant},
    subject::{Name, Subject},
};
use crate::routing::{LayerId, View};

/// One statistic at one place, with its interval, its n and its baseline.
///
/// A finding is identified by statistic, layer, view and subject, and derefs to its subject. The field names are the column names of
/// `stats/NAME.csv` and the keys of `summary.json`. Numbers are finite or absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// Which statistic, by its name in the documentation: `mutual_information`, `routing_std` ...
    pub statistic: Statistic,
    /// Decoder layer index.
    pub layer: LayerId,
    /// Before or after capacity.
    pub view: View,
    /// What it is about.
    #[serde(flatten)]
    pub subject: Subject,

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
    pub baseline_kind: Option<BaselineKind>,
    /// The value of uniform routing, if `baseline` is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uniform_baseline: Option<f64>,
    /// Share of permutations that reach the estimate, (1 + count) / (1 + permutations).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// `estimate - baseline` if the baseline is subtracted, else the statistic's own correction.
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
    /// Unit: "bits", "nats", "share", "ratio", "probability", "count", "experts", "z",
    /// "share per 1000 positions".
    pub unit: Name,
    /// Why a number is withheld, or a remark on it.
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
            view,
            subject: Subject::default(),
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

    /// The same finding about another subject, made from its own.
    #[must_use]
    pub fn about(mut self, subject: impl FnOnce(Subject) -> Subject) -> Self {
        self.subject = subject(self.subject);
        self
    }

    /// Withholds the number, with its interval and everything that follows from it, and says why. What it would be compared with
    /// stays: that may be known although the number is not.
    #[must_use]
    pub fn withheld(self, reason: impl Into<Name>) -> Self {
        Self {
            estimate: None,
            low: None,
            high: None,
            corrected: None,
            corrected_low: None,
            corrected_high: None,
            explained: None,
            explained_low: None,
            explained_high: None,
            note: Some(reason.into()),
            ..self
        }
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

    /// Fills in the baseline; one that is not finite stays absent.
    #[must_use]
    pub fn against(mut self, baseline: f64, kind: BaselineKind) -> Self {
        self.baseline = finite(baseline);
        self.baseline_kind = self.baseline.map(|_| kind);
        self
    }

    /// The same finding under a variable; [`Self::about`] sets which of its keys.
    #[must_use]
    pub fn by(mut self, variable: Variable) -> Self {
        self.subject.variable = Some(variable);
        self
    }

    /// The same finding under a variant name.
    #[must_use]
    pub fn variant(mut self, variant: Variant) -> Self {
        self.subject.variant = Some(variant);
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

/// The keys are read often, so `finding.expert` is short for `finding.subject.expert`.
impl Deref for Finding {
    type Target = Subject;

    fn deref(&self) -> &Subject {
        &self.subject
    }
}

/// The number, unless it is NaN or infinite.
pub(super) fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_withheld_leaves_nothing_that_follows_from_it() {
        let empty = Finding::new(Statistic::MutualInformation, 1, View::Chosen);
        let measured = empty.clone().measured(0.5, Some((0.4, 0.6)), 9, 3).against(0.1, BaselineKind::Uniform);
        let corrected = (Some(0.4), Some(0.3), Some(0.5));
        let measured = Finding {
            corrected: corrected.0,
            corrected_low: corrected.1,
            corrected_high: corrected.2,
            explained: corrected.0,
            explained_low: corrected.1,
            explained_high: corrected.2,
            ..measured
        };
        let withheld = measured.withheld("why");
        let known = Finding { n: 9, documents: Some(3), ..empty.against(0.1, BaselineKind::Uniform) };
        assert_eq!(withheld, Finding { note: Some("why".into()), ..known });
    }
}
