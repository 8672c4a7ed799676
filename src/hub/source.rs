//! Where the bytes of one file come from: the hub itself, or a signed link that it gives for an hour.

use std::{
    io::Read,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    address,
    client::{Client, Question},
    exchange::Answer,
    fault::{Fault, Refusal},
    listing::HubFile,
};
use crate::error::{Error, Result, one_line, quoted_name};

/// How long a signed link is used: the hub gives it for an hour.
const LINK_LIVES: Duration = Duration::from_secs(50 * 60);
/// How often a link is asked for again for one request.
const RENEWALS: usize = 2;
/// Bytes that are read at a time.
const BLOCK: usize = 128 << 10;
/// Progress after which a broken connection counts as the first one again, in bytes.
const PROGRESS: u64 = 64 << 10;
/// Where a server ignores ranges, what stands before a wanted range is read and dropped up to this size, in bytes.
const MAX_SKIPPED: u64 = 32 << 20;

/// One file of a repository at one commit.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) client: Arc<Client>,
    pub(super) repository: String,
    pub(super) commit: String,
    pub(super) file: HubFile,
    link: Mutex<Option<(String, Instant)>>,
}

/// Bytes that are on their way, from `start` on.
struct Incoming {
    start: u64,
    body: Box<dyn Read + Send>,
}

impl Source {
    pub(super) fn new(client: Arc<Client>, repository: &str, commit: &str, file: HubFile) -> Self {
        let (repository, commit) = (repository.to_owned(), commit.to_owned());
        Self { client, repository, commit, file, link: Mutex::default() }
    }

    /// The error that a person reads.
    fn error(&self, fault: Fault) -> Error {
        self.client.asked(&self.repository, &self.commit, Some(&self.file.path)).error(fault)
    }

    fn broken(&self, why: impl Into<String>) -> Fault {
        let host = address::host(&self.client.settings.endpoint).to_owned();
        Fault::Broken { host, why: why.into() }
    }

    /// Reads a range and hands its bytes on in order, with their positions, whatever happens to connections in between. If a server
    /// sends the whole file instead, `from_anew` allows that positions begin at 0 again.
    ///
    /// # Errors
    /// [`Error::Hub`] if the bytes do not come; [`Error::Interrupted`]; those of `take`.
    pub(super) fn pour(
        &self,
        range: Range<u64>,
        from_anew: bool,
        take: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut block = vec![0; BLOCK];
        let (mut at, mut attempt) = (range.start, 0);
        while at < range.end {
            let before = at;
            let incoming = self.ask(at..range.end).map_err(|fault| self.error(fault))?;
            if incoming.start < at && from_anew {
                at = incoming.start;
            }
            let Err(why) = self.drain(incoming, &mut at, range.end, &mut block, take)? else { break };
            attempt = if at >= before.saturating_add(PROGRESS) { 1 } else { attempt + 1 };
            if attempt >= self.client.settings.attempts.max(1) {
                return Err(self.error(self.broken(why)));
            }
            self.client.pause(attempt)?;
        }
        Ok(())
    }

    /// Reads what comes until `end` is reached, or says why it did not get there.
    fn drain(
        &self,
        incoming: Incoming,
        at: &mut u64,
        end: u64,
        block: &mut [u8],
        take: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<std::result::Result<(), String>> {
        let Incoming { start, mut body } = incoming;
        let mut position = start;
        if *at - position > MAX_SKIPPED {
            return Err(self.ignored());
        }
        while position < end {
            self.client.check()?;
            let count = match body.read(block) {
                Ok(0) => return Ok(Err(format!("the connection ends after byte {position} of {}", self.file.size))),
                Ok(count) => (count as u64).min(end - position),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Ok(Err(format!(
                        "the connection breaks after byte {position} of {}: {error}",
                        self.file.size
                    )));
                }
            };
            // What comes before the wanted bytes is dropped.
            let unwanted = at.saturating_sub(position).min(count);
            if unwanted < count {
                take(position + unwanted, &block[unwanted as usize..count as usize])?;
                *at = position + count;
            }
            position += count;
        }
        Ok(Ok(()))
    }

    fn ignored(&self) -> Error {
        let Self { repository, file, client, .. } = self;
        Error::hub(
            format!(
                "{} sends all of `{}` of {repository} when asked for a part of it",
                address::host(&client.settings.endpoint),
                one_line(&file.path)
            ),
            "it cannot be read in parts from there: fetch the repository first, or set HF_ENDPOINT to another mirror",
        )
    }

