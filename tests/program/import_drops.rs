//! `drops` of imported routes, from the record to the page.

use std::path::Path;

use expect_test::expect;

use crate::support::{
    files::fixture,
    program::{openmoe_with, refusals},
};

/// An import of the bundled responses, whose choices are in no order.
fn imported(folder: &Path) -> String {
    let (responses, config) = (fixture("imports/vllm/responses.jsonl"), fixture("imports/config.json"));
    let out = folder.join("import").display().to_string();
    let [responses, config] = [responses, config].map(|path| path.display().to_string());
    let outcome = openmoe_with(&["import", &responses, "--model-config", &config, "--out", &out, "--quiet"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    out
}

#[test]
fn a_capacity_is_asked_of_imported_routes() {
    let folder = tempfile::tempdir().unwrap();
    let import = imported(folder.path());
    let out = folder.path().join("drops").display().to_string();
    let options = ["--capacity-factor", "1", "--group", "tokens:4096", "--expert-parallel", "2", "--out", &out];
    openmoe_with(&[&["drops", &import, "--dry-run"][..], &options].concat()).done_printing(&expect![[r#"
        0 forward passes: the routes of 3 sequences are there; their queues are replayed at capacity factor 1 (rule port, group tokens:4096)
        dry run: nothing was written
    "#]]);
    assert!(!Path::new(&out).exists(), "a dry run writes nothing");
    openmoe_with(&[&["drops", &import][..], &options].concat()).done_printing(&expect![[r#"
        At capacity factor 1 (rule port, group tokens:4096): there is not enough data to say whether later tokens are dropped more (the trace records no order of the choices: which of them would find a slot is unknown).
        Layer 3, which drops most, drops 13.64 % of its assignments of tokens to experts.

        no capacity in this record; what follows would be dropped of its choices at capacity factor 1 (rule port, group tokens:4096)
        layer 1: 13.64 % of the assignments are dropped; no trend was measured (the trace records no order of the choices: which of them would find a slot is unknown)
        layer 2: 13.64 % of the assignments are dropped; no trend was measured (the trace records no order of the choices: which of them would find a slot is unknown)
        layer 3: 13.64 % of the assignments are dropped; no trend was measured (the trace records no order of the choices: which of them would find a slot is unknown)
        experts on 2 ranks: the most loaded one has 1.18 to 1.27 times the mean load batch by batch, 1.18 to 1.27 times over all tokens, by layer

        5 charts in TEMP/drops/charts, the report in TEMP/drops/report.html
    "#]]);
    let before = std::fs::read(Path::new(&out).join("summary.json")).unwrap();
    for again in [&["stats", &out][..], &["chart", &out], &["report", &out], &["notebook", &out]] {
        let outcome = openmoe_with(again);
        assert_eq!(outcome.code, 0, "{again:?}: {}", outcome.stderr);
    }
    assert_eq!(std::fs::read(Path::new(&out).join("summary.json")).unwrap(), before);
}

#[test]
fn what_needs_a_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let import = imported(folder.path());
    let out = folder.path().join("out").display().to_string();
    let arguments = [
        &["--corpus", "text"][..],
        &["--transcripts", "text"],
        &["--compare", "other"],
        &["--exact-replay", "2"],
        &["--expert-parallel", "3"],
        &["--capacity-factor", "-1"],
    ];
    let asked = |own: &&[&str]| openmoe_with(&[&["drops", &import][..], *own, &["--out", &out]].concat());
    expect![[r#"
        error: --corpus with `TEMP/import`, which is a finished run: nothing is routed again

        hint: leave --corpus out, or give a checkpoint

        error: --transcripts with `TEMP/import`, which is a finished run: nothing is routed again

        hint: leave --transcripts out, or give a checkpoint

        error: --compare with `TEMP/import`, which is a finished run: nothing is routed again

        hint: leave --compare out, or give a checkpoint

        error: --exact-replay with `TEMP/import`, which is a finished run: nothing is routed again

        hint: leave --exact-replay out, or give a checkpoint

        error: --expert-parallel 3; expected numbers that divide the experts of every layer, [8]

        hint: for example --expert-parallel 2 4

        error: --capacity-factor -1; expected a positive number

        hint: for no drops at all use --capacity-rule unlimited
    "#]]
    .assert_eq(&refusals(arguments.iter().map(asked)));
}
