//! Weights, configurations and tokenizers as they lie on disks.

mod content;
mod forms;
mod pickles;

use std::{
    fs,
    path::{Path, PathBuf},
};

use expect_test::{Expect, expect};
use openmoe_analyze::checkpoint::Checkpoint;
use serde_json::{Map, Value};

use crate::support::{
    files::{copy_folder, fixture, read_json},
    program::{Outcome, twelve_documents},
    snapshot::{settled, told},
};

/// A copy of a checkpoint that a test may change.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        copy_folder(&fixture("checkpoints/openmoe-tiny-12.3M"), bench.dir());
        bench
    }

    /// The tiny model of random numbers, its weights as one file of a given name.
    fn tiny(file: &str, name: &str) -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        fs::copy(case("config.json"), bench.file("config.json")).unwrap();
        fs::copy(case(file), bench.file(name)).unwrap();
        bench
    }

    fn dir(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        fs::write(self.file(name), bytes).unwrap();
        self
    }

    fn configure(&self, key: &str, value: Value) {
        let mut config = read_json(&self.file("config.json"));
        config[key] = value;
        self.write("config.json", config.to_string());
    }

    fn open(&self) -> Checkpoint {
        Checkpoint::open(self.dir()).unwrap()
    }

    /// Why it is refused: the whole message.
    fn refusal(&self) -> String {
        told(&Checkpoint::open(self.dir()).unwrap_err())
    }

    /// It is refused with these problems and this hint.
    #[track_caller]
    fn refused(&self, message: &Expect) {
        message.assert_eq(&self.refusal());
    }

    /// Runs `route` over twelve documents.
    fn route(&self, more: &[&str]) -> Outcome {
        twelve_documents(&["route", self.dir().to_str().unwrap()], more)
    }
}

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/checkpoint").join(name)
}

/// Rewrites the header of a safetensors file and lets its data be changed: name of a tensor -> its bytes.
fn edit(path: &Path, header: impl Fn(&mut Map<String, Value>), data: impl Fn(&Map<String, Value>, &mut [u8])) {
    let bytes = fs::read(path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut entries = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let mut numbers = bytes[8 + length..].to_vec();
    data(&entries, &mut numbers);
    header(&mut entries);
    let json = serde_json::to_vec(&entries).unwrap();
    fs::write(path, [&(json.len() as u64).to_le_bytes(), json.as_slice(), &numbers].concat()).unwrap();
}

/// Overwrites a tensor's bytes from `from` to `to` (in 16ths of it) with one pattern.
fn fill(path: &Path, tensor: &str, from: usize, to: usize, pattern: [u8; 2]) {
    edit(
        path,
        |_| (),
        |entries, numbers| {
            let offset = |end: usize| entries[tensor]["data_offsets"][end].as_u64().unwrap() as usize;
            let (begin, size) = (offset(0), offset(1) - offset(0));
            for pair in numbers[begin + size * from / 16..begin + size * to / 16].chunks_exact_mut(2) {
                pair.copy_from_slice(&pattern);
            }
        },
    );
}

const LFS: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
const WEIGHTS: &str = "model.safetensors";
const GATE: &str = "model.layers.3.mlp.gate_weight";

/// Same names and numbers.
fn assert_same(found: &Checkpoint, expected: &Checkpoint) {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for tensor in expected.map().expected() {
        found.read(&tensor.name, &mut a).unwrap();
        expected.read(&tensor.name, &mut b).unwrap();
        assert_eq!(a, b, "{}", tensor.name);
    }
}
