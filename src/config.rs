//! The effective settings: valid by construction, every option decided (contract C8).
//!
//! Two steps lead here. `file` holds what was written, the TOML text and the `TIDEGATE_*`
//! variables over it; each section's module reads its values out of that, notes every fault with
//! its line, and builds a struct without options left. `fixtures/config/full.toml` shows every key.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

mod admin;
mod auth;
mod dead_letters;
mod file;
mod http;
mod limits;
mod log;
mod names;
mod policy;
mod problem;
mod queue;
mod receiver;
mod receivers;
mod reload;
mod scalar;
mod scrape;
mod secret;
mod section;
mod settings;
mod shutdown;
mod source;
mod suggest;
mod tls;
mod units;
mod unknown;
mod values;

pub use admin::Admin;
pub use auth::Auth;
pub use dead_letters::DeadLetters;
pub use file::{Environment, Needs, Setting};
pub use http::{HELP_URL, Http};
pub use limits::Limits;
pub use log::{Log, LogFormat};
pub use problem::{Place, Problem, Problems};
pub use queue::Queue;
pub(crate) use receiver::is_loopback;
pub use receiver::{Compression, Proxy, Receiver, ReceiverAuth};
pub use reload::Reload;
pub(crate) use scrape::{
    LABELS_MAX as SCRAPE_LABELS_MAX, address as scrape_address, check_label as check_scrape_label,
    instance as scrape_instance, labels_of_target,
};
pub use scrape::{Scheme, Scrape};
pub use secret::Secret;
pub(crate) use secret::{load as load_secret, usable as usable_secret};
pub use settings::Settings;
pub use shutdown::Shutdown;
pub use source::{Expiring, OverSeries, Source, SourceLimits, Token, expiring};
pub(crate) use suggest::closest;
pub use tls::{ClientAuth, ClientTls, IdentityFiles, ServerTls, TlsFault, Verify};
pub(crate) use tls::{Credentials, provider as tls_provider};
pub(crate) use units::size_text;

use crate::normalize::Policy;
use crate::queue::Destination;
use file::{File, Outcome};
use receivers::{Receivers, Room};
use section::Section;

/// Everything `serve` needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients send to: an IP address and port; port 0 takes a free one. Default
    /// `127.0.0.1:8080`; `0.0.0.0:8080` or `[::]:8080` for clients on other machines.
    pub listen: SocketAddr,
    /// Where the durable queue lives: its files in `queue/`, and `lock`, which the one process that
    /// uses the directory holds; a second one is refused (contract C5.6). Relative to the working
    /// directory, created when missing. Default `./tidegate-data`. It belongs on a local disk: network
    /// file systems do not keep what a sync or a lock promises. Nothing is written there while
    /// `queue.durability` is `memory`, save for dead letters.
    pub data_dir: PathBuf,
    /// The gateway's own host name: the host of tuples that name none (contract C4.5) and
    /// `internalHostname` of deliveries. Default: what `uname -n` prints.
    pub hostname: String,
    /// Tags whose value names the host of a tuple, the first that is there wins (contract C4.5).
    /// Default `host`, `hostname`; an empty list turns this off.
    pub hostname_tags: Vec<String>,
    /// `[tls]`: of the port that clients send to. Default: none, it speaks HTTP in clear.
    pub tls: Option<ServerTls>,
    /// `[admin]`
    pub admin: Admin,
    /// Who may send; at least one, unless something is scraped.
    pub sources: Vec<Source>,
    /// What is fetched; mostly nothing.
    pub scrapes: Vec<Scrape>,
    /// Where tuples go, `[receiver]` or `[[receivers]]`; at least one, names unique.
    pub receivers: Vec<Receiver>,
    /// `[dead_letters]`
    pub dead_letters: DeadLetters,
    /// `[auth]`
    pub auth: Auth,
    /// `[http]`
    pub http: Http,
    /// `[limits]`
    pub limits: Limits,
    /// `[time]`, `[stackstate]`, `[reserved_names]`
    pub policy: Arc<Policy>,
    /// `[queue]`
    pub queue: Queue,
    /// `[shutdown]`
    pub shutdown: Shutdown,
    /// `[log]`
    pub log: Log,
    /// `[reload]`
    pub reload: Reload,
}

