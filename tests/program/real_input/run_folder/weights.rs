//! Weights that change while a run reads them.

use super::*;

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
fn changed_on_the_way(checkpoint: &Path, out: &Path, change: impl FnOnce(&Path)) -> Outcome {
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
    Outcome::of(&child.wait_with_output().unwrap())
}

#[cfg(unix)]
#[test]
fn parts_of_weights_that_changed_are_none_of_the_run() {
    let (checkpoint, folder) = (changeable(), tempfile::tempdir().unwrap());
    let out = folder.path().join("run");
    changed_on_the_way(checkpoint.path(), &out, |weights| flip(weights, 1)).refused(&expect![[r#"
        error: checkpoint `TEMP` cannot be used: 1 problem
          - `model.safetensors` changed while the run read it: its size, times or bytes are not those it had

        hint: what was written since the last check may be of mixed weights and is not kept: when nothing writes to the files any more, run the same command with --force; --resume goes on only if the files are again what they were
    "#]]);
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
    let outcome = changed_on_the_way(checkpoint.path(), &out, |weights| {
        fs::hard_link(weights, weights.with_extension("copy")).unwrap();
        fs::set_permissions(weights, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(weights, weights.with_extension("old")).unwrap();
        fs::write(weights, "another file").unwrap();
    });
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}
