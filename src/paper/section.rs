//! A figure of the paper beside one run: its numbers as rows, what is found in them, what is drawn of them.

use serde::Serialize;

use super::{measure::Measured, overlay::Overlay};
use crate::routing::LayerId;

/// One number of the paper beside one of a run, and how far they are apart.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Row {
    /// What is compared: "relative_std", "profile_distance" ...
    pub measure: &'static str,
    /// Category, position, token or data set; empty: over all that both have.
    pub item: String,
    /// Decoder layer of the run.
    pub layer: LayerId,
    /// Whether it stands in the printed table.
    pub summary: bool,
    /// The paper's number; absent where only the distance is a number.
    pub paper: Option<f64>,
    /// Lower end of its interval.
    pub paper_low: Option<f64>,
    /// Upper end of its interval.
    pub paper_high: Option<f64>,
    /// What is behind it, where known.
    pub paper_n: Option<u64>,
    /// What `paper_n` counts.
    pub paper_n_unit: &'static str,
    /// The run's number.
    pub yours: Option<f64>,
    /// Lower end of its interval.
    pub yours_low: Option<f64>,
    /// Upper end of its interval.
    pub yours_high: Option<f64>,
    /// What is behind it.
    pub yours_n: Option<u64>,
    /// What `yours_n` counts.
    pub yours_n_unit: &'static str,
    /// The run's number less the paper's, or the distance between the two.
    pub distance: f64,
    /// Lower end of its interval.
    pub distance_low: Option<f64>,
    /// Upper end of its interval.
    pub distance_high: Option<f64>,
    /// Unit of all of them.
    pub unit: &'static str,
    /// How the intervals were got, or why there is none: the paper's, then the run's.
    pub intervals: String,
}

impl Row {
    /// Two numbers and their difference, which has an interval if the run's number has one.
    pub(super) fn difference(
        measure: &'static str,
        item: &str,
        layer: LayerId,
        unit: &'static str,
        (paper, paper_n): (Measured, Option<u64>),
        (yours, yours_n): (Measured, u64),
    ) -> Self {
        let apart = {
            let difference = yours.less(paper).known_from(&[yours]);
            Self::distance(measure, item, layer, unit, difference, (paper_n, yours_n))
        };
        Self {
            paper: Some(paper.value),
            paper_low: paper.interval.map(|ends| ends.0),
            paper_high: paper.interval.map(|ends| ends.1),
            yours: Some(yours.value),
            yours_low: yours.interval.map(|ends| ends.0),
            yours_high: yours.interval.map(|ends| ends.1),
            ..apart
        }
    }

    /// A distance between two things that are no numbers.
    pub(super) fn distance(
        measure: &'static str,
        item: &str,
        layer: LayerId,
        unit: &'static str,
        apart: Measured,
        (paper_n, yours_n): (Option<u64>, u64),
    ) -> Self {
        Self {
            measure,
            item: item.to_owned(),
            layer,
            summary: false,
            paper: None,
            paper_low: None,
            paper_high: None,
            paper_n,
            paper_n_unit: "",
            yours: None,
            yours_low: None,
            yours_high: None,
            yours_n: Some(yours_n),
            yours_n_unit: "",
            distance: apart.value,
            distance_low: apart.interval.map(|ends| ends.0),
            distance_high: apart.interval.map(|ends| ends.1),
            unit,
            intervals: String::new(),
        }
    }

    /// Says what the numbers behind both sides count.
    pub(super) fn counted(self, paper: &'static str, yours: &'static str) -> Self {
        Self { paper_n_unit: paper, yours_n_unit: yours, ..self }
    }

    /// Says how the intervals of both sides were got.
    pub(super) fn intervals(self, paper: &str, yours: &str) -> Self {
        Self { intervals: format!("paper: {paper}; yours: {yours}"), ..self }
    }

    /// Puts the row into the printed table.
    pub(super) fn summary(self) -> Self {
        Self { summary: true, ..self }
    }

    /// The interval of the distance.
    pub fn apart(&self) -> Option<(f64, f64)> {
        self.distance_low.zip(self.distance_high)
    }
}

/// One figure of the paper beside one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Section {
    /// Number of the figure.
    pub figure: &'static str,
    /// What it shows.
    pub title: String,
    /// Folder of the run.
    pub run: String,
    /// What is found, and what differs beside it: checkpoint, layer, text, n.
    pub sentence: String,
    /// The numbers.
    pub rows: Vec<Row>,
}

/// A section with what is drawn of it, or the figure's number and why there is none.
pub(super) type Compared = Result<(Section, Overlay), (&'static str, String)>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_with_too_few_documents_leaves_the_difference_without_an_interval() {
        let paper = Measured { value: 0.1, interval: Some((0.05, 0.2)) };
        let row =
            |yours: Measured, paper: Measured| Row::difference("drop_ratio", "", 1, "share", (paper, None), (yours, 7));
        assert_eq!(row(Measured::fixed(0.3), paper).apart(), None);
        assert!(row(paper, Measured::fixed(0.3)).apart().is_some(), "the paper's number counts as exact");
    }
}
