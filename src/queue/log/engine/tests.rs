//! Faults that have cost other disk queues their data or their peace, each made to happen to this one.
//!
//! Every test is named after what went wrong. Where a queue's threads or a whole gateway are part of
//! it, the test is in `tests/it/crash_stories.rs`.
//!
//! Some well-known faults have no place here where they could happen, and so no test:
//!
//! * A key against duplicates that is claimed before the write, so that a repeated request is told of
//!   a success that never was: requests carry no such key. What is left of it, a failed request that
//!   counts all the same, is tested in `failing`.
//! * Two series taken for one by a limiter of cardinality: there is no such limiter, nothing behind the
//!   encoder looks into a tuple, and books count tuples and not names.
//! * A value that is no number poisoning a running aggregate: values are never computed with, and the
//!   ingest edge refuses those that are not finite (contract C2.4). A wall clock that steps back: order
//!   comes from sequences and waits from the monotonic clock; the wall clock only stamps.
//! * Compressed data that claims a giant window or size: blocks are stored as they are. A record's
//!   length is believed only with the head's checksum and within a block's bounds, which the tests of
//!   `record` and `scan` hold; compressed bodies are refused at the ingest edge (contract C1.5).
//! * Counts of requests that survive a restart by a file of their own, out of step with the data: there
//!   is no such file.

mod ahead;
mod backlog;
mod crowded;
mod damage;
mod failing;
mod filter;
mod full;
mod going_on;
mod refused;
mod start;
mod support;
