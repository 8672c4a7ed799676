//! Requests that are tried again where that helps, go through redirects, and show the token to the hub alone.

use std::{
    fmt,
    io::Read,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    address,
    exchange::{Answer, Failure, Request},
    fault::{Asked, Fault, Refusal, offline, untrusted},
    settings::{HubSettings, Token},
    transport::Transport,
    watch::Watch,
};
use crate::error::{Error, Result};

/// Redirects that are followed for one request.
const MAX_REDIRECTS: usize = 8;
/// The longest time that a hub which limits requests is waited for at once: its own window is five minutes.
const LONGEST_WAIT: Duration = Duration::from_secs(310);
/// How often it is waited for.
const MAX_WAITS: u32 = 3;
/// The longest pause before another attempt.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often a pause looks whether it should end.
const MOMENT: Duration = Duration::from_millis(50);

/// A client of one hub.
pub(super) struct Client {
    pub(super) settings: HubSettings,
    token: Option<Token>,
    transport: Transport,
    watch: Arc<dyn Watch>,
    requests: AtomicU64,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.settings.endpoint).finish_non_exhaustive()
    }
}

/// How a request is sent.
#[derive(Clone, Debug)]
pub(super) struct Question<'a> {
    pub(super) address: &'a str,
    pub(super) head_only: bool,
    pub(super) range: Option<Range<u64>>,
    pub(super) timeout: Duration,
}

impl Client {
    /// # Errors
    /// Certificates or the token cannot be read, or this program has no client.
    pub(super) fn new(settings: HubSettings, watch: Arc<dyn Watch>) -> Result<Self> {
        let (transport, token) = (Transport::new(&settings)?, settings.read_token()?);
        Ok(Self { settings, token, transport, watch, requests: AtomicU64::new(0) })
    }

    /// Requests that were sent, every attempt counted.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Whether a token is known.
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// What was asked for, for messages.
    pub(super) fn asked<'a>(&'a self, repository: &'a str, revision: &'a str, file: Option<&'a str>) -> Asked<'a> {
        Asked { repository, revision, file, endpoint: &self.settings.endpoint, has_token: self.has_token() }
    }

    /// Something worth knowing.
    pub(super) fn note(&self, line: &str) {
        self.watch.note(line);
    }

    /// # Errors
    /// [`Error::Interrupted`] if whoever waits wants to stop.
    pub(super) fn check(&self) -> Result<()> {
        if self.watch.is_stopped() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Waits, and looks in between whether to stop.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub(super) fn wait(&self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        loop {
            self.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(MOMENT));
        }
    }

    /// Waits before another attempt: twice as long as before the last one.
    pub(super) fn pause(&self, attempt: u32) -> Result<()> {
        let doubled = self.settings.first_wait.saturating_mul(1 << attempt.saturating_sub(1).min(16));
        self.wait(doubled.min(LONGEST_PAUSE))
    }

    /// Sends a request until it is answered, and follows redirects that stay on the host. Returns the address that answered last
    /// with its answer, which may be a redirect to another host.
    pub(super) fn at_home(&self, question: &Question<'_>) -> Result<(String, Answer), Fault> {
        self.followed(question, false)
    }

    /// The same, following redirects to other hosts too, which get no token.
    pub(super) fn anywhere(&self, question: &Question<'_>) -> Result<(String, Answer), Fault> {
        self.followed(question, true)
    }

