//! What can go wrong between here and the hub, and the words for it.

use super::{address, exchange::Answer, hub_ref::HubRef};
use crate::error::{Error, one_line};

/// The longest part of a server's own message that is shown, in characters.
const SHOWN: usize = 200;
/// The shortest beginning of a commit that people write, in digits.
const MIN_DIGITS: usize = 4;
/// How many revisions are listed.
const LISTED: usize = 12;

/// Why a request has no usable answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server refuses it; asking again changes nothing.
    Refused(Refusal),
    /// The connection fails, or the server has a fault, as often as it is tried.
    Broken {
        /// The host that was asked.
        host: String,
        /// What happened the last time.
        why: String,
    },
    /// What no other request can change.
    Final(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// What a server says when it refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) host: String,
    pub(super) status: u16,
    /// `X-Error-Code`.
    pub(super) code: String,
    /// `X-Error-Message`, shortened.
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn of(answer: &Answer, host: &str) -> Self {
        let text = |name| one_line(answer.header(name).unwrap_or_default()).chars().take(SHOWN).collect();
        Self {
            host: host.to_owned(),
            status: answer.status,
            code: text("x-error-code"),
            message: text("x-error-message"),
        }
    }

    fn in_words(&self) -> String {
        let code = Some(self.code.as_str()).filter(|code| !code.is_empty()).map(|code| format!(" {code}"));
        let message = Some(&self.message).filter(|message| !message.is_empty()).map(|message| format!(": {message}"));
        format!("{}{}{}", self.status, code.unwrap_or_default(), message.unwrap_or_default())
    }
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// `OWNER/NAME`.
    pub(super) repository: &'a str,
    /// Branch, tag or commit.
    pub(super) revision: &'a str,
    /// A file of it, if it was not about the repository itself.
    pub(super) file: Option<&'a str>,
    /// The hub.
    pub(super) endpoint: &'a str,
    /// Whether a token was sent.
    pub(super) has_token: bool,
}

impl Asked<'_> {
    fn what(&self) -> String {
        match self.file {
            Some(file) => format!("`{}` of {}@{}", one_line(file), self.repository, self.revision),
            None => format!("{}@{}", self.repository, self.revision),
        }
    }

    /// The error that a person reads.
    pub(super) fn error(&self, fault: Fault) -> Error {
        match fault {
            Fault::Final(error) => error,
            Fault::Broken { host, why } => Error::hub(
                format!("{host} does not give {}: {why}", self.what()),
                "check the connection, proxies and HF_ENDPOINT, then run it again: what has arrived is kept; with HF_HUB_OFFLINE=1 only the cache is used",
            ),
            Fault::Refused(refusal) => self.refused(&refusal),
        }
    }

    fn refused(&self, refusal: &Refusal) -> Error {
        let (repository, host) = (self.repository, &refusal.host);
        match (refusal.status, refusal.code.as_str()) {
            (_, "GatedRepo") => Error::hub(
                format!(
                    "{repository} is gated: its owner asks for conditions to be accepted first ({})",
                    refusal.in_words()
                ),
                format!(
                    "log in at {}/{repository}, accept them, and set HF_TOKEN to a token of that account",
                    self.endpoint
                ),
            ),
            (_, "RevisionNotFound") => self.no_revision(&[]),
            (_, "EntryNotFound") => self.absent(),
            // Another server, which the hub names for large files: it knows neither repositories nor tokens.
            (400 | 401 | 403 | 404 | 410, _) if self.file.is_some() && !self.is_home(host) => Error::hub(
                format!("{host} refuses {}: {}", self.what(), refusal.in_words()),
                format!(
                    "{} sends there for large files, and your token is not at fault: check proxies, firewalls and the clock, then run it again: what has arrived is kept",
                    address::host(self.endpoint)
                ),
            ),
            (401 | 404, _) => Error::hub(
                format!("{repository} is not found on {host}, or it is private or gated ({})", refusal.in_words()),
                self.who_may_read(),
            ),
            (403, _) => {
                Error::hub(format!("{host} refuses {}: {}", self.what(), refusal.in_words()), self.who_may_read())
            }
            (429, _) => Error::hub(
                format!("{host} has had too many requests from here: {}", refusal.in_words()),
                "wait a few minutes and run it again: what has arrived is kept; with HF_TOKEN set the limits are higher",
            ),
            _ => Error::hub(
                format!("{host} answers {} when asked for {}", refusal.in_words(), self.what()),
                "check HF_ENDPOINT and proxies; if they are right, try again later: what has arrived is kept",
            ),
        }
    }

    /// The error of a revision that a repository does not have; it has these.
    pub(super) fn no_revision(&self, others: &[HubRef]) -> Error {
        let names: Vec<&str> = others.iter().take(LISTED).map(|own| own.name.as_str()).collect();
        let more = others.len().saturating_sub(names.len());
        let list = if names.is_empty() { String::new() } else { format!("; it has {}", one_line(&names.join(", "))) };
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let digits = self.revision.len();
        let is_part_of_commit =
            (MIN_DIGITS..40).contains(&digits) && self.revision.bytes().all(|byte| byte.is_ascii_hexdigit());
        let hint = if is_part_of_commit {
            format!("if it is the beginning of a commit, name all 40 digits of it instead of {digits}")
        } else {
            "name a branch, a tag, a whole commit hash, or refs/pr/N for a pull request; without one it is main"
                .to_owned()
        };
        Error::hub(format!("{} has no revision `{}`{list}{more}", self.repository, self.revision), hint)
    }

    /// The error of a file that a repository does not have.
    pub(super) fn absent(&self) -> Error {
        Error::hub(
            format!("there is no {}", self.what()),
            "the files of a revision are listed on the page of the repository, under Files",
        )
    }

    /// Whether a host is the hub itself.
    fn is_home(&self, host: &str) -> bool {
        host.eq_ignore_ascii_case(address::host(self.endpoint))
    }

    fn who_may_read(&self) -> String {
        if self.has_token {
            "check the spelling (capitals count); if it is right, the account of the token may not read it".to_owned()
        } else {
            "check the spelling (capitals count); if it is private or gated, set HF_TOKEN to a token that may read it"
                .to_owned()
        }
    }
}

/// What the cache lacks while nothing may be asked.
pub(super) fn offline(what: &str) -> Error {
    Error::hub(
        format!("HF_HUB_OFFLINE is set, and {what}"),
        "unset HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE), fetch it once, and set it again",
    )
}

/// What the cache has in another form than the hub while nothing may be asked.
pub(super) fn offline_damaged(what: &str) -> Error {
    Error::hub(
        format!("HF_HUB_OFFLINE is set, and {what}"),
        "unset HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE), and run it again: it is fetched again then",
    )
}

/// A host that does not prove to be the one that was asked.
pub(super) fn untrusted(host: &str, why: &str) -> Error {
    Error::hub(
        format!("{host} is not trusted: {why}"),
        "if a proxy answers in its place, as in some companies, set SSL_CERT_FILE to a PEM file with its certificates",
    )
}