/// A configuration, and what there is to say about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// What is allowed and probably not meant.
    pub warnings: Vec<String>,
    /// The settings as text.
    pub settings: Settings,
    /// Files that it names and whose contents are part of it.
    pub files: Vec<PathBuf>,
}

/// What `convert` and `test` need of a configuration; no secret is in it.
#[derive(Clone, Debug)]
pub struct Shaping {
    /// How tuples are shaped.
    pub policy: Arc<Policy>,
    /// Sources with their host names and tags; their tokens were not read.
    pub sources: Vec<Source>,
    /// `[auth]`
    pub auth: Auth,
    /// `[http]`
    pub http: Http,
    /// `[limits]`
    pub limits: Limits,
}

/// What `queue` and `dead-letters` commands need of a configuration; no secret is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Where the durable queue lives.
    pub data_dir: PathBuf,
    /// The destinations it is kept for (contract C5.5); `default` where no receiver is configured.
    pub receivers: Vec<Destination>,
    /// `[queue]`
    pub queue: Queue,
    /// `[dead_letters]`
    pub dead_letters: DeadLetters,
    /// `[admin]`: where a running gateway can be asked.
    pub admin: Admin,
}

/// Reads a whole configuration. `origin` is what faults call the file.
pub fn load(origin: &str, text: &str, environment: &Environment) -> Result<Loaded, Problems> {
    let (parts, outcome) = read(origin, text, environment, Needs::Everything)?;
    let Outcome { warnings, settings, known, files, .. } = outcome;
    if parts.receivers.list.is_empty() {
        // Reading notes a fault for every receiver it does not return.
        return Err(Problems::of_file(origin, "no usable [receiver]".to_owned()));
    }
    let config = Config {
        listen: parts.listen,
        data_dir: parts.data_dir,
        hostname: parts.hostname,
        hostname_tags: parts.hostname_tags,
        tls: parts.tls,
        admin: parts.admin,
        sources: parts.sources,
        scrapes: parts.scrapes,
        receivers: parts.receivers.list,
        dead_letters: parts.dead_letters,
        auth: parts.auth,
        http: parts.http,
        limits: parts.limits,
        policy: Arc::new(parts.policy),
        queue: parts.queue,
        shutdown: parts.shutdown,
        log: parts.log,
        reload: parts.reload,
    };
    Ok(Loaded { config, warnings, settings: Settings::new(settings, known), files })
}

/// Reads what shapes tuples; no secret is looked at and nothing else has to be there.
pub fn load_shaping(
    origin: &str,
    text: &str,
    environment: &Environment,
) -> Result<Shaping, Problems> {
    let (parts, _) = read(origin, text, environment, Needs::NoSecrets)?;
    let Parts { policy, sources, auth, http, limits, .. } = parts;
    Ok(Shaping { policy: Arc::new(policy), sources, auth, http, limits })
}

/// Reads where the queue is kept and for whom; no secret is looked at and nothing else has to be
/// there, so that somebody who may only read the queue can.
pub fn load_storage(
    origin: &str,
    text: &str,
    environment: &Environment,
) -> Result<Storage, Problems> {
    let (parts, _) = read(origin, text, environment, Needs::NoSecrets)?;
    Ok(Storage {
        data_dir: parts.data_dir,
        receivers: parts.receivers.destinations,
        queue: parts.queue,
        dead_letters: parts.dead_letters,
        admin: parts.admin,
    })
}

