//! What filled the queues.

use expect_test::expect;
use openmoe_analyze::{
    routing::{CapacityRule, GroupRule},
    stats::{Finding, Variant},
};

use super::{hand_made::ten_tokens, support::*};

#[test]
fn queues_of_the_ten_tokens() {
    let tables = ten_tokens().drop_statistics(&quick());
    let rows = &tables["drop_causes"].rows;
    // Expert 0 drops 4 of the 6 assignments of document 0; its 2 in document 1 fit. Expert 1 drops 2 of 4 twice: 7 7 7 9
    // and 7 8 8 8. The lower expert first. Expert 2 drops nothing.
    let token = |row: &&Finding| row.variant == Some(Variant::Token);
    let listed: Vec<_> =
        rows.iter().filter(token).map(|row| (row.expert, row.rank, row.token_id, row.estimate, row.n)).collect();
    let expected = [(0, 1, 7, 3.0, 6), (0, 2, 8, 2.0, 6), (0, 3, 9, 1.0, 6), (1, 1, 7, 4.0, 8), (1, 2, 8, 3.0, 8)];
    let last = [(1, 3, 9, 1.0, 8)];
    let expected: Vec<_> = expected
        .iter()
        .chain(&last)
        .map(|(expert, rank, id, count, n)| (Some(*expert), Some(*rank), Some(*id), Some(count / *n as f64), *n))
        .collect();
    assert_eq!(listed, expected);
    let first = rows.iter().find(token).unwrap();
    assert_eq!((first.baseline, first.text.as_deref()), (Some(0.4), Some("piece 7")));
    expect!["no interval: 1 document, at least 8 needed; 4 of 6 dropped, routing groups: 1"]
        .assert_eq(first.note.as_deref().unwrap());
    // Half of the queue of expert 0 is the user's, whose tokens are 3 of 10; document 1 has no roles.
    let user = one(&tables, "drop_causes", |row| row.expert == Some(0) && row.role.map(Role::name) == Some("user"));
    assert_eq!((user.estimate, user.baseline, user.variant.map(Variant::name)), (Some(0.5), Some(0.3), Some("role")));
    let turn = one(&tables, "drop_causes", |row| row.expert == Some(1) && row.turn == Some(1));
    assert_eq!((turn.estimate, turn.baseline, turn.variant.map(Variant::name)), (Some(0.25), Some(0.3), Some("turn")));
}

/// Token 5 always asks for expert 2, and is a third of the text of the assistant; all others spread over 8 experts.
#[test]
fn a_planted_culprit_is_found() {
    let mut random = Random(11);
    let mut run = MadeUpTrace::of_router(router(8, 2, CapacityRule::Port, 1.0), &["a", "b"], &[]);
    for document in 0..12 {
        let tokens: Vec<Token> = (0..90)
            .map(|position| {
                let culprit = position >= 30 && random.below(2) == 0;
                let id = if culprit { 5 } else { 100 + random.below(20) };
                let first = if culprit { 2 } else { random.below(8) as u16 };
                let second = (first + 1 + random.below(7) as u16) % 8;
                token(id, &[first, second], &[0.5, 0.2])
            })
            .collect();
        let sequence = run.document(u16::from(document >= 6), None, &tokens);
        run.span(sequence, 0, Role::User, 0, 30);
        run.span(sequence, 1, Role::Assistant, 30, 90);
    }
    let tables = run.queue(GroupRule::Sequence).drop_statistics(&quick());
    let worst = &tables["drop_causes"].rows[0];
    assert_eq!((worst.expert, worst.rank, worst.token_id), (Some(2), Some(1), Some(5)));
    assert!(worst.low.unwrap() > worst.baseline.unwrap(), "{worst:#?}");
    let assistant =
        one(&tables, "drop_causes", |row| row.expert == Some(2) && row.role.map(Role::name) == Some("assistant"));
    assert!(assistant.low.unwrap() > assistant.baseline.unwrap(), "{assistant:#?}");
    assert!((assistant.baseline.unwrap() - 2.0 / 3.0).abs() < 1e-12);
    let listed = tables["drop_causes"].rows.iter().filter(|row| row.expert == Some(2) && row.rank.is_some());
    assert_eq!(listed.count(), 10);
}

#[test]
fn without_drops_there_is_no_cause() {
    let mut run = ten_tokens();
    run.router.capacity_rule = CapacityRule::Unlimited;
    let tables = run.queue(GroupRule::Sequence).drop_statistics(&quick());
    let rows = &tables["drop_causes"].rows;
    assert_eq!((rows.len(), rows[0].estimate, rows[0].note.as_deref()), (1, None, Some("nothing is dropped")));
}
