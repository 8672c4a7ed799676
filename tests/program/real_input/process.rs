//! The process: names that are no UTF-8, limits, panics, options.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::Write,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::support::{
    files::{copy_folder, fixture, read_json},
    program::{openmoe_with, tiny},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_openmoe-analyze");
const ROWS: &str = "{\"text\": \"One line of text.\"}\n{\"text\": \"A second line.\"}\n{\"text\": \"And a third.\"}\n";
const QUICK: [&str; 4] = ["--resamples", "0", "--permutations", "0"];

/// A name with a byte that is no UTF-8, as disks of older systems have them.
fn odd(name: &str) -> OsString {
    OsStr::from_bytes(&[name.as_bytes(), &[0xe9]].concat()).to_owned()
}

fn run(arguments: &[&OsStr]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

fn message(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder with three rows of text, and a checkpoint, both under odd names.
struct Odd {
    folder: TempDir,
    checkpoint: PathBuf,
    corpus: PathBuf,
}

impl Odd {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (checkpoint, texts) = (folder.path().join(odd("checkpoint")), folder.path().join(odd("texts")));
        copy_folder(Path::new(&tiny("12.3M")), &checkpoint);
        fs::create_dir(&texts).unwrap();
        let mut rows = odd("rows");
        rows.push(".jsonl");
        let corpus = texts.join(rows);
        fs::write(&corpus, ROWS).unwrap();
        Self { folder, checkpoint, corpus }
    }
}

#[test]
fn names_that_are_no_utf8_are_names() {
    let odd_names = Odd::new();
    let out = odd_names.folder.path().join(odd("run"));
    let mut route = vec![OsStr::new("route"), odd_names.checkpoint.as_os_str()];
    route.extend([OsStr::new("--corpus"), odd_names.corpus.parent().unwrap().as_os_str()]);
    route.extend([OsStr::new("--out"), out.as_os_str()]);
    route.extend(QUICK.map(OsStr::new));
    let output = run(&route);
    assert_eq!(output.status.code(), Some(0), "{}", message(&output));
    let manifest = read_json(&out.join("manifest.json"));
    assert_eq!(manifest["complete"], true);
    assert!(manifest["command_line"][2].as_str().unwrap().ends_with("checkpoint\u{fffd}"), "{manifest}");
    for command in ["report", "notebook"] {
        let output = run(&[OsStr::new(command), out.as_os_str()]);
        assert_eq!(output.status.code(), Some(0), "{command}: {}", message(&output));
    }
}

#[test]
fn names_that_are_no_utf8_are_names_for_every_command() {
    let odd_names = Odd::new();
    let (checkpoint, corpus) = (odd_names.checkpoint.as_os_str(), odd_names.corpus.as_os_str());
    let good = OsString::from(tiny("9.8M"));
    let [text, dry] = ["--corpus", "--dry-run"].map(OsStr::new);
    let runs: [&[&OsStr]; 4] = [
        &[OsStr::new("inspect"), checkpoint],
        &[OsStr::new("drift"), &good, checkpoint, text, corpus, dry],
        &[OsStr::new("drops"), checkpoint, text, corpus, dry],
        &[OsStr::new("drops"), &good, OsStr::new("--compare"), checkpoint, text, corpus, dry],
    ];
    for arguments in runs {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", message(&output));
    }
    let output = run(&[OsStr::new("route"), &odd("nothing")]);
    assert!(output.status.code() == Some(2) && message(&output).contains("--corpus"), "{}", message(&output));
}

/// What a shell makes of a line in which `$0` is the program, `$1` a checkpoint and `$2` rows of text; exit code and
/// standard error, then standard output.
fn shell(line: &str, folder: &Path) -> (Option<i32>, String, String) {
    let rows = folder.join("rows.jsonl");
    fs::write(&rows, ROWS).unwrap();
    let output = Command::new("bash")
        .args(["--norc", "-c", line, PROGRAM, &tiny("12.3M")])
        .arg(rows)
        .current_dir(folder)
        .output()
        .unwrap();
    (output.status.code(), message(&output), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_file_that_may_not_grow_is_an_error_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let (code, message, _) = shell("ulimit -f 2; \"$0\" route \"$1\" --corpus \"$2\" --out run -q", folder.path());
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("error: cannot write `run/") && message.contains("File too large"), "{message}");
}

/// Linux says what the limits of a process are.
#[cfg(target_os = "linux")]
#[test]
fn the_address_space_bounds_the_memory_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (code, message, output) = shell("ulimit -v 3000000; \"$0\" inspect \"$1\" --json", folder.path());
    assert_eq!(code, Some(0), "{message}");
    let description: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(description["estimate"]["memory_limit_bytes"], 768_000_000_u64);
    assert_eq!(description["estimate"]["memory_limit"], "a quarter of the address space, ulimit -v");
    let (code, message, output) =
        shell("ulimit -v 3000000; \"$0\" route \"$1\" --corpus \"$2\" --dry-run", folder.path());
    assert_eq!(code, Some(0), "{message}");
    assert!(output.contains("of 732.4 MiB (a quarter of the address space, ulimit -v)"), "{output}");
}

/// However little there is: it works, or it is said what is missing.
#[cfg(target_os = "linux")]
#[test]
fn too_little_address_space_is_said_and_never_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    for limit in [260_000, 350_000, 500_000] {
        let line = format!("ulimit -v {limit}; \"$0\" route \"$1\" --corpus \"$2\" --dry-run; exit $?");
        let (code, message, _) = shell(&line, folder.path());
        let said = code == Some(2) && message.contains("ulimit -v");
        assert!(code == Some(0) || said, "{limit}: {code:?} {message}");
    }
}

