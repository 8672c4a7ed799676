//! More than two choices: by hand, and against counting one queue after the other.

use openmoe_analyze::{
    routing::ExpertId,
    stats::{DropSettings, Finding, Statistic, Variant, drop_difference},
};

use super::support::*;

/// Three tokens with the choices 0 1 2, 0 2 1 and 0 1 2, one slot for each expert. First choices: expert 0 keeps that of
/// token 0. Second ones: 1 keeps token 0, 2 keeps token 1, token 2 comes too late. Third ones find every queue full.
fn three_choices() -> MadeUpTrace {
    let mut run = MadeUpTrace::new(3, 3, &["text"], &[]);
    run.document(0, None, &[(7, vec![0, 1, 2]), (8, vec![0, 2, 1]), (9, vec![0, 1, 2])]);
    run.with_slots(1, |_| 1);
    run
}

#[test]
fn every_choice_of_three_is_counted() {
    let tables = three_choices().drop_statistics(&quick());
    let over_all = |table: &str, rank: Option<u32>| {
        one(&tables, table, |row| row.rank == rank && row.dataset.is_none() && row.variable.is_none()).estimate
    };
    let [assignments, first, second, tokens, mass] = RATIOS.map(|table| over_all(table, None));
    close(assignments, 6.0 / 9.0, 1e-12);
    close(first, 2.0 / 3.0, 1e-12);
    close(second, 1.0 / 3.0, 1e-12);
    close(tokens, 1.0 / 3.0, 1e-12);
    // Gates 1/2, 1/4, 1/8 of each token: lost are 1/8, 1/2 + 1/8 and 7/8 of three times 7/8.
    close(mass, 13.0 / 21.0, 1e-7);
    for (rank, expected) in [(1, 2.0 / 3.0), (2, 1.0 / 3.0), (3, 1.0)] {
        close(over_all("choice_drop_ratio", Some(rank)), expected, 1e-12);
    }
    let rows: Vec<_> =
        tables["dropped_tokens"].rows.iter().map(|row| (row.variant.map(Variant::name), row.note.as_deref())).collect();
    let further = |expert: u16| format!("further choices: {expert} (dropped)");
    let (one, two) = (further(1), further(2));
    assert_eq!(rows[0], (Some("later_dropped"), Some(two.as_str())));
    assert_eq!(rows[1], (Some("first_dropped"), Some(one.as_str())));
    assert_eq!(rows[2], (Some("all_dropped"), Some(two.as_str())));
    let classes: Vec<_> = tables["expert_occupancy"].rows.iter().map(|row| row.variant.map(Variant::name)).collect();
    assert_eq!(classes, [Some("first_choice"), Some("second_choice"), Some("third_choice")]);
}

