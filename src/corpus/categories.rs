//! Categories are decided once for a corpus: by the first key that its documents have, else by the names of its files.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{InputFile, Sequence};
use crate::error::OptionName;

/// No category.
const NONE: u32 = u32::MAX;
/// The percentage of documents that must have a key for it to name the categories of the corpus.
const ENOUGH: usize = 90;
/// If there are at least this many categories, and nearly all have a single document, they are names rather than categories.
const MANY: usize = 10;
/// Names of the parts of a data set, which are not categories.
const SPLITS: [&str; 12] = [
    "train",
    "training",
    "test",
    "testing",
    "valid",
    "validation",
    "val",
    "dev",
    "development",
    "eval",
    "evaluation",
    "holdout",
];

/// Where the categories of a corpus come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Categories {
    /// The key of the rows, `file names` or `folders`; `None` if there are no categories.
    pub by: Option<String>,
    /// The number of categories.
    pub count: usize,
    /// Documents without a category, while others have one.
    pub documents_without: usize,
    /// Why there are no categories, or what speaks against them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Categories {
    /// The decision in one line.
    pub fn line(&self) -> String {
        let reason = self.reason.as_deref().unwrap_or_default();
        let Some(by) = &self.by else { return format!("categories: none ({reason})") };
        let without = match self.documents_without {
            0 => String::new(),
            1 => "; 1 document has none".to_owned(),
            more => format!("; {more} documents have none"),
        };
        let reason = if reason.is_empty() { String::new() } else { format!("; {reason}") };
        format!("categories: {} by {by}{without}{reason}", self.count)
    }
}

/// Everything that may name the categories of a corpus, collected while its documents are read.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    names: NumberedNames,
    /// By document, in order.
    documents: Vec<Document>,
    /// The values of every document under each key, one document after the other.
    said: Vec<u32>,
    /// For each file the category that its place in a folder suggests.
    labels: Vec<Option<String>>,
}

#[derive(Clone, Copy, Debug)]
struct Document {
    file: usize,
    first_sequence: usize,
}

impl Candidates {
    /// Takes the next file; `label` is its sub-folder or stem, if it was found in a folder.
    pub(super) fn file(&mut self, label: Option<String>) {
        self.labels.push(label);
    }

    /// Takes the next document, with its values under each of `keys` keys.
    pub(super) fn document(&mut self, file: usize, first_sequence: usize, said: &[Option<String>], keys: usize) {
        self.documents.push(Document { file, first_sequence });
        for key in 0..keys {
            let said = said.get(key).and_then(Option::as_deref);
            self.said.push(said.map_or(NONE, |said| self.names.number(said)));
        }
    }

    /// Decides, and gives every sequence its category. `asked` is true if the user named the only key.
    pub(super) fn decide(
        mut self,
        keys: &[&str],
        asked: bool,
        files: &[InputFile],
        sequences: &mut [Sequence],
    ) -> Categories {
        let (categories, chosen) = self.choose(keys, asked, files);
        let mut documents = self.documents.iter().zip(chosen).peekable();
        let mut category = NONE;
        for (index, sequence) in sequences.iter_mut().enumerate() {
            while let Some((_, chosen)) = documents.next_if(|(document, _)| document.first_sequence <= index) {
                category = chosen;
            }
            sequence.category = self.names.names.get(category as usize).cloned();
        }
        categories
    }

    /// The decision, and the category of every document.
    fn choose(&mut self, keys: &[&str], asked: bool, files: &[InputFile]) -> (Categories, Vec<u32>) {
        let by_key: Vec<Vec<u32>> =
            (0..keys.len()).map(|key| self.said.iter().skip(key).step_by(keys.len()).copied().collect()).collect();
        if asked {
            let chosen = by_key.into_iter().next().unwrap_or_default();
            let counts = CategoryCounts::new(&chosen);
            let by = (counts.categories > 0).then(|| format!("`{}`", keys[0]));
            let reason = counts.objection().or_else(|| by.is_none().then(|| format!("no row has `{}`", keys[0])));
            return (counts.told(by, reason), chosen);
        }
        let mut reasons = Vec::new();
        let mut single = None;
        for (key, said) in keys.iter().zip(by_key) {
            let counts = CategoryCounts::new(&said);
            if counts.with == 0 {
                continue;
            }
            let objection = counts.objection().or_else(|| counts.too_few());
            match objection {
                Some(objection) => reasons.push(format!("`{key}`: {objection}")),
                // The names of the files are the same categories, and they cover all documents: they are used below.
                None if counts.with < counts.documents && self.is_said_by_files(&said) => {}
                None if counts.categories > 1 => return (counts.told(Some(format!("`{key}`")), None), said),
                None => single = single.or(Some((counts.told(Some(format!("`{key}`")), None), said))),
            }
        }
        if let Some(single) = single {
            return single;
        }
        self.by_files(keys, files, reasons)
    }

