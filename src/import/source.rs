//! The files of an import.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use super::text_file::unmarked;
use crate::error::{Error, Result};

/// Bytes of a file that decide what it is.
const FIRST_BYTES: u64 = 4096;

/// The files that were named, and those in the folders that were named, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What was named.
    pub roots: Vec<PathBuf>,
    /// Every file: with the root that it was found under.
    pub files: Vec<PathBuf>,
}

impl Source {
    /// The name of the folder that a file lies in; empty if it has none.
    pub(super) fn folder_name(path: &Path) -> String {
        path.parent().and_then(Path::file_name).map_or_else(String::new, |name| name.to_string_lossy().into())
    }

    /// Finds the files; folders are searched to any depth, names that begin with a dot passed over.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is no file; [`Error::Io`] if a folder cannot be read.
    pub fn new(paths: &[PathBuf]) -> Result<Self> {
        let mut files = Vec::new();
        for path in paths {
            collect(path, &mut files)?;
        }
        if files.is_empty() {
            let named: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
            let message = format!("{} holds no file", named.join(", "));
            return Err(Error::usage(message, "name files or folders that an engine wrote"));
        }
        Ok(Self { roots: paths.to_vec(), files })
    }

    /// The files whose names end in `.extension`.
    pub fn with_extension<'a>(&'a self, extension: &'a str) -> impl Iterator<Item = &'a Path> {
        let ends = move |path: &&Path| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension));
        self.files.iter().map(PathBuf::as_path).filter(ends)
    }

    /// The files of each ending, where there are several endings.
    pub(super) fn by_extension(&self) -> Vec<Self> {
        let mut groups: BTreeMap<_, Vec<PathBuf>> = BTreeMap::new();
        for file in &self.files {
            groups.entry(file.extension().map(OsStr::to_ascii_lowercase)).or_default().push(file.clone());
        }
        let is_divided = groups.len() > 1;
        let groups = groups.into_values().filter(|_| is_divided);
        groups.map(|files| Self { roots: self.roots.clone(), files }).collect()
    }

    /// The files with this ending; where there is none, all files.
    pub(super) fn mostly<'a>(&'a self, extension: &'a str) -> Vec<&'a Path> {
        let found: Vec<&Path> = self.with_extension(extension).collect();
        if found.is_empty() { self.files.iter().map(PathBuf::as_path).collect() } else { found }
    }

    /// Whether the first file of lines begins with JSON that has one of these keys, as far as its beginning shows.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn first_line_has(&self, keys: &[&str]) -> Result<bool> {
        let Some(first) = self.mostly("jsonl").into_iter().next() else { return Ok(false) };
        let bytes = Self::first_bytes(first)?;
        let text = String::from_utf8_lossy(&bytes);
        let is_json = unmarked(&text).trim_start().starts_with(['{', '[']);
        Ok(is_json && keys.iter().any(|key| text.contains(&format!("\"{key}\""))))
    }

    /// The first file of this name.
    pub fn named(&self, name: &str) -> Option<&Path> {
        self.files.iter().map(PathBuf::as_path).find(|path| path.file_name().is_some_and(|found| found == name))
    }

    /// The beginning of a file, 4 kB at most.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn first_bytes(path: &Path) -> Result<Vec<u8>> {
        Self::beginning(path, FIRST_BYTES)
    }

    /// The beginning of a file, `most` bytes at most.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn beginning(path: &Path, most: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(Error::io("open", path))?;
        file.take(most).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
        Ok(bytes)
    }
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let kind = fs::metadata(path).map_err(Error::io("open", path))?;
    if !kind.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    let entries = fs::read_dir(path).map_err(Error::io("read", path))?;
    let names: std::io::Result<Vec<PathBuf>> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut names = names.map_err(Error::io("read", path))?;
    names.sort();
    let hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    names.iter().filter(|path| !hidden(path)).try_for_each(|path| collect(path, files))
}
