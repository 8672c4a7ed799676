//! Which folders a run may write into, and what happens to the files there.
use std::{fs, path::PathBuf};

use serde_json::json;

use super::*;

fn record(complete: bool, seed: u64) -> RunRecord {
    let layout = RecordedLayout { moe_layers: vec![1], num_experts: 4, top_k: 2, ..RecordedLayout::default() };
    let statistics = RecordedSettings { seed, ..RecordedSettings::default() };
    RunRecord { complete, statistics, ..RunRecord::new(Identity::new(RunKind::Route), "base", layout) }
}

#[test]
fn an_occupied_folder_is_refused_replaced_or_resumed() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path().join("run");
    let identity = json!({"seed": 1});
    let (folder, resumed) = RunDir::prepare(&root, Occupied::Refuse, &identity).unwrap();
    assert!(!resumed);
    folder.write_record(&record(false, 1)).unwrap();
    fs::write(root.join("mine.txt"), "keep").unwrap();
    let error = RunDir::prepare(&root, Occupied::Refuse, &identity).unwrap_err();
    assert!(error.to_string().contains("holds an incomplete run"), "{error}");
    assert!(RunDir::prepare(&root, Occupied::Resume, &identity).unwrap().1);
    let error = RunDir::prepare(&root, Occupied::Resume, &json!({"seed": 2})).unwrap_err();
    assert!(error.to_string().contains("seed: 1 there, 2 now"), "{error}");
    RunDir::prepare(&root, Occupied::Replace, &identity).unwrap();
    assert!(!root.join("manifest.json").exists() && root.join("mine.txt").exists());
    // From the first moment the folder says which run was begun.
    assert!(RunDir::prepare(&root, Occupied::Resume, &identity).unwrap().1);
    fs::remove_file(root.join("checksums.sha256")).unwrap();
    fs::create_dir(root.join("charts")).unwrap();
    let error = RunDir::prepare(&root, Occupied::Replace, &identity).unwrap_err();
    assert!(error.to_string().contains("holds `charts` but no manifest.json"), "{error}");
    assert!(root.join("charts").exists(), "what is no run's is not removed");
}

#[test]
fn a_file_is_whole_or_absent_and_no_temporary_name_stays() {
    let temporary = tempfile::tempdir().unwrap();
    let (folder, _) = RunDir::prepare(temporary.path(), Occupied::Refuse, &json!({})).unwrap();
    folder.write("stats/a.csv", b"x").unwrap();
    folder.write("stats/a.csv", b"y").unwrap();
    assert_eq!(fs::read(folder.file("stats/a.csv")).unwrap(), b"y");
    assert_eq!(fs::read_dir(folder.file("stats")).unwrap().count(), 1);
    drop(folder);
    let left: Vec<_> = fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the table's folder and the checksums, no lock: {left:?}");
}

#[test]
fn force_removes_a_run_and_nothing_else() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path();
    let (run, _) = RunDir::prepare(root, Occupied::Refuse, &json!({})).unwrap();
    run.write("trace/part-00000.parquet", b"part").unwrap();
    run.write("stats/a.csv", b"table").unwrap();
    let mut above = record(true, 1);
    let checkpoint = json!({"label": "B", "path": "b", "trace": "checkpoints/B"});
    above.identity.checkpoints = vec![serde_json::from_value(checkpoint).unwrap()];
    run.write_record(&above).unwrap();
    let below = run.prepare_below("checkpoints/B", &json!({})).unwrap();
    below.write("trace/part-00000.parquet", b"part").unwrap();
    below.write_record(&record(true, 1)).unwrap();
    for name in ["trace/notes.txt", "stats/mine.csv", "checkpoints/epoch-9/w.bin", "drift/manifest.json"] {
        write_file(&root.join(name), b"{\"command\": \"drift\", \"version\": \"0\", \"complete\": true}").unwrap();
    }
    drop((run, below));
    RunDir::prepare(root, Occupied::Replace, &json!({})).unwrap();
    let mut left = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { left.push(path.strip_prefix(root).unwrap().to_owned()) }
        }
    }
    left.sort();
    let expected =
        ["checkpoints/epoch-9/w.bin", "checksums.sha256", "drift/manifest.json", "stats/mine.csv", "trace/notes.txt"];
    assert_eq!(left, expected.map(PathBuf::from));
}

