//! Hand-made losses whose changes are known, and what intervals say of nothing and of something.

use super::*;
use crate::{
    random::{Purpose, Stream},
    stats::settings::Settings,
    trace::{LayerTrace, LossTable, SequenceTable, SpanTable},
};

/// Documents of one sequence each with so many next tokens.
fn table(documents: u32, tokens: u32, loss: impl Fn(u32, u32) -> f32) -> LossTable {
    let places = || (0..documents).flat_map(move |document| (0..tokens).map(move |token| (document, token)));
    LossTable {
        sequence: places().map(|(document, _)| document).collect(),
        position: places().map(|(_, token)| token).collect(),
        loss: places().map(|(document, token)| loss(document, token)).collect(),
    }
}

fn parts(losses: &LossTable, documents: u32) -> Parts {
    let sequences = SequenceTable {
        document: (0..documents).collect(),
        category: vec![None; documents as usize],
        dataset: vec![0; documents as usize],
        dataset_names: vec!["a".to_owned()],
        ..SequenceTable::default()
    };
    Parts::new(losses, &sequences, &SpanTable::default(), &vec![1; losses.len()], |_| 1)
}

/// A number between -1 and 1.
fn noise(stream: &mut Stream) -> f32 {
    stream.below(2001) as f32 / 1000.0 - 1.0
}

/// Whether the interval of a planted change misses 0; documents differ in how much a change does to them.
fn misses_zero(seed: u64, planted: f32) -> bool {
    let mut stream = Stream::new(seed, 9, Purpose::Shuffle, 0);
    let of_document: Vec<f32> = (0..40).map(|_| 0.01 * noise(&mut stream)).collect();
    let unchanged = table(40, 100, |_, _| 3.0);
    let mut changed = unchanged.clone();
    for (loss, sequence) in changed.loss.iter_mut().zip(&changed.sequence) {
        *loss += planted + of_document[*sequence as usize] + 0.05 * noise(&mut stream);
    }
    let (settings, parts) = (Settings { seed, ..Settings::default() }, parts(&unchanged, 40));
    let study = LossStudy::new(&settings, &unchanged, &parts).unwrap();
    let (rows, _) = study.strategy(("early", None), &changed, [None, None], None).unwrap();
    rows[0].change.is_above() || rows[0].change.is_below()
}

#[test]
fn nothing_is_found_in_nothing_and_a_hundredth_of_a_nat_is_found() {
    let found = (0..200).filter(|seed| misses_zero(*seed, 0.0)).count();
    // 10 of 200 are expected; 16 or fewer come in 97 of 100 such trials.
    assert!(found <= 16, "{found} of 200 intervals of nothing miss 0");
    let found = (0..200).filter(|seed| misses_zero(*seed, 0.01)).count();
    assert!(found >= 190, "0.01 nats are found in {found} of 200");
}

#[test]
fn a_change_is_a_mean_over_tokens_and_a_share_of_the_scale() {
    let unchanged = table(8, 4, |_, _| 2.0);
    let of = |by: f32| table(8, 4, move |_, token| 2.0 + by * token as f32);
    let parts = parts(&unchanged, 8);
    let settings = Settings::default();
    let study = LossStudy::new(&settings, &unchanged, &parts).unwrap();
    let (rows, random) = study.strategy(("random", None), &of(1.0), [None, None], None).unwrap();
    // 0, 1, 2, 3 more: 1.5 on average, in every document.
    assert_eq!((rows[0].change.estimate, rows[0].change.low, rows[0].change.high), (1.5, Some(1.5), Some(1.5)));
    assert_eq!((rows[0].n, rows[0].documents, rows[0].change.changed), (32, 8, Some(3.5)));
    assert_eq!((rows[1].measure, rows[1].change.unchanged), (Measure::Perplexity, Some(2.0_f64.exp())));
    let by_position: Vec<(&str, f64)> =
        rows[2..].iter().map(|row| (row.value.as_deref().unwrap_or_default(), row.change.estimate)).collect();
    assert_eq!(by_position, [("0", 0.0), ("1", 1.0), ("2-3", 2.5)]);
    let known: Vec<bool> = (0..32).map(|row| row % 4 > 0).collect();
    let half = of(0.5);
    let (rows, _) = study.strategy(("lookup", None), &half, [Some(&random), None], Some(&known)).unwrap();
    let share = rows[0].of_random.unwrap();
    assert!((share.estimate - 0.5).abs() < 1e-9 && share.low.is_some());
    assert_eq!((rows[0].coverage, rows[0].of_hash), (Some(0.75), None));
    // A scale that is not above 0 measures nothing.
    let (_, nothing) = study.strategy(("random", None), &unchanged, [None, None], None).unwrap();
    assert!(study.strategy(("early", None), &half, [Some(&nothing), None], None).unwrap().0[0].of_random.is_none());
    let other = table(8, 3, |_, _| 2.0);
    assert!(study.strategy(("early", None), &other, [None, None], None).is_err());
}

#[test]
fn the_bos_counts_only_where_it_is_asked_for() {
    let unchanged = table(8, 4, |_, _| 2.0);
    let changed = table(8, 4, |_, token| if token == 0 { 10.0 } else { 2.5 });
    let parts = parts(&unchanged, 8);
    let settings = Settings { include_bos: false, ..Settings::default() };
    let study = LossStudy::new(&settings, &unchanged, &parts).unwrap();
    let (rows, _) = study.strategy(("early", None), &changed, [None, None], None).unwrap();
    assert_eq!((rows[0].change.estimate, rows[0].n), (0.5, 24));
}

