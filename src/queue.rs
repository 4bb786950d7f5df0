//! What lies between answering a client and delivering to a receiver.
//!
//! [`Queue`] is an interface because it has several forms: in memory now, a log on disk and a
//! replicated stream behind the same calls. Whoever appends learns when the entry is as safe as the
//! form promises ([`Durability`]); whoever delivers leases blocks and gives each lease back with
//! [`Outlet::ack`] or [`Outlet::release`]. The queue knows blocks, not metrics.
//!
//! Destinations are named when a queue is made, not when somebody first asks for one: an entry
//! without a destination would be acknowledged and then forgotten, and a form that keeps a position
//! per destination opens it where opening may fail.
//!
//! The queue keeps the books ([`Books`], contract C7), because they have to survive with its content.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::encode::Block;
use crate::metric::timestamp::Timestamp;

mod books;
mod destination;
pub mod log;
pub mod memory;
mod meters;

pub use books::Books;
pub use destination::{Destination, Sources};
pub use meters::Meters;

/// A future behind a trait object.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What one accepted request leaves in the queue; whole or absent after a crash (contract C5.1).
#[derive(Clone, Debug)]
pub struct Entry {
    /// The source's name; never its token.
    pub source: Arc<str>,
    /// When the request was received.
    pub received: Timestamp,
    /// Its tuples, in order; never empty.
    pub blocks: Vec<Block>,
    /// The one destination it is for; `None` for all.
    pub target: Option<Arc<str>>,
    /// Metrics of the request that were accepted, as sent.
    pub accepted: u64,
    /// Metrics of the request that were not.
    pub rejected: u64,
}

/// What a crash loses (contract C5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing that was acknowledged: it is on the disk.
    Fsync,
    /// What the operating system had not written yet, if it is the machine that stops; nothing if it
    /// is the process.
    Os,
    /// Everything not yet delivered: the queue lives in memory.
    Memory,
}

impl Durability {
    /// As `queue.durability` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::Os => "os",
            Self::Memory => "memory",
        }
    }

    /// What a crash would lose, as a sentence (contract C5.4).
    pub fn at_risk(self) -> &'static str {
        match self {
            Self::Fsync => "a crash loses nothing that was acknowledged",
            Self::Os => {
                "a crash of this process loses nothing that was acknowledged, one of the machine what \
                 the operating system had not written yet"
            }
            Self::Memory => "a crash loses everything not yet delivered",
        }
    }
}

/// Why an entry was not taken. The client gets a 503 (contract C1.12).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The cap is reached.
    #[error("queue is full ({used} of {limit} bytes, `queue.max_bytes`)")]
    Full {
        /// Bytes waiting now.
        used: u64,
        /// The cap.
        limit: u64,
    },
    /// The disk has less free space than is to be left on it.
    #[error(
        "the disk of `data_dir` has {free} bytes free, `queue.min_free_bytes` keeps {reserve} of them"
    )]
    Reserve {
        /// Bytes free now.
        free: u64,
        /// The reserve.
        reserve: u64,
    },
    /// More waits to be written than is held in memory for that: the disk does not keep up.
    #[error("the disk of `data_dir` is too slow: {pending} bytes wait to be written")]
    Behind {
        /// Bytes let in and not yet on the disk.
        pending: u64,
    },
    /// It could not be written; whether it is on the disk is not known.
    #[error("the queue cannot be written: {why}")]
    Failed {
        /// What the operating system says.
        why: Arc<str>,
    },
    /// The one destination it is for is not configured: nobody would deliver it.
    #[error("the queue has no receiver called {target}: configure it first")]
    Unaddressed {
        /// The name it was for.
        target: Arc<str>,
    },
    /// The gateway is shutting down.
    #[error("shutting down")]
    Closed,
}

/// Takes entries in.
pub trait Queue: Send + Sync + 'static {
    /// A block as this queue will hold it, to be asked for each block of an entry where there is time to
    /// copy it. As it is, where it leaves memory once it is written.
    fn keep(&self, block: Block) -> Block {
        block
    }

    /// Resolves when the entry is as safe as [`Self::durability`] says, or was refused whole. One with a
    /// target that this queue was not made for is refused.
    fn append(&self, entry: Entry) -> Pending<'_, Result<(), AppendError>>;

    /// Whether an entry would be refused right now: asked before a body is read. A queue that refuses
    /// may begin to look for room.
    fn room(&self) -> Result<(), AppendError>;

    /// The same for whoever only looks: it has no effect, however often it is asked.
    fn would_take(&self) -> Result<(), AppendError>;

    /// Counts metrics of a request that left nothing to append: none was accepted, or nothing comes of
    /// those that were, as of a stale marker. Kept with the next entry or saved position, so that a crash
    /// may forget the last ones.
    fn count_decided(&self, accepted: u64, rejected: u64);

    /// What came in since the queue began, across restarts if its form survives them.
    fn totals(&self) -> Totals;

    /// How full it is, and whether it works.
    fn standing(&self) -> Standing;

    /// Why it could not be kept in order when that was last tried: positions not saved, or passed
    /// segments not deleted. `None` once that went well, and where there is nothing to keep.
    fn disorder(&self) -> Option<Arc<str>>;

    /// Every destination that has a position, also one that is no longer configured.
    fn destinations(&self) -> Vec<Arc<str>>;

    /// What one of [`Self::destinations`] has had and what waits for it, in one reading; `None` for
    /// any other name.
    fn account(&self, destination: &str) -> Option<Account>;

    /// The side of one destination, by the name it had when the queue was made; `None` for any other.
    fn outlet(&self, destination: &str) -> Option<Arc<dyn Outlet>>;

    /// What a crash would lose.
    fn durability(&self) -> Durability;

    /// Refuses every further entry; what is inside can still be leased.
    fn close(&self);

    /// The last call: nothing is leased any more, and what this form cannot keep is counted as lost.
    /// The final books of every destination, for whoever logs them (contract C6.5).
    fn end(&self) -> Pending<'_, Vec<(Arc<str>, Books)>>;
}

