//! Reads an entry of a safetensors header, whatever it contains, without an intermediate JSON value, so that a header takes little
//! more memory than its bytes.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// The most dimensions that a shape may have.
const MAX_DIMENSIONS: usize = 16;

/// The description of a tensor in its entry.
#[derive(Debug, PartialEq)]
pub(super) struct HeaderEntry {
    /// Name of the type of its numbers, as it is written.
    pub dtype: String,
    /// Its sizes, outermost first.
    pub shape: Vec<usize>,
    /// Its first byte and the one behind its last, counted from the end of the header.
    pub data_offsets: (u64, u64),
}

/// An entry, or the problem with it.
#[derive(Debug)]
pub(super) struct Entry(pub Result<HeaderEntry, String>);

/// A value of an entry, as far as any of its keys needs it.
#[derive(Debug)]
enum Small {
    Text(String),
    Numbers(Vec<u64>),
    Other,
}

impl HeaderEntry {
    fn new(dtype: Option<Small>, shape: Option<Small>, offsets: Option<Small>) -> Result<Self, String> {
        let Some(Small::Text(dtype)) = dtype else { return Err("expected `dtype`, a name".into()) };
        let Some(Small::Numbers(shape)) = shape else {
            return Err(format!("expected `shape`, a list of at most {MAX_DIMENSIONS} sizes"));
        };
        let Some(Small::Numbers(offsets)) = offsets else {
            return Err("expected `data_offsets`, first byte and end".into());
        };
        let [begin, end] = offsets[..] else { return Err("expected `data_offsets`, first byte and end".into()) };
        let shape = shape.into_iter().map(usize::try_from).collect::<Result<_, _>>();
        Ok(Self { dtype, shape: shape.map_err(|error| error.to_string())?, data_offsets: (begin, end) })
    }
}

/// Visitor methods for unexpected values.
macro_rules! others {
    ($value:expr; $($visit:ident: $type:ty),+) => {
        $(fn $visit<E>(self, _: $type) -> Result<Self::Value, E> {
            Ok($value)
        })+
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an entry of a header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        let (mut dtype, mut shape, mut offsets) = (None, None, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "dtype" => dtype = Some(map.next_value()?),
                "shape" => shape = Some(map.next_value()?),
                "data_offsets" => offsets = Some(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Entry(HeaderEntry::new(dtype, shape, offsets)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Entry, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Entry(Err("a list; expected an object".into())))
    }

    others!(Entry(Err("expected an object".into())); visit_str: &str, visit_u64: u64, visit_i64: i64, visit_f64: f64, visit_bool: bool);
}

impl<'de> Deserialize<'de> for Small {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SmallVisitor)
    }
}

struct SmallVisitor;

impl<'de> Visitor<'de> for SmallVisitor {
    type Value = Small;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name or numbers")
    }

    fn visit_str<E>(self, text: &str) -> Result<Small, E> {
        Ok(Small::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Small, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Small::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Small, A::Error> {
        let mut numbers = Some(Vec::new());
        while let Some(EntryNumber(number)) = list.next_element()? {
            numbers =
                numbers.zip(number).filter(|(numbers, _)| numbers.len() < MAX_DIMENSIONS).map(|(mut all, one)| {
                    all.push(one);
                    all
                });
        }
        Ok(numbers.map_or(Small::Other, Small::Numbers))
    }

    others!(Small::Other; visit_u64: u64, visit_i64: i64, visit_f64: f64, visit_bool: bool);
}

/// A number without sign; `None` for any other value.
struct EntryNumber(Option<u64>);

impl<'de> Deserialize<'de> for EntryNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl<'de> Visitor<'de> for NumberVisitor {
    type Value = EntryNumber;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_u64<E>(self, number: u64) -> Result<EntryNumber, E> {
        Ok(EntryNumber(Some(number)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EntryNumber, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(EntryNumber(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<EntryNumber, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(EntryNumber(None))
    }

    others!(EntryNumber(None); visit_str: &str, visit_i64: i64, visit_f64: f64, visit_bool: bool);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_stands_there_is_an_entry_or_a_reason() {
        let read = |json: &str| serde_json::from_str::<Entry>(json).unwrap().0;
        let entry = read(r#"{"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24], "more": {"a": []}}"#).unwrap();
        assert_eq!(entry, HeaderEntry { dtype: "F32".into(), shape: vec![2, 3], data_offsets: (0, 24) });
        for json in ["1", "-1", "1.5", "null", "true", "\"here\"", "[[1], {}]", "{}"] {
            assert!(read(json).is_err(), "{json}");
        }
        for (key, value) in [
            ("dtype", "5"),
            ("shape", "[-1]"),
            ("shape", "[[1]]"),
            ("shape", "{}"),
            ("data_offsets", "[1]"),
            ("data_offsets", "\"a\""),
        ] {
            let entry = format!(r#"{{"dtype": "F32", "shape": [], "data_offsets": [0, 4], "{key}": {value}}}"#);
            assert!(read(&entry).unwrap_err().contains(key), "{entry}");
        }
        let long = format!(r#"{{"dtype": "F32", "shape": {:?}, "data_offsets": [0, 4]}}"#, [1; MAX_DIMENSIONS + 1]);
        assert!(read(&long).unwrap_err().contains("at most 16"));
    }
}
