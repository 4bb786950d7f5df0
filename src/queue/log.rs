//! The durable queue: a log of segment files on a local disk (contract C5).
//!
//! # The files
//!
//! ```text
//!  data_dir/lock                            held by the one gateway that uses the directory: its
//!                                           process id in one line, then what it notes for others
//!  data_dir/queue/
//!    00000000000000000001-0.seg             records, one behind the other        (`segment`, `record`)
//!    00000000000000004711-0.seg
//!    default.pos                            how far a destination is             (`position`)
//!    00000000000000004711-0.seg@8192.torn   set aside by recovery, never deleted (`recovery`)
//! ```
//!
//! A record holds one block: whole small requests of one source, or a part of one large request.
//! Every record has a sequence, one more than the one before it, and describes itself; nothing else
//! says where the log ends. It is found out by reading forward.
//!
//! # What holds at any time
//!
//! * The records of a request lie in one segment, and were written before one sync. A client hears of
//!   its request only behind that sync, so a request is whole or absent after a crash.
//! * A file that failed to be written or synced is never written or synced again. Its last group goes
//!   to a new segment under the same sequences; where two segments hold a sequence, the later one
//!   counts.
//! * A footer says that everything in its segment was acknowledged.
//! * A destination passes what it got, what its filter leaves out, what its bound lets expire, and what
//!   is for another one alone; each of these classes is counted apart.
//! * Nothing is deleted but segments that every destination has passed, by what both halves of its
//!   position say on the disk; and then also on a disk that is full.
//! * File names are never used twice. Recovery deletes nothing: it renames and copies.
//! * The books (contract C7) follow from running totals in every record and from what each position
//!   says became of the rest, so they balance after any crash.
//!
//! # The layers
//!
//! `record`, `segment` and `scan` know the bytes; `recovery` makes a `catalogue` of them; `position`
//! and `lanes` know how far a destination is and what it gets next, `addressee` which records those are; `appender` writes, `reader` reads;
//! `engine` puts them together without a thread of its own, so that it can be proven over a simulated
//! `disk`; `queue` gives it threads.

pub mod disk;
pub mod record;
pub mod segment;
pub mod scan;
mod group;
mod appender;
mod catalogue;
mod recovery;
mod names;
pub mod position;
pub mod lanes;
mod addressee;
mod reader;
mod state;
mod keeper;
pub mod notice;
pub mod engine;
pub mod inspect;
mod primitives;
mod handoff;
mod waiters;
mod desk;
mod bell;
mod queue;
#[cfg(test)]
mod tests;

pub use queue::LogQueue;
