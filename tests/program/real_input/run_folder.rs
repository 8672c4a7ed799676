//! The folder of a run: one writer, whole files, nothing foreign.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    files::read_json,
    program::{Outcome, contents, copy_tree, openmoe_with, tiny},
};

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
        r#"{"name": "my experiment", "loss": NaN}"#,
        "// mine\n{name: 'my experiment'}",
        "",
        "\0\0\0\0",
    ];
    for (index, manifest) in foreign.iter().enumerate() {
        let out = folder.path().join(index.to_string());
        fs::create_dir_all(out.join("checkpoints/epoch-9")).unwrap();
        fs::write(out.join("checkpoints/epoch-9/w.bin"), "precious").unwrap();
        // Names that a run gives too.
        for name in ["stats/results.csv", "charts/plot.png", "summary.json", "trace/part-00000.parquet"] {
            fs::create_dir_all(out.join(name).parent().unwrap()).unwrap();
            fs::write(out.join(name), "mine").unwrap();
        }
        fs::write(out.join("checksums.sha256"), format!("{}  w.bin\n", "0".repeat(64))).unwrap();
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

/// A copy of a checkpoint that a test may change.
fn changeable() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_tree(Path::new(&tiny("12.3M")), folder.path());
    folder
}

/// Holds a process at the moment at which its first part is there.
#[cfg(unix)]
fn held_at_its_first_part(arguments: &[&str], out: &Path) -> std::process::Child {
    let child = std::process::Command::new(env!("CARGO_BIN_EXE_openmoe-analyze"))
        .args(arguments)
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !out.join("trace/part-00000.parquet").exists() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    signal(&child, "STOP");
    child
}

#[cfg(unix)]
fn signal(child: &std::process::Child, name: &str) {
    let kill = std::process::Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
    assert!(kill.unwrap().success());
}

/// A route run over several parts, held, its weights changed by `change`, and gone on with.
#[cfg(unix)]
fn changed_on_the_way(checkpoint: &Path, out: &Path, change: impl FnOnce(&Path)) -> (i32, String) {
    let words = "It is a truth universally acknowledged that a single man in possession of a good fortune ";
    let corpus = checkpoint.join("long.jsonl");
    let rows: Vec<String> =
        (0..20).map(|row| json!({"text": format!("{row} {}", words.repeat(8))}).to_string()).collect();
    fs::write(&corpus, rows.join("\n")).unwrap();
    let [folder, corpus, to] = [checkpoint, &corpus, out].map(|path| path.to_str().unwrap());
    let options = ["--resamples", "0", "--permutations", "0", "--threads", "1", "--quiet"];
    let child =
        held_at_its_first_part(&[&["route", folder, "--corpus", corpus, "--out", to], &options[..]].concat(), out);
    change(&checkpoint.join("model.safetensors"));
    signal(&child, "CONT");
    let ended = child.wait_with_output().unwrap();
    (ended.status.code().unwrap(), String::from_utf8(ended.stderr).unwrap())
}

#[cfg(unix)]
#[test]
fn parts_of_weights_that_changed_are_none_of_the_run() {
    let (checkpoint, folder) = (changeable(), tempfile::tempdir().unwrap());
    let out = folder.path().join("run");
    let (code, stderr) = changed_on_the_way(checkpoint.path(), &out, |weights| flip(weights, 1));
    assert!(code == 2 && stderr.contains("`model.safetensors` changed while the run read it"), "{code} {stderr}");
    let listed = fs::read_to_string(out.join("checksums.sha256")).unwrap();
    assert!(out.join("trace/part-00002.parquet").is_file(), "the test sees too little");
    assert!(listed.contains("tokens.parquet") && !listed.contains("part-"), "{listed}");
}

