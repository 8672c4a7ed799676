//! Every check, tried on a good record, which it must let pass, and on one with the fault that it is there to find.

use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{RngCore, SeedableRng},
};

use super::*;
use crate::import::{
    prepared::Prepared,
    routes::{ABSENT, ChoiceOrder, RecordedLayer, Weights},
};

const EXPERTS: usize = 8;
const TOP_K: usize = 2;
const LAYERS: [u16; 3] = [1, 2, 4];

/// A record in memory.
#[derive(Clone)]
struct Record {
    header: Header,
    sequences: Vec<RouteSequence>,
}

impl RouteReader for Record {
    fn header(&self) -> &Header {
        &self.header
    }

    fn sequences(&self) -> Result<Box<dyn Iterator<Item = Result<RouteSequence>> + '_>> {
        Ok(Box::new(self.sequences.iter().cloned().map(Ok)))
    }
}

impl Record {
    /// Three layers whose logits follow from the token id, the layer and chance: token 0 is frequent, experts are not alike.
    fn good() -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut unit = move || (random.next_u64() >> 40) as f32 / (1_u64 << 24) as f32;
        let layer = |layer| RecordedLayer { layer, num_experts: Some(EXPERTS), top_k: TOP_K };
        let header = Header {
            format: "test",
            engine: None,
            model: None,
            layers: LAYERS.map(layer).to_vec(),
            may_hold_dense_layers: false,
            order: ChoiceOrder::Weight,
            weights: Weights::SoftmaxAll,
            has_logits: true,
            physical_to_logical: None,
            capacity: None,
            remarks: Vec::new(),
        };
        let sequences = (0..30).map(|index| sequence(index, &mut unit)).collect();
        Self { header, sequences }
    }

    fn pass(&self) -> GateReport {
        Gate::pass(self, |_| Ok(())).unwrap()
    }

    /// The outcome of one check.
    fn outcome(&self, check: &str) -> Outcome {
        self.pass().checks.iter().find(|result| result.check == check).unwrap().outcome
    }

    fn for_rows(&mut self, mut f: impl FnMut(usize, &mut [u16])) {
        for sequence in &mut self.sequences {
            sequence.experts.chunks_exact_mut(LAYERS.len() * TOP_K).enumerate().for_each(|(at, row)| f(at, row));
        }
    }

    /// Gives each row of a micro-batch the routes of another; `from` says whose, of the number of sequences, their length and the row.
    fn reorder(&mut self, batch: usize, from: fn(usize, usize, usize) -> usize) {
        let stride = LAYERS.len() * TOP_K;
        for group in self.sequences.chunks_exact_mut(batch) {
            let all: Vec<u16> = group.iter().flat_map(|sequence| sequence.experts.clone()).collect();
            let length = all.len() / stride / batch;
            for (row, into) in group.iter_mut().flat_map(|it| it.experts.chunks_exact_mut(stride)).enumerate() {
                into.copy_from_slice(&all[from(batch, length, row) * stride..][..stride]);
            }
        }
    }

    fn without_weights(mut self) -> Self {
        self.sequences.iter_mut().for_each(|sequence| sequence.weights = None);
        self
    }
}

fn sequence(index: usize, unit: &mut impl FnMut() -> f32) -> RouteSequence {
    let tokens = 100;
    let token_ids: Vec<u32> = (0..tokens).map(|_| (unit() * unit() * 50.0) as u32).collect();
    let (mut experts, mut weights, mut logits) = (Vec::new(), Vec::new(), Vec::new());
    for &id in &token_ids {
        for layer in LAYERS {
            let of_expert = |expert: usize| {
                let word = (id * 31 + u32::from(layer) * 7 + expert as u32 * 13).wrapping_mul(0x9E37_79B1) >> 16;
                3.0 * word as f32 / 65536.0 - 0.1 * expert as f32
            };
            let scores: Vec<f32> = (0..EXPERTS).map(|expert| of_expert(expert) + unit()).collect();
            let sum: f32 = scores.iter().map(|score| score.exp()).sum();
            let mut order: Vec<usize> = (0..EXPERTS).collect();
            order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
            experts.extend(order[..TOP_K].iter().map(|expert| *expert as u16));
            weights.extend(order[..TOP_K].iter().map(|expert| scores[*expert].exp() / sum));
            logits.extend(scores);
        }
    }
    RouteSequence {
        document: Some(format!("document {index}")),
        place: format!("sequence {index}"),
        tokens: Some(tokens),
        token_ids: Some(token_ids),
        experts,
        weights: Some(weights),
        logits: Some(logits),
        ..RouteSequence::default()
    }
}

