//! Which occurrences compete for the same slots: as routed, and otherwise.

use std::ops::Range;

use crate::{
    routing::GroupRule,
    stats::{GROUPS_OF_RUN, drops::study::DropStudy},
};

/// A way to cut the occurrences of a layer into routing groups.
#[derive(Clone, Debug)]
pub(in crate::stats::drops) struct Partition {
    /// The name in files.
    pub(in crate::stats::drops) name: &'static str,
    /// Consecutive rows, in order, covering all.
    pub(in crate::stats::drops) groups: Vec<Range<usize>>,
    /// Whether no group holds two documents, so that whole documents can be resampled.
    pub(super) separate: bool,
}

/// The groupings of a replay besides the run's own.
const OTHERS: [(&str, GroupRule); 3] = [("sequence", GroupRule::Sequence), ("batch:8", GroupRule::Batch(8)), BATCH];
/// Tokens that an engine may route at a time.
const BATCH: (&str, GroupRule) = ("tokens:4096", GroupRule::Tokens(4096));

impl Partition {
    /// The run's own groups first.
    pub(super) fn all(study: &DropStudy) -> Vec<Self> {
        std::iter::once(Self::run(study)).chain(OTHERS.map(|other| Self::by(study, other))).collect()
    }

    /// What an engine may route at a time.
    pub(in crate::stats::drops) fn batches(study: &DropStudy) -> Self {
        Self::by(study, BATCH)
    }

    fn by(study: &DropStudy, (name, rule): (&'static str, GroupRule)) -> Self {
        let lengths: Vec<usize> = study.sequences.iter().map(ExactSizeIterator::len).collect();
        let groups = rule.partition(&lengths).into_iter().map(|sequences| rows(study, &sequences));
        Self::new(study, name, groups.collect())
    }

    /// The groups that the run was routed in.
    pub(super) fn run(study: &DropStudy) -> Self {
        Self::new(study, GROUPS_OF_RUN, study.groups.iter().map(|group| group.rows.clone()).collect())
    }

    fn new(study: &DropStudy, name: &'static str, mut groups: Vec<Range<usize>>) -> Self {
        groups.retain(|rows| !rows.is_empty());
        let one = |rows: &Range<usize>| study.document[rows.clone()].windows(2).all(|pair| pair[0] == pair[1]);
        Self { name, separate: groups.iter().all(one), groups }
    }
}

/// The rows of consecutive sequences.
fn rows(study: &DropStudy, sequences: &Range<usize>) -> Range<usize> {
    let members = &study.sequences[sequences.clone()];
    let filled = || members.iter().filter(|rows| !rows.is_empty());
    match (filled().next(), filled().next_back()) {
        (Some(first), Some(last)) => first.start..last.end,
        _ => 0..0,
    }
}
