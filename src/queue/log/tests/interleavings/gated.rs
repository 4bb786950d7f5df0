//! The log one call at a time, so that the checker sees each call and tries it in every order.
//!
//! The engine's own locks are the operating system's and invisible to the checker. That hides nothing:
//! no call holds one of them while another thread of the model runs.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::desk::{Carried, Desk, Ledger};
use super::primitives::{Mutex, MutexGuard};
use crate::encode::Block;
use crate::metric::timestamp::Timestamp;
use crate::queue::log::disk::sim::SimDisk;
use crate::queue::log::engine::{Engine, Options, cost};
use crate::queue::log::lanes::Order;
use crate::queue::log::state::Look;
use crate::queue::{
    AppendError, Destination, Durability, Entry, Fate, Lease, Meters, ReadError, Sources, Want,
};

pub(super) const ANY: Want = Want { bytes: usize::MAX, tuples: u32::MAX };
pub(super) const ONE: Want = Want { bytes: 0, tuples: 0 };

pub(super) struct Gated {
    gate: Mutex<()>,
    engine: Engine,
}

pub(super) type TheDesk = Arc<Desk<Gated>>;
pub(super) type TheLease = Carried<Gated>;

/// A desk with one destination before an empty log on this disk.
pub(super) fn desk(disk: &SimDisk) -> TheDesk {
    desk_for(disk, Sources::All)
}

/// The same for a destination that wants these sources only, before whatever log is on the disk.
pub(super) fn desk_for(disk: &SimDisk, sources: Sources) -> TheDesk {
    let options = Options {
        destinations: vec![Destination { sources, ..Destination::named("a") }],
        durability: Durability::Os,
        max_bytes: 1 << 30,
        min_free_bytes: 0,
        segment_bytes: 1 << 20,
        order: Order::default(),
        meters: Meters::default(),
    };
    let disk = disk.handle();
    // On a stack of its own: that of a model's first thread is small.
    let opening =
        std::thread::spawn(move || Engine::open(disk, &options).map(|(engine, _)| engine));
    let engine = opening.join().unwrap().expect("an empty directory");
    Arc::new(Desk::new(Gated { gate: Mutex::new(()), engine }, 1))
}

/// One small request.
pub(super) fn entry(text: &'static str) -> Entry {
    Entry {
        // One source each, so that no two share a record.
        source: Arc::from(text),
        received: Timestamp::from_unix(0, 0),
        blocks: vec![Block { bytes: text.as_bytes().into(), tuples: 1 }],
        target: None,
        accepted: 1,
        rejected: 0,
    }
}

impl Gated {
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.gate.lock().unwrap()
    }

    pub(super) fn admit(&self, entry: &Entry) -> Result<(), AppendError> {
        let _turn = self.turn();
        self.engine.admit(cost(entry))
    }

    /// For looks at the end, when nobody else runs.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }
}

impl Ledger for Gated {
    fn look(&self, index: usize) -> Look {
        let _turn = self.turn();
        self.engine.look(index)
    }

    /// As the engine does it, others between claim and read.
    fn lease(&self, index: usize, want: Want, now: Duration) -> Result<Option<Lease>, ReadError> {
        loop {
            let turn = self.turn();
            let Some(claim) = self.engine.claim(index, want, now) else { return Ok(None) };
            drop(turn);
            let _turn = self.turn();
            if let Some(lease) = self.engine.redeem(claim)? {
                return Ok(Some(lease));
            }
        }
    }

    fn peek(&self, index: usize, now: Duration) -> Result<(), ReadError> {
        while self.look(index) == Look::Unsure {
            let turn = self.turn();
            let Some(claim) = self.engine.claim(index, ONE, now) else { break };
            drop(turn);
            let _turn = self.turn();
            self.engine.redeem(claim.looking())?;
        }
        Ok(())
    }

    fn ack(&self, index: usize, lease: u64, fate: Fate) -> u32 {
        let _turn = self.turn();
        self.engine.ack(index, lease, fate)
    }

    fn release(&self, index: usize, lease: u64) {
        let _turn = self.turn();
        self.engine.release(index, lease);
    }

    fn commit(
        &self,
        entries: &[Entry],
        now: Timestamp,
        monotonic: Duration,
    ) -> Result<(), AppendError> {
        let _turn = self.turn();
        self.engine.commit(entries, now, monotonic)
    }

    fn give_up(&self, bytes: u64) {
        let _turn = self.turn();
        self.engine.give_up(bytes);
    }

    fn close(&self) {
        let _turn = self.turn();
        self.engine.close();
    }

    fn end(&self) -> io::Result<()> {
        let _turn = self.turn();
        self.engine.end()
    }
}
