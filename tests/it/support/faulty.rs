//! A queue that works, with faults that are told of when a test says so.

use std::sync::Arc;

use tidegate::metric::timestamp::Timestamp;
use tidegate::queue::memory::MemoryQueue;
use tidegate::queue::{
    Account, AppendError, Books, Depth, Durability, Entry, Fate, Lease, Outlet, Pending, Queue,
    ReadError, Standing, Totals, Want,
};
use tokio::sync::watch;

/// What is wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) refusal: Option<AppendError>,
    pub(crate) fault: Option<Arc<str>>,
    pub(crate) disorder: Option<Arc<str>>,
    pub(crate) is_unbalanced: bool,
    pub(crate) disk: Option<(u64, u64)>,
    pub(crate) reading: Reading,
}

/// How reading back goes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Reading {
    #[default]
    Works,
    Fails,
    /// Until something else is wrong.
    Hangs,
}

pub(crate) struct FaultyQueue {
    queue: Arc<MemoryQueue>,
    faults: Arc<watch::Sender<Faults>>,
}

struct FaultyOutlet {
    outlet: Arc<dyn Outlet>,
    faults: Arc<watch::Sender<Faults>>,
}

impl FaultyQueue {
    pub(crate) fn over(queue: Arc<MemoryQueue>) -> Arc<Self> {
        Arc::new(Self { queue, faults: Arc::new(watch::Sender::default()) })
    }

    /// From now on this is wrong, and nothing else.
    pub(crate) fn set(&self, faults: Faults) {
        self.faults.send_replace(faults);
    }
}

impl Queue for FaultyQueue {
    fn append(&self, entry: Entry) -> Pending<'_, Result<(), AppendError>> {
        self.queue.append(entry)
    }

    fn room(&self) -> Result<(), AppendError> {
        panic!("whoever only looks must not make the queue look for room");
    }

    fn would_take(&self) -> Result<(), AppendError> {
        self.faults.borrow().refusal.clone().map_or_else(|| self.queue.would_take(), Err)
    }

    fn count_decided(&self, accepted: u64, rejected: u64) {
        self.queue.count_decided(accepted, rejected);
    }

    fn totals(&self) -> Totals {
        self.queue.totals()
    }

    fn standing(&self) -> Standing {
        let Faults { fault, is_unbalanced, disk, .. } = self.faults.borrow().clone();
        Standing { fault, is_unbalanced, disk, ..self.queue.standing() }
    }

    fn disorder(&self) -> Option<Arc<str>> {
        self.faults.borrow().disorder.clone()
    }

    fn destinations(&self) -> Vec<Arc<str>> {
        self.queue.destinations()
    }

    fn account(&self, destination: &str) -> Option<Account> {
        self.queue.account(destination)
    }

    fn outlet(&self, destination: &str) -> Option<Arc<dyn Outlet>> {
        let outlet = self.queue.outlet(destination)?;
        Some(Arc::new(FaultyOutlet { outlet, faults: Arc::clone(&self.faults) }))
    }

    fn durability(&self) -> Durability {
        self.queue.durability()
    }

    fn close(&self) {
        self.queue.close();
    }

    fn end(&self) -> Pending<'_, Vec<(Arc<str>, Books)>> {
        self.queue.end()
    }
}

impl Outlet for FaultyOutlet {
    fn lease(&self, want: Want) -> Pending<'_, Option<Lease>> {
        self.outlet.lease(want)
    }

    fn ack(&self, lease: Lease, fate: Fate) -> Pending<'_, ()> {
        self.outlet.ack(lease, fate)
    }

    fn ready(&self) -> Pending<'_, bool> {
        self.outlet.ready()
    }

    fn release(&self, lease: Lease) {
        self.outlet.release(lease);
    }

    fn depth(&self) -> Depth {
        self.outlet.depth()
    }

    fn oldest(&self) -> Pending<'_, Result<Option<Timestamp>, ReadError>> {
        let reading = self.faults.borrow().reading;
        match reading {
            Reading::Works => self.outlet.oldest(),
            Reading::Fails => Box::pin(std::future::ready(Err(ReadError { why: "EIO".into() }))),
            Reading::Hangs => Box::pin(async {
                self.faults.subscribe().changed().await.unwrap();
                self.outlet.oldest().await
            }),
        }
    }

    fn books(&self) -> Books {
        self.outlet.books()
    }
}