/// Gives blocks out to one destination.
pub trait Outlet: Send + Sync + 'static {
    /// Waits for blocks and leases the oldest ones that fit `want`, at least one. A leased block is
    /// given to nobody else until the lease ends. `None` once the queue is closed and everything in
    /// it was acknowledged: while another lease is open its blocks may still come back.
    ///
    /// Dropping the future before it resolves leases nothing and costs no other waiter its wake-up.
    fn lease(&self, want: Want) -> Pending<'_, Option<Lease>>;

    /// The blocks of this lease are done with, and this became of their tuples. A crash soon after may
    /// lease them again (contract C5.2).
    fn ack(&self, lease: Lease, fate: Fate) -> Pending<'_, ()>;

    /// [`Self::ack`] of a lease that was delivered whole.
    fn deliver(&self, lease: Lease) -> Pending<'_, ()> {
        let fate = lease.delivered();
        self.ack(lease, fate)
    }

    /// Waits until something can be leased, and leases nothing: somebody else may be faster. Where it is
    /// not known whether any of what waits is for this destination, it is found out here, so that a
    /// lease behind it does not wait. What cannot be read counts as something: the lease meets the same
    /// error. `false` once there will be nothing any more, as [`Self::lease`] says it with `None`.
    fn ready(&self) -> Pending<'_, bool>;

    /// The blocks of this lease were not delivered; they are leased again before newer ones.
    fn release(&self, lease: Lease);

    /// What waits, leased blocks included; and what its filter leaves out, until that is passed.
    fn depth(&self) -> Depth;

    /// When the oldest block that waits or is on loan was received; the queue reads it where it lies,
    /// so an error means that it cannot read what it holds.
    fn oldest(&self) -> Pending<'_, Result<Option<Timestamp>, ReadError>>;

    /// Tuples in and out since this destination began; the sums hold in every reading.
    fn books(&self) -> Books;
}

/// How much a lease may hold; one block is leased even when it exceeds this.
#[derive(Clone, Copy, Debug, Default)]
pub struct Want {
    /// Most bytes, separators of two bytes between blocks included.
    pub bytes: usize,
    /// Most tuples.
    pub tuples: u32,
}

/// Blocks on loan. Forgetting one without [`Outlet::ack`] or [`Outlet::release`] keeps its blocks
/// from everybody until the queue is opened again.
#[derive(Debug)]
pub struct Lease {
    /// The queue's own name for this loan.
    pub id: u64,
    /// What is on loan, in order.
    pub blocks: Vec<Leased>,
}

/// What became of the tuples of a lease; both together are all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// Accepted by the receiver.
    pub delivered: u64,
    /// Refused for good, and their dead letters are on the disk (contract C6.3).
    pub dead_lettered: u64,
}

/// One block on loan, and where it came from.
#[derive(Clone, Debug)]
pub struct Leased {
    /// The number of its record: with a tuple's index in the block, that tuple's name for as long as
    /// the queue keeps it, also after a crash.
    pub sequence: u64,
    /// The source's name.
    pub source: Arc<str>,
    /// When its request was received.
    pub received: Timestamp,
    /// The tuples.
    pub block: Block,
}

/// What waits for one destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Blocks.
    pub blocks: u64,
    /// Tuples in them.
    pub tuples: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// One destination at one moment: `books.queued` and `depth.tuples` are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Its tuples in and out.
    pub books: Books,
    /// What waits for it.
    pub depth: Depth,
}

/// What came in (contract C7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Tuples appended for all destinations: `series`.
    pub tuples: u64,
    /// Metrics accepted, as sent.
    pub accepted: u64,
    /// Metrics rejected, as sent.
    pub rejected: u64,
}

impl Totals {
    /// The larger of each: two that know different parts of one log.
    pub(in crate::queue) fn max(self, other: Self) -> Self {
        Self {
            tuples: self.tuples.max(other.tuples),
            accepted: self.accepted.max(other.accepted),
            rejected: self.rejected.max(other.rejected),
        }
    }
}

/// How full a queue is, and whether it works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Bytes in use.
    pub used_bytes: u64,
    /// Those of them that hold nothing anybody waits for: they come back when the rest of their segment is
    /// delivered, or when room is wanted.
    pub spent_bytes: u64,
    /// The cap, `queue.max_bytes`.
    pub limit_bytes: u64,
    /// Bytes free on its disk, and how many of them are to stay free.
    pub disk: Option<(u64, u64)>,
    /// Segment files.
    pub segments: u64,
    /// Why the last group could not be written; `None` once one was.
    pub fault: Option<Arc<str>>,
    /// Whether a reading of the books disagreed with the content (contract C7).
    pub is_unbalanced: bool,
}

/// What the queue holds could not be read back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue cannot be read: {why}")]
pub struct ReadError {
    /// What the operating system says.
    pub why: Arc<str>,
}

impl Lease {
    /// That all of it was delivered.
    pub fn delivered(&self) -> Fate {
        Fate { delivered: self.tuples(), dead_lettered: 0 }
    }

    /// Tuples in all blocks.
    pub fn tuples(&self) -> u64 {
        self.blocks.iter().map(|leased| u64::from(leased.block.tuples)).sum()
    }
}