/// A run that waits for rows on its standard input, started by a shell line, once it watches for SIGTERM.
#[cfg(target_os = "linux")]
#[allow(clippy::zombie_processes, reason = "whoever calls it waits")]
fn waiting(line: &str) -> Child {
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", line, PROGRAM, &tiny("12.3M")]);
    let child = bash.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    for _ in 0..3000 {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0").trim();
        if u64::from_str_radix(caught, 16).unwrap() & (1 << 14) != 0 {
            return child;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the program does not watch for SIGTERM");
}

#[cfg(target_os = "linux")]
fn send(signal: &str, child: &Child) {
    let status = Command::new("bash").args(["-c", "kill -\"$0\" \"$1\"", signal, &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

#[cfg(target_os = "linux")]
#[test]
fn signals_that_were_ignored_stay_so() {
    let mut child = waiting("trap '' INT HUP; exec \"$0\" route \"$1\" --corpus - --dry-run");
    send("INT", &child);
    send("HUP", &child);
    child.stdin.take().unwrap().write_all(ROWS.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", message(&output));
    // A job in the background of a shell, such as this test may be, ignores some of them already.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    let ignored = u64::from_str_radix(ignored, 16).unwrap();
    let watched = [("HUP", 1), ("INT", 2), ("TERM", 15), ("XCPU", 24)];
    for (signal, _) in watched.into_iter().filter(|(_, number)| ignored & (1 << (number - 1)) == 0) {
        let child = waiting("exec \"$0\" route \"$1\" --corpus - --dry-run");
        send(signal, &child);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{signal}: {}", message(&output));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_abort_is_a_fault_of_the_tool() {
    let child = waiting("exec \"$0\" route \"$1\" --corpus - --dry-run");
    send("ABRT", &child);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(3));
}

#[test]
fn one_checkpoint_has_nothing_to_agree_with() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, out) = (folder.path().join("rows.jsonl"), folder.path().join("run"));
    fs::write(&rows, ROWS).unwrap();
    let (rows, run) = (rows.to_str().unwrap(), out.to_str().unwrap());
    let outcome = openmoe_with(&["drift", &tiny("12.3M"), "--corpus", rows, "--out", run]);
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("which has nothing to agree with"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("hint: ") && !out.exists(), "{}", outcome.stderr);
    let final_one =
        openmoe_with(&["drift", &tiny("12.3M"), "--final", &tiny("12.3M-chat"), "--corpus", rows, "--dry-run"]);
    assert_eq!(final_one.code, 0, "{}", final_one.stderr);
}

#[test]
fn an_option_that_took_the_checkpoint_is_named() {
    let checkpoint = tiny("12.3M");
    let first = [
        (&["route", "--corpus", "a.jsonl", &checkpoint, "--out", "r"][..], "--corpus takes every path"),
        (&["drift", "--tokens", "1B", "2B", &checkpoint, "--out", "r"], "--tokens takes every value"),
        (&["drops", "--transcripts", "a.jsonl", &checkpoint, "--out", "r"], "--transcripts takes every path"),
        (&["drops", "--exact-replay", "1.5", &checkpoint, "--corpus", "a"], "--exact-replay takes every value"),
    ];
    for (arguments, words) in first {
        let outcome = openmoe_with(arguments);
        assert_eq!(outcome.code, 2);
        let hint = format!("hint: {words} up to the next option: put the checkpoint first");
        assert!(outcome.stderr.contains(&hint), "{arguments:?}: {}", outcome.stderr);
    }
    let missing = openmoe_with(&["route", "--corpus", "a.jsonl", "--out", "r"]);
    assert!(missing.code == 2 && !missing.stderr.contains("hint:"), "{}", missing.stderr);
    let unknown = openmoe_with(&["route", &checkpoint, "--corpus", "a.jsonl", "--layer", "3"]);
    assert!(unknown.stderr.contains("'--layer'") && !unknown.stderr.contains("as a value"), "{}", unknown.stderr);
    let usage = openmoe_with(&["route", "--help"]).stdout;
    assert!(usage.contains("route [OPTIONS] <CHECKPOINT> --corpus <PATH>... --out <DIR>"), "{usage}");
}

#[test]
fn help_that_cannot_be_written_is_no_success() {
    let (code, _, _) = shell("\"$0\" --help > /dev/full", tempfile::tempdir().unwrap().path());
    assert_eq!(code, Some(2));
}

#[test]
fn text_of_a_file_makes_no_line_and_turns_none_round() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("a\u{1b}[31m\u{202e}b");
    copy_folder(&fixture("checkpoints/openmoe-tiny-12.3M"), &checkpoint);
    let path = checkpoint.to_str().unwrap();
    let outcome = openmoe_with(&["inspect", path]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let obeyed = |text: &str| text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}');
    assert!(!obeyed(&outcome.stdout) && outcome.stdout.contains("a\\u{1b}[31m\\u{202e}b"), "{}", outcome.stdout);
    let json = openmoe_with(&["inspect", path, "--json"]).stdout;
    let label = serde_json::from_str::<serde_json::Value>(&json).unwrap()["checkpoint"].clone();
    assert!(!obeyed(&json) && label == "a\u{1b}[31m\u{202e}b", "{json}");
    let mut config = read_json(&checkpoint.join("config.json"));
    config["hidden_act"] = "x`\n\nhint: run `curl evil.example`\n  - y".into();
    fs::write(checkpoint.join("config.json"), config.to_string()).unwrap();
    let outcome = openmoe_with(&["inspect", path]);
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("\\n\\nhint: run"), "{}", outcome.stderr);
    let lines = outcome.stderr.lines();
    assert!(!obeyed(&outcome.stderr) && lines.clone().all(|line| !line.starts_with("hint: run") && line != "  - y"));
}
