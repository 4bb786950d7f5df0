//! What became of the tuples of one destination.

/// One destination's tuples (contract C7), from where it began:
/// `series + replayed = delivered + filtered + queued + dead_lettered + expired + damaged + purged`,
/// and for a queue in memory `+ lost`. Holds in every reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Accepted for all destinations.
    pub series: u64,
    /// Put in again for this destination alone, from its dead letters.
    pub replayed: u64,
    /// Accepted by it.
    pub delivered: u64,
    /// Not meant for it, by its filter.
    pub filtered: u64,
    /// Waiting or on loan, or not yet known to be filtered.
    pub queued: u64,
    /// Refused by it for good, and kept elsewhere.
    pub dead_lettered: u64,
    /// Too old for its backlog's bound.
    pub expired: u64,
    /// Lost to damage on the disk.
    pub damaged: u64,
    /// Thrown away by the operator.
    pub purged: u64,
    /// Still inside a queue in memory when it ended.
    pub lost: u64,
}

impl Books {
    /// Every class under the name that programs know it by, in the order of the sum.
    pub fn classes(&self) -> [(&'static str, u64); 10] {
        [
            ("series", self.series),
            ("replayed", self.replayed),
            ("delivered", self.delivered),
            ("filtered", self.filtered),
            ("queued", self.queued),
            ("dead_lettered", self.dead_lettered),
            ("expired", self.expired),
            ("damaged", self.damaged),
            ("purged", self.purged),
            ("lost", self.lost),
        ]
    }

    /// Whether the sum holds.
    pub fn is_balanced(&self) -> bool {
        let out = self.delivered
            + self.filtered
            + self.queued
            + self.dead_lettered
            + self.expired
            + self.damaged
            + self.purged
            + self.lost;
        self.series + self.replayed == out
    }
}
