//! Several files at once: what is there, what is missing, and the fetching of the rest.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    cache::{Cache, UNKNOWN},
    client::Client,
    digest::LONG,
    fault::offline,
    listing::HubFile,
    part::arrived,
    ranges::each_at_once,
    source::Source,
};
use crate::error::{Result, one_line};

/// Is told how files arrive. Several threads may call every method.
pub trait FetchProgress: Sync {
    /// So many bytes have arrived; a negative number has to come again.
    fn moved(&self, bytes: i64) {
        let _ = bytes;
    }

    /// The fetching of a file begins.
    fn working_on(&self, file: &str) {
        let _ = file;
    }
}

/// Nobody is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unseen;

impl FetchProgress for Unseen {}

/// What fetching some files would move.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchPlan {
    /// The files.
    pub files: usize,
    /// Bytes of all files.
    pub bytes: u64,
    /// Files that are whole.
    pub files_there: usize,
    /// Bytes that are there, those of parts included.
    pub bytes_there: u64,
}

impl FetchPlan {
    /// Bytes that are to come.
    pub fn bytes_to_move(&self) -> u64 {
        self.bytes.saturating_sub(self.bytes_there)
    }

    /// This plan and another one.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            files: self.files + other.files,
            bytes: self.bytes.saturating_add(other.bytes),
            files_there: self.files_there + other.files_there,
            bytes_there: self.bytes_there.saturating_add(other.bytes_there),
        }
    }
}

/// What is there of some files, by their sizes. One that is named twice, or has the bytes of another one, is fetched once.
pub(super) fn plan(cache: &Cache, commit: &str, endpoint: &str, files: &[&HubFile]) -> FetchPlan {
    let one = |files: &Vec<&HubFile>| {
        let is_there = |file: &&&HubFile| cache.place(commit, file).is_some();
        let files_there = files.iter().filter(is_there).count();
        let file = files[0];
        let bytes_there = if files_there > 0 { file.size } else { arrived(cache, file, endpoint) };
        FetchPlan { files: files.len(), bytes: file.size, files_there, bytes_there }
    };
    by_blob(files).iter().fold(FetchPlan::default(), |sum, files| sum.and(&one(files)))
}

/// Each file once, those together that have the same bytes.
fn by_blob<'f>(files: &[&'f HubFile]) -> Vec<Vec<&'f HubFile>> {
    let mut groups: BTreeMap<(&str, &str), Vec<&HubFile>> = BTreeMap::new();
    for file in files {
        // Of what is called nothing, equal names say nothing.
        let own = if file.blob == UNKNOWN { file.path.as_str() } else { "" };
        let group = groups.entry((&file.blob, own)).or_default();
        if !group.iter().any(|known| known.path == file.path) {
            group.push(file);
        }
    }
    groups.into_values().collect()
}

/// Fetches files, the largest first because the last one to end decides. What is there is compared with its hash.
pub(super) fn fetch(
    client: &Arc<Client>,
    cache: &Cache,
    repository: &str,
    commit: &str,
    files: &[&HubFile],
    progress: &dyn FetchProgress,
) -> Result<()> {
    let mut groups = by_blob(files);
    groups.sort_by(|one, other| other[0].size.cmp(&one[0].size).then_with(|| one[0].path.cmp(&other[0].path)));
    let there = groups.iter().filter(|files| files.iter().any(|file| cache.place(commit, file).is_some()));
    if there.map(|files| files[0].size).sum::<u64>() >= LONG {
        client.note(&format!("{repository}: comparing what is there with its hashes"));
    }
    each_at_once(&groups, |files, halt| {
        files.iter().try_for_each(|file| {
            client.check()?;
            let is_there = cache.place(commit, file).is_some();
            if client.settings.offline && !is_there {
                return Err(offline(&format!(
                    "`{}` of {repository} at {commit} is not in the cache",
                    one_line(&file.path)
                )));
            }
            if !is_there {
                progress.working_on(&file.path);
            }
            let source = Source::new(Arc::clone(client), repository, commit, (*file).clone());
            source.download(cache, halt, &|bytes| progress.moved(bytes))
        })
    })
}
