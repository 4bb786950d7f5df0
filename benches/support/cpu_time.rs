//! Time a thread ran: on a machine with other work, a wall clock would count that work too.

use rustix::time::{ClockId, clock_gettime};

/// Seconds of processor time `work` took this thread.
pub(crate) fn timed(mut work: impl FnMut()) -> f64 {
    let start = clock_gettime(ClockId::ThreadCPUTime);
    work();
    let end = clock_gettime(ClockId::ThreadCPUTime);
    (end.tv_sec - start.tv_sec) as f64 + (end.tv_nsec - start.tv_nsec) as f64 / 1e9
}
