//! What is measured side by side, and one measurement of it.

use std::ops::AddAssign;
use std::time::Duration;

use crate::bare::Bare;
use crate::load::Load;
use crate::processes::{Gateway, Receiver, Setup};
use crate::{disk, place};

const MIB: u64 = 1 << 20;

/// Writes of the bare loop in each round, and their size.
const SYNCS: usize = 50;
const SYNC_BYTES: u64 = 4096;

/// What one load did to one side.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Run {
    /// Seconds that passed.
    pub(crate) took: f64,
    /// Seconds the server ran, its kernel side included.
    pub(crate) cpu: f64,
    pub(crate) requests: f64,
    pub(crate) metrics: f64,
    pub(crate) bytes: f64,
}

/// The servers, all of them up while one is measured.
pub(crate) struct Sides {
    pub(crate) bare: Bare,
    /// Receives for `delivering`.
    _taker: Bare,
    pub(crate) memory: Gateway,
    pub(crate) filling: Gateway,
    pub(crate) delivering: Gateway,
    pub(crate) fsync: Gateway,
}

impl Sides {
    pub(crate) fn start() -> Self {
        let gateway = |durability, receiver| {
            let (memory_bytes, queue_bytes) = (256 * MIB, 4096 * MIB);
            Gateway::start(&Setup { durability, memory_bytes, queue_bytes, receiver })
        };
        let taker = Bare::start();
        Self {
            bare: Bare::start(),
            memory: gateway("memory", Receiver::Uninterested),
            filling: gateway("memory", Receiver::Away),
            delivering: gateway("memory", Receiver::At(taker.address())),
            fsync: gateway("fsync", Receiver::Uninterested),
            _taker: taker,
        }
    }
}

pub(crate) async fn bare(bare: &Bare, load: &Load) -> Run {
    let before = bare.cpu();
    let took = load.send(bare.address()).await;
    Run::new(load, took, bare.cpu().saturating_sub(before))
}

pub(crate) async fn gateway(gateway: &Gateway, load: &Load) -> Run {
    let before = gateway.cpu();
    let took = load.send(gateway.address()).await;
    Run::new(load, took, gateway.cpu().saturating_sub(before))
}

impl AddAssign for Run {
    fn add_assign(&mut self, more: Self) {
        self.took += more.took;
        self.cpu += more.cpu;
        self.requests += more.requests;
        self.metrics += more.metrics;
        self.bytes += more.bytes;
    }
}

impl Run {
    fn new(load: &Load, took: Duration, cpu: Duration) -> Self {
        let requests = load.requests as f64;
        Self {
            took: took.as_secs_f64(),
            cpu: cpu.as_secs_f64(),
            requests,
            metrics: requests * load.metrics as f64,
            bytes: requests * load.body_bytes as f64,
        }
    }

    pub(crate) fn cpu_us(&self) -> f64 {
        self.cpu * 1e6 / self.requests
    }

    pub(crate) fn requests_per_second(&self) -> f64 {
        self.requests / self.took
    }

    pub(crate) fn metrics_per_second(&self) -> f64 {
        self.metrics / self.took
    }

    pub(crate) fn bytes_per_second(&self) -> f64 {
        self.bytes / self.took
    }
}

/// The median time of a write and its `fdatasync` on the disk of the gateways, ms.
pub(crate) fn bare_sync_ms() -> f64 {
    let directory = place::on_a_disk();
    disk::write_and_sync(directory.path(), [SYNC_BYTES; SYNCS]).median_ms()
}