/// One layer of two experts, one choice, one sequence of `choices` for each document.
fn layer(choices: &[(u16, bool)], documents: u32) -> LayerTrace {
    let rows =
        || (0..documents).flat_map(|document| choices.iter().zip(0..).map(move |(own, at)| (document, at, *own)));
    LayerTrace {
        layer: 3,
        num_experts: 2,
        top_k: 1,
        sequence: rows().map(|(document, ..)| document).collect(),
        position: rows().map(|(_, at, _)| at).collect(),
        expert: rows().map(|(.., own)| own.0).collect(),
        kept: rows().map(|(.., own)| own.1).collect(),
        ..LayerTrace::default()
    }
}

#[test]
fn sets_drops_and_loads_are_counted_by_hand() {
    let sequences = SequenceTable { document: (0..8).collect(), ..SequenceTable::default() };
    let losses = table(8, 4, |_, _| 2.0);
    let (settings, parts) = (Settings::default(), parts(&losses, 8));
    let study = LossStudy::new(&settings, &losses, &parts).unwrap();
    let unchanged = layer(&[(0, true), (0, false), (1, true), (1, true)], 8);
    let changed = layer(&[(0, true), (1, true), (1, true), (0, true)], 8);
    let mut change = RoutingChange::new(("reroute", None), &study);
    change.add_layer(RoutingPair { unchanged: &unchanged, changed: &changed, sequences: &sequences }).unwrap();
    let rows = change.finish();
    let number = |measure: Measure, layer: Option<u16>| {
        let row = rows.iter().find(|row| row.measure == measure && row.layer == layer).unwrap();
        (row.change.estimate, row.change.unchanged, row.change.changed, row.n)
    };
    assert_eq!(number(Measure::ExpertSet, Some(3)), (0.5, None, None, 32));
    assert_eq!(number(Measure::FirstChoice, None), (0.5, None, None, 32));
    assert_eq!(number(Measure::DropRatio, None), (-0.25, Some(0.25), Some(0.0), 32));
    assert_eq!(number(Measure::ExpertsPerToken, None), (0.25, Some(0.75), Some(1.0), 32));
    // Kept: 1 and 2 of 3, then 2 and 2 of 4.
    assert_eq!(number(Measure::MaximumLoad, Some(3)), (1.0 - 4.0 / 3.0, Some(4.0 / 3.0), Some(1.0), 32));
    let other = LayerTrace { position: vec![9; 32], ..changed };
    let mut change = RoutingChange::new(("reroute", None), &study);
    assert!(change.add_layer(RoutingPair { unchanged: &unchanged, changed: &other, sequences: &sequences }).is_err());
}

#[test]
fn another_number_of_choices_has_no_set_to_compare() {
    let sequences = SequenceTable { document: vec![0], ..SequenceTable::default() };
    let losses = table(1, 2, |_, _| 2.0);
    let (settings, parts) = (Settings::default(), parts(&losses, 1));
    let study = LossStudy::new(&settings, &losses, &parts).unwrap();
    let unchanged = layer(&[(0, true), (1, true)], 1);
    let changed = LayerTrace { top_k: 2, expert: vec![0, 1, 1, 0], kept: vec![true; 4], ..unchanged.clone() };
    let mut change = RoutingChange::new(("top-k=2", None), &study);
    change.add_layer(RoutingPair { unchanged: &unchanged, changed: &changed, sequences: &sequences }).unwrap();
    let rows = change.finish();
    assert!(rows.iter().all(|row| row.measure != Measure::ExpertSet && row.change.low.is_none()));
    assert!(rows.iter().any(|row| row.measure == Measure::ExpertsPerToken && row.change.estimate == 1.0));
}

#[test]
fn a_dropped_token_and_those_behind_it_are_told_from_the_rest() {
    // Position 2 of 50 loses its expert; the last token has no next one.
    let mut choices = vec![(0, true); 50];
    choices[2].1 = false;
    let mut exposures = Exposures::default();
    exposures.add_layer(&layer(&choices, 8));
    assert_eq!(exposures.dropped(), 8);
    let limited = table(8, 49, |_, token| if token == 2 { 3.0 } else { 2.0 });
    let free = table(8, 49, |_, _| 2.0);
    let of_token = exposures.of(&limited);
    assert_eq!(of_token[..4], [Exposure::Unreached, Exposure::Unreached, Exposure::Dropped, Exposure::AfterDrop]);
    assert_eq!((of_token[34], of_token[35], of_token[49]), (Exposure::AfterDrop, Exposure::Rest, Exposure::Unreached));
    let parts = parts(&limited, 8);
    let settings = Settings::default();
    let study = LossStudy::new(&settings, &limited, &parts).unwrap();
    let rows = DropCost::rows(&study, "capacity=unlimited", &free, &of_token).unwrap();
    let numbers: Vec<_> = rows.iter().map(|row| (row.exposure.unwrap(), row.change.estimate, row.n)).collect();
    let expected = [
        (Exposure::Dropped, 1.0, 8),
        (Exposure::AfterDrop, 0.0, 8 * 32),
        (Exposure::Rest, 0.0, 8 * (49 - 35)),
        (Exposure::Unreached, 0.0, 8 * 2),
    ];
    assert_eq!(numbers, expected);
}