    fn followed(&self, question: &Question<'_>, leaves_home: bool) -> Result<(String, Answer), Fault> {
        let mut address = question.address.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.answered(&address, question)?;
            if !answer.is_redirect() {
                let host = address::host(&address);
                if answer.status >= 400 {
                    return Err(Fault::Refused(Refusal::of(&answer, host)));
                }
                if !question.head_only && answer.is_compressed() {
                    // Its positions are not those of the file.
                    let why = "it answers compressed, although asked not to".to_owned();
                    return Err(Fault::Broken { host: host.to_owned(), why });
                }
                return Ok((address, answer));
            }
            let location = answer.header("location").unwrap_or_default();
            let Some(target) = address::redirected(&address, location) else {
                let why = format!("it answers {} without an address to go to", answer.status);
                return Err(Fault::Broken { host: address::host(&address).to_owned(), why });
            };
            if !leaves_home && !address::same_origin(&address, &target) {
                return Ok((address, answer));
            }
            address = target;
        }
        let why = format!("more than {MAX_REDIRECTS} redirects");
        Err(Fault::Broken { host: address::host(&address).to_owned(), why })
    }

    /// Sends one request until it has an answer that is no passing fault.
    fn answered(&self, address: &str, question: &Question<'_>) -> Result<Answer, Fault> {
        let (mut attempt, mut waits) = (0, 0);
        let broken = |why| Fault::Broken { host: address::host(address).to_owned(), why };
        loop {
            let (why, asked_to_wait) = match self.sent_once(address, question)? {
                Ok(answer) if answer.status == 429 => {
                    waits += 1;
                    if waits > MAX_WAITS {
                        return Ok(answer);
                    }
                    let time = time_to_wait(&answer).unwrap_or(Duration::from_secs(5)).min(LONGEST_WAIT);
                    let host = address::host(address);
                    self.note(&format!("{host} limits requests: waiting {} s", time.as_secs_f64().ceil()));
                    self.wait(time)?;
                    continue;
                }
                Ok(answer) if matches!(answer.status, 408 | 500..=599) => {
                    (format!("it answers {}", answer.status), time_to_wait(&answer))
                }
                Ok(answer) => return Ok(answer),
                Err(Failure::Passing(why)) => (why, None),
                Err(Failure::Lasting(why)) => return Err(broken(why)),
                Err(Failure::Untrusted(why)) => return Err(untrusted(address::host(address), &why).into()),
            };
            attempt += 1;
            if attempt >= self.settings.attempts.max(1) {
                return Err(broken(why));
            }
            match asked_to_wait {
                Some(time) => self.wait(time.min(LONGEST_PAUSE))?,
                None => self.pause(attempt)?,
            }
        }
    }

    /// Sends one request once. The token goes with it only if the address is the hub's own.
    fn sent_once(&self, address: &str, question: &Question<'_>) -> Result<std::result::Result<Answer, Failure>, Fault> {
        self.check()?;
        if self.settings.offline {
            return Err(offline(&format!("{} would have to be asked", address::host(address))).into());
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let is_home = address::same_origin(address, &self.settings.endpoint);
        Ok(self.transport.send(&Request {
            address: address.to_owned(),
            head_only: question.head_only,
            range: question.range.clone(),
            token: self.token.clone().filter(|_| is_home),
            timeout: question.timeout,
        }))
    }

    /// The text of a page of the hub's interface, with the address of the next one.
    pub(super) fn page(&self, address: &str, limit: u64) -> Result<(String, Option<String>), Fault> {
        let question = Question { address, head_only: false, range: None, timeout: self.settings.answer_timeout };
        let mut attempt = 0;
        loop {
            let (from, answer) = self.anywhere(&question)?;
            let host = address::host(&from).to_owned();
            let next = answer.header("link").and_then(next_page).and_then(|next| address::redirected(&from, next));
            let mut bytes = Vec::new();
            let why = match answer.body.take(limit + 1).read_to_end(&mut bytes) {
                Ok(count) if count as u64 > limit => {
                    let why = format!("its list is longer than {limit} bytes");
                    return Err(Fault::Broken { host, why });
                }
                Ok(_) => match String::from_utf8(bytes) {
                    Ok(text) => return Ok((text, next)),
                    Err(_) => return Err(Fault::Broken { host, why: "its answer is no text".to_owned() }),
                },
                Err(error) => format!("its answer breaks off: {error}"),
            };
            attempt += 1;
            if attempt >= self.settings.attempts.max(1) {
                return Err(Fault::Broken { host, why });
            }
            self.pause(attempt)?;
        }
    }
}

/// How long a server asks to be left alone: `RateLimit: "resolvers";r=0;t=55`, or `Retry-After: 55`.
fn time_to_wait(answer: &Answer) -> Option<Duration> {
    let limit = answer
        .header("ratelimit")
        .and_then(|limit| limit.split(';').find_map(|part| part.trim().strip_prefix("t=")?.trim().parse::<u64>().ok()));
    limit.or_else(|| answer.number("retry-after")).map(Duration::from_secs)
}

/// The address of the next page: `<https://...>; rel="next"`.
fn next_page(link: &str) -> Option<&str> {
    link.split(',').find_map(|part| {
        let (address, relation) = part.split_once(';')?;
        let is_next = relation.contains("rel=\"next\"") || relation.contains("rel=next");
        address.trim().strip_prefix('<')?.strip_suffix('>').filter(|_| is_next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(headers: &[(&str, &str)]) -> Answer {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Answer { status: 429, headers, body: Box::new(std::io::empty()) }
    }

    #[test]
    fn a_limit_says_how_long_it_lasts() {
        let seconds = |headers: &[(&str, &str)]| time_to_wait(&answer(headers)).map(|time| time.as_secs());
        assert_eq!(seconds(&[("ratelimit", "\"resolvers\";r=0;t=55"), ("retry-after", "7")]), Some(55));
        assert_eq!(seconds(&[("retry-after", " 7 ")]), Some(7));
        assert_eq!(seconds(&[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")]), None);
        assert_eq!(seconds(&[]), None);
    }

    #[test]
    fn pages_name_the_next_one() {
        let link = "<https://h/a?cursor=x>; rel=\"prev\", <https://h/a?cursor=y%3D>; rel=\"next\"";
        assert_eq!(next_page(link), Some("https://h/a?cursor=y%3D"));
        assert_eq!(next_page("<https://h/a>; rel=\"prev\""), None);
    }

    #[test]
    fn a_content_range_is_read() {
        let of = |value| answer(&[("content-range", value)]).content_range();
        assert_eq!(of("bytes 5-9/100"), Some((5, Some(100))));
        assert_eq!(of("bytes 5-9/*"), Some((5, None)));
        for wrong in ["bytes */100", "5-9/100", "bytes x-9/100", ""] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
