//! What each source sends: counted where its metrics are decided, read by whoever watches (contract C9).
//!
//! One ledger for each name that metrics come under, `[[sources]]` and scraped jobs alike. A ledger outlives
//! a reload that keeps its source, so that rates do not jump.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::metric::timestamp::Timestamp;
use crate::pipeline::report::Report;
use crate::quota::Quotas;

pub mod example;
mod rejects;

use rejects::Rejects;
pub use rejects::{REJECTS_MAX, Reject};

/// All ledgers, by name.
#[derive(Debug, Default)]
pub struct Traffic {
    ledgers: RwLock<BTreeMap<Arc<str>, Arc<Ledger>>>,
    quotas: Quotas,
}

/// What one source sent since the start.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Requests of it that were decided, and scrapes.
    pub requests: AtomicU64,
    /// Bytes of their bodies, decompressed.
    pub bytes: AtomicU64,
    /// Metrics that became tuples, as sent.
    pub accepted: AtomicU64,
    /// Metrics that did not.
    pub rejected: AtomicU64,
    /// Bodies that were refused as a whole.
    pub refused: AtomicU64,
    /// Unix seconds of the last request or scrape; 0 = none since the start.
    pub seen_s: AtomicU64,
    rejects: Rejects,
}

impl Traffic {
    /// The ledger of this name, a new one where there is none.
    pub fn of(&self, name: &Arc<str>) -> Arc<Ledger> {
        let ledgers = self.ledgers.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(ledger) = ledgers.get(name) {
            return Arc::clone(ledger);
        }
        drop(ledgers);
        let mut ledgers = self.ledgers.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(ledgers.entry(Arc::clone(name)).or_default())
    }

    /// What each source may send, where it is limited.
    pub fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// All of them, by name.
    pub fn list(&self) -> Vec<(Arc<str>, Arc<Ledger>)> {
        let ledgers = self.ledgers.read().unwrap_or_else(PoisonError::into_inner);
        ledgers.iter().map(|(name, ledger)| (Arc::clone(name), Arc::clone(ledger))).collect()
    }

    /// Forgets those whose names are gone.
    pub fn keep_only(&self, is_known: impl Fn(&str) -> bool) {
        let mut ledgers = self.ledgers.write().unwrap_or_else(PoisonError::into_inner);
        ledgers.retain(|name, _| is_known(name));
        self.quotas.keep_only(is_known);
    }
}

impl Ledger {
    /// A body of so many bytes was decided, as these reports say together.
    pub fn decided(&self, bytes: u64, reports: &[Report], now: Timestamp) {
        self.decided_as(bytes, reports, &[], now);
    }

    /// The same with examples of what was rejected: an index of the one report, and the item as sent.
    pub fn decided_as(
        &self,
        bytes: u64,
        reports: &[Report],
        examples: &[(u64, String)],
        now: Timestamp,
    ) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        for report in reports {
            self.accepted.fetch_add(report.accepted, Ordering::Relaxed);
            self.rejected.fetch_add(report.rejected, Ordering::Relaxed);
            if report.rejected > 0 {
                self.rejects.take(report, examples, now);
            }
        }
        self.seen(now);
    }

    /// A body was refused as a whole, for this reason.
    pub fn refused(&self, why: &dyn Display, now: Timestamp) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.refused.fetch_add(1, Ordering::Relaxed);
        self.rejects.take_body(why, now);
        self.seen(now);
    }

    /// Whether what is rejected now is kept, so that it is worth looking for an example of it.
    pub fn wants_examples(&self, now: Timestamp) -> bool {
        self.rejects.wants(now)
    }

    /// The last that were rejected, the newest first; at most [`REJECTS_MAX`], each reason once.
    pub fn last_rejects(&self) -> Vec<Reject> {
        self.rejects.list()
    }

    fn seen(&self, now: Timestamp) {
        self.seen_s.store(u64::try_from(now.seconds()).unwrap_or_default(), Ordering::Relaxed);
    }
}
