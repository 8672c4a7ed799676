//! Joins two corpora.

use std::collections::{HashMap, HashSet};

use super::{Corpus, Sequence, names::UniqueNames};

impl Corpus {
    /// Appends the sequences, files and counts of another corpus. Documents and data sets of the two stay separate: a name that is
    /// taken already gets a suffix.
    #[must_use]
    pub fn append(mut self, other: Self) -> Self {
        let mut sequences = other.sequences;
        rename(&self.sequences, &mut sequences, |sequence| &sequence.document, |sequence| &mut sequence.document);
        rename(&self.sequences, &mut sequences, |sequence| &sequence.dataset, |sequence| &mut sequence.dataset);
        self.sequences.extend(sequences);
        self.skipped.append(other.skipped);
        self.notes.append(other.notes);
        self.warnings.extend(other.warnings);
        self.categories = self.categories.or(other.categories);
        self.keys.extend(other.keys);
        self.files.extend(other.files);
        self.documents_left_out += other.documents_left_out;
        self.conversations_cut += other.conversations_cut;
        self
    }
}

/// Gives names of `new` that occur in `old` a suffix; equal names in `new` stay equal.
fn rename(
    old: &[Sequence],
    new: &mut [Sequence],
    name: fn(&Sequence) -> &String,
    name_mut: fn(&mut Sequence) -> &mut String,
) {
    let mut names = UniqueNames::default();
    let mut seen = HashSet::new();
    for sequence in old.iter().filter(|sequence| seen.insert(name(sequence))) {
        names.unique(name(sequence).clone());
    }
    let mut renamed: HashMap<String, String> = HashMap::new();
    for sequence in new {
        let own = name(sequence).clone();
        let unique = renamed.entry(own).or_insert_with_key(|own| names.unique(own.clone()));
        name_mut(sequence).clone_from(unique);
    }
}
