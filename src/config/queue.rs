//! `[queue]`: what lies between the answer to a client and the delivery.

use crate::queue::Durability;
use crate::queue::log::lanes::Order;

use super::section::Section;
use super::units::size_text;

const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

/// Space is freed a segment at a time: with fewer of them a cap would be full of delivered data.
const SEGMENTS_MIN: u64 = 4;
const SEGMENT_BYTES_MIN: u64 = MIB;
const SEGMENT_BYTES_MAX: u64 = 1 << 30;
const FRESH_SHARE: u32 = 4;

/// `[queue]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// What a 202 promises (contract C5.4). `fsync`, the default: it is on the disk of
    /// [`data_dir`](super::Config::data_dir), whatever dies. `os`: the operating system has it; the
    /// process may die, and if the machine does, what was not written yet is lost. `memory`: nothing
    /// is written; a crash loses what was not delivered yet, and a shutdown what is left after
    /// `shutdown.grace`. `os` for disks that sync slowly, `memory` for trials and where metrics may go.
    pub durability: Durability,
    /// Bytes that may wait, over it the answer is 503 (contract C5.5): of files, or with `memory` of
    /// tuples. 4 MiB (with `memory` 1 MiB), and `limits.expanded_bytes` with a sixteenth of it for what
    /// describes its blocks and, unless `memory`, one segment, to 1 TiB; default 4 GiB, with `memory`
    /// 256 MiB, all of it memory. Raise it to ride out longer outages of the receiver.
    pub max_bytes: u64,
    /// Bytes to leave free on the disk of `data_dir`, whoever fills it; below it the answer is 503,
    /// and delivery goes on (contract C5.5). 0 to 1 TiB; default 512 MiB; 0 = none, where the queue
    /// has a disk to itself. No effect with `memory`.
    pub min_free_bytes: u64,
    /// Size of a segment file, the unit in which delivered data is deleted; a larger request gets a
    /// larger file. 1 MiB to 1 GiB, at most a quarter of `max_bytes`; default 64 MiB, under a
    /// `max_bytes` of 512 MiB an eighth of that in whole MiB, at least 1. Hardly worth changing:
    /// smaller frees space sooner, larger makes fewer files. No effect with `memory`.
    pub segment_bytes: u64,
    /// Which data goes first when some has waited. `fresh_first`, the default: after an outage new data
    /// does not wait behind the backlog, and `fresh_share` says how many leases of it go out for each of
    /// the backlog while both wait; 1 to 100, default 4; lower it to work a backlog off sooner. `fifo`:
    /// oldest first, so that everything is late until the backlog is gone, for where a gap in the past
    /// hurts more than that; `fresh_share` then has no effect. No effect with `memory`, which is `fifo`.
    pub order: Order,
}

impl Queue {
    /// What the largest body may become, with what describes its blocks.
    pub(super) fn largest_entry_bytes(expanded_bytes: u64) -> u64 {
        expanded_bytes + expanded_bytes / 16
    }

    /// 0 without files.
    pub(super) fn segment_bytes_on_disk(&self) -> u64 {
        match self.durability {
            Durability::Fsync | Durability::Os => self.segment_bytes,
            Durability::Memory => 0,
        }
    }

    /// `expanded_bytes`: the largest entry there can be must fit.
    pub(super) fn read(mut section: Section<'_>, expanded_bytes: u64) -> Self {
        let durabilities = [Durability::Fsync, Durability::Os, Durability::Memory]
            .map(|durability| (durability.as_str(), durability));
        let durability = section.choice("durability", Durability::Fsync, &durabilities);
        let (default_bytes, least_bytes, idle) = match durability {
            Durability::Fsync | Durability::Os => (4 << 30, SEGMENTS_MIN * SEGMENT_BYTES_MIN, None),
            Durability::Memory => (256 * MIB, MIB, Some("`queue.durability = \"memory\"`")),
        };
        let max_bytes = section.size("max_bytes", default_bytes, least_bytes..=TIB);
        let reserve = |section: &mut Section<'_>, key, default| section.size(key, default, 0..=TIB);
        let min_free_bytes = unless_idle(&mut section, idle, "min_free_bytes", 512 * MIB, reserve);
        let segment_bytes = segment_bytes(&mut section, idle, max_bytes);
        require_room(&mut section, durability, max_bytes, expanded_bytes, segment_bytes);
        let order = order(&mut section, idle);
        section.finish();
        Self { durability, max_bytes, min_free_bytes, segment_bytes, order }
    }
}

