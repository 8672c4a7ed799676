//! Traces small enough to count by hand.

use openmoe_analyze::{
    routing::View,
    stats::{Ranking, Settings, Statistic, Variant},
    trace::LayerTrace,
};

use super::support::*;

/// Two documents, ten tokens, E = 4, k = 2; one choice is dropped.
pub(crate) fn hand_made() -> MadeUpTrace {
    let mut run = MadeUpTrace::new(4, 2, &[], &["a", "b"]);
    let kept = || vec![true, true];
    run.document(
        0,
        Some(0),
        &[
            (0, vec![0, 1], kept()),
            (5, vec![0, 1], kept()),
            (6, vec![2, 0], kept()),
            (5, vec![1, 0], vec![true, false]),
            (5, vec![1, 2], kept()),
        ],
    );
    run.document(
        0,
        Some(1),
        &[
            (0, vec![0, 1], kept()),
            (6, vec![2, 0], kept()),
            (6, vec![2, 0], kept()),
            (5, vec![0, 1], kept()),
            (6, vec![2, 3], kept()),
        ],
    );
    run
}

#[test]
fn hand_made_counts() {
    // Choices chosen: expert 0: 8, 1: 6, 2: 5, 3: 1, of 20. Kept: expert 0 loses one: 7, 6, 5, 1, of 19.
    let tables = hand_made().statistics(&Settings { minimum_occurrences: 4, ..quick() });
    for (view, expected) in [("chosen", [8.0, 6.0, 5.0, 1.0]), ("kept", [7.0, 6.0, 5.0, 1.0])] {
        for (expert, count) in expected.iter().enumerate() {
            let share = one(&tables, "expert_share", |row| {
                row.view.name() == view && row.variable.is_none() && row.expert == Some(expert as u16)
            });
            close(share.estimate, count / expected.iter().sum::<f64>(), 1e-15);
            assert_eq!((share.n, share.low, share.baseline), (10, None, Some(0.25)));
            assert!(share.note.as_deref().unwrap().starts_with("no interval: 2 documents"));
        }
    }
    let violation = one(&tables, "expert_load", |row| {
        row.statistic == Statistic::MaxViolation && row.view == View::Chosen && row.category.is_none()
    });
    close(violation.estimate, 8.0 / 20.0 * 4.0 - 1.0, 1e-15);
    // Category a chose expert 0 in 4 of 5 occurrences; kept 3.
    let domain = |view: &'static str| {
        one(&tables, "domain_specialization", move |row| {
            row.view.name() == view && row.category.as_deref() == Some("a") && row.expert == Some(0)
        })
    };
    close(domain("chosen").estimate, 0.8, 1e-15);
    close(domain("chosen").baseline, 0.5, 1e-15);
    close(domain("kept").estimate, 0.6, 1e-15);
    // Experts 0 and 1 together: tokens 1, 2, 4 of a; 1 and 4 of b: 5 of 10; kept 4.
    let pair = |view: &'static str| {
        one(&tables, "coactivation", move |row| {
            row.view.name() == view && row.expert == Some(0) && row.other_expert == Some(1)
        })
    };
    close(pair("chosen").estimate, 0.5, 1e-15);
    close(pair("kept").estimate, 0.4, 1e-15);
    close(pair("chosen").uniform_baseline, 1.0 / 6.0, 1e-15);
}

#[test]
fn hand_made_repetition_spread_and_top_tokens() {
    let tables = hand_made().statistics(&Settings { minimum_occurrences: 4, ..quick() });
    // First choices a: 0 0 2 1 1, b: 0 2 2 0 2: repeats 2 + 1 of 8 pairs.
    let first = one(&tables, "expert_repetition", |row| row.variant == Some(Variant::First) && row.category.is_none());
    close(first.estimate, 3.0 / 8.0, 1e-15);
    // Load-matched: first choices 0: 4, 1: 2, 2: 4 of 10.
    close(first.baseline, 0.16 + 0.04 + 0.16, 1e-15);
    // Token 5 at (0,1) (1,0) (1,2) (0,1): shares 3/8, 4/8, 1/8, 0.
    let std = one(&tables, "routing_std", |row| row.view == View::Chosen && row.token_id == Some(5));
    let variance: f64 = [0.375_f64, 0.5, 0.125, 0.0].iter().map(|share| (share - 0.25).powi(2)).sum::<f64>() / 4.0;
    close(std.estimate, variance.sqrt(), 1e-12);
    assert_eq!((std.n, std.text.as_deref()), (4, Some("piece 5")));
    // Noise: (1 - 2 * (9 + 16 + 1) / 64) / (4 * 2 * 3).
    close(std.noise_floor, ((1.0 - 52.0 / 64.0) / 24.0_f64).sqrt(), 1e-12);
    // Expert 0's most frequent ids: 6 three times (of 4 occurrences), 5 three times; the tie goes to the lower id.
    let top = |rank| {
        one(&tables, "top_tokens", move |row| {
            row.view == View::Chosen
                && row.expert == Some(0)
                && row.ranking == Some(Ranking::Count)
                && row.rank == Some(rank)
        })
    };
    assert_eq!((top(1).token_id, top(1).n, top(2).token_id, top(3).token_id), (Some(5), 3, Some(6), Some(0)));
}

