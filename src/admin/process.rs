//! What the operating system says of this process: memory, open files, time on the processor.

use std::fs;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};
use tokio::time::timeout;

use super::reading::READ_TIMEOUT;

/// One look. Absent is what this system does not tell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Process {
    pub(super) memory: Option<Memory>,
    pub(super) threads: Option<u64>,
    pub(super) open_fds: Option<u64>,
    /// Absent also where there is no limit.
    pub(super) max_fds: Option<u64>,
    pub(super) cpu_s: f64,
}

/// Of its address space, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) virtual_bytes: u64,
    pub(super) resident_bytes: u64,
}

impl Process {
    /// Reads `/proc`, off the threads that answer requests: with many files open it takes a while. What takes
    /// longer than [`READ_TIMEOUT`] is absent, because the rest of the answer is not kept waiting for it.
    pub(super) async fn look() -> Self {
        let reading = tokio::task::spawn_blocking(Self::read);
        timeout(READ_TIMEOUT, reading).await.ok().and_then(Result::ok).unwrap_or_default()
    }

    fn read() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            memory: memory(&status),
            threads: number(&status, "Threads"),
            // The directory that is being read is one of them.
            open_fds: fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64 - 1),
            max_fds: getrlimit(Resource::Nofile).current,
            cpu_s: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
        }
    }
}

/// The number of a line of `status`.
fn number(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

fn memory(status: &str) -> Option<Memory> {
    let bytes = |name| Some(number(status, name)? * 1024);
    Some(Memory { virtual_bytes: bytes("VmSize")?, resident_bytes: bytes("VmRSS")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read_and_anything_else_is_absent() {
        let status =
            "Name:\ttidegate\nVmPeak:\t 9 kB\nVmSize:\t  8 kB\nVmRSS:\t  3 kB\nThreads:\t7\n";
        let expected = Memory { virtual_bytes: 8192, resident_bytes: 3072 };
        assert_eq!(memory(status), Some(expected));
        assert_eq!(number(status, "Threads"), Some(7));
        assert_eq!((memory("VmSize:\t8 kB\n"), memory("VmSize:\tx kB\nVmRSS:\n")), (None, None));
        assert_eq!(number("Threadsx:\t7\n", "Threads"), None);
    }

    #[test]
    fn this_process_has_memory_files_and_used_the_processor() {
        let seen = Process::read();
        let memory = seen.memory.unwrap();
        assert!(memory.resident_bytes > 1 << 20 && memory.virtual_bytes > memory.resident_bytes);
        assert!(seen.open_fds.unwrap() >= 3 && seen.threads.unwrap() >= 2 && seen.cpu_s > 0.0);
        assert!(seen.max_fds.is_none_or(|most| most >= seen.open_fds.unwrap()));
    }
}
