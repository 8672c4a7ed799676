//! Lists the files of a corpus in order, with their formats.

use std::{
    collections::{HashMap, HashSet},
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;

use super::{
    Refusal,
    ending::Ending,
    magic::{Magic, magic},
    name::{dataset_name, describes, ending_and_stem, endings, without_shard},
};
use crate::{
    corpus::{Skipped, names::UniqueNames},
    error::{Error, Result},
};

/// A file of the corpus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::corpus) struct Source {
    /// Path as given, or the folder as given and the path within it; `-` is the standard input.
    pub path: PathBuf,
    /// The format that its name says.
    pub ending: Ending,
    /// Whether the path was given, not found in a folder: then anything wrong with the file is an error.
    pub named: bool,
    /// Sub-folder or file stem, for files that were found in a folder.
    pub category: Option<String>,
    /// Stem of the path as given: the same for all files of a folder and for all parts of one split file, otherwise unique.
    pub dataset: String,
}

impl Source {
    /// Whether its name says that it is plain text.
    pub(in crate::corpus) fn is_text(&self) -> bool {
        self.ending == Ending::Text
    }
}

/// Lists the files of the paths in order, folders recursively and sorted by name, and the files in folders that are no corpus.
///
/// # Errors
/// A path does not exist, cannot be listed, or is a file of an unknown format.
pub(in crate::corpus) fn collect_files(paths: &[PathBuf]) -> Result<(Vec<Source>, Vec<Skipped>)> {
    let mut collector = Collector::default();
    let mut names = UniqueNames::default();
    let mut whole: HashMap<PathBuf, String> = HashMap::new();
    for path in paths {
        let found = collector.sources.len();
        collector.path(path)?;
        if collector.sources.len() > found {
            let dataset = whole.entry(thing(path)).or_insert_with(|| names.unique(dataset_name(path)));
            collector.sources[found..].iter_mut().for_each(|source| source.dataset.clone_from(dataset));
        }
    }
    Ok((collector.sources, collector.skipped))
}

/// The path without the number of a part, which all parts of one split file share.
fn thing(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match ending_and_stem(&name) {
        Some((_, stem)) if without_shard(stem) != stem && !path.is_dir() => path.with_file_name(without_shard(stem)),
        _ => path.to_owned(),
    }
}

#[derive(Default)]
struct Collector {
    sources: Vec<Source>,
    skipped: Vec<Skipped>,
    /// Paths that were met already, with links resolved.
    seen: HashSet<PathBuf>,
}

impl Collector {
    fn path(&mut self, path: &Path) -> Result<()> {
        if path == Path::new("-") {
            self.named(path, Ending::Lines);
            return Ok(());
        }
        let metadata = fs::metadata(path).map_err(|error| absent(path, error))?;
        if metadata.is_dir() {
            if is_run(path) {
                return Err(Error::corpus(
                    format!("corpus `{}` is the folder of a run; expected text", path.display()),
                    "name the text that the run was made from",
                ));
            }
            return self.folder(path, path);
        }
        if is_device(path, &metadata) {
            return Err(Error::corpus(
                format!("corpus `{}` is a device; expected a file, a folder or a pipe", path.display()),
                "`-` reads JSON lines from the standard input",
            ));
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let ending = match ending_and_stem(&name) {
            Some((ending, _)) => ending,
            None if !metadata.is_file() => Ending::Lines,
            None => by_bytes(path)?,
        };
        self.named(path, ending);
        Ok(())
    }

    fn named(&mut self, path: &Path, ending: Ending) {
        if self.is_new(path) {
            let (path, dataset) = (path.into(), String::new());
            self.sources.push(Source { path, ending, named: true, category: None, dataset });
        }
    }

    /// Adds everything in a folder in the order of the names; `root` is the folder that was given.
    fn folder(&mut self, root: &Path, folder: &Path) -> Result<()> {
        if !self.is_new(folder) {
            return Ok(());
        }
        let entries = match fs::read_dir(folder) {
            Err(error) if root != folder => {
                self.skip(folder, &format!("cannot be listed: {error}"));
                return Ok(());
            }
            entries => entries.map_err(Error::io("list", folder))?,
        };
        let mut paths = entries
            .map(|entry| entry.map(|entry| entry.path()).map_err(Error::io("list", folder)))
            .collect::<Result<Vec<_>>>()?;
        paths.sort();
        paths.into_iter().try_for_each(|path| self.entry(root, path))
    }

    fn entry(&mut self, root: &Path, path: PathBuf) -> Result<()> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') {
            self.skip(&path, "hidden; name it explicitly to use it");
            return Ok(());
        }
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) => {
                self.skip(&path, &unreachable(&path, &error));
                return Ok(());
            }
        };
        if metadata.is_dir() && is_run(&path) {
            self.skip(&path, "the folder of a run");
        } else if metadata.is_dir() {
            return self.folder(root, &path);
        } else if !metadata.is_file() {
            self.skip(&path, "not a regular file; name it explicitly to use it");
        } else if describes(&name) {
            self.skip(&path, "describes the data, by its name; name it explicitly to use it");
        } else if let Some((ending, stem)) = ending_and_stem(&name) {
            let own = Some(without_shard(stem).to_owned());
            let category = sub_folder(root, &path).or(own).filter(|category| !category.is_empty());
            if self.is_new(&path) {
                self.sources.push(Source { path, ending, named: false, category, dataset: String::new() });
            }
        } else {
            self.skip(&path, &format!("a format that is not read; expected {}", endings()));
        }
        Ok(())
    }

    /// Whether a path is new; one that was seen before is recorded as skipped.
    fn is_new(&mut self, path: &Path) -> bool {
        let is_new = self.seen.insert(path.canonicalize().unwrap_or_else(|_| path.into()));
        if !is_new {
            self.skip(path, "read already: the same path occurs twice");
        }
        is_new
    }

    fn skip(&mut self, path: &Path, reason: &str) {
        self.skipped.push(Skipped { place: path.display().to_string(), reason: reason.to_owned() });
    }
}

