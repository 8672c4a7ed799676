//! Files of text: what they are, whatever they are called.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use expect_test::{Expect, expect};

use crate::support::{
    files::fixture,
    program::{Outcome, openmoe_with, tiny},
    snapshot::settled,
};

const TWO: &str = "{\"text\": \"one two three four\"}\n{\"text\": \"five six\"}\n";

/// A folder with one file.
fn file(name: &str, bytes: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/parquet").join(name)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What a run would be made from; `option` is `--corpus` or `--transcripts`.
fn plan(option: &str, path: &Path) -> Outcome {
    let command = if option == "--corpus" { "route" } else { "drops" };
    openmoe_with(&[command, &tiny("12.3M"), option, path.to_str().unwrap(), "--dry-run"])
}

/// `N tokens in M sequences of K documents`.
fn size(outcome: &Outcome) -> String {
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let all = [outcome.stdout.as_str(), &outcome.stderr].join("\n");
    let line = all.lines().find(|line| line.contains(" tokens in ")).unwrap();
    line.split(": ").nth(1).unwrap().split(';').next().unwrap().to_owned()
}

fn corpus(path: &Path) -> String {
    size(&plan("--corpus", path))
}

#[track_caller]
fn refused(path: &Path, message: &Expect) {
    plan("--corpus", path).refused(message);
}

/// What a plan that ends well says was left out.
fn left_out(outcome: &Outcome) -> String {
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let lines = outcome.stderr.lines().filter(|line| line.contains(" left out: "));
    settled(&lines.collect::<Vec<_>>().join("\n"))
}

/// Feeds a command's standard input: everything, or again and again until it is closed.
fn piped(arguments: &[&str], bytes: &[u8], endless: bool) -> Outcome {
    let mut child = Command::new(env!("CARGO_BIN_EXE_openmoe-analyze"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = thread::spawn(move || while stdin.write_all(&bytes).is_ok() && endless {});
    let read = |mut from: Box<dyn Read + Send>| {
        thread::spawn(move || {
            let mut text = String::new();
            from.read_to_string(&mut text).unwrap();
            text
        })
    };
    let stdout = read(Box::new(child.stdout.take().unwrap()));
    let stderr = read(Box::new(child.stderr.take().unwrap()));
    let code = child.wait().unwrap().code().unwrap_or(-1);
    writer.join().unwrap();
    Outcome { code, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

fn plan_of_stdin(bytes: &[u8]) -> Outcome {
    piped(&["route", &tiny("12.3M"), "--corpus", "-", "--dry-run"], bytes, false)
}

#[test]
fn tables_give_the_tokens_of_the_same_rows_as_json() {
    let words = "{\"text\": \"one two three four\"}\n";
    for (table, control) in [
        ("dictionary.parquet", words.repeat(2)),
        ("names.parquet", words.repeat(2)),
        ("struct_domain.parquet", words.into()),
        ("int16_ids.parquet", "{\"input_ids\": [0, 5, 6]}\n{\"input_ids\": [0, 7]}\n".into()),
    ] {
        let (_folder, control) = file("control.jsonl", control);
        assert_eq!(corpus(&case(table)), corpus(&control), "{table}");
    }
    let outcome = plan("--corpus", &case("binary_text.parquet"));
    expect!["warning: tests/cases/parquet/binary_text.parquet:2 left out: column `text` holds invalid UTF-8 at byte 3"]
        .assert_eq(&left_out(&outcome));
    let (_folder, control) = file("control.jsonl", format!("{words}{{\"text\": \"last\"}}\n"));
    assert_eq!(size(&outcome), corpus(&control));
    refused(
        &case("duration.parquet"),
        &expect![[r#"
        error: corpus `tests/cases/parquet/duration.parquet` has a column `text` of type duration, which is not read

        hint: write it as text, or name another column with --text-key or --category
    "#]],
    );
    let (_folder, cut) = file("cut.parquet", &fs::read(case("names.parquet")).unwrap()[..900]);
    refused(
        &cut,
        &expect![[r#"
        error: corpus `TEMP/cut.parquet` is not a readable Parquet file: parquet: File out of specification: The file must end with PAR1

        hint: it may be cut or damaged: fetch or write it again
    "#]],
    );
}

#[test]
fn conversations_of_a_table_are_those_of_the_same_rows_as_json() {
    let row = |id: &str, question: &str, answer: &str| {
        serde_json::json!({"conversation_id": id, "conversation": [
            {"role": "user", "content": question}, {"role": "assistant", "content": answer}]})
    };
    let rows = format!("{}\n{}\n", row("a", "Hi", "Yes."), row("b", "Two?", "No."));
    let (_folder, control) = file("control.jsonl", rows);
    let [table, control] = [case("conversations.parquet"), control].map(|path| size(&plan("--transcripts", &path)));
    assert_eq!(table, control);
}

#[test]
fn compressed_files_are_read_behind_every_ending_and_on_standard_input() {
    let (_folder, control) = file("control.jsonl", TWO);
    let expected = corpus(&control);
    let list = format!("[{}]", TWO.trim().replace('\n', ","));
    let halves =
        [gzip(TWO.lines().next().unwrap().as_bytes()), gzip(b"\n"), gzip(TWO.lines().last().unwrap().as_bytes())];
    for (name, bytes) in [
        ("a.jsonl.gz", halves.concat()),
        ("a.json.gz", gzip(list.as_bytes())),
        ("a.json.gz", gzip(TWO.as_bytes())),
        ("a.json.zst", zstd::encode_all(list.as_bytes(), 3).unwrap()),
        ("a.jsonl", gzip(TWO.as_bytes())),
    ] {
        let (_folder, path) = file(name, &bytes);
        assert_eq!(corpus(&path), expected, "{name}");
        assert_eq!(size(&plan_of_stdin(&bytes)), expected, "{name} on standard input");
    }
    let (_folder, plain) = file("a.txt", "one two three four");
    for name in ["a.txt.gz", "a.md.gz", "a.md.zst"] {
        let bytes = if name.ends_with("gz") {
            gzip(b"one two three four")
        } else {
            zstd::encode_all(&b"one two three four"[..], 3).unwrap()
        };
        let (_folder, path) = file(name, bytes);
        assert_eq!(corpus(&path), corpus(&plain), "{name}");
    }
    plan_of_stdin(&fs::read(case("names.parquet")).unwrap()).refused(&expect![[r#"
        error: corpus `-` is Parquet, which cannot be read from a stream; expected text

        hint: save it to a file, and name the file
    "#]]);
}

#[test]
fn an_endless_stream_ends_where_enough_was_taken() {
    let arguments = ["route", &tiny("12.3M"), "--corpus", "-", "--max-sequences", "10", "--dry-run"];
    for bytes in [b"{\"text\": \"a b\"}\n".to_vec(), gzip(TWO.repeat(500).as_bytes())] {
        let outcome = piped(&arguments, &bytes, true);
        assert!(size(&outcome).ends_with("in 10 sequences of 10 documents"));
    }
}

#[test]
#[cfg(unix)]
fn a_pipe_is_read_where_it_is_named_and_left_out_where_it_is_found() {
    let (folder, control) = file("a.jsonl", TWO);
    let expected = corpus(&control);
    let pipe = folder.path().join("p.jsonl");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let found = plan("--corpus", folder.path());
    expect!["warning: TEMP/p.jsonl left out: not a regular file; name it explicitly to use it"]
        .assert_eq(&left_out(&found));
    assert_eq!(size(&found), expected);
    let into = pipe.clone();
    let writer = thread::spawn(move || fs::write(into, gzip(TWO.as_bytes())).unwrap());
    assert_eq!(corpus(&pipe), expected);
    writer.join().unwrap();
}

/// A file whose name is not UTF-8 can still be read and named in messages.
#[test]
#[cfg(target_os = "linux")]
fn names_that_are_no_text_are_names() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(std::ffi::OsStr::from_bytes(b"\xe9.jsonl")), TWO).unwrap();
    let outcome = plan("--corpus", folder.path());
    assert!(size(&outcome).ends_with("of 2 documents"), "{}", outcome.stderr);
}

#[test]
fn what_ends_a_run_by_name_is_left_out_of_a_folder() {
    let zst = zstd::encode_all(TWO.repeat(10_000).as_bytes(), 3).unwrap();
    for (name, bytes, message, left) in [
        (
            "x.jsonl.zst",
            &zst[..20],
            expect![[r#"
            error: corpus `TEMP/x.jsonl.zst` cannot be decompressed: incomplete frame

            hint: it is damaged or was cut: fetch or compress it again
        "#]],
            expect!["warning: TEMP/x.jsonl.zst left out: cannot be decompressed: incomplete frame"],
        ),
        (
            "x.jsonl",
            b"version https://git-lfs.github.com/spec/v1\nsize 9\n",
            expect![[r#"
            error: corpus `TEMP/x.jsonl` is a git-lfs pointer to 9 bytes that were not fetched

            hint: fetch them: git lfs pull
        "#]],
            expect!["warning: TEMP/x.jsonl left out: is a git-lfs pointer to 9 bytes that were not fetched"],
        ),
        (
            "x.parquet",
            &fs::read(case("struct_domain.parquet")).unwrap()[..400],
            expect![[r#"
            error: corpus `TEMP/x.parquet` is not a readable Parquet file: parquet: File out of specification: The file must end with PAR1

            hint: it may be cut or damaged: fetch or write it again
        "#]],
            expect![
                "warning: TEMP/x.parquet left out: is not a readable Parquet file: parquet: File out of specification: The file must end with PAR1"
            ],
        ),
    ] {
        let (folder, path) = file(name, bytes);
        refused(&path, &message);
        fs::write(folder.path().join("a.jsonl"), TWO).unwrap();
        let outcome = plan("--corpus", folder.path());
        left.assert_eq(&left_out(&outcome));
        assert!(size(&outcome).contains("2 documents"));
    }
}

/// A corpus folder in which a run was left is that corpus still.
#[test]
fn a_run_that_lies_in_a_corpus_is_no_text() {
    let (folder, path) = file("a.jsonl", TWO);
    let out = folder.path().join("run");
    fs::create_dir_all(out.join("trace")).unwrap();
    let manifest = r#"{"command": "route", "version": "0.1.0", "inputs": [], "complete": false}"#;
    fs::write(out.join("manifest.json"), manifest).unwrap();
    for name in ["groups.parquet", "trace/part-00000.parquet"] {
        fs::copy(case("duration.parquet"), out.join(name)).unwrap();
    }
    let outcome = plan("--corpus", folder.path());
    expect!["warning: TEMP/run left out: the folder of a run"].assert_eq(&left_out(&outcome));
    assert_eq!(size(&outcome), corpus(&path));
    refused(
        &out,
        &expect![[r#"
        error: corpus `TEMP/run` is the folder of a run; expected text

        hint: name the text that the run was made from
    "#]],
    );
}

/// The corpora of the repository are what they were: nothing is left out, nothing is noted.
#[test]
fn plain_corpora_are_read_without_a_word() {
    let outcome = plan("--corpus", &fixture("corpora/domains/book.jsonl"));
    outcome.done_saying(&expect![[r#"
        categories: 1 by `domain`
        openmoe-tiny-12.3M: 20,376 tokens in 13 sequences of 13 documents; MoE layers [1, 3, 5], 16 experts, top-2
    "#]]);
}
