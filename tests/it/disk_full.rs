//! A disk without a byte left: 503s, and everything else goes on (contract C5.5).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::support::endure::books::Books;
use super::support::endure::client::{Connection, Format, Shape};
use super::support::endure::gateway::Gateway;
use super::support::endure::receiver::Receiver;
use super::support::endure::script::{Act, Script};
use super::support::endure::tally::{Fate, Tally};
use super::support::endure::{PATIENCE, config};

mod small_disk;

use small_disk::SmallDisk;

const MIB: u64 = 1 << 20;

/// Refusals in a row after which it counts as full.
const REFUSALS: u32 = 10;

/// A gateway whose data is on the small disk, with clients and a receiver.
struct Bench {
    tally: Arc<Tally>,
    script: Arc<Script>,
    _receiver: Receiver,
    gateway: Gateway,
    /// Dropped last: it cannot be unmounted while the gateway uses it.
    disk: SmallDisk,
}

impl Bench {
    async fn start(disk: SmallDisk, reserve: u64) -> Self {
        let tally = Arc::new(Tally::new());
        let script = Arc::new(Script::fixed(Act::Refuse(503)));
        let receiver = Receiver::start(Arc::clone(&script), Arc::clone(&tally)).await;
        let queue = format!("segment_bytes = \"1MiB\"\nmin_free_bytes = {reserve}");
        let mut gateway = Gateway::new(&disk.root(), &config(&receiver, &queue));
        gateway.start().await;
        Self { tally, script, _receiver: receiver, gateway, disk }
    }

    async fn connect(&self) -> Connection {
        let addresses = self.gateway.ready().await;
        Connection::open(addresses.ingest).await.unwrap()
    }

    /// One request of some size on a connection of its own: an early 503 may cost one.
    async fn send(&self, metrics: u16, paddings: u8) -> Fate {
        let shape = Shape { metrics, paddings, format: Format::Array };
        let fate = self.connect().await.exchange(&self.tally, shape).await;
        assert_ne!(fate, Fate::Unknown, "nothing is killed here:\n{}", self.gateway.log());
        fate
    }

    /// Sends until nothing is taken any more, large requests first.
    async fn fill(&self) {
        for (metrics, paddings) in [(80, 1), (1, 1), (1, 0)] {
            let mut refusals = 0;
            while refusals < REFUSALS {
                match self.send(metrics, paddings).await {
                    Fate::Refused => refusals += 1,
                    _ => refusals = 0,
                }
            }
        }
    }

    /// Waits until requests are taken again.
    async fn until_taken(&self) {
        let poll = async {
            while self.send(20, 1).await != Fate::Acknowledged {
                sleep(Duration::from_millis(20)).await;
            }
        };
        if timeout(PATIENCE, poll).await.is_err() {
            let admin = self.gateway.ready().await.admin.unwrap();
            let (free, files) = (self.disk.free_bytes(), self.disk.files());
            let books = Books::read(admin).await;
            panic!("no room, {free} bytes free: {files:#?} {books:#?}\n{}", self.gateway.log());
        }
    }

    async fn until_drained(&self) {
        self.script.heal();
        self.tally.until("all has arrived", |now| now.waiting_ids == 0).await;
    }

    /// The end: all promises were kept. What got a 503 because a write or sync failed may have arrived
    /// (contract C5.2), but not in part.
    async fn assert_good(mut self) {
        self.until_drained().await;
        assert!(self.gateway.stop().await.success(), "{}", self.gateway.log());
        assert_eq!(self.gateway.verified(), Ok(()));
        let faults = self.tally.faults();
        assert_eq!((faults.lost_ids, faults.strangers), (0, 0), "{faults:?}");
        assert_eq!(faults.partial, Vec::<String>::new());
        assert_eq!(self.gateway.panics(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_answers_503_delivers_on_and_takes_again_without_a_restart() {
    let Some(disk) = SmallDisk::mount(24 * MIB) else { return };
    let occupied = disk.occupy(6 << 20);
    let bench = Bench::start(disk, 0).await;
    bench.fill().await;
    let _filled = bench.disk.fill();
    assert!(bench.disk.free_bytes() < 64 << 10, "{}", bench.disk.free_bytes());
    assert_eq!(bench.send(100, 1).await, Fate::Refused);

    // Everything is delivered and its space comes back, though nobody else gives any.
    bench.until_drained().await;
    bench.until_taken().await;

    // Full once more, and this time somebody else gives space back.
    bench.script.set(Act::Refuse(503));
    bench.fill().await;
    assert!(bench.tally.counts().waiting_ids > 0);
    occupied.remove();
    bench.until_taken().await;
    assert!(bench.tally.counts().waiting_ids > 0, "nothing was delivered meanwhile");
    bench.assert_good().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_killed_on_a_full_disk_starts_on_it_and_delivers() {
    let Some(disk) = SmallDisk::mount(16 * MIB) else { return };
    let mut bench = Bench::start(disk, 0).await;
    bench.fill().await;
    let _ballast = bench.disk.fill();
    for _ in 0..3 {
        bench.gateway.kill();
        bench.gateway.start().await;
    }
    bench.send(100, 1).await;
    bench.until_drained().await;
    bench.until_taken().await;
    bench.assert_good().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reserve_stays_free_whoever_fills_the_disk() {
    const RESERVE: u64 = 8 * MIB;
    let Some(disk) = SmallDisk::mount(24 * MIB) else { return };
    let bench = Bench::start(disk, RESERVE).await;
    bench.fill().await;
    // What is known of the free space is a moment old.
    assert!(bench.disk.free_bytes() > RESERVE - 2 * MIB, "{}", bench.disk.free_bytes());
    let ballast = bench.disk.fill();
    assert_eq!(bench.send(1, 0).await, Fate::Refused);
    ballast.remove();
    bench.until_drained().await;
    bench.until_taken().await;
    bench.assert_good().await;
}
