//! `[receiver]`, and each of `[[receivers]]`: where tuples go, and how patiently.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

use super::file::Needs;
use super::secret::{self, Given, Keys, Secret};
use super::section::Section;
use super::tls::{self, ClientTls, Peer};
use super::units::quoted;
use crate::queue::{Destination, Sources};

mod proxy;

pub use proxy::Proxy;

/// `[receiver]`, or one of `[[receivers]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// What logs, books and the admin port call it, and what its position and dead letters are kept
    /// under: renamed, it is another receiver, which begins with what comes in from then on. Unique,
    /// `[A-Za-z0-9._-]{1,64}`, the first of them no `.`. `[receiver]` alone is `default` (contract C5.5).
    pub name: Arc<str>,
    /// Whose tuples it gets, by the names of `[[sources]]`, and of jobs of `[[scrape]]` that have no
    /// `source`; those of others count as filtered. Default:
    /// those of every source. Only under `[[receivers]]`.
    pub sources: Sources,
    /// Bytes it may fall behind; beyond that its own waiting tuples expire, oldest first, and are counted,
    /// so that a receiver that is dead never stops the others (contract C5.5). On disk the bytes of the
    /// log between count, tuples that are not for it included, as they stay there for it; with
    /// `queue.durability = "memory"` its own tuples. What is in flight does not expire. Near
    /// `queue.max_bytes` the receivers that hold the most give way also below their bounds, so that no
    /// client is answered 503 for them. 1 MiB to what leaves a sixteenth of `queue.max_bytes` free, and
    /// room for the largest body and two segments; default half of `queue.max_bytes`, or that if it is
    /// less. Below the largest body (`limits.expanded_bytes` and a sixteenth) and 4 MiB for each of
    /// `concurrency` a burst may expire tuples of a receiver that is well. A sole receiver has no such
    /// limit (`None`): when the queue is full, clients are told to wait.
    pub max_backlog_bytes: Option<u64>,
    /// The intake, `http` or `https`, without the key, like
    /// `https://stackstate.example.com/receiver/stsAgent/intake`. No default.
    pub url: String,
    /// The receiver's API key, from `api_key`, `api_key_file` or `api_key_env`. No default.
    pub api_key: Secret,
    /// The file the key was read from (`api_key_file`). It is read again when it changes, so a key can
    /// be replaced without a restart.
    pub api_key_file: Option<PathBuf>,
    /// How the key travels (contract C6.1). Default `query`; `header` where a proxy logs addresses.
    pub auth: ReceiverAuth,
    /// Content-Encoding of deliveries (contract C6.1). Default `deflate`; `identity` to look at
    /// them on the wire.
    pub compression: Compression,
    /// How long a connection may take to come up. 100 ms to 5 min, at most `timeout`; default 10 s, or `timeout` if
    /// that is less.
    pub connect_timeout: Duration,
    /// How long a delivery may take, answer included. 1 s to 1 h; default 30 s.
    pub timeout: Duration,
    /// Most deliveries in flight at once (contract C6.4). How many there are adapts itself: it begins
    /// with one, grows while that helps, and shrinks when the receiver fails or slows down. 1 to 256;
    /// default 16; 1 = one after the other. Each holds up to 4 MiB of tuples and their compressed copy:
    /// lower it to save memory, raise it for a receiver that is far away.
    pub concurrency: usize,
    /// The longest first pause after a failure; it doubles from there (contract C6.2). 1 ms to
    /// `retry_max`; default 200 ms.
    pub retry_min: Duration,
    /// The longest pause between two attempts. `retry_min` to 1 h; default 60 s.
    pub retry_max: Duration,
    /// How often a receiver that refuses everything is asked again (contract C6.2). 1 s to 1 h;
    /// default 30 s.
    pub hold_probe: Duration,
    /// `ca_file`, `cert_file`, `key_file`, `insecure_skip_verify`: for `https:`. The files are read again
    /// within seconds of a change, and what cannot be used leaves the old ones in use.
    pub tls: ClientTls,
    /// The HTTP proxy that deliveries go through, like `http://proxy.example.com:3128`, with
    /// `user:password@` before the host if it asks for that, which never shows; `"off"` for none, whatever
    /// the environment says. Default: whom `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` name. A receiver on
    /// this machine is never reached through one. A proxy before an `https:` receiver sees its host name
    /// and nothing else, before an `http:` one everything, the key included.
    pub proxy: Proxy,
}

/// How the api key travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiverAuth {
    /// `?api_key=`
    Query,
    /// `sts-api-key:`
    Header,
}

/// Content-Encoding of deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// zlib, what StackState's own agents send.
    Deflate,
    /// gzip
    Gzip,
    /// None.
    Identity,
}

impl Compression {
    /// As the setting `compression` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deflate => "deflate",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }
}

const API_KEY: Keys =
    Keys { value: "api_key", file: "api_key_file", env: "api_key_env", sha256: None };

/// Keys of the section that a command without deliveries passes over; those under both names.
pub(super) const KEYS: [&str; 17] = [
    "url",
    "api_key",
    "api_key_file",
    "api_key_env",
    "auth",
    "compression",
    "connect_timeout",
    "timeout",
    "concurrency",
    "retry_min",
    "retry_max",
    "hold_probe",
    "ca_file",
    "cert_file",
    "key_file",
    "insecure_skip_verify",
    "proxy",
];

