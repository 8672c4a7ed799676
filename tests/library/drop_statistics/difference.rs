//! Two models on the same sequences.

use expect_test::expect;
use openmoe_analyze::{
    error::Error,
    stats::{Finding, drop_difference},
};

use super::{
    hand_made::{settings, two_sequences},
    support::*,
};
use crate::support::snapshot::told;

fn difference(model: &MadeUpTrace, reference: &MadeUpTrace) -> Vec<Finding> {
    drop_difference(&model.drop_study(&settings()), &reference.drop_study(&settings()), ("chat", "base")).unwrap().rows
}

#[test]
fn differences_of_ratios_and_trend() {
    let reference = two_sequences();
    let mut model = two_sequences();
    // Three slots: a keeps its first choices, of the second ones only a1 (slot 4) and a5 (slot 4) are lost; b loses b3.
    model.with_slots(1, |_| 3);
    let dropped: Vec<usize> = (0..20).filter(|index| !model.layer.kept[*index]).collect();
    assert_eq!(dropped, [1, 3, 7, 11, 19]);
    let rows = difference(&model, &reference);
    let found = |keys: &str| one_of(&rows, |row| key(row) == keys);
    // 5/20 and 9/20; first choices 0 and 3 of 10; a: 4/12 and 6/12; user: 2/6 and 3/6.
    let expected = [
        ("variant=assignment_drop_ratio", -0.2, 10),
        ("variant=first_choice_drop_ratio", -0.3, 10),
        ("variant=token_drop_ratio", -0.1, 10),
        ("dataset=chat variant=assignment_drop_ratio", -2.0 / 12.0, 6),
        ("role=user variant=assignment_drop_ratio", -1.0 / 6.0, 3),
        ("variable=position_bucket position=4 variant=assignment_drop_ratio", -1.0 / 4.0, 2),
        // Model: a 1/2 to 1/2, b 0 to 1/2; reference 0.5 and 0.5.
        ("variant=drop_trend", 0.25 - 0.5, 2),
    ];
    for (keys, value, n) in expected {
        let row = found(keys);
        close(row.estimate, value, 1e-12);
        assert_eq!((row.n, row.baseline, row.documents), (n, Some(0.0), row.documents), "{keys}");
        assert_eq!((row.checkpoint.as_deref(), row.reference.as_deref()), (Some("chat"), Some("base")));
    }
    // A model does not differ from itself.
    assert!(difference(&model, &model).iter().all(|row| row.estimate == Some(0.0)));
}

#[test]
fn pairing_removes_what_both_models_share() {
    // Twenty documents whose drops differ widely; the model loses one token less in each.
    let mut reference = MadeUpTrace::new(2, 1, &["all"], &[]);
    for document in 0..20 {
        reference.document(0, None, &vec![(0, vec![(document % 2) as u16]); 20]);
    }
    reference.with_slots(1, |_| 20);
    let mut model = reference.clone();
    for document in 0..20 {
        let dropped = 1 + document % 15;
        reference.layer.kept[document * 20..document * 20 + dropped].fill(false);
        model.layer.kept[document * 20 + 1..document * 20 + dropped].fill(false);
    }
    let rows = difference(&model, &reference);
    let row = one_of(&rows, |row| key(row) == "variant=assignment_drop_ratio");
    for value in [row.estimate, row.low, row.high] {
        close(value, -0.05, 1e-12);
    }
}

#[test]
fn shared_groups_and_no_drops_have_no_interval() {
    let of = |size: usize, slots: u32| {
        let mut run = MadeUpTrace::new(2, 1, &["all"], &[]);
        for document in 0..16 {
            run.document(0, None, &vec![(0, vec![(document % 2) as u16]); 64 + document]);
        }
        run.with_slots(size, |_| slots);
        run
    };
    let reason = |model: &MadeUpTrace, reference: &MadeUpTrace, variant: &str| {
        let rows = difference(model, reference);
        let row = one_of(&rows, |row| key(row) == format!("variant={variant}"));
        assert_eq!(row.low.is_none(), row.note.is_some());
        row.note.clone().unwrap_or_default().into_owned()
    };
    for variant in ["assignment_drop_ratio", "drop_trend"] {
        assert_eq!(reason(&of(1, 20), &of(1, 30), variant), "");
        let mixed = "no interval: documents share routing groups";
        assert_eq!(reason(&of(4, 20), &of(1, 30), variant), mixed);
        assert_eq!(reason(&of(1, 20), &of(4, 30), variant), mixed);
    }
    let neither = "no interval: neither model dropped anything in 16 documents";
    assert_eq!(reason(&of(1, 100), &of(1, 90), "gate_mass_lost"), neither);
}

#[test]
fn other_tokens_are_refused() {
    let reference = two_sequences();
    let mut model = two_sequences();
    model.layer.token_id[3] = 9;
    let (model, reference) = (model.drop_study(&settings()), reference.drop_study(&settings()));
    let error = drop_difference(&model, &reference, ("chat", "base")).unwrap_err();
    assert!(matches!(error, Error::Usage { .. }));
    expect![[r#"
        models `chat` and `base` cannot be compared: token id 9 and 5 in row 3

        hint: both models need the same transcripts, tokenizer, template and context
    "#]]
    .assert_eq(&told(&error));
}
