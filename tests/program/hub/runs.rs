//! Runs of checkpoints that are on the hub: the same bytes as of a folder, what they move, and what an end in the middle costs.

use std::{collections::BTreeMap, path::Path};

use openmoe_analyze::checkpoint::TensorMap;
use serde_json::{Value, json};

use super::*;
use crate::support::{
    files::read_json,
    sparse_torch::{Zeros, write_zeros},
    synthetic_checkpoint::Shape,
};

const TEXT: &str = "corpora/domains/wikipedia.jsonl";

impl Place {
    /// A folder of the fixtures on the hub.
    fn serving(folder: &str) -> Self {
        Self::of(tree(folder))
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

/// The files of a folder of the fixtures.
fn tree(folder: &str) -> Tree {
    let entries = fs::read_dir(fixture(folder)).unwrap().map(|entry| entry.unwrap().path());
    let stored = entries.map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name.clone(), Stored::new(&name, Content::Bytes(fs::read(&path).unwrap())))
    });
    stored.collect()
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
    assert!(place.ranges().exists() && !other.ranges().exists(), "nothing is kept");
    let hub = serde_json::from_str::<serde_json::Value>(&place.run(&["inspect", NAME, "--json"]).stdout).unwrap();
    assert_eq!(hub["hub"]["bytes_to_fetch_for_routing"], 0, "what routing reads is here");
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

#[test]
fn a_name_is_converted_like_the_folder() {
    let mut tree = tree("goldens/B_top1_bin");
    for name in ["modeling_tiny.py", "train.py"] {
        tree.insert(name.to_owned(), Stored::new(name, Content::Bytes(b"pass".to_vec())));
    }
    let place = Place::of(tree);
    let (from_folder, from_hub) = (place.out("from_folder"), place.out("from_hub"));
    let folder = fixture("goldens/B_top1_bin");
    assert_eq!(place.run(&["convert", folder.to_str().unwrap(), "--out", &from_folder]).code, 0);
    let planned = place.run(&["convert", NAME, "--dry-run"]);
    assert!(planned.stdout.starts_with("download        1.2 MiB of weights, "), "{}", planned.stdout);
    assert!(place.weights_moved() < 1_000_000, "a dry run reads headers");

    // One bit is another one on the network, then in the cache: nothing is written.
    place.server.faults(Faults { flip: Some((600_000, 100)), ..Faults::default() });
    let flipped = place.run(&["convert", NAME, "--out", &from_hub]);
    assert!(flipped.refusal().contains("has SHA-256"), "{}", flipped.stderr);
    place.server.faults(Faults::default());
    let outcome = place.run(&["convert", NAME, "--out", &from_hub]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stderr.contains(&format!("{NAME} is commit {COMMIT}: 3 files, 1.2 MiB; ")), "{}", outcome.stderr);
    let blob = place.blobs().join(place.server.blob("pytorch_model.bin"));
    let mut wrong = fs::read(&blob).unwrap();
    wrong[600_000] ^= 1;
    fs::write(&blob, wrong).unwrap();
    let again = place.out("again");
    let damaged = place.offline(&["convert", NAME, "--out", &again, "--quiet"]);
    assert!(damaged.refusal().contains("SHA-256"), "{}", damaged.stderr);
    assert!(!Path::new(&again).exists());
    let healed = place.run(&["convert", NAME, "--out", &again]);
    assert!(healed.code == 0 && healed.stderr.contains("it is fetched again"), "{}", healed.stderr);
    let never = place.out("never");
    let [first, second] = [&from_hub, &again].map(|out| fs::read(Path::new(out).join("model.safetensors")).unwrap());
    assert!(first == second);

    for name in ["model.safetensors", "config.json"] {
        let [one, other] = [&from_folder, &from_hub].map(|out| fs::read(Path::new(out).join(name)).unwrap());
        assert!(one == other, "{name} differs");
    }
    assert!(Path::new(&from_hub).join("modeling_tiny.py").is_file() && !Path::new(&from_hub).join("train.py").exists());
    let record = read_json(&Path::new(&from_hub).join("conversion.json"));
    assert_eq!(record["source"], format!("hf://{NAME}@{COMMIT}"));
    for command in [&["inspect", NAME][..], &["convert", NAME, "--out", &never]] {
        let refused = place.run(&[command, &["--config", "base"]].concat());
        assert_eq!(refused.code, 2);
        let said = "is for checkpoints of T5X; `hf://OrionZheng/openmoe-tiny@";
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }
}

