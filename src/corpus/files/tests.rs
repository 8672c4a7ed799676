//! Reads every kind of file into a sink that records everything.

use std::{
    fs,
    io::Write,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use super::{Column, Identity, Refusal, RowSink, collect_files, read_source, scan::LONGEST};
use crate::error::Result;

/// Takes everything, and stops after some rows.
#[derive(Default)]
pub(super) struct Recorder {
    pub rows: Vec<(String, Result<Value, String>)>,
    pub notes: Vec<String>,
    pub most: Option<usize>,
    pub columns: Vec<Column>,
    /// The only column that is read.
    pub only: Option<String>,
}

impl RowSink for Recorder {
    fn noun(&self) -> &'static str {
        "corpus"
    }

    fn row(&mut self, place: String, row: Result<Value, String>) -> Result<ControlFlow<()>> {
        self.rows.push((place, row));
        let full = self.most.is_some_and(|most| self.rows.len() >= most);
        Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn text(&mut self, place: String, text: Result<String, String>) -> Result<ControlFlow<()>> {
        self.row(place, text.map(Value::String))
    }

    fn refuses_text(&self) -> Option<Refusal> {
        None
    }

    fn note(&mut self, _: String, reason: String) {
        self.notes.push(reason);
    }

    fn columns(&mut self, columns: &[Column]) -> Result<Vec<bool>, Refusal> {
        self.columns = columns.to_vec();
        Ok(columns.iter().map(|column| self.only.as_ref().is_none_or(|only| *only == column.name)).collect())
    }

    fn is_row(&self, object: &Map<String, Value>) -> bool {
        object.contains_key("text")
    }
}

/// Reads a file with this name and these bytes.
fn read(name: &str, bytes: impl AsRef<[u8]>) -> (Recorder, Result<Identity>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    into(Recorder::default(), &path)
}

pub(super) fn into(mut recorder: Recorder, path: &Path) -> (Recorder, Result<Identity>) {
    let identity = collect_files(&[path.to_owned()]).and_then(|(sources, _)| read_source(&sources[0], &mut recorder));
    (recorder, identity)
}

/// The rows, which must all be usable, with their places without the file's name.
fn rows(name: &str, bytes: impl AsRef<[u8]>) -> Vec<(String, Value)> {
    let (recorder, identity) = read(name, bytes);
    let identity = identity.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(!identity.partial && identity.sha256.len() == 64);
    let place = |place: String| place.rsplit_once(':').map_or(String::new(), |(_, place)| place.to_owned());
    recorder
        .rows
        .into_iter()
        .map(|(at, row)| (place(at), row.unwrap_or_else(|reason| panic!("{name}: {reason}"))))
        .collect()
}

fn texts(name: &str, bytes: impl AsRef<[u8]>) -> Vec<String> {
    rows(name, bytes).into_iter().map(|(_, row)| row["text"].as_str().unwrap_or_default().to_owned()).collect()
}

fn refused(name: &str, bytes: impl AsRef<[u8]>) -> String {
    let (recorder, identity) = read(name, bytes);
    assert!(recorder.rows.is_empty(), "{name}: {:?}", recorder.rows);
    let error = identity.expect_err(name);
    assert!(error.exit_code() == 2 && error.hint().is_some(), "{error:?}");
    error.to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

pub(super) fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/parquet").join(name)
}

const TWO: &str = "{\"text\": \"one\"}\n{\"text\": \"two\"}\n";

#[test]
fn rows_are_the_same_however_they_are_packed() {
    let list = "[{\"text\": \"one\"}, {\"text\": \"two\"}]";
    let pretty = "{\n  \"text\": \"one\"\n}\n{\n  \"text\":\n    \"two\"\n}\n";
    let packed: [(&str, Vec<u8>); 26] = [
        ("a.jsonl", TWO.into()),
        ("a.ndjson", TWO.into()),
        ("a.json", TWO.into()),
        ("a.json", list.into()),
        ("a.jsonl", list.into()),
        ("a.jsonl", "[{\"text\": \"one\"}]\n[{\"text\": \"two\"}]\n".into()),
        ("a.jsonl", pretty.into()),
        ("a.json", pretty.into()),
        ("a.json", format!("{{\"version\": 1, \"data\": {list}}}").into()),
        ("a.json", format!("{{\n \"data\": {list}\n}}").into()),
        ("a.json", "{\"text\": {\"0\": \"one\", \"1\": \"two\"}, \"id\": {\"0\": 1, \"1\": 2}}".into()),
        ("a.jsonl", TWO.replace('\n', " ").into()),
        ("a.jsonl", TWO.replace('\n', "\r\n").into()),
        ("a.jsonl", TWO.replace("{\"", "\u{feff}{\"").into()),
        ("a.jsonl", utf16(&format!("\u{feff}{TWO}"))),
        ("a.jsonl", utf16(TWO)),
        ("a.jsonl.gz", [gzip(b"{\"text\": \"one\"}\n"), gzip(b"{\"text\": \"two\"}\n")].concat()),
        ("a.jsonl.zst", zstd::encode_all(&gzip(TWO.as_bytes())[..], 3).unwrap()),
        ("a", gzip(TWO.as_bytes())),
        ("a", list.into()),
        ("a", format!("\u{feff}{TWO}").into()),
        ("a", format!("\u{feff}\n {list}").into()),
        ("a.json", "{\"data\": [\n{\"text\": \"one\"},\n{\"text\": \"two\"}\n]}\n".into()),
        ("a.json", "{\"data\":\n[\n{\"text\": \"one\"},\n{\"text\": \"two\"}\n]\n}\n".into()),
        ("a.jsonl.gz", [gzip(TWO.as_bytes()), vec![0; 100_000]].concat()),
        ("a.jsonl.gz", [gzip(b"{\"text\": \"one\"}\n"), vec![0; 512], gzip(b"{\"text\": \"two\"}\n")].concat()),
    ];
    for (name, bytes) in packed {
        assert_eq!(texts(name, &bytes), ["one", "two"], "{name}: {}", String::from_utf8_lossy(&bytes));
    }
    let frames =
        [&b"{\"text\": \"one\"}\n"[..], b"{\"text\": \"two\"}\n"].map(|part| zstd::encode_all(part, 3).unwrap());
    assert_eq!(texts("a.jsonl.zst", frames.concat()), ["one", "two"]);
    assert_eq!(rows("a.jsonl", pretty).into_iter().map(|(place, _)| place).collect::<Vec<_>>(), ["1", "4"]);
    assert_eq!(rows("a.json", list).into_iter().map(|(place, _)| place).collect::<Vec<_>>(), ["1", "2"]);
}

/// Cells that a column of a frame lacks are missing, rows are not.
#[test]
fn a_frame_has_the_rows_of_all_its_columns() {
    let frame = "{\"id\": {\"3\": \"a\"}, \"none\": {}, \"text\": {\"7\": \"one\", \"3\": \"two\", \"12\": \"three\"}}";
    assert_eq!(texts("a.json", frame), ["two", "one", "three"]);
    let found: Vec<_> = rows("a.json", frame).into_iter().map(|(_, row)| row).collect();
    assert_eq!(found, [json!({"id": "a", "text": "two"}), json!({"text": "one"}), json!({"text": "three"})]);
}

#[test]
fn what_follows_compressed_rows_is_left_out_and_said() {
    for (name, bytes) in [("a.jsonl.gz", TWO.as_bytes()), ("a.txt", b"text")] {
        let (recorder, identity) = read(name, [gzip(bytes), b"garbage".to_vec()].concat());
        let (place, last) = recorder.rows.last().unwrap();
        assert!(place.contains(&format!("{name} after row ")), "{place}");
        assert_eq!(last.as_ref().unwrap_err(), "what follows its last gzip member is no gzip: not read");
        assert!(
            identity.unwrap().bytes > bytes.len() as u64
                && recorder.rows[..recorder.rows.len() - 1].iter().all(|row| row.1.is_ok())
        );
        assert!(read(name, [gzip(bytes), gzip(bytes)[..12].to_vec()].concat()).1.is_err());
    }
}

#[test]
fn text_files_are_one_document_however_they_are_packed() {
    for bytes in
        [b"one".to_vec(), b"\xef\xbb\xbfone".to_vec(), gzip(b"one"), utf16("\u{feff}one"), gzip(&utf16("\u{feff}one"))]
    {
        let (recorder, identity) = read("a.txt", &bytes);
        assert!(identity.is_ok());
        assert_eq!(recorder.rows.into_iter().map(|(_, row)| row.unwrap()).collect::<Vec<_>>(), ["one"]);
    }
    let (recorder, _) = read("a.md", "<!DOCTYPE html><p>text is text");
    assert!(recorder.rows[0].1.is_ok());
    let (recorder, _) = read("a.txt", [vec![b'a'; 100_000], vec![0]].concat());
    assert!(recorder.rows[0].1.as_ref().unwrap_err().starts_with("holds NUL at byte 100000"));
}

#[test]
fn what_is_neither_text_nor_rows_is_named_once() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
    for name in ["a.jsonl", "a.json", "a.txt", "a.parquet", "a.jsonl.zst"] {
        let message = refused(name, pointer);
        assert!(message.ends_with("is a git-lfs pointer to 9 bytes that were not fetched"), "{message}");
        assert!(refused(name, [0; 4096]).contains("holds NUL at byte 0, so it is no text"));
        assert!(refused(name, "PK\x03\x04aaaa").contains("is a zip archive"));
    }
    for name in ["a.jsonl", "a.json", "a.parquet"] {
        assert!(refused(name, "<!DOCTYPE html><html>").contains("is a web page; expected rows"));
    }
    assert!(refused("a.parquet", "").contains("is not a readable Parquet file: it is empty"));
    assert!(refused("a.parquet", "text").contains("is not a readable Parquet file: it begins with `text`"));
    assert!(refused("a.json", "text: a\n").contains("is not a readable list of rows: it begins with `text: a"));
    assert!(
        refused("a.parquet.gz", gzip(&fs::read(case("dictionary.parquet")).unwrap()))
            .contains("is Parquet, compressed")
    );
    assert!(refused("a.csv", "text\na\n").contains("has a format that is not read"));
    assert!(refused("a.csv.gz", gzip(b"text\na\n")).contains("begins with `text"));
}

