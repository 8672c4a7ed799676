//! Whether counts can be true.

use super::table::CountTable;
use crate::import::gate::{CheckResult, GateReport, Outcome, Reading, chi_square_ratio, is_even};

/// The largest whole number up to which single precision knows all.
const EXACT: u64 = 1 << 24;
/// Numbers that must all be multiples before it is no accident.
const ENOUGH: usize = 16;

/// Looks at the counts, and puts right what is counted several times: what every check says, and the table as they leave it.
pub fn check_counts(table: CountTable) -> (GateReport, CountTable) {
    let mut reading = Reading::of(&table.header);
    let recorded = layers_recorded(&table, &mut reading);
    let (once, divisor) = counted_once(&table, &reading);
    let table = divided(table, divisor);
    let checks = vec![
        recorded,
        layers_agree(&table, &reading),
        once,
        counts_exact(&table, divisor),
        load_uneven(&table, &reading),
    ];
    let categorized = table.units.iter().filter(|unit| unit.category.is_some()).count() as u64;
    (GateReport { checks, reading, sequences: 0, positions: 0, categorized }, table)
}

fn divided(mut table: CountTable, divisor: u64) -> CountTable {
    if divisor > 1 {
        table.units.iter_mut().flat_map(|unit| &mut unit.assignments).for_each(|count| *count /= divisor);
        table.header.remarks.push(format!("every count is divided by {divisor}: as many ranks had counted the same"));
    }
    table
}

/// Assignments by layer and expert over all units.
fn by_layer(table: &CountTable) -> Vec<Vec<u64>> {
    let sum = |place: std::ops::Range<usize>| -> Vec<u64> {
        place.map(|at| table.units.iter().map(|unit| unit.assignments[at]).fold(0, u64::saturating_add)).collect()
    };
    table.places().into_iter().map(sum).collect()
}

fn total(counts: &[u64]) -> u64 {
    counts.iter().copied().fold(0, u64::saturating_add)
}

/// No layer is without assignments.
fn layers_recorded(table: &CountTable, reading: &mut Reading) -> CheckResult {
    let layers = by_layer(table);
    let empty: Vec<usize> = (0..layers.len()).filter(|at| total(&layers[*at]) == 0).collect();
    reading.empty_layers.extend(&empty);
    let named: Vec<String> = empty.iter().take(8).map(|at| table.header.layers[*at].layer.to_string()).collect();
    let result = |outcome, says: String| {
        CheckResult::new("layers_recorded", outcome, says)
            .with("recorded", (layers.len() - empty.len()) as f64)
            .with("empty", empty.len() as f64)
    };
    if empty.len() == layers.len() {
        return result(Outcome::Failed, "no layer has an assignment: the engine counted nothing".to_owned());
    }
    if empty.is_empty() {
        return result(Outcome::Passed, format!("all {} layers have assignments", layers.len()));
    }
    let more =
        if empty.len() > named.len() { format!(" and {} more", empty.len() - named.len()) } else { String::new() };
    let says = format!("{} of {} layers have no assignment: {}{more}", empty.len(), layers.len(), named.join(", "));
    if table.header.may_hold_dense_layers {
        return result(Outcome::Passed, format!("{says}; they are dense, and left out"));
    }
    result(Outcome::Failed, format!("{says}; not counted, or the zeros of a fused kernel"))
}

/// Every layer has the same number of tokens.
fn layers_agree(table: &CountTable, reading: &Reading) -> CheckResult {
    let layers = by_layer(table);
    let tokens = |at: usize| total(&layers[at]) as f64 / table.header.layers[at].top_k.max(1) as f64;
    let counted: Vec<f64> = (0..layers.len()).filter(|at| !reading.empty_layers.contains(at)).map(tokens).collect();
    let least = counted.iter().copied().fold(f64::INFINITY, f64::min);
    let most = counted.iter().copied().fold(0.0, f64::max);
    let result = |outcome, says: String| CheckResult::new("layers_agree", outcome, says);
    if counted.len() < 2 {
        return result(Outcome::NotApplicable, "there is one layer".to_owned());
    }
    if least == most {
        return result(Outcome::Passed, format!("every layer has the assignments of {most} tokens"));
    }
    let says = format!(
        "layers have the assignments of {least} to {most} tokens: some were dropped before they were counted, or the record is cut"
    );
    result(Outcome::Warned, says).with("least_tokens", least).with("most_tokens", most)
}

