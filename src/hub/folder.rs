//! A repository at one commit, as a folder: [`HubFolder`].

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    address::segment,
    cache::{Cache, replace},
    checkpoint_files::{HubWeights, configuration, container, no_weights, only_zip, shards, tokenizer},
    client::Client,
    fault::{Fault, offline},
    fetch::{FetchPlan, FetchProgress, Unseen, fetch, plan},
    hub_ref::HubRef,
    layout::folder_name,
    listing::{HubFile, Listing},
    name::HubName,
    ranges::{RangeFile, RangeMode},
    settings::HubSettings,
    source::Source,
    watch::Watch,
};
use crate::error::{Error, Result};

/// The largest index of shards that is read, in bytes.
const MAX_INDEX: u64 = 256 << 20;

/// The hub, or a mirror of it, with the cache that its clients share.
#[derive(Clone, Debug)]
pub struct Hub {
    client: Arc<Client>,
}

impl Hub {
    /// Asks nothing yet. `watch` may stop whatever takes long, and is told when the hub lets wait.
    ///
    /// # Errors
    /// The token or certificates cannot be read; this program was built without the hub.
    pub fn new(settings: HubSettings, watch: Arc<dyn Watch>) -> Result<Self> {
        Ok(Self { client: Arc::new(Client::new(settings, watch)?) })
    }

    /// Requests that were sent so far, every attempt counted.
    pub fn requests(&self) -> u64 {
        self.client.requests()
    }

    /// Opens a repository: finds the commit of its revision, and the list of its files at that commit. Where nothing may be asked, or
    /// the hub cannot be reached, it is what the cache knows of it, in the second case with a note.
    ///
    /// # Errors
    /// [`Error::Hub`] if there is no such repository or revision, or it may not be read; [`Error::Interrupted`].
    pub fn open(&self, name: &HubName) -> Result<HubFolder> {
        let cache = Cache::new(&self.client.settings.cache, name.repository());
        let listing = self.listing(name, &cache)?;
        Ok(HubFolder { client: Arc::clone(&self.client), cache, name: name.clone(), listing })
    }

    /// The branches, tags and pull requests of a repository.
    ///
    /// # Errors
    /// As [`Hub::open`].
    pub fn refs(&self, name: &HubName) -> Result<Vec<HubRef>> {
        let asked = self.client.asked(name.repository(), name.revision(), None);
        self.client.refs(name.repository()).map_err(|fault| asked.error(fault))
    }

    fn listing(&self, name: &HubName, cache: &Cache) -> Result<Listing> {
        let kept = self.kept_list(name, cache);
        if self.client.settings.offline {
            return kept.ok_or_else(|| offline(&format!("the cache does not know {name}")));
        }
        // A commit never holds other files than it did.
        if let Some(kept) = kept.as_ref().filter(|_| name.is_pinned() && self.list_of(name).is_file()) {
            return Ok(kept.clone());
        }
        let asked = self.client.asked(name.repository(), name.revision(), None);
        let listing = self.client.commit(name).and_then(|commit| self.client.listing(name.repository(), &commit));
        match (listing, kept) {
            (Ok(listing), _) => {
                self.keep_list(name, &listing);
                Ok(listing)
            }
            (Err(Fault::Broken { host, why }), Some(kept)) => {
                self.client.note(&format!(
                    "{host} cannot be reached ({why}): {name} is taken as the cache knows it, at {}",
                    kept.commit
                ));
                Ok(kept)
            }
            (Err(Fault::Refused(refusal)), _) if refusal.code == "RevisionNotFound" => {
                Err(asked.no_revision(&self.client.refs(name.repository()).unwrap_or_default()))
            }
            (Err(fault), _) => Err(asked.error(fault)),
        }
    }

    /// Where the list of a revision's files is kept, beside the ranges.
    fn list_of(&self, name: &HubName) -> PathBuf {
        let folder = self.client.settings.own.join("lists").join(folder_name(name.repository()));
        folder.join(format!("{}.json", segment(name.revision())))
    }

    /// Keeps a list for when nothing can be asked. A cache that cannot be written keeps none.
    fn keep_list(&self, name: &HubName, listing: &Listing) {
        if let Ok(bytes) = serde_json::to_vec(listing) {
            let _ = replace(&self.list_of(name), &bytes);
        }
    }

    /// What the cache knows of a revision: the list that was kept, if it is of the commit that the cache of all clients has, else what
    /// that cache has of the commit.
    fn kept_list(&self, name: &HubName, cache: &Cache) -> Option<Listing> {
        let text = fs::read(self.list_of(name)).ok();
        let own = text.and_then(|text| serde_json::from_slice::<Listing>(&text).ok()?.checked(name.repository()).ok());
        let held = cache.known_commit(name.revision()).map(|commit| cache.held(&commit));
        match (own, held.filter(|held| !held.files.is_empty())) {
            (Some(own), Some(held)) if own.commit == held.commit => Some(own),
            (own, held) => held.or(own),
        }
    }
}

/// A repository at one commit. Whatever is fetched comes from this commit, also if its branch moves meanwhile.
#[derive(Debug)]
pub struct HubFolder {
    client: Arc<Client>,
    cache: Cache,
    name: HubName,
    listing: Listing,
}

impl HubFolder {
    /// The name that was opened.
    pub fn name(&self) -> &HubName {
        &self.name
    }

    /// The commit, 40 hexadecimal digits.
    pub fn commit(&self) -> &str {
        &self.listing.commit
    }

