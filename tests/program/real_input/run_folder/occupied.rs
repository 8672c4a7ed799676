//! Where another process, another run or somebody else has files, nothing is written over them.

use super::*;

#[test]
fn two_processes_never_write_into_one_folder() {
    let (_folder, run) = FINISHED.copy("d");
    copy_tree(&FINISHED.path("r0"), &run.join("drift"));
    let before = contents(&run);
    let mut lock = File::create(run.join(LOCK)).unwrap();
    lock.lock().unwrap();
    write!(lock, "4711").unwrap();
    let into_it = ["--force", "--resume", "--dry-run"].map(|more| FINISHED.route(&run, &[more]));
    expect![[r#"
        categories: 2 by `category`
        error: another process (pid 4711) writes to `TEMP/run`

        hint: wait until it has ended, or choose another folder; nothing was touched
    "#]]
    .assert_eq(&refusals(into_it));
    let of_it = ["stats", "chart", "report", "notebook", "reproduce"].map(|command| of(command, &run, &[]));
    expect![[r#"
        error: another process (pid 4711) writes to `TEMP/run`

        hint: wait until it has ended, or choose another folder; nothing was touched
    "#]]
    .assert_eq(&refusals(of_it));
    // Folders of the run belong to it; one beside them does not.
    FINISHED.route(&run.join("checkpoints/C"), &[]).refused(&expect![[r#"
        categories: 2 by `category`
        error: another process (pid 4711) writes to `TEMP/run`

        hint: wait until it has ended, or choose another folder; nothing was touched
    "#]]);
    of("stats", &run.join("drift"), &[]).refused(&expect![[r#"
        error: another process (pid 4711) writes to `TEMP/run`

        hint: wait until it has ended, or choose another folder; nothing was touched
    "#]]);
    assert_eq!(FINISHED.route(&run.join("other"), &["--dry-run"]).code, 0);
    drop(lock);
    fs::remove_file(run.join(LOCK)).unwrap();
    assert!(contents(&run) == before, "something was touched");
    // The other way round: what is written below is not removed.
    let lock = File::create(run.join("checkpoints/B").join(LOCK)).unwrap();
    lock.lock().unwrap();
    FINISHED.route(&run, &["--force"]).refused(&expect![[r#"
        categories: 2 by `category`
        error: another process writes to `TEMP/run/checkpoints/B`

        hint: wait until it has ended, or choose another folder; nothing was touched
    "#]]);
}

#[test]
fn a_run_below_one_that_is_being_written_is_not_written() {
    let (_folder, run) = FINISHED.copy("d");
    let lock = File::create(run.join(LOCK)).unwrap();
    lock.lock().unwrap();
    let below = run.join("checkpoints/B");
    let before = contents(&below);
    let written_by =
        |command: &str, name: &str| of(command, &FINISHED.path("r0"), &["--out", below.join(name).to_str().unwrap()]);
    let outcomes = [written_by("notebook", "notebook.ipynb"), written_by("reproduce", "reproduce")];
    expect![[r#"
        error: another process writes to `TEMP/run`

        hint: wait until it has ended, or choose another folder; nothing was touched
    "#]]
    .assert_eq(&refusals(outcomes));
    assert!(contents(&below) == before, "something was touched");
}

#[test]
fn force_removes_nothing_that_is_not_a_run_of_ours() {
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
    let (mut with_an_option, mut without) = (Vec::new(), Vec::new());
    for manifest in foreign {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("run");
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
        with_an_option.extend(["--force", "--resume"].map(|more| FINISHED.route(&out, &[more])));
        without.push(FINISHED.route(&out, &[]));
        assert!(contents(&out) == before, "{manifest}");
    }
    expect![[r#"
        categories: 2 by `category`
        error: --force: `TEMP/run/manifest.json` was not written by openmoe-analyze, so this is no run; nothing was removed

        hint: choose another --out

        categories: 2 by `category`
        error: --resume: `TEMP/run/manifest.json` was not written by openmoe-analyze, so this is no run

        hint: choose another --out
    "#]].assert_eq(&refusals(with_an_option));
    expect![[r#"
        categories: 2 by `category`
        error: --out `TEMP/run` holds other files; expected a new or empty folder

        hint: choose another --out, or add --force to replace the run, or --resume to go on with it
    "#]]
    .assert_eq(&refusals(without));
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
    force().refused(&expect![[r#"
        categories: 2 by `category`
        error: --force: `TEMP/run/checkpoints/B/manifest.json` was not written by openmoe-analyze, so this is no run; nothing was removed

        hint: choose another --out
    "#]]);
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
    checked(&["drift", &a, &c, "--corpus", &corpus, "--out", &out, "--force"]).refused(&expect![[r#"
        categories: 2 by `category`
        error: --force: `TEMP/run/checkpoints/C` holds a run that is none of this run's own

        hint: move it away, or choose another --out
    "#]]);
    assert!(contents(&run) == before, "something was touched");
}

#[cfg(unix)]
#[test]
fn links_and_modes_are_those_of_the_user() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    FINISHED.route(&link, &["--dry-run"]).refused(&expect![[r#"
        categories: 2 by `category`
        error: --out `TEMP/link` is a link to `nowhere`, which does not exist

        hint: choose another --out, or make the folder that the link names
    "#]]);
    let pages = folder.path().join("pages");
    let command = format!("umask 027; {} man --out {}", env!("CARGO_BIN_EXE_openmoe-analyze"), pages.display());
    assert!(std::process::Command::new("sh").args(["-c", &command]).status().unwrap().success());
    let page = fs::read_dir(pages).unwrap().next().unwrap().unwrap();
    assert_eq!(page.metadata().unwrap().permissions().mode() & 0o777, 0o640);
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
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_openmoe-analyze"))
            .arg("drift")
            .args([first, std::ffi::OsStr::new(&format!("B={}", tiny("2.5M")))])
            .args(["--resamples", "0", "--permutations", "0", "--corpus"])
            .args([&corpus, Path::new("--out"), out])
            .output();
        Outcome::of(&output.unwrap())
    };
    drift(run.as_os_str(), &out).refused(&expect![[r#"
        categories: 2 by `category`
        error: the path of the run `TEMP/r�` is no UTF-8, so no manifest can name it

        hint: give the run another name, or name a link to it
    "#]]);
    assert!(!out.exists());
    // A link does what the hint says.
    std::os::unix::fs::symlink(&run, folder.path().join("link")).unwrap();
    let first = format!("A={}", folder.path().join("link").display());
    let made = drift(std::ffi::OsStr::new(&first), &out);
    assert_eq!(made.code, 0, "{}", made.stderr);
}
