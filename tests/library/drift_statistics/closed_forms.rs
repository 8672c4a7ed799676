//! Checkpoints for which the answer is known.

use openmoe_analyze::{
    routing::{ExpertId, View},
    stats::{BaselineKind, DriftSettings, Finding, Settings, Variant, match_experts},
};

use super::training::*;
use crate::statistics::support::*;

#[test]
fn a_checkpoint_against_itself() {
    let run = synthetic(Router::Token, 8, 2, 24, 60);
    let tables =
        drift(&run, &[&run.layer, &run.layer, &run.layer], &with(Settings { minimum_occurrences: 20, ..quick() }));
    let agreement = ["router_saturation", "first_choice_agreement", "exact_set_agreement", "jaccard"];
    for row in agreement.iter().flat_map(|name| &tables[*name].rows) {
        let ones = [row.estimate, row.low, row.high, row.corrected, row.corrected_low, row.corrected_high];
        assert!(ones.iter().all(|value| (value.unwrap() - 1.0).abs() < 1e-12), "{row:#?}");
        assert!(row.baseline.unwrap() > 0.0 && row.baseline.unwrap() < 1.0);
    }
    assert_eq!(tables["router_saturation"].rows.len(), 9);
    for row in &tables["token_drift"].rows {
        let expected = if row.variant == Some(Variant::ArgmaxKept) { 1.0 } else { 0.0 };
        close(row.estimate, expected, 1e-12);
        if let (Some(low), Some(high)) = (row.low, row.high) {
            assert!((low - expected).abs() < 1e-12 && (high - expected).abs() < 1e-12, "{row:#?}");
        }
    }
    for row in &tables["load_drift"].rows {
        close(row.estimate, row.baseline.unwrap(), 1e-12);
        close(row.high, row.baseline.unwrap(), 1e-12);
    }
    assert!(tables["last_change"].rows.iter().all(|row| row.estimate == Some(0.0)));
    assert!(tables["agreement_by_margin"].rows.iter().all(|row| row.estimate == Some(1.0)));
}

#[test]
fn random_routers_agree_as_often_as_their_loads_say() {
    // Experts of unequal weight: expert e is redrawn with probability e / 8, so that chance is not k/E.
    let run = synthetic(Router::Nothing, 8, 2, 10, 40);
    let mut random = Random(99);
    let mut router = || {
        with_choices(&run.layer, |_| {
            let mut choices = random.subset(8, 2);
            if random.below(8) < u32::from(choices[0]) {
                choices = random.subset(8, 2);
            }
            choices
        })
    };
    let names = ["router_saturation", "first_choice_agreement", "exact_set_agreement", "jaccard"];
    let mut differences = [const { Vec::new() }; 4];
    for _ in 0..50 {
        let (one, other) = (router(), router());
        let tables = drift(&run, &[&one, &other], &with(Settings { resamples: 1, ..quick() }));
        for (name, differences) in names.iter().zip(&mut differences) {
            let row = at(&tables, name, "200B", |row| row.reference.as_deref() == Some("400B"));
            differences.push(row.estimate.unwrap() - row.baseline.unwrap());
        }
    }
    for (name, differences) in names.iter().zip(differences) {
        let n = differences.len() as f64;
        let mean = differences.iter().sum::<f64>() / n;
        let variance = differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let errors = mean / (variance / n).sqrt();
        println!("{name}: mean - chance = {mean:.5}, {errors:.2} standard errors");
        assert!(errors.abs() < 3.0, "{name}: {errors} standard errors");
    }
}

#[test]
fn random_routers_of_eight_choices_agree_by_the_closed_forms() {
    // E = 24, k = 8: saturation k/E = 1/3; sets 1/C(24, 8) = 1/735,471; the expected Jaccard index of two random sets, over
    // the hypergeometric overlap j: sum of C(8, j) C(16, 8 - j) / C(24, 8) * j / (16 - j).
    let choose = |n: u32, m: u32| (0..m).map(|i| f64::from(n - i) / f64::from(i + 1)).product::<f64>();
    let weight = |j: u32| choose(8, j) * choose(16, 8 - j) / choose(24, 8);
    let jaccard: f64 = (0..=8).map(|j| weight(j) * f64::from(j) / f64::from(16 - j)).sum();
    let run = synthetic(Router::Nothing, 24, 8, 40, 60);
    let mut random = Random(3);
    let other = with_choices(&run.layer, |_| random.subset(24, 8));
    let tables = drift(&run, &[&other, &run.layer], &with(Settings { resamples: 20, ..quick() }));
    let expected = [
        ("router_saturation", 1.0 / 3.0, "load_matched"),
        ("first_choice_agreement", 1.0 / 24.0, "load_matched"),
        ("exact_set_agreement", 1.0 / 735_471.0, "load_matched"),
        ("jaccard", jaccard, "load_matched_drawn"),
    ];
    for (name, chance, kind) in expected {
        let row = at(&tables, name, "200B", |row| row.reference.as_deref() == Some("400B"));
        close(row.uniform_baseline, chance, 1e-9);
        close(row.baseline, chance, 0.002);
        close(row.estimate, chance, 0.01);
        assert_eq!(row.baseline_kind.map(BaselineKind::name), Some(kind), "{name}");
    }
}

