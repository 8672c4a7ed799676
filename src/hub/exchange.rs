//! One request and its answer, whatever carries them.

use std::{io::Read, ops::Range, time::Duration};

use super::settings::Token;

/// What is asked.
#[derive(Clone, Debug)]
// Without its transport nobody reads it.
#[cfg_attr(not(feature = "hub"), allow(dead_code))]
pub(super) struct Request {
    /// The whole address.
    pub(super) address: String,
    /// Only the headers of the answer.
    pub(super) head_only: bool,
    /// Only these bytes of the file.
    pub(super) range: Option<Range<u64>>,
    /// Who asks, where the address may know it.
    pub(super) token: Option<Token>,
    /// How long headers, and then every block of bytes, may take.
    pub(super) timeout: Duration,
}

/// What is answered.
pub(super) struct Answer {
    /// The status, such as 200.
    pub(super) status: u16,
    /// Names in lower case, and values.
    pub(super) headers: Vec<(String, String)>,
    /// The bytes that follow.
    pub(super) body: Box<dyn Read + Send>,
}

impl Answer {
    /// The first header of a name, which is in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// A header that is a number.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.trim().parse().ok()
    }

    /// The first byte of a range and the size of the whole, by `Content-Range: bytes 0-99/1000`.
    pub(super) fn content_range(&self) -> Option<(u64, Option<u64>)> {
        let (range, size) = self.header("content-range")?.trim().strip_prefix("bytes ")?.split_once('/')?;
        Some((range.split_once('-')?.0.trim().parse().ok()?, size.trim().parse().ok()))
    }

    /// Whether its bytes are not those of the file.
    pub(super) fn is_compressed(&self) -> bool {
        self.header("content-encoding").is_some_and(|encoding| !["", "identity"].contains(&encoding.trim()))
    }

    /// Whether it only names another place.
    pub(super) fn is_redirect(&self) -> bool {
        matches!(self.status, 301 | 302 | 303 | 307 | 308)
    }
}

/// Why a request has no answer, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
// Without its transport nobody makes one.
#[cfg_attr(not(feature = "hub"), allow(dead_code))]
pub(super) enum Failure {
    /// Another attempt may have one.
    Passing(String),
    /// Another attempt would meet the same.
    Lasting(String),
    /// Whoever answers is not trusted.
    Untrusted(String),
}
