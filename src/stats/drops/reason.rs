//! Why an interval over documents is withheld.

use super::study::DropStudy;
use crate::stats::{Finding, counted, resample::Interval};

/// The reason if documents compete for the same slots, and so are not independent units.
const MIXED: &str = "no interval: documents share routing groups";
/// One minus the confidence of an interval.
const DOUBT: f64 = 0.05;
/// How far rounding may move a share from 1 if it is summed in another order.
const ROUNDING: f64 = 1e-12;

/// Why there is no interval over so many documents; `separate`: no routing group holds two of them.
pub(super) fn missing(study: &DropStudy<'_>, documents: usize, separate: bool) -> Option<String> {
    if !separate {
        return Some(MIXED.to_owned());
    }
    let needed = study.settings.statistics.minimum_documents;
    let few = !study.resamples.enough(documents);
    few.then(|| format!("no interval: {}, at least {needed} needed", counted(documents as u64, "document")))
}

/// The same for a share of drops. If nothing or everything is dropped, all resamples are equal, and an interval without width would
/// claim that other documents are certainly the same.
fn missing_of_share(study: &DropStudy<'_>, share: f64, documents: usize, separate: bool) -> Option<String> {
    missing(study, documents, separate).or_else(|| {
        // All of so many documents are alike with probability 5 % if this part of all documents is not.
        let others = 100.0 * (1.0 - DOUBT.powf(1.0 / documents as f64));
        if share == 0.0 {
            Some(format!(
                "no interval: nothing was dropped in {documents} documents (up to {others:.1} % of such documents could \
                 have drops)"
            ))
        } else if share > 1.0 - ROUNDING {
            Some(format!(
                "no interval: everything was dropped in {documents} documents (up to {others:.1} % of such documents \
                 could keep something)"
            ))
        } else {
            None
        }
    })
}

/// Adds why the interval is withheld.
pub(super) fn with_reason(study: &DropStudy<'_>, finding: Finding, documents: usize, separate: bool) -> Finding {
    remarked(finding, missing(study, documents, separate))
}

/// Adds a reason where there is one.
pub(super) fn remarked(finding: Finding, reason: Option<String>) -> Finding {
    match reason {
        Some(reason) => finding.remark(reason),
        None => finding,
    }
}

/// How many units a share of drops is over.
#[derive(Clone, Copy)]
pub(super) struct Units {
    /// Occurrences or assignments.
    pub(super) n: u64,
    /// Documents that can lose something.
    pub(super) documents: usize,
    /// Whether no routing group holds two of them.
    pub(super) separate: bool,
}

/// Fills in a share of drops with its interval, or why that is withheld.
pub(super) fn measured_share(
    study: &DropStudy<'_>,
    finding: Finding,
    share: f64,
    units: Units,
    interval: impl FnOnce() -> Interval,
) -> Finding {
    let reason = missing_of_share(study, share, units.documents, units.separate);
    let interval = if reason.is_none() { interval() } else { None };
    remarked(finding.measured(share, interval, units.n, units.documents as u64), reason)
}
