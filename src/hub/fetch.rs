//! Several files at once: what is there, what is missing, and the fetching of the rest.

use std::sync::Arc;

use super::{
    cache::Cache, client::Client, fault::offline, listing::HubFile, part::arrived, ranges::each_at_once, source::Source,
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

/// What is there of some files.
pub(super) fn plan<'f>(
    cache: &Cache,
    commit: &str,
    endpoint: &str,
    files: impl IntoIterator<Item = &'f HubFile>,
) -> FetchPlan {
    let one = |file: &HubFile| {
        let is_there = cache.has(commit, file) || cache.has_blob(file);
        let bytes_there = if is_there { file.size } else { arrived(cache, file, endpoint) };
        FetchPlan { files: 1, bytes: file.size, files_there: usize::from(is_there), bytes_there }
    };
    files.into_iter().fold(FetchPlan::default(), |sum, file| sum.and(&one(file)))
}

/// Fetches files, the largest first because the last one to end decides.
pub(super) fn fetch(
    client: &Arc<Client>,
    cache: &Cache,
    repository: &str,
    commit: &str,
    files: &[&HubFile],
    progress: &dyn FetchProgress,
) -> Result<()> {
    let mut files: Vec<&HubFile> = files.to_vec();
    files.sort_by(|one, other| other.size.cmp(&one.size).then_with(|| one.path.cmp(&other.path)));
    each_at_once(&files, |file| {
        client.check()?;
        if client.settings.offline && !cache.has(commit, file) && !cache.has_blob(file) {
            return Err(offline(&format!(
                "`{}` of {repository} at {commit} is not in the cache",
                one_line(&file.path)
            )));
        }
        if !cache.has(commit, file) {
            progress.working_on(&file.path);
        }
        let source = Source::new(Arc::clone(client), repository, commit, (*file).clone());
        source.download(cache, &|bytes| progress.moved(bytes))
    })
}