#[test]
fn permuted_experts_never_agree_first_and_are_found_by_matching() {
    let run = synthetic(Router::Token, 8, 2, 24, 60);
    let other = permuted(&run.layer, |expert| (expert * 3 + 5) % 8);
    // 3 e + 5 = e mod 8 has no solution, since 2 e is even and 5 odd.
    let plain = drift(&run, &[&other, &run.layer], &quick_drift());
    close(at(&plain, "first_choice_agreement", "200B", |_| true).estimate, 0.0, 0.0);
    let tables = drift(&run, &[&other, &run.layer], &DriftSettings { match_experts: true, ..quick_drift() });
    for name in ["router_saturation", "first_choice_agreement", "exact_set_agreement", "jaccard"] {
        let with_last = |row: &Finding| row.reference.as_deref() == Some("400B");
        assert!(at(&tables, name, "200B", with_last).estimate.unwrap() >= 0.9999);
    }
    let all = at(&tables, "expert_matching", "200B", |row| row.expert.is_none());
    close(all.estimate, 1.0, 0.0);
    assert!(all.note.as_deref().unwrap().ends_with("8 of 8 experts renamed"), "{all:#?}");
    for row in tables["expert_matching"].rows.iter().filter(|row| row.checkpoint.as_deref() == Some("200B")) {
        if let (Some(old), Some(new)) = (row.expert, row.other_expert) {
            assert_eq!((new * 3 + 5) % 8, old);
        }
    }
}

#[test]
fn matching_is_the_best_of_all_orders() {
    let run = synthetic(Router::Nothing, 5, 2, 6, 20);
    let noisy = learning(&permuted(&run.layer, |e| (e + 2) % 5), 0.3, 5);
    let found = match_experts(&run.layer, &noisy).unwrap();
    let count = |trace: &openmoe_analyze::trace::LayerTrace, token: u32, expert: ExpertId| {
        let rows = (0..trace.len()).filter(|t| trace.token_id[*t] == token);
        rows.filter(|t| trace.choices(*t).contains(&expert)).count() as u64
    };
    let mut shared = [[0; 5]; 5];
    for token in 0..20 {
        for (old, row) in shared.iter_mut().enumerate() {
            for (new, sum) in row.iter_mut().enumerate() {
                *sum += count(&noisy, token, old as u16).min(count(&run.layer, token, new as u16));
            }
        }
    }
    let mut best = 0;
    let mut order: Vec<usize> = (0..5).collect();
    all_orders(&mut order, 0, &mut |order| best = best.max((0..5).map(|old| shared[old][order[old]]).sum()));
    assert_eq!(found.shared.iter().sum::<u64>(), best);
    let mut names = found.experts.clone();
    names.sort_unstable();
    assert_eq!(names, [0, 1, 2, 3, 4]);
}

fn all_orders(order: &mut Vec<usize>, from: usize, visit: &mut impl FnMut(&[usize])) {
    if from == order.len() {
        return visit(order);
    }
    for index in from..order.len() {
        order.swap(from, index);
        all_orders(order, from + 1, visit);
        order.swap(from, index);
    }
}

#[test]
fn the_noise_floor_is_what_another_corpus_changes() {
    // Two corpora of one router: the distance between their shares is what the floor says, within a fifth.
    let router = |seed: u64, documents: u32| {
        let mut random = Random(seed);
        let mut run = MadeUpTrace::new(8, 2, &[], &[]);
        for _ in 0..documents {
            let tokens: Vec<_> = (0..20).map(|_| (1, random.subset(8, 2), vec![true; 2])).collect();
            run.document(0, None, &tokens);
        }
        run
    };
    let (mut between, mut floors) = (0.0, 0.0);
    for seed in 0..20 {
        let (one, other) = (router(seed, 16), router(seed + 100, 16));
        let tables = drift(&one, &[&other.layer, &one.layer], &quick_drift());
        let row = at(&tables, "token_drift", "200B", |row| {
            row.token_id.is_none() && row.view == View::Chosen && row.variant == Some(Variant::TotalVariation)
        });
        between += row.estimate.unwrap();
        floors += row.noise_floor.unwrap();
    }
    assert!((between / floors - 1.0).abs() < 0.2, "{between} is not {floors}");
}
