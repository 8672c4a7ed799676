//! What carries requests: `ureq`, which blocks until an answer comes and follows no redirect by itself.

#[cfg(feature = "hub")]
pub(super) use self::over_ureq::Transport;
#[cfg(not(feature = "hub"))]
pub(super) use self::without::Transport;

#[cfg(feature = "hub")]
mod over_ureq {
    use std::time::Duration;

    use ureq::{
        Agent,
        tls::{PemItem, RootCerts, TlsConfig, parse_pem},
    };

    use super::super::{
        exchange::{Answer, Failure, Request},
        settings::HubSettings,
    };
    use crate::error::{Error, Result};

    /// Headers of an answer that are read at most, in bytes: links to a CDN are long.
    const MAX_HEADERS: usize = 256 << 10;
    /// Bytes that a connection holds ready.
    const INPUT_BUFFER: usize = 256 << 10;

    /// Connections, kept open between requests.
    #[derive(Debug)]
    pub(in super::super) struct Transport {
        agent: Agent,
    }

    impl Transport {
        /// Nothing is opened yet.
        ///
        /// # Errors
        /// The certificates cannot be read.
        pub(in super::super) fn new(settings: &HubSettings) -> Result<Self> {
            let mut config = Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .user_agent(concat!("openmoe-analyze/", env!("CARGO_PKG_VERSION")))
                // A compressed answer has other positions than the file.
                .accept_encoding("identity")
                .max_response_header_size(MAX_HEADERS)
                .input_buffer_size(INPUT_BUFFER)
                .max_idle_connections_per_host(8)
                .timeout_resolve(Some(settings.answer_timeout))
                .timeout_connect(Some(settings.answer_timeout));
            if !settings.proxies {
                config = config.proxy(None);
            }
            if let Some(path) = &settings.certificates {
                let pem = std::fs::read(path).map_err(Error::io("read", path))?;
                let roots = parse_pem(&pem).filter_map(|item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                });
                let roots: Vec<_> = roots.collect();
                if roots.is_empty() {
                    return Err(Error::usage(
                        format!("`{}` holds no certificate; expected a PEM file", path.display()),
                        "correct the variable SSL_CERT_FILE, or unset it",
                    ));
                }
                config = config.tls_config(TlsConfig::builder().root_certs(RootCerts::from(roots)).build());
            }
            Ok(Self { agent: config.build().new_agent() })
        }

        /// Sends one request; an error is a connection that failed.
        pub(in super::super) fn send(&self, request: &Request) -> std::result::Result<Answer, Failure> {
            let address = request.address.as_str();
            let mut builder = if request.head_only { self.agent.head(address) } else { self.agent.get(address) };
            if let Some(range) = &request.range {
                builder = builder.header("range", format!("bytes={}-{}", range.start, range.end - 1));
            }
            if let Some(token) = &request.token {
                builder = builder.header("authorization", format!("Bearer {}", token.secret()));
            }
            let builder = builder
                .config()
                .timeout_recv_response(Some(request.timeout))
                .timeout_per_read(Some(request.timeout))
                .build();
            let answer = builder.call().map_err(|error| failure(&error, request.timeout))?;
            let headers = answer.headers().iter().map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            });
            let (status, headers) = (answer.status().as_u16(), headers.collect());
            Ok(Answer { status, headers, body: Box::new(answer.into_body().into_with_config().reader()) })
        }
    }

    /// Why a connection failed. Addresses are left out: they may be signed.
    fn failure(error: &ureq::Error, timeout: Duration) -> Failure {
        let words = match error {
            ureq::Error::Timeout(_) => format!("no answer within {} s", timeout.as_secs_f64()),
            ureq::Error::HostNotFound => return Failure::Lasting("the host is not known".to_owned()),
            ureq::Error::BadUri(_) => return Failure::Lasting("the address cannot be read".to_owned()),
            ureq::Error::Io(error) => error.to_string(),
            other => other.to_string(),
        };
        // The types that say so are private to the resolver, or those of rustls, which may change with it.
        let is_unknown = words.starts_with("failed to lookup address") && !words.contains("Temporary");
        if is_unknown {
            Failure::Lasting(words)
        } else if words.contains("certificate") {
            Failure::Untrusted(words)
        } else {
            Failure::Passing(words)
        }
    }
}

#[cfg(not(feature = "hub"))]
mod without {
    use super::super::{
        exchange::{Answer, Failure, Request},
        settings::HubSettings,
    };
    use crate::error::{Error, Result};

    /// A program that was built without its client of the hub has none.
    #[derive(Debug)]
    pub(in super::super) enum Transport {}

    impl Transport {
        /// # Errors
        /// Always.
        pub(in super::super) fn new(_: &HubSettings) -> Result<Self> {
            Err(Error::usage(
                "this program was built without the hub: it fetches nothing by name",
                "build it with the feature `hub`, which is on by default, or give the folder of a checkpoint",
            ))
        }

        /// Never called, because there is no such transport.
        pub(in super::super) fn send(&self, _: &Request) -> std::result::Result<Answer, Failure> {
            match *self {}
        }
    }
}
