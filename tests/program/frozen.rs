//! Three small runs and the SHA-256 of every file that they leave, clocks taken out: a change of the code that is to change no
//! result proves it here. Where a byte has to change, `FROZEN=update cargo test --test program frozen::` writes the list again, and the
//! commit says what changed and why.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{files::read_json, json_schema::problems, program::contents};

const CHECKPOINTS: &str = "fixtures/checkpoints/openmoe-tiny";
const SMALL: &str = "--resamples 40 --permutations 10 --context 96 --quiet";

/// The runs by name: what is typed, from the root of the repository.
fn runs() -> [(&'static str, String); 3] {
    [
        (
            "route",
            format!(
                "route {CHECKPOINTS}-12.3M --corpus fixtures/corpora/domains --max-sequences 10 --group batch:3 --log-logits {SMALL}"
            ),
        ),
        (
            "drift",
            format!(
                "drift {CHECKPOINTS}-2.5M {CHECKPOINTS}-7.4M {CHECKPOINTS}-12.3M --final {CHECKPOINTS}-12.3M-chat \
                 --noise-floor --corpus fixtures/corpora/domains/wikipedia.jsonl --max-sequences 10 {SMALL}"
            ),
        ),
        (
            "drops",
            format!(
                "drops {CHECKPOINTS}-12.3M --compare {CHECKPOINTS}-12.3M-chat --transcripts fixtures/corpora/transcripts \
                 --corpus fixtures/corpora/domains/wikipedia.jsonl --max-sequences 9 --exact-replay 1.25 {SMALL}"
            ),
        ),
    ]
}

/// Keys of the manifest that tell how long the run took, and what it took.
const CLOCKS: [&str; 7] = [
    "wall_seconds",
    "forward_seconds",
    "statistics_seconds",
    "tokens_per_second",
    "peak_memory_bytes",
    "forward_peak_memory_bytes",
    "threads",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file without clocks and without the folder that it lies in.
fn settled(name: &str, bytes: Vec<u8>, out: &Path) -> Vec<u8> {
    if !name.ends_with("manifest.json") && !name.ends_with("report.html") {
        return bytes;
    }
    let text = String::from_utf8(bytes).unwrap().replace(out.to_str().unwrap(), "OUT");
    let text = text.replace(root().to_str().unwrap(), "ROOT");
    let told = |line: &&str| !CLOCKS.iter().any(|clock| line.contains(clock));
    text.lines().filter(told).collect::<Vec<_>>().join("\n").into_bytes()
}

fn sums(out: &Path) -> BTreeMap<String, String> {
    let hashed = |(name, bytes): (String, Vec<u8>)| {
        let digest = Sha256::digest(settled(&name, bytes, out));
        let hex = digest.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        (name, hex)
    };
    contents(out).into_iter().map(hashed).collect()
}

/// Every manifest and every summary is what `docs/schema/` says.
fn assert_described(out: &Path) {
    for file in ["manifest", "summary"] {
        let schema = read_json(&root().join(format!("docs/schema/{file}.schema.json")));
        let ending = format!("{file}.json");
        let files: Vec<_> = contents(out).into_iter().filter(|(name, _)| name.ends_with(&ending)).collect();
        assert!(!files.is_empty(), "no {ending}");
        for (name, bytes) in files {
            let wrong = problems(&schema, &serde_json::from_slice(&bytes).unwrap());
            assert!(wrong.is_empty(), "{name}: {wrong:#?}");
        }
    }
}

#[test]
fn every_file_of_three_small_runs_is_as_it_was() {
    let temporary = tempfile::tempdir().unwrap();
    let mut found = String::new();
    let mut instructions = Value::Null;
    for (name, typed) in runs() {
        let out = temporary.path().join(name);
        let status = Command::new(env!("CARGO_BIN_EXE_openmoe-analyze"))
            .args(typed.split_whitespace())
            .args([Path::new("--out"), &out])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
        instructions = read_json(&out.join("manifest.json"))["instruction_set"].clone();
        assert_described(&out);
        for (file, sum) in sums(&out) {
            writeln!(found, "{sum}  {name}/{file}").unwrap();
        }
    }
    let list: PathBuf = root().join("tests/frozen/sha256.txt");
    let found = format!("instruction set {instructions}\n{found}");
    if std::env::var_os("FROZEN").is_some_and(|value| value == "update") {
        fs::create_dir_all(list.parent().unwrap()).unwrap();
        fs::write(&list, &found).unwrap();
    }
    let frozen = fs::read_to_string(&list).unwrap();
    if frozen.lines().next() != found.lines().next() {
        println!(
            "NOT COMPARED: the list was made with another instruction set, which moves near-ties ({instructions})"
        );
        return;
    }
    let (frozen, found): (Vec<_>, Vec<_>) = (frozen.lines().collect(), found.lines().collect());
    let missing: Vec<_> = frozen.iter().filter(|line| !found.contains(line)).collect();
    let new: Vec<_> = found.iter().filter(|line| !frozen.contains(line)).collect();
    assert!(missing.is_empty() && new.is_empty(), "frozen {missing:#?}\nfound {new:#?}");
}
