//! Which files make up a corpus, in which order and of which format.

use std::{
    collections::HashSet,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::corpus::{Skipped, names::Names};
use crate::error::{Error, Result};

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::corpus) enum Format {
    /// One JSON object a line.
    Lines,
    /// The same, compressed.
    ZstdLines,
    /// A JSON list of objects.
    Array,
    /// One document.
    Text,
    /// A table with a row per document.
    Parquet,
}

/// The endings that are read, and what they stand for.
const ENDINGS: [(&str, Format); 6] = [
    (".jsonl", Format::Lines),
    (".jsonl.zst", Format::ZstdLines),
    (".json", Format::Array),
    (".txt", Format::Text),
    (".md", Format::Text),
    (".parquet", Format::Parquet),
];

/// A file of the corpus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::corpus) struct Source {
    /// Path as given, or the folder as given and the path within it; `-` is the standard input.
    pub path: PathBuf,
    /// How the file is read.
    pub format: Format,
    /// The path was given, not found in a folder: what is wrong with it is an error.
    pub named: bool,
    /// Sub-folder or file stem, for files that were found in a folder.
    pub category: Option<String>,
    /// Stem of the path as given; the same for all files of a folder, unique among the paths.
    pub dataset: String,
}

/// Lists the files of the paths in order, folders recursively by name, and what is in those folders but no corpus.
///
/// # Errors
/// A path does not exist, cannot be listed, or is a file of an unknown format.
pub(in crate::corpus) fn collect(paths: &[PathBuf]) -> Result<(Vec<Source>, Vec<Skipped>)> {
    let mut collector = Collector::default();
    let mut names = Names::default();
    for path in paths {
        let found = collector.sources.len();
        collector.path(path)?;
        if collector.sources.len() > found {
            let dataset = names.unique(stem(path));
            collector.sources[found..].iter_mut().for_each(|source| source.dataset.clone_from(&dataset));
        }
    }
    Ok((collector.sources, collector.skipped))
}

#[derive(Default)]
struct Collector {
    sources: Vec<Source>,
    skipped: Vec<Skipped>,
    /// What was met already, links resolved.
    seen: HashSet<PathBuf>,
}

impl Collector {
    fn path(&mut self, path: &Path) -> Result<()> {
        if path == Path::new("-") {
            if self.is_new(path) {
                self.sources.push(Source {
                    path: path.into(),
                    format: Format::Lines,
                    named: true,
                    category: None,
                    dataset: String::new(),
                });
            }
            return Ok(());
        }
        if !path.exists() {
            return Err(Error::corpus(
                format!("corpus `{}` does not exist; expected a file or a folder", path.display()),
                "check the spelling of the path; `-` reads JSON lines from the standard input",
            ));
        }
        if path.is_dir() {
            return self.folder(path, path);
        }
        let (format, _) = format_of(path).ok_or_else(|| {
            Error::corpus(
                format!("corpus `{}` has a format that is not read; expected {}", path.display(), endings()),
                "rename or convert it; `-` reads JSON lines from the standard input",
            )
        })?;
        if self.is_new(path) {
            self.sources.push(Source {
                path: path.into(),
                format,
                named: true,
                category: None,
                dataset: String::new(),
            });
        }
        Ok(())
    }

    /// Everything in a folder in the order of the names; `root` is the folder that was given.
    fn folder(&mut self, root: &Path, folder: &Path) -> Result<()> {
        if !self.is_new(folder) {
            return Ok(());
        }
        let entries = fs::read_dir(folder).map_err(Error::io("list", folder))?;
        let mut paths = entries
            .map(|entry| entry.map(|entry| entry.path()).map_err(Error::io("list", folder)))
            .collect::<Result<Vec<_>>>()?;
        paths.sort();
        for path in paths {
            if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
                self.skip(&path, "hidden; name it explicitly to use it");
            } else if path.is_dir() {
                self.folder(root, &path)?;
            } else if let Some((format, stem)) = format_of(&path) {
                let category = sub_folder(root, &path).or(Some(stem)).filter(|category| !category.is_empty());
                if self.is_new(&path) {
                    self.sources.push(Source { path, format, named: false, category, dataset: String::new() });
                }
            } else {
                self.skip(&path, &format!("a format that is not read; expected {}", endings()));
            }
        }
        Ok(())
    }

    /// Whether a path was not met before; a second time is listed as skipped.
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

