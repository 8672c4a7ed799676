//! How full the queues are along the text.

use expect_test::expect;
use openmoe_analyze::{
    routing::{CapacityRule, GroupRule},
    stats::{DropSettings, Finding, Tables, Variable, Variant},
};

use super::{hand_made::ten_tokens, support::*};

fn at(tables: &Tables, variant: &str, expert: u16, position: u32) -> Finding {
    let fits = |row: &Finding| {
        row.variant.map(Variant::name) == Some(variant) && row.expert == Some(expert) && row.position == Some(position)
    };
    one(tables, "expert_occupancy", fits).clone()
}

#[test]
fn occupancy_of_the_ten_tokens() {
    let tables = ten_tokens().drop_statistics(&DropSettings { bin: 2, ..quick() });
    // Capacity 2. First choices of expert 0: document 0 has 2 after position 1, 3 after 3, 4 after 5; document 1 none,
    // then 1, and does not reach 5.
    for (position, mean, n) in [(0, 0.5, 2), (2, 0.75, 2), (4, 1.0, 1)] {
        let row = at(&tables, "first_choice", 0, position);
        assert_eq!((row.estimate, row.n, row.variable.map(Variable::name)), (Some(mean), n, Some("position_bucket")));
    }
    // Second choices of expert 2 wait behind 1 first choice (t5) in document 0, behind none in document 1: 1 and 1
    // (u0) after position 1, 2 (t2) and 2 (u2) after 3.
    for (position, mean) in [(0, 0.5), (2, 1.0)] {
        assert_eq!(at(&tables, "second_choice", 2, position).estimate, Some(mean));
    }
    assert_eq!(tables["expert_occupancy"].rows.len(), 2 * 3 * 3);
    // Asked for alike, each of 3 experts has 2/3 of 2 slots after position 1; as second choice (6 + 2)/3 and (4 + 2)/3,
    // which is full.
    close(at(&tables, "first_choice", 1, 0).baseline, 1.0 / 3.0, 1e-12);
    close(at(&tables, "second_choice", 1, 0).baseline, 1.0, 1e-12);
}

#[test]
fn a_sequence_of_a_group_waits_behind_the_one_before() {
    // One group of ten tokens: 4 slots. Expert 1 as first choice: t3; then u0 u1, u2.
    let tables = ten_tokens().queue(GroupRule::Batch(2)).drop_statistics(&DropSettings { bin: 2, ..quick() });
    // After position 1 document 0 finds none, document 1 finds 3 of 4; after 3: 1 and 4.
    assert_eq!(at(&tables, "first_choice", 1, 0).estimate, Some(3.0 / 8.0));
    assert_eq!(at(&tables, "first_choice", 1, 2).estimate, Some(5.0 / 8.0));
    expect!["no interval: documents share routing groups"].assert_eq(&at(&tables, "first_choice", 1, 0).note.unwrap());
}

#[test]
fn what_cannot_be_shown_is_withheld() {
    let reasons = |tables: &Tables| -> Vec<String> {
        let rows = &tables["expert_occupancy"].rows;
        assert!(rows.iter().all(|row| row.estimate.is_none()));
        rows.iter().map(|row| row.note.clone().unwrap().into_owned()).collect()
    };
    let tables = ten_tokens().drop_statistics(&quick());
    assert_eq!(reasons(&tables), ["no sequence reaches the end of a bin of 64 positions"; 2]);
    let mut run = ten_tokens();
    run.router.capacity_rule = CapacityRule::Unlimited;
    assert_eq!(reasons(&run.queue(GroupRule::Sequence).drop_statistics(&quick())), ["the capacity is unlimited"; 2]);
}
