//! The name of a repository as people type it: `OWNER/NAME`, `OWNER/NAME@REVISION`, `hf://OWNER/NAME@REVISION`.

use std::{fmt, path::Path};

use crate::error::{Error, Result};

/// What a name begins with that can be nothing else.
const SCHEME: &str = "hf://";
/// The longest `OWNER/NAME` that the hub gives, in bytes.
const LONGEST: usize = 96;
/// The longest revision that is taken, in bytes.
const LONGEST_REVISION: usize = 256;

/// A model repository on the hub and, if one was named, its revision: a branch, a tag, a commit, or `refs/pr/1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HubName {
    repository: String,
    revision: Option<String>,
}

impl HubName {
    /// Reads what was typed where a folder or a name may stand. `None`: it is a path, because something `exists` there (asked only
    /// for texts that could be both) or because no repository can be called that. What begins with `hf://` is never a path.
    ///
    /// # Errors
    /// [`Error::Usage`] for a text that begins with `hf://` and names no repository.
    pub fn parse(typed: &str, exists: impl FnOnce() -> bool) -> Result<Option<Self>> {
        if let Some(rest) = typed.strip_prefix(SCHEME) {
            return match Self::read(rest) {
                Some(name) => Ok(Some(name)),
                None => Err(Error::usage(
                    format!(
                        "`{typed}` names no repository of the hub; expected hf://OWNER/NAME or hf://OWNER/NAME@REVISION"
                    ),
                    "for example hf://OrionZheng/openmoe-8b or hf://OrionZheng/openmoe-base@refs/pr/1",
                )),
            };
        }
        Ok(Self::read(typed).filter(|_| !exists()))
    }

    /// A name without scheme, if it is one.
    fn read(text: &str) -> Option<Self> {
        let (repository, revision) = match text.split_once('@') {
            Some((repository, revision)) => (repository, Some(revision)),
            None => (text, None),
        };
        let (owner, name) = repository.split_once('/')?;
        let legal = repository.len() <= LONGEST && is_part(owner) && is_part(name) && !ends_in(name, "git");
        (legal && revision.is_none_or(is_revision))
            .then(|| Self { repository: repository.to_owned(), revision: revision.map(str::to_owned) })
    }

    /// `OWNER/NAME`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The name without its owner.
    pub fn short(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or_default()
    }

    /// The revision that was named, or `main`.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or("main")
    }

    /// Whether the revision is a whole commit hash, which always means the same files.
    pub fn is_pinned(&self) -> bool {
        is_commit(self.revision())
    }
}

impl fmt::Display for HubName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        self.revision.iter().try_for_each(|revision| write!(f, "@{revision}"))
    }
}

/// Whether a text is a whole commit hash.
pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether an owner or a repository may be called this, by the rules of the hub.
fn is_part(part: &str) -> bool {
    let edge = |character: char| character == '-' || character == '.';
    !part.is_empty()
        && part.chars().all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character))
        && !part.starts_with(edge)
        && !part.ends_with(edge)
        && !part.contains("--")
        && !part.contains("..")
}

/// Whether a name ends in a dot and this.
fn ends_in(name: &str, ending: &str) -> bool {
    Path::new(name).extension().is_some_and(|own| own == ending)
}

/// Whether a branch, a tag or a commit may be called this, by the rules of git.
fn is_revision(revision: &str) -> bool {
    let parts_are_legal = revision
        .split('/')
        .all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && !ends_in(part, "lock"));
    parts_are_legal
        && revision.len() <= LONGEST_REVISION
        && !revision.contains("..")
        && !revision.contains("@{")
        && revision.chars().all(|character| character.is_ascii_graphic() && !"~^:?*[]\\\"'`<>|".contains(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(typed: &str) -> Option<(String, String)> {
        let name = HubName::parse(typed, || false).unwrap()?;
        assert_eq!(name.to_string(), typed.trim_start_matches(SCHEME));
        Some((name.repository().to_owned(), name.revision().to_owned()))
    }

    #[test]
    fn names_are_read_in_every_spelling() {
        let of = |repository: &str, revision: &str| Some((repository.to_owned(), revision.to_owned()));
        assert_eq!(read("OrionZheng/openmoe-8b"), of("OrionZheng/openmoe-8b", "main"));
        assert_eq!(read("OrionZheng/openmoe-8b@v1.0"), of("OrionZheng/openmoe-8b", "v1.0"));
        assert_eq!(read("OrionZheng/openmoe-base@refs/pr/1"), of("OrionZheng/openmoe-base", "refs/pr/1"));
        assert_eq!(read("hf://hpcai-tech/openmoe-8B"), of("hpcai-tech/openmoe-8B", "main"));
        assert_eq!(read("hf://a/b_c.d@refs/pr/12"), of("a/b_c.d", "refs/pr/12"));
        let commit = "0123456789abcdef0123456789abcdef01234567";
        assert!(HubName::parse(&format!("a/b@{commit}"), || false).unwrap().unwrap().is_pinned());
        assert!(!HubName::parse("a/b@0123456", || false).unwrap().unwrap().is_pinned());
        assert_eq!(HubName::parse("a/b-c@x", || false).unwrap().unwrap().short(), "b-c");
    }

    #[test]
    fn what_exists_is_a_path_unless_it_says_that_it_is_a_name() {
        assert_eq!(HubName::parse("runs/base", || true).unwrap(), None);
        assert!(HubName::parse("hf://runs/base", || panic!("is not asked")).unwrap().is_some());
        assert_eq!(HubName::parse("./runs", || panic!("is not asked")).unwrap(), None);
    }

    #[test]
    fn other_texts_are_paths() {
        let long = format!("a/{}", "b".repeat(95));
        for typed in [
            "",
            "/",
            "a",
            "a/",
            "/a",
            "/a/b",
            "./a",
            "../a",
            "a/..",
            "a/.",
            "a/b/c",
            "a//b",
            "a/b/",
            "a\\b",
            "C:\\a",
            "C:/a",
            "a/b c",
            "a/é",
            "a/b@",
            "a/b@x..y",
            "a/b@/x",
            "a/b@x/",
            "a/b@x//y",
            "a/b@x y",
            "a/b@x:y",
            "a/b@.x",
            "a/b@x.lock",
            "a/b@x^",
            "a/b@..",
            "@a/b",
            "a@b/c",
            "a--b/c",
            "a/-b",
            "a/b.",
            "a/b.git",
            "~/a",
            "a/b?c",
            "a/b#c",
            "a/b%2e",
            "a/b\n",
            &long,
        ] {
            assert_eq!(HubName::parse(typed, || false).unwrap(), None, "{typed:?}");
        }
    }

    #[test]
    fn a_scheme_without_a_name_is_refused() {
        for typed in [
            "hf://",
            "hf://a",
            "hf://a/b/c",
            "hf://datasets/a/b",
            "hf:///a/b",
            "hf://../b",
            "hf://a/b@",
            "hf://a/b@../x",
        ] {
            let message = HubName::parse(typed, || false).unwrap_err().to_string();
            assert!(message.contains(typed) && message.contains("expected hf://OWNER/NAME"), "{message}");
        }
    }
}
