//! Two checkpoints over ten tokens, counted by hand.

use openmoe_analyze::{
    routing::{ExpertId, View},
    stats::{DriftLayer, Settings, Variant, drift_statistics},
    trace::LayerTrace,
};

use super::training::*;
use crate::statistics::support::*;

/// Two documents, E = 4, k = 2. Reference first, then the earlier checkpoint:
///
/// | row | token | reference      | before | shared | first |
/// |-----|-------|----------------|--------|--------|-------|
/// | a0  | 0     | 0 1            | 0 1    | 2      | same  |
/// | a1  | 5     | 0 1            | 1 0    | 2      |       |
/// | a2  | 6     | 2 0            | 2 3    | 1      | same  |
/// | a3  | 5     | 1 0, 0 dropped | 1 0    | 2      | same  |
/// | a4  | 5     | 1 2            | 0 2    | 1      |       |
/// | b0  | 0     | 0 1            | 0 1    | 2      | same  |
/// | b1  | 6     | 2 0            | 0 2    | 2      |       |
/// | b2  | 6     | 2 0            | 2 0    | 2      | same  |
/// | b3  | 5     | 0 1            | 2 3    | 0      |       |
/// | b4  | 6     | 2 3            | 2 3    | 2      | same  |
fn two_checkpoints() -> (MadeUpTrace, LayerTrace) {
    let mut run = MadeUpTrace::new(4, 2, &[], &["a", "b"]);
    let kept = || vec![true, true];
    let (first, second) = ([0, 5, 6, 5, 5], [0, 6, 6, 5, 6]);
    let choices: [[ExpertId; 2]; 10] = [[0, 1], [0, 1], [2, 0], [1, 0], [1, 2], [0, 1], [2, 0], [2, 0], [0, 1], [2, 3]];
    let row = |(token, choices): (&u32, &[ExpertId; 2])| (*token, choices.to_vec(), kept());
    let mut tokens: Vec<_> = first.iter().zip(&choices[..5]).map(row).collect();
    tokens[3].2 = vec![true, false];
    run.document(0, Some(0), &tokens);
    run.document(0, Some(1), &second.iter().zip(&choices[5..]).map(row).collect::<Vec<_>>());
    let before: [[ExpertId; 2]; 10] = [[0, 1], [1, 0], [2, 3], [1, 0], [0, 2], [0, 1], [0, 2], [2, 0], [2, 3], [2, 3]];
    let mut before = with_choices(&run.layer, |t| before[t].to_vec());
    before.kept.fill(true);
    (run, before)
}

fn settings() -> Settings {
    Settings { minimum_occurrences: 4, ..quick() }
}

#[test]
fn agreement_and_its_chance() {
    let (run, before) = two_checkpoints();
    let tables = drift(&run, &[&before, &run.layer], &with(settings()));
    let found = |name: &'static str| at(&tables, name, "200B", move |row| row.reference.as_deref() == Some("400B"));
    // Shared 16 of 20; 6 first choices; 7 sets; Jaccard (7 * 1 + 2 / 3) / 10.
    let expected = [
        ("router_saturation", 0.8),
        ("first_choice_agreement", 0.6),
        ("exact_set_agreement", 0.7),
        ("jaccard", 0.76 + 0.02 / 3.0),
    ];
    // Chosen by the reference: 8 6 5 1 of 20, before: 7 4 6 3; c = (56 + 24 + 30 + 3) / 100 / 2.
    // First choices 4 2 4 0 at both: (16 + 4 + 16) / 100. Sets 01 5, 02 3, 12 1, 23 1 and 01 4, 02 3, 23 3:
    // (20 + 9 + 3) / 100. P(two shared) = 0.32, P(one) = 2 c - 2 * 0.32 = 0.49: 0.32 + 0.49 / 3.
    let chance = [0.565, 0.36, 0.32, 0.32 + 0.49 / 3.0];
    for ((name, estimate), chance) in expected.into_iter().zip(chance) {
        let row = found(name);
        close(row.estimate, estimate, 1e-12);
        close(row.baseline, chance, 1e-12);
        close(row.corrected, (estimate - chance) / (1.0 - chance), 1e-12);
        assert_eq!((row.n, row.documents, row.low, row.training_tokens), (10, Some(2), None, Some(2e11)));
    }
    close(found("router_saturation").uniform_baseline, 0.5, 1e-12);
    close(found("exact_set_agreement").uniform_baseline, 1.0 / 6.0, 1e-12);
    // Of the reference with itself: (64 + 36 + 25 + 1) / 200.
    let itself = at(&tables, "router_saturation", "400B", |row| row.reference.as_deref() == Some("400B"));
    assert_eq!((itself.estimate, itself.baseline), (Some(1.0), Some(0.63)));
    let rows = &tables["router_saturation"].rows;
    assert_eq!(rows.len(), 4, "two by two");
}

