//! A share and what it is compared with.

use serde::Serialize;

use crate::stats::{
    resample::{Interval, percentile},
    study::Study,
};

/// A share of some tokens with its 95 % interval over documents.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Rate {
    /// The share, from 0 to 1; absent if there is nothing that it could be a share of.
    pub estimate: Option<f64>,
    /// Low end of the interval; absent where the documents are too few, or without resamples.
    pub low: Option<f64>,
    /// High end.
    pub high: Option<f64>,
    /// How many it is a share of.
    pub n: u64,
    /// The documents that these are of.
    pub documents: u64,
}

/// A mean with its 95 % interval over documents.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Mean {
    /// The mean; absent if there is no value.
    pub estimate: Option<f64>,
    /// Low end of the interval; absent where the documents are too few, or without resamples.
    pub low: Option<f64>,
    /// High end.
    pub high: Option<f64>,
    /// Values that it is the mean of.
    pub n: u64,
}

/// How many times as large as by chance a share is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Lift {
    /// Chance: the share that would be there.
    pub chance: f64,
    /// The share over chance.
    pub times: Option<f64>,
    /// Low end of its 95 % interval over documents.
    pub low: Option<f64>,
    /// High end.
    pub high: Option<f64>,
}

impl Lift {
    /// Over a chance that is known exactly: the interval is that of the share.
    pub(super) fn over(chance: f64, rate: &Rate) -> Self {
        let times = |value: Option<f64>| value.map(|value| value / chance).filter(|times| times.is_finite());
        Self { chance, times: times(rate.estimate), low: times(rate.low), high: times(rate.high) }
    }
}

/// Counts of some documents, each document at most once.
pub(super) type ByDocument = Vec<(usize, u32)>;

/// A count by document, its total and its resamples.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    /// Over all documents.
    pub(super) total: u64,
    /// Documents in which it is not 0.
    pub(super) documents: usize,
    /// `[resamples]`.
    pub(super) resampled: Vec<f64>,
}

impl Counted {
    /// Resamples a count by document.
    pub(super) fn new(study: &Study, by_document: &[(usize, u32)]) -> Self {
        Self {
            total: by_document.iter().map(|(_, count)| u64::from(*count)).sum(),
            documents: by_document.iter().filter(|(_, count)| *count > 0).count(),
            resampled: study.resamples.sums(by_document.iter().map(|(d, count)| (*d, f64::from(*count)))),
        }
    }

    /// The share of this count in another one.
    pub(super) fn of(&self, study: &Study, whole: &Self) -> Rate {
        let estimate = (whole.total > 0).then(|| self.total as f64 / whole.total as f64);
        let interval = ratio(study, whole.documents, self, whole);
        Rate {
            estimate,
            low: interval.map(|ends| ends.0),
            high: interval.map(|ends| ends.1),
            n: whole.total,
            documents: whole.documents as u64,
        }
    }
}

/// The interval of the ratio of two counts, if the documents are enough.
fn ratio(study: &Study, documents: usize, above: &Counted, below: &Counted) -> Interval {
    let values = above.resampled.iter().zip(&below.resampled).map(|(above, below)| above / below);
    study.resamples.enough(documents).then(|| percentile(&mut values.collect())).flatten()
}

/// How many times as large one share is as another, both of the same documents.
pub(super) fn lift(study: &Study, [above, of]: [&Counted; 2], [all_above, all]: [&Counted; 2]) -> Lift {
    let share = |above: f64, below: f64| above / below;
    let chance = share(all_above.total as f64, all.total as f64);
    let times = share(above.total as f64, of.total as f64) / chance;
    let (own, whole) = (above.resampled.iter().zip(&of.resampled), all_above.resampled.iter().zip(&all.resampled));
    let values = own.zip(whole).map(|((a, b), (c, d))| share(*a, *b) / share(*c, *d));
    let interval = study.resamples.enough(of.documents).then(|| percentile(&mut values.collect())).flatten();
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    Lift {
        chance: finite(chance).unwrap_or_default(),
        times: finite(times),
        low: interval.map(|ends| ends.0),
        high: interval.map(|ends| ends.1),
    }
}