impl Receiver {
    /// Whom the queue is kept for.
    pub fn destination(&self) -> Destination {
        let (name, sources) = (Arc::clone(&self.name), self.sources.clone());
        Destination { name, sources, max_backlog_bytes: self.max_backlog_bytes }
    }

    /// `None` when it is not needed, or at fault.
    pub(super) fn read(mut section: Section<'_>, destination: Destination) -> Option<Self> {
        if section.needs() != Needs::Everything {
            section.ignore(&KEYS);
            section.finish();
            return None;
        }
        let url = read_url(&mut section);
        let api_key = secret::read(&mut section, API_KEY);
        let receiver = Self::rest(&mut section, destination);
        if let Some(url) = &url {
            receiver.warn_of_no_effect(&section, url);
        }
        section.finish();
        match (url, api_key?) {
            (Some(url), Given::Secret(api_key, api_key_file)) => {
                Some(Self { url: url.into(), api_key, api_key_file, ..receiver })
            }
            _ => None,
        }
    }

    /// Everything that has a default.
    fn rest(section: &mut Section<'_>, destination: Destination) -> Self {
        let (seconds, millis) = (Duration::from_secs, Duration::from_millis);
        let auth = [("query", ReceiverAuth::Query), ("header", ReceiverAuth::Header)];
        let compression = [Compression::Deflate, Compression::Gzip, Compression::Identity]
            .map(|compression| (compression.as_str(), compression));
        let timeout = section.duration("timeout", seconds(30), seconds(1)..=seconds(3600));
        let receiver = Self {
            name: destination.name,
            sources: destination.sources,
            max_backlog_bytes: destination.max_backlog_bytes,
            url: String::new(),
            api_key: Secret::new(String::new()),
            api_key_file: None,
            auth: section.choice("auth", ReceiverAuth::Query, &auth),
            compression: section.choice("compression", Compression::Deflate, &compression),
            connect_timeout: section.duration(
                "connect_timeout",
                seconds(10).min(timeout),
                millis(100)..=seconds(300),
            ),
            timeout,
            concurrency: section.number("concurrency", 16, 1..=256) as usize,
            retry_min: section.duration("retry_min", millis(200), millis(1)..=seconds(3600)),
            retry_max: section.duration("retry_max", seconds(60), millis(1)..=seconds(3600)),
            hold_probe: section.duration("hold_probe", seconds(30), seconds(1)..=seconds(3600)),
            tls: ClientTls::read(section, Peer::Receiver),
            proxy: Proxy::read(section),
        };
        let longer = |shorter: &str, than: &str| {
            let (name, other) = (section.name(shorter), section.name(than));
            section.fault(shorter, format!("`{name}` must not be longer than `{other}`"));
        };
        if receiver.retry_min > receiver.retry_max {
            longer("retry_min", "retry_max");
        }
        if receiver.connect_timeout > receiver.timeout {
            longer("connect_timeout", "timeout");
        }
        receiver
    }

    /// What is written and means nothing for this address.
    fn warn_of_no_effect(&self, section: &Section<'_>, url: &Url) {
        let of = |key: &str| section.name(key);
        if url.scheme() == "http"
            && self.tls != ClientTls::default()
            && let Some(key) = tls::CLIENT_KEYS.iter().find(|key| section.is_written(key))
        {
            section.warn(format!("`{}` has no effect: `{}` is http:", of(key), of("url")));
        }
        if is_loopback(url) && matches!(self.proxy, Proxy::Through { .. }) {
            section.warn(format!(
                "`{}` has no effect: `{}` is on this machine, where no proxy is asked",
                of("proxy"),
                of("url")
            ));
        }
    }
}

/// Whether an address is on this machine, where no proxy can reach it for us.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// A fault never repeats the text: somebody may have put the key or a password into it.
fn read_url(section: &mut Section<'_>) -> Option<Url> {
    let Some((scalar, place)) = section.scalar("url") else {
        section.fault_of_section(format!(
            "`{}` is missing: the StackState intake, like \
             \"https://stackstate.example.com/receiver/stsAgent/intake\"",
            section.name("url")
        ));
        return None;
    };
    let text = scalar.text().ok_or_else(|| "a string in quotes".to_owned());
    match text.and_then(url) {
        Ok(url) => {
            section.show("url", quoted(url.as_str()), place);
            Some(url)
        }
        Err(expected) => {
            section.fault_at(place, format!("`{}` must be {expected}", section.name("url")));
            None
        }
    }
}

fn url(text: &str) -> Result<Url, String> {
    let expected = || "an address like \"http://127.0.0.1:7077/stsAgent/intake\"".to_owned();
    let url = Url::parse(text).map_err(|_| expected())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(expected());
    }
    let without = |what: &str| Err(format!("an address without {what}"));
    if !url.username().is_empty() || url.password().is_some() {
        return without("user name and password");
    }
    if url.query_pairs().any(|(name, _)| name.eq_ignore_ascii_case("api_key")) {
        return without("`api_key`: put the key into `api_key` and tidegate adds it");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return without("a query (`?`) or fragment (`#`)");
    }
    Ok(url)
}
