//! The folder of a run: one writer, whole files, nothing foreign.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{Outcome, contents, copy_tree, openmoe_with, read_json, tiny};

const LOCK: &str = ".openmoe-analyze.lock";

/// Finished runs that the tests copy: `r0`, a route run, and `d`, a drift run that reuses it.
struct Finished {
    folder: TempDir,
}

static FINISHED: LazyLock<Finished> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let lines = [("one", "It is a truth"), ("two", "universally acknowledged"), ("one", "that a single man")];
    let rows = lines.map(|(category, text)| json!({"text": text, "category": category}).to_string());
    fs::write(folder.path().join("corpus.jsonl"), rows.join("\n")).unwrap();
    let finished = Finished { folder };
    let outcome = finished.route(&finished.path("r0"), &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let outcome = finished.drift(&finished.path("r0"), &finished.path("d"), &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    finished
});

impl Finished {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, first: &[&str], out: &Path, more: &[&str]) -> Outcome {
        let corpus = self.path("corpus.jsonl").display().to_string();
        let out = out.display().to_string();
        let options = ["--corpus", &corpus, "--resamples", "0", "--permutations", "0", "--out", &out];
        checked(&[first, &options, more].concat())
    }

    fn route(&self, out: &Path, more: &[&str]) -> Outcome {
        self.run(&["route", &tiny("12.3M")], out, more)
    }

    /// Of a finished run and a checkpoint.
    fn drift(&self, reused: &Path, out: &Path, more: &[&str]) -> Outcome {
        let (first, second) = (format!("A={}", reused.display()), format!("B={}", tiny("2.5M")));
        self.run(&["drift", &first, &second], out, more)
    }

    /// A copy of a finished run in a folder of its own.
    fn copy(&self, name: &str) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        copy_tree(&self.path(name), &run);
        (folder, run)
    }
}

/// Runs the binary; a panic is never right.
fn checked(arguments: &[&str]) -> Outcome {
    let outcome = openmoe_with(arguments);
    assert!(!outcome.stderr.contains("panicked") && outcome.code != 101, "{arguments:?}: {}", outcome.stderr);
    println!("{} {}: exit {}\n{}", arguments[0], arguments[1], outcome.code, outcome.stderr);
    outcome
}

fn of(command: &str, run: &Path, more: &[&str]) -> Outcome {
    checked(&[&[command, run.to_str().unwrap()], more].concat())
}

fn assert_refused(outcome: &Outcome, parts: &[&str]) {
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    for part in parts.iter().chain(&["hint:"]) {
        assert!(outcome.stderr.contains(part), "`{part}` is not in:\n{}", outcome.stderr);
    }
}

fn change(run: &Path, with: impl FnOnce(&mut Value)) {
    let path = run.join("manifest.json");
    let mut manifest = read_json(&path);
    with(&mut manifest);
    fs::write(path, manifest.to_string()).unwrap();
}

fn flip(file: &Path, from_end: usize) {
    let mut bytes = fs::read(file).unwrap();
    let at = bytes.len() - from_end.min(bytes.len());
    bytes[at] ^= 64;
    fs::write(file, bytes).unwrap();
}

/// Everything but the two files that name the time that a run took.
fn results(run: &Path) -> Vec<(String, Vec<u8>)> {
    let timed = |name: &str| name.ends_with("manifest.json") || name.ends_with("report.html");
    contents(run).into_iter().filter(|(name, _)| !timed(name)).collect()
}