    /// Whether the label of each file is the category that its documents have under a key, and documents without the key have
    /// a labelled file.
    fn is_said_by_files(&self, said: &[u32]) -> bool {
        let name = |number: u32| self.names.names.get(number as usize);
        let label = |document: &Document| self.labels[document.file].as_ref();
        self.documents.iter().zip(said).all(|(document, said)| match (label(document), name(*said)) {
            (label, Some(said)) => label == Some(said),
            (label, None) => label.is_some(),
        })
    }

    /// The categories that the names of the files give, if they are meaningful.
    fn by_files(&mut self, keys: &[&str], files: &[InputFile], mut reasons: Vec<String>) -> (Categories, Vec<u32>) {
        let paths: Vec<PathBuf> = files.iter().map(|file| file.path.clone()).collect();
        let found: Vec<bool> = self.labels.iter().map(Option::is_some).collect();
        for (by, labels) in [("file names", self.labels.clone()), ("folders", distinguishing(&paths, &found))] {
            match worth(&labels) {
                Worth::Something => {}
                Worth::Nothing => continue,
                Worth::Other(reason) => {
                    reasons.push(reason);
                    continue;
                }
            }
            let numbers: Vec<u32> =
                labels.iter().map(|label| label.as_deref().map_or(NONE, |label| self.names.number(label))).collect();
            let chosen: Vec<u32> = self.documents.iter().map(|document| numbers[document.file]).collect();
            let counts = CategoryCounts::new(&chosen);
            // Somebody made each folder for a purpose, so a few folders with one document each are categories all the same.
            let objection = counts.objection().filter(|_| by == "file names" || counts.categories >= MANY);
            match objection.or_else(|| counts.too_few().filter(|_| counts.with > 0)) {
                Some(objection) => reasons.push(format!("{by}: {objection}")),
                None if counts.categories > 1 => return (counts.told(Some(by.to_owned()), None), chosen),
                None => {}
            }
        }
        if let Some(found) = self.by_keys_of_files(keys) {
            return found;
        }
        if reasons.is_empty() {
            reasons.push(format!(
                "no row has `domain`, `category` or `language`; {} names another key",
                OptionName::Category
            ));
        }
        reasons.dedup();
        let none = Categories { reason: Some(reasons.join("; ")), ..Categories::default() };
        (none, vec![NONE; self.documents.len()])
    }

    /// A key for each file, if all documents of every file have one: for files of several collections, which were given one by one.
    fn by_keys_of_files(&self, keys: &[&str]) -> Option<(Categories, Vec<u32>)> {
        let said = |document: usize, key: usize| self.said[document * keys.len() + key];
        let mut has = vec![vec![true; keys.len()]; self.labels.len()];
        for (index, document) in self.documents.iter().enumerate() {
            let file = &mut has[document.file];
            file.iter_mut().enumerate().for_each(|(key, has)| *has &= said(index, key) != NONE);
        }
        let key_of: Vec<Option<usize>> = has.iter().map(|file| file.iter().position(|has| *has)).collect();
        let key = |document: &Document| key_of[document.file];
        let chosen: Vec<u32> = (0..)
            .zip(&self.documents)
            .map(|(index, document)| Some(said(index, key(document)?)))
            .collect::<Option<_>>()?;
        let counts = CategoryCounts::new(&chosen);
        if counts.categories < 2 || counts.objection().is_some() {
            return None;
        }
        let used: BTreeSet<usize> = self.documents.iter().filter_map(key).collect();
        let names: Vec<String> = used.into_iter().map(|key| format!("`{}`", keys[key])).collect();
        Some((counts.told(Some(names.join(" or ") + ", whichever the file has"), None), chosen))
    }
}

/// Whether labels of files can be categories.
enum Worth {
    /// They can be categories.
    Something,
    /// There is at most one label.
    Nothing,
    /// They name something else; the reason why this is known.
    Other(String),
}