#[test]
fn rows_beside_broken_ones_are_used_and_places_are_right() {
    let used = |name: &str, text: &str| {
        let (recorder, identity) = read(name, text);
        identity.unwrap();
        let place = |place: &str| place.rsplit('/').next().unwrap_or_default().to_owned();
        let shown = recorder.rows.iter().map(|(at, row)| match row {
            Ok(row) => format!("{} {}", place(at), row["text"]),
            Err(reason) => format!("{}: {reason}", place(at)),
        });
        (shown.collect::<Vec<_>>(), recorder.notes)
    };
    let (shown, notes) = used("a.json", "[{\"text\": \"used\"},]");
    assert_eq!((&shown[..], notes.len()), (&["a.json:1 \"used\"".to_owned()][..], 1), "{notes:?}");
    let (shown, _) = used("a.json", "[{\"text\": \"a\"}, {\"text\": }, {\"text\": \"c\"}]");
    assert_eq!(shown, ["a.json:1 \"a\"", "a.json:2: broken JSON: expected value at column 10", "a.json:3 \"c\""]);
    let (shown, _) = used("a.json", "[{\"text\": \"a\"}, {\"text\": ");
    assert!(shown.len() == 2 && shown[1].starts_with("a.json:2: broken JSON: EOF"), "{shown:?}");
    let (shown, _) = used("a.json", "[{\"text\": \"a\"}");
    assert_eq!(shown[1], "a.json after row 1: the list is not closed: the file may have been cut");
    let (shown, _) = used("a.json", "[\n{\"text\": \"a\"}]\nmore");
    assert_eq!(shown[1], "a.json after row 1: the list has ended, and `more` follows in line 3: not read");
    let (shown, _) = used("a.json", "[{\"text\": \"a\"} {\"text\": \"b\"}]");
    assert!(shown[1].starts_with("a.json after row 1: expected a comma or the end of the list"), "{shown:?}");
    let (shown, _) = used("a.jsonl", "{\"text\": \"a\"} x\n{\"text\": \"b\"}\n");
    assert!(shown[0].starts_with("a.jsonl:1: broken JSON: trailing characters: `x`") && shown[1] == "a.jsonl:2 \"b\"");
    let (shown, _) = used("a.json", "{\"train\": [{\"text\": \"a\"}], \"test\": [{\"text\": \"b\"}]}");
    assert!(shown[0].contains("`train` and `test` hold lists of rows"), "{shown:?}");
    // The first row has only a list of rows and would be unwrapped, but a second row follows it: nothing is unwrapped.
    let (shown, _) = used("a.jsonl", "{\"data\": [{\"text\": \"a\"}]}\n{\"text\": \"b\"}\n");
    assert_eq!(shown, ["a.jsonl:1 null", "a.jsonl:2 \"b\""]);
}