    /// The files in the order of their paths.
    pub fn files(&self) -> &[HubFile] {
        &self.listing.files
    }

    /// The file of a path.
    pub fn file(&self, path: &str) -> Option<&HubFile> {
        self.listing.file(path)
    }

    /// The folder of the cache in which fetched files are.
    pub fn folder(&self) -> PathBuf {
        self.cache.snapshot(self.commit())
    }

    /// Where a file is in [`HubFolder::folder`], if all of it is on this machine. One that was fetched for another commit gets its link.
    pub fn whole(&self, path: &str) -> Option<PathBuf> {
        self.cache.in_snapshot(self.commit(), self.file(path)?).ok().flatten()
    }

    /// The files that say what the model is: configuration, and the index of the shards if there are any.
    pub fn configuration_files(&self) -> Vec<String> {
        paths(&configuration(&self.listing))
    }

    /// The files that turn text into tokens.
    pub fn tokenizer_files(&self) -> Vec<String> {
        paths(&tokenizer(&self.listing))
    }

    /// The weights: `model.safetensors`, its shards, `pytorch_model.bin`, its shards, in this order, or the only ZIP, as T5X is
    /// released. An index is fetched for it.
    ///
    /// # Errors
    /// [`Error::Hub`] if there are none, or the index names what is not there; those of fetching it.
    pub fn weights(&self) -> Result<HubWeights> {
        let repository = self.name.repository();
        let Some((file, is_index)) = container(&self.listing) else {
            let zip = only_zip(&self.listing).ok_or_else(|| no_weights(&self.listing, repository))?;
            return Ok(HubWeights { index: None, files: vec![zip.path.clone()] });
        };
        if !is_index {
            return Ok(HubWeights { index: None, files: vec![file.path.clone()] });
        }
        if file.size > MAX_INDEX {
            let message =
                format!("`{}` of {repository} has {} bytes; expected at most {MAX_INDEX}", file.path, file.size);
            return Err(Error::hub(message, "an index of shards is much smaller: try another revision"));
        }
        let path = self.fetch_small(&[&file.path])?.join(&file.path);
        let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        let files = shards(&file.path, &text, &self.listing, repository)?;
        Ok(HubWeights { index: Some(file.path.clone()), files })
    }

    /// Everything that a checkpoint needs: configuration, tokenizer, weights.
    ///
    /// # Errors
    /// As [`HubFolder::weights`].
    pub fn checkpoint_files(&self) -> Result<Vec<String>> {
        let weights = self.weights()?;
        let mut files = self.configuration_files();
        files.extend(self.tokenizer_files());
        files.extend(weights.files);
        Ok(files)
    }

    /// What fetching these files would move.
    ///
    /// # Errors
    /// [`Error::Hub`] for a path that is not in the list.
    pub fn plan<S: AsRef<str>>(&self, files: &[S]) -> Result<FetchPlan> {
        Ok(plan(&self.cache, self.commit(), &self.client.settings.endpoint, &self.listed(files)?))
    }

    /// Fetches small files, without progress; returns the folder in which they are.
    ///
    /// # Errors
    /// As [`HubFolder::fetch`].
    pub fn fetch_small<S: AsRef<str>>(&self, files: &[S]) -> Result<PathBuf> {
        self.fetch(files, &Unseen)
    }

    /// Fetches whole files into the cache, several at once. What is there is compared with its hash, and fetched again only if it has
    /// another one; what has arrived in part is completed. Returns the folder in which they are.
    ///
    /// # Errors
    /// [`Error::Hub`] with the next step; [`Error::Io`]; [`Error::Interrupted`], after which what has arrived is kept.
    pub fn fetch<S: AsRef<str>>(&self, files: &[S], progress: &dyn FetchProgress) -> Result<PathBuf> {
        let listed = self.listed(files)?;
        let is_there = listed.iter().all(|file| self.cache.place(self.commit(), file).is_some());
        fetch(&self.client, &self.cache, self.name.repository(), self.commit(), &listed, progress)?;
        match self.cache.remember(self.name.revision(), self.commit()) {
            // A cache that can only be read, and has everything, is enough.
            Err(_) if is_there => {}
            remembered => remembered?,
        }
        Ok(self.folder())
    }

    /// Opens a file of which only the bytes are fetched that are read.
    ///
    /// # Errors
    /// [`Error::Hub`] for a path that is not in the list, or if kept ranges cannot be written.
    pub fn open_ranges(&self, path: &str, mode: RangeMode) -> Result<Arc<RangeFile>> {
        let file = self.listed(&[path])?.remove(0).clone();
        let source = Source::new(Arc::clone(&self.client), self.name.repository(), self.commit(), file);
        Ok(Arc::new(RangeFile::new(source, mode, &self.ranges())?))
    }

    fn ranges(&self) -> PathBuf {
        let own: &Path = &self.client.settings.own;
        own.join("ranges").join(folder_name(self.name.repository()))
    }

    fn listed<S: AsRef<str>>(&self, paths: &[S]) -> Result<Vec<&HubFile>> {
        let find = |path: &S| {
            let absent = || self.client.asked(self.name.repository(), self.commit(), Some(path.as_ref())).absent();
            self.file(path.as_ref()).ok_or_else(absent)
        };
        paths.iter().map(find).collect()
    }
}

fn paths(files: &[&HubFile]) -> Vec<String> {
    files.iter().map(|file| file.path.clone()).collect()
}
