//! Files that a power cut emptied, a disk damaged or a kill left behind.

use super::*;

#[test]
fn what_a_power_cut_empties_and_a_disk_damages_is_made_again() {
    let (_folder, run) = FINISHED.copy("r0");
    fs::write(run.join("manifest.json"), "").unwrap();
    for empty in ["trace/part-00000.parquet", "router/part-00000.parquet", "sequences.parquet", "stats/expert_load.csv"]
    {
        fs::write(run.join(empty), "").unwrap();
    }
    flip(&run.join("trace/part-00001.parquet"), 300);
    flip(&run.join("tokens.parquet"), 460);
    let length = fs::metadata(run.join("router/part-00002.parquet")).unwrap().len();
    fs::write(run.join("router/part-00002.parquet"), vec![0; length as usize]).unwrap();
    // What a kill leaves besides.
    fs::write(run.join(LOCK), "1").unwrap();
    fs::write(run.join(".tmpAb12Cd"), "").unwrap();
    fs::write(run.join("trace/.writing-Ab12Cd"), "half").unwrap();
    FINISHED.route(&run, &[]).refused(&expect![[r#"
        categories: 2 by `category`
        error: --out `TEMP/run` holds an incomplete run; expected a new or empty folder

        hint: choose another --out, or add --force to replace the run, or --resume to go on with it
    "#]]);
    FINISHED.route(&run, &["--resume"]).done_saying(&expect![[r#"
        categories: 2 by `category`
        manifest.json of `TEMP/run` is missing or damaged and is made again; parts that have their checksum are kept
        openmoe-tiny-12.3M: 24 tokens in 3 sequences of 3 documents; MoE layers [1, 3, 5], 16 experts, top-2
        warning: `TEMP/run`: 4 files of the trace have another checksum than they were written with, or none: made again
        forward pass: 24 tokens in # s, # tokens/s
    "#]]);
    assert_same(&run, &FINISHED.path("r0"));
    assert_eq!(read_json(&run.join("manifest.json"))["complete"], true);
}

#[test]
fn one_flipped_bit_of_anything_that_is_read_is_noticed() {
    let trace = [
        "sequences.parquet",
        "groups.parquet",
        "tokens.parquet",
        "trace/part-00001.parquet",
        "router/part-00001.parquet",
    ];
    let (_folder, run) = FINISHED.copy("r0");
    let damaged = |command: &'static str, file: &'static str| {
        let whole = fs::read(run.join(file)).unwrap();
        let run = &run;
        [460, whole.len() / 2].map(|from_end| {
            flip(&run.join(file), from_end);
            let before = contents(run);
            let outcome = of(command, run, &[]);
            assert!(contents(run) == before, "{command} has changed a run that it refused");
            fs::write(run.join(file), &whole).unwrap();
            outcome
        })
    };
    expect![[r#"
        error: `TEMP/run/sequences.parquet` is damaged: its SHA-256 is not the one that it was written with

        hint: repeat the command that made the run with --resume: it makes what is damaged again, and keeps the rest

        error: `TEMP/run/groups.parquet` is damaged: its SHA-256 is not the one that it was written with

        hint: repeat the command that made the run with --resume: it makes what is damaged again, and keeps the rest

        error: `TEMP/run/tokens.parquet` is damaged: its SHA-256 is not the one that it was written with

        hint: repeat the command that made the run with --resume: it makes what is damaged again, and keeps the rest

        error: `TEMP/run/trace/part-00001.parquet` is damaged: its SHA-256 is not the one that it was written with

        hint: repeat the command that made the run with --resume: it makes what is damaged again, and keeps the rest

        error: `TEMP/run/router/part-00001.parquet` is damaged: its SHA-256 is not the one that it was written with

        hint: repeat the command that made the run with --resume: it makes what is damaged again, and keeps the rest
    "#]]
    .assert_eq(&refusals(trace.into_iter().flat_map(|file| damaged("stats", file))));
    let table = "stats/mutual_information.parquet";
    expect![[r#"
        error: `TEMP/run/stats/mutual_information.parquet` is damaged: its SHA-256 is not the one that it was written with

        hint: make the statistics again with `openmoe-analyze stats RUN`
    "#]]
        .assert_eq(&refusals(["chart", "report", "notebook"].into_iter().flat_map(|command| damaged(command, table))));
    expect![[r#"
        error: `TEMP/run/summary.json` is damaged: its SHA-256 is not the one that it was written with

        hint: make the statistics again with `openmoe-analyze stats RUN`
    "#]]
    .assert_eq(&refusals(damaged("report", "summary.json")));
    let (_folder, drift) = FINISHED.copy("d");
    let outcomes = ["checkpoints/B/logits/part-00000.parquet", "checkpoints/B/groups.parquet"].map(|file| {
        let whole = fs::read(drift.join(file)).unwrap();
        flip(&drift.join(file), whole.len() / 2);
        let outcome = of("stats", &drift, &[]);
        fs::write(drift.join(file), whole).unwrap();
        outcome
    });
    expect![[r#"
        error: `TEMP/run/checkpoints/B/logits/part-00000.parquet` is damaged: its SHA-256 is not the one that it was written with

        hint: repeat the command that made the run with --resume: it makes what is damaged again, and keeps the rest

        error: `TEMP/run/checkpoints/B/groups.parquet` is damaged: its SHA-256 is not the one that it was written with

        hint: repeat the command that made the run with --resume: it makes what is damaged again, and keeps the rest
    "#]].assert_eq(&refusals(outcomes));
}

/// What `stats` says of a run without checksums, one bit of which is another: places in the footer of a table, at which the
/// library that reads it panics, refuses or notices nothing.
fn flipped_without_checksums(file: &str) -> String {
    let said = [5, 60, 178, 180, 300, 460].map(|from_end| {
        let (_folder, run) = FINISHED.copy("r0");
        change(&run, |manifest| drop(manifest.as_object_mut().unwrap().remove("run_digest")));
        fs::remove_file(run.join("checksums.sha256")).unwrap();
        flip(&run.join(file), from_end);
        let outcome = of("stats", &run, &[]);
        assert!([0, 2].contains(&outcome.code), "{}", outcome.stderr);
        let kept = "was made before checksums were kept";
        assert!(outcome.stderr.contains(kept), "{}", outcome.stderr);
        let said = settled(&outcome.stderr);
        // What the library says behind it is its own affair.
        let ours = |line: &str| line.split_inclusive(" cannot be read: ").next().unwrap().to_owned();
        let lines: Vec<String> =
            said.lines().filter(|line| !line.contains(kept) && !line.is_empty()).map(ours).collect();
        format!(
            "{from_end} from the end: exit code {}; {}\n",
            outcome.code,
            if lines.is_empty() { "not noticed".to_owned() } else { lines.join(" ") }
        )
    });
    said.concat()
}

#[test]
fn damage_without_checksums_is_an_error_with_a_name() {
    expect![[r#"
        5 from the end: exit code 2; error: `TEMP/run/tokens.parquet` cannot be read:  hint: the run is damaged: repeat the command that made it with --resume; a run of another version: with --force
        60 from the end: exit code 2; error: `TEMP/run/tokens.parquet` cannot be read:  hint: the run is damaged: repeat the command that made it with --resume; a run of another version: with --force
        178 from the end: exit code 2; error: `TEMP/run/tokens.parquet` cannot be read:  hint: the run is damaged: repeat the command that made it with --resume; a run of another version: with --force
        180 from the end: exit code 2; error: `TEMP/run/tokens.parquet` cannot be read:  hint: the run is damaged: repeat the command that made it with --resume; a run of another version: with --force
        300 from the end: exit code 2; error: `TEMP/run/tokens.parquet` cannot be read:  hint: the run is damaged: repeat the command that made it with --resume; a run of another version: with --force
        460 from the end: exit code 0; not noticed
    "#]].assert_eq(&flipped_without_checksums("tokens.parquet"));
    expect![[r#"
        5 from the end: exit code 2; error: `TEMP/run/trace/part-00000.parquet` cannot be read:  hint: the run is damaged: repeat the command that made it with --resume; a run of another version: with --force
        60 from the end: exit code 2; error: `TEMP/run/trace/part-00000.parquet` cannot be read:  hint: the run is damaged: repeat the command that made it with --resume; a run of another version: with --force
        178 from the end: exit code 2; error: `TEMP/run/trace/part-00000.parquet` cannot be read:  hint: the run is damaged: repeat the command that made it with --resume; a run of another version: with --force
        180 from the end: exit code 2; error: `TEMP/run/trace/part-00000.parquet` cannot be read:  hint: the run is damaged: repeat the command that made it with --resume; a run of another version: with --force
        300 from the end: exit code 2; error: `TEMP/run/trace/part-00000.parquet` cannot be read:  hint: the run is damaged: repeat the command that made it with --resume; a run of another version: with --force
        460 from the end: exit code 2; error: `TEMP/run/trace/part-00000.parquet` cannot be read:  hint: the run is damaged: repeat the command that made it with --resume; a run of another version: with --force
    "#]].assert_eq(&flipped_without_checksums("trace/part-00000.parquet"));
}

#[test]
fn numbers_of_a_manifest_are_not_believed() {
    let (_folder, run) = FINISHED.copy("r0");
    let whole = fs::read(run.join("manifest.json")).unwrap();
    let cases = [
        ("/layout/top_k", json!(0)),
        ("/layout/top_k", json!(17)),
        ("/layout/num_experts", json!(0)),
        ("/layout/num_experts", json!(1_000_000_000_000_u64)),
        ("/layout/segments", json!(1_000_000_000_u64)),
        ("/layout/segments", json!(5_000_000)),
        ("/layout/segments", json!(-1)),
        ("/layout/moe_layers", json!([65_537, 3, 5])),
        ("/layout/moe_layers", json!("none")),
        ("/resamples", json!(1_000_000_000_000_u64)),
        ("/permutations", json!(1e300)),
    ];
    let outcomes = cases.map(|(key, value)| {
        change(&run, |manifest| *manifest.pointer_mut(key).unwrap() = value.clone());
        let outcome = of("stats", &run, &[]);
        fs::write(run.join("manifest.json"), &whole).unwrap();
        outcome
    });
    expect![[r#"
        error: manifest.json of `TEMP/run` has `layout.top_k` 0; expected a whole number from 1 to 255

        hint: the manifest was changed or the run made by another version: run it again with --force

        error: manifest.json of `TEMP/run` has `layout.top_k` 17; expected a whole number from 1 to 16

        hint: the manifest was changed or the run made by another version: run it again with --force

        error: manifest.json of `TEMP/run` has `layout.num_experts` 0; expected a whole number from 1 to 65536

        hint: the manifest was changed or the run made by another version: run it again with --force

        error: manifest.json of `TEMP/run` has `layout.num_experts` 1000000000000; expected a whole number from 1 to 65536

        hint: the manifest was changed or the run made by another version: run it again with --force

        error: manifest.json of `TEMP/run` has `layout.segments` 1000000000; expected a whole number from 0 to 10000000

        hint: the manifest was changed or the run made by another version: run it again with --force

        error: `TEMP/run/trace/part-00003.parquet` is missing: the forward pass of this run is not complete

        hint: run the same command with --resume

        error: manifest.json of `TEMP/run` has `layout.segments` -1; expected a whole number from 0 to 10000000

        hint: the manifest was changed or the run made by another version: run it again with --force

        error: manifest.json of `TEMP/run` has `layout.moe_layers[0]` 65537; expected a whole number from 0 to 65535

        hint: the manifest was changed or the run made by another version: run it again with --force

        error: manifest.json of `TEMP/run` has `layout.moe_layers` "none"; expected ascending numbers up to 65535

        hint: the manifest was changed or the run made by another version: run it again with --force

        error: manifest.json of `TEMP/run` has `resamples` 1000000000000; expected a whole number from 0 to 100000

        hint: the manifest was changed or the run made by another version: run it again with --force

        error: manifest.json of `TEMP/run` has `permutations` 1e+300; expected a whole number from 0 to 100000

        hint: the manifest was changed or the run made by another version: run it again with --force
    "#]].assert_eq(&refusals(outcomes));
}

#[test]
fn a_kill_in_a_small_window_leaves_a_folder_that_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let dry = |more: &[&str]| FINISHED.route(&out, &[&["--dry-run"], more].concat());
    for left in [".writing-Ab12Cd", LOCK, ".tmpAb12Cd", "trace/.writing-Ab12Cd"] {
        fs::create_dir_all(out.join(left).parent().unwrap()).unwrap();
        fs::write(out.join(left), "").unwrap();
        for more in [&[][..], &["--resume"], &["--force"]] {
            assert_eq!(dry(more).code, 0, "{left} {more:?}");
        }
    }
    fs::write(out.join(".writing-my-thesis"), "mine").unwrap();
    dry(&[]).refused(&expect![[r#"
        categories: 2 by `category`
        error: --out `TEMP/run` holds other files; expected a new or empty folder

        hint: choose another --out, or add --force to replace the run, or --resume to go on with it
    "#]]);
    // What was typed is not proposed again.
    dry(&["--resume"]).refused(&expect![[r#"
        categories: 2 by `category`
        error: --resume: `TEMP/run` holds other files; expected a run, or a new or empty folder

        hint: choose another --out
    "#]]);
    // The same in the folder of one of several passes.
    let (_folder, drift) = FINISHED.copy("d");
    let pass = drift.join("checkpoints/B");
    fs::remove_dir_all(&pass).unwrap();
    fs::create_dir_all(&pass).unwrap();
    fs::write(pass.join(".writing-Ab12Cd"), "{").unwrap();
    change(&drift, |manifest| manifest["complete"] = json!(false));
    let outcome = FINISHED.drift(&FINISHED.path("r0"), &drift, &["--resume"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_same(&drift, &FINISHED.path("d"));
}

#[test]
fn what_a_kill_leaves_deep_below_is_removed() {
    let (_folder, run) = FINISHED.copy("d");
    let left = ["reproduce/charts/.writing-Ab12Cd", "checkpoints/B/router/.writing-Ab12Cd"];
    for name in left {
        fs::create_dir_all(run.join(name).parent().unwrap()).unwrap();
        fs::write(run.join(name), "half").unwrap();
    }
    assert_eq!(of("stats", &run, &["--resamples", "0", "--permutations", "0"]).code, 0);
    assert!(left.iter().all(|name| !run.join(name).exists()));
}
