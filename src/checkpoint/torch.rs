//! Lists the tensors of a `pytorch_model.bin`. Since PyTorch 1.6 it is a zip with one pickle and one stored (uncompressed) entry per
//! storage; before that it was a row of pickles, followed by the storages.

use std::{collections::HashMap, io::Read, sync::Arc};

use super::{checked_archive::CheckedArchive, header::Listing, problem_list::quoted_name, state_dict};
use crate::{
    pickle::{MAX_PICKLE, Pickle, TorchArchive, Value, storage},
    read_at::{Cursor, ReadAt},
};

/// The number in the first pickle of a file of the old format.
const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;

/// Lists the tensors of a zip written by `torch.save`. `file` is the name used in problems. Bytes that are elsewhere are checked from
/// here on whenever they are read.
pub(super) fn list_zip(bytes: &mut Arc<dyn ReadAt>, file: &str) -> Listing {
    let mut listing = Listing::default();
    if let Err(reason) = read_zip(bytes, file, &mut listing) {
        listing.problems.push(format!("`{file}` {reason}"));
    }
    listing
}

/// Lists the tensors of a file that `torch.save` wrote before PyTorch 1.6, or with its old serialization.
pub(super) fn list_old(bytes: &Arc<dyn ReadAt>, file: &str) -> Listing {
    let mut listing = Listing::default();
    if let Err(reason) = read_old(bytes, file, &mut listing) {
        listing.problems.push(format!("`{file}` {reason}"));
    }
    listing
}

/// Whether a file may have the old format, which [`list_old`] reads.
pub(super) fn is_pickle(first: &[u8]) -> bool {
    matches!(first, [0x80, 1..=5, ..]) || first.starts_with(b"L119547037146038801333356L")
}

fn read_zip(source: &mut Arc<dyn ReadAt>, file: &str, listing: &mut Listing) -> Result<(), String> {
    let mut archive = TorchArchive::open(source.clone())?;
    *source = CheckedArchive::wrap(source, &archive, file);
    let bytes = archive.data(MAX_PICKLE)?;
    let pickle = Pickle::read(&bytes).map_err(|reason| format!("holds a data.pkl that {reason}"))?;
    listing.take_state_dict(&pickle, file, |key| archive.storage_range(key))
}

/// The old format has five pickles (magic number, protocol version, machine, the object, the keys of the storages). They are
/// followed by every storage: the number of its elements (8 bytes) and the elements.
fn read_old(handle: &Arc<dyn ReadAt>, file: &str, listing: &mut Listing) -> Result<(), String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let mut bytes = Vec::new();
    Cursor::new(handle.clone()).take(MAX_PICKLE).read_to_end(&mut bytes).map_err(unreadable)?;
    let broken = |reason: String| format!("is a pickle that {reason}; expected what torch.save writes");
    let magic = Pickle::read(&bytes).map_err(broken)?;
    if magic.integer(magic.root()) != Some(MAGIC) {
        return Err("is a pickle, but not one that torch.save wrote; expected a state dict of torch.save".into());
    }
    let mut at = magic.length;
    let mut next = || {
        let pickle = Pickle::read(&bytes[at..]).map_err(broken)?;
        at += pickle.length;
        Ok::<_, String>(pickle)
    };
    let (_version, machine, object, keys) = (next()?, next()?, next()?, next()?);
    if let Value::Dict(entries) = machine.get(machine.root())
        && entries.iter().any(|&(key, value)| machine.text(key) == Some("little_endian") && machine.is_false(value))
    {
        return Err("stores its numbers in byte order `big`; expected `little`".into());
    }
    let classes: HashMap<&str, &str> = object.persistent_ids().filter_map(|id| storage(&object, id)).collect();
    let places = old_storages(&**handle, at as u64, &keys, &classes);
    listing.take_state_dict(&object, file, |key| {
        places
            .get(key)
            .copied()
            .ok_or_else(|| format!("names storage {}, which is cut off or not there", quoted_name(key)))
    })
}

/// The first byte and the size of each storage, as far as the file goes.
fn old_storages(
    handle: &dyn ReadAt,
    start: u64,
    keys: &Pickle,
    classes: &HashMap<&str, &str>,
) -> HashMap<String, (u64, u64)> {
    let mut places = HashMap::new();
    let mut at = start;
    for key in keys.items(keys.root()).unwrap_or_default().iter().filter_map(|&key| keys.text(key)) {
        let mut count = [0; 8];
        if handle.read_exact_at(&mut count, at).is_err() {
            break;
        }
        // A storage that the model does not use still has to be skipped.
        let Some(item) = classes.get(key).and_then(|class| item_bytes(class)) else { break };
        let bytes = u64::from_le_bytes(count).saturating_mul(item);
        at += 8;
        if at.saturating_add(bytes) > handle.size() {
            break;
        }
        places.insert(key.to_owned(), (at, bytes));
        at += bytes;
    }
    places
}

/// The size of an element of any storage, in bytes.
fn item_bytes(class: &str) -> Option<u64> {
    match class {
        "DoubleStorage" | "LongStorage" | "ComplexFloatStorage" => Some(8),
        "FloatStorage" | "IntStorage" => Some(4),
        "HalfStorage" | "BFloat16Storage" | "ShortStorage" => Some(2),
        "ByteStorage" | "CharStorage" | "BoolStorage" | "UntypedStorage" => Some(1),
        _ => None,
    }
}

impl Listing {
    /// Lists the tensors of the state dict of a pickle; `place` finds their storages.
    fn take_state_dict(
        &mut self,
        pickle: &Pickle,
        file: &str,
        mut place: impl FnMut(&str) -> Result<(u64, u64), String>,
    ) -> Result<(), String> {
        let (entries, note) = state_dict::find(pickle)?;
        self.notes.extend(note.map(|note| format!("`{file}`: {note}")));
        for (name, value) in entries {
            match state_dict::locate(pickle, name, value, &mut place) {
                Ok(Some(tensor)) => self.tensors.push(tensor),
                Ok(None) => {}
                Err(reason) => self.broken(name, &format!("in `{file}` {reason}")),
            }
        }
        Ok(())
    }
}