fn assert_same(run: &Path, expected: &Path) {
    let (found, expected) = (results(run), results(expected));
    let names = |of: &[(String, Vec<u8>)]| of.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected));
    for (one, other) in found.iter().zip(&expected) {
        assert!(one == other, "{} differs", one.0);
    }
}

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
    assert_refused(&FINISHED.route(&run, &[]), &["holds an incomplete run", "--resume to go on"]);
    let outcome = FINISHED.route(&run, &["--resume"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    for part in ["manifest.json of `", "4 files of the trace have another checksum"] {
        assert!(outcome.stderr.contains(part), "{}", outcome.stderr);
    }
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
    let damaged = |command: &str, file: &str, more: &[&str]| {
        let whole = fs::read(run.join(file)).unwrap();
        for from_end in [460, whole.len() / 2] {
            flip(&run.join(file), from_end);
            let before = contents(&run);
            assert_refused(&of(command, &run, more), &[file, "is damaged"]);
            assert!(contents(&run) == before, "{command} has changed a run that it refused");
            fs::write(run.join(file), &whole).unwrap();
        }
    };
    for file in trace {
        damaged("stats", file, &[]);
    }
    for command in ["chart", "report", "notebook"] {
        damaged(command, "stats/mutual_information.parquet", &[]);
    }
    damaged("report", "summary.json", &[]);
    let (_folder, drift) = FINISHED.copy("d");
    for file in ["checkpoints/B/logits/part-00000.parquet", "checkpoints/B/groups.parquet"] {
        let whole = fs::read(drift.join(file)).unwrap();
        flip(&drift.join(file), whole.len() / 2);
        assert_refused(&of("stats", &drift, &[]), &[file, "is damaged"]);
        fs::write(drift.join(file), whole).unwrap();
    }
}

#[test]
fn damage_without_checksums_is_an_error_with_a_name() {
    let (_folder, run) = FINISHED.copy("r0");
    change(&run, |manifest| drop(manifest.as_object_mut().unwrap().remove("run_digest")));
    fs::remove_file(run.join("checksums.sha256")).unwrap();
    for file in ["tokens.parquet", "trace/part-00000.parquet"] {
        let whole = fs::read(run.join(file)).unwrap();
        // Places in the footer, at which the library panics or refuses.
        for from_end in [5, 60, 178, 180, 300, 460] {
            flip(&run.join(file), from_end);
            // `router` makes every pass fail early that does not notice anything.
            fs::rename(run.join("router"), run.join("away")).unwrap();
            let outcome = of("stats", &run, &[]);
            fs::rename(run.join("away"), run.join("router")).unwrap();
            assert_eq!(outcome.code, 2, "{}", outcome.stderr);
            assert!(outcome.stderr.contains("was made before checksums were kept"), "{}", outcome.stderr);
            fs::write(run.join(file), &whole).unwrap();
        }
    }
}

#[test]
fn two_processes_never_write_into_one_folder() {
    let (_folder, run) = FINISHED.copy("d");
    copy_tree(&FINISHED.path("r0"), &run.join("drift"));
    let before = contents(&run);
    let mut lock = File::create(run.join(LOCK)).unwrap();
    lock.lock().unwrap();
    write!(lock, "4711").unwrap();
    let refused =
        |outcome: &Outcome| assert_refused(outcome, &["another process (pid 4711) writes to `", "wait until"]);
    for more in ["--force", "--resume", "--dry-run"] {
        refused(&FINISHED.route(&run, &[more]));
    }
    for command in ["stats", "chart", "report", "notebook", "reproduce"] {
        refused(&of(command, &run, &[]));
    }
    // Folders of the run belong to it; one beside them does not.
    refused(&FINISHED.route(&run.join("checkpoints/C"), &[]));
    refused(&of("stats", &run.join("drift"), &[]));
    assert_eq!(FINISHED.route(&run.join("other"), &["--dry-run"]).code, 0);
    drop(lock);
    fs::remove_file(run.join(LOCK)).unwrap();
    assert!(contents(&run) == before, "something was touched");
    // The other way round: what is written below is not removed.
    let lock = File::create(run.join("checkpoints/B").join(LOCK)).unwrap();
    lock.lock().unwrap();
    assert_refused(&FINISHED.route(&run, &["--force"]), &["another process writes to `", "checkpoints/B"]);
}

#[test]
fn force_removes_nothing_that_is_not_a_run_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = [
        r#"{"name": "my experiment"}"#,
        "[]",
        r#"{"command": "train", "version": "1", "complete": true}"#,
        r#"{"command": "route"}"#,
        "complete: true",
    ];
    for (index, manifest) in foreign.iter().enumerate() {
        let out = folder.path().join(index.to_string());
        fs::create_dir_all(out.join("checkpoints/epoch-9")).unwrap();
        fs::create_dir_all(out.join("trace")).unwrap();
        fs::write(out.join("checkpoints/epoch-9/w.bin"), "precious").unwrap();
        fs::write(out.join("trace/part-00000.txt"), "mine").unwrap();
        fs::write(out.join("manifest.json"), manifest).unwrap();
        let before = contents(&out);
        for more in ["--force", "--resume"] {
            assert_refused(&FINISHED.route(&out, &[more]), &["manifest.json` was not written by openmoe-analyze"]);
        }
        assert_refused(&FINISHED.route(&out, &[]), &["holds other files"]);
        assert!(contents(&out) == before, "{manifest}");
    }
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
    assert_refused(&dry(&[]), &["holds other files"]);
    let refused = dry(&["--resume"]);
    assert_refused(&refused, &["holds other files"]);
    assert!(!refused.stderr.contains("or --resume"), "it was typed: {}", refused.stderr);
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
    assert_refused(&of("stats", &run, &[]), &["` reuses the run `", "in whose place there is another run now"]);
    fs::rename(&moved, folder.path().join("elsewhere")).unwrap();
    for command in ["stats", "chart"] {
        assert_refused(&of(command, &run, &[]), &["` reuses the run `", "which is not there any more", "put it back"]);
    }
    assert!(contents(&run) == before, "a refused pass has changed the run");
    let (_folder, route) = FINISHED.copy("r0");
    fs::remove_dir_all(route.join("trace")).unwrap();
    let before = contents(&route);
    assert_refused(&of("stats", &route, &[]), &["trace/part-00000.parquet` is missing"]);
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
    let notebook = of("notebook", &run, &[]);
    assert_refused(&notebook, &["the statistics were made by version 0.0.2; this is version"]);
    let outcome = of("stats", &run, &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("the run was made by version 0.0.1; this is version"), "{}", outcome.stderr);
    let now = env!("CARGO_PKG_VERSION");
    assert_eq!(read_json(&run.join("manifest.json"))["statistics_version"], now);
    let summary = read_json(&run.join("summary.json"));
    assert_eq!((&summary["version"], &summary["statistics_version"]), (&json!("0.0.1"), &json!(now)));
    let table = "stats/mutual_information.parquet";
    assert!(fs::read(run.join(table)).unwrap() == fs::read(FINISHED.path("r0").join(table)).unwrap());
    assert_eq!(fs::read(run.join("charts/mine.svg")).unwrap(), b"mine", "no file of the run");
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
    for (key, value) in cases {
        change(&run, |manifest| *manifest.pointer_mut(key).unwrap() = value.clone());
        let outcome = of("stats", &run, &[]);
        assert_refused(&outcome, &[]);
        fs::write(run.join("manifest.json"), &whole).unwrap();
    }
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

#[cfg(unix)]
#[test]
fn links_and_modes_are_those_of_the_user() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    assert_refused(&FINISHED.route(&link, &["--dry-run"]), &["is a link to `nowhere`, which does not exist"]);
    let pages = folder.path().join("pages");
    let command = format!("umask 027; {} man --out {}", env!("CARGO_BIN_EXE_openmoe-analyze"), pages.display());
    assert!(std::process::Command::new("sh").args(["-c", &command]).status().unwrap().success());
    let page = fs::read_dir(pages).unwrap().next().unwrap().unwrap();
    assert_eq!(page.metadata().unwrap().permissions().mode() & 0o777, 0o640);
}
