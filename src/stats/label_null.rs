//! The null of category statistics: labels permuted over documents.
//!
//! Tokens of a document share its topic. Moving single occurrences would ignore this and give far too small a baseline; moving whole
//! documents keeps it.

use super::{
    cells::Cells,
    entropy::{NLogN, Sums},
    study::Study,
};
use crate::routing::View;

/// Per permutation and view, the sums of the table (known cell, category) under permuted labels; `known` has one cell
/// for I(E;C) and one per token id for I(E;C|X), its rows sorted by document within a cell.
pub(super) fn label_information(study: &Study, known: &Cells) -> Vec<[Sums; 2]> {
    if study.settings.permutations == 0 {
        return Vec::new();
    }
    let runs = View::ALL.map(|view| Runs::new(study, known, view));
    let labels = study.data.category_names.len();
    study.label_permutations(|label| [0, 1].map(|view| runs[view].sums(label, labels, study.data.experts, &study.f)))
}

/// Expert counts by (known cell, document), which move together when a document gets another label.
struct Runs {
    /// Cells with a single document, to which no permutation makes a difference.
    constant: Sums,
    cell_start: Vec<u32>,
    document: Vec<u32>,
    entry_start: Vec<u32>,
    entry: Vec<(u16, u32)>,
}

impl Runs {
    fn new(study: &Study, known: &Cells, view: View) -> Self {
        let data = &study.data;
        let mut runs = Self {
            constant: Sums::default(),
            cell_start: vec![0],
            document: Vec::new(),
            entry_start: vec![0],
            entry: Vec::new(),
        };
        let mut counts = vec![0_u32; data.experts];
        for rows in known.iter() {
            for run in rows.chunk_by(|a, b| data.document[*a as usize] == data.document[*b as usize]) {
                for expert in run.iter().flat_map(|row| data.choices(view, *row as usize)) {
                    counts[usize::from(*expert)] += 1;
                }
                for expert in run.iter().flat_map(|row| data.choices(view, *row as usize)) {
                    let count = std::mem::take(&mut counts[usize::from(*expert)]);
                    if count > 0 {
                        runs.entry.push((*expert, count));
                    }
                }
                runs.document.push(data.document[run[0] as usize]);
                runs.entry_start.push(runs.entry.len() as u32);
            }
            runs.close_cell(&study.f);
        }
        runs
    }

    /// Ends a cell; one with a single document is counted and taken out at once.
    fn close_cell(&mut self, f: &NLogN) {
        let first = self.cell_start.last().copied().unwrap_or_default() as usize;
        if self.document.len() == first + 1 {
            let entries = self.entries(first);
            let n = entries.iter().map(|(_, count)| count).sum();
            let joint = entries.iter().map(|(_, count)| f.of(*count)).sum();
            self.constant.add(n, joint, f);
            self.document.pop();
            self.entry_start.pop();
            self.entry.truncate(self.entry_start.last().copied().unwrap_or_default() as usize);
        } else {
            self.cell_start.push(self.document.len() as u32);
        }
    }

    fn entries(&self, run: usize) -> &[(u16, u32)] {
        &self.entry[self.entry_start[run] as usize..self.entry_start[run + 1] as usize]
    }

    fn sums(&self, label: &[u32], labels: usize, experts: usize, f: &NLogN) -> Sums {
        let mut total = vec![0_u32; labels];
        let mut counts = vec![0_u32; labels * experts];
        let mut sums = self.constant;
        for bounds in self.cell_start.windows(2) {
            let runs = bounds[0] as usize..bounds[1] as usize;
            let (mut cells, mut joint) = (0.0, 0.0);
            for run in runs.clone() {
                let category = label[self.document[run] as usize] as usize;
                let before = total[category];
                for &(expert, count) in self.entries(run) {
                    let sum = &mut counts[category * experts + usize::from(expert)];
                    joint += f.of(*sum + count) - f.of(*sum);
                    *sum += count;
                    total[category] += count;
                }
                cells += f.of(total[category]) - f.of(before);
                sums.assignments += u64::from(total[category] - before);
            }
            for run in runs {
                let category = label[self.document[run] as usize] as usize;
                total[category] = 0;
                for (expert, _) in self.entries(run) {
                    counts[category * experts + usize::from(*expert)] = 0;
                }
            }
            sums.cells += cells;
            sums.joint += joint;
        }
        sums
    }
}
