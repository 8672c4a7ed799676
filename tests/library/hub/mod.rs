//! The client of the hub against a hub on this machine that goes wrong in every way: what arrives is right, or the message says why not.

mod faults;
mod offline;
mod ranges;
mod refusals;
mod repositories;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use openmoe_analyze::{
    Error,
    hub::{FetchProgress, Hub, HubFolder, HubName, HubSettings, Token, TokenSource, Watch},
};

use crate::support::hub_server::{HubServer, Seen};

/// The token of these tests, which only the hub may see.
const TOKEN: &str = "hf_only_for_the_hub";
const NAME: &str = "OrionZheng/openmoe-8b";

/// Bytes that repeat nowhere near.
fn bytes(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..count).map(|_| next()).collect()
}

/// A checkpoint of two shards, with everything beside them.
fn two_shards() -> Vec<(&'static str, Vec<u8>)> {
    let index = br#"{"metadata":{},"weight_map":{"a":"pytorch_model-00001-of-00002.bin","b":"pytorch_model-00002-of-00002.bin"}}"#;
    vec![
        ("README.md", b"# a model".to_vec()),
        ("config.json", b"{}".to_vec()),
        ("pytorch_model-00001-of-00002.bin", bytes(700_000, 1)),
        ("pytorch_model-00002-of-00002.bin", bytes(300_000, 2)),
        ("pytorch_model.bin.index.json", index.to_vec()),
        ("spiece.model", bytes(40_000, 3)),
    ]
}

/// A hub with a cache of its own.
struct Place {
    server: HubServer,
    folder: tempfile::TempDir,
    notes: Arc<Notes>,
}

/// What was said.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Watch for Notes {
    fn note(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

/// How many bytes arrived.
#[derive(Default)]
struct Moved(AtomicI64);

impl FetchProgress for Moved {
    fn moved(&self, bytes: i64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Place {
    fn new(files: &[(&str, Vec<u8>)]) -> Self {
        Self::of(HubServer::with(NAME, files))
    }

    fn of(server: HubServer) -> Self {
        Self { server, folder: tempfile::tempdir().unwrap(), notes: Arc::default() }
    }

    fn settings(&self) -> HubSettings {
        HubSettings {
            endpoint: self.server.endpoint.clone(),
            token: TokenSource::Given(Token::new(TOKEN).unwrap()),
            proxies: false,
            first_wait: Duration::from_millis(2),
            answer_timeout: Duration::from_secs(10),
            download_timeout: Duration::from_secs(10),
            ..HubSettings::at(self.cache())
        }
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("hub")
    }

    fn hub(&self) -> Hub {
        self.hub_with(self.settings())
    }

    fn hub_with(&self, settings: HubSettings) -> Hub {
        Hub::new(settings, Arc::clone(&self.notes) as Arc<dyn Watch>).unwrap()
    }

    fn open(&self) -> HubFolder {
        self.hub().open(&name(NAME)).unwrap()
    }

    fn notes(&self) -> Vec<String> {
        self.notes.0.lock().unwrap().clone()
    }

    fn blobs(&self) -> PathBuf {
        self.cache().join("models--OrionZheng--openmoe-8b/blobs")
    }

    /// The requests for bytes of large files, by their first byte.
    fn first_bytes(&self) -> Vec<u64> {
        let to_cdn = |seen: &&Seen| seen.cdn && seen.method == "GET";
        self.server.seen().iter().filter(to_cdn).map(|seen| seen.first_byte().unwrap_or(0)).collect()
    }

    /// Only the hub saw the token, and nobody was asked for anything compressed.
    fn token_stayed_home(&self) {
        for seen in self.server.seen() {
            let token = seen.headers.get("authorization");
            assert_eq!(token.is_some(), !seen.cdn, "{seen:?}");
            assert_eq!(seen.headers.get("accept-encoding").map(String::as_str), Some("identity"), "{seen:?}");
        }
    }
}

fn name(typed: &str) -> HubName {
    HubName::parse(typed, || false).unwrap().unwrap()
}

/// Everything that a repository of one large file needs, and its bytes.
fn one_file(count: usize) -> (Place, Vec<u8>) {
    let large = bytes(count, 7);
    (Place::new(&[("config.json", b"{}".to_vec()), ("model.safetensors", large.clone())]), large)
}

/// Fetches `model.safetensors` and compares it.
#[track_caller]
fn arrives_whole(place: &Place, expected: &[u8]) {
    let folder = place.open().fetch_small(&["model.safetensors"]).unwrap();
    assert!(std::fs::read(folder.join("model.safetensors")).unwrap() == expected, "other bytes arrived");
    assert_eq!(names_in(&place.blobs()).len(), 1, "nothing but the blob stays: {:?}", names_in(&place.blobs()));
    place.token_stayed_home();
}

/// The message and the hint of a failed fetch of `model.safetensors`, whose exit code is 2.
#[track_caller]
fn fails(place: &Place) -> String {
    let error = place.open().fetch_small(&["model.safetensors"]).unwrap_err();
    place.token_stayed_home();
    in_words(&error)
}

#[track_caller]
fn in_words(error: &Error) -> String {
    assert_eq!(error.exit_code(), 2, "{error}");
    let words = format!("{error}\nhint: {}", error.hint().unwrap());
    assert!(!words.contains(TOKEN) && !words.contains("sig="), "{words}");
    // Ports change from test to test.
    words.split(' ').map(|word| if word.contains("127.0.0.1:") { "HOST" } else { word }).collect::<Vec<_>>().join(" ")
}

/// The only file of a folder whose name ends in a dot and this.
fn ending_in(folder: &Path, ending: &str) -> String {
    let has = |name: &String| Path::new(name).extension().is_some_and(|own| own == ending);
    let mut names: Vec<String> = names_in(folder).into_iter().filter(has).collect();
    assert_eq!(names.len(), 1, "{names:?}");
    names.remove(0)
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
