//! How the rows of a layer fall into cells that overlap, such as a data set and a role in it: each row is counted once, in its
//! atom, and each cell is a sum of atoms.

use std::{collections::HashMap, hash::Hash};

use super::{
    study::{DropStudy, Routed},
    tally::{ByDocument, Tally},
};
use crate::stats::occurrences::NONE;

/// A partition of the rows, fine enough that every cell is a union of its atoms.
pub(super) struct Atoms<K> {
    /// Atom of each row, [`NONE`] for rows that take no part, `[rows]`.
    of_row: Vec<u32>,
    /// The cells that an atom belongs to, `[atoms]`.
    cells_of: Vec<Vec<u32>>,
    /// What each cell is about, ascending, `[cells]`.
    pub(super) keys: Vec<K>,
}

impl<K: Copy + Ord> Atoms<K> {
    /// Sorts the rows that count into atoms by `atom`, and atoms into cells by `keys`.
    pub(super) fn new<A: Copy + Eq + Hash>(
        study: &DropStudy<'_>,
        atom: impl Fn(usize) -> Option<A>,
        keys: impl Fn(A) -> Vec<K>,
    ) -> Self {
        let mut index: HashMap<A, u32> = HashMap::new();
        let mut keys_of: Vec<Vec<K>> = Vec::new();
        let mut place = |row: usize| {
            let Some(atom) = atom(row).filter(|_| study.counts(row)) else { return NONE };
            *index.entry(atom).or_insert_with(|| {
                keys_of.push(keys(atom));
                keys_of.len() as u32 - 1
            })
        };
        let of_row = (0..study.len()).map(&mut place).collect();
        let mut sorted: Vec<K> = keys_of.iter().flatten().copied().collect();
        sorted.sort_unstable();
        sorted.dedup();
        let cell = |key: &K| sorted.partition_point(|other| other < key) as u32;
        let cells_of = keys_of.iter().map(|keys| keys.iter().map(cell).collect()).collect();
        Self { of_row, cells_of, keys: sorted }
    }

    /// The cells that a row belongs to.
    #[inline]
    pub(super) fn cells_of_row(&self, row: usize) -> &[u32] {
        self.cells_of.get(self.of_row[row] as usize).map_or(&[], Vec::as_slice)
    }

    /// The tally of every cell, `[cells]`.
    pub(super) fn totals(&self, routed: Routed<'_>) -> Vec<Tally> {
        let mut atoms = vec![Tally::default(); self.cells_of.len()];
        for (row, &atom) in self.of_row.iter().enumerate().filter(|(_, atom)| **atom != NONE) {
            atoms[atom as usize].add(&Tally::of(routed, row));
        }
        let mut cells = vec![Tally::default(); self.keys.len()];
        for (tally, members) in atoms.iter().zip(&self.cells_of) {
            for cell in members {
                cells[*cell as usize].add(tally);
            }
        }
        cells
    }

    /// The tallies of every cell by document, `[cells]`.
    pub(super) fn by_document(&self, study: &DropStudy<'_>) -> Vec<ByDocument> {
        let routed = study.observed();
        let mut cells = vec![ByDocument::default(); self.keys.len()];
        let mut atoms = vec![Tally::default(); self.cells_of.len()];
        let mut touched = Vec::new();
        for rows in study.by_document.iter() {
            for &row in rows {
                let atom = self.of_row[row as usize];
                if atom != NONE {
                    let tally = &mut atoms[atom as usize];
                    if tally.occurrences == 0 {
                        touched.push(atom);
                    }
                    tally.add(&Tally::of(routed, row as usize));
                }
            }
            for atom in touched.drain(..) {
                let tally = std::mem::take(&mut atoms[atom as usize]);
                for cell in &self.cells_of[atom as usize] {
                    cells[*cell as usize].add(study.document[rows[0] as usize], &tally);
                }
            }
        }
        cells
    }
}
