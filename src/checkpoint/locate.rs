//! Which files of a folder hold the weights.

use std::path::Path;

use super::{
    header::{Entries, Listing, ShardIndex, list_safetensors},
    torch::list_torch,
};

/// Containers in the order in which they are looked for: file name, whether it is an index of shards.
const CONTAINERS: [(&str, bool); 4] = [
    ("model.safetensors", false),
    ("model.safetensors.index.json", true),
    ("pytorch_model.bin", false),
    ("pytorch_model.bin.index.json", true),
];

/// A weight file with what it lists.
#[derive(Debug)]
pub(super) struct ListedFile {
    /// File name within the checkpoint folder.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Tensors and problems.
    pub listing: Listing,
}

impl ListedFile {
    /// Whether not even a list of tensors could be had.
    fn is_unreadable(&self) -> bool {
        self.listing.tensors.is_empty() && !self.listing.problems.is_empty()
    }
}

/// All weight files of a checkpoint, and what is wrong with their index.
#[derive(Debug, Default)]
pub(super) struct Located {
    /// Files in name order.
    pub files: Vec<ListedFile>,
    /// One line per problem of the index.
    pub problems: Vec<String>,
    /// Tensors that are known to be missing already, because their shard is absent or lacks them.
    pub reported: Vec<String>,
    /// The index, or the only file, could not be read at all: that a tensor is not listed says nothing.
    pub blind: bool,
}

/// Finds the weights; `None` if the folder has none.
pub(super) fn locate(dir: &Path) -> Option<Located> {
    let (name, is_index) = CONTAINERS.into_iter().find(|(name, _)| dir.join(name).is_file())?;
    let mut located = Located::default();
    if is_index {
        located.read_index(dir, name);
    } else {
        located.add(dir, name);
        located.blind = located.files.iter().all(ListedFile::is_unreadable);
    }
    Some(located)
}

/// Names of weight files that lie in a folder without being found by [`locate`]: shards without their index.
pub(super) fn stray_shards(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| has_extension(name, "safetensors") || has_extension(name, "bin"));
    names.sort();
    names
}

fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == extension)
}

impl Located {
    /// Adds a weight file with what it lists.
    fn add(&mut self, dir: &Path, name: &str) {
        let path = dir.join(name);
        let bytes = path.metadata().map_or(0, |metadata| metadata.len());
        let listing =
            if has_extension(name, "bin") { list_torch(&path, name) } else { list_safetensors(&path, name, bytes) };
        self.files.push(ListedFile { name: name.to_owned(), bytes, listing });
    }

    fn read_index(&mut self, dir: &Path, index: &str) {
        let text = std::fs::read_to_string(dir.join(index)).map_err(|error| format!("cannot be read: {error}"));
        let parsed = text.and_then(|text| {
            serde_json::from_str::<ShardIndex>(&text)
                .map_err(|error| format!("is not an index of shards: {error}; expected `weight_map`: tensor -> file"))
        });
        match parsed {
            Ok(ShardIndex { weight_map, .. }) => self.read_shards(dir, index, weight_map),
            Err(reason) => {
                self.blind = true;
                self.problems.push(format!("`{index}` {reason}"));
            }
        }
    }

    fn read_shards(&mut self, dir: &Path, index: &str, Entries(mut weights): Entries<String>) {
        weights.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
        for pair in weights.windows(2).filter(|pair| pair[0] == pair[1]) {
            self.problems.push(format!("`{index}` names tensor `{}` twice", pair[0].0));
        }
        weights.dedup();
        if weights.is_empty() {
            self.problems.push(format!("`{index}` names no tensors; expected a `weight_map`: tensor -> file"));
        }
        for shard in weights.chunk_by(|a, b| a.1 == b.1) {
            let tensors: Vec<&str> = shard.iter().map(|(tensor, _)| tensor.as_str()).collect();
            self.read_shard(dir, index, &shard[0].1, &tensors);
        }
    }

    /// One shard against what the index says of it.
    fn read_shard(&mut self, dir: &Path, index: &str, shard: &str, named: &[&str]) {
        let is_name = Path::new(shard).file_name().is_some_and(|name| name == shard);
        if !is_name || !dir.join(shard).is_file() {
            let what = if is_name { "which does not exist" } else { "which is not a file name of this folder" };
            self.problems.push(format!("`{index}` names `{shard}`, {what}; it should hold {}", quoted(named)));
            self.reported.extend(named.iter().map(|&name| name.to_owned()));
            return;
        }
        self.add(dir, shard);
        let file = &self.files[self.files.len() - 1];
        if file.is_unreadable() {
            self.reported.extend(named.iter().map(|&name| name.to_owned()));
            return;
        }
        let held: std::collections::HashSet<&str> =
            file.listing.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        for &name in named.iter().filter(|&&name| !held.contains(name) && !file.listing.mentions(name)) {
            self.problems
                .push(format!("`{index}` says that tensor `{name}` is in `{shard}`; that file does not have it"));
            self.reported.push(name.to_owned());
        }
        let named: std::collections::HashSet<&str> = named.iter().copied().collect();
        for tensor in file.listing.tensors.iter().filter(|tensor| !named.contains(tensor.name.as_str())) {
            self.problems.push(format!(
                "tensor `{}` in `{shard}` is not said to be there by `{index}`; expected it under `weight_map`",
                tensor.name
            ));
        }
    }
}

/// Names in backticks with commas between.
pub(super) fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
