//! Where the hub is, where its files are kept, and who asks: the variables that its own clients honour.

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::error::{Error, Result};

/// The hub.
pub(super) const ENDPOINT: &str = "https://huggingface.co";
/// The folder of what only this tool writes.
const OWN: &str = "openmoe-analyze";
/// How long an answer may take, if nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a person is known by at the hub. Neither `Debug` nor a message ever shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token without the spaces around it; `None` if nothing is left.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The token itself, for a header of a request and nothing else.
    #[cfg_attr(not(feature = "hub"), allow(dead_code))]
    pub(super) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(not shown)")
    }
}

/// Where a token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// Nobody is to be known.
    None,
    /// It is given.
    Given(Token),
    /// It is in this file, if there is one.
    File(PathBuf),
}

/// How the hub is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubSettings {
    /// The hub, without a slash at its end.
    pub endpoint: String,
    /// The cache of the hub's clients, which holds `models--OWNER--NAME`.
    pub cache: PathBuf,
    /// What only this tool writes: ranges of files, lists of repositories.
    pub own: PathBuf,
    /// Who asks.
    pub token: TokenSource,
    /// Nothing is asked: what the cache holds has to be enough.
    pub offline: bool,
    /// How long the hub's answer about a file may take, and a connection.
    pub answer_timeout: Duration,
    /// How long the bytes of a file may stay away.
    pub download_timeout: Duration,
    /// Whether bars may be drawn.
    pub bars: bool,
    /// A PEM file of certificates that are trusted in place of those built in.
    pub certificates: Option<PathBuf>,
    /// Whether the proxies of `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` are used.
    pub proxies: bool,
    /// How often a request is tried that meets a broken connection or a fault of the hub.
    pub attempts: u32,
    /// How long to wait before the second attempt; before every further one twice as long.
    pub first_wait: Duration,
}

impl HubSettings {
    /// The settings of a cache at this place, without a token.
    pub fn at(cache: impl Into<PathBuf>) -> Self {
        let cache = cache.into();
        // Beside the folder of the hub's clients, who list what is inside.
        let own = cache.parent().unwrap_or(Path::new("")).join(OWN);
        Self {
            endpoint: ENDPOINT.to_owned(),
            cache,
            own,
            token: TokenSource::None,
            offline: false,
            answer_timeout: TIMEOUT,
            download_timeout: TIMEOUT,
            bars: true,
            certificates: None,
            proxies: true,
            attempts: 5,
            first_wait: Duration::from_millis(500),
        }
    }

    /// The settings by the variables of the environment, which `variable` looks up, and the home folder. A variable that is empty
    /// counts as one that is not set.
    ///
    /// # Errors
    /// [`Error::Usage`] for a value that cannot be meant, or if no variable says where the cache is and there is no home folder.
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>, home: Option<&Path>) -> Result<Self> {
        let variables = Variables { variable, home };
        let main = variables.path("HF_HOME").or_else(|| Some(variables.path("XDG_CACHE_HOME")?.join("huggingface")));
        let main = main.or_else(|| Some(home?.join(".cache/huggingface")));
        let given = variables.path("HF_HUB_CACHE").or_else(|| variables.path("HUGGINGFACE_HUB_CACHE"));
        // Where only this folder was named, what is beside it is none of ours.
        let is_alone = given.is_some() && variables.path("HF_HOME").is_none();
        let cache = given.or_else(|| Some(main.as_ref()?.join("hub"))).ok_or_else(|| {
            Error::usage(
                "no variable says where the cache of the hub is, and there is no home folder",
                "set HF_HUB_CACHE to a folder",
            )
        })?;
        let settings = Self::at(cache);
        let own = if is_alone && !settings.own.is_dir() { settings.cache.join(OWN) } else { settings.own.clone() };
        Ok(Self {
            own,
            endpoint: variables.endpoint()?,
            token: variables.token(main.as_deref()),
            offline: variables.is_on("HF_HUB_OFFLINE") || variables.is_on("TRANSFORMERS_OFFLINE"),
            answer_timeout: variables.seconds("HF_HUB_ETAG_TIMEOUT")?,
            download_timeout: variables.seconds("HF_HUB_DOWNLOAD_TIMEOUT")?,
            bars: !variables.is_on("HF_HUB_DISABLE_PROGRESS_BARS"),
            certificates: variables.path("SSL_CERT_FILE").or_else(|| variables.path("REQUESTS_CA_BUNDLE")),
            ..settings
        })
    }

    /// The token, if there is one.
    ///
    /// # Errors
    /// [`Error::Io`] if the file of the token is there and cannot be read.
    pub(super) fn read_token(&self) -> Result<Option<Token>> {
        match &self.token {
            TokenSource::None => Ok(None),
            TokenSource::Given(token) => Ok(Some(token.clone())),
            TokenSource::File(path) => match std::fs::read_to_string(path) {
                Ok(text) => Ok(Token::new(&text)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(Error::io("read", path)(error)),
            },
        }
    }
}

