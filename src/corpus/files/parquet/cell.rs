//! Converts a cell to JSON by the type of its column, never by the text that a library prints for it.

use std::fmt::Write as _;

use polars_arrow::{
    array::{
        Array, BinaryViewArray, BooleanArray, FixedSizeBinaryArray, FixedSizeListArray, Float16Array, ListArray,
        PrimitiveArray, StructArray, Utf8ViewArray,
    },
    datatypes::ArrowDataType as Type,
    types::NativeType,
};
use serde_json::{Map, Number, Value};

use super::time;
use crate::corpus::files::scan::LONGEST;

/// What happens to bytes that are not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bytes {
    /// They are refused: replacing them would change the text.
    Text,
    /// They become hexadecimal digits, which are as good as any other name.
    Name,
}

impl Bytes {
    /// Decides by the name of the column.
    pub(super) fn of(column: &str) -> Self {
        let lower = column.to_ascii_lowercase();
        let names = ["id", "uuid", "guid", "hash", "key", "digest", "sha1", "sha256", "md5"];
        let is_name = names.iter().any(|name| lower == *name || lower.ends_with(&format!("_{name}")));
        if is_name { Self::Name } else { Self::Text }
    }
}

/// A cell as JSON; null stays null.
///
/// # Errors
/// What is wrong with the cell.
pub(super) fn cell(array: &dyn Array, index: usize, bytes: Bytes) -> Result<Value, String> {
    if array.is_null(index) {
        return Ok(Value::Null);
    }
    Ok(match array.dtype() {
        Type::Boolean => of_type::<BooleanArray>(array)?.value(index).into(),
        Type::Utf8View => text(of_type::<Utf8ViewArray>(array)?.value(index).as_bytes(), Bytes::Text)?,
        Type::BinaryView => text(of_type::<BinaryViewArray>(array)?.value(index), bytes)?,
        Type::FixedSizeBinary(_) => text(of_type::<FixedSizeBinaryArray>(array)?.value(index), bytes)?,
        Type::LargeList(_) => list(of_type::<ListArray<i64>>(array)?.value(index).as_ref(), bytes)?,
        Type::FixedSizeList(..) => list(of_type::<FixedSizeListArray>(array)?.value(index).as_ref(), bytes)?,
        Type::Struct(fields) => {
            let values = of_type::<StructArray>(array)?.values();
            let cells = fields.iter().zip(values).map(|(field, values)| {
                Ok((field.name.to_string(), cell(values.as_ref(), index, Bytes::of(&field.name))?))
            });
            Value::Object(cells.collect::<Result<Map<_, _>, String>>()?)
        }
        other => number(array, index, other)?,
    })
}

/// The array as the Rust type that its Arrow type says.
fn of_type<A: 'static>(array: &dyn Array) -> Result<&A, String> {
    array.as_any().downcast_ref().ok_or_else(|| "is stored as another type than it has".to_owned())
}

fn native<T: NativeType>(array: &dyn Array, index: usize) -> Result<T, String> {
    of_type::<PrimitiveArray<T>>(array).map(|array| array.value(index))
}

fn list(array: &dyn Array, bytes: Bytes) -> Result<Value, String> {
    (0..array.len()).map(|index| cell(array, index, bytes)).collect::<Result<_, _>>().map(Value::Array)
}