#[test]
fn a_zip_of_t5x_is_used_by_the_name_of_its_repository() {
    let config = fs::read(fixture("goldens/C_batch3/config.json")).unwrap();
    let zip = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/t5x/C_batch3.zip")).unwrap();
    let place = Place {
        server: HubServer::with(NAME, &[("config.json", config), ("step.zip", zip), ("README.md", b"# T5X".to_vec())]),
        folder: tempfile::tempdir().unwrap(),
    };
    let rows = tempfile::NamedTempFile::with_suffix(".jsonl").unwrap();
    fs::write(rows.path(), "{\"input_ids\": [5, 9, 3, 11, 2, 8]}\n{\"input_ids\": [7, 7, 1]}\n").unwrap();
    let rows = rows.path().to_str().unwrap();
    let original = fixture("goldens/C_batch3");
    assert_eq!(place.route(original.to_str().unwrap(), rows, "original", &[]).code, 0);

    // What would be surprising to download is not: the ZIP is here when it is used, or was fetched.
    place.run(&["inspect", NAME]).refused(&expect![[r#"
        error: OrionZheng/openmoe-tiny at 1111111111111111111111111111111111111111 is a checkpoint of T5X in one ZIP, `step.zip` of 1.5 MiB, which can be read only when all of it is here

        hint: fetch it first: openmoe-analyze fetch OrionZheng/openmoe-tiny
    "#]]);
    let out = place.out("none");
    for command in [&["route", NAME, "--corpus", rows, "--out", &out, "--dry-run"][..], &["convert", NAME, "--dry-run"]]
    {
        assert!(place.run(command).refusal().contains("fetch it first"));
    }
    let corpus = ["--corpus", rows, "--out", &out, "--resamples", "0", "--permutations", "0", "--context", "64"];
    let routed = place.run(&[&["route", NAME][..], &corpus].concat());
    assert_eq!(routed.code, 0, "{}", routed.stderr);
    let said = format!("{NAME} is commit {COMMIT}: 2 files, 1.5 MiB; nothing of it is there");
    assert!(routed.stderr.contains(&said), "{}", routed.stderr);
    assert_same_routes(&place, "original", "none");
    let manifest = read_json(&Path::new(&out).join("manifest.json"));
    let origin = json!({ "repository": NAME, "revision": "main", "commit": COMMIT });
    assert_eq!(manifest["checkpoint"]["hub"], origin);

    let inspected = place.run(&["inspect", NAME]);
    assert_eq!(inspected.code, 0, "{}", inspected.stderr);
    assert!(inspected.stdout.starts_with("checkpoint      openmoe-tiny\n"), "{}", inspected.stdout);
    let fetched = place.run(&["fetch", NAME]).stdout.trim().replace("TEMP", place.folder.path().to_str().unwrap());
    assert_eq!(place.route(&fetched, rows, "folder", &[]).code, 0);
    assert_same_routes(&place, "original", "folder");
    let converted = place.out("converted");
    assert_eq!(place.run(&["convert", NAME, "--out", &converted]).code, 0);
    assert_eq!(place.route(&converted, rows, "from_converted", &[]).code, 0);
    assert_same_routes(&place, "original", "from_converted");
    let blob = place.blobs().join(place.server.blob("step.zip"));
    let mut wrong = fs::read(&blob).unwrap();
    // The time of the first entry, which nothing else notices.
    wrong[10] ^= 1;
    fs::write(&blob, wrong).unwrap();
    let damaged = place.offline(&["convert", NAME, "--out", &place.out("never"), "--quiet"]);
    assert!(damaged.refusal().contains("SHA-256"), "{}", damaged.stderr);
}

#[test]
fn a_repository_that_is_no_checkpoint_says_what_it_holds() {
    let of = |files: &[(&str, Vec<u8>)]| {
        let place = Place { server: HubServer::with(NAME, files), folder: tempfile::tempdir().unwrap() };
        place.run(&["inspect", NAME]).refusal()
    };
    let readme = ("README.md", b"# none".to_vec());
    let messages = [
        of(std::slice::from_ref(&readme)),
        of(&[readme.clone(), ("weights.gguf", vec![1; 9]), ("model.bin", vec![1; 9])]),
        of(&[readme, ("model.safetensors", vec![0; 100])]),
        of(&[("config.json", b"{}".to_vec()), ("model.safetensors", vec![0; 100])]),
    ];
    let said = [
        &["has no weights: expected `model.safetensors`", "no large file is there"][..],
        &["or one `.zip` of T5X; its large files:", "`model.bin`"],
        &["has weights but no `config.json`"],
        &["checkpoint `hf://OrionZheng/openmoe-tiny@1111"],
    ];
    for (message, said) in messages.iter().zip(said) {
        assert!(said.iter().all(|said| message.contains(said)), "{message}");
        assert!(!message.contains("snapshots"), "{message}");
    }
}

#[test]
fn the_text_of_inspect_says_what_it_fetches() {
    let place = Place::tiny();
    let text = ["inspect", NAME, "--text", "A river is", "--continuation", "2"];
    let said = place.run(&text).stderr;
    assert!(said.contains(&format!("{NAME} is commit {COMMIT}: 3 files, 4.0 MiB; nothing of it is there")), "{said}");
    place.server.forget();
    assert_eq!(place.run(&text).code, 0);
    assert_eq!(place.weights_moved(), 0);
}

#[test]
fn a_run_goes_on_by_the_commit_when_its_branch_has_moved() {
    let place = Place::tiny();
    let text = fixture(TEXT);
    let text = text.to_str().unwrap();
    assert_eq!(place.route(NAME, text, "run", &[]).code, 0);
    place.server.commit(&[("config.json", b"{}".to_vec()), ("model.safetensors", vec![7; 5000])]);
    place.server.faults(Faults { main_moves_after: Some(0), ..Faults::default() });
    let moved = place.route(NAME, text, "run", &["--resume"]);
    assert_eq!(moved.code, 2, "{}", moved.stderr);
    let pinned = place.route(&format!("{NAME}@{COMMIT}"), text, "run", &["--resume"]);
    assert_eq!((pinned.code, pinned.stderr.as_str()), (0, ""));
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

#[test]
fn the_points_of_a_training_are_compared_by_the_names_of_their_revisions() {
    // The last point is on `main` too, as in the repositories of OLMoE; the order of the list is not that of training.
    let place = Place::serving("checkpoints/openmoe-tiny-12.3M");
    for tokens in ["12.3M", "0.25M", "2.5M", "7.4M"] {
        place.server.branch(&format!("step9-tokens{tokens}"), tree(&format!("checkpoints/openmoe-tiny-{tokens}")));
    }
    // Nobody can name this one.
    place.server.branch("step9-tokens1M.lock", tree("checkpoints/openmoe-tiny-2.5M"));
    let text = fixture(TEXT);
    let short = ["--max-sequences", "6", "--context", "64", "--resamples", "0", "--permutations", "0", "--quiet"];
    let drift = |checkpoints: &[&str], out: &str, more: &[&str]| {
        let corpus = ["--corpus", text.to_str().unwrap(), "--out", out];
        place.run(&[&["drift"][..], checkpoints, &corpus, &short, more].concat())
    };
    let (named, folders) = (place.out("named"), place.out("folders"));
    let revisions = ["--revisions", "step*-tokens*", "--every", "2"];
    let loud: Vec<&str> = short.iter().copied().filter(|word| *word != "--quiet").collect();
    let corpus = ["--corpus", text.to_str().unwrap(), "--dry-run"];
    let noted = place.run(&[&["drift", NAME][..], &corpus, &loud, &revisions].concat());
    assert!(noted.stderr.contains("the revision `step9-tokens1M.lock` is left out"), "{}", noted.stderr);
    let (labelled, dated) = (format!("X={NAME}"), format!("{NAME}@step9-tokens7.4M"));
    for (one, found) in [(&labelled, "found the label `X`"), (&dated, "found the revision `step9-tokens7.4M`")] {
        let refused = drift(&[one], &place.out("none"), &revisions);
        assert!(refused.refusal().contains(found), "{}", refused.stderr);
    }
    let outcome = drift(&[NAME], &named, &revisions);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    // Every second of four, from the first on, and the last.
    let points = ["0.25M", "7.4M", "12.3M"];
    let paths = points.map(|tokens| {
        let folder = fixture(&format!("checkpoints/openmoe-tiny-{tokens}"));
        format!("step9-tokens{tokens}={}", folder.display())
    });
    assert_eq!(drift(&paths.each_ref().map(String::as_str), &folders, &[]).code, 0);
    let labels: Vec<Value> =
        read_json(&Path::new(&named).join("manifest.json"))["checkpoints"].as_array().unwrap().clone();
    println!("{}", labels.iter().map(|one| one["label"].to_string()).collect::<Vec<_>>().join(" "));
    assert_eq!(labels.len(), points.len());
    let saturation = |out: &str| -> Vec<[String; 3]> {
        let summary = read_json(&Path::new(out).join("summary.json"));
        let rows = summary["findings"].as_array().unwrap().iter().filter(|row| row["statistic"] == "router_saturation");
        rows.map(|row| ["layer", "view", "estimate"].map(|key| row[key].to_string())).collect()
    };
    assert!(saturation(&named).len() >= 6 && saturation(&named) == saturation(&folders));

    // A run that is taken up again fetches no weights, and neither does one over names that were looked at before.
    place.server.forget();
    assert_eq!(drift(&[NAME], &named, &[&revisions[..], &["--resume"]].concat()).code, 0);
    let one = format!("{NAME}@step9-tokens7.4M");
    assert_eq!(drift(&[&one, NAME], &place.out("two"), &[]).code, 0);
    assert_eq!(place.weights_moved(), 0);

    let nothing = drift(&[NAME], &place.out("none"), &["--revisions", "epoch*"]);
    assert_eq!(nothing.code, 2);
    assert!(nothing.stderr.contains("fits none of the 6 revisions") && nothing.stderr.contains("`step9-tokens12.3M`"));
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
    let hub = serde_json::from_str::<serde_json::Value>(&place.run(&["inspect", NAME, "--json"]).stdout).unwrap();
    let [routing, missing] =
        ["bytes_for_routing", "bytes_to_fetch_for_routing"].map(|key| hub["hub"][key].as_u64().unwrap());
    // What headers share a block with is here.
    assert!(missing <= routing && routing - missing < 1_000_000, "{missing} of {routing}");
}
