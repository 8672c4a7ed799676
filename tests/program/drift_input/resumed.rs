//! Runs that are gone on with.

use super::*;

/// A finished drift run of two checkpoints, the first of which may be changed.
fn finished(folder: &Path) -> (PathBuf, Vec<String>) {
    let (checkpoint, out) = (folder.join("early-1M"), folder.join("out"));
    copy_folder(Path::new(&tiny("9.8M")), &checkpoint);
    let checkpoints = vec![text(&checkpoint), tiny("12.3M")];
    let outcome = drift(&[&checkpoints[0], &checkpoints[1]], &["--out", &text(&out)]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    (out, checkpoints)
}

#[test]
fn a_resumed_run_may_change_its_statistics_but_stays_complete_if_its_traces_would_change() {
    let temporary = tempfile::tempdir().unwrap();
    let (out, checkpoints) = finished(temporary.path());
    let resume = |more: &[&str]| {
        drift(&[&checkpoints[0], &checkpoints[1]], &[&["--resume", "--out", &text(&out)], more].concat())
    };
    let outcome = resume(&["--match-experts", "--tokens-of-interest", "7"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let manifest = read_json(&out.join("manifest.json"));
    assert_eq!((&manifest["match_experts"], &manifest["tokens_of_interest"]), (&json!(true), &json!([7])));
    assert!(out.join("stats/expert_matching.csv").is_file());
    let before = contents(&out);
    let weights = Path::new(&checkpoints[0]).join("model.safetensors");
    let kept = fs::read(&weights).unwrap();
    let mut changed = kept.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&weights, changed).unwrap();
    resume(&[]).refused(&expect![[r#"
        categories: 1 by `domain`
        --max-sequences left out 56 documents, in whole or in part
        error: --resume: `TEMP/out` holds another run; different: checkpoints[0].checkpoint.weights[0].sha256: "6c3b636cd66cf8857d60b9678c8d805bcb1c4848361fb8d849ae5f457947da82" there, "323b9e03d6699c9ce5f17623fd1fa8a0ec4c80975afead8d763f88031ed52b86" now

        hint: repeat the command that made it, or choose another --out
    "#]]);
    fs::write(&weights, kept).unwrap();
    assert!(contents(&out) == before, "nothing was touched");
    alter(&out.join("checkpoints/early-1M/manifest.json"), |manifest| manifest["context"] = json!(64));
    resume(&[]).refused(&expect![[r#"
        categories: 1 by `domain`
        --max-sequences left out 56 documents, in whole or in part
        error: --resume: `TEMP/out/checkpoints/early-1M` holds another run; different: context: 64 there, 2048 now

        hint: repeat the command that made it, or choose another --out
    "#]]);
    assert_eq!(read_json(&out.join("manifest.json"))["complete"], true);
}

#[test]
fn a_drops_run_stays_complete_if_it_cannot_be_resumed() {
    let temporary = tempfile::tempdir().unwrap();
    let out = temporary.path().join("out");
    let drops = |more: &[&str]| {
        let first = ["drops", &tiny("9.8M"), "--compare", &tiny("12.3M")];
        twelve_documents(&first, &[&["--exact-replay", "1.25", "--out", &text(&out)], more].concat())
    };
    let outcome = drops(&[]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let before = fs::read(out.join("summary.json")).unwrap();
    assert_eq!(drops(&["--resume", "--bin", "32"]).code, 0);
    assert_eq!(read_json(&out.join("summary.json"))["bin"], 32);
    assert_eq!(drops(&["--resume"]).code, 0);
    assert!(fs::read(out.join("summary.json")).unwrap() == before, "resumed");
    let folders = [
        (
            "checkpoints/openmoe-tiny-12.3M",
            expect![[r#"
        categories: 1 by `domain`
        --max-sequences left out 56 documents, in whole or in part
        error: --resume: `TEMP/out/checkpoints/openmoe-tiny-12.3M` holds another run; different: version: "0.0.1" there, "VERSION" now

        hint: repeat the command that made it, or choose another --out
    "#]],
        ),
        (
            "exact_replay/1.25",
            expect![[r#"
        categories: 1 by `domain`
        --max-sequences left out 56 documents, in whole or in part
        error: --resume: `TEMP/out/exact_replay/1.25` holds another run; different: version: "0.0.1" there, "VERSION" now

        hint: repeat the command that made it, or choose another --out
    "#]],
        ),
    ];
    for (folder, message) in folders {
        let manifest = out.join(folder).join("manifest.json");
        let kept = fs::read(&manifest).unwrap();
        alter(&manifest, |manifest| manifest["version"] = json!("0.0.1"));
        drops(&["--resume"]).refused(&message);
        assert_eq!(read_json(&out.join("manifest.json"))["complete"], true);
        fs::write(&manifest, kept).unwrap();
    }
}
