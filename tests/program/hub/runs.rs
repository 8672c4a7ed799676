//! Runs of checkpoints that are on the hub: the same bytes as of a folder, what they move, and what an end in the middle costs.

use std::{collections::BTreeMap, path::Path};

use openmoe_analyze::checkpoint::TensorMap;
use serde_json::{Value, json};

use super::*;
use crate::support::{
    sparse_torch::{Zeros, write_zeros},
    synthetic_checkpoint::Shape,
};

const TEXT: &str = "corpora/domains/wikipedia.jsonl";

impl Place {
    /// A folder of the fixtures on the hub.
    fn serving(folder: &str) -> Self {
        let entries = fs::read_dir(fixture(folder)).unwrap().map(|entry| entry.unwrap().path());
        let stored = entries.map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name.clone(), Stored::new(&name, Content::Bytes(fs::read(&path).unwrap())))
        });
        Self::of(stored.collect())
    }

    fn of(tree: Tree) -> Self {
        Self { server: HubServer::start(NAME, tree), folder: tempfile::tempdir().unwrap() }
    }

    fn out(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// `route` with few sequences and no resampling.
    fn route(&self, checkpoint: &str, corpus: &str, out: &str, more: &[&str]) -> Outcome {
        let out = self.out(out);
        let fixed = ["--max-sequences", "6", "--context", "64", "--resamples", "0", "--permutations", "0", "--quiet"];
        let asked = [&["route", checkpoint, "--corpus", corpus, "--out", &out][..], &fixed, more].concat();
        self.run(&asked)
    }

    /// Bytes of weight files that were asked for since the last [`HubServer::forget`].
    fn weights_moved(&self) -> u64 {
        let of_weights = |seen: &Seen| {
            seen.cdn && seen.method == "GET" && [".safetensors", ".bin"].iter().any(|end| seen.target.contains(end))
        };
        self.server.seen().iter().filter(|seen| of_weights(seen)).map(range_bytes).sum()
    }
}

fn range_bytes(seen: &Seen) -> u64 {
    let range = seen.headers["range"].strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    range.1.parse::<u64>().unwrap() + 1 - range.0.parse::<u64>().unwrap()
}

/// Every file of a folder of a run, by name.
fn files(run: &str, folder: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(Path::new(run).join(folder)).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}

#[track_caller]
fn assert_same_routes(place: &Place, a: &str, b: &str) {
    for folder in ["trace", "router", "stats"] {
        let (a, b) = (files(&place.out(a), folder), files(&place.out(b), folder));
        assert!(!a.is_empty() && a == b, "{folder} differs");
    }
}

