//! Finds the files of a folder that hold the weights.

use std::{
    collections::{BTreeSet, HashSet},
    path::Path,
    sync::Arc,
};

use super::{
    header::{Entries, Listing, ShardIndex, is_safetensors, list_safetensors},
    problem_list::{Problems, quoted_name, quoted_names},
    torch::{is_pickle, list_old, list_zip},
    weight_folder::WeightFolder,
};
use crate::{
    first_bytes::{Foreign, foreign, parse_json, peek, read_text},
    read_at::ReadAt,
};

/// Weight files in the order in which they are tried: file name, and whether it is an index of shards.
const CONTAINERS: [(&str, bool); 4] = [
    ("model.safetensors", false),
    ("model.safetensors.index.json", true),
    ("pytorch_model.bin", false),
    ("pytorch_model.bin.index.json", true),
];
/// Largest index that is read, in bytes.
const MAX_INDEX: u64 = 256 << 20;

/// A weight file with the tensors that it lists.
#[derive(Debug)]
pub(super) struct ListedFile {
    /// File name within the checkpoint folder.
    pub name: String,
    /// Its bytes; `None` if it cannot be opened, which is one of the problems.
    pub bytes: Option<Arc<dyn ReadAt>>,
    /// Tensors and problems.
    pub listing: Listing,
}

impl ListedFile {
    /// Whether not even the list of tensors could be read.
    fn is_unreadable(&self) -> bool {
        self.listing.tensors.is_empty() && !self.listing.problems.is_empty()
    }
}

/// All weight files of a checkpoint, and the problems with their index.
#[derive(Debug, Default)]
pub(super) struct Located {
    /// Files in name order.
    pub files: Vec<ListedFile>,
    /// One line per problem of the index.
    pub problems: Problems,
    /// Tensors that were reported as missing already, because their shard is absent or lacks them.
    pub reported: HashSet<String>,
    /// Whether the index, or the only file, could not be read at all: then an unlisted tensor is not known to be missing.
    pub blind: bool,
    /// Notes: things that are no problem but should be known.
    pub notes: Vec<String>,
    /// The next step, if the index is something else.
    hint: Option<&'static str>,
}

/// Finds the weights; `None` if there are none. `dir` holds the files that are small.
pub(super) fn locate(dir: &Path, folder: &dyn WeightFolder) -> Option<Located> {
    let (name, is_index) = CONTAINERS.into_iter().find(|(name, _)| folder.has(name))?;
    let mut located = Located::default();
    if is_index {
        located.read_index(dir, folder, name);
    } else {
        located.add(folder, name);
        located.blind = located.files.iter().all(ListedFile::is_unreadable);
    }
    located.notes.extend(located.unused(dir, folder, name));
    Some(located)
}

/// Whether a folder has weights under the names of the Hugging Face layout.
pub(super) fn has_weights(dir: &Path) -> bool {
    CONTAINERS.iter().any(|(name, _)| dir.join(name).symlink_metadata().is_ok())
}

/// The same, of files that may be elsewhere.
pub(crate) fn has_weights_in(folder: &dyn WeightFolder) -> bool {
    CONTAINERS.iter().any(|(name, _)| folder.has(name))
}

/// Names of files that look like weights of any program.
pub(super) fn weight_files(folder: &dyn WeightFolder) -> BTreeSet<String> {
    const ENDINGS: [&str; 12] =
        ["safetensors", "bin", "pt", "pth", "ckpt", "gguf", "msgpack", "h5", "npz", "incomplete", "part", "crdownload"];
    let is_weights =
        |name: &String| Path::new(name).extension().is_some_and(|end| ENDINGS.iter().any(|known| end == *known));
    folder.names().into_iter().filter(|name| is_weights(name) || name.ends_with(".index.json")).collect()
}

