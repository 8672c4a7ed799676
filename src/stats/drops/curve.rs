//! Drops by position: bins and raw, of all sequences that reach a position, and of those that reach the end.

use std::{collections::BTreeMap, ops::Range};

use super::{atoms::Atoms, keys::Key, study::DropStudy};

/// The windows of the fixed cohorts: over all, and by data set.
pub(super) struct Windows {
    all: Window,
    dataset: Vec<Window>,
}

/// The positions over which a fixed cohort is followed: as many whole bins as are reached by enough documents for an interval.
pub(super) struct Window {
    /// 0 without a cohort.
    positions: usize,
    /// Sequences that reach the end.
    sequences: usize,
    /// Documents, whether they reach it or not.
    documents: usize,
}

impl Windows {
    /// Finds the windows.
    pub(super) fn new(study: &DropStudy<'_>) -> Self {
        let datasets = 0..study.layer.sequences.dataset_names.len() as u16;
        Self {
            all: Window::new(study, None),
            dataset: datasets.map(|dataset| Window::new(study, Some(dataset))).collect(),
        }
    }

    /// The window over all, or of a data set.
    fn of(&self, dataset: Option<u16>) -> &Window {
        dataset.map_or(&self.all, |dataset| &self.dataset[usize::from(dataset)])
    }

    /// What stands for the curves of those that have documents but no cohort.
    pub(super) fn missing(&self) -> impl Iterator<Item = Key> {
        let scopes = std::iter::once(None).chain((0..self.dataset.len()).map(|dataset| Some(dataset as u16)));
        let without = scopes.filter(|scope| self.of(*scope).positions == 0 && self.of(*scope).documents > 0);
        without.map(|dataset| Key::Bucket { fixed: true, dataset, first: 0 })
    }

    /// A remark on a fixed cohort, or the reason why there is none.
    pub(super) fn remark(&self, study: &DropStudy<'_>, dataset: Option<u16>) -> String {
        let Window { positions, sequences, documents } = *self.of(dataset);
        let needed = needed(study);
        let verb = if sequences == 1 { "sequence reaches" } else { "sequences reach" };
        if positions > 0 {
            format!("{sequences} {verb} the end of the window of {positions} positions")
        } else if documents < needed {
            format!(
                "no fixed cohort: {}, at least {needed} needed",
                crate::stats::counted(documents as u64, "document")
            )
        } else {
            format!("no fixed cohort: fewer than {needed} documents reach {} positions", study.settings.bin.max(1))
        }
    }
}

impl Window {
    fn new(study: &DropStudy<'_>, dataset: Option<u16>) -> Self {
        let within = |rows: &&Range<usize>| {
            !rows.is_empty() && dataset.is_none_or(|dataset| study.dataset(rows.start) == dataset)
        };
        let mut longest: BTreeMap<u32, usize> = BTreeMap::new();
        for rows in study.sequences.iter().filter(within) {
            let length = longest.entry(study.document[rows.start]).or_default();
            *length = rows.len().max(*length);
        }
        let mut lengths: Vec<usize> = longest.into_values().collect();
        lengths.sort_unstable_by_key(|length| std::cmp::Reverse(*length));
        let bin = study.settings.bin.max(1) as usize;
        let positions = lengths.get(needed(study) - 1).map_or(0, |length| length - length % bin);
        let sequences = study.sequences.iter().filter(within).filter(|rows| rows.len() >= positions).count();
        Self { positions, sequences, documents: lengths.len() }
    }

    /// Whether a position of a sequence of some length belongs to the cohort.
    fn takes(&self, length: usize, position: u32) -> bool {
        length >= self.positions && (position as usize) < self.positions
    }
}

/// Fewest documents of a cohort: those that an interval needs.
fn needed(study: &DropStudy<'_>) -> usize {
    study.settings.statistics.minimum_documents.max(2)
}

/// The curves.
pub(super) fn by_position(study: &DropStudy<'_>, windows: &Windows) -> Atoms<Key> {
    let bin = study.settings.bin.max(1);
    let atom = |row: usize| {
        let dataset = study.dataset(row);
        let length = study.sequences[study.sequence(row)].len();
        let position = study.layer.trace.position[row];
        let reaches = [None, Some(dataset)].map(|scope| windows.of(scope).takes(length, position));
        Some((dataset, reaches, position))
    };
    Atoms::new(study, atom, |(dataset, reaches, position)| {
        let first = position - position % bin;
        let scopes = [(None, reaches[0]), (Some(dataset), reaches[1])];
        scopes
            .into_iter()
            .flat_map(|(dataset, reaches)| {
                let bucket = |fixed| Key::Bucket { fixed, dataset, first };
                let fixed = reaches.then(|| bucket(true));
                [Key::Position { dataset, position }, bucket(false)].into_iter().chain(fixed)
            })
            .collect()
    })
}