/// Whether every assignment was counted once; else the number that all counts are to be divided by.
fn counted_once(table: &CountTable, reading: &Reading) -> (CheckResult, u64) {
    let result = |outcome, says: String| CheckResult::new("counted_once", outcome, says);
    let counts: Vec<u64> =
        table.units.iter().flat_map(|unit| &unit.assignments).copied().filter(|count| *count > 0).collect();
    let multiple = counts.iter().copied().fold(0, divisor_of_both);
    let ratios: Vec<f64> = by_layer(table)
        .iter()
        .enumerate()
        .filter(|(at, _)| !reading.empty_layers.contains(at))
        .filter_map(|(at, counts)| Some(total(counts) as f64 / expected(table, at)?))
        .collect();
    let most = ratios.iter().copied().fold(0.0, f64::max);
    if ratios.is_empty() {
        if multiple > 1 && counts.len() >= ENOUGH {
            let says = format!(
                "all {} counts are multiples of {multiple}: if as many ranks counted the same tokens, shares are right and \
                 numbers are {multiple} times too large",
                counts.len()
            );
            return (result(Outcome::Warned, says).with("multiple", multiple as f64), 1);
        }
        let says = "the record does not say how many tokens were counted".to_owned();
        return (result(Outcome::NotApplicable, says), 1);
    }
    let same = ratios.iter().all(|ratio| *ratio == most);
    let checked = if same && most == 1.0 {
        (result(Outcome::Passed, "there are as many assignments as tokens have choices".to_owned()), 1)
    } else if same && most > 1.0 && most.fract() == 0.0 && multiple.is_multiple_of(most as u64) {
        let says = format!(
            "there are {most} times as many assignments as tokens have choices, and every count is a multiple of {most}: as many \
             ranks counted the same tokens; the counts are divided by {most}"
        );
        (result(Outcome::Warned, says), most as u64)
    } else if most > 1.0 {
        let says = format!("there are up to {most:.3} times as many assignments as tokens have choices");
        (result(Outcome::Failed, says), 1)
    } else {
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let says = format!(
            "{:.2} % of the choices of some layer were not counted: dropped, or the record is cut",
            100.0 * (1.0 - least)
        );
        (result(Outcome::Warned, says), 1)
    };
    (checked.0.with("assignments_per_choice", most), checked.1)
}

/// Choices of the tokens that went through a layer, where the record says how many tokens there were.
fn expected(table: &CountTable, layer: usize) -> Option<f64> {
    let of_units = || table.units.iter().map(|unit| unit.tokens[layer]).sum::<Option<u64>>();
    let tokens = table.tokens.or_else(of_units).filter(|tokens| *tokens > 0)?;
    Some(tokens as f64 * table.header.layers[layer].top_k as f64)
}

fn divisor_of_both(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { divisor_of_both(b, a % b) }
}

/// No count is larger than its type can tell apart.
fn counts_exact(table: &CountTable, divisor: u64) -> CheckResult {
    let result = |outcome, says: String| CheckResult::new("counts_exact", outcome, says);
    if !table.is_single_precision {
        return result(Outcome::Passed, "the counts are whole numbers".to_owned());
    }
    let largest =
        table.units.iter().flat_map(|unit| &unit.assignments).max().copied().unwrap_or(0).saturating_mul(divisor);
    let checked = if largest > EXACT {
        let says = format!(
            "counts are kept in single precision, and {largest} is above {EXACT}: the largest are rounded, to a millionth of \
             themselves"
        );
        result(Outcome::Warned, says)
    } else {
        result(Outcome::Passed, format!("counts are kept in single precision, the largest is {largest}: exact"))
    };
    checked.with("largest", largest as f64)
}

