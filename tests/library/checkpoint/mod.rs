//! Checkpoints of every container, and every way in which one can be broken.

mod bins;
mod containers;
mod tensors;

use std::{fs, path::Path};

use expect_test::{Expect, expect};
use openmoe_analyze::{
    checkpoint::{Checkpoint, Dtype, sha256_file},
    error::Error,
    routing::CapacityRule,
};
use safetensors::SafeTensors;

use crate::support::{
    files::{copy_folder, fixture},
    snapshot::told,
};

/// A copy of a fixture folder that a test may break.
fn copy(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy_folder(&fixture(name), dir.path());
    dir
}

fn problems(dir: &Path) -> Vec<String> {
    match Checkpoint::open(dir) {
        Err(Error::Checkpoint { problems, hint, .. }) => {
            assert!(hint.is_some());
            problems
        }
        other => panic!("{other:?}"),
    }
}

/// It is refused with exactly these problems, one a line, and this hint.
#[track_caller]
fn assert_refused(dir: &Path, message: &Expect) {
    let error = Checkpoint::open(dir).unwrap_err();
    assert!(matches!(error, Error::Checkpoint { .. }), "{error:?}");
    message.assert_eq(&told(&error));
}

/// Rewrites the JSON header of a safetensors file; the data stay.
fn edit_header(path: &Path, edit: impl Fn(&mut serde_json::Map<String, serde_json::Value>)) {
    let bytes = fs::read(path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    edit(&mut header);
    let json = serde_json::to_vec(&header).unwrap();
    let mut new = (json.len() as u64).to_le_bytes().to_vec();
    new.extend(json);
    new.extend(&bytes[8 + length..]);
    fs::write(path, new).unwrap();
}

fn edit_json(path: &Path, edit: impl Fn(&mut serde_json::Value)) {
    let mut value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    edit(&mut value);
    fs::write(path, value.to_string()).unwrap();
}
