//! Categories from the places of files.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::options::CategoryFrom;

/// Keys under which rows name their category where none was asked for.
const KEYS: [&str; 2] = ["category", "domain"];

/// Gives the files of a record their categories.
pub(super) struct FileCategories {
    from: CategoryFrom,
    /// Whether the files lie in several folders.
    several_folders: bool,
}

impl FileCategories {
    /// Of files that may lie in several folders.
    pub(super) fn new<'a>(from: &CategoryFrom, files: impl Iterator<Item = &'a Path>) -> Self {
        let folders: BTreeSet<Option<PathBuf>> = files.map(|path| path.parent().map(Path::to_path_buf)).collect();
        Self { from: from.clone(), several_folders: folders.len() > 1 }
    }

    /// The category of what stands in a file, where the record itself names `named`.
    pub(super) fn of(&self, path: &Path, named: Option<&str>) -> Option<String> {
        let text = |name: &std::ffi::OsStr| name.to_string_lossy().into_owned();
        let folder = || path.parent().and_then(Path::file_name).map(text);
        match self.from {
            CategoryFrom::Auto => named.map(str::to_owned).or_else(|| folder().filter(|_| self.several_folders)),
            CategoryFrom::Folder => folder(),
            CategoryFrom::File => path.file_stem().map(text),
            CategoryFrom::Key(_) => named.map(str::to_owned),
        }
    }

    /// The category of a row of a file; `named` gives what the row holds under a key.
    pub(super) fn of_row(&self, path: &Path, named: impl Fn(&str) -> Option<String>) -> Option<String> {
        let name = match &self.from {
            CategoryFrom::Key(key) => named(key),
            _ => KEYS.iter().find_map(|key| named(key)),
        };
        self.of(path, name.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_comes_first_then_the_folder() {
        let files = [Path::new("out/law/a.npz"), Path::new("out/code/b.npz")];
        let of = |from, files: &[&Path], named| FileCategories::new(&from, files.iter().copied()).of(files[0], named);
        assert_eq!(of(CategoryFrom::Auto, &files, Some("tort")).as_deref(), Some("tort"));
        assert_eq!(of(CategoryFrom::Auto, &files, None).as_deref(), Some("law"));
        assert_eq!(of(CategoryFrom::Auto, &files[..1], None), None);
        assert_eq!(of(CategoryFrom::Folder, &files[..1], Some("tort")).as_deref(), Some("law"));
        assert_eq!(of(CategoryFrom::File, &files[..1], None).as_deref(), Some("a"));
    }

    #[test]
    fn a_row_names_its_category_under_a_known_key_or_the_one_that_was_asked_for() {
        let path = Path::new("a.jsonl");
        let of = |from| {
            let row = |key: &str| ["domain", "status"].contains(&key).then(|| format!("its {key}"));
            FileCategories::new(&from, std::iter::once(path)).of_row(path, row)
        };
        assert_eq!(of(CategoryFrom::Auto).as_deref(), Some("its domain"));
        assert_eq!(of(CategoryFrom::Key("status".into())).as_deref(), Some("its status"));
        assert_eq!(of(CategoryFrom::Key("other".into())), None);
        assert_eq!(of(CategoryFrom::File).as_deref(), Some("a"));
    }
}
