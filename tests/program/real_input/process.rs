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

use expect_test::expect;
use tempfile::TempDir;

use crate::support::{
    files::{copy_folder, fixture, read_json},
    program::{openmoe_with, tiny},
    snapshot::settled,
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
    assert_eq!(output.status.code(), Some(2));
    expect![[r#"
        error: the following required arguments were not provided:
          --corpus <PATH>...
          --out <DIR>

        Usage: openmoe-analyze route [OPTIONS] <CHECKPOINT> --corpus <PATH>... --out <DIR>

        For more information, try '--help'.

        Example:
          openmoe-analyze route path/to/openmoe-8b --corpus corpus/domains corpus/languages --out runs/8b

        Corpora: .jsonl, .json, .txt and .md, also as .gz or .zst, .parquet, folders of these, - for standard input. A row has `text` (or `input_ids`, or a prompt and its completion), and may have `id` and a category. If the text has another key, name it with --text-key.
    "#]]
    .assert_eq(&settled(&message(&output)));
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
    expect![[r#"
        error: cannot write `run/manifest.json`: File too large (os error 27) at path "TEMP/run/.writing-TEMP"
    "#]]
    .assert_eq(&settled(&message));
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
    expect![[r#"
        context: 2048 tokens, 3 routing groups (sequence)
        capacity: rule port, factor 2
        waves of up to 192 tokens; about # MiB of memory, of # MiB (a quarter of the address space, ulimit -v)
        forward pass: at least # s at # GFLOP/s, statistics on top
        disk: about 1.7 KiB for the trace; tables and charts on top
        lines that cannot be used: 0
        dry run: nothing was written
    "#]]
    .assert_eq(&settled(&output));
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
        let mut child = waiting("exec \"$0\" route \"$1\" --corpus - --dry-run");
        // While its standard input stays open, nothing but the signal ends it.
        let input = child.stdin.take();
        send(signal, &child);
        let output = child.wait_with_output().unwrap();
        drop(input);
        assert_eq!(output.status.code(), Some(130), "{signal}: {}", message(&output));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_abort_is_a_fault_of_the_tool() {
    let mut child = waiting("exec \"$0\" route \"$1\" --corpus - --dry-run");
    let input = child.stdin.take();
    send("ABRT", &child);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(3));
    drop(input);
}

#[test]
fn one_checkpoint_has_nothing_to_agree_with() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, out) = (folder.path().join("rows.jsonl"), folder.path().join("run"));
    fs::write(&rows, ROWS).unwrap();
    let (rows, run) = (rows.to_str().unwrap(), out.to_str().unwrap());
    let outcome = openmoe_with(&["drift", &tiny("12.3M"), "--corpus", rows, "--out", run]);
    outcome.refused(&expect![[r#"
        error: drift has one checkpoint, `openmoe-tiny-12.3M`, which has nothing to agree with; expected two or more

        hint: give the checkpoints of one training run in order, or a model beside it with --final; for one checkpoint alone there is `route`
    "#]]);
    assert!(!out.exists());
    let final_one =
        openmoe_with(&["drift", &tiny("12.3M"), "--final", &tiny("12.3M-chat"), "--corpus", rows, "--dry-run"]);
    assert_eq!(final_one.code, 0, "{}", final_one.stderr);
}

/// What the program says to each of these command lines.
fn refusals<const N: usize>(typed: [&[&str]; N]) -> String {
    typed.map(|arguments| openmoe_with(arguments).refusal()).concat()
}

#[test]
fn an_option_that_took_the_checkpoint_is_named() {
    let checkpoint = tiny("12.3M");
    let typed: [&[&str]; 3] = [
        &["route", "--corpus", "a.jsonl", &checkpoint, "--out", "r"],
        &["drift", "--tokens", "1B", "2B", &checkpoint, "--out", "r"],
        &["drops", "--transcripts", "a.jsonl", &checkpoint, "--out", "r"],
    ];
    expect![[r#"
        error: the following required arguments were not provided:
          <CHECKPOINT>

        Usage: openmoe-analyze route [OPTIONS] <CHECKPOINT> --corpus <PATH>... --out <DIR>

        For more information, try '--help'.

        hint: --corpus takes every path up to the next option: put the checkpoint first

        Example:
          openmoe-analyze route path/to/openmoe-8b --corpus corpus/domains corpus/languages --out runs/8b

        Corpora: .jsonl, .json, .txt and .md, also as .gz or .zst, .parquet, folders of these, - for standard input. A row has `text` (or `input_ids`, or a prompt and its completion), and may have `id` and a category. If the text has another key, name it with --text-key.
        error: the following required arguments were not provided:
          <CHECKPOINT>...

        Usage: openmoe-analyze drift [OPTIONS] <CHECKPOINT>... --corpus <PATH>... --out <DIR>
               openmoe-analyze drift [OPTIONS] <IMPORT>... --out <DIR>

        For more information, try '--help'.

        hint: --tokens takes every value up to the next option: put the checkpoint first

        Examples:
          openmoe-analyze drift openmoe-8b-200B openmoe-8b-600B openmoe-8b-1T --corpus corpus/domains --out runs/drift
          openmoe-analyze drift imports/step1000-tokens4B imports/step5000-tokens20B --out runs/drift

        Checkpoints stand in the order of training. Training tokens are read from names such as openmoe-8b-200B, 2.5M or step1000-tokens4B, or given as --tokens 200B 600B 1T.
        error: the following required arguments were not provided:
          <CHECKPOINT>

        Usage: openmoe-analyze drops [OPTIONS] <CHECKPOINT> --transcripts <PATH>... --out <DIR>
               openmoe-analyze drops [OPTIONS] <IMPORT> --out <DIR>

        For more information, try '--help'.

        hint: --transcripts takes every path up to the next option: put the checkpoint first

        Example:
          openmoe-analyze drops openmoe-8b --compare openmoe-8b-chat --transcripts mt_bench_question.jsonl mt_bench_answer.jsonl --corpus corpus/domains --out runs/drops

        Imported routes have no capacity: what a capacity would drop of them, and how evenly ranks that share the experts are loaded:
          openmoe-analyze drops runs/imported --capacity-factor 1.25 --group tokens:4096 --expert-parallel 4 8 --out runs/capacity

        Transcripts: lists of messages ({role, content} or {from, value}) under any key, as in ShareGPT, OpenAI and WildChat files, prompts with their responses, MT-Bench questions and answers, OASST trees; files as for a corpus, Parquet included, folders of these, - for standard input. The format is detected for each file.
    "#]].assert_eq(&refusals(typed));
}

#[test]
fn an_option_of_numbers_that_took_the_checkpoint_is_named() {
    expect![[r#"
        error: invalid value 'fixtures/checkpoints/openmoe-tiny-12.3M' for '--exact-replay <F>...': invalid float literal

        For more information, try '--help'.

        hint: --exact-replay takes every value up to the next option: put the checkpoint first
    "#]].assert_eq(&refusals([&["drops", "--exact-replay", "1.5", &tiny("12.3M"), "--corpus", "a"]]));
}

#[test]
fn no_option_is_blamed_that_took_nothing() {
    let checkpoint = tiny("12.3M");
    let typed: [&[&str]; 2] = [
        &["route", "--corpus", "a.jsonl", "--out", "r"],
        &["route", &checkpoint, "--corpus", "a.jsonl", "--layer", "3"],
    ];
    expect![[r#"
        error: the following required arguments were not provided:
          <CHECKPOINT>

        Usage: openmoe-analyze route [OPTIONS] <CHECKPOINT> --corpus <PATH>... --out <DIR>

        For more information, try '--help'.

        Example:
          openmoe-analyze route path/to/openmoe-8b --corpus corpus/domains corpus/languages --out runs/8b

        Corpora: .jsonl, .json, .txt and .md, also as .gz or .zst, .parquet, folders of these, - for standard input. A row has `text` (or `input_ids`, or a prompt and its completion), and may have `id` and a category. If the text has another key, name it with --text-key.
        error: unexpected argument '--layer' found

        Usage: openmoe-analyze route [OPTIONS] <CHECKPOINT> --corpus <PATH>... --out <DIR>

        For more information, try '--help'.
    "#]].assert_eq(&refusals(typed));
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
    outcome.refused(&expect![[r#"
        error: checkpoint `TEMP/a\u{1b}[31m\u{202e}b` cannot be used: 1 problem
          - `config.json`: `hidden_act` is x`\n\nhint: run `curl evil.example`\n  - y; OpenMoE expects swiglu, the only one it runs

        hint: correct `config.json`, or fetch it again: it decides what is computed; if it is the original one, this checkpoint cannot be run
    "#]]);
    assert!(!obeyed(&outcome.stderr));
}
