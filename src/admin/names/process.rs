//! What every process has, by the names that all programs share, and the runtime.

use super::{Family, counter, gauge};

/// Before the names of this part.
pub(in super::super) const PROCESS_PREFIX: &str = "process";

pub(in super::super) static RESIDENT: Family =
    gauge("resident_memory", "Memory of this process that is in RAM.").bytes();
pub(in super::super) static VIRTUAL: Family = gauge(
    "virtual_memory",
    "Addresses this process has asked for; most of them were never touched, so this is no use of memory.",
)
.bytes();
pub(in super::super) static CPU: Family =
    counter("cpu", "Time that threads of this process have run, user and system together.")
        .seconds();
pub(in super::super) static OPEN_FDS: Family = gauge(
    "open_fds",
    "Files and sockets this process has open; at process_max_fds it accepts no connection any more.",
);
pub(in super::super) static MAX_FDS: Family =
    gauge("max_fds", "How many it may have open: its soft limit (ulimit -n, LimitNOFILE).");
pub(in super::super) static THREADS: Family = gauge("threads", "Threads of this process.");
pub(in super::super) static PROCESS_START: Family =
    gauge("start_time", "When this process started, as a Unix time.").seconds();

pub(in super::super) static WORKERS: Family =
    gauge("runtime_workers", "Threads that answer requests and deliver.");
pub(in super::super) static TASKS: Family = gauge(
    "runtime_tasks",
    "Connections, deliveries and scrapes in work; grows with connections and with nothing else.",
);
pub(in super::super) static TASKS_WAITING: Family = gauge(
    "runtime_tasks_waiting",
    "Tasks that could go on and wait for a thread; above 0 for long, the processor is what is short.",
);
