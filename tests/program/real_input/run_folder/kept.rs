//! A complete run stays what it is where a later command fails, is of another version or knows less.

use super::*;

#[test]
fn statistics_that_fail_leave_the_run_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (moved, run) = (folder.path().join("r0"), folder.path().join("d"));
    copy_tree(&FINISHED.path("r0"), &moved);
    copy_tree(&FINISHED.path("d"), &run);
    let there = moved.canonicalize().unwrap().display().to_string();
    change(&run, |manifest| manifest["checkpoints"][0]["trace"] = json!(there));
    let before = contents(&run);
    // Another run in the place of the one that was reused.
    change(&moved, |manifest| manifest["run_digest"] = json!("0".repeat(64)));
    of("stats", &run, &[]).refused(&expect![[r#"
        error: `TEMP/d` reuses the run `TEMP/r0`, in whose place there is another run now

        hint: put it back where it was, or make `TEMP/d` again
    "#]]);
    fs::rename(&moved, folder.path().join("elsewhere")).unwrap();
    expect![[r#"
        error: `TEMP/d` reuses the run `TEMP/r0`, which is not there any more

        hint: put it back where it was, or make `TEMP/d` again
    "#]]
    .assert_eq(&refusals(["stats", "chart"].map(|command| of(command, &run, &[]))));
    assert!(contents(&run) == before, "a refused pass has changed the run");
    let (_folder, route) = FINISHED.copy("r0");
    fs::remove_dir_all(route.join("trace")).unwrap();
    let before = contents(&route);
    of("stats", &route, &[]).refused(&expect![[r#"
        error: `TEMP/run/trace/part-00000.parquet` is missing: the forward pass of this run is not complete

        hint: run the same command with --resume
    "#]]);
    assert!(contents(&route) == before, "a refused pass has changed the run");
    assert_eq!(of("notebook", &route, &[]).code, 0, "its statistics are there, with these settings");
}

#[test]
fn another_version_is_named_and_recorded() {
    let (_folder, run) = FINISHED.copy("r0");
    change(&run, |manifest| {
        manifest["version"] = json!("0.0.1");
        manifest["statistics_version"] = json!("0.0.2");
    });
    flip(&run.join("stats/mutual_information.parquet"), 460);
    fs::write(run.join("charts/mine.svg"), "mine").unwrap();
    of("notebook", &run, &[]).refused(&expect![[r#"
        `TEMP/run`: the statistics were made by version 0.0.2; this is version VERSION
        error: `TEMP/run/stats/mutual_information.parquet` is damaged: its SHA-256 is not the one that it was written with

        hint: make the statistics again with `openmoe-analyze stats RUN`
    "#]]);
    of("stats", &run, &[]).done_saying(&expect![[r#"
        `TEMP/run`: the run was made by version 0.0.1; this is version VERSION
    "#]]);
    let now = env!("CARGO_PKG_VERSION");
    assert_eq!(read_json(&run.join("manifest.json"))["statistics_version"], now);
    let summary = read_json(&run.join("summary.json"));
    assert_eq!((&summary["version"], &summary["statistics_version"]), (&json!("0.0.1"), &json!(now)));
    let table = "stats/mutual_information.parquet";
    assert!(fs::read(run.join(table)).unwrap() == fs::read(FINISHED.path("r0").join(table)).unwrap());
    assert_eq!(fs::read(run.join("charts/mine.svg")).unwrap(), b"mine", "no file of the run");
}

#[test]
fn a_report_of_several_runs_stays_one() {
    let (_folder, run) = FINISHED.copy("r0");
    copy_tree(&FINISHED.path("d"), &run.join("drift"));
    change(&run, |manifest| manifest["report_runs"] = json!(["drift", "../r0"]));
    let shows_both = || {
        let page = fs::read_to_string(run.join("report.html")).unwrap();
        page.contains("Router saturation") && page.contains("Mutual information")
    };
    assert!(!shows_both(), "the test sees too little");
    for command in ["report", "chart"] {
        let outcome = of(command, &run, &[]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        assert!(shows_both(), "{command}");
        assert_eq!(read_json(&run.join("manifest.json"))["report_runs"][0], "drift");
        fs::copy(FINISHED.path("r0").join("report.html"), run.join("report.html")).unwrap();
    }
}

#[test]
fn a_complete_run_stays_complete_until_something_changes() {
    for name in ["r0", "d"] {
        let (_folder, run) = FINISHED.copy(name);
        // The first file that is written besides the inputs cannot be.
        fs::remove_dir_all(run.join("stats")).unwrap();
        fs::write(run.join("stats"), "in the way").unwrap();
        let resume = || match name {
            "d" => FINISHED.drift(&FINISHED.path("r0"), &run, &["--resume"]),
            _ => FINISHED.route(&run, &["--resume"]),
        };
        let outcome = resume();
        assert_ne!(outcome.code, 0, "{}", outcome.stderr);
        assert_eq!(read_json(&run.join("manifest.json"))["complete"], true, "{name}");
        fs::remove_file(run.join("stats")).unwrap();
        assert_eq!(resume().code, 0);
        assert_same(&run, &FINISHED.path(name));
    }
}
