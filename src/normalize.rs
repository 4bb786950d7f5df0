//! Items as sent to metrics as meant, or a rejection with its code (contract C2 to C4).

use std::sync::Arc;

use serde::Serialize;

/// Rejection and warning codes: a closed list (contract C2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A broken NDJSON line.
    InvalidJson,
    /// The item is not an object.
    NotAnObject,
    /// No `name`.
    MissingName,
    /// `name` is empty, too long, not a string, or reserved while `reserved_names.action = "reject"`.
    InvalidName,
    /// Only a set, distribution or sketch is present.
    UnsupportedKind,
    /// More than one of gauge, counter, histogram, summary.
    MultipleValues,
    /// None of them, or one without its `value`.
    MissingValue,
    /// A value of the wrong type.
    InvalidValue,
    /// Null, NaN, infinite, or too large for a double.
    NotFinite,
    /// Any fault inside a histogram.
    InvalidHistogram,
    /// Any fault inside a summary.
    InvalidSummary,
    /// Any fault inside the tags.
    InvalidTags,
    /// Too many buckets, quantiles or bytes of tags.
    TooLarge,
    /// Older than `time.max_age`; a warning unless `time.outside = "reject"`.
    TooOld,
    /// Further ahead than `time.max_future`; a warning unless `time.outside = "reject"`.
    InFuture,
    /// Warning: a reserved name was prefixed.
    Renamed,
    /// Warning: `dt` was not understood; reception time is used.
    UnparsedDt,
    /// Warning: a quantile without a value was left out.
    SkippedQuantile,
}

/// The operator's choices, the same for every source.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// `time.*`
    pub time: TimePolicy,
    /// `stackstate.type`
    pub tuple_type: TupleType,
    /// `reserved_names.*`
    pub reserved_names: ReservedNames,
    /// `hostname_tags`: tags whose value names the host, first match wins (C4.5).
    pub hostname_tags: Vec<String>,
    /// The gateway's own host name, the last resort (C4.5).
    pub gateway_hostname: String,
    /// `limits.expanded_bytes`: most bytes of tuples one body may become (C1.5).
    pub expanded_bytes: u64,
}

/// How instants are judged (contract C3.5, C3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimePolicy {
    /// Seconds a point may lie in the past.
    pub max_age_s: u64,
    /// Seconds a point may lie ahead.
    pub max_future_s: u64,
    /// What happens to a point outside.
    pub outside: Outside,
    /// Whether an unparseable `dt` is kept as a tag.
    pub keep_unparsed: bool,
}

/// What happens to a point outside the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// Delivered with a warning.
    Warn,
    /// Rejected.
    Reject,
    /// Delivered without a word: `convert`.
    Ignore,
}

/// The `type` of the tuples (contract C4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TupleType {
    /// gauge, counter, count.
    AsSent,
    /// Always `raw`, as StackState's own agents do.
    Raw,
}

/// What happens to names StackState forbids (contract C4.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservedNames {
    /// What is done.
    pub action: ReservedAction,
    /// What is put in front, `metric.` by default.
    pub prefix: String,
}

/// What is done with a reserved name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservedAction {
    /// Put the prefix in front and warn.
    Prefix,
    /// Reject the item as `invalid_name`.
    Reject,
    /// Send it as it is.
    Keep,
}

/// The policy as it applies to one source.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The common policy.
    pub policy: Arc<Policy>,
    /// The source's `hostname`, or the gateway's own.
    pub hostname: String,
    /// The source's fixed tags, sanitised, in order.
    pub tags: Vec<(String, String)>,
}

impl Default for Policy {
    /// The contract's defaults, for a gateway that calls itself `localhost`.
    fn default() -> Self {
        Self {
            time: TimePolicy {
                max_age_s: 15 * 60,
                max_future_s: 15 * 60,
                outside: Outside::Warn,
                keep_unparsed: true,
            },
            tuple_type: TupleType::AsSent,
            reserved_names: ReservedNames {
                action: ReservedAction::Prefix,
                prefix: "metric.".to_owned(),
            },
            hostname_tags: vec!["host".to_owned(), "hostname".to_owned()],
            gateway_hostname: "localhost".to_owned(),
            expanded_bytes: 128 << 20,
        }
    }
}

impl Profile {
    /// The profile of a source with its own `hostname` (or none) and fixed tags.
    pub fn new(policy: Arc<Policy>, hostname: Option<&str>, tags: &[(String, String)]) -> Self {
        let hostname = hostname.unwrap_or(&policy.gateway_hostname).to_owned();
        Self { policy, hostname, tags: tags.to_vec() }
    }
}
