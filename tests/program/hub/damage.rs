//! Bytes that are not those of the hub, on the way or in the cache: no number is made of them, and no later run meets them again.

use super::*;
use crate::support::files::read_json;

/// A checkpoint of torch, and rows that need no tokenizer.
fn torch() -> (Place, tempfile::NamedTempFile) {
    let golden = fs::read_dir(fixture("goldens/B_top1_bin")).unwrap().map(|entry| entry.unwrap().path());
    let stored = golden.map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name.clone(), Stored::new(&name, Content::Bytes(fs::read(&path).unwrap())))
    });
    let place = Place { server: HubServer::start(NAME, stored.collect()), folder: tempfile::tempdir().unwrap() };
    let rows = tempfile::NamedTempFile::with_suffix(".jsonl").unwrap();
    fs::write(rows.path(), "{\"input_ids\": [5, 9, 3, 11, 2, 8]}\n").unwrap();
    (place, rows)
}

impl Place {
    /// `route` over ranges that are kept.
    fn routed(&self, rows: &tempfile::NamedTempFile, out: &str, more: &[&str]) -> Outcome {
        let out = self.folder.path().join(out);
        let [rows, out] = [rows.path(), &out].map(|path| path.to_str().unwrap());
        let fixed = ["--context", "64", "--resamples", "0", "--permutations", "0"];
        self.run(&[&["route", NAME, "--corpus", rows, "--out", out][..], &fixed, more].concat())
    }
}

#[test]
fn a_bit_that_flipped_on_the_network_is_fetched_again() {
    let (place, rows) = torch();
    assert_eq!(place.routed(&rows, "right", &[]).code, 0);
    fs::remove_dir_all(place.ranges()).unwrap();
    place.server.faults(Faults { flip: Some((600_000, 1000)), ..Faults::default() });
    let flipped = place.routed(&rows, "flipped", &["--quiet"]);
    assert!(flipped.refusal().contains("`pytorch_model.bin`: bytes ") && flipped.refusal().contains("have CRC-32"));
    assert!(flipped.refusal().contains("hint: what was kept of them is forgotten: run it again"), "{}", flipped.stderr);
    place.server.faults(Faults::default());
    let again = place.routed(&rows, "again", &["--quiet"]);
    assert_eq!((again.code, again.stderr.as_str()), (0, ""));
    let trace = |out: &str| -> Vec<Vec<u8>> {
        let mut paths: Vec<PathBuf> = fs::read_dir(place.folder.path().join(out).join("trace"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        paths.iter().map(|path| fs::read(path).unwrap()).collect()
    };
    assert!(!trace("right").is_empty() && trace("right") == trace("again"));
}

#[test]
fn what_was_not_computed_is_said_and_written_down() {
    let (place, rows) = torch();
    let outcome = place.routed(&rows, "run", &[]);
    let note = "1 weight file read in ranges: the SHA-256 is the one that the hub states, not one that was computed";
    assert_eq!((outcome.code, outcome.stderr.matches(note).count()), (0, 1), "{}", outcome.stderr);
    let manifest = read_json(&place.folder.path().join("run/manifest.json"));
    assert!(manifest.to_string().contains(note), "{manifest:#}");
    // After a fetch the bytes are hashed, and the same run goes on.
    assert_eq!(place.run(&["fetch", NAME]).code, 0);
    let outcome = place.routed(&rows, "run", &["--resume"]);
    assert_eq!((outcome.code, outcome.stderr.matches(note).count()), (0, 0), "{}", outcome.stderr);
}

#[cfg(unix)]
#[test]
fn fetch_compares_what_is_there() {
    let place = Place::tiny();
    assert_eq!(place.run(&["fetch", NAME]).code, 0);
    let snapshot = place.cache().join("models--OrionZheng--openmoe-tiny/snapshots").join(COMMIT);
    let weights = snapshot.join("model.safetensors");
    let right = fs::read(&weights).unwrap();
    let mut damaged = right.clone();
    damaged[5000] ^= 1;
    fs::write(&weights, damaged).unwrap();
    let outcome = place.run(&["fetch", NAME]);
    let note = "`model.safetensors` of OrionZheng/openmoe-tiny in the cache has SHA-256 ";
    assert!(outcome.code == 0 && outcome.stderr.contains(note), "{}", outcome.stderr);
    assert!(outcome.stderr.contains(": it is fetched again\n"), "{}", outcome.stderr);
    assert!(fs::read(&weights).unwrap() == right);
    // A small one, when its folder is used.
    let config = snapshot.join("config.json");
    let mut text = fs::read(&config).unwrap();
    let last = text.len() - 1;
    text[last] = b' ';
    text[last - 1] = b'}';
    fs::write(&config, text).unwrap();
    let out = place.folder.path().join("out");
    let text = fixture("corpora/domains/wikipedia.jsonl");
    let [folder, text, out] = [&snapshot, &text, &out].map(|path| path.to_str().unwrap());
    let outcome = place.run(&["route", folder, "--corpus", text, "--out", out, "--max-sequences", "1", "--quiet"]);
    assert!(outcome.refusal().contains("`config.json` has git hash "), "{}", outcome.stderr);
}
