//! The name of a repository as people type it: `OWNER/NAME`, `OWNER/NAME@REVISION`, `hf://OWNER/NAME@REVISION`, or the address of its
//! page.

use std::{fmt, path::Path};

use percent_encoding::percent_decode_str;

use super::settings::ENDPOINT;
use crate::error::{Error, Result};

/// What a name begins with that can be nothing else, in small letters.
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
    /// for texts that could be both) or because no repository can be called that. What begins with `hf://` or the address of the hub
    /// is never a path.
    ///
    /// # Errors
    /// [`Error::Usage`] for a text that begins so and names no repository.
    pub fn parse(typed: &str, exists: impl FnOnce() -> bool) -> Result<Option<Self>> {
        let pasted = after(typed, ENDPOINT).and_then(|rest| rest.strip_prefix('/'));
        if let Some(name) = pasted.map(Self::of_page).or_else(|| after(typed, SCHEME).map(Self::read)) {
            return match name {
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

    /// The name in the path of a page of the hub: `OWNER/NAME`, `OWNER/NAME/tree/REVISION`.
    fn of_page(path: &str) -> Option<Self> {
        let path = path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
        // The hub writes `refs%2Fpr%2F1` for a pull request.
        let path = percent_decode_str(path).decode_utf8().ok()?;
        let parts: Vec<&str> = path.split('/').collect();
        match parts[..] {
            [owner, name] => Self::read(&format!("{owner}/{name}")),
            [owner, name, "tree" | "commit", ref revision @ ..] => {
                Self::read(&format!("{owner}/{name}@{}", revision.join("/")))
            }
            [owner, name, "blob" | "resolve", "refs", kind, number, ..] => {
                Self::read(&format!("{owner}/{name}@refs/{kind}/{number}"))
            }
            [owner, name, "blob" | "resolve", revision, ..] => Self::read(&format!("{owner}/{name}@{revision}")),
            _ => None,
        }
    }

    /// A name without scheme, if it is one; a slash behind it, as shells put it there, does not count.
    fn read(text: &str) -> Option<Self> {
        let text = text.strip_suffix('/').filter(|rest| !rest.contains('@')).unwrap_or(text);
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

    /// Whether a revision was named.
    pub fn has_revision(&self) -> bool {
        self.revision.is_some()
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

/// What follows a beginning, whose capitals do not count.
fn after<'t>(text: &'t str, beginning: &str) -> Option<&'t str> {
    let own = text.get(..beginning.len())?;
    own.eq_ignore_ascii_case(beginning).then(|| &text[beginning.len()..])
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
            "a/b//",
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
    fn what_is_pasted_is_understood() {
        for (typed, meant) in [
            ("o/tiny/", "o/tiny"),
            ("HF://o/tiny", "o/tiny"),
            ("hf://o/tiny/", "o/tiny"),
            ("@/o/tiny", "o/tiny"),
            ("@/o/tiny/", "o/tiny"),
            ("@/o/tiny?library=x", "o/tiny"),
            ("@/o/tiny/tree/main", "o/tiny@main"),
            ("@/o/tiny/tree/refs/pr/1", "o/tiny@refs/pr/1"),
            ("@/o/tiny/tree/refs%2Fpr%2F1", "o/tiny@refs/pr/1"),
            ("@/o/tiny/blob/refs%2Fpr%2F1/a/b.json", "o/tiny@refs/pr/1"),
            ("@/o/tiny/blob/main/config.json", "o/tiny@main"),
            ("@/o/tiny/commit/0123456789abcdef", "o/tiny@0123456789abcdef"),
        ] {
            let typed = typed.strip_prefix('@').map_or(typed.to_owned(), |path| format!("{ENDPOINT}{path}"));
            assert_eq!(HubName::parse(&typed, || false).unwrap().unwrap().to_string(), meant, "{typed}");
        }
        assert_eq!(HubName::parse("o/tiny/", || true).unwrap(), None, "a folder");
        for path in ["/", "/o", "/datasets/o/tiny", "/o/tiny/discussions/1", "/o/tiny/tree", "/o/tiny/tree/main/../x"] {
            let message = HubName::parse(&format!("{ENDPOINT}{path}"), || false).unwrap_err().to_string();
            assert!(message.contains("names no repository of the hub"), "{message}");
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
