//! The counts of a record.

use crate::import::routes::{Header, RecordedLayer};

/// All counts of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct CountTable {
    /// What the record says about itself: layers, their experts, and the choices per token.
    pub header: Header,
    /// What was counted together, in the order of the record.
    pub units: Vec<CountUnit>,
    /// Tokens that were counted over all units, where the record says it as one number.
    pub tokens: Option<u64>,
    /// Whether the counts went through single precision, which keeps whole numbers up to 2^24.
    pub is_single_precision: bool,
}

/// A document, or a category where documents are not told apart, or everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountUnit {
    /// Its category.
    pub category: Option<String>,
    /// Its document.
    pub document: Option<String>,
    /// Assignments, layer by layer, of each all experts.
    pub assignments: Vec<u64>,
    /// Tokens that went through each layer, where the record says it.
    pub tokens: Vec<Option<u64>>,
}

impl CountTable {
    /// Where the experts of each layer stand among the assignments of a unit.
    pub fn places(&self) -> Vec<std::ops::Range<usize>> {
        let mut end = 0;
        let of = |layer: &RecordedLayer| {
            let start = end;
            end += layer.num_experts.unwrap_or(0);
            start..end
        };
        self.header.layers.iter().map(of).collect()
    }

    /// Tokens of a unit that went through a layer: as the record says, else as many as its assignments are of.
    pub fn tokens_of(&self, unit: usize, layer: usize) -> u64 {
        let unit = &self.units[unit];
        let counted = || {
            let place = self.places()[layer].clone();
            unit.assignments[place].iter().sum::<u64>().div_ceil(self.header.layers[layer].top_k.max(1) as u64)
        };
        unit.tokens[layer].unwrap_or_else(counted)
    }
}