#[test]
fn hand_made_mutual_information() {
    // Token 0: (0,1) twice -> 2 2 0 0 of 4; token 5: 3 4 1 0 of 8; token 6: (2,0) three times, (2,3) -> 3 0 4 1 of 8.
    let entropy = |counts: &[f64]| -> f64 {
        let n: f64 = counts.iter().sum();
        counts.iter().filter(|count| **count > 0.0).map(|count| -count / n * (count / n).log2()).sum()
    };
    let given = (4.0 * 1.0 + 8.0 * entropy(&[3.0, 4.0, 1.0]) + 8.0 * entropy(&[3.0, 4.0, 1.0])) / 20.0;
    let overall = entropy(&[8.0, 6.0, 5.0, 1.0]);
    let tables = hand_made().statistics(&quick());
    let token = information(&tables, MI, "token", "chosen");
    close(token.estimate, overall - given, 1e-12);
    close(token.ceiling, overall - 1.0, 1e-12);
    // Kept: token 5 has 2 4 1 of 7; one occurrence has a single choice: h = 9 * 2 / 19.
    let kept = information(&tables, MI, "token", "kept");
    let given = (4.0 + 7.0 * entropy(&[2.0, 4.0, 1.0]) + 8.0 * entropy(&[3.0, 4.0, 1.0])) / 19.0;
    close(kept.estimate, entropy(&[7.0, 6.0, 5.0, 1.0]) - given, 1e-12);
    close(kept.ceiling, entropy(&[7.0, 6.0, 5.0, 1.0]) - 18.0 / 19.0, 1e-12);
    // Two documents of one category each: the two labels can only be swapped, so that the null is the estimate.
    let category = information(&tables, MI, "category", "chosen");
    close(category.corrected, 0.0, 1e-12);
    close(category.p_value, 1.0, 0.0);
    // Rows with a previous token: 8. Given 5: 3 4 1 0, by previous token 0: {0,1}, 5: {1,2}, 6: {1,0} {0,1}: 1 bit each.
    // Given 6: 3 0 4 1, by previous token 0: {2,0}, 6: {2,0}: 1 bit each, 5: {2,0} {2,3}: 1 0 2 1 of 4, 1.5 bits.
    let previous = information(&tables, CMI, "previous_token", "chosen");
    close(previous.estimate, entropy(&[3.0, 4.0, 1.0]) - (8.0 + 4.0 + 4.0 * 1.5) / 16.0, 1e-12);
    assert_eq!(previous.n, 8);
}

#[test]
fn chunks_of_a_document_are_one_unit_and_bos_can_be_left_out() {
    let mut run = MadeUpTrace::new(4, 1, &[], &[]);
    for _ in 0..8 {
        run.document(0, None, &[(0, vec![0], vec![true]), (7, vec![1], vec![true])]);
    }
    run.chunk(0, 0, None, &[(0, vec![0], vec![true]), (8, vec![2], vec![true])]);
    let tables = run.statistics(&quick());
    let token = information(&tables, MI, "token", "chosen");
    assert_eq!((token.n, token.documents), (18, Some(8)));
    let tables = run.statistics(&Settings { include_bos: false, ..quick() });
    let token = information(&tables, MI, "token", "chosen");
    assert_eq!((token.n, token.documents), (9, Some(8)));
    // The BOS before is still the previous token of the first row that counts.
    assert_eq!(information(&tables, MI, "previous_token", "chosen").n, 9);
    assert!(one(&tables, "expert_repetition", |_| true).estimate.is_none());
    let category = information(&tables, MI, "category", "chosen");
    assert_eq!((category.estimate, category.note.as_deref()), (None, Some("0 categories: at least 2 needed")));
}

#[test]
fn jackknife_is_the_recomputation_without_each_document() {
    let settings = Settings { permutations: 1, ..quick() };
    let full = synthetic(Router::Token, 4, 2, 9, 12);
    let mut noisy = full.layer.clone();
    let mut random = Random(3);
    for pair in noisy.expert.chunks_exact_mut(2).step_by(3) {
        pair.copy_from_slice(&random.subset(4, 2));
    }
    let estimate = |left_out: Option<u32>, table: &str, variable: &str| {
        let mut layer = LayerTrace { layer: 3, num_experts: 4, top_k: 2, ..LayerTrace::default() };
        for t in (0..noisy.len()).filter(|t| Some(noisy.sequence[*t]) != left_out) {
            layer.sequence.push(noisy.sequence[t]);
            layer.position.push(noisy.position[t]);
            layer.token_id.push(noisy.token_id[t]);
            layer.expert.extend(noisy.choices(t));
            layer.kept.extend(noisy.kept(t));
            layer.entropy.push(0.0);
            layer.margin_first.push(0.0);
            layer.margin_k.push(0.0);
        }
        let run = MadeUpTrace { layer, ..full.clone() };
        information(&run.statistics(&settings), table, variable, "kept").clone()
    };
    for (table, variable) in [(MI, "token"), (MI, "category"), (CMI, "document"), (CMI, "previous_token")] {
        let left: Vec<f64> = (0..9).map(|d| estimate(Some(d), table, variable).estimate.unwrap()).collect();
        let mean = left.iter().sum::<f64>() / 9.0;
        let error = (8.0 / 9.0 * left.iter().map(|value| (value - mean).powi(2)).sum::<f64>()).sqrt();
        let all = estimate(None, table, variable);
        close(all.high, all.estimate.unwrap() + 1.96 * error, 1e-12);
        close(all.low, all.estimate.unwrap() - 1.96 * error, 1e-12);
    }
}