#[test]
fn odd_json_is_read_and_told_once_for_a_file() {
    let text = "{\"text\": \"cut \\ud83d\"}\n{\"text\": \"a\", \"score\": NaN}\n{\"text\": \"x\", \"text\": \"y\"}\n{\"text\": \"\\ude00\"}\n";
    let (recorder, _) = read("a.jsonl", text);
    let found: Vec<_> = recorder.rows.iter().map(|(_, row)| row.as_ref().unwrap()["text"].as_str().unwrap()).collect();
    assert_eq!(found, ["cut \u{fffd}", "a", "y", "\u{fffd}"]);
    assert_eq!(recorder.notes.len(), 2, "{:?}", recorder.notes);
    assert!(
        recorder.notes[0].starts_with("`text` stands twice in an object: the last one is used (1 row, the first is")
    );
    assert!(recorder.notes[1].contains("U+FFFD (2 rows, the first is"), "{:?}", recorder.notes);
    let ids = rows("a.jsonl", format!("{{\"id\": {}, \"text\": \"a\"}}", "9".repeat(39)));
    assert_eq!(ids[0].1["id"], "9".repeat(39));
}

#[test]
fn a_line_without_limit_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl.gz");
    let mut encoder = flate2::write::GzEncoder::new(fs::File::create(&path).unwrap(), flate2::Compression::fast());
    let block = vec![b'a'; LONGEST / 2];
    encoder.write_all(b"{\"text\": \"one\"}\n{\"text\": \"").unwrap();
    for _ in 0..3 {
        encoder.write_all(&block).unwrap();
    }
    encoder.write_all(b"\"}\n{\"text\": \"two\"}\n").unwrap();
    encoder.finish().unwrap();
    let (recorder, identity) = into(Recorder::default(), &path);
    assert!(!identity.unwrap().partial);
    let shown: Vec<_> = recorder.rows.iter().map(|(_, row)| row.as_ref().map(|row| row["text"].clone())).collect();
    assert_eq!(shown[0], Ok(json!("one")));
    assert!(shown[1].as_ref().unwrap_err().contains("the line is longer than 1 MiB; split it"), "{:?}", shown[1]);
    assert_eq!(shown[2], Ok(json!("two")));
}