/// Format and stem of a file name; `None` if its ending is not read.
fn format_of(path: &Path) -> Option<(Format, String)> {
    let name = path.file_name()?.to_string_lossy();
    let lower = name.to_ascii_lowercase();
    let (ending, format) = ENDINGS.into_iter().find(|(ending, _)| lower.ends_with(ending))?;
    Some((format, name[..name.len() - ending.len()].to_owned()))
}

/// Name of a data set that is read from a path: the file's name without its ending, or the folder's name.
pub(in crate::corpus) fn stem(path: &Path) -> String {
    if path == Path::new("-") {
        return "stdin".into();
    }
    let known = if path.is_dir() { None } else { format_of(path).map(|(_, stem)| stem) };
    known.filter(|stem| !stem.is_empty()).unwrap_or_else(|| {
        let full = path.canonicalize().unwrap_or_else(|_| path.into());
        full.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
    })
}

/// The endings that are read, as a list.
fn endings() -> String {
    ENDINGS.map(|(ending, _)| ending).join(", ")
}

/// The first folder below `root` on the way to `path`.
fn sub_folder(root: &Path, path: &Path) -> Option<String> {
    let mut parts = path.strip_prefix(root).ok()?.components();
    let first = parts.next()?;
    parts.next()?;
    Some(first.as_os_str().to_string_lossy().into_owned())
}

/// Hashes and counts what passes through it.
pub(in crate::corpus) struct HashingReader {
    inner: Box<dyn Read>,
    hasher: Sha256,
    bytes: u64,
}

impl HashingReader {
    /// Opens a source.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(in crate::corpus) fn open(path: &Path) -> Result<Self> {
        let inner: Box<dyn Read> = if path == Path::new("-") {
            Box::new(io::stdin())
        } else {
            Box::new(fs::File::open(path).map_err(Error::io("open", path))?)
        };
        Ok(Self { inner, hasher: Sha256::new(), bytes: 0 })
    }

    /// Reads what is left and gives the SHA-256 in hexadecimal and the number of bytes of the whole.
    pub(in crate::corpus) fn finish(mut self) -> io::Result<(String, u64)> {
        io::copy(&mut self, &mut io::sink())?;
        let hex: Vec<_> = self.hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((hex.concat(), self.bytes))
    }
}

impl Read for HashingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }
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
        let (sources, skipped) = collect(&[dir.path().to_owned(), dir.path().join("c.jsonl")]).unwrap();
        let found: Vec<_> = sources
            .iter()
            .map(|source| {
                let path = source.path.strip_prefix(dir.path()).unwrap().to_str().unwrap();
                (path, source.format, source.category.as_deref().unwrap())
            })
            .collect();
        assert_eq!(
            found,
            [
                ("a.md", Format::Text, "a"),
                ("b/2.JSONL.zst", Format::ZstdLines, "b"),
                ("b/deep/1.txt", Format::Text, "b"),
                ("c.jsonl", Format::Lines, "c"),
            ]
        );
        let reasons: Vec<_> = skipped.iter().map(|skipped| skipped.reason.split([';', ':']).next().unwrap()).collect();
        assert_eq!(reasons, ["hidden", "a format that is not read", "read already"]);
    }

    #[test]
    fn absent_paths_and_unknown_formats_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.csv");
        assert!(collect(std::slice::from_ref(&file)).unwrap_err().to_string().contains("does not exist"));
        fs::write(&file, "").unwrap();
        let error = collect(&[file]).unwrap_err();
        assert!(error.to_string().contains(".jsonl.zst") && error.hint().is_some(), "{error}");
    }
}