#[test]
fn last_change_margin_and_documents() {
    let (run, mut before) = two_checkpoints();
    // Margins of the reference: 0.1 in document a, 0.3 in document b.
    let mut last = run.layer.clone();
    last.margin_k = (0..10).map(|t| if t < 5 { 0.1 } else { 0.3 }).collect();
    before.margin_k.fill(0.9);
    let settings = openmoe_analyze::stats::DriftSettings {
        margin_bins: 2,
        minimum_document_occurrences: 5,
        documents_listed: 1,
        ..with(settings())
    };
    let tables = drift(&run, &[&before, &last], &settings);
    // Four first choices change after the first checkpoint, none after the last. Independent: 1 - 0.36.
    let change = at(&tables, "last_change", "200B", |_| true);
    close(change.estimate, 0.4, 1e-12);
    close(change.baseline, 0.64, 1e-12);
    let change = at(&tables, "last_change", "400B", |_| true);
    assert_eq!((change.estimate, change.baseline), (Some(0.0), Some(0.0)));
    // Exact sets: 3 of 5 below, 4 of 5 above.
    let bin = |upper: f64| {
        at(&tables, "agreement_by_margin", "200B", move |row| {
            row.variant == Some(Variant::ExactSet) && row.quantile == Some(upper)
        })
    };
    close(bin(0.5).estimate, 0.6, 1e-12);
    close(bin(1.0).estimate, 0.8, 1e-12);
    assert_eq!((bin(0.5).n, bin(1.0).n), (5, 5));
    close(bin(0.5).bin_high, 0.1, 1e-7);
    close(bin(1.0).bin_low, 0.3, 1e-7);
    // All first margins are equal: one bin up to the largest.
    let all = at(&tables, "agreement_by_margin", "200B", |row| row.variant == Some(Variant::FirstChoice));
    close(all.estimate, 0.6, 1e-12);
    assert_eq!((all.quantile, all.n), (Some(1.0), 10));
    // Both documents share 8 of 10; the first one is listed.
    let document = at(&tables, "document_drift", "200B", |_| true);
    close(document.estimate, 0.8, 1e-12);
    close(document.baseline, 0.8, 1e-12);
    assert_eq!((document.document.as_deref(), document.rank, document.n), (Some("document 0"), Some(1), 5));
    assert_eq!(document.category.as_deref(), Some("a"));
}