impl Located {
    /// The names of all tensors, including those that were reported as missing.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let listed = self.files.iter().flat_map(|file| &file.listing.tensors).map(|tensor| tensor.name.as_str());
        let mentioned = self.files.iter().flat_map(|file| &file.listing.mentioned).map(String::as_str);
        listed.chain(mentioned).chain(self.reported.iter().map(String::as_str))
    }

    /// Renames every tensor.
    pub(super) fn rename(&mut self, rename: impl Fn(&str) -> String) {
        let all = |names: &HashSet<String>| names.iter().map(|name| rename(name)).collect();
        self.reported = all(&self.reported);
        for listing in self.files.iter_mut().map(|file| &mut file.listing) {
            listing.tensors.iter_mut().for_each(|tensor| tensor.name = rename(&tensor.name));
            listing.mentioned = all(&listing.mentioned);
        }
    }

    /// The next step, if a file has one.
    pub(super) fn hint(&self) -> Option<&'static str> {
        self.hint.or_else(|| self.files.iter().find_map(|file| file.listing.hint))
    }

    /// A note on weight files in the folder that are not used, such as another training step or another type.
    fn unused(&self, dir: &Path, folder: &dyn WeightFolder, container: &str) -> Option<String> {
        let used = |name: &String| name == container || self.files.iter().any(|file| file.name == *name);
        let is_model =
            |name: &String| ["model", "pytorch_model", "adapter_model"].iter().any(|start| name.starts_with(start));
        let mut unused: Vec<String> = weight_files(folder)
            .into_iter()
            .filter(|name| is_model(name) && !used(name))
            .map(|name| quoted_name(&name))
            .collect();
        if unused.is_empty() {
            return None;
        }
        for (name, _) in CONTAINERS.iter().filter(|(name, is_index)| *is_index && *name != container) {
            let Some(entry) = unused.iter_mut().find(|entry| **entry == format!("`{name}`")) else { continue };
            if let Ok(index) = read_text(&dir.join(name), MAX_INDEX)
                && let Ok(ShardIndex { weight_map: Entries(weights), .. }) = parse_json(&index)
            {
                let shards = weights.iter().map(|(_, shard)| shard).collect::<BTreeSet<_>>().len();
                let noun = if shards == 1 { "shard" } else { "shards" };
                *entry = format!("{entry} (an index of {shards} {noun})");
            }
        }
        let count = unused.len();
        let shown = unused[..count.min(10)].join(", ");
        let more = if count > 10 { format!(" and {} more", count - 10) } else { String::new() };
        Some(format!("not used: {shown}{more}; the weights are those of `{container}`"))
    }

    /// Adds a weight file with the tensors that it lists.
    fn add(&mut self, folder: &dyn WeightFolder, name: &str) {
        let (bytes, listing) = match folder.open(name) {
            Ok(mut bytes) => {
                let listing = list(&mut bytes, name);
                (Some(bytes), listing)
            }
            Err(foreign) => (None, refused(name, foreign)),
        };
        self.files.push(ListedFile { name: name.to_owned(), bytes, listing });
    }

    fn read_index(&mut self, dir: &Path, folder: &dyn WeightFolder, index: &str) {
        let parsed = match read_text(&dir.join(index), MAX_INDEX) {
            Ok(text) => parse_json::<ShardIndex>(&text)
                .map_err(|error| format!("is not an index of shards: {error}; expected `weight_map`: tensor -> file")),
            Err(foreign) => {
                self.hint = Some(foreign.hint);
                Err(foreign.what)
            }
        };
        match parsed {
            Ok(ShardIndex { weight_map, .. }) => self.read_shards(folder, index, weight_map),
            Err(reason) => {
                self.blind = true;
                self.problems.push(format!("`{index}` {reason}"));
            }
        }
    }

    fn read_shards(&mut self, folder: &dyn WeightFolder, index: &str, Entries(mut weights): Entries<String>) {
        weights.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
        for pair in weights.windows(2).filter(|pair| pair[0] == pair[1]) {
            self.problems.push(format!("`{index}` names tensor {} twice", quoted_name(&pair[0].0)));
        }
        weights.dedup();
        if weights.is_empty() {
            self.problems.push(format!("`{index}` names no tensors; expected a `weight_map`: tensor -> file"));
        }
        for shard in weights.chunk_by(|a, b| a.1 == b.1) {
            let tensors: Vec<&str> = shard.iter().map(|(tensor, _)| tensor.as_str()).collect();
            self.read_shard(folder, index, &shard[0].1, &tensors);
        }
    }

    /// Reads one shard and compares it with the index.
    fn read_shard(&mut self, folder: &dyn WeightFolder, index: &str, shard: &str, indexed: &[&str]) {
        let is_name = Path::new(shard).file_name().is_some_and(|name| name == shard);
        if !is_name || !folder.has(shard) {
            let what = if is_name { "which does not exist" } else { "which is not a file name of this folder" };
            self.problems.push(format!(
                "`{index}` names {}, {what}; it should hold {}",
                quoted_name(shard),
                quoted_names(indexed)
            ));
            self.reported.extend(indexed.iter().map(|&name| name.to_owned()));
            return;
        }
        self.add(folder, shard);
        let file = &self.files[self.files.len() - 1];
        if file.is_unreadable() {
            self.reported.extend(indexed.iter().map(|&name| name.to_owned()));
            return;
        }
        let held: HashSet<&str> = file.listing.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        for &name in indexed.iter().filter(|&&name| !held.contains(name) && !file.listing.mentioned.contains(name)) {
            let tensor = quoted_name(name);
            self.problems
                .push(format!("`{index}` says that tensor {tensor} is in `{shard}`; that file does not have it"));
            self.reported.insert(name.to_owned());
        }
        let indexed: HashSet<&str> = indexed.iter().copied().collect();
        for tensor in file.listing.tensors.iter().filter(|tensor| !indexed.contains(tensor.name.as_str())) {
            self.problems.push(format!(
                "tensor {} in `{shard}` is not said to be there by `{index}`; expected it under `weight_map`",
                quoted_name(&tensor.name)
            ));
        }
    }
}

/// Lists the tensors of a file. The first bytes decide its format; the name decides only which format an unrecognized file is
/// expected to have.
fn list(bytes: &mut Arc<dyn ReadAt>, name: &str) -> Listing {
    let first = match peek(&**bytes) {
        Ok(first) => first,
        Err(foreign) => return refused(name, foreign),
    };
    if first.is_empty() {
        return refused(name, Foreign { what: "is empty".to_owned(), hint: "fetch the file again" });
    }
    let called_bin = Path::new(name).extension().is_some_and(|end| end == "bin");
    let (mut listing, is_bin) = if first.starts_with(b"PK\x03\x04") {
        (list_zip(bytes, name), true)
    } else if is_pickle(&first) {
        (list_old(bytes, name), true)
    } else if is_safetensors(&first) {
        (list_safetensors(&**bytes, name), false)
    } else if let Some(foreign) = foreign(&first) {
        return refused(name, foreign);
    } else if called_bin {
        return list_zip(bytes, name);
    } else {
        return list_safetensors(&**bytes, name);
    };
    if is_bin != called_bin {
        let kind = if is_bin { "what torch.save writes" } else { "safetensors" };
        listing.notes.push(format!("`{name}` holds {kind}, whatever its name says, and is read as that"));
    }
    listing
}

/// The listing of a file that is something else.
fn refused(name: &str, Foreign { what, hint }: Foreign) -> Listing {
    Listing { problems: vec![format!("`{name}` {what}")].into(), hint: Some(hint), ..Listing::default() }
}
