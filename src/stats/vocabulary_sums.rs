//! How concentrated each token id is on one expert, from sums from which a document can be subtracted.

/// The three averages of max_e n_xe / n_x over token ids: every id alike, every assignment alike, and every id alike
/// among those with enough occurrences.
pub(super) type Concentration = [f64; 3];

/// Sums from which the averages follow; a document's share of them can be subtracted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct VocabularySums {
    /// Numerators: sum of max/n, sum of max, sum of max/n over frequent ids.
    pub(super) above: [f64; 3],
    /// Denominators: ids, assignments, frequent ids.
    pub(super) below: [f64; 3],
}

impl VocabularySums {
    /// Adds a token id with `n` assignments, `largest` of them at one expert.
    pub(super) fn add(&mut self, largest: u32, n: u32, frequent: bool) {
        self.change(largest, n, frequent, 1.0);
    }

    /// Adds a token id `sign` times: -1 takes it off.
    pub(super) fn change(&mut self, largest: u32, n: u32, frequent: bool, sign: f64) {
        if n == 0 {
            return;
        }
        let share = f64::from(largest) / f64::from(n);
        let frequent = f64::from(u8::from(frequent));
        let above = [share, f64::from(largest), share * frequent];
        let below = [1.0, f64::from(n), frequent];
        for variant in 0..3 {
            self.above[variant] += sign * above[variant];
            self.below[variant] += sign * below[variant];
        }
    }

    /// The averages; NaN where there is no id.
    pub(super) fn concentration(&self) -> Concentration {
        [0, 1, 2].map(|variant| self.above[variant] / self.below[variant])
    }
}