#[test]
fn token_and_load_drift() {
    let (run, before) = two_checkpoints();
    let tables = drift(&run, &[&before, &run.layer], &with(settings()));
    let token = |view: &'static str, variant: &'static str, id: Option<u32>| {
        at(&tables, "token_drift", "200B", move |row| {
            row.view.name() == view && row.variant.map(Variant::name) == Some(variant) && row.token_id == id
        })
    };
    // Token 5 at a1 a3 a4 b3: 3 4 1 0 and 3 2 2 1 of 8: (0 + 2 + 1 + 1) / 16. Token 6: 3 0 4 1 and 2 0 4 2: 2 / 16.
    let five = token("chosen", "total_variation", Some(5));
    close(five.estimate, 0.25, 1e-12);
    assert_eq!((five.n, five.text.as_deref(), five.baseline), (4, Some("piece 5"), Some(0.0)));
    close(token("chosen", "total_variation", Some(6)).estimate, 0.125, 1e-12);
    close(token("chosen", "total_variation", None).estimate, 0.1875, 1e-12);
    // Halves of token 5 at the reference: a 2 3 1 0 of 6, b 1 1 0 0 of 2: (1/6 + 0 + 1/6) / 2, over sqrt 2.
    close(five.noise_floor, 1.0 / 6.0 / 2.0_f64.sqrt(), 1e-12);
    // Kept at the reference: 2 4 1 0 of 7.
    let kept = [(2.0, 3.0), (4.0, 2.0), (1.0, 2.0), (0.0, 1.0)].iter().map(|(a, b)| f64::abs(a / 7.0 - b / 8.0));
    close(token("kept", "total_variation", Some(5)).estimate, kept.sum::<f64>() / 2.0, 1e-12);
    // Largest shares: token 5 goes from expert 0 (3 2 2 1) to expert 1 (3 4 1 0); token 6 stays with expert 2.
    let largest = token("chosen", "argmax_kept", Some(5));
    assert_eq!((largest.estimate, largest.expert, largest.other_expert), (Some(0.0), Some(0), Some(1)));
    assert_eq!(token("chosen", "argmax_kept", Some(6)).estimate, Some(1.0));
    close(token("chosen", "argmax_kept", None).estimate, 0.5, 1e-12);
    // Loads 8 6 5 1 and 7 4 6 3 of 20.
    let load = |view: &'static str, variant: &'static str| {
        at(&tables, "load_drift", "200B", move |row| {
            row.view.name() == view && row.variant.map(Variant::name) == Some(variant)
        })
    };
    close(load("chosen", "total_variation").estimate, 6.0 / 40.0, 1e-12);
    close(load("chosen", "cosine").estimate, 113.0 / (110.0_f64 * 126.0).sqrt(), 1e-12);
    assert_eq!((load("chosen", "cosine").baseline, load("chosen", "cosine").n), (Some(1.0), 20));
    // Kept at the reference: 7 6 5 1 of 19.
    let kept = [(7.0, 7.0), (6.0, 4.0), (5.0, 6.0), (1.0, 3.0)].iter().map(|(a, b)| f64::abs(a / 19.0 - b / 20.0));
    close(load("kept", "total_variation").estimate, kept.sum::<f64>() / 2.0, 1e-12);
    let share = one(&tables, "expert_share", |row| {
        row.checkpoint.as_deref() == Some("200B")
            && row.token_id == Some(5)
            && row.expert == Some(3)
            && row.view == View::Chosen
    });
    close(share.estimate, 0.125, 1e-12);
}

#[test]
fn gate_overlap_and_its_chance() {
    let (run, before) = two_checkpoints();
    let even = vec![0.25_f32; 40];
    // Before: all the probability on expert 0 in document a, on expert 1 in document b.
    let sure: Vec<f32> = (0..40).map(|i| f32::from(u8::from(i % 4 == i / 20))).collect();
    let trace = |gate, trace| DriftLayer { trace, gate };
    let layers = [trace(Some(sure.as_slice()), &before), trace(Some(even.as_slice()), &run.layer)];
    let found = drift_statistics(&run.sequences, &points(2), layers.as_slice(), &with(settings()), &|_| ()).unwrap();
    let rows = &found.iter().find(|table| table.name == "gate_overlap").unwrap().rows;
    close(rows[0].estimate, 0.25, 1e-12);
    close(rows[0].baseline, 0.25, 1e-12);
    close(rows[1].estimate, 1.0, 1e-12);
    let withheld = [layers[0], trace(None, &run.layer)];
    let found = drift_statistics(&run.sequences, &points(2), withheld.as_slice(), &with(settings()), &|_| ()).unwrap();
    let rows = &found.iter().find(|table| table.name == "gate_overlap").unwrap().rows;
    assert!(
        rows.iter().all(|row| row.estimate.is_none() && row.note.as_deref() == Some("the run has no router logits"))
    );
}