fn number(array: &dyn Array, index: usize, of: &Type) -> Result<Value, String> {
    Ok(match of {
        Type::Int8 => native::<i8>(array, index)?.into(),
        Type::Int16 => native::<i16>(array, index)?.into(),
        Type::Int32 => native::<i32>(array, index)?.into(),
        Type::Int64 => native::<i64>(array, index)?.into(),
        Type::UInt8 => native::<u8>(array, index)?.into(),
        Type::UInt16 => native::<u16>(array, index)?.into(),
        Type::UInt32 => native::<u32>(array, index)?.into(),
        Type::UInt64 => native::<u64>(array, index)?.into(),
        Type::Float16 => shortest(&of_type::<Float16Array>(array)?.value(index).to_string()),
        Type::Float32 => shortest(&native::<f32>(array, index)?.to_string()),
        Type::Float64 => shortest(&native::<f64>(array, index)?.to_string()),
        Type::Decimal(_, scale) => decimal(native(array, index)?, *scale),
        Type::Date32 => time::date(native::<i32>(array, index)?.into()).into(),
        Type::Date64 => time::date(native::<i64>(array, index)?.div_euclid(86_400_000)).into(),
        Type::Time32(unit) => time::time(native::<i32>(array, index)?.into(), *unit).into(),
        Type::Time64(unit) => time::time(native(array, index)?, *unit).into(),
        Type::Timestamp(unit, _) => time::timestamp(native(array, index)?, *unit).into(),
        other => return Err(format!("is of type {other:?}, which is not read")),
    })
}

/// The number that the shortest digits of a float stand for: 0.1 in 32 bits is 0.1. Anything that is not finite is null.
fn shortest(digits: &str) -> Value {
    let number = digits.parse().ok().and_then(Number::from_f64);
    number.map_or(Value::Null, Value::Number)
}

/// A decimal number as text with all its digits; without a fraction it is a number, if 64 bits hold it.
fn decimal(value: i128, scale: usize) -> Value {
    if scale == 0 {
        return i64::try_from(value).map_or_else(|_| Value::String(value.to_string()), Value::from);
    }
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if value < 0 { "-" } else { "" };
    Value::String(format!("{sign}{whole}.{fraction}"))
}

/// Bytes as text.
fn text(bytes: &[u8], kind: Bytes) -> Result<Value, String> {
    if bytes.len() > LONGEST {
        return Err(format!("holds a text that is longer than {} MiB; split it", LONGEST >> 20));
    }
    match (std::str::from_utf8(bytes), kind) {
        (Ok(text), Bytes::Text) => Ok(text.into()),
        (Ok(text), Bytes::Name) if !text.contains(|character: char| character.is_control()) => Ok(text.into()),
        (_, Bytes::Name) => Ok(Value::String(bytes.iter().fold(String::new(), |mut digits, byte| {
            let _ = write!(digits, "{byte:02x}");
            digits
        }))),
        (Err(error), Bytes::Text) => Err(format!("holds invalid UTF-8 at byte {}", error.valid_up_to())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_their_digits() {
        assert_eq!(decimal(1, 0), 1);
        assert_eq!(decimal(-150, 2), "-1.50");
        assert_eq!(decimal(5, 3), "0.005");
        assert_eq!(decimal(i128::MAX, 0), i128::MAX.to_string());
    }

    #[test]
    fn floats_are_their_shortest_digits() {
        assert_eq!(shortest(&0.1_f32.to_string()).to_string(), "0.1");
        assert_eq!(shortest(&2.5_f64.to_string()).to_string(), "2.5");
        assert_eq!(shortest(&f64::NAN.to_string()), Value::Null);
    }

    #[test]
    fn bytes_are_text_or_digits() {
        assert!(text(&vec![b'a'; LONGEST + 1], Bytes::Text).unwrap_err().contains("longer than 1 MiB"));
        assert_eq!(text(b"caf\xc3\xa9", Bytes::Text).unwrap(), "café");
        assert!(text(b"caf\xe9", Bytes::Text).unwrap_err().contains("invalid UTF-8 at byte 3"));
        assert_eq!(text(b"\0\x01\xff", Bytes::Name).unwrap(), "0001ff");
        assert_eq!(text(b"\0a", Bytes::Name).unwrap(), "0061");
        assert_eq!((Bytes::of("id"), Bytes::of("doc_ID"), Bytes::of("text")), (Bytes::Name, Bytes::Name, Bytes::Text));
    }
}
