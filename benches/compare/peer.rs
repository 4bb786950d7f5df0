//! Who is compared, how each is started, and when it has nothing left to do.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tokio::time::Instant;

use crate::books;
use crate::child::{Process, free_address};
use crate::load::Answers;
use crate::workload::Format;

/// Of the one source.
pub(crate) const TOKEN: &str = "compare";

/// Longest wait for the end of a run: a program that holds must not hold the bench.
const PATIENCE: Duration = Duration::from_mins(2);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A program in one of its ways.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) format: Format,
    kind: Kind,
    /// Of the metrics the others get: who is slow needs no more for a figure.
    pub(crate) share: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tidegate { durability: &'static str, compression: &'static str },
    Vmagent,
    Pushgateway,
}

const fn tidegate(name: &'static str, durability: &'static str, compression: &'static str) -> Peer {
    let kind = Kind::Tidegate { durability, compression };
    Peer { name, format: Format::BetterStack, kind, share: 1.0 }
}

const fn vmagent(name: &'static str, format: Format) -> Peer {
    Peer { name, format, kind: Kind::Vmagent, share: 1.0 }
}

/// Ours, whose cost is compared.
pub(crate) const OURS: &str = "tidegate, fsync, deflate";
/// Theirs, which it is compared with.
pub(crate) const THEIRS: &str = "vmagent, import JSON";

/// Cheaper to read than any JSON; no floor, but no secret either.
pub(crate) const ASIDE: &str = "vmagent, Prometheus text";

/// Everybody.
pub(crate) const PEERS: [Peer; 7] = [
    tidegate(OURS, "fsync", "deflate"),
    vmagent(THEIRS, Format::Import),
    tidegate("tidegate, memory, deflate", "memory", "deflate"),
    vmagent(ASIDE, Format::Text),
    tidegate("tidegate, fsync, not compressed", "fsync", "identity"),
    vmagent("vmagent, Datadog JSON", Format::Datadog),
    Peer {
        name: "pushgateway, text, not forwarding",
        format: Format::Pushed,
        kind: Kind::Pushgateway,
        share: 0.1,
    },
];

/// A peer at work.
pub(crate) struct Running {
    peer: Peer,
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    /// Where it tells of itself.
    books: SocketAddr,
}

impl Peer {
    pub(crate) fn forwards(&self) -> bool {
        self.kind != Kind::Pushgateway
    }

    pub(crate) fn answers(&self) -> Answers {
        if matches!(self.kind, Kind::Tidegate { .. }) { Answers::Empty } else { Answers::Any }
    }

    fn program(&self) -> &'static str {
        match self.kind {
            Kind::Tidegate { .. } => env!("CARGO_BIN_EXE_tidegate"),
            Kind::Vmagent => "vmagent",
            Kind::Pushgateway => "prometheus-pushgateway",
        }
    }

    /// What was built here, or the package and its version; `None` where it is not installed.
    pub(crate) fn version(&self) -> Option<String> {
        let package = match self.kind {
            Kind::Tidegate { .. } => return Some("this build".to_owned()),
            Kind::Vmagent => "victoria-metrics",
            Kind::Pushgateway => "prometheus-pushgateway",
        };
        Command::new(self.program()).arg("--help").stdin(Stdio::null()).output().ok()?;
        let query = ["--show", "--showformat", "${Package} ${Version}", package];
        let said = Command::new("dpkg-query").args(query).output();
        let said = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
        Some(said.unwrap_or_else(|_| "of an unknown version".to_owned()))
    }

    /// Starts it, its data in `directory`, delivering to `sink`.
    pub(crate) fn start(self, directory: &Path, sink: SocketAddr) -> Running {
        let address = free_address();
        let mut command = Command::new(self.program());
        let mut books = address;
        match self.kind {
            Kind::Tidegate { durability, compression } => {
                books = free_address();
                let path = directory.join("tidegate.toml");
                let config = format!(
                    "listen = \"{address}\"\nadmin.listen = \"{books}\"\ndata_dir = \"{}\"\n\
                     [[sources]]\nname = \"compare\"\ntoken = \"{TOKEN}\"\n\
                     [receiver]\nurl = \"http://{sink}/stsAgent/intake\"\napi_key = \"API_KEY\"\n\
                     compression = \"{compression}\"\n\
                     [limits]\nrequests_per_minute = 0\n[queue]\nmax_bytes = \"4GiB\"\ndurability = \"{durability}\"\n",
                    directory.join("data").display()
                );
                let mut file = File::create(&path).expect("the configuration file");
                file.write_all(config.as_bytes()).expect("the configuration is written");
                command.arg("serve").arg("--config").arg(path);
            }
            Kind::Vmagent => {
                command
                    .arg(format!("-remoteWrite.url=http://{sink}/api/v1/write"))
                    .arg(format!("-remoteWrite.tmpDataPath={}", directory.join("data").display()))
                    .arg(format!("-httpListenAddr={address}"))
                    // The last rows of a run wait this long for company: by default a second, which
                    // would be no work and half of its time.
                    .arg("-remoteWrite.flushInterval=100ms")
                    .arg("-loggerLevel=ERROR");
            }
            Kind::Pushgateway => {
                command.arg(format!("--web.listen-address={address}")).arg("--log.level=error");
            }
        }
        let process = Process::start(&command, &directory.join("log"), address);
        Running { peer: self, process, address, books }
    }
}

impl Running {
    /// Waits until the sink has all of so many metrics, by the program's own books.
    pub(crate) fn drained(&self, metrics: u64) {
        let until = Instant::now() + PATIENCE;
        while !self.is_drained(metrics as f64) {
            assert!(
                Instant::now() < until,
                "{} does not drain:\n{}",
                self.peer.name,
                books::get(self.books, "/metrics")
            );
            sleep(LOOK_EVERY);
        }
    }

    fn is_drained(&self, metrics: f64) -> bool {
        if self.peer.kind == Kind::Pushgateway {
            return true;
        }
        let exposed = books::get(self.books, "/metrics");
        let of = |name, label| books::metric(&exposed, name, label);
        // They are compared with whole numbers below 2^53.
        let equal = |one: f64, other: f64| (one - other).abs() < 0.5;
        if self.peer.kind == Kind::Vmagent {
            let blocks = of("vmagent_remotewrite_block_size_rows_count", "");
            return equal(of("vmagent_remotewrite_block_size_rows_sum", ""), metrics)
                && equal(of("vmagent_remotewrite_requests_total", "status_code=\"2XX\""), blocks);
        }
        equal(of("tidegate_delivered_total", ""), metrics) && equal(of("tidegate_queued", ""), 0.0)
    }
}
