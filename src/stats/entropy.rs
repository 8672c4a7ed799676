//! Entropies of expert counts in bits, with one-pass delete-one-document jackknife.
//!
//! With counts n over the cells x of a table and the experts e, and f(n) = n log2 n, the conditional entropy of the
//! expert given the cell is H(E|X) = (sum_x f(n_x) - sum_xe f(n_xe)) / N, over assignments. Every information
//! statistic is a difference of two of these: I(E;X) takes the table with one cell as its first.

use super::{
    cells::Cells,
    occurrences::{NONE, Occurrences, Patterns},
};
use crate::routing::View;

/// f(n) = n log2 n by table for small n.
pub(super) struct NLogN {
    value: Vec<f64>,
    step: Vec<f64>,
}

impl NLogN {
    /// Largest table that is still worth its cache.
    const TABLE: usize = 1 << 16;

    /// A table for counts up to `largest`, beyond it (or beyond 65,536) computed on demand.
    pub(super) fn new(largest: usize) -> Self {
        let size = largest.min(Self::TABLE) + 2;
        let value: Vec<f64> = (0..size as u64).map(n_log_n).collect();
        let step = value.windows(2).map(|pair| pair[1] - pair[0]).collect();
        Self { value, step }
    }

    /// f(n).
    #[inline]
    pub(super) fn of(&self, n: u32) -> f64 {
        self.value.get(n as usize).copied().unwrap_or_else(|| n_log_n(u64::from(n)))
    }

    /// f(n + 1) - f(n).
    #[inline]
    fn step(&self, n: u32) -> f64 {
        self.step.get(n as usize).copied().unwrap_or_else(|| n_log_n(u64::from(n) + 1) - n_log_n(u64::from(n)))
    }
}

fn n_log_n(n: u64) -> f64 {
    if n == 0 { 0.0 } else { n as f64 * (n as f64).log2() }
}

/// The three sums of a table from which its conditional entropy follows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sums {
    /// N: assignments.
    pub(super) assignments: u64,
    /// Sum over cells of f(n_x).
    pub(super) cells: f64,
    /// Sum over cells and experts of f(n_xe).
    pub(super) joint: f64,
}

impl Sums {
    /// Adds a cell with `n` assignments and the sum over experts of f.
    #[inline]
    pub(super) fn add(&mut self, n: u32, joint: f64, f: &NLogN) {
        self.assignments += u64::from(n);
        self.cells += f.of(n);
        self.joint += joint;
    }

    /// H(E|X) in bits; 0 without assignments.
    pub(super) fn conditional_entropy(&self) -> f64 {
        if self.assignments == 0 { 0.0 } else { (self.cells - self.joint) / self.assignments as f64 }
    }
}

/// The sums of a table, and how they change when one document is left out.
#[derive(Debug, Default)]
pub(super) struct Jackknife {
    /// Over all documents.
    pub(super) total: Sums,
    removed: Vec<Sums>,
}

impl Jackknife {
    /// The sums without document `d`.
    pub(super) fn without(&self, d: usize) -> Sums {
        let removed = &self.removed[d];
        Sums {
            assignments: self.total.assignments - removed.assignments,
            cells: self.total.cells - removed.cells,
            joint: self.total.joint - removed.joint,
        }
    }

    /// Counts a table of which only the expert counts of the documents are known, `[documents, experts]`; `cell` is the cell of
    /// each document, [`NONE`] without.
    pub(super) fn of_documents(counts: &[u32], cell: &[u32], f: &NLogN) -> Self {
        let experts = counts.len() / cell.len().max(1);
        let mut result = Self { removed: vec![Sums::default(); cell.len()], ..Self::default() };
        let own = |document: usize| &counts[document * experts..(document + 1) * experts];
        let cells = cell.iter().filter(|cell| **cell != NONE).max().map_or(0, |most| *most + 1);
        for at in 0..cells {
            let members: Vec<usize> = (0..cell.len()).filter(|document| cell[*document] == at).collect();
            let mut all = vec![0_u32; experts];
            for &document in &members {
                all.iter_mut().zip(own(document)).for_each(|(sum, count)| *sum += count);
            }
            let n = all.iter().sum();
            result.total.add(n, all.iter().map(|count| f.of(*count)).sum(), f);
            for document in members {
                result.remove(document, n, own(document).iter().sum(), f);
                let removed = all.iter().zip(own(document)).map(|(all, own)| f.of(*all) - f.of(all - own));
                result.removed[document].joint = removed.sum();
            }
        }
        result
    }