/// Judges whether labels of files can be categories.
fn worth(labels: &[Option<String>]) -> Worth {
    let all: BTreeSet<&str> = labels.iter().flatten().map(String::as_str).collect();
    let shown = || all.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    if all.len() < 2 {
        Worth::Nothing
    } else if all.iter().all(|label| SPLITS.contains(&label.to_ascii_lowercase().as_str())) {
        Worth::Other(format!("{} are parts of a data set", shown()))
    } else if are_numbered(&all) {
        Worth::Other(format!("{} ... are numbered parts", shown()))
    } else {
        Worth::Something
    }
}

/// Whether names differ only in one number that counts from 0 or 1 or has leading zeros; years do not.
fn are_numbered(names: &BTreeSet<&str>) -> bool {
    let split = |name: &str| {
        let start = name.find(|c: char| c.is_ascii_digit())?;
        let end = name[start..].find(|c: char| !c.is_ascii_digit()).map_or(name.len(), |length| start + length);
        Some((name[..start].to_owned(), name[end..].to_owned(), name[start..end].to_owned()))
    };
    let Some(parts) = names.iter().map(|name| split(name)).collect::<Option<Vec<_>>>() else { return false };
    let alike = parts.windows(2).all(|pair| (&pair[0].0, &pair[0].1) == (&pair[1].0, &pair[1].1));
    let counts = |number: &str| number.len() > 1 && number.starts_with('0') || number == "0" || number == "1";
    alike && parts.iter().any(|(_, _, number)| counts(number))
}

/// For every file the first folder in which the paths differ. Files that were given one by one have it only if they all have
/// the same name.
fn distinguishing(paths: &[PathBuf], found: &[bool]) -> Vec<Option<String>> {
    let parts: Vec<Vec<String>> = paths.iter().map(|path| parts(path)).collect();
    let stems: BTreeSet<_> = parts.iter().filter_map(|parts| parts.last()).collect();
    let common = parts.iter().skip(1).fold(parts.first().map_or(0, Vec::len), |common, other| {
        parts[0].iter().zip(other).take(common).take_while(|(a, b)| a == b).count()
    });
    let label = |(parts, found): (&Vec<String>, &bool)| {
        let folders = parts.len() - usize::from(!parts.is_empty());
        parts[..folders].get(common).filter(|_| *found || stems.len() == 1).cloned()
    };
    parts.iter().zip(found).map(label).collect()
}

/// The parts of a path, the last without its ending and without the number of a shard.
fn parts(path: &Path) -> Vec<String> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut parts: Vec<String> =
        absolute.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    if let Some(last) = parts.last_mut() {
        let stem = super::files::dataset_name(path);
        *last = stem;
    }
    parts
}

/// How many documents have a category, and how the documents are distributed over the categories.
struct CategoryCounts {
    documents: usize,
    with: usize,
    categories: usize,
    /// Categories of a single document.
    single: usize,
}

impl CategoryCounts {
    fn new(chosen: &[u32]) -> Self {
        let mut each: HashMap<u32, usize> = HashMap::new();
        for category in chosen.iter().filter(|category| **category != NONE) {
            *each.entry(*category).or_default() += 1;
        }
        Self {
            documents: chosen.len(),
            with: each.values().sum(),
            categories: each.len(),
            single: each.values().filter(|count| **count == 1).count(),
        }
    }

    /// The objection that hardly any category has two documents, if this is so.
    fn objection(&self) -> Option<String> {
        let shared = self.with - self.single;
        let rare = 2 * shared < self.with || self.categories >= MANY && 10 * self.single >= 9 * self.categories;
        (self.categories > 1 && rare).then(|| {
            let (categories, documents) = (self.categories, self.with);
            if self.single == self.categories {
                format!("{categories} categories for {documents} documents")
            } else {
                format!("{categories} categories for {documents} documents, {} with a single document", self.single)
            }
        })
    }

    /// The objection that too few documents have a category, if this is so.
    fn too_few(&self) -> Option<String> {
        let few = self.with * 100 < self.documents * ENOUGH;
        few.then(|| format!("in {} of {} documents only", self.with, self.documents))
    }

    fn told(&self, by: Option<String>, reason: Option<String>) -> Categories {
        let documents_without = if by.is_some() { self.documents - self.with } else { 0 };
        Categories { by, count: self.categories, documents_without, reason }
    }
}

/// Numbers names; equal names get the same number.
#[derive(Debug, Default)]
struct NumberedNames {
    numbers: HashMap<String, u32>,
    names: Vec<String>,
}

impl NumberedNames {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.numbers.insert(name.to_owned(), number);
        self.names.push(name.to_owned());
        number
    }
}
