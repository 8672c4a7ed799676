//! Leaves of the index that say where an array lies, as `TensorStore` describes it.

use std::path::{Component, Path};

use rmpv::Value;

use super::{grid::MOST_AXES, tree::entry, unpack::Compressor};
use crate::checkpoint::problem_list::quoted_name as shown;

/// The bucket that T5X writes where it does not know the real one.
const NO_BUCKET: &str = "t5x-dummy-bucket";

/// Where an array lies, and what the index says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// Its folder within that of the step, without `/` at its end.
    pub(super) folder: String,
    /// The name of the type of its numbers, if it is said.
    pub(super) dtype: Option<String>,
    /// Its sizes, if they are said.
    pub(super) shape: Option<Vec<u64>>,
    /// The sizes of its chunks, if they are said.
    pub(super) chunks: Option<Vec<u64>>,
    /// How its chunks are packed, if it is said.
    pub(super) compressor: Option<Compressor>,
}

/// Whether a map of the tree is a reference.
pub(super) fn is_reference(map: &[(Value, Value)]) -> bool {
    entry(map, "kvstore").is_some() && entry(map, "driver").is_some_and(Value::is_str)
}

/// Reads a reference in any of the spellings that versions of `TensorStore` have had.
///
/// # Errors
/// It leads elsewhere; continues a sentence that begins with the name of the array.
pub(super) fn read(map: &[(Value, Value)]) -> Result<Reference, String> {
    let text = |map: &[(Value, Value)], key| entry(map, key).and_then(Value::as_str).map(str::to_owned);
    match text(map, "driver").as_deref() {
        Some("zarr") => {}
        Some("zarr3" | "ocdbt" | "kvs") | None => {
            return Err("is not of zarr version 2; expected driver `zarr`".to_owned());
        }
        Some(driver) => return Err(format!("has driver {}; expected `zarr`", shown(driver))),
    }
    let kvstore = entry(map, "kvstore").and_then(Value::as_map).ok_or("has a `kvstore` that is no map")?;
    match (text(kvstore, "driver").as_deref(), text(kvstore, "bucket").as_deref()) {
        (Some("file" | "gfile"), _) | (Some("gcs"), Some(NO_BUCKET)) => {}
        (Some("gcs"), bucket) => {
            return Err(format!(
                "lies in the bucket {}, and is not part of this folder; expected `{NO_BUCKET}`, which stands for the folder",
                shown(bucket.unwrap_or_default())
            ));
        }
        (driver, _) => {
            return Err(format!(
                "lies in a store {}; expected `file`, `gfile` or `gcs`",
                shown(driver.unwrap_or_default())
            ));
        }
    }
    let path = text(kvstore, "path").or_else(|| text(map, "path")).ok_or("has no path")?;
    let metadata = entry(map, "metadata").and_then(Value::as_map).map_or(&[][..], Vec::as_slice);
    let compressor = entry(metadata, "compressor").and_then(Value::as_map);
    let compressor = compressor.and_then(|compressor| text(compressor, "id"));
    Ok(Reference {
        folder: folder(&path)?,
        dtype: text(map, "dtype").or_else(|| text(metadata, "dtype")),
        shape: sizes(metadata, "shape")?,
        chunks: sizes(metadata, "chunks")?,
        compressor: compressor.map(|name| Compressor::named(&name)).transpose()?,
    })
}

/// A path of the index as a folder within that of the step.
fn folder(path: &str) -> Result<String, String> {
    let trimmed = path.trim_end_matches('/');
    let is_inside = !trimmed.is_empty()
        && !trimmed.contains(['\\', '\0'])
        && Path::new(trimmed).components().all(|part| matches!(part, Component::Normal(_)));
    if is_inside {
        Ok(trimmed.to_owned())
    } else {
        Err(format!("lies in {}, which is no folder within that of the step", shown(path)))
    }
}

fn sizes(metadata: &[(Value, Value)], key: &str) -> Result<Option<Vec<u64>>, String> {
    let Some(value) = entry(metadata, key) else { return Ok(None) };
    let few = value.as_array().filter(|sizes| sizes.len() <= MOST_AXES);
    let sizes = few.and_then(|sizes| sizes.iter().map(Value::as_u64).collect());
    sizes.map(Some).ok_or_else(|| {
        format!("has `{key}` {}; expected a list of at most {MOST_AXES} sizes", shown(&value.to_string()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, Value)]) -> Vec<(Value, Value)> {
        entries.iter().map(|(key, value)| (Value::from(*key), value.clone())).collect()
    }

    fn reference(kvstore: &[(&str, Value)], beside: &[(&str, Value)]) -> Result<Reference, String> {
        let metadata = map(&[
            ("shape", Value::Array(vec![8.into()])),
            ("chunks", Value::Array(vec![4.into()])),
            ("compressor", Value::Map(map(&[("id", "gzip".into()), ("level", 1.into())]))),
        ]);
        let own = [
            ("driver", "zarr".into()),
            ("dtype", "float32".into()),
            ("kvstore", Value::Map(map(kvstore))),
            ("metadata", Value::Map(metadata)),
        ];
        read(&map(&[&own[..], beside].concat()))
    }

    #[test]
    fn every_spelling_leads_to_the_same_folder() {
        let path = ("path", Value::from("target.a/"));
        for (kvstore, beside) in [
            (&[("driver", "file".into()), path.clone()][..], &[][..]),
            (&[("driver", "gfile".into()), ("path", "target.a".into())], &[]),
            (&[("driver", "gcs".into()), ("bucket", NO_BUCKET.into()), path.clone()], &[]),
            (&[("driver", "file".into())], std::slice::from_ref(&path)),
        ] {
            let read = reference(kvstore, beside).unwrap();
            assert_eq!(read.folder, "target.a");
            assert_eq!((read.shape, read.chunks), (Some(vec![8]), Some(vec![4])));
            assert_eq!((read.dtype.as_deref(), read.compressor), (Some("float32"), Some(Compressor::Gzip)));
        }
    }

    #[test]
    fn no_path_leads_out_of_the_step() {
        for path in ["/etc/", "../a", "a/../../b", "", "/", "a\\..\\b", "./a"] {
            let refused = reference(&[("driver", "file".into()), ("path", path.into())], &[]).unwrap_err();
            assert!(refused.contains("no folder within"), "{path}: {refused}");
        }
        let elsewhere = [("driver", "gcs".into()), ("bucket", "mine".into()), ("path", "a".into())];
        assert!(reference(&elsewhere, &[]).unwrap_err().contains("`mine`"));
        assert!(reference(&[("driver", "http".into()), ("path", "a".into())], &[]).unwrap_err().contains("`http`"));
    }
}