#[test]
fn a_good_record_raises_no_alarm() {
    for record in [Record::good(), Record::good().without_weights()] {
        let report = record.pass();
        let alarms: Vec<_> = report.checks.iter().filter(|check| check.outcome != Outcome::Passed).collect();
        let silent = ["expert_ids", "weights"];
        assert!(
            alarms
                .iter()
                .all(|check| check.outcome == Outcome::NotApplicable && silent.contains(&check.check.as_str())),
            "{alarms:#?}"
        );
        assert_eq!((report.sequences, report.positions), (30, 3000));
    }
}

/// A fault: the check that must find it, how it must end, and how it is made.
type Fault = (&'static str, Outcome, fn(&mut Record));

const FAULTS: &[Fault] = &[
    ("experts_exist", Outcome::Failed, |record| record.for_rows(|at, row| row[0] = if at == 50 { 8 } else { row[0] })),
    ("experts_exist", Outcome::Failed, |record| record.for_rows(|_, row| row[1] = row[0])),
    ("experts_exist", Outcome::Failed, |record| {
        // Every place is one of expert 0.
        record.header.physical_to_logical = Some(vec![vec![0; EXPERTS]; LAYERS.len()]);
    }),
    ("experts_exist", Outcome::Failed, |record| {
        record.header.physical_to_logical = Some(vec![vec![0, 1]; LAYERS.len()]);
    }),
    ("experts_exist", Outcome::Warned, |record| {
        record.header.layers.iter_mut().for_each(|layer| layer.num_experts = None);
        record.sequences.iter_mut().for_each(|sequence| sequence.logits = None);
    }),
    ("experts_exist", Outcome::Warned, |record| {
        record.for_rows(|at, row| row[1] = if at == 50 { ABSENT } else { row[1] });
    }),
    ("experts_exist", Outcome::Failed, |record| {
        // Not the first row has fewer choices, but all after it.
        record.for_rows(|at, row| row[1] = if at > 50 { ABSENT } else { row[1] });
    }),
    ("experts_exist", Outcome::Warned, |record| {
        record.header.layers.iter_mut().for_each(|layer| layer.num_experts = Some(4 * EXPERTS));
        record.sequences.iter_mut().for_each(|sequence| sequence.logits = None);
    }),
    ("layers_recorded", Outcome::Failed, |record| record.for_rows(|_, row| row.fill(0))),
    ("layers_recorded", Outcome::Failed, |record| record.for_rows(|_, row| row[2..4].fill(0))),
    ("layers_recorded", Outcome::Failed, |record| record.for_rows(|_, row| row[2..4].copy_from_slice(&[3, 5]))),
    ("layers_differ", Outcome::Failed, |record| record.for_rows(|_, row| row.copy_within(0..2, 2))),
    ("grid_complete", Outcome::Warned, |record| {
        record.for_rows(|at, row| {
            if at == 99 {
                row[4..].fill(ABSENT);
            }
        });
    }),
    ("grid_complete", Outcome::Failed, |record| {
        record.for_rows(|at, row| {
            if at % 4 == 0 {
                row[4..].fill(ABSENT);
            }
        });
    }),
    ("grid_complete", Outcome::Warned, |record| {
        // Padding, however much of it.
        record.for_rows(|at, row| {
            if at % 4 == 0 {
                row.fill(ABSENT);
            }
        });
    }),
    ("rows_of_tokens", Outcome::Failed, |record| record.sequences[7].tokens = Some(98)),
    ("rows_apart", Outcome::Failed, |record| {
        // The order of all experts of every fourth token, read on.
        record.for_rows(|at, row| {
            for choice in 0..2 {
                let ranks = [6, 3, 0, 5, 1, 7, 2, 4];
                row[choice] = ranks[(at % 4) * 2 + choice];
            }
        });
    }),
    ("rows_fresh", Outcome::Failed, |record| {
        let sequence = &mut record.sequences[3];
        let row: Vec<u16> = sequence.experts[..6].to_vec();
        sequence.experts[6..6 * 20].chunks_exact_mut(6).for_each(|later| later.copy_from_slice(&row));
        sequence.token_ids = Some((0..100).collect());
    }),
    ("sequences_once", Outcome::Failed, |record| record.sequences.extend(record.sequences.clone())),
    ("sequences_once", Outcome::Warned, |record| record.sequences.push(record.sequences[0].clone())),
    ("sequences_alike", Outcome::Warned, |record| record.sequences[7].token_ids = None),
    ("expert_ids", Outcome::Warned, |record| {
        record.header.physical_to_logical = Some(vec![vec![1, 0, 2, 3, 4, 5, 6, 7]; 3]);
    }),
    ("choice_order", Outcome::Failed, |record| {
        for sequence in &mut record.sequences {
            sequence.weights.iter_mut().for_each(|weights| weights.chunks_exact_mut(2).for_each(<[f32]>::reverse));
        }
    }),
    ("choice_order", Outcome::Warned, |record| {
        record.sequences.iter_mut().for_each(|sequence| sequence.weights = None);
        record.for_rows(|_, row| row.chunks_exact_mut(2).for_each(<[u16]>::sort_unstable));
    }),
    ("weights", Outcome::Failed, |record| {
        for sequence in &mut record.sequences {
            sequence.weights.iter_mut().flatten().for_each(|weight| *weight *= 2.5);
        }
    }),
    ("weights", Outcome::Failed, |record| {
        for sequence in &mut record.sequences {
            for pair in sequence.weights.iter_mut().flat_map(|weights| weights.chunks_exact_mut(2)) {
                let sum = pair[0] + pair[1];
                for weight in pair {
                    *weight /= sum;
                }
            }
        }
    }),
    ("logits_kind", Outcome::Warned, |record| {
        for sequence in &mut record.sequences {
            for scores in sequence.logits.iter_mut().flat_map(|logits| logits.chunks_exact_mut(EXPERTS)) {
                let sum: f32 = scores.iter().map(|score| score.exp()).sum();
                for score in scores {
                    *score = score.exp() / sum;
                }
            }
        }
    }),
    ("logits_kind", Outcome::Warned, |record| {
        for sequence in &mut record.sequences {
            let logits = sequence.logits.iter_mut().flat_map(|logits| logits.chunks_exact_mut(EXPERTS));
            for (chosen, scores) in sequence.experts.chunks_exact(2).zip(logits) {
                for (expert, score) in (0..).zip(scores) {
                    *score = if chosen.contains(&expert) { *score } else { 0.0 };
                }
            }
        }
    }),
    ("logits_decide", Outcome::Failed, |record| {
        record
            .sequences
            .iter_mut()
            .flat_map(|sequence| &mut sequence.logits)
            .for_each(|logits| logits.rotate_left(EXPERTS));
    }),
    ("tokens_aligned", Outcome::Failed, |record| {
        record.sequences.iter_mut().flat_map(|sequence| &mut sequence.token_ids).for_each(|ids| ids.rotate_right(1));
    }),
    ("tokens_aligned", Outcome::Warned, |record| {
        record.sequences.iter_mut().flat_map(|sequence| &mut sequence.token_ids).for_each(|ids| ids.sort_unstable());
    }),
    // FLAME-MoE: the routes of a micro-batch position by position, its tokens sequence by sequence; then the other way round.
    ("tokens_aligned", Outcome::Failed, |record| {
        record.reorder(8, |batch, length, row| (row % batch * length) + row / batch);
    }),
    ("tokens_aligned", Outcome::Failed, |record| {
        record.reorder(4, |batch, length, row| (row % length * batch) + row / length);
    }),
    ("load_uneven", Outcome::Failed, |record| {
        let mut next = 0_u16;
        record.for_rows(|_, row| {
            for expert in row {
                *expert = next % 8;
                next += 1;
            }
        });
    }),
];

#[test]
fn every_fault_is_found_by_its_check() {
    for (index, (check, outcome, make)) in FAULTS.iter().enumerate() {
        let mut record = Record::good();
        make(&mut record);
        assert_eq!(record.outcome(check), *outcome, "fault {index}, {check}: {:#?}", record.pass().checks);
    }
}

#[test]
fn few_choices_and_layers_that_differ_are_no_sign_of_too_many_experts() {
    let good = |record: &mut Record| record.sequences.iter_mut().for_each(|sequence| sequence.logits = None);
    let mut record = Record::good();
    good(&mut record);
    record.header.layers.iter_mut().for_each(|layer| layer.num_experts = Some(4 * EXPERTS - 1));
    assert_eq!(record.outcome("experts_exist"), Outcome::Passed, "not far");
    record.header.layers[0].num_experts = Some(4 * EXPERTS);
    assert_eq!(record.outcome("experts_exist"), Outcome::Passed, "one layer of three");
    record.header.layers.iter_mut().for_each(|layer| layer.num_experts = Some(4 * EXPERTS));
    record.sequences.truncate(1);
    let rows = |record: &mut Record, rows: usize| record.sequences[0].experts.truncate(rows * LAYERS.len() * TOP_K);
    rows(&mut record, 49);
    assert_eq!(record.outcome("experts_exist"), Outcome::Passed, "98 choices a layer");
}

#[test]
fn a_position_that_no_trace_holds_is_refused_where_it_stands() {
    let mut record = Record::good();
    let mut positions: Vec<u32> = (0..100).collect();
    positions[99] = (1 << 24) - 1;
    record.sequences[1].positions = Some(positions.clone());
    assert!(Gate::pass(&record, |_| Ok(())).is_ok());
    positions[99] = 1 << 24;
    record.sequences[1].positions = Some(positions);
    let error = Gate::pass(&record, |_| Ok(())).unwrap_err();
    assert_eq!(error.to_string(), "sequence 1 has position 16777216; expected positions below 16777216");
    assert!(error.hint().unwrap().starts_with("positions count the tokens of a sequence from 0"));
}

#[test]
fn every_check_has_a_fault() {
    let checks: Vec<String> = Record::good().pass().checks.into_iter().map(|check| check.check).collect();
    let without: Vec<_> =
        checks.iter().filter(|check| !FAULTS.iter().any(|(name, ..)| name == &check.as_str())).collect();
    assert!(without.is_empty(), "{without:?}");
}

#[test]
fn dense_layers_are_left_out_where_a_format_has_them() {
    let mut record = Record::good();
    record.header.may_hold_dense_layers = true;
    record.for_rows(|_, row| row[..2].fill(0));
    let report = record.pass();
    assert_eq!(report.failed().map(|check| check.check.as_str()).collect::<Vec<_>>(), Vec::<&str>::new());
    assert_eq!(report.reading.empty_layers.iter().copied().collect::<Vec<_>>(), [0]);
}

#[test]
fn padding_is_no_stale_buffer() {
    for padding in [ABSENT, 0] {
        let mut record = Record::good();
        record.for_rows(|at, row| {
            if at >= 60 {
                row.fill(padding);
            }
        });
        let report = record.pass();
        let told: Vec<_> = report.checks.iter().filter(|check| check.outcome == Outcome::Warned).collect();
        assert_eq!(told.iter().map(|check| check.check.as_str()).collect::<Vec<_>>(), ["grid_complete"], "{padding}");
        assert_eq!(report.failed().count(), 0, "{padding}: {:#?}", report.checks);
    }
}

#[test]
fn what_has_no_choice_repeats_itself() {
    let mut record = Record::good().without_weights();
    record.header.layers.iter_mut().for_each(|layer| layer.num_experts = Some(TOP_K));
    record.sequences.iter_mut().for_each(|sequence| sequence.logits = None);
    record.for_rows(|_, row| row.chunks_exact_mut(TOP_K).for_each(|choices| choices.copy_from_slice(&[0, 1])));
    assert_eq!(record.outcome("rows_fresh"), Outcome::NotApplicable);
}

#[test]
fn what_some_sequences_lack_is_left_out_of_all() {
    let mut record = Record::good();
    record.header.order = ChoiceOrder::SortByWeight;
    record.sequences[3] = RouteSequence { weights: None, logits: None, ..record.sequences[3].clone() };
    record.sequences[4].token_ids = None;
    record.sequences[5].dropped = Some(vec![false; record.sequences[5].experts.len()]);
    let report = record.pass();
    let says = &report.checks.iter().find(|check| check.check == "sequences_alike").unwrap().says;
    let expected = "there are token ids in 29, weights in 29, logits in 29, drops in 1 of 30 sequences: what some lack is left out of all";
    assert_eq!(says, expected);
    let prepared = Prepared::new(&record, &report.reading).unwrap();
    assert!(!prepared.is_ranked());
    for sequence in prepared.sequences().unwrap() {
        let sequence = sequence.unwrap();
        assert_eq!(sequence.token_ids, None);
        assert_eq!((sequence.probability, sequence.logits, sequence.dropped), (None, None, None));
    }
}

#[test]
fn a_position_is_left_out_where_a_layer_has_no_whole_route() {
    let mut record = Record::good();
    record.sequences.truncate(1);
    record.for_rows(|at, row| match at {
        1 => row[1] = ABSENT,
        2 => row[2..4].fill(0),
        3 => row[3] = row[2],
        4 => row[5] = 8,
        _ => {}
    });
    let report = record.pass();
    let prepared = Prepared::new(&record, &report.reading).unwrap();
    let sequence = prepared.sequences().unwrap().next().unwrap().unwrap();
    assert_eq!(sequence.positions.unwrap()[..3], [0, 5, 6]);
}

#[test]
fn choices_may_stand_behind_places_without_one() {
    let mut record = Record::good().without_weights();
    record.sequences.iter_mut().for_each(|sequence| sequence.logits = None);
    record.for_rows(|_, row| row.chunks_exact_mut(TOP_K).for_each(|choices| choices[0] = ABSENT));
    let report = record.pass();
    let prepared = Prepared::new(&record, &report.reading).unwrap();
    let sequence = prepared.sequences().unwrap().next().unwrap().unwrap();
    let behind: Vec<u16> = record.sequences[0].experts.chunks_exact(TOP_K).map(|choices| choices[1]).collect();
    assert_eq!(sequence.experts, behind);
}
