//! Which files of a repository belong to a checkpoint.

use std::{collections::BTreeSet, path::Path};

use serde::{
    Deserialize,
    de::{IgnoredAny, MapAccess, Visitor},
};

use super::listing::{HubFile, Listing, is_inside};
use crate::error::{Error, Result, bullets, one_line, quoted_name};

/// What a checkpoint is.
const CONFIGURATION: [&str; 2] = ["config.json", "generation_config.json"];

/// Files that alone are a whole tokenizer.
pub const TOKENIZERS: [&str; 3] = ["tokenizer.json", "spiece.model", "tokenizer.model"];

/// All files that say how text becomes tokens, and conversations text.
pub const TEXT_FILES: [&str; 10] = [
    TOKENIZERS[0],
    TOKENIZERS[1],
    TOKENIZERS[2],
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "vocab.json",
    "merges.txt",
];

/// How the names of Python files begin that a config.json may name as the code of its model.
const CODE: [&str; 3] = ["modeling_", "configuration_", "tokenization_"];

/// Weights in the order in which they are looked for: file name, and whether it is an index of shards.
const WEIGHTS: [(&str, bool); 4] = [
    ("model.safetensors", false),
    ("model.safetensors.index.json", true),
    ("pytorch_model.bin", false),
    ("pytorch_model.bin.index.json", true),
];

/// How many names are listed in a message.
const LISTED: usize = 10;

/// The weights of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubWeights {
    /// The index of the shards, if there are shards.
    pub index: Option<String>,
    /// The files that hold weights.
    pub files: Vec<String>,
}

/// Whether a file is code of a model that its config.json may name. It is never run here; a conversion takes it along.
pub fn is_code(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|ending| ending == "py") && CODE.iter().any(|begin| name.starts_with(begin))
}

/// The files of a list that are there.
fn those<'l>(listing: &'l Listing, names: &[&str]) -> Vec<&'l HubFile> {
    names.iter().filter_map(|name| listing.file(name)).collect()
}

/// What says what the model is, without its weights: configuration, its code, and the index of the shards if there are any.
pub(super) fn configuration(listing: &Listing) -> Vec<&HubFile> {
    let mut files = those(listing, &CONFIGURATION);
    files.extend(listing.files.iter().filter(|file| is_code(&file.path)));
    files.extend(container(listing).filter(|(_, is_index)| *is_index).map(|(file, _)| file));
    files
}

/// What turns text into tokens.
pub(super) fn tokenizer(listing: &Listing) -> Vec<&HubFile> {
    those(listing, &TEXT_FILES)
}

/// The file that holds the weights or names their shards: safetensors before pickles, never both.
pub(super) fn container(listing: &Listing) -> Option<(&HubFile, bool)> {
    WEIGHTS.into_iter().find_map(|(name, is_index)| Some((listing.file(name)?, is_index)))
}

/// The only ZIP of a repository without other weights: how checkpoints of T5X are released.
pub(super) fn only_zip(listing: &Listing) -> Option<&HubFile> {
    let mut zips = listing.files.iter().filter(|file| file.path.to_ascii_lowercase().ends_with(".zip"));
    zips.next().filter(|_| zips.next().is_none())
}

/// The refusal of a repository without weights of a known form.
pub(super) fn no_weights(listing: &Listing, repository: &str) -> Error {
    let large = listing.files.iter().filter(|file| file.sha256().is_some());
    let mut names: Vec<String> = large.map(|file| quoted_name(&one_line(&file.path))).collect();
    let more = names.len().saturating_sub(LISTED);
    names.truncate(LISTED);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    let expected = WEIGHTS.map(|(name, _)| format!("`{name}`")).join(", ");
    let found = if names.is_empty() {
        "; no large file is there".to_owned()
    } else {
        format!("; its large files:{}", bullets(&names))
    };
    Error::hub(
        format!("{repository} at {} has no weights: expected {expected}, or one `.zip` of T5X{found}", listing.commit),
        "another revision or repository may hold the model in such a form",
    )
}

