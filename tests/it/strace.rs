//! The kernel's word for it: no 202 leaves before a sync that began after its request was read and its
//! records were written (contract C5.1). Seen by strace, from outside.

use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::task::JoinSet;

use super::support::endure::client::{Connection, Format, Shape};
use super::support::endure::config;
use super::support::endure::gateway::Gateway;
use super::support::endure::place;
use super::support::endure::receiver::Receiver;
use super::support::endure::script::{Act, Script};
use super::support::endure::tally::{Fate, Tally};

mod log;

use log::Log;

const CLIENTS: u64 = 6;
const REQUESTS: u64 = 20;

/// Everything that reads, writes or syncs, and what creates a file.
const CALLS: &str = "trace=openat,read,recvfrom,recvmsg,readv,write,sendto,sendmsg,writev,\
                     pwrite64,pwritev,pwritev2,fdatasync,fsync";

/// Where strace is, if it is there and may trace.
pub(crate) fn strace() -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|directory| directory.join("strace"));
    let found = found.find(|program| program.is_file());
    let works = |program: &OsStr| {
        let mut command = Command::new(program);
        command.args(["-o", "/dev/null", "true"]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let found = found.filter(|program| works(program.as_os_str()));
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "CI needs strace, and the right to trace");
        println!("skipped, there is no strace here, or it may not trace");
    }
    found.map(|program| program.display().to_string())
}

/// A gateway under strace.
struct Traced {
    directory: TempDir,
    gateway: Gateway,
    tally: Arc<Tally>,
    _receiver: Receiver,
}

impl Traced {
    /// The tracer is a child of the traced process, so that signals reach the gateway itself.
    async fn start(strace: String, queue: &str) -> Self {
        let directory = place::on_a_disk();
        let tally = Arc::new(Tally::new());
        let script = Arc::new(Script::fixed(Act::Take(200)));
        let receiver = Receiver::start(script, Arc::clone(&tally)).await;
        let log = directory.path().join("strace.log").display().to_string();
        let wrapper = [&strace, "-D", "-f", "-yy", "-s", "2000000", "-e", CALLS, "-o", &log];
        let gateway = Gateway::new(directory.path(), &config(&receiver, queue));
        let mut gateway = gateway.through(wrapper.map(ToOwned::to_owned).to_vec());
        gateway.start().await;
        Self { directory, gateway, tally, _receiver: receiver }
    }

    /// Several clients at once, each with requests of several sizes; their sizes by their numbers.
    async fn send(&self) -> Vec<(u64, u16)> {
        let mut clients = JoinSet::new();
        let address = self.gateway.ready().await.ingest;
        for client in 0..CLIENTS {
            let tally = Arc::clone(&self.tally);
            clients.spawn(async move {
                let mut connection = Connection::open(address).await.unwrap();
                let mut sent = Vec::new();
                for nth in 0..REQUESTS {
                    // Now and then a large one, so that there is more than one segment.
                    let (metrics, paddings) = if nth % 7 == client { (90, 1) } else { (2, 0) };
                    let shape = Shape { metrics, paddings, format: Format::Array };
                    let (number, fate) = connection.exchange_numbered(&tally, shape).await;
                    assert_eq!(fate, Fate::Acknowledged);
                    sent.push((number, metrics));
                }
                sent
            });
        }
        clients.join_all().await.concat()
    }

    /// Ends it and reads what it did.
    async fn log(mut self) -> Log {
        assert!(self.gateway.stop().await.success(), "{}", self.gateway.log());
        let text = fs::read(self.directory.path().join("strace.log")).unwrap();
        Log::parse(&String::from_utf8_lossy(&text))
    }
}

/// The names of its first and its last metric.
fn ids((number, metrics): (u64, u16)) -> [String; 2] {
    [0, metrics - 1].map(|place| Tally::id(number, place).0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_202_is_written_before_a_sync_that_began_after_its_request_was_read() {
    let Some(strace) = strace() else { return };
    let traced = Traced::start(strace, "segment_bytes = \"1MiB\"\nmin_free_bytes = 0").await;
    let sent = traced.send().await;
    let above = traced.directory.path().canonicalize().unwrap();
    let log = traced.log().await;
    for made in [above.clone(), above.join("data")] {
        let made = made.display().to_string();
        assert!(log.is_synced_before_any_answer(&made), "{made}");
    }
    assert!(log.len() > sent.len() * 2, "strace saw it: {} calls", log.len());
    assert_eq!(sent.len() as u64, CLIENTS * REQUESTS);
    assert!(log.segments() > 1, "each segment's name has to be synced, too");
    for request in sent {
        let proof = log.proof(&format!("k-{}", request.0), &ids(request));
        proof.unwrap_or_else(|why| panic!("request {}: {why}", request.0));
    }
}

/// The proof of the proof: the same look at a gateway that promises less.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_leaves_syncing_to_the_system_is_told_apart() {
    let Some(strace) = strace() else { return };
    let traced = Traced::start(strace, "durability = \"os\"\nmin_free_bytes = 0").await;
    let sent = traced.send().await;
    let log = traced.log().await;
    let unproven =
        sent.iter().filter(|sent| log.proof(&format!("k-{}", sent.0), &ids(**sent)).is_err());
    assert!(unproven.count() > 0);
}
