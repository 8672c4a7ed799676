//! The SHA-256 of every file that a run reads back, and the run that the files belong to: `checksums.sha256`, in the form of
//! `sha256sum`. A line is added only when its file is on the disk: files that a kill or a power cut left unfinished have no
//! line.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

use super::{difference::names_a_commit, durable::write_file};
use crate::{
    checkpoint::sha256_bytes,
    error::{Error, Result},
};

/// Files without a checksum: both contain the time that the run took, so their bytes differ between equal runs.
pub(super) const UNLISTED: [&str; 2] = ["manifest.json", "report.html"];

/// The file, in the folder of the run.
pub(super) const CHECKSUMS: &str = "checksums.sha256";
/// The beginning of its first line, before the digest of the run.
const RUN: &str = "# run ";

/// Files that this process has written, or has read and found unchanged, with their checksums: a trace is opened many times, but
/// none of its files is hashed twice.
static KNOWN: Mutex<Option<HashSet<(PathBuf, String)>>> = Mutex::new(None);

/// The checksums of the files of a run.
#[derive(Debug, Default)]
pub(super) struct Checksums {
    /// The folder of the run.
    root: PathBuf,
    /// Digest of the run that the files belong to.
    run: Option<String>,
    /// SHA-256 by name.
    files: BTreeMap<String, String>,
    /// Whether `checksums.sha256` holds all of `files`, so that lines can be appended.
    current: bool,
}

/// The result of comparing the bytes of a file with its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChecksumMatch {
    /// The bytes are those that were written.
    Same,
    /// The bytes are others.
    Other,
    /// No checksum was kept: the file is not of this run.
    Unlisted,
}

impl Checksums {
    /// The checksums of a new run, without any file yet.
    pub(super) fn new(root: &Path, run: &str) -> Self {
        Self { root: root.to_path_buf(), run: Some(run.to_owned()), ..Self::default() }
    }

    /// Reads the checksums in the folder of a run; there are none if the file is missing.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub(super) fn open(root: &Path) -> Result<Self> {
        let path = root.join(CHECKSUMS);
        match fs::read(&path) {
            Ok(bytes) => Ok(Self { root: root.to_path_buf(), ..Self::parse(&String::from_utf8_lossy(&bytes)) }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self { root: root.to_path_buf(), ..Self::default() })
            }
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// Parses the lines; a line that a kill has cut short is ignored.
    fn parse(text: &str) -> Self {
        let mut checksums = Self::default();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            if let Some(run) = line.strip_prefix(RUN) {
                checksums.run = Some(run.to_owned());
            } else if let Some((sum, name)) = line.split_once("  ").filter(|(sum, _)| is_digest(sum)) {
                checksums.files.insert(name.to_owned(), sum.to_owned());
            }
        }
        checksums
    }

    fn text(&self) -> String {
        let mut text = format!("{RUN}{}\n", self.run.as_deref().unwrap_or_default());
        for (name, sum) in &self.files {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{sum}  {name}");
        }
        text
    }

    /// The run that the files belong to.
    pub(super) fn run(&self) -> Option<&str> {
        self.run.as_deref()
    }

    /// Whether a file has a checksum.
    pub(super) fn lists(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// The names of the files below a sub-folder; all names for the folder of the run itself.
    pub(super) fn below(&self, folder: &str) -> Vec<String> {
        let inside =
            |name: &&String| folder.is_empty() || name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        self.files.keys().filter(inside).cloned().collect()
    }

    /// Whether this process has written the file, or has read it and found it unchanged.
    pub(super) fn is_known(&self, name: &str) -> bool {
        let Some(sum) = self.files.get(name) else { return false };
        known().get_or_insert_default().contains(&(self.root.join(name), sum.clone()))
    }

    fn remember(&self, name: &str, digest: &str) {
        known().get_or_insert_default().insert((self.root.join(name), digest.to_owned()));
    }

    /// Compares the digest of the bytes that were read with the checksum of the file.
    pub(super) fn compare(&self, name: &str, digest: &str) -> ChecksumMatch {
        match self.files.get(name) {
            None => ChecksumMatch::Unlisted,
            Some(expected) if expected == digest => {
                self.remember(name, digest);
                ChecksumMatch::Same
            }
            Some(_) => ChecksumMatch::Other,
        }
    }

    /// Adds files that are on the disk.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn add(&mut self, files: Vec<(String, String)>) -> Result<()> {
        let mut lines = String::new();
        for (name, sum) in files {
            self.remember(&name, &sum);
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{sum}  {name}");
            self.files.insert(name, sum);
        }
        if !self.current {
            return self.write();
        }
        let path = self.root.join(CHECKSUMS);
        let mut file = fs::OpenOptions::new().append(true).open(&path).map_err(Error::io("write", &path))?;
        file.write_all(lines.as_bytes()).and_then(|()| file.sync_data()).map_err(Error::io("write", &path))
    }

    /// Replaces the checksums of some folders, and those of `files`, before the files get their names.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn replace(&mut self, folders: &[&str], files: Vec<(String, String)>) -> Result<()> {
        let replaced: Vec<String> = folders.iter().flat_map(|folder| self.below(folder)).collect();
        for name in replaced {
            self.files.remove(&name);
        }
        for (name, sum) in &files {
            self.remember(name, sum);
        }
        self.files.extend(files);
        self.write()
    }

    /// Writes the whole file again, sorted by name: the same run leaves the same bytes, in whatever order its parts were made.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn write(&mut self) -> Result<()> {
        write_file(&self.root.join(CHECKSUMS), self.text().as_bytes())?;
        self.current = true;
        Ok(())
    }
}