/// What was read, before it is known to be complete.
struct Parts {
    listen: SocketAddr,
    data_dir: PathBuf,
    hostname: String,
    hostname_tags: Vec<String>,
    tls: Option<ServerTls>,
    admin: Admin,
    sources: Vec<Source>,
    scrapes: Vec<Scrape>,
    receivers: Receivers,
    dead_letters: DeadLetters,
    auth: Auth,
    http: Http,
    limits: Limits,
    policy: Policy,
    queue: Queue,
    shutdown: Shutdown,
    log: Log,
    reload: Reload,
}

fn read(
    origin: &str,
    text: &str,
    environment: &Environment,
    needs: Needs,
) -> Result<(Parts, Outcome), Problems> {
    let file = File::parse(origin, text, environment, needs)?;
    let parts = Parts::read(file.top());
    let outcome = file.finish();
    if outcome.problems.is_empty() {
        return Ok((parts, outcome));
    }
    Err(Problems { files: outcome.files, ..Problems::new(origin, outcome.problems) })
}

impl Parts {
    /// The order here is the order in which `check-config` prints.
    fn read(mut top: Section<'_>) -> Self {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 8080));
        let listen = top.parsed("listen", loopback, SocketAddr::to_string, address);
        let data_dir = top.parsed("data_dir", "./tidegate-data".to_owned(), String::clone, path);
        let nodename = Some(top.nodename()).filter(|name| hostname(name).is_ok());
        let own = nodename.unwrap_or("localhost").to_owned();
        let hostname = top.parsed("hostname", own, String::clone, hostname);
        let tags = vec!["host".to_owned(), "hostname".to_owned()];
        let hostname_tags = top.list("hostname_tags", tags, String::clone, tag_key);
        let tls = read_tls(top.section("tls"));
        let admin = Admin::read(top.section("admin"));
        let (sources, mut names) = source::read_all(&mut top);
        let scrapes = scrape::read_all(&mut top, &sources, &mut names);
        let auth = Auth::read(top.section("auth"));
        let http = Http::read(top.section("http"));
        let limits = Limits::read(top.section("limits"));
        source::warn_of_late_exemption(&top, &sources, &limits);
        let policy = policy::read(&mut top, &hostname, &hostname_tags, limits.expanded_bytes);
        let queue = Queue::read(top.section("queue"), limits.expanded_bytes);
        let room = Room::of(&queue, limits.expanded_bytes);
        let receivers = Receivers::read(&mut top, &names, room);
        let dead_letters = DeadLetters::read(top.section("dead_letters"));
        let shutdown = Shutdown::read(top.section("shutdown"));
        let log = Log::read(top.section("log"));
        let reload = Reload::read(top.section("reload"));
        top.finish();
        Self {
            listen,
            data_dir: data_dir.into(),
            hostname,
            hostname_tags,
            tls,
            admin,
            sources,
            scrapes,
            receivers,
            dead_letters,
            auth,
            http,
            limits,
            policy,
            queue,
            shutdown,
            log,
            reload,
        }
    }
}

/// `[tls]`; commands that serve nobody have no use for it.
fn read_tls(mut section: Section<'_>) -> Option<ServerTls> {
    let tls = if section.needs() == Needs::Everything {
        ServerTls::read(&mut section)
    } else {
        section.ignore(&tls::SERVER_KEYS);
        None
    };
    section.finish();
    tls
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.trim().parse().map_err(|_| {
        "an IP address with a port, like \"127.0.0.1:8080\", or \"0.0.0.0:8080\" for all of this \
         machine's"
            .to_owned()
    })
}

fn path(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("the path of a directory".to_owned()) } else { Ok(text.to_owned()) }
}

/// A host name as tuples carry it; StackState takes any text, so only what cannot be one is refused.
fn hostname(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 255 || text.chars().any(char::is_control) {
        return Err("1 to 255 bytes without control characters".to_owned());
    }
    Ok(text.to_owned())
}

fn tag_key(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 255 {
        return Err("a tag key of 1 to 255 bytes".to_owned());
    }
    Ok(text.to_owned())
}
