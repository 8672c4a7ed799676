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
        let interval = all_or_none(estimate, whole.documents, || ratio(study, whole.documents, self, whole));
        Rate {
            estimate,
            low: interval.map(|ends| ends.0),
            high: interval.map(|ends| ends.1),
            n: whole.total,
            documents: whole.documents as u64,
        }
    }
}

/// The interval of a share. Where all or none are counted every resample gives the same share, and the width 0 would say that this
/// holds of all text: there the open end is the share that this many documents would miss in one of twenty cases, 3 / documents or
/// nearly so (the rule of three; Hanley and Lippman-Hand 1983, doi 10.1001/jama.1983.03330370053031).
pub(super) fn all_or_none(estimate: Option<f64>, documents: usize, interval: impl Fn() -> Interval) -> Interval {
    let (low, high) = interval()?;
    let missed = 1.0 - 0.05_f64.powf(1.0 / documents as f64);
    match estimate {
        Some(0.0) => Some((0.0, missed)),
        Some(1.0) => Some((1.0 - missed, 1.0)),
        _ => Some((low, high)),
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
    // Where all or none are counted the ends are those of the share.
    let interval = match all_or_none(finite(share(above.total as f64, of.total as f64)), of.documents, || interval) {
        Some((low, high)) if above.total == 0 => Some((low, high / chance)),
        Some((low, _)) if above.total == of.total => {
            interval.map(|(resampled, high)| (resampled.min(low / chance), high))
        }
        other => other,
    };
    let interval = interval.filter(|(low, high)| low.is_finite() && high.is_finite());
    Lift {
        chance: finite(chance).unwrap_or_default(),
        times: finite(times),
        low: interval.map(|ends| ends.0),
        high: interval.map(|ends| ends.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_always_or_never_happened_has_an_open_end() {
        let ends = |estimate, documents| all_or_none(Some(estimate), documents, || Some((estimate, estimate))).unwrap();
        // 0.05^(1/10) = 0.7411: ten documents would all agree in one of twenty cases if the share were that.
        let (low, high) = ends(1.0, 10);
        assert!((low - 0.7411).abs() < 1e-4 && high == 1.0, "{low} {high}");
        let (low, high) = ends(0.0, 60);
        assert!(low == 0.0 && (high - 3.0 / 60.0).abs() < 2e-3, "{low} {high}");
        assert_eq!(ends(0.5, 10), (0.5, 0.5));
        assert_eq!(all_or_none(Some(1.0), 3, || None), None, "too few documents");
    }
}
