//! `drop_trend` over 250 seeds of 40 clustered documents each: without a trend, with the trend that queues alone make,
//! and with a planted one.

use openmoe_analyze::{
    routing::ExpertId,
    stats::{DropSettings, Finding, Settings, drop_trend},
};
use rayon::prelude::*;

use super::support::*;

const SEEDS: u64 = 250;
/// More than this many of them are called what they are not less than once in a hundred times: 5 % are 12.5, with a
/// standard deviation of 3.4.
const AT_MOST: usize = 21;
/// 95 % of them.
const AT_LEAST: usize = 238;
const DOCUMENTS: u32 = 40;
const EXPERTS: u32 = 8;

/// Documents of 100 to 400 tokens; `hot` gives the probability that a token asks for the two favourites of its document
/// (in either order, else for two of the other six), from the document's own level and the place in the text, 0 to 1.
fn documents(random: &mut Random, hot: impl Fn(f64, f64) -> f64) -> MadeUpTrace {
    let mut run = MadeUpTrace::new(EXPERTS as usize, 2, &["all"], &[]);
    for _ in 0..DOCUMENTS {
        let length = 100 + random.below(301);
        let (level, favourite) = (random.unit(), random.below(EXPERTS));
        let rows: Vec<_> = (0..length)
            .map(|position| {
                let place = f64::from(position) / f64::from(length);
                let [first, second] = if random.unit() < hot(level, place) {
                    let turned = random.below(2);
                    [turned, 1 - turned]
                } else {
                    let first = random.below(EXPERTS - 2);
                    [2 + first, 2 + (first + 1 + random.below(EXPERTS - 3)) % (EXPERTS - 2)]
                };
                let expert = |relative: u32| ((favourite + relative) % EXPERTS) as ExpertId;
                (random.below(50), vec![expert(first), expert(second)])
            })
            .collect();
        run.document(0, None, &rows);
    }
    run
}

/// The port's rule at factor 1.25.
fn slots(tokens: usize) -> u32 {
    let slots = (2.0 * 1.25 * tokens as f64 / f64::from(EXPERTS)).floor() as u32;
    slots + slots % 2
}

fn settings(seed: u64, permutations: usize) -> DropSettings {
    with(Settings { seed, permutations, ..Settings::default() })
}

/// How many seeds have each property of the rows (`last_minus_first`, `last_minus_first_excess`, `slope`) over all.
fn count<const N: usize>(
    permutations: usize,
    run: impl Fn(u64) -> MadeUpTrace + Sync,
    properties: impl Fn([&Finding; 3]) -> [bool; N] + Sync,
) -> [usize; N] {
    let of = |seed: u64| {
        let rows = drop_trend(&run(seed).drop_study(&settings(seed, permutations))).rows;
        let row = |variant: &'static str| one_of(&rows, |row| key(row) == format!("variant={variant}"));
        properties([row("last_minus_first"), row("last_minus_first_excess"), row("slope")])
    };
    let found: Vec<[bool; N]> = (1..=SEEDS).into_par_iter().map(of).collect();
    std::array::from_fn(|property| found.iter().filter(|found| found[property]).count())
}

fn above(value: Option<f64>) -> bool {
    value.expect("an interval") > 0.0
}

fn below(value: Option<f64>) -> bool {
    value.expect("an interval") < 0.0
}

/// Every document drops each assignment with a probability of its own, whatever the position: two-sided 5 %, so that
/// 12.5 seeds are expected to be called a trend, half of them upwards.
#[test]
fn flat_documents_have_no_trend() {
    let run = |seed: u64| {
        let mut random = Random(seed);
        let mut run = documents(&mut random, |_, _| 0.0);
        run.with_slots(1, |_| u32::MAX);
        let rows: Vec<usize> = run.sequences.tokens.iter().map(|tokens| *tokens as usize * 2).collect();
        let mut kept = Vec::new();
        for assignments in rows {
            let rate = 0.4 * random.unit();
            kept.extend((0..assignments).map(|_| random.unit() >= rate));
        }
        run.layer.kept = kept;
        run
    };
    let [up, either, slope] = count(2, run, |[row, _, slope]| {
        let either = |row: &Finding| above(row.low) || below(row.high);
        [above(row.low), either(row), either(slope)]
    });
    println!("flat: last - first above 0 in {up}, beside 0 in {either}, slope beside 0 in {slope} of {SEEDS} seeds");
    assert!(up <= AT_MOST && either <= AT_MOST && slope <= AT_MOST, "{up} {either} {slope}");
}

/// Choice vectors are exchangeable within a document: queues fill up, so that the end loses more, but no more than in
/// random order.
#[test]
fn queues_alone_make_a_trend_that_does_not_exceed_its_baseline() {
    let run = |seed: u64| {
        let mut run = documents(&mut Random(seed), |level, _| 0.2 + 0.4 * level);
        run.with_slots(1, slots);
        run
    };
    let [there, exceeds, excess, significant] = count(30, run, |[row, excess, _]| {
        let p = row.p_value.unwrap();
        [above(row.low), above(row.corrected_low), above(excess.low), p <= 0.05]
    });
    println!(
        "queues: a trend in {there}, above the baseline in {exceeds}, excess above 0 in {excess}, \
         p <= 0.05 in {significant} of {SEEDS} seeds"
    );
    assert!(there >= AT_LEAST && exceeds <= AT_MOST, "{there} {exceeds}");
    assert!(excess <= AT_MOST && significant <= AT_MOST, "{excess} {significant}");
}

/// The favourites of a document are asked for more often towards its end.
#[test]
fn a_planted_slope_is_found_above_the_baseline() {
    let run = |seed: u64| {
        let mut run = documents(&mut Random(seed), |level, place| (0.2 + 0.4 * level) * 2.0 * place);
        run.with_slots(1, slots);
        run
    };
    let [there, exceeds, excess, slope] = count(30, run, |[row, excess, slope]| {
        [above(row.low), above(row.corrected_low), above(excess.low), above(slope.corrected_low)]
    });
    println!(
        "planted: a trend in {there}, above the baseline in {exceeds}, excess above 0 in {excess}, \
         slope above the baseline in {slope} of {SEEDS} seeds"
    );
    assert!(there >= AT_LEAST && exceeds >= AT_LEAST && excess >= AT_LEAST, "{there} {exceeds} {excess}");
}
