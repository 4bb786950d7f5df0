//! Asking the gateway that runs, through its admin port, for what no file tells.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use rustls::{AlertDescription, Error as TlsError};
use tokio::runtime;

use super::place::Place;
use super::words;
use crate::app::{ADMIN_READ_TIMEOUT, whose};
use crate::causes::tls_error;
use crate::config::Admin;
use crate::forward::install_crypto;
use crate::queue::log::LogQueue;
use crate::queue::log::disk::Lock;
use crate::tls::pinned;

/// Longest wait for an answer that is only looked up.
const LOOK: Duration = Duration::from_secs(4);
// A disk that hangs is what it would tell of, after that time.
const _: () = assert!(LOOK.as_millis() >= 2 * ADMIN_READ_TIMEOUT.as_millis());

/// Most bytes of an answer that are read; the port's own are far smaller.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// The status of a gateway that works on another directory.
const MISDIRECTED: u16 = 421;

/// A gateway that may be running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gateway {
    admin: SocketAddr,
    /// Where the certificate lies that its admin port shows; `None` for one in clear.
    certificate: Option<PathBuf>,
    /// The data directory that is meant, as [`whose::name_of`] has it; `None` where an address was given,
    /// and whoever is there is meant.
    directory: Option<String>,
}

/// What it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// Why it was not asked, or did not answer; a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// Nobody has the lock of the directory.
    NotRunning,
    /// Somebody has the lock, and has not written where to ask: a gateway that is starting or recovers,
    /// or a command.
    Mute { holder: String },
    /// The lock cannot be looked at.
    Unknown { why: String },
    /// Its admin port is off.
    Off,
    /// Nobody is there.
    Unreachable { admin: SocketAddr, why: String },
    /// Somebody is there, and what was asked may have reached them.
    Silent { admin: SocketAddr, why: String },
    /// It is the gateway of another directory, by its own words.
    Stranger { admin: SocketAddr, says: String },
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning => f.write_str("no gateway is running on this directory"),
            Self::Mute { holder } => {
                write!(
                    f,
                    "process {holder} holds the lock of the directory and has no admin port, or not yet"
                )
            }
            Self::Unknown { why } => write!(f, "the lock cannot be looked at: {why}"),
            Self::Off => f.write_str("the admin port is off (`admin.listen`)"),
            Self::Unreachable { admin, why } | Self::Silent { admin, why } => {
                write!(f, "no gateway answers at {admin}: {why}")
            }
            Self::Stranger { admin, says } => write!(f, "{admin} answers: {says}"),
        }
    }
}

impl Absent {
    fn silent(admin: SocketAddr, wait: Duration) -> Self {
        Self::Silent { admin, why: format!("nothing came within {wait:?}") }
    }
}

impl Gateway {
    /// The one that works on the data directory, as it noted in its lock file. One whose queue is in
    /// memory notes nothing, and has no lock before its first dead letter: it is where the configuration
    /// has it. Whether it runs, and on this directory, shows when it is asked.
    pub(super) fn find(place: &Place) -> Result<Self, Absent> {
        let unknown = |error: io::Error| Absent::Unknown { why: error.to_string() };
        let held = Lock::read(&LogQueue::lock_file(&place.data_dir)).map_err(unknown)?;
        let noted = held.as_deref().and_then(noted_admin);
        let (listen, certificate) = match (noted, place.admin_in_memory(), held) {
            (Some(noted), _, _) => noted,
            (None, Some(Admin { listen, tls, .. }), _) => (listen, tls.map(|tls| tls.cert_file)),
            (None, None, Some(text)) => {
                let holder = text.lines().next().unwrap_or_default().to_owned();
                return Err(Absent::Mute { holder });
            }
            // Whoever answered at the configured address would be the gateway of another directory.
            (None, None, None) => return Err(Absent::NotRunning),
        };
        let admin = reachable(listen.ok_or(Absent::Off)?);
        let directory = whose::name_of(&place.data_dir).map_err(unknown)?;
        Ok(Self { admin, certificate, directory: Some(directory) })
    }

    /// Whoever has an admin port at `HOST:PORT` or `http://HOST:PORT`; an error says what is wrong with that.
    pub(super) fn at(address: &str) -> Result<Self, String> {
        if address.starts_with("https://") {
            // Whom to believe there, the data directory tells and an address does not.
            return Err(format!(
                "{address:?} speaks TLS, which is spoken to the gateway of a data directory alone: name that"
            ));
        }
        let plain = address.strip_prefix("http://").unwrap_or(address).trim_end_matches('/');
        let found = plain.to_socket_addrs().map_err(|error| {
            format!("{address:?} is not the address of an admin port, like http://127.0.0.1:8081: {error}")
        })?;
        let first = found.into_iter().next();
        let admin = first.ok_or_else(|| format!("{address:?} has no address"))?;
        Ok(Self { admin, certificate: None, directory: None })
    }

