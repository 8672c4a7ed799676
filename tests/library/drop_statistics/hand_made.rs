//! Two sequences of six and four tokens, every drop counted by hand.

use expect_test::expect;
use openmoe_analyze::{
    routing::ExpertId,
    stats::{DropSettings, Finding, Settings, Variable, Variant, drop_trend},
};

use super::support::*;

/// E = 3, k = 2, two slots per expert, each sequence its own group, gate probabilities 1/2 and 1/4. First choices queue
/// before second ones; `x` marks a drop (slot >= 2):
///
/// | row | token | choices | slots | dropped | who            |
/// |-----|-------|---------|-------|---------|----------------|
/// | a0  | 0     | 0 1     | 0 3   | - x     | user, turn 0   |
/// | a1  | 5     | 0 1     | 1 4   | - x     | user, turn 0   |
/// | a2  | 6     | 0 2     | 2 0   | x -     | user, turn 0   |
/// | a3  | 5     | 1 0     | 0 3   | - x     | assistant, 1   |
/// | a4  | 5     | 1 2     | 1 1   | - -     | assistant, 1   |
/// | a5  | 6     | 1 0     | 2 4   | x x     | assistant, 1   |
/// | b0  | 0     | 2 0     | 0 1   | - -     | plain text     |
/// | b1  | 6     | 2 0     | 1 2   | - x     | plain text     |
/// | b2  | 6     | 2 1     | 2 0   | x -     | plain text     |
/// | b3  | 5     | 0 2     | 0 3   | - x     | plain text     |
pub(crate) fn two_sequences() -> MadeUpTrace {
    let mut run = MadeUpTrace::new(3, 2, &["chat", "text"], &["x", "y"]);
    let row = |(token, choices): (&u32, &[ExpertId; 2])| (*token, choices.to_vec());
    let rows = |tokens: &[u32], choices: &[[ExpertId; 2]]| -> Vec<_> { tokens.iter().zip(choices).map(row).collect() };
    let a = rows(&[0, 5, 6, 5, 5, 6], &[[0, 1], [0, 1], [0, 2], [1, 0], [1, 2], [1, 0]]);
    let b = rows(&[0, 6, 6, 5], &[[2, 0], [2, 0], [2, 1], [0, 2]]);
    let chat = run.document(0, Some(0), &a);
    run.span(chat, 0, Role::User, 0, 3);
    run.span(chat, 1, Role::Assistant, 3, 6);
    run.document(1, Some(1), &b);
    run.with_slots(1, |_| 2);
    let (kept, lost) = (true, false);
    let a = [kept, lost, kept, lost, lost, kept, kept, lost, kept, kept, lost, lost];
    let b = [kept, kept, kept, lost, lost, kept, kept, lost];
    assert_eq!(run.layer.kept, [&a[..], &b[..]].concat());
    run
}

pub(crate) fn settings() -> DropSettings {
    let statistics = Settings { minimum_occurrences: 3, ..quick().statistics };
    DropSettings { bin: 2, minimum_length: 4, ..with(statistics) }
}

#[test]
fn five_ratios_by_text_and_message() {
    let tables = two_sequences().drop_statistics(&settings());
    // All assignments, first choices, second choices, tokens that lost both, gate mass; n.
    let expected = [
        ("", [9.0 / 20.0, 3.0 / 10.0, 6.0 / 10.0, 1.0 / 10.0, 3.0 / 7.5], 10),
        ("dataset=chat", [6.0 / 12.0, 2.0 / 6.0, 4.0 / 6.0, 1.0 / 6.0, 2.0 / 4.5], 6),
        ("dataset=text", [3.0 / 8.0, 1.0 / 4.0, 2.0 / 4.0, 0.0, 1.0 / 3.0], 4),
        ("category=x", [6.0 / 12.0, 2.0 / 6.0, 4.0 / 6.0, 1.0 / 6.0, 2.0 / 4.5], 6),
        ("role=user", [3.0 / 6.0, 1.0 / 3.0, 2.0 / 3.0, 0.0, 1.0 / 2.25], 3),
        ("role=assistant", [3.0 / 6.0, 1.0 / 3.0, 2.0 / 3.0, 1.0 / 3.0, 1.0 / 2.25], 3),
        ("turn=1", [3.0 / 6.0, 1.0 / 3.0, 2.0 / 3.0, 1.0 / 3.0, 1.0 / 2.25], 3),
        ("dataset=chat role=user", [3.0 / 6.0, 1.0 / 3.0, 2.0 / 3.0, 0.0, 1.0 / 2.25], 3),
        ("dataset=chat turn=0", [3.0 / 6.0, 1.0 / 3.0, 2.0 / 3.0, 0.0, 1.0 / 2.25], 3),
    ];
    for (keys, values, n) in expected {
        for (table, value) in RATIOS.iter().zip(values) {
            let row = at(&tables, table, keys);
            close(row.estimate, value, 1e-12);
            assert_eq!((row.n, row.low, &*row.unit, row.view.name()), (n, None, "share", "chosen"), "{table} {keys}");
            assert!(row.note.as_deref().unwrap().starts_with("no interval:"), "{row:?}");
        }
    }
}