/// The error for a given path that cannot be accessed.
fn absent(path: &Path, error: io::Error) -> Error {
    if error.kind() != io::ErrorKind::NotFound {
        return Error::io("look at", path)(error);
    }
    let (what, hint) = match fs::read_link(path) {
        Ok(target) => (format!("is a link to `{}`, which does not exist", target.display()), "correct the link"),
        Err(_) => (
            "does not exist".to_owned(),
            "check the spelling of the path; `-` reads JSON lines from the standard input",
        ),
    };
    Error::corpus(format!("corpus `{}` {what}; expected a file or a folder", path.display()), hint)
}

/// The reason for leaving out a path in a folder that cannot be accessed.
fn unreachable(path: &Path, error: &io::Error) -> String {
    match fs::read_link(path) {
        Ok(target) => format!("a link to `{}`, which cannot be followed: {error}", target.display()),
        Err(_) => format!("cannot be looked at: {error}"),
    }
}

/// Whether a path is a device, which may give endless bytes or none. Standard input may be a terminal and is none.
fn is_device(path: &Path, metadata: &fs::Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = metadata.file_type();
        let descriptor = path == Path::new("/dev/stdin") || path.starts_with("/dev/fd");
        !descriptor && (kind.is_char_device() || kind.is_block_device() || kind.is_socket())
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        !metadata.is_file()
    }
}

/// The format of a file whose ending says nothing, by its first bytes.
///
/// # Errors
/// The bytes do not tell the format either.
fn by_bytes(path: &Path) -> Result<Ending> {
    let mut first = Vec::new();
    let file = fs::File::open(path).map_err(Error::io("open", path))?;
    file.take(512).read_to_end(&mut first).map_err(Error::io("read", path))?;
    let hint = "rename or convert it; `-` reads JSON lines from the standard input";
    let refusal = match magic(&first) {
        Magic::Gzip | Magic::Zstd | Magic::Parquet | Magic::Utf16 { .. } => return Ok(Ending::Unknown),
        Magic::Text if begins_with_rows(&first) => return Ok(Ending::Unknown),
        Magic::Foreign(refusal) => refusal,
        Magic::Text | Magic::Markup(_) => {
            Refusal::new(format!("has a format that is not read; expected {}", endings()), hint)
        }
    };
    Err(Error::corpus(format!("corpus `{}` {}", path.display(), refusal.message), refusal.hint))
}

/// Whether text begins like a JSON object or list, with or without a byte-order mark.
fn begins_with_rows(first: &[u8]) -> bool {
    let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start();
    text.first().is_some_and(|sign| b"{[".contains(sign))
}

/// Whether a folder is that of a run of this program, whose tables are no corpus.
fn is_run(folder: &Path) -> bool {
    let path = folder.join("manifest.json");
    if !fs::metadata(&path).is_ok_and(|metadata| metadata.is_file() && metadata.len() < MANIFEST) {
        return false;
    }
    fs::read(&path).is_ok_and(|bytes| serde_json::from_slice::<RunManifest>(&bytes).is_ok())
}

/// The keys that the manifest of every run has from the beginning.
#[derive(Deserialize)]
#[expect(dead_code, reason = "it is enough that they are there")]
struct RunManifest {
    complete: bool,
    command: String,
    version: String,
    inputs: Vec<Value>,
}

/// The largest manifest that is read.
const MANIFEST: u64 = 64 << 20;

/// The first folder below `root` on the way to `path`.
fn sub_folder(root: &Path, path: &Path) -> Option<String> {
    let mut parts = path.strip_prefix(root).ok()?.components();
    let first = parts.next()?;
    parts.next()?;
    Some(first.as_os_str().to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_read_in_name_order_with_sub_folder_or_stem_as_category() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("b/deep")).unwrap();
        for name in ["c.jsonl", "a.md", "b/2.JSONL.zst", "b/deep/1.txt", "b/image.png", ".hidden.txt"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let (sources, skipped) = collect_files(&[dir.path().to_owned(), dir.path().join("c.jsonl")]).unwrap();
        let found: Vec<_> = sources
            .iter()
            .map(|source| {
                let path = source.path.strip_prefix(dir.path()).unwrap().to_str().unwrap();
                (path, source.ending, source.category.as_deref().unwrap())
            })
            .collect();
        assert_eq!(
            found,
            [
                ("a.md", Ending::Text, "a"),
                ("b/2.JSONL.zst", Ending::Lines, "b"),
                ("b/deep/1.txt", Ending::Text, "b"),
                ("c.jsonl", Ending::Lines, "c"),
            ]
        );
        let reasons: Vec<_> = skipped.iter().map(|skipped| skipped.reason.split([';', ':']).next().unwrap()).collect();
        assert_eq!(reasons, ["hidden", "a format that is not read", "read already"]);
    }

    #[test]
    fn absent_paths_and_unknown_formats_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.csv");
        assert!(collect_files(std::slice::from_ref(&file)).unwrap_err().to_string().contains("does not exist"));
        fs::write(&file, "").unwrap();
        let error = collect_files(&[file]).unwrap_err();
        assert!(error.to_string().contains(".jsonl.zst") && error.hint().is_some(), "{error}");
    }
}
