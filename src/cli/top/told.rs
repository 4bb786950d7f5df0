//! What the admin port's `/status` says; what an older or a newer gateway does not say is absent.

use serde::Deserialize;

/// The whole of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Told {
    pub(super) version: String,
    pub(super) uptime_s: Option<f64>,
    pub(super) ready: bool,
    pub(super) durability: String,
    pub(super) summary: Summary,
    pub(super) problems: Vec<Problem>,
    pub(super) causes: Vec<Cause>,
    pub(super) rates: Rates,
    pub(super) sources: Vec<Source>,
    pub(super) queue: Queue,
    pub(super) receivers: Vec<Receiver>,
    pub(super) dead_letters: DeadLetters,
}

/// One sentence, and `well`, `look` or `trouble`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Summary {
    pub(super) state: String,
    pub(super) text: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Problem {
    pub(super) level: String,
    pub(super) text: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Cause {
    pub(super) message: String,
}

/// A second, over the last minute.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Rates {
    pub(super) accepted: Option<f64>,
    pub(super) rejected: Option<f64>,
    pub(super) delivered: Option<f64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    pub(super) refused: u64,
    pub(super) rate: Option<f64>,
    pub(super) reject_rate: Option<f64>,
    pub(super) silent_s: Option<f64>,
    pub(super) last_rejects: Vec<Reject>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reject {
    pub(super) code: String,
    pub(super) message: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Queue {
    pub(super) bytes: Option<u64>,
    pub(super) limit_bytes: Option<u64>,
    pub(super) disk_free_bytes: Option<u64>,
    pub(super) full_in_s: Option<f64>,
    pub(super) oldest_age_s: Option<f64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Receiver {
    pub(super) name: String,
    /// None when it is not configured any more.
    pub(super) state: Option<String>,
    pub(super) rate: Option<f64>,
    pub(super) latency_ms: Option<f64>,
    pub(super) lag_seconds: Option<f64>,
    pub(super) backlog: Backlog,
    pub(super) why: Option<String>,
    pub(super) last_error: Option<LastError>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Backlog {
    pub(super) tuples: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LastError {
    pub(super) text: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DeadLetters {
    pub(super) letters: u64,
    pub(super) bytes: u64,
}
