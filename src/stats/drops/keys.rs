//! The subjects of rows in the drop tables, and the sorting of a layer's rows into them.

use super::{
    atoms::Atoms,
    study::{DropStudy, Permutation},
    tally::RATIOS,
};
use crate::{
    routing::ExpertId,
    stats::{Finding, Scope},
    trace::Role,
};

/// The subject of a number; the order is that of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Key {
    /// The whole layer.
    All,
    /// A data set.
    Dataset(u16),
    /// A category.
    Category(u16),
    /// A role.
    Role(Role),
    /// A message of the conversations.
    Turn(u16),
    /// A role in a data set.
    DatasetRole(u16, Role),
    /// A message in a data set.
    DatasetTurn(u16, u16),
    /// An expert.
    Expert(ExpertId),
    /// A dense token index.
    Token(u32),
    /// A bin of a curve.
    Bucket {
        /// Whether only sequences that reach the end of the window count, and positions in it.
        fixed: bool,
        /// `None` = over all.
        dataset: Option<u16>,
        /// First position of the bin.
        first: u32,
    },
    /// A point of the raw curve.
    Position {
        /// `None` = over all.
        dataset: Option<u16>,
        /// The position.
        position: u32,
    },
}

impl Key {
    /// The permutation that the number is compared with: across sequences where the key says nothing about the place
    /// within a sequence, else within sequences.
    pub(super) fn permutation(self) -> Permutation {
        match self {
            Self::All | Self::Category(_) | Self::Expert(_) => Permutation::AcrossSequences,
            Self::Dataset(_) => Permutation::AcrossDataset,
            _ => Permutation::WithinSequence,
        }
    }

    /// How many of the five ratios are given; the raw curve is one of assignments only.
    pub(super) fn ratios(self) -> usize {
        if matches!(self, Self::Position { .. }) { 1 } else { RATIOS.len() }
    }

    /// A finding with this key.
    pub(super) fn about(self, study: &DropStudy<'_>, finding: Finding) -> Finding {
        finding.about(|subject| subject.within(self.scope(study)))
    }

    /// The key by its names instead of the indices of the layer: what a finding says of it.
    fn scope<'a>(self, study: &'a DropStudy<'_>) -> Scope<'a> {
        let sequences = study.layer.sequences;
        let dataset = |dataset: u16| sequences.dataset_names[usize::from(dataset)].as_str();
        match self {
            Self::All => Scope::All,
            Self::Dataset(index) => Scope::Dataset(dataset(index)),
            Self::Category(category) => Scope::Category(&sequences.category_names[usize::from(category)]),
            Self::Role(role) => Scope::Role(role),
            Self::Turn(turn) => Scope::Turn(turn),
            Self::DatasetRole(of, role) => Scope::DatasetRole(dataset(of), role),
            Self::DatasetTurn(of, turn) => Scope::DatasetTurn(dataset(of), turn),
            Self::Expert(expert) => Scope::Expert(expert),
            Self::Token(token) => {
                let id = study.token_ids[token as usize];
                Scope::Token(id, sequences.token_text.get(&id).map(String::as_str))
            }
            Self::Bucket { fixed, dataset: of, first } => Scope::Bucket { fixed, dataset: of.map(dataset), first },
            Self::Position { dataset: of, position } => Scope::Position { dataset: of.map(dataset), position },
        }
    }
}

/// Over all, data sets and categories.
pub(super) fn by_text(study: &DropStudy<'_>) -> Atoms<Key> {
    let keys = |(dataset, category): (u16, Option<u16>)| {
        let category = category.map(Key::Category);
        [Key::All, Key::Dataset(dataset)].into_iter().chain(category).collect()
    };
    Atoms::new(study, |row| Some((study.dataset(row), study.category(row))), keys)
}

/// Roles and turns, over all and by data set; plain text takes no part.
pub(super) fn by_message(study: &DropStudy<'_>) -> Atoms<Key> {
    let atom = |row: usize| Some((study.dataset(row), study.turn(row)?, study.role(row)?));
    Atoms::new(study, atom, |(dataset, turn, role)| {
        vec![Key::Role(role), Key::Turn(turn), Key::DatasetRole(dataset, role), Key::DatasetTurn(dataset, turn)]
    })
}

/// Token ids with enough occurrences.
pub(super) fn by_token(study: &DropStudy<'_>) -> Atoms<Key> {
    let mut occurrences = vec![0; study.token_ids.len()];
    (0..study.len()).filter(|row| study.counts(*row)).for_each(|row| occurrences[study.token[row] as usize] += 1);
    let least = study.settings.statistics.minimum_occurrences;
    let frequent = |row: usize| Some(study.token[row]).filter(|token| occurrences[*token as usize] >= least);
    Atoms::new(study, frequent, |token| vec![Key::Token(token)])
}
