//! One layer over the course of training: the reference, and one checkpoint at a time beside it.

use super::{point::DriftPoint, settings::DriftSettings};
use crate::{
    error::{Error, Result},
    routing::View,
    stats::{Finding, Statistic, Subject, study::Study},
    trace::{LayerTrace, SequenceTable},
};

/// A layer over the course of training, laid out at the reference.
pub(super) struct Course<'a> {
    /// The checkpoints.
    pub(super) points: &'a [DriftPoint<'a>],
    /// The layer at the reference.
    last: Study<'a>,
    /// Index of the checkpoint that the others are compared with: the last one of the time axis.
    pub(super) reference: usize,
    /// The user's settings.
    pub(super) settings: &'a DriftSettings,
    /// Occurrences at the reference by dense document index.
    pub(super) occurrences: Vec<f64>,
    /// Document names by dense index.
    pub(super) document_names: Vec<&'a str>,
}

/// One checkpoint beside the reference. Row r is the same token in both.
pub(super) struct Step<'a> {
    /// The checkpoints and the reference.
    pub(super) course: &'a Course<'a>,
    /// Index of the checkpoint.
    pub(super) at: usize,
    /// The layer at the checkpoint.
    pub(super) own: &'a Study<'a>,
}

impl Step<'_> {
    /// An empty finding about the checkpoint, compared with the reference.
    pub(super) fn finding(&self, statistic: Statistic, view: View) -> Finding {
        self.course.about(self.course.last().finding(statistic, view), self.at, self.course.reference)
    }
}

impl<'a> Course<'a> {
    /// Lays out the layer at the reference.
    pub(super) fn new(
        sequences: &'a SequenceTable,
        points: &'a [DriftPoint<'a>],
        trace: &'a LayerTrace,
        reference: usize,
        settings: &'a DriftSettings,
    ) -> Result<Self> {
        let last = Study::new(sequences, trace, &settings.statistics)?;
        let occurrences = last.counts[0].occurrences.iter().map(|n| f64::from(*n)).collect();
        let document_names = document_names(&last);
        Ok(Self { points, last, reference, settings, occurrences, document_names })
    }

    /// The layer at the reference.
    pub(super) fn last(&self) -> &Study<'a> {
        &self.last
    }

    /// All checkpoints, the time axis backwards and first.
    pub(super) fn backwards(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.points.len()).rev().collect();
        order.sort_by_key(|at| self.points[*at].off_axis);
        order
    }

    /// Refuses a checkpoint that did not see the same tokens or has other experts.
    pub(super) fn check(&self, at: usize, own: &LayerTrace) -> Result<()> {
        let (label, reference) = (self.points[at].label, self.points[self.reference].label);
        difference(self.last.trace, own).map_or(Ok(()), |difference| {
            Err(Error::usage(
                format!("checkpoints `{label}` and `{reference}`: {difference}"),
                "only checkpoints of one run over the same tokens can be compared",
            ))
        })
    }

    /// A finding about a checkpoint, compared with another one.
    pub(super) fn about(&self, finding: Finding, at: usize, reference: usize) -> Finding {
        finding.about(|subject| Subject {
            checkpoint: Some(self.points[at].label.to_owned()),
            reference: Some(self.points[reference].label.to_owned()),
            training_tokens: self.points[at].training_tokens,
            ..subject
        })
    }

    /// Sum over the rows of each document of a value per row.
    pub(super) fn per_document(&self, value: impl Fn(usize) -> f64) -> Vec<f64> {
        let data = &self.last().data;
        let mut sums = vec![0.0; data.documents()];
        for row in 0..data.len() {
            sums[data.document[row] as usize] += value(row);
        }
        sums
    }

    /// Fills in a mean over occurrences, given its sums by document; withheld without occurrences.
    pub(super) fn mean(&self, finding: Finding, sums: &[f64], occurrences: &[f64]) -> Finding {
        let n: f64 = occurrences.iter().sum();
        if n == 0.0 {
            return finding.withheld("no occurrence to count");
        }
        let documents = occurrences.iter().filter(|n| **n > 0.0).count();
        let interval = self.last().resamples.ratio(sums, occurrences);
        let finding = finding.measured(sums.iter().sum::<f64>() / n, interval, n as u64, documents as u64);
        self.last().with_reason(finding, documents)
    }
}

/// The name of every document that has a row, by dense index.
fn document_names<'a>(study: &Study<'a>) -> Vec<&'a str> {
    let mut names = vec![""; study.data.documents()];
    for (row, &t) in study.data.source.iter().enumerate() {
        let document = study.sequences.document[study.trace.sequence[t as usize] as usize] as usize;
        names[study.data.document[row] as usize] = &study.sequences.document_names[document];
    }
    names
}

/// Refuses checkpoints without order or names of their own; returns the index of the reference.
pub(super) fn reference(points: &[DriftPoint<'_>], layers: usize) -> Result<usize> {
    if points.len() != layers {
        return Err(Error::internal(format!("{} checkpoints, but {layers} layers", points.len())));
    }
    for (index, point) in points.iter().enumerate() {
        if points[..index].iter().any(|other| other.label == point.label) {
            let message = format!("two checkpoints are called `{}`", point.label);
            return Err(Error::usage(message, "give them labels: LABEL=PATH"));
        }
    }
    points
        .iter()
        .rposition(|point| !point.off_axis)
        .ok_or_else(|| Error::usage("no checkpoint on the time axis", "give at least one checkpoint"))
}

/// The first difference between two traces that makes them incomparable, in words.
fn difference(reference: &LayerTrace, other: &LayerTrace) -> Option<String> {
    let sizes = [
        ("decoder layer", usize::from(other.layer), usize::from(reference.layer)),
        ("number of experts", other.num_experts, reference.num_experts),
        ("choices per token", other.top_k, reference.top_k),
        ("number of tokens", other.len(), reference.len()),
    ];
    if let Some((what, found, expected)) = sizes.into_iter().find(|(_, found, expected)| found != expected) {
        return Some(format!("{what} {found} and {expected}"));
    }
    let columns = [
        ("sequence", &other.sequence, &reference.sequence),
        ("position", &other.position, &reference.position),
        ("token id", &other.token_id, &reference.token_id),
    ];
    columns.into_iter().find_map(|(what, found, expected)| {
        let row = found.iter().zip(expected).position(|(a, b)| a != b)?;
        Some(format!("{what} {} and {} in row {row}", found[row], expected[row]))
    })
}
