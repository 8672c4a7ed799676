//! What a `pytorch_model.bin` holds: a zip of one pickle and one stored (uncompressed) entry per tensor storage.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use candle_core::pickle::{Object, Stack};
use zip::{CompressionMethod, ZipArchive};

use super::header::{ListedTensor, Listing};

/// Largest pickle that is read into memory, in bytes; it holds names and shapes only.
const MAX_PICKLE: u64 = 256 << 20;

type Archive = ZipArchive<BufReader<File>>;
/// Names and values of the pickled dict, in file order.
type StateDict = Vec<(String, Object)>;

/// Lists the tensors of a file written by `torch.save`. `file` is the name used in problems.
pub(super) fn list_torch(path: &Path, file: &str) -> Listing {
    let mut listing = Listing::default();
    match open(path) {
        Ok((mut archive, root, entries)) => {
            for (name, value) in entries {
                match locate(&mut archive, &root, &name, value) {
                    Ok(Some(tensor)) => listing.tensors.push(tensor),
                    Ok(None) => {}
                    Err(reason) => listing.problems.push(format!("tensor `{name}` in `{file}` {reason}")),
                }
            }
        }
        Err(reason) => listing.problems.push(format!("`{file}` {reason}")),
    }
    listing
}

/// The archive, the folder of its entries and the state dict.
fn open(path: &Path) -> Result<(Archive, String, StateDict), String> {
    let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| {
        format!("is truncated or not a zip archive ({error}); expected what torch.save writes since PyTorch 1.6")
    })?;
    let pickle = (0..archive.len())
        .filter_map(|index| archive.by_index_raw(index).ok()?.name().ok().map(|name| name.to_string()))
        .find(|name| name == "data.pkl" || name.ends_with("/data.pkl"))
        .ok_or("holds no data.pkl; expected what torch.save writes")?;
    let root = pickle.trim_end_matches("data.pkl").to_owned();
    big_endian(&mut archive, &root)?;
    let entries = state_dict(&read_entry(&mut archive, &pickle)?)?;
    Ok((archive, root, entries))
}

/// Refuses files that were written on a big-endian machine.
fn big_endian(archive: &mut Archive, root: &str) -> Result<(), String> {
    match read_entry(archive, &format!("{root}byteorder")) {
        Ok(order) if order != b"little" => Err(format!(
            "stores its numbers in byte order `{}`; expected `little`",
            String::from_utf8_lossy(&order).trim()
        )),
        _ => Ok(()),
    }
}

/// A whole small entry; its checksum is verified on the way.
fn read_entry(archive: &mut Archive, name: &str) -> Result<Vec<u8>, String> {
    let entry = archive.by_name(name).map_err(|error| format!("holds an unreadable entry `{name}`: {error}"))?;
    if entry.size() > MAX_PICKLE {
        return Err(format!("holds an entry `{name}` of {} bytes; expected at most {MAX_PICKLE}", entry.size()));
    }
    let mut bytes = Vec::new();
    entry
        .take(MAX_PICKLE)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("holds an unreadable entry `{name}`: {error}"))?;
    Ok(bytes)
}

/// The named values of the pickle; a dict with string keys.
fn state_dict(pickle: &[u8]) -> Result<StateDict, String> {
    let mut stack = Stack::empty();
    let parsed = stack.read_loop(&mut &*pickle).and_then(|()| stack.finalize());
    let object = parsed.map_err(|error| {
        let text = error.to_string();
        format!("holds a data.pkl that cannot be read: {}", text.lines().next().unwrap_or_default())
    })?;
    let dict = match object {
        Object::Dict(dict) => dict,
        Object::Build { callable, .. } => callable.dict().unwrap_or_default(),
        _ => Vec::new(),
    };
    if dict.is_empty() {
        return Err("holds no state dict; expected a dict of tensors as torch.save writes it".into());
    }
    Ok(dict.into_iter().filter_map(|(key, value)| Some((key.unicode().ok()?, value))).collect())
}

