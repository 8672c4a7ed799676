//! Many choices of many experts: hand-made traces with three and eight choices, and closed forms.

use openmoe_analyze::{
    routing::View,
    stats::{BaselineKind, Finding, Settings, Tables, Variable, Variant, uniform_repetition},
};

use super::support::{MadeUpTrace, Router, close, one, quick, sound, synthetic};

fn over_all<'a>(tables: &'a Tables, variant: &str) -> &'a Finding {
    one(tables, "expert_repetition", |row| row.variant.map(Variant::name) == Some(variant) && row.category.is_none())
}

/// A document whose tokens choose these sets of experts and keep all of them.
fn document(run: &mut MadeUpTrace, rows: &[&[u16]]) {
    let tokens: Vec<_> = (0..).zip(rows).map(|(token, row)| (token, row.to_vec(), vec![true; row.len()])).collect();
    run.document(0, None, &tokens);
}

#[test]
fn three_choices_are_repeated_and_paired_by_hand() {
    let mut run = MadeUpTrace::new(5, 3, &[], &[]);
    document(&mut run, &[&[0, 1, 2], &[0, 3, 4], &[2, 1, 0], &[3, 4, 1]]);
    let tables = run.statistics(&Settings { permutations: 5, resamples: 10, ..Settings::default() });
    // First choices 0, 0, 2, 3: one of three pairs repeats. Two independent rows: (2/4)^2 + (1/4)^2 + (1/4)^2 = 3/8.
    let first = over_all(&tables, "first");
    close(first.estimate, 1.0 / 3.0, 1e-12);
    close(first.baseline, 3.0 / 8.0, 1e-12);
    // {012}, {034} share 0; {034}, {012} share 0; {012}, {134} share 1. All 16 pairs of rows share an expert: three of
    // five leave too few for another three.
    let any = over_all(&tables, "any");
    close(any.estimate, 1.0, 1e-12);
    close(any.baseline, 1.0, 1e-12);
    close(any.uniform_baseline, 1.0, 1e-12);
    // Experts 0 and 1 are together in rows 0 and 2 of four; uniform: 3 * 2 / (5 * 4).
    let pair = one(&tables, "coactivation", |row| {
        (row.expert, row.other_expert, row.view) == (Some(0), Some(1), View::Chosen)
    });
    close(pair.estimate, 0.5, 1e-12);
    close(pair.uniform_baseline, 0.3, 1e-12);
    // Loads 3/4, 3/4, 2/4, 2/4, 2/4, which leave one weight w for 0 and 1 against 1 for the others. Of the ten sets three
    // hold both (w^2), six one of them (w), one none: p = (3 w^2 + 3 w) / (3 w^2 + 6 w + 1) = 3/4, so w^2 = 2 w + 1,
    // w = 1 + sqrt 2, and the pair has 3 w^2 / (3 w^2 + 6 w + 1).
    let w = 1.0 + 2.0_f64.sqrt();
    close(pair.baseline, 3.0 * w * w / (3.0 * w * w + 6.0 * w + 1.0), 1e-9);
}

#[test]
fn a_uniform_router_of_eight_choices_has_the_closed_forms() {
    let (experts, k) = (24, 8);
    let tables = synthetic(Router::Nothing, experts, k, 40, 120).statistics(&quick());
    sound(&tables);
    let any = over_all(&tables, "any");
    let uniform = uniform_repetition(experts, k);
    // 1 - C(16, 8) / C(24, 8) = 1 - 12870 / 735471.
    close(Some(uniform), 1.0 - 12_870.0 / 735_471.0, 1e-12);
    assert_eq!(any.baseline_kind.map(BaselineKind::name), Some("load_matched_drawn"));
    for value in [any.baseline, any.uniform_baseline, any.estimate] {
        close(value, uniform, 0.004);
    }
    let pairs = (k * (k - 1)) as f64 / (experts * (experts - 1)) as f64;
    let rows: Vec<&Finding> = tables["coactivation"].rows.iter().filter(|row| row.view == View::Chosen).collect();
    assert_eq!(rows.len(), experts * (experts - 1) / 2);
    for row in rows {
        close(row.uniform_baseline, pairs, 1e-12);
        close(row.baseline, pairs, 0.02);
        close(row.estimate, pairs, 0.03);
    }
}

