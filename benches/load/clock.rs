//! Time, as cheap as it is to be had: it is read several times for each request.

use rustix::time::{ClockId, clock_gettime};

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Nanoseconds since some instant in the past.
pub(crate) fn now_ns() -> u64 {
    read(ClockId::Monotonic)
}

/// What this thread has run, nanoseconds.
pub(crate) fn thread_cpu_ns() -> u64 {
    read(ClockId::ThreadCPUTime)
}
