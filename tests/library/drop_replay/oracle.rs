//! The queue by brute force: a slot is the number of assignments to the same expert that come before.

use openmoe_analyze::trace::LayerTrace;

/// Slots of the rows of a group in the order of their rows, `[rows, top_k]`, when they queue in the given order.
pub(crate) fn slots(trace: &LayerTrace, order: &[usize]) -> Vec<u32> {
    let place = |row: usize| order.iter().position(|other| *other == row).unwrap();
    let mut rows = order.to_vec();
    rows.sort_unstable();
    let mut slots = Vec::new();
    for &row in &rows {
        for choice in 0..trace.top_k {
            let expert = trace.choices(row)[choice];
            let before = rows
                .iter()
                .flat_map(|other| (0..trace.top_k).map(move |c| (*other, c)))
                .filter(|(other, c)| trace.choices(*other)[*c] == expert && (*c, place(*other)) < (choice, place(row)));
            slots.push(before.count() as u32);
        }
    }
    slots
}

/// Rows of a group in descending order of the gate probability of their first choice, ties by position.
pub(crate) fn by_gate(trace: &LayerTrace, rows: std::ops::Range<usize>) -> Vec<usize> {
    let mut left: Vec<usize> = rows.collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        let gate = |row: usize| trace.probability[row * trace.top_k];
        let mut best = 0;
        for index in 1..left.len() {
            if gate(left[index]) > gate(left[best]) {
                best = index;
            }
        }
        order.push(left.remove(best));
    }
    order
}

/// The five ratios of some rows with their slots at a capacity, as (numerator, denominator), in the order of the names.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ratios(pub(crate) [(f64, f64); 5]);

impl Ratios {
    pub(crate) fn add(&mut self, trace: &LayerTrace, rows: std::ops::Range<usize>, slots: &[u32], capacity: u32) {
        for (index, row) in rows.enumerate() {
            let dropped: Vec<bool> =
                slots[index * trace.top_k..(index + 1) * trace.top_k].iter().map(|slot| *slot >= capacity).collect();
            let mut count = |ratio: usize, lost: bool, weight: f64| {
                self.0[ratio].0 += if lost { weight } else { 0.0 };
                self.0[ratio].1 += weight;
            };
            for (choice, lost) in dropped.iter().enumerate() {
                count(0, *lost, 1.0);
                count(4, *lost, f64::from(trace.probability[row * trace.top_k + choice]));
            }
            count(1, dropped[0], 1.0);
            if trace.top_k > 1 {
                count(2, dropped[1], 1.0);
            }
            count(3, dropped.iter().all(|lost| *lost), 1.0);
        }
    }
}