/// The shards that an index names, each once.
///
/// # Errors
/// [`Error::Hub`] if it is no index, or names a file that the repository does not have.
pub(super) fn shards(index: &str, text: &str, listing: &Listing, repository: &str) -> Result<Vec<String>> {
    let refuse = |what: String| {
        let hint = "the repository is incomplete at this commit: try another revision";
        Err(Error::hub(format!("`{index}` of {repository} {what}"), hint))
    };
    let shards = match serde_json::from_str::<Index>(text) {
        Ok(Index { weight_map: Shards(shards) }) => shards,
        Err(error) => return refuse(format!("is no index of shards: {error}; expected `weight_map`: tensor -> file")),
    };
    if shards.is_empty() {
        return refuse("names no shard; expected a `weight_map`: tensor -> file".to_owned());
    }
    for shard in &shards {
        let shown = quoted_name(&one_line(shard));
        if !is_inside(shard) || shard.contains('/') {
            return refuse(format!("names {shown}, which is not a file beside it"));
        }
        if listing.file(shard).is_none() {
            return refuse(format!("names {shown}, which the repository does not have at {}", listing.commit));
        }
    }
    Ok(shards.into_iter().collect())
}

#[derive(Deserialize)]
struct Index {
    weight_map: Shards,
}

/// The values of a map.
struct Shards(BTreeSet<String>);

impl<'de> Deserialize<'de> for Shards {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Values;
        impl<'de> Visitor<'de> for Values {
            type Value = Shards;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map from tensors to files")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Shards, A::Error> {
                let mut files = BTreeSet::new();
                while let Some((IgnoredAny, file)) = map.next_entry::<IgnoredAny, String>()? {
                    files.insert(file);
                }
                Ok(Shards(files))
            }
        }
        deserializer.deserialize_map(Values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn listing(paths: &[&str]) -> Listing {
        let files = paths.iter().map(|path| HubFile { path: (*path).to_owned(), size: 1, blob: "a".repeat(64) });
        Listing { commit: COMMIT.to_owned(), files: files.collect() }
    }

    #[test]
    fn safetensors_come_first_and_never_both() {
        let name = |paths: &[&str]| container(&listing(paths)).map(|(file, is_index)| (file.path.clone(), is_index));
        let both = ["pytorch_model.bin", "model.safetensors.index.json", "model-00001-of-00002.safetensors"];
        assert_eq!(name(&both), Some(("model.safetensors.index.json".to_owned(), true)));
        assert_eq!(
            name(&["pytorch_model.bin.index.json", "pytorch_model.bin"]),
            Some(("pytorch_model.bin".to_owned(), false))
        );
        assert_eq!(name(&["weights.gguf", "sub/model.safetensors"]), None);
        let files = listing(&["config.json", "pytorch_model.bin.index.json", "spiece.model", "README.md"]);
        let paths = |files: Vec<&HubFile>| files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
        assert_eq!(paths(configuration(&files)), ["config.json", "pytorch_model.bin.index.json"]);
        assert_eq!(paths(tokenizer(&files)), ["spiece.model"]);
        assert!(
            only_zip(&listing(&["a.zip", "b.zip"])).is_none() && only_zip(&listing(&["README.md", "A.ZIP"])).is_some()
        );
    }

    #[test]
    fn an_index_names_shards_that_are_there() {
        let files = listing(&["a-1.bin", "a-2.bin", "sub/a-3.bin"]);
        let of = |text: &str| shards("i.json", text, &files, "o/n");
        let good = r#"{"metadata":{"total_size":9},"weight_map":{"x":"a-2.bin","y":"a-1.bin","z":"a-2.bin"}}"#;
        assert_eq!(of(good).unwrap(), ["a-1.bin", "a-2.bin"]);
        for (text, what) in [
            (r#"{"weight_map":{"x":"a-9.bin"}}"#, "names `a-9.bin`, which the repository does not have"),
            (r#"{"weight_map":{"x":"../a-1.bin"}}"#, "which is not a file beside it"),
            (r#"{"weight_map":{"x":"sub/a-3.bin"}}"#, "which is not a file beside it"),
            (r#"{"weight_map":{}}"#, "names no shard"),
            (r#"{"weight_map":["a"]}"#, "is no index of shards"),
            ("<html>", "is no index of shards"),
        ] {
            let message = of(text).unwrap_err().to_string();
            assert!(message.contains(what), "{message}");
        }
    }
}