/// The largest body has to fit into an empty queue: its tuples, what describes their blocks, and of a
/// log the segment that is being filled, which is deleted only when it is full or pressed.
fn require_room(
    section: &mut Section<'_>,
    durability: Durability,
    max_bytes: u64,
    expanded_bytes: u64,
    segment_bytes: u64,
) {
    let body_bytes = Queue::largest_entry_bytes(expanded_bytes);
    let (least, sum) = match durability {
        Durability::Fsync | Durability::Os => {
            (body_bytes + segment_bytes, " + a sixteenth of it + `queue.segment_bytes`")
        }
        Durability::Memory => (body_bytes, " + a sixteenth of it"),
    };
    if max_bytes < least {
        section.fault(
            "max_bytes",
            format!(
                "`queue.max_bytes` must be at least `limits.expanded_bytes`{sum} = {least}, or the \
                 largest body never fits: raise it, or lower those"
            ),
        );
    }
}

fn segment_bytes(section: &mut Section<'_>, idle: Option<&str>, max_bytes: u64) -> u64 {
    let default = (max_bytes / 8 / MIB * MIB).clamp(SEGMENT_BYTES_MIN, 64 * MIB);
    let range = SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX;
    let segment_bytes =
        unless_idle(section, idle, "segment_bytes", default, |section, key, default| {
            section.size(key, default, range)
        });
    if idle.is_none() && segment_bytes > max_bytes / SEGMENTS_MIN {
        section.fault(
            "segment_bytes",
            format!(
                "`queue.segment_bytes` must be at most a quarter of `queue.max_bytes` = {}, because \
                 space is freed one segment at a time: lower it, or raise that to at least {}",
                size_text(max_bytes),
                size_text(segment_bytes * SEGMENTS_MIN)
            ),
        );
    }
    segment_bytes
}

fn order(section: &mut Section<'_>, idle: Option<&str>) -> Order {
    let fresh_first = Order::FreshFirst { share: FRESH_SHARE };
    let orders = [("fresh_first", fresh_first), ("fifo", Order::Fifo)];
    let order = unless_idle(section, idle, "order", fresh_first, |section, key, default| {
        section.choice(key, default, &orders)
    });
    let idle = idle.or((order == Order::Fifo).then_some("`queue.order = \"fifo\"`"));
    let share = unless_idle(section, idle, "fresh_share", FRESH_SHARE, |section, key, default| {
        section.number(key, default.into(), 1..=100) as u32
    });
    match order {
        Order::FreshFirst { .. } => Order::FreshFirst { share },
        Order::Fifo => Order::Fifo,
    }
}

/// Reads a setting, unless another one (`idle`) leaves it without effect: then the default stands and
/// whoever wrote it down is told so. Nobody should believe in a reserve that is not kept.
fn unless_idle<'f, T: Copy>(
    section: &mut Section<'f>,
    idle: Option<&str>,
    key: &'static str,
    default: T,
    read: impl FnOnce(&mut Section<'f>, &'static str, T) -> T,
) -> T {
    let Some(idle) = idle else { return read(section, key, default) };
    if section.is_written(key) {
        read(section, key, default);
        section.warn(format!("`queue.{key}` has no effect with {idle}"));
    } else {
        section.ignore(&[key]);
    }
    default
}
