//! The index of a step, `checkpoint`: a tree in msgpack whose leaves are arrays, or say where arrays lie.

use std::collections::HashSet;

use rmpv::{Value, decode::read_value_with_max_depth};

use super::{
    embedded::{self, Embedded},
    reference::{self, Reference},
    tree::{entry, kind},
};
use crate::checkpoint::problem_list::quoted_name as shown;

/// Largest index that is read, in bytes; that of an 8B has less than one MiB.
pub(super) const MAX_INDEX: u64 = 64 << 20;
/// How deep the tree may be.
const DEPTH: usize = 64;
/// The newest version of the format.
const NEWEST: u64 = 3;

/// What an index says.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Version of the format; 0 where none is said.
    pub(super) version: u64,
    /// The training step.
    pub(super) step: Option<i64>,
    /// The arrays of the model by their names, in the order of the tree.
    pub(super) arrays: Vec<(String, Leaf)>,
    /// Names of what a problem mentions.
    pub(super) mentioned: Vec<String>,
    /// One line for each problem.
    pub(super) problems: Vec<String>,
}

/// An array of the model.
#[derive(Debug)]
pub(super) enum Leaf {
    /// It is in a folder of its own.
    Reference(Reference),
    /// It is in the index.
    Embedded(Embedded),
}

/// The next step for checkpoints of Orbax.
pub(super) const ORBAX_HINT: &str = "restore it with Orbax and save it with T5X's own checkpointer (use_orbax = False), or fetch the PyTorch checkpoint \
                                     of the same training";

impl Index {
    /// Reads the bytes of an index.
    ///
    /// # Errors
    /// They are no tree in msgpack, or one of another program or version; continues a sentence that begins with its name.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, (String, Option<&'static str>)> {
        if bytes.starts_with(b"model_checkpoint_path") {
            let found = "is the list of checkpoints that TensorFlow writes; expected the index of T5X, in msgpack";
            return Err((found.to_owned(), None));
        }
        let mut rest = bytes;
        let tree = read_value_with_max_depth(&mut rest, DEPTH).map_err(|error| (unreadable(bytes, &error), None))?;
        if !rest.is_empty() {
            return Err((format!("has {} bytes behind its msgpack; expected none", rest.len()), None));
        }
        let Value::Map(root) = &tree else {
            return Err(("is msgpack, but no map; expected the index that T5X writes".to_owned(), None));
        };
        if has_placeholder(&tree) {
            return Err((
                "has placeholders for arrays, as Orbax writes it; expected the index that T5X writes".to_owned(),
                Some(ORBAX_HINT),
            ));
        }
        let version = match entry(root, "version") {
            None => 0,
            Some(version) => version
                .as_u64()
                .ok_or_else(|| (format!("has version {}; expected 2 or 3", shown(&version.to_string())), None))?,
        };
        if version > NEWEST {
            return Err((format!("has version {version}; expected 2 or 3"), None));
        }
        let optimizer = entry(root, "optimizer").and_then(Value::as_map).unwrap_or(root);
        let mut index = Self { version, step: step(optimizer), ..Self::default() };
        match entry(optimizer, "target") {
            Some(Value::Map(target)) => index.collect("target", target),
            Some(_) => {
                index.problems.push("`target` in `checkpoint` is no map; expected the arrays of the model".to_owned());
            }
            None => return Err(("has no `target`, which holds the arrays of the model".to_owned(), None)),
        }
        index.judge();
        Ok(index)
    }

    /// Adds the leaves below a name.
    fn collect(&mut self, name: &str, map: &[(Value, Value)]) {
        let mut seen = HashSet::new();
        for (key, value) in map {
            let Some(key) = key.as_str() else {
                self.problems.push(format!(
                    "a key below {} in `checkpoint` is no name: {}",
                    shown(name),
                    shown(&key.to_string())
                ));
                continue;
            };
            let name = format!("{name}.{key}");
            if !seen.insert(key) {
                self.problems.push(format!("array {} is in `checkpoint` twice; expected it once", shown(&name)));
                continue;
            }
            match value {
                // An optimizer for a part of the model has nothing for the rest.
                Value::Nil => {}
                Value::Map(entries) if reference::is_reference(entries) => {
                    self.add(name, reference::read(entries).map(Leaf::Reference));
                }
                Value::Map(entries) if embedded::is_chunked(entries) => {
                    self.add(name, Embedded::of_chunks(entries).map(Leaf::Embedded));
                }
                Value::Map(entries) => self.collect(&name, entries),
                Value::Ext(code, payload) => self.add(name, Embedded::new(*code, payload).map(Leaf::Embedded)),
                other => self.add(name, Err(format!("is {}; expected an array", kind(other)))),
            }
        }
    }

    fn add(&mut self, name: String, leaf: Result<Leaf, String>) {
        match leaf {
            Ok(leaf) => self.arrays.push((name, leaf)),
            Err(reason) => {
                self.problems.push(format!("array {} {reason}", shown(&name)));
                self.mentioned.push(name);
            }
        }
    }

    /// Refuses what the format of a version cannot mean, and arrays that share a place.
    fn judge(&mut self) {
        let references = self.arrays.iter().filter(|(_, leaf)| matches!(leaf, Leaf::Reference(_))).count();
        if self.version < 2 && references > 0 {
            let version = self.version;
            self.problems.push(format!(
                "`checkpoint` has version {version}{} and {references} arrays in folders of their own; expected version 2 or 3, the first ones \
                 with such arrays",
                if version == 0 { " (none is said)" } else { "" }
            ));
        }
        let mut places: HashSet<&str> = HashSet::new();
        for (name, leaf) in &self.arrays {
            if let Leaf::Reference(reference) = leaf
                && !places.insert(&reference.folder)
            {
                self.problems.push(format!(
                    "array {} lies in {}, as another array does; expected a folder for each",
                    shown(name),
                    shown(&reference.folder)
                ));
            }
        }
    }
}

