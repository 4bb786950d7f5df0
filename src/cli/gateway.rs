//! Asking the gateway that runs, through its admin port, for what no file tells.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tokio::runtime;

use crate::config::Admin;
use crate::forward::install_crypto;
use crate::queue::log::LogQueue;
use crate::queue::log::disk::Lock;

/// Longest wait for an answer that is only looked up.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// Most bytes of an answer that are read; the port's own are far smaller.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// A gateway that may be running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gateway {
    admin: SocketAddr,
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
    /// Somebody has the lock, and has not written where it can be asked.
    Starting,
    /// The lock cannot be looked at.
    Unknown { why: String },
    /// Its admin port is off.
    Off,
    /// Nobody is there.
    Silent { admin: SocketAddr, why: String },
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning => f.write_str("no gateway is running on this directory"),
            Self::Starting => {
                f.write_str("whoever works on this directory has not said where to ask")
            }
            Self::Unknown { why } => write!(f, "the lock cannot be looked at: {why}"),
            Self::Off => f.write_str("the admin port is off (`admin.listen`)"),
            Self::Silent { admin, why } => write!(f, "no gateway answers at {admin}: {why}"),
        }
    }
}

impl Gateway {
    /// The one that works on `data_dir`, as it noted in its lock file, else the one that the
    /// configuration would have. Whether it runs shows when it is asked.
    pub(super) fn find(data_dir: &Path, configured: Option<Admin>) -> Result<Self, Absent> {
        let noted = match Lock::read(&LogQueue::lock_file(data_dir)) {
            Ok(Some(text)) => noted_admin(&text),
            // Whoever answered at the configured address would be the gateway of another directory.
            Ok(None) => return Err(Absent::NotRunning),
            Err(error) => return Err(Absent::Unknown { why: error.to_string() }),
        };
        let Admin { listen } = noted.or(configured).ok_or(Absent::Starting)?;
        listen.map(|admin| Self { admin: reachable(admin) }).ok_or(Absent::Off)
    }

    /// What it answers to `GET path` within [`LOOK`].
    pub(super) fn get(self, path: &str) -> Result<Answer, Absent> {
        self.ask(reqwest::Method::GET, path, String::new(), LOOK)
    }

    /// What it answers to `POST path`, within `wait`.
    pub(super) fn post(self, path: &str, body: String, wait: Duration) -> Result<Answer, Absent> {
        self.ask(reqwest::Method::POST, path, body, wait)
    }

    fn ask(
        self,
        method: reqwest::Method,
        path: &str,
        body: String,
        wait: Duration,
    ) -> Result<Answer, Absent> {
        let silent = |why: String| Absent::Silent { admin: self.admin, why };
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| silent(error.to_string()))?;
        let url = format!("http://{}{path}", self.admin);
        let answer = async { tokio::time::timeout(wait, fetch(method, &url, body)).await };
        match runtime.block_on(answer) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) => Err(silent(why)),
            Err(_) => Err(silent(format!("nothing came within {wait:?}"))),
        }
    }
}

/// One exchange. No proxy is asked, nothing is followed: it is the gateway of this machine.
async fn fetch(method: reqwest::Method, url: &str, body: String) -> Result<Answer, String> {
    install_crypto();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .build();
    let request = client.map_err(|error| innermost(&error))?.request(method.clone(), url);
    // The port refuses what any web page could send, and that is everything but this type.
    let request = match method {
        reqwest::Method::POST => request.header("content-type", "application/json").body(body),
        _ => request,
    };
    let mut response = request.send().await.map_err(|error| innermost(&error))?;
    let status = response.status().as_u16();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| innermost(&error))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err("its answer is too long to be one of a gateway".to_owned());
        }
    }
    let body = String::from_utf8(bytes).map_err(|_| "its answer is no text".to_owned())?;
    Ok(Answer { status, body })
}

/// The last cause says what happened; those around it that something was being sent.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// What a lock file says of the admin port, if it says anything: where it is, or that it is off.
fn noted_admin(note: &str) -> Option<Admin> {
    let admin = note.lines().find_map(|line| line.strip_prefix("admin="))?;
    let listen = if admin.is_empty() { None } else { Some(admin.parse().ok()?) };
    Some(Admin { listen })
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
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_note_of_the_lock_beats_the_configuration() {
        let directory = tempfile::tempdir().unwrap();
        let configured = |text: &str| Some(Admin { listen: Some(address(text)) });
        let find = |admin| Gateway::find(directory.path(), admin).map(|gateway| gateway.admin);
        assert_eq!(find(configured("0.0.0.0:9")), Err(Absent::NotRunning));
        let lock = Lock::take(&LogQueue::lock_file(directory.path())).unwrap();
        assert_eq!(find(None), Err(Absent::Starting));
        assert_eq!(find(Some(Admin { listen: None })), Err(Absent::Off));
        assert_eq!(find(configured("0.0.0.0:9")), Ok(address("127.0.0.1:9")));
        for (text, wanted) in [
            ("admin=[::]:8\n", Ok(address("[::1]:8"))),
            ("admin=\n", Err(Absent::Off)),
            // The port is not bound yet; or somebody who has none.
            ("", Ok(address("10.0.0.1:9"))),
            ("admin=nonsense\n", Ok(address("10.0.0.1:9"))),
        ] {
            lock.note(text).unwrap();
            assert_eq!(find(configured("10.0.0.1:9")), wanted, "{text:?}");
        }
        drop(lock);
        assert_eq!(find(None), Err(Absent::NotRunning), "what a dead one noted does not count");
    }

    #[test]
    fn a_port_where_nobody_is_says_so() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let said = Gateway { admin: free }.get("/receivers").unwrap_err().to_string();
        assert!(said.starts_with(&format!("no gateway answers at {free}: ")), "{said}");
        assert!(said.contains("refused"), "{said}");
    }

    #[test]
    fn a_port_that_never_answers_is_not_waited_for_long() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let gateway = Gateway { admin: silent.local_addr().unwrap() };
        let wait = Duration::from_millis(20);
        let said = gateway.post("/x", String::new(), wait).unwrap_err().to_string();
        assert!(said.ends_with("nothing came within 20ms"), "{said}");
    }
}