#[test]
fn what_is_not_needed_is_not_read_from_a_stream_but_counted_in_a_file() {
    let text = TWO.repeat(50);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    fs::write(&path, &text).unwrap();
    let (recorder, identity) = into(Recorder { most: Some(3), ..Recorder::default() }, &path);
    assert_eq!((recorder.rows.len(), identity.unwrap().partial), (100, false));
}

/// The used bytes of a stream are hashed, whatever the portions in which they come; an endless stream is not read to its end.
#[test]
#[cfg(unix)]
fn a_stream_is_read_as_far_as_it_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str, portion: Vec<u8>| {
        let path = folder.path().join(name);
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let into = path.clone();
        let writer = std::thread::spawn(move || {
            let mut pipe = fs::OpenOptions::new().write(true).open(into).unwrap();
            while pipe.write_all(&portion).is_ok() {}
        });
        let (recorder, identity) = into_most(3, &path);
        writer.join().unwrap();
        assert_eq!(recorder.rows.len(), 3);
        identity.unwrap()
    };
    let line = b"{\"text\": \"one\"}\n";
    let [one, other] = [read("one", line.to_vec()), read("other", line.repeat(7000))];
    assert_eq!((&one, one.bytes, one.partial), (&other, 3 * line.len() as u64, true));
    let packed = gzip(&line.repeat(100_000));
    let [one, other] = [read("small.gz", packed.clone()), read("large.gz", packed.repeat(20))];
    assert_eq!((&one, one.partial), (&other, true));
}

