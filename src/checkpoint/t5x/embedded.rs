//! Arrays that lie in the index itself: an extension of msgpack whose content is `[shape, type, bytes]`, or several of these.

use rmpv::{Value, decode::read_value_with_max_depth};

use super::tree::{entry, kind};
use crate::checkpoint::problem_list::quoted_name as shown;

/// The extension of an array.
const ARRAY: i8 = 1;
/// The extension of a number with a type of numpy's.
const SCALAR: i8 = 3;
/// How deep the content of an extension may be.
const DEPTH: usize = 8;
const CHUNKED: &str = "__msgpack_chunked_array__";

/// An array of the index.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Embedded {
    /// Its sizes.
    pub(super) shape: Vec<u64>,
    /// The name of the type of its numbers.
    pub(super) dtype: String,
    /// Its numbers, row-major.
    pub(super) bytes: Vec<u8>,
}

/// Whether a map is an array that was cut into pieces because of its size.
pub(super) fn is_chunked(map: &[(Value, Value)]) -> bool {
    entry(map, CHUNKED).is_some()
}

impl Embedded {
    /// Reads the content of an extension.
    ///
    /// # Errors
    /// It is none of an array; continues a sentence that begins with its name.
    pub(super) fn new(code: i8, payload: &[u8]) -> Result<Self, String> {
        if code != ARRAY && code != SCALAR {
            return Err(format!(
                "is of extension {code} of msgpack; expected {ARRAY}, an array, or {SCALAR}, a number"
            ));
        }
        let broken = || "is an array that cannot be read; expected shape, type and bytes".to_owned();
        let content = read_value_with_max_depth(&mut &*payload, DEPTH).map_err(|_| broken())?;
        let Value::Array(parts) = content else { return Err(broken()) };
        let Ok([Value::Array(shape), dtype, Value::Binary(bytes)]) = <[Value; 3]>::try_from(parts) else {
            return Err(broken());
        };
        let shape: Option<Vec<u64>> = shape.iter().map(Value::as_u64).collect();
        let (Some(shape), Some(dtype)) = (shape, dtype.as_str()) else { return Err(broken()) };
        Ok(Self { shape, dtype: dtype.to_owned(), bytes })
    }

    /// Joins the pieces of an array that is larger than flax writes in one.
    ///
    /// # Errors
    /// A piece is missing or of another type; continues a sentence that begins with its name.
    pub(super) fn of_chunks(map: &[(Value, Value)]) -> Result<Self, String> {
        let shape = numbered(map, "shape")?;
        let shape: Option<Vec<u64>> = shape.into_iter().map(Value::as_u64).collect();
        let shape = shape.ok_or("is cut into pieces and has no shape")?;
        let mut whole: Option<Self> = None;
        for piece in numbered(map, "chunks")? {
            let Value::Ext(code, payload) = piece else {
                return Err(format!("has a piece that is {}; expected an array", kind(piece)));
            };
            let piece = Self::new(*code, payload)?;
            match &mut whole {
                None => whole = Some(piece),
                Some(whole) if whole.dtype == piece.dtype => whole.bytes.extend(piece.bytes),
                Some(whole) => {
                    return Err(format!("has pieces of types {} and {}", shown(&whole.dtype), shown(&piece.dtype)));
                }
            }
        }
        let whole = whole.ok_or("is cut into no pieces")?;
        Ok(Self { shape, ..whole })
    }

    /// An integer that was saved as a number of numpy's.
    pub(super) fn integer(code: i8, payload: &[u8]) -> Option<i64> {
        let Self { dtype, bytes, .. } = Self::new(code, payload).ok()?;
        match (dtype.as_str(), &bytes[..]) {
            ("int32", bytes) => bytes.try_into().ok().map(i32::from_le_bytes).map(i64::from),
            ("uint32", bytes) => bytes.try_into().ok().map(u32::from_le_bytes).map(i64::from),
            ("int64", bytes) => bytes.try_into().ok().map(i64::from_le_bytes),
            _ => None,
        }
    }
}

/// The values of a map whose keys are "0", "1" and so on, in this order.
fn numbered<'a>(map: &'a [(Value, Value)], key: &str) -> Result<Vec<&'a Value>, String> {
    let entries =
        entry(map, key).and_then(Value::as_map).ok_or_else(|| format!("is cut into pieces without `{key}`"))?;
    let value =
        |index: usize| entry(entries, &index.to_string()).ok_or_else(|| format!("has no entry {index} in its `{key}`"));
    (0..entries.len()).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(shape: &[u64], dtype: &str, bytes: &[u8]) -> Vec<u8> {
        let shape = Value::Array(shape.iter().map(|&size| size.into()).collect());
        let mut out = Vec::new();
        rmpv::encode::write_value(&mut out, &Value::Array(vec![shape, dtype.into(), Value::Binary(bytes.to_vec())]))
            .unwrap();
        out
    }

    #[test]
    fn pieces_are_joined_in_the_order_of_their_numbers() {
        let piece = |number: u8| Value::Ext(1, payload(&[1], "bfloat16", &[number, 0]));
        let keyed = |count: u8, value: &dyn Fn(u8) -> Value| {
            Value::Map((0..count).rev().map(|number| (number.to_string().into(), value(number))).collect())
        };
        let map = |chunks: Value| {
            vec![
                (Value::from(CHUNKED), Value::from(true)),
                ("shape".into(), keyed(2, &|axis| if axis == 0 { 11.into() } else { 1.into() })),
                ("chunks".into(), chunks),
            ]
        };
        let joined = Embedded::of_chunks(&map(keyed(11, &piece))).unwrap();
        assert_eq!((joined.shape, joined.dtype.as_str()), (vec![11, 1], "bfloat16"));
        assert!(joined.bytes.iter().step_by(2).copied().eq(0..11));
        let gap = Value::Map(vec![("0".into(), piece(0)), ("2".into(), piece(2))]);
        assert!(Embedded::of_chunks(&map(gap)).unwrap_err().contains("no entry 1"));
        assert!(Embedded::of_chunks(&map(Value::Map(vec![]))).unwrap_err().contains("no pieces"));
    }

    #[test]
    fn other_extensions_and_broken_ones_are_refused() {
        assert!(Embedded::new(2, &[]).unwrap_err().contains("extension 2"));
        for broken in [&b""[..], b"\x93\x91", b"\x92\x90\xa1x", b"\xc0"] {
            assert!(Embedded::new(1, broken).unwrap_err().contains("cannot be read"));
        }
        assert_eq!(Embedded::integer(3, &payload(&[], "int64", &7_i64.to_le_bytes())), Some(7));
    }
}
