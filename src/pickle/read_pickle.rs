//! Reads Python pickles, as `torch.save` writes them, as plain data, without running any code.
//!
//! All values are in one list and refer to each other by index, so that deep nesting needs no stack, and a value that occurs often
//! is stored once. Classes and calls stay names and arguments.

use std::collections::HashMap;

use super::{
    machine::Machine,
    value::{Index, MAX_VALUES, Value},
};

/// The largest pickle that is read, in bytes: names and shapes of a million tensors take less.
pub(crate) const MAX_PICKLE: u64 = 64 << 20;

/// A pickle that has been read.
#[derive(Debug)]
pub(crate) struct Pickle<'a> {
    bytes: &'a [u8],
    values: Vec<Value>,
    /// By object the state that was set on it.
    states: HashMap<Index, Index>,
    root: Index,
    /// Its length in bytes.
    pub(crate) length: usize,
}

impl<'a> Pickle<'a> {
    /// Reads the pickle that begins with the first byte; bytes after its end are ignored.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        Self::read_up_to(bytes, MAX_VALUES)
    }

    /// The same with another limit on the number of values, each of which takes about 50 bytes of memory.
    pub(crate) fn read_up_to(bytes: &'a [u8], most_values: usize) -> Result<Self, String> {
        let mut machine = Machine::new(bytes, most_values);
        let root = machine.run()?;
        Ok(Self { bytes, values: machine.values, states: machine.states, root, length: machine.at })
    }

    /// The value that the pickle is of.
    pub(crate) fn root(&self) -> Index {
        self.root
    }

    /// The value of an index, which must be one of this pickle.
    pub(crate) fn get(&self, index: Index) -> &Value {
        &self.values[index as usize]
    }

    /// A value as text; `None` if it is not text, or not UTF-8.
    pub(crate) fn text(&self, index: Index) -> Option<&'a str> {
        match self.get(index) {
            Value::Text(range) => std::str::from_utf8(&self.bytes[range.clone()]).ok(),
            _ => None,
        }
    }

    /// The bytes of a text or of a byte string.
    pub(crate) fn raw(&self, index: Index) -> Option<&'a [u8]> {
        match self.get(index) {
            Value::Text(range) => Some(&self.bytes[range.clone()]),
            _ => None,
        }
    }

    /// The state that was set on an object after it had been made.
    pub(crate) fn state(&self, object: Index) -> Option<Index> {
        self.states.get(&object).copied()
    }

    /// The value of a key of a dict; the last one, if the key was set twice.
    pub(crate) fn entry(&self, dict: Index, key: &str) -> Option<Index> {
        let Value::Dict(entries) = self.get(dict) else { return None };
        entries.iter().rev().find(|(name, _)| self.text(*name) == Some(key)).map(|(_, value)| *value)
    }

    /// A value as a whole number; `None` if it is none.
    pub(crate) fn integer(&self, index: Index) -> Option<i128> {
        match self.get(index) {
            Value::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// Whether a value is false, including the form of protocol 1.
    pub(crate) fn is_false(&self, index: Index) -> bool {
        matches!(self.get(index), Value::False | Value::Int(0))
    }

    /// All persistent ids.
    pub(crate) fn persistent_ids(&self) -> impl Iterator<Item = Index> {
        self.values.iter().filter_map(|value| match value {
            Value::Persistent(id) => Some(*id),
            _ => None,
        })
    }

    /// Module and name of every class and function that the pickle names, whether or not it calls it.
    pub(crate) fn globals(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        (0..self.values.len() as Index).filter_map(|index| self.global(index))
    }

    /// A value as a non-negative number.
    pub(crate) fn count(&self, index: Index) -> Option<usize> {
        usize::try_from(self.integer(index)?).ok()
    }

    /// The entries of a tuple or list.
    pub(crate) fn items(&self, index: Index) -> Option<&[Index]> {
        match self.get(index) {
            Value::Tuple(items) | Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// Module and name of a class or function.
    pub(crate) fn global(&self, index: Index) -> Option<(&'a str, &'a str)> {
        match self.get(index) {
            Value::Global(module, name) => Some((self.text(*module)?, self.text(*name)?)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_form_are_themselves() {
        let cases: [(&[u8], i128); 8] = [
            (b"K\xff.", 255),
            (b"M\x01\x02.", 513),
            (b"J\xfe\xff\xff\xff.", -2),
            (b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 0x1950_a86a_20f9_469c_fc6c),
            (b"\x8a\x01\xff.", -1),
            (b"\x8b\x02\0\0\0\0\x01.", 256),
            (b"I12\n.", 12),
            (b"L-3L\n.", -3),
        ];
        for (bytes, expected) in cases {
            let pickle = Pickle::read(bytes).unwrap();
            assert_eq!(pickle.integer(pickle.root()), Some(expected), "{bytes:?}");
            assert_eq!(pickle.length, bytes.len());
        }
    }

    #[test]
    fn protocol_4_names_and_dicts_are_read() {
        // pickle.dumps(collections.OrderedDict(a=(1,)), 4)
        let bytes = b"\x80\x04\x95\x2c\0\0\0\0\0\0\0\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94\x8c\x01a\x94K\x01\x85\x94s.";
        let pickle = Pickle::read(bytes).unwrap();
        let Value::Dict(entries) = pickle.get(pickle.root()) else { panic!() };
        assert_eq!(pickle.text(entries[0].0), Some("a"));
        assert_eq!(pickle.items(entries[0].1).map(|items| pickle.count(items[0])), Some(Some(1)));
    }

    #[test]
    fn the_state_of_an_object_is_kept_beside_it() {
        // An object of class a.B whose state is a dict that names x twice.
        let bytes = b"\x80\x02ca\nB\n)\x81q\0}(X\x01\0\0\0xK\x01X\x01\0\0\0xK\x02ub.";
        let pickle = Pickle::read(bytes).unwrap();
        assert!(matches!(pickle.get(pickle.root()), Value::Call(..)));
        let state = pickle.state(pickle.root()).unwrap();
        assert_eq!(pickle.entry(state, "x").and_then(|value| pickle.integer(value)), Some(2));
        assert_eq!(pickle.entry(state, "y"), None);
    }

    #[test]
    fn every_class_that_is_named_is_known() {
        // Protocol 0 names a class as it makes an object of it.
        let bytes = b"(lp0\n(S'id'\nios\nsystem\nacos\nexeclp\na.";
        let pickle = Pickle::read(bytes).unwrap();
        assert_eq!(pickle.globals().collect::<Vec<_>>(), [("os", "system"), ("os", "execlp")]);
    }

    #[test]
    fn depth_and_doubling_cost_nothing() {
        let deep = [&b"\x80\x02N"[..], &b"\x85".repeat(1_000_000), b"."].concat();
        assert!(Pickle::read(&deep).is_ok());
        let mut bomb = b"\x80\x02]q\0".to_vec();
        (0..40).for_each(|n: u8| bomb.extend([b'(', b'h', n, b'h', n, b't', b'q', n + 1]));
        bomb.push(b'.');
        assert!(Pickle::read(&bomb).is_ok());
        let many = [&b"\x80\x02"[..], &b"N".repeat(MAX_VALUES + 1), b"."].concat();
        assert!(Pickle::read(&many).unwrap_err().contains("more than"));
        assert!(Pickle::read_up_to(&many, 2 * MAX_VALUES).is_ok());
    }

    #[test]
    fn damage_is_an_error() {
        for bytes in
            [&b""[..], b"\x80", b".", b"K\x01", b"t.", b"h\x01.", b"X\xff\xff\xff\xffa.", b"\xfe.", b"\x85.", b"q\0."]
        {
            assert!(Pickle::read(bytes).is_err(), "{bytes:?}");
        }
    }
}