    /// Where it is asked.
    pub(super) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// What it answers to `GET path` within [`LOOK`].
    pub(super) fn get(&self, path: &str) -> Result<Answer, Absent> {
        self.ask(reqwest::Method::GET, path, String::new(), LOOK)
    }

    /// What it answers to `POST path`, within `wait`.
    pub(super) fn post(&self, path: &str, body: String, wait: Duration) -> Result<Answer, Absent> {
        self.ask(reqwest::Method::POST, path, body, wait)
    }

    fn ask(
        &self,
        method: reqwest::Method,
        path: &str,
        body: String,
        wait: Duration,
    ) -> Result<Answer, Absent> {
        let admin = self.admin;
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| Absent::Unreachable { admin, why: error.to_string() })?;
        let answer = async { tokio::time::timeout(wait, self.fetch(method, path, body)).await };
        match runtime.block_on(answer) {
            Ok(Ok(Answer { status: MISDIRECTED, body })) => {
                Err(Absent::Stranger { admin, says: words::plain(&body) })
            }
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(broken)) => Err(broken.at(admin)),
            Err(_) => Err(Absent::silent(admin, wait)),
        }
    }

    /// One exchange. No proxy is asked, nothing is followed: it is the gateway of this machine.
    async fn fetch(
        &self,
        method: reqwest::Method,
        path: &str,
        body: String,
    ) -> Result<Answer, Broken> {
        let request = self.request(method.clone(), path)?;
        // The port refuses what any web page could send, and that is everything but this type.
        let request = match method {
            reqwest::Method::POST => request.header("content-type", "application/json").body(body),
            _ => request,
        };
        Self::whole(request.send().await?).await
    }

    /// A request to it, still without a body.
    fn request(
        &self,
        method: reqwest::Method,
        path: &str,
    ) -> Result<reqwest::RequestBuilder, Broken> {
        install_crypto();
        let builder =
            reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let (scheme, client) = match &self.certificate {
            None => ("http", builder.tls_certs_only([]).build()?),
            Some(path) => {
                let tls = pinned(path).map_err(|why| Broken { is_unreached: true, why })?;
                ("https", builder.tls_backend_preconfigured(tls).build()?)
            }
        };
        let request = client.request(method, format!("{scheme}://{}{path}", self.admin));
        Ok(match &self.directory {
            Some(directory) => request.header(whose::HEADER, directory),
            None => request,
        })
    }

    /// The beginning of an answer to `GET path` that goes on; `Ok(Err(..))` is one of another status than
    /// 200, to its end.
    pub(super) async fn listen(
        &self,
        path: &str,
    ) -> Result<Result<reqwest::Response, Answer>, Absent> {
        let exchange = async {
            let response = self.request(reqwest::Method::GET, path)?.send().await?;
            if response.status().as_u16() == 200 {
                return Ok(Ok(response));
            }
            Ok::<_, Broken>(Err(Self::whole(response).await?))
        };
        let admin = self.admin;
        match tokio::time::timeout(LOOK, exchange).await {
            Ok(Ok(Err(Answer { status: MISDIRECTED, body }))) => {
                Err(Absent::Stranger { admin, says: words::plain(&body) })
            }
            Ok(Ok(begun)) => Ok(begun),
            Ok(Err(broken)) => Err(broken.at(admin)),
            Err(_) => Err(Absent::silent(admin, LOOK)),
        }
    }

    async fn whole(mut response: reqwest::Response) -> Result<Answer, Broken> {
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ANSWER_BYTES_MAX {
                return Err(Broken::strange("its answer is too long to be one of a gateway"));
            }
        }
        let body =
            String::from_utf8(bytes).map_err(|_| Broken::strange("its answer is no text"))?;
        Ok(Answer { status, body })
    }
}

/// An exchange that came to nothing.
struct Broken {
    /// Whether nothing of it can have arrived.
    is_unreached: bool,
    why: String,
}

impl Broken {
    fn strange(why: &str) -> Self {
        Self { is_unreached: false, why: why.to_owned() }
    }

    fn at(self, admin: SocketAddr) -> Absent {
        match self {
            Self { is_unreached: true, why } => Absent::Unreachable { admin, why },
            Self { why, .. } => Absent::Silent { admin, why },
        }
    }
}

impl From<reqwest::Error> for Broken {
    fn from(error: reqwest::Error) -> Self {
        Self { is_unreached: error.is_connect() || error.is_builder(), why: innermost(&error) }
    }
}