#[test]
fn of_many_pairs_those_furthest_from_chance_are_listed() {
    // 72 experts: 2,556 pairs. Experts 0 and 1 go together, 2 and 3 never do.
    let mut run = synthetic(Router::Nothing, 72, 6, 20, 100);
    for choices in run.layer.expert.chunks_exact_mut(6) {
        if choices.contains(&0) && !choices.contains(&1) {
            let last = choices.iter().rposition(|expert| *expert != 0).unwrap_or_default();
            choices[last] = 1;
        }
        if choices.contains(&2) {
            let free = (40..72).find(|expert| !choices.contains(expert)).unwrap_or_default();
            choices.iter_mut().filter(|expert| **expert == 3).for_each(|expert| *expert = free);
        }
    }
    let tables = run.statistics(&quick());
    for view in ["chosen", "kept"] {
        let rows: Vec<&Finding> = tables["coactivation"].rows.iter().filter(|row| row.view.name() == view).collect();
        let note = rows[0].note.as_deref().unwrap_or_default();
        assert!(note.starts_with("2,556 pairs: those are listed that stand furthest"), "{note}");
        let pairs: Vec<_> = rows[1..].iter().map(|row| (row.expert, row.other_expert)).collect();
        assert_eq!(pairs.len(), 1000);
        assert!(pairs.is_sorted() && pairs.contains(&(Some(0), Some(1))) && pairs.contains(&(Some(2), Some(3))));
        assert!(rows[1..].iter().all(|row| row.low.is_some() && row.baseline.is_some()));
    }
}

#[test]
fn expert_shares_of_too_many_keys_are_listed_in_part() {
    // Four experts in both views: 8 rows for a key, so that 160 rows are 20 of the 30 positions and 20 token ids.
    let settings = Settings { share_rows: 160, minimum_occurrences: 16, ..quick() };
    let run = synthetic(Router::Nothing, 4, 2, 20, 30);
    let (cut, whole) = (run.statistics(&settings), run.statistics(&Settings { share_rows: 1 << 20, ..settings }));
    let about = |tables: &Tables, variable: Variable, key: fn(&Finding) -> Option<u32>| -> Vec<u32> {
        let rows = tables["expert_share"].rows.iter().filter(|row| row.view == View::Kept);
        let mut keys: Vec<u32> = rows.filter(|row| row.variable == Some(variable)).filter_map(key).collect();
        keys.dedup();
        keys
    };
    // 0, the powers of two and the last one, then 24 = 3 * 8 and 12, 20 = 3, 5 * 4.
    assert_eq!(about(&cut, Variable::Position, |row| row.position), [0, 1, 2, 4, 8, 12, 16, 20, 24, 29]);
    let ids = about(&cut, Variable::Token, |row| row.token_id);
    let n = |id: u32| {
        one(&whole, "expert_share", |row| (row.token_id, row.expert, row.view) == (Some(id), Some(0), View::Kept)).n
    };
    let least = ids.iter().map(|id| n(*id)).min();
    let others = about(&whole, Variable::Token, |row| row.token_id);
    assert_eq!((ids.len(), others.len()), (10, 20));
    assert!(others.iter().filter(|id| !ids.contains(id)).all(|id| Some(n(*id)) <= least));
    let notes: Vec<&str> = cut["expert_share"]
        .rows
        .iter()
        .filter(|row| row.expert.is_none())
        .filter_map(|row| row.note.as_deref())
        .collect();
    let expected = [
        "10 positions of 30 with enough occurrences are listed, from coarse to fine",
        "10 token ids of 20 with enough occurrences are listed, the most frequent",
    ];
    assert_eq!(notes, [expected[0], expected[1], expected[0], expected[1]]);
    assert!(whole["expert_share"].rows.iter().all(|row| row.expert.is_some()));
    assert_eq!(cut["routing_std"], whole["routing_std"]);
}

#[test]
fn sixteen_choices_of_five_hundred_experts_have_every_statistic() {
    let tables = synthetic(Router::Token, 512, 16, 12, 40).statistics(&Settings {
        resamples: 20,
        permutations: 5,
        minimum_occurrences: 20,
        ..Settings::default()
    });
    sound(&tables);
    for (name, table) in &tables {
        assert!(table.rows.iter().any(|row| row.estimate.is_some()), "{name} has no number");
    }
    // The token decides everything: whatever set it has, it always has.
    let overlap = one(&tables, "token_predictability", |row| row.variant == Some(Variant::TopKOverlap));
    close(overlap.estimate, 1.0, 1e-12);
}
