//! What a repository holds at one commit, and which commits its branches, tags and pull requests are.

use std::{collections::BTreeSet, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    address,
    client::Client,
    fault::Fault,
    hub_ref::HubRef,
    name::{HubName, is_commit},
};
use crate::error::{Error, Result, one_line, quoted_name};

/// The longest page of the hub's interface that is read, in bytes.
const MAX_PAGE: u64 = 64 << 20;
/// Pages of one list that are read.
const MAX_PAGES: usize = 1000;
/// Files of one repository.
const MAX_FILES: usize = 200_000;
/// The longest path of a file, in bytes.
const MAX_PATH: usize = 1024;

/// A file of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubFile {
    /// Its path in the repository, with `/` between folders.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// What its blob is called in the cache: the SHA-256 of a file in LFS, the hash of git (SHA-1) of any other.
    pub blob: String,
}

impl HubFile {
    /// The SHA-256 of its bytes, where the hub knows it.
    pub fn sha256(&self) -> Option<&str> {
        (self.blob.len() == 64).then_some(self.blob.as_str())
    }
}

/// The files of a repository at one commit, in the order of their paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listing {
    /// The commit, 40 hexadecimal digits.
    pub(super) commit: String,
    /// The files.
    pub(super) files: Vec<HubFile>,
}

impl Listing {
    /// A file by its path.
    pub(super) fn file(&self, path: &str) -> Option<&HubFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Refuses what could lead out of a folder or be two files at once. Every list is checked that comes from outside this process.
    pub(super) fn checked(mut self, repository: &str) -> Result<Self> {
        let refuse = |what: String| {
            let hint = "the hub does not answer like this: check HF_ENDPOINT and proxies";
            Err(Error::hub(format!("the list of the files of {repository} {what}"), hint))
        };
        if !is_commit(&self.commit) {
            return refuse(format!(
                "is of the commit {}; expected 40 hexadecimal digits",
                quoted_name(&one_line(&self.commit))
            ));
        }
        if self.files.len() > MAX_FILES {
            return refuse(format!("has {} entries; expected at most {MAX_FILES}", self.files.len()));
        }
        self.files.sort_by(|one, other| one.path.cmp(&other.path));
        let mut paths = BTreeSet::new();
        let mut total = 0_u64;
        for HubFile { path, size, blob } in &self.files {
            let shown = quoted_name(&one_line(path));
            if !is_inside(path) {
                return refuse(format!("names {shown}; expected a path inside the repository"));
            }
            if !paths.insert(path) {
                return refuse(format!("names {shown} twice"));
            }
            if !is_hash(blob) {
                return refuse(format!(
                    "gives {shown} the hash {}; expected one of 40 or 64 hexadecimal digits",
                    quoted_name(&one_line(blob))
                ));
            }
            total = match total.checked_add(*size).filter(|total| i64::try_from(*total).is_ok()) {
                Some(total) => total,
                None => return refuse(format!("gives {shown} {size} bytes; no disk holds that")),
            };
        }
        Ok(self)
    }
}

/// Whether a path stays inside a folder on every system.
pub(super) fn is_inside(path: &str) -> bool {
    let is_name = |part: &str| !part.is_empty() && part != "." && part != "..";
    path.len() <= MAX_PATH
        && path.split('/').all(is_name)
        && !path.contains(['\\', ':'])
        && !path.chars().any(char::is_control)
        && Path::new(path).is_relative()
}

/// Whether a text is a SHA-1 or a SHA-256 in lower case, as names of blobs are.
fn is_hash(text: &str) -> bool {
    [40, 64].contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The answer about a revision; other keys are not needed.
#[derive(Deserialize)]
struct Revision {
    sha: String,
}

/// An entry of a tree.
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    oid: String,
    #[serde(default)]
    size: u64,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    oid: String,
    size: u64,
}

#[derive(Deserialize)]
struct Refs {
    #[serde(default)]
    branches: Vec<Ref>,
    #[serde(default)]
    tags: Vec<Ref>,
    #[serde(default, rename = "pullRequests")]
    pull_requests: Vec<Ref>,
}

#[derive(Deserialize)]
struct Ref {
    name: String,
    #[serde(rename = "ref")]
    full: String,
    #[serde(rename = "targetCommit")]
    commit: String,
}

impl Client {
    /// The address of the interface for a repository.
    fn about(&self, repository: &str, rest: &str) -> String {
        format!("{}/api/models/{}/{rest}", self.settings.endpoint, address::path(repository))
    }

    /// The commit that a revision is now.
    pub(super) fn commit(&self, name: &HubName) -> Result<String, Fault> {
        let address = self.about(name.repository(), &format!("revision/{}", address::segment(name.revision())));
        let (text, _) = self.page(&address, MAX_PAGE)?;
        let Revision { sha } = parsed(&text, &address)?;
        if is_commit(&sha) {
            return Ok(sha);
        }
        Err(odd(&address, &format!("the commit {}", quoted_name(&one_line(&sha)))).into())
    }

