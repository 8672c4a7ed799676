//! The SHA-256 of every file that a run reads back, and the run that they belong to: `checksums.sha256`, in the form of
//! `sha256sum`. A line is added when its file is on the disk, so that what a kill or a power cut leaves can be told from
//! what is whole.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::durable::write_file;
use crate::error::{Error, Result};

/// Files without a checksum: both name the time that the run took.
pub(super) const UNLISTED: [&str; 2] = ["manifest.json", "report.html"];

/// The file, in the folder of the run.
pub(super) const CHECKSUMS: &str = "checksums.sha256";
/// How its first line begins; the digest of the run follows.
const RUN: &str = "# run ";

/// Files that this process has written, or read and found as they were written, with their checksums: a trace is opened many
/// times, and no file of it is hashed twice.
static KNOWN: Mutex<Option<HashSet<(PathBuf, String)>>> = Mutex::new(None);

/// What is known of the files of a run.
#[derive(Debug, Default)]
pub(super) struct Checksums {
    /// The folder of the run.
    root: PathBuf,
    /// Digest of the run that the files belong to.
    run: Option<String>,
    /// SHA-256 by name.
    files: BTreeMap<String, String>,
    /// Whether the file holds all of `files`, so that lines can be added.
    current: bool,
}

/// What the bytes of a file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are those that were written.
    Same,
    /// They are others.
    Other,
    /// No checksum was kept: the file is not of this run.
    Unlisted,
}

impl Checksums {
    /// No file yet.
    pub(super) fn new(root: &Path, run: &str) -> Self {
        Self { root: root.to_path_buf(), run: Some(run.to_owned()), ..Self::default() }
    }

    /// What the folder of a run records; nothing if there is no such file.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub(super) fn open(root: &Path) -> Result<Self> {
        let path = root.join(CHECKSUMS);
        match fs::read(&path) {
            Ok(bytes) => Ok(Self { root: root.to_path_buf(), ..Self::parse(&String::from_utf8_lossy(&bytes)) }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// A line that a kill has cut short is none.
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

    /// The names below a folder; all for that of the run.
    pub(super) fn below(&self, folder: &str) -> Vec<String> {
        let inside =
            |name: &&String| folder.is_empty() || name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        self.files.keys().filter(inside).cloned().collect()
    }

    /// Whether this process has seen the file whole.
    pub(super) fn is_known(&self, name: &str) -> bool {
        let Some(sum) = self.files.get(name) else { return false };
        known().get_or_insert_default().contains(&(self.root.join(name), sum.clone()))
    }

    fn remember(&self, name: &str, digest: &str) {
        known().get_or_insert_default().insert((self.root.join(name), digest.to_owned()));
    }

    /// Compares the digest of what was read.
    pub(super) fn compare(&self, name: &str, digest: &str) -> Verdict {
        match self.files.get(name) {
            None => Verdict::Unlisted,
            Some(expected) if expected == digest => {
                self.remember(name, digest);
                Verdict::Same
            }
            Some(_) => Verdict::Other,
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

    /// Replaces what is known of some folders and of the files themselves, before they get their names.
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

    /// Writes everything anew, sorted by name: the same run leaves the same bytes, in whatever order its parts were made.
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

/// As if another process went on.
#[cfg(test)]
pub(super) fn forget() {
    known().take();
}

/// Whether a text is a SHA-256 in hexadecimal.
pub(super) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// SHA-256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// A digest as text.
pub(super) fn hexadecimal(digest: &[u8]) -> String {
    let mut text = String::with_capacity(2 * digest.len());
    for byte in digest {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The digest of what decides the results of a run, whatever the order of its keys.
pub(super) fn run_digest(identity: &Value) -> String {
    sha256(sorted(identity).to_string().as_bytes())
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let by_key: BTreeMap<&String, Value> = map.iter().map(|(key, value)| (key, sorted(value))).collect();
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
        let entry = |name: &str| (name.to_owned(), sha256(name.as_bytes()));
        checksums.add(vec![entry("trace/b")]).unwrap();
        checksums.add(vec![entry("trace/a"), entry("stats/x  y")]).unwrap();
        let path = folder.path().join(CHECKSUMS);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 1]).unwrap();
        forget();
        let mut read = Checksums::open(folder.path()).unwrap();
        assert_eq!((read.run(), read.below("trace").len(), read.lists("stats/x  y")), (Some("r"), 2, false));
        assert_eq!(read.compare("trace/a", &sha256(b"trace/a")), Verdict::Same);
        assert_eq!(read.compare("trace/b", &sha256(b"trace/a")), Verdict::Other);
        assert_eq!(read.compare("trace/c", &sha256(b"trace/a")), Verdict::Unlisted);
        assert!(read.is_known("trace/a") && !read.is_known("trace/b"));
        // The next line does not join the one that was cut.
        read.add(vec![entry("trace/c")]).unwrap();
        assert_eq!(Checksums::open(folder.path()).unwrap().below("trace").len(), 3);
        read.replace(&["trace"], vec![entry("stats/z")]).unwrap();
        assert_eq!(Checksums::open(folder.path()).unwrap().files.into_keys().collect::<Vec<_>>(), ["stats/z"]);
    }
}