/// The training step.
fn step(optimizer: &[(Value, Value)]) -> Option<i64> {
    let state = entry(optimizer, "state")?.as_map()?;
    match entry(state, "step")? {
        Value::Ext(code, payload) => Embedded::integer(*code, payload),
        number => number.as_i64(),
    }
}

/// Whether a text stands where Orbax has put an array elsewhere.
fn has_placeholder(value: &Value) -> bool {
    match value {
        Value::Map(entries) => entries.iter().any(|(_, value)| has_placeholder(value)),
        Value::String(text) => text.as_str().is_some_and(|text| text.starts_with("PLACEHOLDER://")),
        _ => false,
    }
}

fn unreadable(bytes: &[u8], error: &rmpv::decode::Error) -> String {
    match error {
        rmpv::decode::Error::DepthLimitExceeded => {
            format!("is nested more than {DEPTH} deep; expected the index that T5X writes")
        }
        error if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            format!("is truncated, or no msgpack: it ends after {} bytes within a value", bytes.len())
        }
        error => format!("is no msgpack: {error}; expected the index that T5X writes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, Value)]) -> Value {
        Value::Map(entries.iter().map(|(key, value)| (Value::from(*key), value.clone())).collect())
    }

    fn bytes(value: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, value).unwrap();
        bytes
    }

    fn of_target(version: u64, target: &Value) -> Index {
        let optimizer = map(&[("target", target.clone())]);
        Index::read(&bytes(&map(&[("version", version.into()), ("optimizer", optimizer)]))).unwrap()
    }

    fn refused(value: &Value) -> String {
        Index::read(&bytes(value)).unwrap_err().0
    }

    /// The index of the smallest checkpoint in T5X's own tests has this form: `step` is a scalar, `target` is empty.
    #[test]
    fn an_empty_target_and_a_scalar_step_are_read() {
        let step = Value::Ext(3, [&b"\x93\x90\xa5int32\xc4\x04"[..], &[1, 0, 0, 0]].concat());
        let state = map(&[("param_states", map(&[])), ("step", step)]);
        let optimizer = map(&[("state", state), ("target", map(&[]))]);
        let index = Index::read(&bytes(&map(&[("optimizer", optimizer), ("version", 3.into())]))).unwrap();
        assert_eq!((index.version, index.step, index.arrays.len()), (3, Some(1), 0));
    }

    #[test]
    fn the_five_kinds_of_leaves_are_told_apart() {
        let array = Value::Ext(1, [&b"\x93\x91\x01\xa7float32\xc4\x04"[..], &1.5_f32.to_le_bytes()].concat());
        let pieces = map(&[("0", array.clone())]);
        let chunked =
            map(&[("__msgpack_chunked_array__", true.into()), ("shape", map(&[("0", 1.into())])), ("chunks", pieces)]);
        let kvstore = map(&[("driver", "file".into()), ("path", "target.r/".into())]);
        let metadata = map(&[("shape", Value::Array(vec![1.into()])), ("chunks", Value::Array(vec![1.into()]))]);
        let reference = map(&[
            ("driver", "zarr".into()),
            ("dtype", "float32".into()),
            ("kvstore", kvstore),
            ("metadata", metadata),
        ]);
        let target = map(&[("a", array), ("c", chunked), ("r", reference.clone()), ("n", Value::Nil), ("e", map(&[]))]);
        let index = of_target(3, &target);
        let names: Vec<&str> = index.arrays.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((names, index.problems.len()), (vec!["target.a", "target.c", "target.r"], 0));
        assert!(of_target(1, &target).problems[0].contains("version 1 and 1 arrays"));
        let twice = of_target(3, &map(&[("r", reference.clone()), ("s", reference)]));
        assert!(twice.problems[0].contains("as another array does"), "{:?}", twice.problems);
    }

    #[test]
    fn what_is_no_index_is_refused() {
        assert!(refused(&Value::Nil).contains("no map"));
        assert!(refused(&map(&[("version", 4.into())])).contains("version 4"));
        assert!(refused(&map(&[("version", 3.into())])).contains("no `target`"));
        assert!(refused(&map(&[("target", map(&[("a", "PLACEHOLDER://a".into())]))])).contains("Orbax"));
        let deep = (0..100).fold(Value::Nil, |inner, _| map(&[("a", inner)]));
        assert!(refused(&deep).contains("more than 64 deep"));
        let whole = bytes(&map(&[("version", 3.into()), ("target", map(&[]))]));
        assert!(Index::read(&whole[..whole.len() - 1]).unwrap_err().0.contains("truncated"));
        assert!(Index::read(&[&whole[..], b"x"].concat()).unwrap_err().0.contains("1 bytes behind"));
        let text = b"model_checkpoint_path: \"model.ckpt-1\"\n";
        assert!(Index::read(text).unwrap_err().0.contains("TensorFlow"));
    }
}