    /// Counts a table whose rows are sorted by (cell, document), both views in one pass.
    pub(super) fn count(data: &Occurrences, cells: &Cells, f: &NLogN) -> [Self; 2] {
        let mut result = [0, 1].map(|_| Self { removed: vec![Sums::default(); data.documents()], ..Self::default() });
        let mut counts = CellCounts::new(data.experts);
        for rows in cells.iter() {
            match rows {
                [row] => only(data, *row as usize, f, &mut result),
                rows => counts.add_cell(data, rows, f, &mut result),
            }
        }
        result
    }

    /// Takes note that a document adds `m` of the `n` assignments of a cell.
    fn remove(&mut self, document: usize, n: u32, m: u32, f: &NLogN) {
        let removed = &mut self.removed[document];
        removed.assignments += u64::from(m);
        removed.cells += f.of(n) - f.of(n - m);
    }
}

/// A cell with one row: every count is 0 or 1, and f of both is 0.
fn only(data: &Occurrences, row: usize, f: &NLogN, result: &mut [Jackknife; 2]) {
    for view in View::ALL {
        let n = data.choices(view, row).len() as u32;
        result[view as usize].total.add(n, 0.0, f);
        result[view as usize].remove(data.document[row] as usize, n, n, f);
    }
}

/// The expert counts of one cell and of one document in it, `[experts][views]`.
struct CellCounts {
    all: Vec<[u32; 2]>,
    own: Vec<[u32; 2]>,
    touched: Vec<u16>,
}

impl CellCounts {
    fn new(experts: usize) -> Self {
        Self { all: vec![[0; 2]; experts], own: vec![[0; 2]; experts], touched: Vec::new() }
    }

    fn add_cell(&mut self, data: &Occurrences, rows: &[u32], f: &NLogN, result: &mut [Jackknife; 2]) {
        let n = tally(data, rows, &mut self.all);
        self.find_touched(data, rows);
        for (view, result) in result.iter_mut().enumerate() {
            let joint = self.touched.iter().map(|expert| f.of(self.all[usize::from(*expert)][view])).sum();
            result.total.add(n[view], joint, f);
        }
        for run in rows.chunk_by(|a, b| data.document[*a as usize] == data.document[*b as usize]) {
            self.take_off(data, run, n, f, result);
        }
        self.touched.iter().for_each(|expert| self.all[usize::from(*expert)] = [0; 2]);
    }

    /// The experts of a cell, ascending: always in the same order, so that sums over them come out the same.
    fn find_touched(&mut self, data: &Occurrences, rows: &[u32]) {
        self.touched.clear();
        if rows.len() * data.top_k < self.all.len() {
            let choices = rows.iter().flat_map(|row| data.choices(View::Chosen, *row as usize));
            self.touched.extend(choices);
            self.touched.sort_unstable();
            self.touched.dedup();
        } else {
            self.touched.extend(0..self.all.len() as u16);
        }
    }

    /// What the table loses without the document of these rows.
    fn take_off(&mut self, data: &Occurrences, run: &[u32], n: [u32; 2], f: &NLogN, result: &mut [Jackknife; 2]) {
        let document = data.document[run[0] as usize] as usize;
        let m = tally(data, run, &mut self.own);
        for (view, result) in result.iter_mut().enumerate() {
            result.remove(document, n[view], m[view], f);
        }
        for &(expert, kept) in run.iter().flat_map(|row| data.patterns.choices(data.pattern[*row as usize])) {
            for (view, result) in result.iter_mut().enumerate().take(1 + usize::from(kept)) {
                let own = std::mem::take(&mut self.own[usize::from(expert)][view]);
                if own > 0 {
                    let all = self.all[usize::from(expert)][view];
                    result.removed[document].joint += f.of(all) - f.of(all - own);
                }
            }
        }
    }
}

/// Adds the choices of some rows to the counts; returns how many there are, by view.
fn tally(data: &Occurrences, rows: &[u32], counts: &mut [[u32; 2]]) -> [u32; 2] {
    let mut n = [0; 2];
    for &row in rows {
        for &(expert, kept) in data.patterns.choices(data.pattern[row as usize]) {
            let count = &mut counts[usize::from(expert)];
            count[0] += 1;
            count[1] += u32::from(kept);
            n[0] += 1;
            n[1] += u32::from(kept);
        }
    }
    n
}

