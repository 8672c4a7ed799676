//! Synthetic traces for the tests of the statistics, and how to look into their tables.

use openmoe_analyze::{
    routing::ExpertId,
    stats::{Finding, Tables},
    trace::{LayerTrace, SequenceTable},
};

/// `SplitMix64`: random numbers for synthetic traces.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        (self.word() % u64::from(bound)) as u32
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in [0, 1), on the coarser grid of `f32`.
    pub(crate) fn unit_f32(&mut self) -> f32 {
        (self.word() >> 40) as f32 / (1 << 24) as f32
    }

    /// `k` distinct experts in random order.
    pub(crate) fn subset(&mut self, experts: usize, k: usize) -> Vec<ExpertId> {
        let mut all: Vec<ExpertId> = (0..experts as ExpertId).collect();
        for i in 0..k {
            all.swap(i, i + self.below((experts - i) as u32) as usize);
        }
        all.truncate(k);
        all
    }
}

/// Adds a document's name; returns its number.
pub(crate) fn add_document(sequences: &mut SequenceTable) -> u32 {
    let document = sequences.document_names.len() as u32;
    sequences.document_names.push(format!("document {document}"));
    document
}

/// Adds a sequence of a document; returns its number.
pub(crate) fn add_sequence(sequences: &mut SequenceTable, document: u32, category: Option<u16>, tokens: usize) -> u32 {
    let sequence = sequences.tokens.len() as u32;
    sequences.tokens.push(tokens as u32);
    sequences.document.push(document);
    sequences.category.push(category);
    sequence
}

/// Adds a row with its choices; gate probabilities, kept flags and the entropy are left to the caller.
pub(crate) fn add_row(layer: &mut LayerTrace, sequence: u32, position: usize, token: u32, experts: &[ExpertId]) {
    layer.sequence.push(sequence);
    layer.position.push(position as u32);
    layer.token_id.push(token);
    layer.expert.extend(experts);
    layer.margin_first.push(0.25);
    layer.margin_k.push(0.125);
}

/// The only row of a table that meets a condition.
#[track_caller]
pub(crate) fn one<'a>(tables: &'a Tables, table: &str, condition: impl Fn(&Finding) -> bool) -> &'a Finding {
    one_of(&tables[table].rows, condition)
}

/// The only row that meets a condition.
#[track_caller]
pub(crate) fn one_of(rows: &[Finding], condition: impl Fn(&Finding) -> bool) -> &Finding {
    let found: Vec<&Finding> = rows.iter().filter(|row| condition(row)).collect();
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0]
}

/// Every number is finite, an interval has two ends or none, and what is withheld says why.
#[track_caller]
pub(crate) fn sound(tables: &Tables) {
    for row in tables.values().flat_map(|table| &table.rows) {
        let numbers = [
            row.estimate,
            row.low,
            row.high,
            row.baseline,
            row.uniform_baseline,
            row.p_value,
            row.corrected,
            row.corrected_low,
            row.corrected_high,
            row.ceiling,
            row.explained,
            row.explained_low,
            row.explained_high,
            row.noise_floor,
            row.bin_low,
            row.bin_high,
            row.quantile,
        ];
        assert!(numbers.iter().flatten().all(|number| number.is_finite()), "{row:#?}");
        assert!(row.estimate.is_some() || row.note.is_some(), "withheld without a reason: {row:#?}");
        assert_eq!(row.low.is_some(), row.high.is_some());
    }
}

#[track_caller]
pub(crate) fn close(found: Option<f64>, expected: f64, tolerance: f64) {
    let found = found.expect("a number");
    assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
}

/// The drop ratios, in the order of the tables.
pub(crate) const RATIOS: [&str; 5] = [
    "assignment_drop_ratio",
    "first_choice_drop_ratio",
    "second_choice_drop_ratio",
    "token_drop_ratio",
    "gate_mass_lost",
];