#[test]
fn five_ratios_by_expert_and_token() {
    let tables = two_sequences().drop_statistics(&settings());
    // Expert 0: first choice of a0 a1 a2 b3, a2 dropped; second of a3 a5 b0 b1, all but b0 dropped. a5 lost everything.
    // Gate: (1/2 + 3/4) / (4/2 + 4/4). Of its first and second choices n counts the first or the second ones.
    let expected = [
        ("variable=expert expert=0", [4.0 / 8.0, 1.0 / 4.0, 3.0 / 4.0, 1.0 / 8.0, 1.25 / 3.0], [8, 4, 4, 8, 8]),
        // Token 5 at a1 a3 a4 b3: second choices of a1 a3 b3.
        ("variable=token token_id=5", [3.0 / 8.0, 0.0, 3.0 / 4.0, 0.0, 0.75 / 3.0], [4; 5]),
    ];
    for (keys, values, n) in expected {
        for ((table, value), n) in RATIOS.iter().zip(values).zip(n) {
            let row = at(&tables, table, keys);
            close(row.estimate, value, 1e-12);
            assert_eq!(row.n, n, "{table} {keys}");
        }
    }
    // Token 0 occurs twice only.
    assert!(tables[RATIOS[0]].rows.iter().all(|row| row.token_id != Some(0)));
}

#[test]
fn curves_of_all_that_reach_a_position_and_of_the_fixed_cohort() {
    let tables = two_sequences().drop_statistics(&settings());
    let expected = [
        ("variable=position_bucket position=0", 3.0 / 8.0, 4),
        ("variable=position_bucket position=2", 4.0 / 8.0, 4),
        ("variable=position_bucket position=4", 2.0 / 4.0, 2),
        ("variable=position_bucket dataset=text position=2", 2.0 / 4.0, 2),
        ("variable=position position=1", 2.0 / 4.0, 2),
        ("variable=position position=5", 2.0 / 2.0, 1),
        ("variable=position dataset=text position=1", 1.0 / 2.0, 1),
    ];
    for (keys, value, n) in expected {
        let row = at(&tables, RATIOS[0], keys);
        close(row.estimate, value, 1e-12);
        assert_eq!((row.n, row.baseline_kind.map(BaselineKind::name)), (n, Some("within_sequence")), "{keys}");
    }
    assert!(tables[RATIOS[1]].rows.iter().all(|row| row.variable != Some(Variable::Position)));
    let fixed = at(&tables, RATIOS[0], "variable=position_bucket cohort=fixed dataset=text position=0");
    assert_eq!((fixed.estimate, fixed.n), (None, 0));
    assert_eq!(fixed.note.as_deref(), Some("no fixed cohort: 1 document, at least 8 needed"));
}

/// Two documents are a cohort: both reach the first four of six and four positions, in bins of two.
#[test]
fn the_fixed_cohort_is_as_long_as_enough_documents_reach() {
    let mut settings = settings();
    settings.statistics.minimum_documents = 2;
    let tables = two_sequences().drop_statistics(&settings);
    for (position, value) in [(0, 3.0 / 8.0), (2, 4.0 / 8.0)] {
        let row = at(&tables, RATIOS[0], &format!("variable=position_bucket cohort=fixed position={position}"));
        close(row.estimate, value, 1e-12);
        assert_eq!((row.n, row.documents), (4, Some(2)));
        expect!["2 sequences reach the end of the window of 4 positions"].assert_eq(row.note.as_deref().unwrap());
    }
    let fixed = |row: &&Finding| row.cohort.is_some() && row.dataset.is_none();
    assert_eq!(tables[RATIOS[0]].rows.iter().filter(fixed).count(), 2, "nothing behind the window");
    settings.bin = 5;
    let tables = two_sequences().drop_statistics(&settings);
    let none = at(&tables, RATIOS[3], "variable=position_bucket cohort=fixed position=0");
    assert_eq!(none.note.as_deref(), Some("no fixed cohort: fewer than 2 documents reach 5 positions"));
}

#[test]
fn the_order_of_the_rows_is_that_of_the_documentation() {
    let tables = two_sequences().drop_statistics(&settings());
    let order: Vec<String> = tables[RATIOS[3]].rows.iter().map(key).collect();
    let start =
        ["", "dataset=chat", "dataset=text", "category=x", "category=y", "role=user", "role=assistant", "turn=0"];
    assert_eq!(order[..8], start);
    assert_eq!(
        order[8..13],
        [
            "turn=1",
            "dataset=chat role=user",
            "dataset=chat role=assistant",
            "dataset=chat turn=0",
            "dataset=chat turn=1"
        ]
    );
}