/// The last cause says what happened; those around it that something was being sent.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    match tls_error(error) {
        Some(TlsError::AlertReceived(AlertDescription::CertificateRequired)) => {
            "it asks for a client certificate, which commands have not: use `curl --cert FILE --key FILE`, \
             or set `admin.client_auth = \"optional\"`"
                .to_owned()
        }
        Some(TlsError::InvalidCertificate(_)) => {
            "its certificate is not the one in the file it was started with (`admin.cert_file`)"
                .to_owned()
        }
        _ => cause.to_string(),
    }
}

/// What a lock file says of the admin port, if it says anything: where it is, or that it is off; and where
/// its certificate lies, if it has one.
fn noted_admin(note: &str) -> Option<(Option<SocketAddr>, Option<PathBuf>)> {
    let admin = note.lines().find_map(|line| line.strip_prefix("admin="))?;
    let listen = if admin.is_empty() { None } else { Some(admin.parse().ok()?) };
    let certificate = note.lines().find_map(|line| line.strip_prefix("admin_cert="));
    Some((listen, certificate.map(PathBuf::from)))
}

/// Where somebody who listens everywhere can be reached from here.
pub(super) fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other.ip(),
    };
    SocketAddr::new(ip, addr.port())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{self, Environment, Storage};
    use crate::queue::Durability;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// A directory, configured with this admin port unless it is `None`.
    fn place(data_dir: &Path, durability: Durability, admin: Option<Admin>) -> Place {
        let text = format!("queue.durability = \"{}\"", durability.as_str());
        let storage = config::load_storage("x", &text, &Environment::default()).unwrap();
        let storage = admin.map(|admin| Storage { admin, ..storage });
        Place { data_dir: data_dir.to_owned(), configured: None, storage }
    }

    #[test]
    fn the_note_of_the_lock_says_where_to_ask_and_the_configuration_only_for_a_queue_in_memory() {
        let directory = tempfile::tempdir().unwrap();
        let find = |durability, listen: Option<&str>| {
            let admin = listen.map(|text| Admin {
                listen: text.parse().ok(),
                tls: None,
                allowed_hosts: Vec::new(),
            });
            let found = Gateway::find(&place(directory.path(), durability, admin));
            found.map(|gateway| gateway.admin)
        };
        let (fsync, memory) = (Durability::Fsync, Durability::Memory);
        let here = Some("0.0.0.0:9");
        assert_eq!(find(fsync, here), Err(Absent::NotRunning));
        // It takes the lock with its first dead letter.
        assert_eq!(find(memory, here), Ok(address("127.0.0.1:9")));
        assert_eq!(find(memory, Some("off")), Err(Absent::Off));
        let lock = Lock::take(&LogQueue::lock_file(directory.path())).unwrap();
        let mute = || Err(Absent::Mute { holder: std::process::id().to_string() });
        for (text, unnoted, wanted) in [
            ("admin=[::]:8\n", false, Ok(address("[::1]:8"))),
            ("admin=\n", false, Err(Absent::Off)),
            // A gateway that recovers, or a command; the configured address may be somebody else's.
            ("", true, mute()),
            ("admin=nonsense\n", true, mute()),
        ] {
            lock.note(text).unwrap();
            assert_eq!(find(fsync, here), wanted, "{text:?}");
            assert_eq!(find(fsync, None), wanted, "{text:?}");
            let in_memory = if unnoted { Ok(address("127.0.0.1:9")) } else { wanted };
            assert_eq!(find(memory, here), in_memory, "{text:?}");
        }
        drop(lock);
        assert_eq!(find(fsync, None), Err(Absent::NotRunning), "what a dead one noted is nothing");
    }

    fn gateway(admin: SocketAddr) -> Gateway {
        Gateway { admin, certificate: None, directory: Some("1:2".to_owned()) }
    }

    #[test]
    fn a_port_where_nobody_is_says_so() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let absent = gateway(free).get("/receivers").unwrap_err();
        assert!(matches!(absent, Absent::Unreachable { .. }), "nothing can have arrived");
        let said = absent.to_string();
        assert!(said.starts_with(&format!("no gateway answers at {free}: ")), "{said}");
        assert!(said.contains("refused"), "{said}");
    }

    #[test]
    fn a_port_that_never_answers_is_not_waited_for_long() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let gateway = gateway(silent.local_addr().unwrap());
        let wait = Duration::from_millis(20);
        let absent = gateway.post("/x", String::new(), wait).unwrap_err();
        assert!(matches!(absent, Absent::Silent { .. }), "it may have arrived");
        let said = absent.to_string();
        assert!(said.ends_with("nothing came within 20ms"), "{said}");
    }
}