fn into_most(most: usize, path: &Path) -> (Recorder, Result<Identity>) {
    into(Recorder { most: Some(most), ..Recorder::default() }, path)
}

#[test]
#[cfg(unix)]
fn what_lies_in_a_folder_is_left_out_where_it_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    put("README.md", b"# Card");
    put("LICENSE.txt", b"Terms");
    put("dataset_info.json", b"{}");
    put("run/manifest.json", b"{\"complete\": true, \"command\": \"route\", \"version\": \"0.1.0\", \"inputs\": []}");
    put("run/groups.parquet", b"PAR1");
    put("data/train-00000-of-00002.jsonl", TWO.as_bytes());
    put("train-00001-of-00002.jsonl", TWO.as_bytes());
    let zst = zstd::encode_all(TWO.repeat(10_000).as_bytes(), 3).unwrap();
    put("cut.jsonl.zst", &zst[..zst.len() - 4]);
    for (target, name) in [("nowhere", "x.jsonl"), ("/dev/zero", "zero.txt"), ("loop.txt", "loop.txt")] {
        std::os::unix::fs::symlink(target, folder.path().join(name)).unwrap();
    }
    let (sources, skipped) = collect_files(&[folder.path().to_owned()]).unwrap();
    let found: Vec<_> = sources
        .iter()
        .map(|source| {
            let path = source.path.strip_prefix(folder.path()).unwrap().to_str().unwrap();
            (path, source.category.as_deref().unwrap())
        })
        .collect();
    let expected = [
        ("cut.jsonl.zst", "cut"),
        ("data/train-00000-of-00002.jsonl", "data"),
        ("train-00001-of-00002.jsonl", "train"),
    ];
    assert_eq!(found, expected);
    let reasons: Vec<_> = skipped.iter().map(|skipped| skipped.reason.split([';', '`', ',']).next().unwrap()).collect();
    let describes = "describes the data";
    let expected =
        [describes, describes, describes, "a link to ", "the folder of a run", "a link to ", "not a regular file"];
    assert_eq!(reasons, expected);
    // The rows before the damage are used, and the damage is no error.
    let mut recorder = Recorder::default();
    let identity = read_source(&sources[0], &mut recorder).unwrap();
    assert!(
        !identity.partial && recorder.rows.last().unwrap().1.as_ref().unwrap_err().contains("cannot be decompressed")
    );
    let run = collect_files(&[folder.path().join("run")]).unwrap_err().to_string();
    assert!(run.contains("is the folder of a run; expected text"), "{run}");
}

#[test]
#[cfg(unix)]
fn links_and_devices_that_were_named_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("x.jsonl");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    let error = collect_files(&[link]).unwrap_err();
    assert!(error.to_string().contains("is a link to `nowhere`, which does not exist"), "{error}");
    let zero = folder.path().join("zero.txt");
    std::os::unix::fs::symlink("/dev/zero", &zero).unwrap();
    assert!(collect_files(&[zero]).unwrap_err().to_string().contains("is a device"));
}

#[test]
fn parts_of_one_data_set_are_one_data_set() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["train-00000-of-00002.jsonl", "train-00001-of-00002.jsonl", "train.jsonl"]
        .map(|name| folder.path().join(name));
    for path in &paths {
        fs::write(path, TWO).unwrap();
    }
    let (sources, _) = collect_files(&paths).unwrap();
    let datasets: Vec<_> = sources.iter().map(|source| source.dataset.as_str()).collect();
    assert_eq!(datasets, ["train", "train", "train#2"], "the third is another thing");
}