#[cfg(unix)]
#[test]
fn another_name_or_mode_of_the_weights_is_no_change() {
    use std::os::unix::fs::PermissionsExt;
    let (checkpoint, folder) = (changeable(), tempfile::tempdir().unwrap());
    let out = folder.path().join("run");
    let (code, stderr) = changed_on_the_way(checkpoint.path(), &out, |weights| {
        fs::hard_link(weights, weights.with_extension("copy")).unwrap();
        fs::set_permissions(weights, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(weights, weights.with_extension("old")).unwrap();
        fs::write(weights, "another file").unwrap();
    });
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn other_files_in_the_folder_of_a_pass_stay_and_hinder_nothing() {
    let (_folder, run) = FINISHED.copy("d");
    let pass = run.join("checkpoints/B");
    fs::write(pass.join("notebook.ipynb"), "mine").unwrap();
    fs::write(pass.join("trace/notes.txt"), "mine").unwrap();
    // What would be found out only after the old run is gone is found out before.
    let manifest = fs::read(pass.join("manifest.json")).unwrap();
    fs::write(pass.join("manifest.json"), "{\"name\": \"my experiment\"}").unwrap();
    let before = contents(&run);
    let force = || FINISHED.drift(&FINISHED.path("r0"), &run, &["--force"]);
    assert_refused(&force(), &["--force: `", "checkpoints/B/manifest.json` was not written by openmoe-analyze"]);
    assert!(contents(&run) == before, "something was touched");
    fs::write(pass.join("manifest.json"), manifest).unwrap();
    let outcome = force();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    for name in ["notebook.ipynb", "trace/notes.txt"] {
        assert_eq!(fs::read(pass.join(name)).unwrap(), b"mine");
        fs::remove_file(pass.join(name)).unwrap();
    }
    assert_same(&run, &FINISHED.path("d"));
}

#[test]
fn a_run_of_its_own_below_a_run_is_not_replaced_with_it() {
    let (_folder, run) = FINISHED.copy("d");
    let mine = run.join("checkpoints/mine");
    copy_tree(&FINISHED.path("r0"), &mine);
    let before = contents(&mine);
    // Whether the manifest of the run can be read or not.
    for emptied in [false, true] {
        if emptied {
            fs::write(run.join("manifest.json"), "").unwrap();
        }
        let outcome = FINISHED.drift(&FINISHED.path("r0"), &run, &["--force"]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        assert!(contents(&mine) == before, "it was touched");
    }
    // Nor by a pass of that name.
    copy_tree(&mine, &run.join("checkpoints/C"));
    let before = contents(&run);
    let corpus = FINISHED.path("corpus.jsonl").display().to_string();
    let (a, c, out) = (format!("A={}", tiny("2.5M")), format!("C={}", tiny("12.3M")), run.display().to_string());
    let outcome = checked(&["drift", &a, &c, "--corpus", &corpus, "--out", &out, "--force"]);
    assert_refused(&outcome, &["--force: `", "checkpoints/C` holds a run that is none of this run's own"]);
    assert!(contents(&run) == before, "something was touched");
}

#[test]
fn a_run_below_one_that_is_being_written_is_not_written() {
    let (_folder, run) = FINISHED.copy("d");
    let lock = File::create(run.join(LOCK)).unwrap();
    lock.lock().unwrap();
    let below = run.join("checkpoints/B");
    let before = contents(&below);
    let out = below.join("notebook.ipynb");
    let finished = FINISHED.path("r0");
    let more = ["--out", out.to_str().unwrap()];
    assert_refused(&of("notebook", &finished, &more), &["another process writes to `"]);
    let out = below.join("reproduce");
    assert_refused(&of("reproduce", &finished, &["--out", out.to_str().unwrap()]), &["another process writes to `"]);
    assert!(contents(&below) == before, "something was touched");
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

#[cfg(target_os = "linux")]
#[test]
fn a_run_that_no_manifest_can_name_is_refused_before_anything_is_made() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join(std::ffi::OsStr::from_bytes(b"r\xff"));
    copy_tree(&FINISHED.path("r0"), &run);
    let out = folder.path().join("out");
    let corpus = FINISHED.path("corpus.jsonl");
    let drift = |first: &std::ffi::OsStr, out: &Path| {
        std::process::Command::new(env!("CARGO_BIN_EXE_openmoe-analyze"))
            .arg("drift")
            .args([first, std::ffi::OsStr::new(&format!("B={}", tiny("2.5M")))])
            .args(["--resamples", "0", "--permutations", "0", "--corpus"])
            .args([&corpus, Path::new("--out"), out])
            .output()
            .unwrap()
    };
    let refused = drift(run.as_os_str(), &out);
    let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && stderr.contains("is no UTF-8"), "{stderr}");
    assert!(!out.exists());
    // A link does what the hint says.
    std::os::unix::fs::symlink(&run, folder.path().join("link")).unwrap();
    let first = format!("A={}", folder.path().join("link").display());
    let made = drift(std::ffi::OsStr::new(&first), &out);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
