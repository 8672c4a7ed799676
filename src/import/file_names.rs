//! What the files of a record are called in the names of documents.

use std::{
    collections::HashSet,
    path::{Component, Path},
};

/// Files are called by their names without ending, and where two would be called alike, with as many folders before it as tell all
/// of them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileNames {
    /// Parts of a path that are kept.
    parts: usize,
    /// Whether there is one file, which needs no name.
    is_one: bool,
}

impl FileNames {
    /// Of these files.
    pub(super) fn new<'a>(files: impl Iterator<Item = &'a Path>) -> Self {
        let files: Vec<&Path> = files.collect();
        let most = files.iter().map(|path| path.components().count()).max().unwrap_or(1);
        let is_enough = |parts: &usize| {
            let names: HashSet<String> = files.iter().map(|path| called(path, *parts)).collect();
            names.len() == files.len()
        };
        Self { parts: (1..most).find(is_enough).unwrap_or(most), is_one: files.len() == 1 }
    }

    /// What a file is called.
    pub(super) fn of(self, path: &Path) -> String {
        called(path, self.parts)
    }

    /// What stands before the name of something in a file: nothing where there is one file.
    pub(super) fn before(self, path: &Path) -> String {
        if self.is_one { String::new() } else { format!("{}, ", self.of(path)) }
    }
}

fn called(path: &Path, parts: usize) -> String {
    let path = path.with_extension("");
    let named = path.components().filter(|part| matches!(part, Component::Normal(_)));
    let names: Vec<String> = named.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    names[names.len().saturating_sub(parts)..].join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_name_are_told_apart_by_their_folders() {
        let called = |files: &[&str]| {
            let names = FileNames::new(files.iter().map(Path::new));
            files.iter().map(|path| names.before(Path::new(path))).collect::<Vec<_>>()
        };
        assert_eq!(called(&["out/a/rollout.pt"]), [""]);
        assert_eq!(called(&["out/a/one.pt", "out/b/two.pt"]), ["one, ", "two, "]);
        assert_eq!(called(&["out/a/one.pt", "out/b/one.pt"]), ["a/one, ", "b/one, "]);
        assert_eq!(called(&["x/a/one.pt", "y/a/one.pt", "one.pt"]), ["x/a/one, ", "y/a/one, ", "one, "]);
        assert_eq!(FileNames::new(std::iter::once(Path::new("a/b.pt"))).of(Path::new("a/b.pt")), "b");
    }
}