/// The variables, as they are looked up.
struct Variables<'h, F> {
    variable: F,
    home: Option<&'h Path>,
}

impl<F: Fn(&str) -> Option<OsString>> Variables<'_, F> {
    fn raw(&self, name: &str) -> Option<OsString> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    fn text(&self, name: &str) -> Option<String> {
        Some(self.raw(name)?.to_string_lossy().trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A path, in which `~` is the home folder.
    fn path(&self, name: &str) -> Option<PathBuf> {
        let path = PathBuf::from(self.raw(name)?);
        match (path.strip_prefix("~"), self.home) {
            (Ok(below), Some(home)) => Some(home.join(below)),
            _ => Some(path),
        }
    }

    fn is_on(&self, name: &str) -> bool {
        self.text(name).is_some_and(|value| ["1", "on", "yes", "true"].contains(&value.to_lowercase().as_str()))
    }

    fn seconds(&self, name: &str) -> Result<Duration> {
        let Some(value) = self.text(name) else { return Ok(TIMEOUT) };
        let seconds = value.parse::<f64>().ok().filter(|seconds| (0.1..=86_400.0).contains(seconds));
        seconds.map(Duration::from_secs_f64).ok_or_else(|| {
            Error::usage(
                format!("the variable {name} is `{value}`; expected seconds from 0.1 to 86400"),
                "correct the variable, or unset it: without it the limit is 10 s",
            )
        })
    }

    fn endpoint(&self) -> Result<String> {
        let Some(value) = self.text("HF_ENDPOINT") else { return Ok(ENDPOINT.to_owned()) };
        let endpoint = value.trim_end_matches('/');
        let host = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
        let is_host = |host: &str| !host.is_empty() && host.chars().all(|c| c.is_ascii_graphic() && !"@?#".contains(c));
        if host.is_some_and(is_host) {
            return Ok(endpoint.to_owned());
        }
        Err(Error::usage(
            // A name and a password before the host are not shown.
            format!("the variable HF_ENDPOINT is `{}`; expected an address such as {ENDPOINT}", after_login(&value)),
            "correct the variable, or unset it",
        ))
    }

    fn token(&self, main: Option<&Path>) -> TokenSource {
        if self.is_on("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
            return TokenSource::None;
        }
        let given = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"].into_iter().find_map(|name| Token::new(&self.text(name)?));
        let file = || self.path("HF_TOKEN_PATH").or_else(|| Some(main?.join("token")));
        given.map(TokenSource::Given).or_else(|| file().map(TokenSource::File)).unwrap_or(TokenSource::None)
    }
}

/// What follows the name and the password of an address.
fn after_login(address: &str) -> &str {
    address.rsplit('@').next().unwrap_or(address)
}

#[cfg(test)]
mod tests;