/// One cell of a table, in both views.
pub(super) struct EntropyCell<'a> {
    /// Occurrences.
    pub(super) occurrences: usize,
    /// Assignments by view.
    pub(super) assignments: [u32; 2],
    /// Largest expert count by view.
    pub(super) largest: [u32; 2],
    /// Expert counts by view, `[experts][2]`.
    pub(super) counts: &'a [[u32; 2]],
}

/// The sums of a table whose cells are filled from `shuffled` patterns in cell order, both views in one pass. With
/// `VISIT`, every cell is handed to `visit`; without, cells with one occurrence take a shortcut.
pub(super) fn scan<const VISIT: bool>(
    patterns: &Patterns,
    shuffled: &[u32],
    start: &[u32],
    f: &NLogN,
    experts: usize,
    mut visit: impl FnMut(&EntropyCell),
) -> [Sums; 2] {
    let mut counts = vec![[0_u32; 2]; experts];
    let mut sums = [Sums::default(); 2];
    for bounds in start.windows(2) {
        let rows = &shuffled[bounds[0] as usize..bounds[1] as usize];
        if let (false, [pattern]) = (VISIT, rows) {
            for view in View::ALL {
                sums[view as usize].add(patterns.experts(view, *pattern).len() as u32, 0.0, f);
            }
            continue;
        }
        let (mut assignments, mut largest, mut joint) = ([0; 2], [0; 2], [0.0; 2]);
        for &(expert, kept) in rows.iter().flat_map(|pattern| patterns.choices(*pattern)) {
            let count = &mut counts[usize::from(expert)];
            for view in 0..=usize::from(kept) {
                joint[view] += f.step(count[view]);
                count[view] += 1;
                assignments[view] += 1;
                largest[view] = largest[view].max(count[view]);
            }
        }
        if VISIT {
            visit(&EntropyCell { occurrences: rows.len(), assignments, largest, counts: &counts });
        }
        for view in 0..2 {
            sums[view].add(assignments[view], joint[view], f);
        }
        clear(&mut counts, patterns, rows);
    }
    sums
}

/// Sets the counts that a cell touched back to 0.
fn clear(counts: &mut [[u32; 2]], patterns: &Patterns, rows: &[u32]) {
    if rows.len() >= counts.len() {
        counts.fill([0; 2]);
        return;
    }
    for (expert, _) in rows.iter().flat_map(|pattern| patterns.choices(*pattern)) {
        counts[usize::from(*expert)] = [0; 2];
    }
}

/// h = sum_t M_t log2 M_t / sum_t M_t in bits by view, M_t = choices of occurrence t: what is left of H(E|X) when the
/// variable fixes the whole choice vector. log2 k on the chosen view; 0 without assignments.
pub(super) fn choice_entropy(data: &Occurrences, rows: &[u32]) -> [f64; 2] {
    let mut rows_of = vec![0_u64; data.patterns.len()];
    for row in rows {
        rows_of[data.pattern[*row as usize] as usize] += 1;
    }
    View::ALL.map(|view| {
        let mut occurrences = vec![0_u64; data.top_k + 1];
        for (pattern, rows) in rows_of.iter().enumerate() {
            occurrences[data.patterns.experts(view, pattern as u32).len()] += rows;
        }
        let weighted = |f: &dyn Fn(u64) -> f64| -> f64 {
            occurrences.iter().enumerate().map(|(choices, count)| *count as f64 * f(choices as u64)).sum()
        };
        let assignments = weighted(&|choices| choices as f64);
        if assignments == 0.0 { 0.0 } else { weighted(&n_log_n) / assignments }
    })
}

/// Delete-one standard error: sqrt((D - 1) / D * sum_d (theta_d - mean)^2).
pub(super) fn jackknife_error(leave_one_out: &[f64]) -> f64 {
    let n = leave_one_out.len() as f64;
    let mean = leave_one_out.iter().sum::<f64>() / n;
    let squares: f64 = leave_one_out.iter().map(|theta| (theta - mean).powi(2)).sum();
    ((n - 1.0) / n * squares).sqrt()
}

/// Half width of a 95 % interval in standard errors.
pub(super) const NORMAL_95: f64 = 1.96;