    /// Asks for a range; a link that has expired is asked for again.
    fn ask(&self, range: Range<u64>) -> Result<Incoming, Fault> {
        let is_whole = range == (0..self.file.size);
        let mut renewals = 0;
        loop {
            let address = self.address()?;
            let question = Question {
                address: &address,
                head_only: false,
                range: (!is_whole).then(|| range.clone()),
                timeout: self.client.settings.download_timeout,
            };
            match self.client.anywhere(&question) {
                Ok((_, answer)) => return self.incoming(answer, &range),
                Err(Fault::Refused(refusal)) if renewals < RENEWALS && self.has_expired(&refusal, &address) => {
                    renewals += 1;
                    *self.link.lock().unwrap_or_else(PoisonError::into_inner) = None;
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Whether a refusal is what a link gets that is too old: it never comes from the hub itself.
    fn has_expired(&self, refusal: &Refusal, address: &str) -> bool {
        !address::same_origin(address, &self.client.settings.endpoint)
            && matches!(refusal.status, 400 | 401 | 403 | 404 | 410)
    }

    fn incoming(&self, answer: Answer, range: &Range<u64>) -> Result<Incoming, Fault> {
        let (size, wanted) = (self.file.size, range.end - range.start);
        let length = answer.number("content-length");
        let start = match (answer.status, answer.content_range()) {
            (206, Some((start, total))) => {
                if start != range.start || total.is_some_and(|total| total != size) {
                    let range_said = one_line(answer.header("content-range").unwrap_or_default());
                    let why = format!("it answers `{range_said}` when asked for bytes from {} of {size}", range.start);
                    return Err(self.broken(why));
                }
                start
            }
            // Some mirrors do not say which bytes they send; so many can only be the wanted ones.
            (206, None) if length == Some(wanted) => range.start,
            (206, None) => return Err(self.broken("it does not say which bytes it sends")),
            (200, _) if length.is_some_and(|length| length != size) => {
                return Err(self.broken(format!("it sends {} bytes; its list says {size}", length.unwrap_or_default())));
            }
            (200, _) => 0,
            (status, _) => return Err(self.broken(format!("it answers {status} to a request for bytes"))),
        };
        Ok(Incoming { start, body: answer.body })
    }

    /// Where the bytes are now. Of files in LFS the hub is asked first, because it says more than the place: whether commit, hash and
    /// size are those of the list. It is asked once for all connections.
    fn address(&self) -> Result<String, Fault> {
        let Self { client, repository, commit, file, .. } = self;
        let own = format!(
            "{}/{}/resolve/{commit}/{}",
            client.settings.endpoint,
            address::path(repository),
            address::path(&file.path)
        );
        if file.sha256().is_none() {
            return Ok(own);
        }
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((address, since)) = link.as_ref()
            && since.elapsed() < LINK_LIVES
        {
            return Ok(address.clone());
        }
        let timeout = client.settings.answer_timeout;
        let (from, answer) = client.at_home(&Question { address: &own, head_only: true, range: None, timeout })?;
        self.compare(&answer)?;
        let target =
            answer.is_redirect().then(|| address::redirected(&from, answer.header("location").unwrap_or_default()));
        let address = target.flatten().unwrap_or(from);
        *link = Some((address.clone(), Instant::now()));
        Ok(address)
    }

    /// Refuses an answer about another file than the one of the list. What it does not say is not compared.
    fn compare(&self, answer: &Answer) -> Result<()> {
        let Self { commit, file, .. } = self;
        let refuse = |what: &str, found: &str, expected: &str| {
            let message = format!(
                "`{}` of {} changed while it was read: {what} {}; expected {expected}",
                one_line(&file.path),
                self.repository,
                quoted_name(&one_line(found))
            );
            Err(Error::hub(message, "run it again; if it repeats, the mirror of HF_ENDPOINT mixes revisions"))
        };
        match answer.header("x-repo-commit") {
            Some(found) if !found.eq_ignore_ascii_case(commit) => return refuse("the commit is", found, commit),
            _ => {}
        }
        let etag = answer.header("x-linked-etag").or_else(|| answer.header("etag").filter(|_| !answer.is_redirect()));
        let etag = etag.map(|etag| etag.trim().trim_start_matches("W/").trim_matches('"'));
        match etag {
            // Mirrors make up hashes of another form.
            Some(found) if found.len() == file.blob.len() && !found.eq_ignore_ascii_case(&file.blob) => {
                return refuse("the hash is", found, &file.blob);
            }
            _ => {}
        }
        match answer.number("x-linked-size") {
            Some(found) if found != file.size => refuse("its size is", &found.to_string(), &file.size.to_string()),
            _ => Ok(()),
        }
    }
}