/// Where a tensor's numbers lie; `None` for values that are no tensors (such as `_metadata`).
fn locate(archive: &mut Archive, root: &str, name: &str, value: Object) -> Result<Option<ListedTensor>, String> {
    let Some(arguments) = rebuild_arguments(value) else { return Ok(None) };
    let view = View::read(&arguments).ok_or("has an entry of an unknown form; expected _rebuild_tensor_v2")?;
    if !view.is_contiguous() {
        return Err(format!(
            "is not contiguous: shape {:?} with strides {:?}; save it with .contiguous()",
            view.shape, view.strides
        ));
    }
    let (dtype, item) = storage_dtype(&view.class)
        .ok_or_else(|| format!("has the unsupported type `{}`; expected float32, float16 or bfloat16", view.class))?;
    let entry_name = format!("{root}data/{}", view.key);
    let (begin, stored) = entry_range(archive, &entry_name)?;
    let skipped = (view.offset as u64).saturating_mul(item);
    let bytes = view.shape.iter().fold(item, |bytes, &dimension| bytes.saturating_mul(dimension as u64));
    if skipped.saturating_add(bytes) > stored {
        return Err(format!(
            "is truncated: it takes bytes {skipped}..{} of entry `{entry_name}`, which has {stored}",
            skipped.saturating_add(bytes)
        ));
    }
    Ok(Some(ListedTensor { name: name.into(), dtype: dtype.into(), shape: view.shape, begin: begin + skipped, bytes }))
}

/// First byte and length of a stored entry.
fn entry_range(archive: &mut Archive, name: &str) -> Result<(u64, u64), String> {
    let index = archive.index_for_name(name).ok_or_else(|| format!("names entry `{name}`, which is not there"))?;
    let entry = archive.by_index_raw(index).map_err(|error| format!("has an unreadable entry `{name}`: {error}"))?;
    if entry.compression() != CompressionMethod::Stored || entry.encrypted() {
        return Err(format!("is compressed ({}); expected a stored entry", entry.compression()));
    }
    let begin = entry.data_start().ok_or_else(|| format!("has an unreadable entry `{name}`"))?;
    Ok((begin, entry.size()))
}

/// The arguments of `torch._utils._rebuild_tensor_v2`, also inside a parameter or a typed tensor.
fn rebuild_arguments(value: Object) -> Option<Vec<Object>> {
    let (callable, arguments) = value.reduce().ok()?;
    let (module, class) = callable.class().ok()?;
    let mut arguments = arguments.tuple().ok()?;
    match (module.as_str(), class.as_str()) {
        ("torch._utils", "_rebuild_tensor_v2") => Some(arguments),
        ("torch._utils", "_rebuild_parameter") if !arguments.is_empty() => rebuild_arguments(arguments.swap_remove(0)),
        ("torch._tensor", "_rebuild_from_type_v2") if arguments.len() > 2 => arguments.swap_remove(2).tuple().ok(),
        _ => None,
    }
}

/// A tensor as a view of a storage.
struct View {
    /// Storage class, e.g. `BFloat16Storage`.
    class: String,
    /// Entry under `data/`.
    key: String,
    /// First element in the storage.
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl View {
    /// (persistent id ("storage", class, key, location, size), offset, shape, strides, ...)
    fn read(arguments: &[Object]) -> Option<Self> {
        let [Object::PersistentLoad(storage), offset, shape, strides, ..] = arguments else { return None };
        let Object::Tuple(storage) = &**storage else { return None };
        let [_, Object::Class { class_name, .. }, Object::Unicode(key), ..] = &storage[..] else { return None };
        Some(Self {
            class: class_name.clone(),
            key: key.clone(),
            offset: count(offset)?,
            shape: counts(shape)?,
            strides: counts(strides)?,
        })
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1_usize;
        let dimensions = self.shape.iter().zip(&self.strides).rev();
        self.shape.len() == self.strides.len()
            && dimensions.into_iter().all(|(&dimension, &stride)| {
                let fits = dimension <= 1 || stride == expected;
                expected = expected.saturating_mul(dimension);
                fits
            })
    }
}

fn count(object: &Object) -> Option<usize> {
    match object {
        Object::Int(value) => usize::try_from(*value).ok(),
        Object::Long(value) => usize::try_from(*value).ok(),
        _ => None,
    }
}

fn counts(object: &Object) -> Option<Vec<usize>> {
    match object {
        Object::Tuple(values) => values.iter().map(count).collect(),
        _ => None,
    }
}

/// Name of the type as safetensors spells it, and its bytes.
fn storage_dtype(class: &str) -> Option<(&'static str, u64)> {
    match class {
        "FloatStorage" => Some(("F32", 4)),
        "HalfStorage" => Some(("F16", 2)),
        "BFloat16Storage" => Some(("BF16", 2)),
        _ => None,
    }
}