#[test]
fn what_is_read_back_is_what_was_written() {
    let temporary = tempfile::tempdir().unwrap();
    let (run, _) = RunDir::prepare(temporary.path(), Occupied::Refuse, &json!({"seed": 1})).unwrap();
    run.write("trace/part-00000.parquet", b"part").unwrap();
    run.write("summary.json", b"{}").unwrap();
    run.write_record(&record(true, 1)).unwrap();
    drop(run);
    let read = |name: &str| RunDir::open(temporary.path()).unwrap().read(name).map_err(|error| error.to_string());
    assert_eq!(read("trace/part-00000.parquet").unwrap(), b"part");
    checksums::forget();
    fs::write(temporary.path().join("trace/part-00000.parquet"), "pbrt").unwrap();
    fs::write(temporary.path().join("trace/part-00001.parquet"), "foreign").unwrap();
    assert!(read("trace/part-00000.parquet").unwrap_err().contains("is damaged: its SHA-256"));
    assert!(read("trace/part-00001.parquet").unwrap_err().contains("does not list it"));
    let (resumed, _) = RunDir::prepare(temporary.path(), Occupied::Resume, &json!({"seed": 1})).unwrap();
    assert!(!resumed.is_intact("trace/part-00000.parquet") && resumed.is_intact("summary.json"));
    drop(resumed);
    // The checksums of another run say nothing about this one.
    let other = RunRecord { run_digest: Some("another".to_owned()), ..record(true, 1) };
    write_file(&temporary.path().join("manifest.json"), &other.to_bytes().unwrap()).unwrap();
    assert!(read("summary.json").unwrap_err().contains("does not list it"));
}

#[test]
fn files_replace_others_together_or_not_at_all() {
    let temporary = tempfile::tempdir().unwrap();
    let (run, _) = RunDir::prepare(temporary.path(), Occupied::Refuse, &json!({})).unwrap();
    let mut record = record(false, 1);
    let fill = |names: &[&str]| {
        let mut staged = Staged::new(&run);
        for name in names {
            staged.add(name, name.as_bytes()).unwrap();
        }
        staged
    };
    fill(&["stats/a.csv", "stats/b.csv"]).publish(&mut record, &["stats"]).unwrap();
    fs::write(run.file("stats/mine.csv"), "mine").unwrap();
    drop(fill(&["stats/c.csv"]));
    assert!(run.record().unwrap().complete && !run.file("stats/c.csv").exists());
    fill(&["stats/b.csv", "stats/c.csv"]).publish(&mut record, &["stats"]).unwrap();
    assert_eq!(run.names("stats").unwrap(), ["stats/b.csv", "stats/c.csv"]);
    let mut there: Vec<_> = fs::read_dir(run.file("stats")).unwrap().map(|e| e.unwrap().file_name()).collect();
    there.sort();
    assert_eq!(there, ["b.csv", "c.csv", "mine.csv"]);
}

#[test]
fn a_lost_list_of_checksums_is_written_into_its_own_run() {
    let temporary = tempfile::tempdir().unwrap();
    let (run, _) = RunDir::prepare(temporary.path(), Occupied::Refuse, &json!({})).unwrap();
    run.write("stats/a.csv", b"x").unwrap();
    run.write_record(&record(true, 1)).unwrap();
    drop(run);
    let list = temporary.path().join("checksums.sha256");
    fs::remove_file(&list).unwrap();
    let opened = RunDir::open(temporary.path()).unwrap();
    let refused = opened.names("stats").unwrap_err();
    assert!(refused.to_string().contains("lists none of its files"), "{refused}");
    assert!(refused.hint().unwrap_or_default().contains("make the statistics again"), "{:?}", refused.hint());
    opened.write("stats/b.csv", b"y").unwrap();
    assert_eq!(RunDir::open(temporary.path()).unwrap().names("stats").unwrap(), ["stats/b.csv"]);
    // A folder that has no list yet, as that of a run which is about to begin.
    fs::remove_file(&list).unwrap();
    let mut none = checksums::Checksums::open(temporary.path()).unwrap();
    none.write().unwrap();
    assert!(list.is_file());
}
