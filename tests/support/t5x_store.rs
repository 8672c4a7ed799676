//! Copies of the small T5X checkpoints of `tests/cases/t5x`, which a test may damage.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use rmpv::Value;
use tempfile::TempDir;

use super::program::copy_tree;

/// A checkpoint below `tests/cases/t5x`.
pub(crate) fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/t5x").join(name)
}

/// A copy of a small checkpoint: the folder `t5x` with `config.json` and `checkpoint_500`.
pub(crate) struct Store {
    folder: TempDir,
}

/// An array whose chunks are cut unevenly: 4 rows and 4 columns in chunks of 2 and 2.
pub(crate) const QUERY: &str = "target.decoder.layers_0.self_attention.query.kernel";

impl Store {
    pub(crate) fn new(case_name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy_tree(&case(case_name), &folder.path().join("t5x"));
        Self { folder }
    }

    /// The folder above the step.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("t5x")
    }

    /// The folder of the step, or a file below it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join("checkpoint_500").join(name)
    }

    /// A file of the array that is damaged.
    pub(crate) fn query(&self, file: &str) -> PathBuf {
        self.path(QUERY).join(file)
    }

    /// Replaces a chunk by one that unpacks to these bytes.
    pub(crate) fn pack(&self, file: &str, bytes: &[u8]) {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(bytes).unwrap();
        fs::write(self.query(file), packed.finish().unwrap()).unwrap();
    }

    /// Sets a key of the `.zarray` of the array.
    pub(crate) fn describe(&self, key: &str, value: serde_json::Value) {
        let file = self.query(".zarray");
        let mut object = super::files::read_json(&file);
        object[key] = value;
        fs::write(file, object.to_string()).unwrap();
    }

    /// Changes the index.
    pub(crate) fn index(&self, change: impl FnOnce(&mut Value)) {
        let file = self.path("checkpoint");
        let mut value = rmpv::decode::read_value(&mut &fs::read(&file).unwrap()[..]).unwrap();
        change(&mut value);
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &value).unwrap();
        fs::write(file, bytes).unwrap();
    }

    /// Changes what the index says at a place, such as `optimizer.target.decoder`.
    pub(crate) fn at(&self, place: &str, change: impl FnOnce(&mut Value)) {
        self.index(|index| change(below(index, place)));
    }

    /// Changes the reference to the array.
    pub(crate) fn reference(&self, key: &str, value: Value) {
        let place = format!("optimizer.{QUERY}.{key}");
        self.at(&place, |old| *old = value);
    }
}

/// The value at a place of a tree.
fn below<'a>(tree: &'a mut Value, place: &str) -> &'a mut Value {
    place.split('.').fold(tree, |tree, key| {
        let Value::Map(entries) = tree else { panic!("{place}: `{key}` is in no map") };
        entries.iter_mut().find(|(known, _)| known.as_str() == Some(key)).map(|(_, value)| value).unwrap()
    })
}

/// The entries of a map.
pub(crate) fn entries(value: &mut Value) -> &mut Vec<(Value, Value)> {
    let Value::Map(entries) = value else { panic!("no map") };
    entries
}

/// A list of sizes.
pub(crate) fn sizes(sizes: &[u64]) -> Value {
    Value::Array(sizes.iter().map(|&size| size.into()).collect())
}