/// The load is not as even as chance makes it. An even load warns, where the same finding about the routes of tokens fails: there
/// the switches with which engines simulate routes show in the order of the choices too, and the checks of rows bear each other
/// out. Counts alone say nothing else, and an even one can be true: of a router that was balanced well, of an engine that has no
/// such switch (llama.cpp), of a file that another program filled in.
fn load_uneven(table: &CountTable, reading: &Reading) -> CheckResult {
    let result = |outcome, says: String| CheckResult::new("load_uneven", outcome, says);
    let (mut judged, mut even, mut most) = (0, 0, 0.0_f64);
    for (at, counts) in by_layer(table).iter().enumerate().filter(|(at, _)| !reading.empty_layers.contains(at)) {
        if let Some(ratio) = chi_square_ratio(counts, counts.len(), table.header.layers[at].top_k) {
            judged += 1;
            even += u64::from(is_even(ratio, counts.len()));
            most = most.max(ratio);
        }
    }
    let checked = if judged == 0 {
        result(Outcome::NotApplicable, "too few assignments, or every expert is chosen".to_owned())
    } else if even == judged {
        let says = "in every layer the load is as even as chance makes it, or more: either the router balances its experts that \
                    well, or the engine simulated its routes";
        result(Outcome::Warned, says.to_owned())
    } else {
        result(
            Outcome::Passed,
            format!("the load differs from expert to expert in {} of {judged} layers", judged - even),
        )
    };
    checked.with("largest_chi_square_ratio", most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{
        counts::{CountBuilder, CountRow},
        routes::{ChoiceOrder, Header, RecordedLayer, Weights},
    };

    const COUNTS: [u64; 4] = [400, 100, 300, 200];

    fn header() -> Header {
        let layer = |layer| RecordedLayer { layer, num_experts: Some(4), top_k: 2 };
        Header {
            format: "test",
            engine: None,
            model: None,
            layers: vec![layer(1), layer(3)],
            may_hold_dense_layers: false,
            order: ChoiceOrder::Unknown,
            weights: Weights::None,
            has_logits: false,
            physical_to_logical: None,
            capacity: None,
            remarks: Vec::new(),
        }
    }

    /// Two layers with the same counts, of 500 tokens.
    fn good() -> CountTable {
        let mut builder = CountBuilder::new(header());
        for layer in [1, 3] {
            for (expert, count) in (0..).zip(COUNTS) {
                builder.add(&CountRow { layer, expert, count, tokens: Some(500), ..CountRow::default() }).unwrap();
            }
        }
        builder.finish()
    }

    fn counts(table: &mut CountTable) -> impl Iterator<Item = &mut u64> {
        table.units.iter_mut().flat_map(|unit| &mut unit.assignments)
    }

    fn outcome(table: CountTable, check: &str) -> (Outcome, CountTable) {
        let (report, table) = check_counts(table);
        (report.checks.iter().find(|result| result.check == check).unwrap().outcome, table)
    }

    #[test]
    fn good_counts_raise_no_alarm() {
        let (report, table) = check_counts(good());
        assert!(report.checks.iter().all(|check| check.outcome == Outcome::Passed), "{:#?}", report.checks);
        assert_eq!(table, good());
        assert_eq!(table.tokens_of(0, 1), 500);
    }

    #[test]
    fn what_several_ranks_counted_is_divided() {
        let mut table = good();
        counts(&mut table).for_each(|count| *count *= 3);
        let (found, table) = outcome(table, "counted_once");
        assert_eq!((found, &table.units), (Outcome::Warned, &good().units));
        assert_eq!(table.header.remarks, ["every count is divided by 3: as many ranks had counted the same"]);
    }

    #[test]
    fn every_fault_is_found_by_its_check() {
        let fault = |check: &str, expected: Outcome, make: fn(&mut CountTable)| {
            let mut table = good();
            make(&mut table);
            assert_eq!(outcome(table, check).0, expected, "{check}");
        };
        fault("layers_recorded", Outcome::Failed, |table| counts(table).for_each(|count| *count = 0));
        fault("layers_recorded", Outcome::Failed, |table| counts(table).take(4).for_each(|count| *count = 0));
        fault("layers_recorded", Outcome::Passed, |table| {
            table.header.may_hold_dense_layers = true;
            counts(table).take(4).for_each(|count| *count = 0);
        });
        fault("layers_agree", Outcome::Warned, |table| table.units[0].assignments[0] -= 1);
        fault("counted_once", Outcome::Warned, |table| table.units[0].assignments[0] -= 1);
        fault("counted_once", Outcome::Failed, |table| table.units[0].assignments[0] += 1);
        // Twice as many, but one of them odd: no rank counts half of a token.
        fault("counted_once", Outcome::Failed, |table| {
            counts(table).for_each(|count| *count *= 2);
            table.units[0].assignments[0] += 1;
            table.units[0].assignments[1] -= 1;
        });
        fault("counts_exact", Outcome::Warned, |table| {
            table.is_single_precision = true;
            table.units[0].assignments[0] = EXACT + 2;
        });
        fault("load_uneven", Outcome::Warned, |table| counts(table).for_each(|count| *count = 250));
    }

    #[test]
    fn without_a_number_of_tokens_multiples_are_told() {
        let mut table = good();
        table.units[0].tokens = vec![None; 2];
        let unit = table.units[0].clone();
        table.units.push(unit);
        assert_eq!(outcome(table.clone(), "counted_once").0, Outcome::Warned);
        table.units[0].assignments[0] += 1;
        assert_eq!(outcome(table, "counted_once").0, Outcome::NotApplicable);
    }

    #[test]
    fn rows_that_cannot_be_are_refused() {
        let refused = |row: CountRow<'_>| CountBuilder::new(header()).add(&row).unwrap_err();
        assert_eq!(refused(CountRow { layer: 2, ..CountRow::default() }), "counts layer 2, which does not route");
        let row = CountRow { layer: 1, expert: 4, ..CountRow::default() };
        assert_eq!(refused(row), "counts expert 4 in layer 1, which has 4");
        let mut builder = CountBuilder::new(header());
        let row = CountRow { layer: 1, count: u64::MAX, tokens: Some(3), ..CountRow::default() };
        builder.add(&row).unwrap();
        assert!(builder.add(&row).unwrap_err().starts_with("counts more assignments"));
        let other = CountRow { expert: 1, tokens: Some(4), ..row };
        assert_eq!(
            builder.add(&other).unwrap_err(),
            "says 4 of tokens in layer 1, another row of the same text says 3"
        );
    }
}
