//! How to look into tables of statistics.

use openmoe_analyze::stats::{Finding, Tables};

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
