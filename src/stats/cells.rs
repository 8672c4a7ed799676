//! Occurrences grouped by a variable: the cells of a contingency table.

use super::occurrences::Occurrences;

/// Rows sorted into cells; within a cell they keep their order (so they stay sorted by document).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Cells {
    /// Row indices, cell by cell.
    pub(super) rows: Vec<u32>,
    /// First entry of every cell in `rows`, and the end: `[cells + 1]`.
    pub(super) start: Vec<u32>,
}

impl Cells {
    /// All rows in one cell.
    pub(super) fn single(rows: Vec<u32>) -> Self {
        let start = vec![0, rows.len() as u32];
        Self { rows, start }
    }

    /// One cell per value of `key`, in ascending order of the value.
    pub(super) fn by(rows: &[u32], key: &[u32]) -> Self {
        let rows = sorted(rows, key);
        let start = bounds(&rows, |a, b| key[a] != key[b]);
        Self { rows, start }
    }

    /// One cell per pair of values, sorted by `outer`, then by `inner`.
    pub(super) fn by_pair(rows: &[u32], outer: &[u32], inner: &[u32]) -> Self {
        let rows = sorted(&sorted(rows, inner), outer);
        let start = bounds(&rows, |a, b| outer[a] != outer[b] || inner[a] != inner[b]);
        Self { rows, start }
    }

    /// Number of cells.
    pub(super) fn len(&self) -> usize {
        self.start.len() - 1
    }

    /// The rows of a cell.
    pub(super) fn cell(&self, index: usize) -> &[u32] {
        &self.rows[self.start[index] as usize..self.start[index + 1] as usize]
    }

    /// The cells in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u32]> {
        self.start.windows(2).map(|bounds| &self.rows[bounds[0] as usize..bounds[1] as usize])
    }

    /// The pattern of every row, in cell order.
    pub(super) fn patterns(&self, data: &Occurrences) -> Vec<u32> {
        self.rows.iter().map(|row| data.pattern[*row as usize]).collect()
    }
}

/// The rows in ascending order of their key; rows of equal key keep their order (counting sort).
fn sorted(rows: &[u32], key: &[u32]) -> Vec<u32> {
    if rows.is_sorted_by_key(|row| key[*row as usize]) {
        return rows.to_vec();
    }
    let largest = rows.iter().map(|row| key[*row as usize]).max().unwrap_or(0) as usize;
    let mut next = vec![0_u32; largest + 2];
    for &row in rows {
        next[key[row as usize] as usize + 1] += 1;
    }
    for value in 0..=largest {
        next[value + 1] += next[value];
    }
    let mut order = vec![0; rows.len()];
    for &row in rows {
        let slot = &mut next[key[row as usize] as usize];
        order[*slot as usize] = row;
        *slot += 1;
    }
    order
}

/// The first row of every cell, and the end of the last.
fn bounds(rows: &[u32], differ: impl Fn(usize, usize) -> bool) -> Vec<u32> {
    let mut start = vec![0];
    for (index, pair) in rows.windows(2).enumerate() {
        if differ(pair[0] as usize, pair[1] as usize) {
            start.push(index as u32 + 1);
        }
    }
    if !rows.is_empty() {
        start.push(rows.len() as u32);
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_sorted_and_stable() {
        //           row: 0  1  2  3  4
        let outer = [5, 1, 5, 1, 5];
        let inner = [2, 0, 1, 0, 2];
        let cells = Cells::by_pair(&[0, 1, 2, 3, 4], &outer, &inner);
        // (1, 0): rows 1, 3; (5, 1): row 2; (5, 2): rows 0, 4.
        assert_eq!(cells, Cells { rows: vec![1, 3, 2, 0, 4], start: vec![0, 2, 3, 5] });
        assert_eq!(Cells::by(&[0, 1, 2, 3, 4], &outer).start, [0, 2, 5]);
        assert_eq!(Cells::by(&[], &outer).len(), 0);
    }
}
