//! A queue that remembers what it was given and refuses, waits or panics when told to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tidegate::queue::{
    Account, AppendError, Books, Durability, Entry, Outlet, Pending, Queue, Standing, Totals,
};
use tokio::sync::Semaphore;

pub(crate) struct Ledger {
    entries: Mutex<Vec<Entry>>,
    full: AtomicBool,
    full_on_append: AtomicBool,
    panics: AtomicBool,
    /// Appends that may go through; unlimited unless [`Ledger::hold`] was called.
    gate: Semaphore,
    held: AtomicBool,
    /// Appends that have begun.
    begun: Semaphore,
}

impl Ledger {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            entries: Mutex::default(),
            full: AtomicBool::new(false),
            full_on_append: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            gate: Semaphore::new(0),
            held: AtomicBool::new(false),
            begun: Semaphore::new(0),
        })
    }

    /// No room from now on, known before a body is read.
    pub(crate) fn fill(&self) {
        self.full.store(true, Ordering::SeqCst);
    }

    /// No room from now on, noticed only when the entry comes.
    pub(crate) fn fill_by_surprise(&self) {
        self.full_on_append.store(true, Ordering::SeqCst);
    }

    /// The next append is a bug.
    pub(crate) fn panic_once(&self) {
        self.panics.store(true, Ordering::SeqCst);
    }

    /// Appends wait for [`Ledger::let_one_through`] from now on.
    pub(crate) fn hold(&self) {
        self.held.store(true, Ordering::SeqCst);
    }

    pub(crate) fn let_one_through(&self) {
        self.gate.add_permits(1);
    }

    /// Waits until an append has begun.
    pub(crate) async fn append_begun(&self) {
        self.begun.acquire().await.unwrap().forget();
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap().clone()
    }

    pub(crate) fn tuples(&self) -> u32 {
        self.entries().iter().flat_map(|entry| &entry.blocks).map(|block| block.tuples).sum()
    }
}

const FULL: AppendError = AppendError::Full { used: 7, limit: 7 };

impl Queue for Ledger {
    fn append(&self, entry: Entry) -> Pending<'_, Result<(), AppendError>> {
        Box::pin(async move {
            assert!(!self.panics.swap(false, Ordering::SeqCst), "asked for by the test");
            if self.full_on_append.load(Ordering::SeqCst) {
                return Err(FULL);
            }
            self.begun.add_permits(1);
            if self.held.load(Ordering::SeqCst) {
                self.gate.acquire().await.unwrap().forget();
            }
            self.entries.lock().unwrap().push(entry);
            Ok(())
        })
    }

    fn room(&self) -> Result<(), AppendError> {
        if self.full.load(Ordering::SeqCst) { Err(FULL) } else { Ok(()) }
    }

    fn would_take(&self) -> Result<(), AppendError> {
        self.room()
    }

    fn count_decided(&self, _: u64, _: u64) {}

    fn totals(&self) -> Totals {
        Totals::default()
    }

    fn standing(&self) -> Standing {
        Standing::default()
    }

    fn disorder(&self) -> Option<Arc<str>> {
        None
    }

    fn destinations(&self) -> Vec<Arc<str>> {
        Vec::new()
    }

    fn account(&self, _: &str) -> Option<Account> {
        None
    }

    fn outlet(&self, _: &str) -> Option<Arc<dyn Outlet>> {
        unimplemented!("nothing is delivered here")
    }

    fn durability(&self) -> Durability {
        Durability::Memory
    }

    fn close(&self) {}

    fn end(&self) -> Pending<'_, Vec<(Arc<str>, Books)>> {
        Box::pin(async { Vec::new() })
    }
}
