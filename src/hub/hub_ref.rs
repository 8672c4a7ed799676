//! Names of commits.

/// A branch, tag or pull request with the commit that it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubRef {
    /// As it stands behind `@`: `main`, `v1.0`, `refs/pr/1`.
    pub name: String,
    /// The commit.
    pub commit: String,
}
