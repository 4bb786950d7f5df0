//! `[queue]`: what lies between the answer to a client and the delivery.

use crate::queue::Durability;

use super::section::Section;

/// `[queue]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// What a 202 promises (contract C5.4). This version has `memory` only, and it is the default: a
    /// crash loses what was not delivered yet, and a shutdown what is left after `shutdown.grace`.
    pub durability: Durability,
    /// Bytes of tuples that may wait; over it the answer is 503 (contract C5.5).
    /// `limits.expanded_bytes` to 1 TiB; default 256 MiB, all of it memory. Raise it to ride out
    /// longer outages of the receiver.
    pub max_bytes: u64,
}

impl Queue {
    /// `expanded_bytes`: the largest entry there can be must fit.
    pub(super) fn read(mut section: Section<'_>, expanded_bytes: u64) -> Self {
        let durability =
            section.parsed("durability", Durability::Memory, |_| "memory".to_owned(), durability);
        let max_bytes = section.size("max_bytes", 256 << 20, 1 << 20..=1 << 40);
        // Accepted so that a file written for the durable log loads; nothing is on a disk here.
        if section.is_written("min_free_bytes") {
            section.size("min_free_bytes", 0, 0..=1 << 40);
            section.warn(
                "`queue.min_free_bytes` has no effect with `queue.durability = \"memory\"`"
                    .to_owned(),
            );
        } else {
            section.ignore(&["min_free_bytes"]);
        }
        if max_bytes < expanded_bytes {
            section.fault(
                "max_bytes",
                format!(
                    "`queue.max_bytes` must be at least `limits.expanded_bytes` = {expanded_bytes}, \
                     or the largest body never fits: raise it, or lower that"
                ),
            );
        }
        section.finish();
        Self { durability, max_bytes }
    }
}

fn durability(text: &str) -> Result<Durability, String> {
    match text {
        "memory" => Ok(Durability::Memory),
        "fsync" | "os" => {
            Err("\"memory\" in this version, which does not have the durable log yet".to_owned())
        }
        _ => Err("\"memory\"".to_owned()),
    }
}