/// With two slots instead of one expert 0 refuses the first choice of token 2, nobody a second one; of the third ones
/// expert 1, with tokens 0 and 2, refuses token 1, and expert 2, with tokens 1 and 0, token 2.
#[test]
fn two_models_differ_rank_by_rank() {
    let (mut model, reference) = (three_choices(), three_choices());
    model.with_slots(1, |_| 2);
    let (model, reference) = (model.drop_study(&quick()), reference.drop_study(&quick()));
    let rows = drop_difference(&model, &reference, ("wide", "narrow")).unwrap().rows;
    let own = |row: &&Finding| row.variant == Some(Variant::Of(Statistic::ChoiceDropRatio));
    let ranks: Vec<&Finding> = rows.iter().filter(own).filter(|row| row.is_over_all()).collect();
    assert_eq!(ranks.iter().map(|row| row.rank).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
    for (row, (yours, theirs)) in ranks.iter().zip([(1.0 / 3.0, 2.0 / 3.0), (0.0, 1.0 / 3.0), (2.0 / 3.0, 1.0)]) {
        close(row.estimate, yours - theirs, 1e-12);
        assert_eq!((row.n, row.baseline, row.checkpoint.as_deref()), (3, Some(0.0), Some("wide")));
    }
    // First and second choices stay as with two choices.
    let first = one_of(&rows, |row| key(row) == "variant=first_choice_drop_ratio");
    assert_eq!(first.estimate, ranks[0].estimate);
}

#[test]
fn two_choices_have_no_table_of_their_own() {
    let mut run = MadeUpTrace::new(3, 2, &["text"], &[]);
    run.document(0, None, &[(7, vec![0, 1]), (8, vec![0, 2])]);
    run.with_slots(1, |_| 1);
    assert!(!run.drop_statistics(&quick()).contains_key("choice_drop_ratio"));
}

#[test]
fn eight_choices_of_seventy_experts_fill_the_queues_as_counted() {
    let mut random = Random(5);
    let mut run = MadeUpTrace::new(70, 8, &["text", "code"], &["x", "y"]);
    for document in 0..9 {
        let rows: Vec<(u32, Vec<ExpertId>)> = (0..40).map(|_| (random.below(9), random.subset(70, 8))).collect();
        run.document(document % 2, Some(document % 2), &rows);
    }
    run.with_slots(1, |_| 4);
    let mut settings = quick();
    settings.bin = 16;
    // Estimates and baselines are compared, no interval is.
    (settings.statistics.resamples, settings.statistics.permutations) = (0, 3);
    let tables = run.drop_statistics(&settings);
    let rows = &tables["expert_occupancy"].rows;
    assert_eq!(rows[0].note.as_deref(), Some("of 70 experts the 32 with most assignments are listed"));
    // Three classes, 32 experts, two bins that end within 40 positions.
    assert_eq!(rows.len(), 1 + 3 * 32 * 2);
    let last: Vec<&Finding> = rows.iter().filter(|row| row.variant == Some(Variant::EighthChoice)).collect();
    for row in [last[0], last[17], last[63]] {
        let (expert, end) = (row.expert.unwrap(), row.position.unwrap() as usize + 16);
        let taken = |sequence: &[ExpertId]| {
            let choices = || sequence.chunks_exact(8);
            let earlier = choices().flat_map(|choices| &choices[..7]).filter(|other| **other == expert).count();
            let own = choices().take(end).filter(|choices| choices[7] == expert).count();
            ((earlier + own) as f64 / 4.0).min(1.0)
        };
        let expected: f64 = run.layer.expert.chunks_exact(8 * 40).map(taken).sum::<f64>() / 9.0;
        close(row.estimate, expected, 1e-12);
    }
    // The ranks together are the assignments: every rank has as many choices.
    let of = |dataset: Option<&str>, category: Option<&str>| {
        let own = |row: &&Finding| (row.dataset.as_deref(), row.category.as_deref()) == (dataset, category);
        let ranks: Vec<&Finding> = tables["choice_drop_ratio"].rows.iter().filter(own).collect();
        assert_eq!(ranks.len(), 8);
        let mean = |value: fn(&Finding) -> Option<f64>| ranks.iter().filter_map(|row| value(row)).sum::<f64>() / 8.0;
        let all = one(&tables, RATIOS[0], |row| own(&row) && row.variable.is_none() && row.role.is_none());
        close(all.estimate, mean(|row| row.estimate), 1e-12);
        close(all.baseline, mean(|row| row.baseline), 1e-12);
        assert!(ranks.is_sorted_by_key(|row| row.rank) && ranks.iter().all(|row| row.n == all.n));
    };
    of(None, None);
    of(Some("text"), None);
    of(None, Some("y"));
}

/// No array has room for fewer choices than a trace may have: 20 of 20 experts, with one slot each for three tokens.
#[test]
fn more_than_sixteen_choices_are_counted() {
    let mut run = MadeUpTrace::new(20, 20, &["text"], &[]);
    run.document(0, None, &[(7, (0..20).collect()), (8, (0..20).rev().collect()), (9, (0..20).collect())]);
    run.with_slots(1, |_| 1);
    let tables = run.drop_statistics(&DropSettings { bin: 1, ..quick() });
    let last = Some(Variant::LastChoice);
    let rows: Vec<&Finding> = tables["expert_occupancy"].rows.iter().filter(|row| row.variant == last).collect();
    // Every expert has been chosen by the end of each token's last choice.
    assert!(!rows.is_empty() && rows.iter().all(|row| row.estimate == Some(1.0)), "{rows:?}");
}
