//! What the name of a file says: its format, the split file that it is a part of, and the name of its data set.

use std::path::Path;

use super::ending::Ending;

/// Endings of compressed files, which follow the ending of the format.
const COMPRESSED: [&str; 4] = [".gz", ".zst", ".gzip", ".zstd"];

/// The supported endings, and the formats that they stand for.
const ENDINGS: [(&str, Ending); 8] = [
    (".jsonl", Ending::Lines),
    (".ndjson", Ending::Lines),
    (".jsonlines", Ending::Lines),
    (".json", Ending::Array),
    (".txt", Ending::Text),
    (".md", Ending::Text),
    (".parquet", Ending::Parquet),
    (".pq", Ending::Parquet),
];

/// Beginnings of the names of files that describe a data set but hold none of its rows.
const DESCRIBING: [&str; 14] = [
    "readme",
    "license",
    "licence",
    "copying",
    "copyright",
    "notice",
    "authors",
    "citation",
    "changelog",
    "changes",
    "contributing",
    "code_of_conduct",
    "security",
    "maintainers",
];

/// The same for JSON files that libraries for data sets write.
const DESCRIBING_JSON: [&str; 5] = ["dataset_info", "dataset_dict", "dataset_infos", "croissant", "state"];

/// The supported endings as a list for messages.
pub(super) fn endings() -> &'static str {
    ".jsonl, .ndjson, .json, .txt, .md (each also compressed, as .jsonl.gz or .jsonl.zst), .parquet"
}

/// The format and the stem of a file name; `None` if its ending is not supported.
pub(super) fn ending_and_stem(name: &str) -> Option<(Ending, &str)> {
    let plain = COMPRESSED.iter().find_map(|ending| without(name, ending)).unwrap_or(name);
    ENDINGS.into_iter().find_map(|(ending, format)| without(plain, ending).map(|stem| (format, stem)))
}

/// Whether a name says that the file is compressed.
pub(super) fn says_compressed(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    COMPRESSED.iter().any(|ending| without(&name, ending).is_some())
}

fn without<'a>(name: &'a str, ending: &str) -> Option<&'a str> {
    let at = name.len().checked_sub(ending.len())?;
    let (stem, found) = (name.get(..at)?, name.get(at..)?);
    found.eq_ignore_ascii_case(ending).then_some(stem)
}

/// The stem without `-00001-of-00004` and a hash that may follow it: all parts of one split file have the same name.
pub(super) fn without_shard(stem: &str) -> &str {
    let plain = hash_at_end(stem).unwrap_or(stem);
    numbered(plain).filter(|name| !name.is_empty()).unwrap_or(stem)
}

fn hash_at_end(stem: &str) -> Option<&str> {
    let (name, hash) = stem.rsplit_once('-')?;
    (hash.len() == 16 && hash.bytes().all(|digit| digit.is_ascii_hexdigit())).then_some(name)
}

fn numbered(stem: &str) -> Option<&str> {
    let at = stem.rfind("of")?;
    let (before, total) = (&stem[..at], &stem[at + 2..]);
    let separator = |text: &str| text.ends_with(['-', '_', '.']).then(|| text.len() - 1);
    let total = total.strip_prefix(['-', '_'])?;
    let number = &before[..separator(before)?];
    let name = number.trim_end_matches(|digit: char| digit.is_ascii_digit());
    let digits = |text: &str| text.len() >= 2 && text.bytes().all(|digit| digit.is_ascii_digit());
    (digits(total) && digits(&number[name.len()..])).then(|| separator(name).map(|end| &name[..end]))?
}

/// Whether the name of a file in a folder says that it only describes the data beside it.
pub(super) fn describes(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let begins = |beginnings: &[&str]| {
        let rest =
            |beginning: &&str| lower.strip_prefix(beginning).filter(|rest| rest.starts_with(['.', '-', '_', ' ']));
        beginnings.iter().find_map(rest).is_some()
    };
    match ending_and_stem(name) {
        Some((Ending::Text, _)) => begins(&DESCRIBING),
        Some((Ending::Array, _)) => begins(&DESCRIBING_JSON),
        _ => false,
    }
}

/// The name of the data set of a path: the file's name without its ending and the number of its part, or the folder's name.
pub(in crate::corpus) fn dataset_name(path: &Path) -> String {
    if path == Path::new("-") {
        return "stdin".into();
    }
    let name = path.file_name().map(|name| name.to_string_lossy()).filter(|_| !path.is_dir());
    let known = name.as_deref().and_then(ending_and_stem).map(|(_, stem)| without_shard(stem));
    known.filter(|stem| !stem.is_empty()).map_or_else(
        || {
            let full = path.canonicalize().unwrap_or_else(|_| path.into());
            full.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
        },
        str::to_owned,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_read_behind_compression_and_in_any_case() {
        for (name, expected) in [
            ("a.jsonl", Some((Ending::Lines, "a"))),
            ("a.b.JSON.GZ", Some((Ending::Array, "a.b"))),
            ("a.md.zst", Some((Ending::Text, "a"))),
            (".jsonl", Some((Ending::Lines, ""))),
            ("a.parquet", Some((Ending::Parquet, "a"))),
            ("é", None),
            ("a.csv", None),
            ("a.gz", None),
        ] {
            assert_eq!(ending_and_stem(name), expected, "{name}");
        }
    }

    #[test]
    fn parts_of_one_thing_have_one_name() {
        for (stem, expected) in [
            ("train-00000-of-00002", "train"),
            ("train-00000-of-00001-b42a775f407cee45", "train"),
            ("c4-train.00000-of-01024", "c4-train"),
            ("00000-of-00002", "00000-of-00002"),
            ("train", "train"),
            ("best-of-2024", "best-of-2024"),
            ("one-of-us", "one-of-us"),
            ("a-1-of-2", "a-1-of-2"),
        ] {
            assert_eq!(without_shard(stem), expected);
        }
    }

    #[test]
    fn what_describes_a_data_set_is_known_by_its_name() {
        for name in
            ["README.md", "readme_de.txt", "LICENSE.md", "LICENSE-MIT.txt", "dataset_info.json", "dataset_infos.json"]
        {
            assert!(describes(name), "{name}");
        }
        for name in ["reading.md", "readmes.txt", "readme.jsonl", "licenses.parquet", "state.jsonl", "a.json"] {
            assert!(!describes(name), "{name}");
        }
    }
}
