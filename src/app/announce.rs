//! The log lines of a start: what is in effect, what a crash would lose, what waits for whom.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::config::{self, Config, size_text};
use crate::queue::log::segment::Name;
use crate::queue::{Durability, Queue, Sources};

use super::receivers::waiting;

/// What waits from before, in the order of the configuration.
#[derive(Clone, Debug)]
pub(super) struct Backlog(Vec<u64>);

impl Backlog {
    pub(super) fn of(config: &Config, queue: &dyn Queue) -> Self {
        Self(config.receivers.iter().map(|receiver| waiting(&receiver.name, queue)).collect())
    }
}

/// One line with the limits in effect, and where there are several receivers one for each. No secrets:
/// of a receiver its address alone, which the configuration keeps free of them.
pub(super) fn started(
    addr: SocketAddr,
    admin: Option<SocketAddr>,
    config: &Config,
    Backlog(backlog): &Backlog,
) {
    let queued: u64 = backlog.iter().sum();
    let sole = (config.receivers.len() == 1).then(|| config.receivers[0].url.as_str());
    let (limits, queue) = (&config.limits, &config.queue);
    let data_dir = data_dir(config);
    let promise = promise(config);
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        listen = %addr,
        admin.listen = admin.map_or_else(|| "off".to_owned(), |addr| addr.to_string()),
        receiver.url = sole,
        receivers = config.receivers.len(),
        sources = config.sources.len(),
        queue.durability = queue.durability.as_str(),
        queue.max_bytes = queue.max_bytes,
        queue.tuples = queued,
        data_dir,
        limits.body_bytes = limits.body_bytes,
        limits.expanded_bytes = limits.expanded_bytes,
        limits.memory_bytes = limits.memory_bytes,
        limits.connections = limits.connections,
        limits.requests_per_minute = limits.requests_per_minute,
        shutdown.grace_s = config.shutdown.grace.as_secs_f64(),
        "taking metrics at {scheme}://{addr}/metrics; {promise}{}",
        from_before(queued)
    );
    if sole.is_none() {
        for (receiver, queued) in config.receivers.iter().zip(backlog) {
            let (name, url) = (&*receiver.name, receiver.url.as_str());
            tracing::info!(
                receiver.name = name,
                receiver.url = url,
                receiver.max_backlog_bytes = receiver.max_backlog_bytes,
                queue.tuples = queued,
                "receiver {name} gets {} at {url}{}",
                of_whom(&receiver.sources),
                from_before(*queued)
            );
        }
    }
    if config.queue.durability == Durability::Memory && holds_segments(&config.data_dir) {
        let directory = config.data_dir.display();
        tracing::warn!(
            data_dir = %directory,
            "{directory} holds a durable queue, which is not delivered while `queue.durability` is \
             \"memory\": start once with \"fsync\" or \"os\" to deliver it, `tidegate queue ls` shows it"
        );
    }
    if config.queue.durability != Durability::Memory
        && let Ok(disk) = rustix::fs::statvfs(&config.data_dir)
    {
        let disk_bytes = disk.f_blocks.saturating_mul(disk.f_frsize);
        if let Some(warning) = hopeless_reserve(queue.min_free_bytes, disk_bytes) {
            tracing::warn!(disk_bytes, queue.min_free_bytes = queue.min_free_bytes, "{warning}");
        }
    }
}

fn from_before(tuples: u64) -> String {
    if tuples > 0 { format!("; {tuples} tuples wait from before") } else { String::new() }
}

fn of_whom(sources: &Sources) -> String {
    match sources {
        Sources::All => "everything".to_owned(),
        Sources::Only(names) => match &names[..] {
            [name] => format!("what source {name} sends"),
            names => format!("what the sources {} send", names.join(", ")),
        },
    }
}

/// Whether a durable queue was left there.
fn holds_segments(data_dir: &Path) -> bool {
    let files = std::fs::read_dir(data_dir.join("queue"));
    files.is_ok_and(|files| {
        let mut names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
        names.any(|name| Name::parse(&name).is_some())
    })
}

/// A reserve larger than the disk is never free.
fn hopeless_reserve(min_free_bytes: u64, disk_bytes: u64) -> Option<String> {
    (min_free_bytes > disk_bytes).then(|| {
        format!(
            "the disk of `data_dir` has {disk_bytes} bytes in all, fewer than `queue.min_free_bytes` = \
             {}: every request is answered with 503; lower that, or take a larger disk",
            size_text(min_free_bytes)
        )
    })
}

/// Where the queue's files are; `None` when it has none.
pub(super) fn data_dir(config: &Config) -> Option<String> {
    match config.queue.durability {
        Durability::Fsync | Durability::Os => Some(config.data_dir.display().to_string()),
        Durability::Memory => None,
    }
}

/// Where the queue is, how large it may become, and what a crash would lose (contract C5.4).
fn promise(config: &Config) -> String {
    let config::Queue { durability, max_bytes, .. } = config.queue;
    let place =
        data_dir(config).map_or("in memory".to_owned(), |directory| format!("in {directory}"));
    let at_risk = durability.at_risk();
    format!(
        "the queue is {place} (durability {}, up to {}): {at_risk}",
        durability.as_str(),
        size_text(max_bytes)
    )
}

pub(super) fn stopping(grace: Duration, queued: u64) {
    tracing::info!(
        queue.tuples = queued,
        shutdown.grace_s = grace.as_secs_f64(),
        "stopping: {queued} tuples are queued, requests and deliveries get {}",
        humantime::format_duration(grace)
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, load};

    #[test]
    fn the_start_line_says_where_the_queue_is_and_what_a_crash_would_lose() {
        for (durability, wanted) in [
            (
                "fsync",
                "the queue is in /var/lib/tidegate (durability fsync, up to 4GiB): a crash loses \
                 nothing that was acknowledged",
            ),
            (
                "os",
                "the queue is in /var/lib/tidegate (durability os, up to 4GiB): a crash of this \
                 process loses nothing that was acknowledged, one of the machine what the operating \
                 system had not written yet",
            ),
            (
                "memory",
                "the queue is in memory (durability memory, up to 256MiB): a crash loses everything \
                 not yet delivered",
            ),
        ] {
            let text = format!(
                "data_dir = \"/var/lib/tidegate\"\n{}\n[queue]\ndurability = \"{durability}\"\n",
                include_str!("../../fixtures/config/minimal.toml")
            );
            let config = load("test", &text, &Environment::default()).unwrap().config;
            assert_eq!(promise(&config), wanted);
        }
    }

    #[test]
    fn a_reserve_larger_than_the_disk_is_told_of() {
        assert_eq!(hopeless_reserve(1 << 20, 1 << 20), None);
        let said = hopeless_reserve(1 << 20, (1 << 20) - 1).unwrap();
        assert!(said.contains("`queue.min_free_bytes` = 1MiB"), "{said}");
    }
}
