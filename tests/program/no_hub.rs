//! A program that was built without the hub.

use expect_test::expect;

use crate::support::program::openmoe;

#[test]
fn names_are_refused() {
    openmoe("fetch OrionZheng/openmoe-8b").refused(&expect![[r#"
        error: this program was built without the hub: it fetches nothing by name

        hint: build it with the feature `hub`, which is on by default, or give the folder of a checkpoint
    "#]]);
}