#[test]
fn a_name_gives_the_bytes_of_the_folder() {
    let place = Place::tiny();
    let text = fixture(TEXT);
    let text = text.to_str().unwrap();
    let folder = fixture("checkpoints/openmoe-tiny-0.25M");
    assert_eq!(place.route(folder.to_str().unwrap(), text, "folder", &[]).code, 0);
    let size = folder.join("model.safetensors").metadata().unwrap().len();
    assert!(place.server.seen().is_empty(), "a folder asks nobody");

    let outcome = place.route(NAME, text, "kept", &[]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    assert_same_routes(&place, "folder", "kept");
    let first = place.weights_moved();
    assert!((size / 2..=size).contains(&first), "{first} of {size} bytes");
    let manifest: Value = serde_json::from_slice(&fs::read(place.out("kept") + "/manifest.json").unwrap()).unwrap();
    let origin = json!({ "repository": NAME, "revision": "main", "commit": COMMIT });
    assert_eq!(manifest["checkpoint"]["hub"], origin, "{manifest:#}");
    assert_eq!(manifest["checkpoint"]["weights"][0]["sha256"], place.server.blob("model.safetensors"));

    place.server.forget();
    assert_eq!(place.route(NAME, text, "again", &[]).code, 0);
    assert_same_routes(&place, "folder", "again");
    assert_eq!(place.weights_moved(), 0, "what was kept is not fetched again");

    let other = Place::tiny();
    assert_eq!(other.route(NAME, text, "streamed", &["--stream"]).code, 0);
    assert!(files(&other.out("streamed"), "trace") == files(&place.out("folder"), "trace"));
    assert!(!other.folder.path().join("openmoe-analyze/ranges").exists(), "nothing is kept");
    // Without the network what was kept is enough.
    let offline = place.offline(&["inspect", NAME]);
    assert_eq!(offline.code, 0, "{}", offline.stderr);
}

#[test]
fn an_archive_of_torch_is_checked_while_it_is_read() {
    let rows = tempfile::NamedTempFile::with_suffix(".jsonl").unwrap();
    fs::write(rows.path(), "{\"input_ids\": [5, 9, 3, 11, 2, 8]}\n{\"input_ids\": [7, 7, 1]}\n").unwrap();
    let rows = rows.path().to_str().unwrap();
    let golden = "goldens/B_top1_bin";
    let place = Place::serving(golden);
    assert_eq!(place.route(fixture(golden).to_str().unwrap(), rows, "folder", &[]).code, 0);
    let outcome = place.route(NAME, rows, "ranges", &["--stream"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_same_routes(&place, "folder", "ranges");
    // One bit of one weight.
    place.server.faults(Faults { flip: Some((600_000, 1000)), ..Faults::default() });
    let message = place.route(NAME, rows, "flipped", &["--stream"]).stderr;
    assert!(message.contains("have CRC-32") && message.contains("not those that were written"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_run_that_was_killed_goes_on_with_what_it_has() {
    let text = fixture(TEXT);
    let text = text.to_str().unwrap();
    let whole = Place::tiny();
    assert_eq!(whole.route(NAME, text, "run", &[]).code, 0);
    let once = whole.weights_moved();

    let place = Place::tiny();
    let out = place.out("run");
    let fixed = ["--max-sequences", "6", "--context", "64", "--resamples", "0", "--permutations", "0", "--quiet"];
    let command = [&["route", NAME, "--corpus", text, "--out", &out, "--resume"][..], &fixed].concat();
    place.server.faults(Faults { slow: Some(2_000_000), ..Faults::default() });
    for milliseconds in [300, 500, 700, 900, 1100] {
        let mut child = place.command(&command).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    place.server.faults(Faults::default());
    let outcome = place.run(&command);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(files(&out, "trace") == files(&whole.out("run"), "trace"));
    // Of every piece that was under way when it was killed nothing is known to be there.
    let moved = place.weights_moved();
    println!("{once} bytes of weights in one go, {moved} asked for in all after five kills");
    assert!(moved < 6 * once, "{moved} of {once}");
}

/// An OpenMoE of 8 billion parameters, in six shards as it is released: zeros of f32.
fn large(folder: &Path) -> Tree {
    let shape = Shape {
        hidden_size: 2048,
        intermediate_size: 8192,
        layers: 24,
        heads: 24,
        head_dim: 128,
        vocabulary: 256_384,
        experts: 32,
        moe_interval: 6,
    };
    let config = shape.config_json().to_string();
    let tensors: Vec<Zeros> =
        TensorMap::parse(&config).unwrap().expected().into_iter().map(|tensor| (tensor.name, tensor.shape)).collect();
    let mut tree = Tree::new();
    let mut map = serde_json::Map::new();
    for (shard, part) in tensors.chunks(tensors.len().div_ceil(6)).enumerate() {
        let name = format!("pytorch_model-{:05}-of-00006.bin", shard + 1);
        write_zeros(&folder.join(&name), part);
        map.extend(part.iter().map(|(tensor, _)| (tensor.clone(), json!(name))));
        tree.insert(name.clone(), Stored::new(&name, Content::Disk(folder.join(&name))));
    }
    let index = json!({ "metadata": {}, "weight_map": map }).to_string();
    for (name, content) in [("config.json", config), ("pytorch_model.bin.index.json", index)] {
        tree.insert(name.to_owned(), Stored::new(name, Content::Bytes(content.into_bytes())));
    }
    tree
}

#[test]
fn a_checkpoint_of_47_gigabytes_is_described_from_less_than_one_megabyte() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(large(folder.path()));
    let outcome = place.run(&["inspect", NAME, "--threads", "2"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stdout.contains("MoE layers      [5,11,17,23] with 32 experts, top-2"), "{}", outcome.stdout);
    let bytes: u64 = place.server.seen().iter().filter(|seen| seen.cdn).map(range_bytes).sum();
    println!("{bytes} bytes of large files in {} requests", place.server.seen().len());
    println!("{}", outcome.stdout);
    assert!(outcome.stdout.contains("of 44.2 GiB are not here; routing reads about 3"), "{}", outcome.stdout);
    assert!(bytes < 1_000_000, "{bytes}");
}