fn known() -> MutexGuard<'static, Option<HashSet<(PathBuf, String)>>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forgets which files this process has seen, as another process would not know them.
#[cfg(test)]
pub(super) fn forget() {
    known().take();
}

/// Whether a text is a SHA-256 in hexadecimal.
pub(super) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The digest of the identity of a run; the order of the keys makes no difference.
pub(super) fn run_digest(identity: &Value) -> String {
    sha256_bytes(sorted(identity).to_string().as_bytes())
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, _)| !names_a_commit(map, key));
            let by_key: BTreeMap<&String, Value> = kept.map(|(key, value)| (key, sorted(value))).collect();
            by_key.into_iter().map(|(key, value)| (key.clone(), value)).collect::<serde_json::Map<_, _>>().into()
        }
        Value::Array(list) => list.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_keys_is_no_part_of_a_digest() {
        let one = run_digest(&json!({"a": 1, "b": {"c": [2, {"d": 3, "e": 4}]}}));
        assert_eq!(one, run_digest(&json!({"b": {"c": [2, {"e": 4, "d": 3}]}, "a": 1})));
        assert_ne!(one, run_digest(&json!({"a": 1, "b": {"c": [{"d": 3, "e": 4}, 2]}})));
    }

    #[test]
    fn lines_are_added_and_a_cut_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let mut checksums = Checksums::new(folder.path(), "r");
        let entry = |name: &str| (name.to_owned(), sha256_bytes(name.as_bytes()));
        checksums.add(vec![entry("trace/b")]).unwrap();
        checksums.add(vec![entry("trace/a"), entry("stats/x  y")]).unwrap();
        let path = folder.path().join(CHECKSUMS);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 1]).unwrap();
        forget();
        let mut read = Checksums::open(folder.path()).unwrap();
        assert_eq!((read.run(), read.below("trace").len(), read.lists("stats/x  y")), (Some("r"), 2, false));
        assert_eq!(read.compare("trace/a", &sha256_bytes(b"trace/a")), ChecksumMatch::Same);
        assert_eq!(read.compare("trace/b", &sha256_bytes(b"trace/a")), ChecksumMatch::Other);
        assert_eq!(read.compare("trace/c", &sha256_bytes(b"trace/a")), ChecksumMatch::Unlisted);
        assert!(read.is_known("trace/a") && !read.is_known("trace/b"));
        // The next line must not be joined to the one that was cut short.
        read.add(vec![entry("trace/c")]).unwrap();
        assert_eq!(Checksums::open(folder.path()).unwrap().below("trace").len(), 3);
        read.replace(&["trace"], vec![entry("stats/z")]).unwrap();
        assert_eq!(Checksums::open(folder.path()).unwrap().files.into_keys().collect::<Vec<_>>(), ["stats/z"]);
    }
}
