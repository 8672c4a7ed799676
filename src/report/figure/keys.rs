//! Decides which keys matter in a statistic as a whole.

#![allow(clippy::enum_glob_use, reason = "names of keys stand on every line")]

use std::collections::{BTreeMap, BTreeSet};

use super::{
    dimension::Dimension::{self, *},
    row::FigureRow,
};

/// The keys that matter in a statistic as a whole.
pub(super) struct StatisticKeys {
    /// Whether some rows are about a second model.
    pub(super) second_model: bool,
    /// Whether some rows are on the time axis.
    pub(super) over_time: bool,
    /// Checkpoints in order of appearance.
    pub(super) checkpoints: Vec<String>,
    /// References in order of appearance.
    references: Vec<String>,
    /// The last checkpoint of the time axis of each run.
    pub(super) last: BTreeMap<usize, String>,
}

impl StatisticKeys {
    /// Looks through the rows of a statistic.
    pub(super) fn of(rows: &[FigureRow<'_>]) -> Self {
        let named = rows.iter().filter(|row| row.finding.checkpoint.is_some()).count();
        let mut latest: BTreeMap<usize, (f64, String)> = BTreeMap::new();
        for row in rows {
            let (Some(tokens), Some(name)) = (row.finding.training_tokens, Checkpoint.text(row.finding)) else {
                continue;
            };
            if latest.get(&row.run).is_none_or(|(most, _)| tokens > *most) {
                latest.insert(row.run, (tokens, name));
            }
        }
        Self {
            second_model: named > 0 && named < rows.len(),
            over_time: !latest.is_empty(),
            checkpoints: in_order(rows.iter().filter_map(|row| Checkpoint.text(row.finding))),
            references: in_order(rows.iter().filter_map(|row| Reference.text(row.finding))),
            last: latest.into_iter().map(|(run, (_, name))| (run, name)).collect(),
        }
    }

    /// The keys of a row that tell it from others, in the order of [`Dimension`].
    pub(super) fn dimensions(&self, row: &FigureRow<'_>) -> Vec<Dimension> {
        let present: Vec<Dimension> = Dimension::ALL.into_iter().filter(|key| self.text(*key, row).is_some()).collect();
        let beside = present.iter().any(|key| key.is_subject() && *key != Checkpoint);
        let told = |key: &Dimension| match key {
            Variable => !beside,
            // A document has one category and one data set.
            Category | Dataset => !present.contains(&Document),
            Reference => self.references.len() > 1,
            Checkpoint => self.second_model || self.over_time || self.checkpoints.len() > 1,
            _ => true,
        };
        present.iter().copied().filter(told).collect()
    }

    /// The keys that name the subject of a number. A second model is not among them: it becomes another line, not another figure.
    pub(super) fn subjects(&self, dimensions: &[Dimension]) -> Vec<Dimension> {
        let own = |key: &&Dimension| key.is_subject() && !(**key == Checkpoint && self.second_model);
        dimensions.iter().filter(own).copied().collect()
    }

    /// A key of a row. If other rows name a second checkpoint, rows without one are about the run's own.
    pub(super) fn text(&self, key: Dimension, row: &FigureRow<'_>) -> Option<String> {
        let own = (key == Checkpoint && self.second_model).then(|| row.model.to_owned());
        key.text(row.finding).or(own)
    }

    /// What a row is about by these keys, with commas between.
    pub(super) fn words(&self, keys: &[Dimension], row: &FigureRow<'_>) -> String {
        join(keys.iter().filter_map(|key| self.text(*key, row)))
    }

    /// The same with the names of numeric keys, because a bare number says little.
    pub(super) fn named(&self, keys: &[Dimension], row: &FigureRow<'_>) -> String {
        join(keys.iter().filter_map(|key| {
            let text = self.text(*key, row)?;
            Some(if key.number(row.finding).is_some() { format!("{} {text}", key.title()) } else { text })
        }))
    }
}

/// Words with commas between.
pub(super) fn join(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

/// The different names, in order of appearance.
pub(super) fn in_order(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut known = BTreeSet::new();
    names.filter(|name| known.insert(name.clone())).collect()
}
