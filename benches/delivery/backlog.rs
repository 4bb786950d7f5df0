//! A durable log full of tuples, written once; every measurement delivers a copy of it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tidegate::clock::SystemClock;
use tidegate::decode::Format;
use tidegate::encode::Block;
use tidegate::forward::part::Part;
use tidegate::metric::timestamp::Timestamp;
use tidegate::normalize::{Policy, Profile};
use tidegate::pipeline;
use tidegate::queue::log::LogQueue;
use tidegate::queue::log::engine::Options;
use tidegate::queue::log::lanes::Order;
use tidegate::queue::{Destination, Durability, Entry, Meters, Outlet, Queue, Want};
use tokio::task::JoinSet;

use crate::bodies::{self, Mix};
use crate::place;

/// Different requests; further ones repeat them, further apart than any compression looks back.
const REQUESTS: usize = 64;

/// Requests that wait to be durable at once, while the log is filled.
const CLIENTS: usize = 16;

/// The one destination.
pub(crate) const RECEIVER: &str = "default";

/// A log that was ended in order. Its files are never written again.
pub(crate) struct Backlog {
    directory: TempDir,
    tuples: u64,
}

impl Backlog {
    /// At least `tuples` of them, in requests of so many metrics.
    pub(crate) async fn write(tuples: u64, metrics: usize) -> Self {
        let directory = place::on_a_disk();
        let requests = requests(metrics);
        let mut entries = Vec::new();
        let mut written = 0;
        for request in requests.iter().cycle() {
            if written >= tuples {
                break;
            }
            written += request.iter().map(|block| u64::from(block.tuples)).sum::<u64>();
            entries.push(entry(request.clone(), metrics));
        }
        let queue = Arc::new(open(directory.path()));
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let mine: Vec<Entry> = entries.iter().skip(client).step_by(CLIENTS).cloned().collect();
            let queue = Arc::clone(&queue);
            clients.spawn(async move {
                for entry in mine {
                    queue.append(entry).await.expect("there is room");
                }
            });
        }
        clients.join_all().await;
        queue.end().await;
        Self { directory, tuples: written }
    }

    /// Tuples in it.
    pub(crate) fn tuples(&self) -> u64 {
        self.tuples
    }

    /// The same content, to be delivered: its segments are the same files under other names, which the
    /// log deletes when they are done with.
    pub(crate) fn copy(&self) -> Copy {
        let directory = place::on_a_disk();
        let (from, to) = (self.directory.path().join("queue"), directory.path().join("queue"));
        fs::create_dir(&to).expect("a new directory");
        for file in fs::read_dir(from).expect("the log's directory") {
            let file = file.expect("an entry");
            let to = to.join(file.file_name());
            if file.path().extension().is_some_and(|extension| extension == "seg") {
                fs::hard_link(file.path(), to).expect("one file system");
            } else {
                fs::copy(file.path(), to).expect("the disk has room");
            }
        }
        let queue = open(directory.path());
        Copy { queue, directory }
    }

    /// Everything as one delivery after the other would take it.
    pub(crate) async fn parts(&self, want: Want) -> Vec<Part> {
        let copy = self.copy();
        let mut parts = Vec::new();
        copy.drain(want, |part| parts.push(part)).await;
        copy.end().await;
        parts
    }
}

/// A log of its own. Its directory goes when this does.
pub(crate) struct Copy {
    queue: LogQueue,
    directory: TempDir,
}

impl Copy {
    pub(crate) fn outlet(&self) -> Arc<dyn Outlet> {
        self.queue.outlet(RECEIVER).expect("it was configured")
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Leases and acknowledges, one after the other, until nothing is left.
    pub(crate) async fn drain(&self, want: Want, mut take: impl FnMut(Part)) {
        let outlet = self.outlet();
        while outlet.depth().tuples > 0 {
            let lease = outlet.lease(want).await.expect("something waits");
            take(Part::of(&lease.blocks));
            outlet.deliver(lease).await;
        }
    }

    /// Ends it in order, and looks whether everything was delivered.
    pub(crate) async fn end(self) {
        for (_, books) in self.queue.end().await {
            assert!(books.is_balanced() && books.delivered == books.series, "{books:?}");
        }
    }
}

fn open(directory: &Path) -> LogQueue {
    let options = Options {
        destinations: vec![Destination::named(RECEIVER)],
        durability: Durability::Fsync,
        max_bytes: 1 << 40,
        min_free_bytes: 0,
        segment_bytes: 64 << 20,
        order: Order::default(),
        meters: Meters::default(),
    };
    LogQueue::open(directory, &options, Arc::new(SystemClock::new())).expect("the log opens")
}

/// What the pipeline makes of the requests of a fleet of services.
fn requests(metrics: usize) -> Vec<Vec<Block>> {
    let profile = Profile::new(Arc::new(Policy::default()), Some("gateway-1"), &[]);
    let now = Timestamp::parse("2026-11-22T10:30:00Z").expect("a valid instant");
    let all = bodies::metrics(Mix::Mixed, metrics * REQUESTS);
    let request = |metrics: &[String]| {
        let mut blocks = Vec::new();
        let body = bodies::json_array(metrics);
        let mut sink = |block| {
            blocks.push(block);
            Ok(())
        };
        pipeline::run(&body, Format::Json, &profile, now, &mut sink).expect("a sound body");
        blocks
    };
    all.chunks(metrics).map(request).collect()
}

fn entry(blocks: Vec<Block>, metrics: usize) -> Entry {
    Entry {
        source: Arc::from("checkout"),
        received: Timestamp::from_unix(1_795_343_400, 0),
        blocks,
        target: None,
        accepted: metrics as u64,
        rejected: 0,
    }
}