#[test]
fn trend_within_sequences() {
    // Quarters of one token. a: first 1/2, last 2/2, middle 3/8; b: 0, 1/2, 2/4.
    // Slope: a has 1/2 at 0 to 3, 0 at 4, 1 at 5: sum (p - 2.5) y = 0.5 of 17.5; b 1/2 at 1 to 3: 0.75 of 5.
    let expected = [
        ("variant=last_minus_first", 0.5),
        ("variant=slope", 1000.0 * 1.25 / 22.5),
        ("variant=first_minus_middle", (0.125 - 0.5) / 2.0),
        ("variant=last_minus_middle", 0.625 / 2.0),
        ("dataset=chat variant=last_minus_first", 0.5),
        ("dataset=text variant=slope", 150.0),
    ];
    let tables = two_sequences().drop_statistics(&settings());
    for (keys, value) in expected {
        let row = at(&tables, "drop_trend", keys);
        close(row.estimate, value, 1e-9);
        close(row.corrected, value - row.baseline.unwrap(), 1e-9);
        assert_eq!(row.n, if keys.starts_with("dataset") { 1 } else { 2 });
        let unit = if keys.ends_with("slope") { "share per 1000 positions" } else { "share" };
        assert_eq!(row.unit, unit, "{keys}");
    }
    let excess = at(&tables, "drop_trend", "variant=last_minus_first_excess");
    close(excess.estimate, at(&tables, "drop_trend", "variant=last_minus_first").corrected.unwrap(), 1e-12);
    // From five positions on, the text is left out.
    let settings = DropSettings { minimum_length: 5, ..settings() };
    let rows = drop_trend(&two_sequences().drop_study(&settings)).rows;
    let row = one_of(&rows, |row| key(row) == "variant=last_minus_first");
    assert_eq!((row.n, row.documents), (1, Some(1)));
    expect!["no interval: 1 document, at least 8 needed; 1 sequence shorter than 5 positions left out"]
        .assert_eq(row.note.as_deref().unwrap());
    let text = one_of(&rows, |row| key(row) == "dataset=text variant=last_minus_first");
    assert_eq!(text.estimate, None);
}

#[test]
fn documents_by_their_drops() {
    let tables = two_sequences().drop_statistics(&settings());
    let rows = &tables["document_drops"].rows;
    let listed: Vec<_> = rows.iter().map(|row| (row.rank, row.document.as_deref(), row.estimate, row.n)).collect();
    assert_eq!(listed, [(Some(1), Some("document 0"), Some(0.5), 6), (Some(2), Some("document 1"), Some(0.375), 4)]);
    assert_eq!((rows[0].dataset.as_deref(), rows[0].category.as_deref()), (Some("chat"), Some("x")));
    assert_eq!((rows[0].baseline, rows[0].baseline_kind.map(BaselineKind::name)), (Some(0.45), Some("layer_mean")));
}

#[test]
fn without_the_first_token_only_the_counting_changes() {
    let mut settings = settings();
    settings.statistics.include_bos = false;
    let tables = two_sequences().drop_statistics(&settings);
    // Without a0 (one drop) and b0 (none).
    let all = at(&tables, RATIOS[0], "");
    close(all.estimate, 8.0 / 16.0, 1e-12);
    assert_eq!(all.n, 8);
    close(at(&tables, RATIOS[0], "variable=position_bucket position=0").estimate, 2.0 / 4.0, 1e-12);
    // No counted row is left in a first quarter of one token.
    assert_eq!(at(&tables, "drop_trend", "variant=last_minus_first").estimate, None);
}

#[test]
fn the_worst_conversation_token_by_token() {
    let rows = two_sequences().drop_statistics(&settings()).remove("dropped_tokens").unwrap().rows;
    let found: Vec<_> = rows
        .iter()
        .map(|row| {
            (row.position.unwrap(), row.turn.unwrap(), row.variant.map(Variant::name).unwrap(), row.estimate.unwrap())
        })
        .collect();
    let (first, second, all) = ("first_dropped", "second_dropped", "all_dropped");
    let expected = [(0, 0, second), (1, 0, second), (2, 0, first), (3, 1, second), (4, 1, "kept"), (5, 1, all)];
    let shares = [0.5, 0.5, 0.5, 0.5, 0.0, 1.0];
    let expected: Vec<_> =
        expected.into_iter().zip(shares).map(|((at, turn, what), share)| (at, turn, what, share)).collect();
    assert_eq!(found, expected);
    assert!(rows.iter().all(|row| row.document == rows[0].document && row.dataset.as_deref() == Some("chat")));
    assert_eq!(
        (rows[5].expert, rows[5].other_expert, rows[5].role.map(Role::name)),
        (Some(1), Some(0), Some("assistant"))
    );
}
