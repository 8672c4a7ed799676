//! `.zarray`, the description of an array beside its chunks (zarr version 2), held against what the index says.

use serde_json::{Map, Value};

use super::{
    grid::{Grid, MOST_AXES},
    reference::Reference,
    unpack::Compressor,
};
use crate::{
    checkpoint::{problem_list::quoted_name as shown, tensor::Dtype},
    first_bytes::parse_json,
};

/// Largest `.zarray` that is read, in bytes.
pub(super) const MAX_ZARRAY: u64 = 1 << 20;

/// How an array is stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layout {
    /// Type of its numbers.
    pub(super) dtype: Dtype,
    /// Its chunks.
    pub(super) grid: Grid,
    /// How they are packed.
    pub(super) compressor: Compressor,
    /// What stands between the indices of a chunk in the name of its file.
    pub(super) separator: &'static str,
    /// The bytes of the number that stands for those of a missing chunk; without it a missing chunk is damage.
    pub(super) fill: Option<Vec<u8>>,
}

/// The type of numbers by its name in an index or a `.zarray`. Version 2 of the format has the bits of bf16 as integers.
///
/// # Errors
/// It is another type; continues a sentence that begins with the name of the array.
pub(super) fn number_type(name: &str, version: u64) -> Result<Dtype, String> {
    match name {
        "float32" | "<f4" => Ok(Dtype::F32),
        "bfloat16" => Ok(Dtype::Bf16),
        "uint16" | "<u2" if version == 2 => Ok(Dtype::Bf16),
        other => Err(format!("has the unsupported type {}; expected float32 or bfloat16", shown(other))),
    }
}

/// What the index alone says; zarr's defaults are order C and separator `.`.
///
/// # Errors
/// It says too little; continues a sentence that begins with the name of the array.
pub(super) fn from_index(reference: &Reference, version: u64) -> Result<Layout, String> {
    let missing = |what: &str| format!("has no `.zarray`, and the index does not give its {what}");
    let dtype = number_type(reference.dtype.as_deref().ok_or_else(|| missing("type"))?, version)?;
    let shape = reference.shape.as_ref().ok_or_else(|| missing("shape"))?;
    let chunks = reference.chunks.as_ref().ok_or_else(|| missing("chunks"))?;
    let compressor = reference.compressor.ok_or_else(|| missing("compressor"))?;
    Ok(Layout { dtype, grid: Grid::new(shape, chunks)?, compressor, separator: ".", fill: None })
}

/// Reads a `.zarray`, and compares it with the index.
///
/// # Errors
/// It has an unsupported option, or the two disagree; continues a sentence that begins with the name of the array.
pub(super) fn read(bytes: &[u8], reference: &Reference, version: u64) -> Result<Layout, String> {
    let broken = |error: &dyn std::fmt::Display| format!("has a `.zarray` that is not valid JSON: {error}");
    let text = std::str::from_utf8(bytes).map_err(|error| broken(&error))?;
    let object: Map<String, Value> = parse_json(text).map_err(|error| broken(&error))?;
    check_fixed(&object)?;
    let dtype = match object.get("dtype") {
        Some(Value::String(name)) => number_type(name, version)?,
        other => return Err(format!("has the unsupported type {}; expected float32 or bfloat16", value(other))),
    };
    let compressor = match object.get("compressor") {
        None | Some(Value::Null) => Compressor::None,
        Some(compressor) => Compressor::named(compressor["id"].as_str().unwrap_or_default())?,
    };
    let (shape, chunks) = (sizes(&object, "shape")?, sizes(&object, "chunks")?);
    let disagree = |key: &str, here: &str, there: &str| {
        Err(format!("has {key} {here} by its `.zarray` and {there} by the index; expected the same"))
    };
    for (key, here, there) in [("shape", &shape, &reference.shape), ("chunks", &chunks, &reference.chunks)] {
        if let Some(there) = there.as_ref().filter(|there| *there != here) {
            return disagree(key, &format!("{here:?}"), &format!("{there:?}"));
        }
    }
    if let Some(there) = &reference.dtype
        && number_type(there, version)? != dtype
    {
        return disagree("type", dtype.name(), &shown(there));
    }
    if let Some(there) = reference.compressor.filter(|there| *there != compressor) {
        return disagree("compressor", compressor.name(), there.name());
    }
    let separator = match object.get("dimension_separator").map(Value::as_str) {
        None | Some(Some(".")) => ".",
        Some(Some("/")) => "/",
        Some(_) => {
            return Err(format!(
                "has dimension_separator {}; expected `.` or `/`",
                value(object.get("dimension_separator"))
            ));
        }
    };
    Ok(Layout {
        dtype,
        grid: Grid::new(&shape, &chunks)?,
        compressor,
        separator,
        fill: fill(object.get("fill_value"), dtype)?,
    })
}