    /// The files of a commit.
    pub(super) fn listing(&self, repository: &str, commit: &str) -> Result<Listing, Fault> {
        let first = self.about(repository, &format!("tree/{}?recursive=true", address::segment(commit)));
        let (mut next, mut files) = (Some(first), Vec::new());
        let mut pages = 0;
        while let Some(address) = next {
            pages += 1;
            if pages > MAX_PAGES || files.len() > MAX_FILES {
                return Err(odd(&address, &format!("a list of more than {} files", files.len())).into());
            }
            let (text, following) = self.page(&address, MAX_PAGE)?;
            let entries: Vec<Entry> = parsed(&text, &address)?;
            files.extend(entries.into_iter().filter(|entry| entry.kind == "file").map(HubFile::from));
            next = following;
        }
        Ok(Listing { commit: commit.to_owned(), files }.checked(repository)?)
    }

    /// Branches, tags and pull requests.
    pub(super) fn refs(&self, repository: &str) -> Result<Vec<HubRef>, Fault> {
        let address = self.about(repository, "refs?include_pull_requests=1");
        let (text, _) = self.page(&address, MAX_PAGE)?;
        let Refs { branches, tags, pull_requests } = parsed(&text, &address)?;
        let named = branches.into_iter().chain(tags).map(|own| (own.name, own.commit));
        let all = named.chain(pull_requests.into_iter().map(|own| (own.full, own.commit)));
        let all: Vec<HubRef> = all.map(|(name, commit)| HubRef { name, commit }).collect();
        match all.iter().find(|own| !is_commit(&own.commit)) {
            Some(wrong) => Err(odd(&address, &format!("the commit {}", quoted_name(&one_line(&wrong.commit)))).into()),
            None => Ok(all),
        }
    }
}

impl From<Entry> for HubFile {
    fn from(entry: Entry) -> Self {
        let Entry { path, oid, size, lfs, .. } = entry;
        let (blob, size) = match lfs {
            // Git LFS writes `sha256:` before it, the interface does not.
            Some(Lfs { oid, size }) => (oid.strip_prefix("sha256:").map_or(oid.clone(), str::to_owned), size),
            None => (oid, size),
        };
        Self { path, size, blob: blob.to_ascii_lowercase() }
    }
}

fn parsed<'t, T: Deserialize<'t>>(text: &'t str, address: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| odd(address, &format!("what is not the expected JSON ({error})")))
}

fn odd(address: &str, what: &str) -> Error {
    let hint = "the hub does not answer like this: check HF_ENDPOINT and proxies";
    Error::hub(format!("{} answers {what}", address::host(address)), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn listing(files: &[(&str, u64, &str)]) -> Result<Listing> {
        let files = files.iter().map(|(path, size, blob)| HubFile {
            path: (*path).to_owned(),
            size: *size,
            blob: (*blob).to_owned(),
        });
        Listing { commit: COMMIT.to_owned(), files: files.collect() }.checked("a/b")
    }

    #[test]
    fn paths_that_lead_out_are_refused() {
        for path in
            ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/.", "a\\b", "C:\\x", "c:x", "a\nb", "a/", "a\0"]
        {
            let message = listing(&[(path, 1, COMMIT)]).unwrap_err().to_string();
            assert!(message.contains("expected a path inside the repository"), "{message}");
        }
        assert!(listing(&[("a/b c/…é.json", 1, COMMIT), ("a..b", 0, COMMIT), (".gitattributes", 0, COMMIT)]).is_ok());
    }

    #[test]
    fn what_no_disk_holds_and_what_is_no_hash_is_refused() {
        let both = [("a", u64::MAX, COMMIT), ("b", 2, COMMIT)];
        assert!(listing(&both).unwrap_err().to_string().contains("no disk"));
        for hash in ["", "../../x", "ABC", &COMMIT[1..], &COMMIT.to_uppercase()] {
            assert!(listing(&[("a", 1, hash)]).is_err(), "{hash}");
        }
        assert!(listing(&[("a", 1, COMMIT), ("a", 1, COMMIT)]).unwrap_err().to_string().contains("twice"));
    }

    #[test]
    fn an_entry_in_lfs_has_its_sha256() {
        let text = r#"[{"type":"directory","path":"d","oid":"x"},
            {"type":"file","path":"m.bin","oid":"1","size":134,"lfs":{"oid":"AB","size":9000000000,"pointerSize":134},"xetHash":"y"},
            {"type":"file","path":"c.json","oid":"2","size":7}]"#;
        let entries: Vec<Entry> = parsed(text, "http://h").unwrap();
        let files: Vec<HubFile> = entries.into_iter().filter(|entry| entry.kind == "file").map(HubFile::from).collect();
        assert_eq!((files[0].size, files[0].blob.as_str()), (9_000_000_000, "ab"));
        assert_eq!((files[1].size, files[1].blob.as_str()), (7, "2"));
        assert!(parsed::<Vec<Entry>>("[{\"type\":\"file\",\"path\":\"a\",\"size\":-1}]", "http://h").is_err());
    }
}
