//! The log lines of a start and an end: what is in effect, what a crash would lose, what was lost.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::config::{self, Config, size_text};
use crate::forward::State;
use crate::queue::Durability;
use crate::queue::log::segment::Name;

use super::{Afterwards, Ended};

/// One line with the limits in effect. No secrets: of the receiver its address alone, which the
/// configuration keeps free of them.
/// `queued`: tuples that wait from before.
pub(super) fn started(addr: SocketAddr, admin: Option<SocketAddr>, config: &Config, queued: u64) {
    let (limits, queue) = (&config.limits, &config.queue);
    let data_dir = data_dir(config);
    let promise = promise(config);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        listen = %addr,
        admin.listen = admin.map_or_else(|| "off".to_owned(), |addr| addr.to_string()),
        receiver.url = config.receivers[0].url,
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
        "taking metrics at http://{addr}/metrics; {promise}{}",
        if queued > 0 { format!("; {queued} tuples wait from before") } else { String::new() }
    );
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
fn data_dir(config: &Config) -> Option<String> {
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
    let at_risk = match durability {
        Durability::Fsync => "a crash loses nothing that was acknowledged",
        Durability::Os => {
            "a crash of this process loses nothing that was acknowledged, one of the machine what \
             the operating system had not written yet"
        }
        Durability::Memory => "a crash loses everything not yet delivered",
    };
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

pub(super) fn ended(ended: Ended, afterwards: Afterwards, config: &Config, receiver: &State) {
    let Ended { delivered, queued, gone, orphaned, lost } = ended;
    let text = epitaph(ended, afterwards, config, receiver);
    if lost > 0 {
        tracing::warn!(queue.delivered = delivered, queue.lost = lost, "{text}");
    } else {
        let data_dir = data_dir(config);
        tracing::info!(
            queue.delivered = delivered,
            queue.tuples = queued,
            queue.gone = gone,
            queue.orphaned = orphaned,
            data_dir,
            "{text}"
        );
    }
}

/// What became of everything, in a sentence.
fn epitaph(ended: Ended, afterwards: Afterwards, config: &Config, receiver: &State) -> String {
    let Ended { queued, gone, orphaned, lost, .. } = ended;
    let directory = config.data_dir.display();
    let mut text = match (lost, queued, receiver) {
        (0, 0, _) => "stopped: nothing is queued for the receiver".to_owned(),
        (0, ..) if afterwards == Afterwards::Removed => {
            format!("stopped: {queued} tuples are still queued in {directory}")
        }
        (0, _, State::Held { why, .. }) => format!(
            "stopped: {queued} tuples stay queued in {directory} and are delivered after the next \
             start with it; the receiver refuses them until it is mended: {why}"
        ),
        (0, ..) => format!(
            "stopped: {queued} tuples stay queued in {directory} and are delivered after the next \
             start with it"
        ),
        (_, _, State::Held { why, .. }) => format!(
            "stopped: {lost} accepted tuples are lost with the queue in memory; the receiver refused \
             them until the end: {why}"
        ),
        (_, _, State::Retrying | State::Flowing) => format!(
            "stopped: {lost} accepted tuples are lost with the queue in memory; the receiver did not \
             take them within {} (`shutdown.grace`)",
            humantime::format_duration(config.shutdown.grace)
        ),
    };
    for (number, what) in [
        (gone, "were damaged or expired since the queue began"),
        (orphaned, "stay for receivers that are not configured"),
    ] {
        if number > 0 {
            text.extend(["; ", &number.to_string(), " tuples ", what]);
        }
    }
    text
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

    #[test]
    fn the_last_line_says_what_is_true() {
        let text =
            format!("data_dir = \"/d\"\n{}", include_str!("../../fixtures/config/minimal.toml"));
        let config = load("test", &text, &Environment::default()).unwrap().config;
        let all = Ended { delivered: 9, queued: 2, gone: 3, orphaned: 4, lost: 0 };
        let kept = "2 tuples stay queued in /d and are delivered after the next start with it";
        let more = "3 tuples were damaged or expired since the queue began; 4 tuples stay for receivers \
                    that are not configured";
        for (ended, afterwards, wanted) in [
            (
                Ended { delivered: 9, ..Ended::default() },
                Afterwards::Kept,
                "nothing is queued for the receiver".to_owned(),
            ),
            (all, Afterwards::Kept, format!("{kept}; {more}")),
            (all, Afterwards::Removed, format!("2 tuples are still queued in /d; {more}")),
            (
                Ended { queued: 0, ..all },
                Afterwards::Kept,
                format!("nothing is queued for the receiver; {more}"),
            ),
            (
                Ended { lost: 7, ..Ended::default() },
                Afterwards::Kept,
                "7 accepted tuples are lost with the queue in memory; the receiver did not take them \
                 within 10s (`shutdown.grace`)"
                    .to_owned(),
            ),
        ] {
            let said = epitaph(ended, afterwards, &config, &State::Flowing);
            assert_eq!(said, format!("stopped: {wanted}"));
        }
    }
}