/// Refuses options that T5X never sets.
fn check_fixed(object: &Map<String, Value>) -> Result<(), String> {
    if object.get("zarr_format") != Some(&Value::from(2)) {
        return Err(format!("has zarr_format {}; expected 2", value(object.get("zarr_format"))));
    }
    if object.get("order") != Some(&Value::from("C")) {
        return Err(format!("is stored in order {}; expected `C`, row by row", value(object.get("order"))));
    }
    match object.get("filters") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(filters)) if filters.is_empty() => Ok(()),
        other => Err(format!("has filters {}; expected none", value(other))),
    }
}

fn sizes(object: &Map<String, Value>, key: &str) -> Result<Vec<u64>, String> {
    let few = object.get(key).and_then(Value::as_array).filter(|sizes| sizes.len() <= MOST_AXES);
    let sizes = few.and_then(|sizes| sizes.iter().map(Value::as_u64).collect());
    sizes.ok_or_else(|| {
        format!("has {key} {} in its `.zarray`; expected a list of at most {MOST_AXES} sizes", value(object.get(key)))
    })
}

/// The number that fills missing chunks, as bytes of the stored type.
fn fill(given: Option<&Value>, dtype: Dtype) -> Result<Option<Vec<u8>>, String> {
    let number = match given {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(name)) => match name.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        Some(_) => None,
    };
    let number = number.ok_or_else(|| format!("has fill_value {}; expected null or a number", value(given)))? as f32;
    Ok(Some(if dtype == Dtype::Bf16 {
        half::bf16::from_f32(number).to_le_bytes().to_vec()
    } else {
        number.to_le_bytes().to_vec()
    }))
}

/// A value of JSON in a message.
fn value(value: Option<&Value>) -> String {
    shown(
        &value.map_or_else(
            || "nothing".to_owned(),
            |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = r#"{"chunks":[5,5],"compressor":{"id":"gzip","level":1},"dimension_separator":".","dtype":"<f4","fill_value":null,"filters":null,"order":"C","shape":[10,5],"zarr_format":2}"#;

    fn reference() -> Reference {
        Reference {
            folder: "target.a".into(),
            dtype: Some("float32".into()),
            shape: Some(vec![10, 5]),
            chunks: Some(vec![5, 5]),
            compressor: Some(Compressor::Gzip),
        }
    }

    fn with(key: &str, value: Value) -> Result<Layout, String> {
        let mut object: Map<String, Value> = serde_json::from_str(WRITTEN).unwrap();
        object.insert(key.into(), value);
        read(Value::Object(object).to_string().as_bytes(), &reference(), 3)
    }

    #[test]
    fn what_tensorstore_writes_is_read_and_the_index_says_the_same() {
        let layout = read(WRITTEN.as_bytes(), &reference(), 3).unwrap();
        assert_eq!(layout, from_index(&reference(), 3).unwrap());
        assert_eq!((layout.dtype, layout.separator, layout.fill.clone()), (Dtype::F32, ".", None));
        assert_eq!(with("dimension_separator", "/".into()).unwrap().separator, "/");
        assert_eq!(with("fill_value", 1.5.into()).unwrap().fill, Some(1.5_f32.to_le_bytes().to_vec()));
        assert_eq!(with("fill_value", "Infinity".into()).unwrap().fill, Some(f32::INFINITY.to_le_bytes().to_vec()));
    }

    #[test]
    fn the_bits_of_version_2_are_bf16_and_integers_else() {
        assert_eq!(number_type("<u2", 2), Ok(Dtype::Bf16));
        assert!(number_type("uint16", 3).unwrap_err().contains("`uint16`"));
        assert_eq!(number_type("bfloat16", 3), Ok(Dtype::Bf16));
    }

    #[test]
    fn every_other_option_is_refused_by_its_value() {
        let id = |name: &str| serde_json::json!({"id": name});
        for (key, value, word) in [
            ("zarr_format", 3.into(), "zarr_format `3`"),
            ("order", "F".into(), "order `F`"),
            ("filters", serde_json::json!([{"id": "delta"}]), "filters"),
            ("compressor", id("blosc"), "`blosc`"),
            ("compressor", id("zlib"), "zlib by its `.zarray` and gzip by the index"),
            ("dtype", ">f4".into(), "`>f4`"),
            ("dtype", "bfloat16".into(), "bf16 by its `.zarray`"),
            ("dtype", serde_json::json!([["a", "<f4"]]), "unsupported type"),
            ("shape", serde_json::json!([10, 6]), "[10, 6] by its `.zarray` and [10, 5]"),
            ("chunks", serde_json::json!([5, 0]), "[5, 0] by its `.zarray` and [5, 5]"),
            ("shape", serde_json::json!([-1]), "a list of at most 8 sizes"),
            ("dimension_separator", "-".into(), "dimension_separator `-`"),
            ("fill_value", "AAAA".into(), "fill_value `AAAA`"),
        ] {
            let refused = with(key, value).unwrap_err();
            assert!(refused.contains(word), "{key}: {refused}");
        }
        assert!(read(b"{", &reference(), 3).unwrap_err().contains("not valid JSON"));
    }
}
