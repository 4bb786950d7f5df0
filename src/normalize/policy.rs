//! What the operator chose: one policy for all, and its profile for each source.

use std::sync::Arc;

use bumpalo::Bump;

use crate::metric::text;

/// The operator's choices, the same for every source.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// `time.*`
    pub time: TimePolicy,
    /// `stackstate.type`, of all tuples: `as_sent` (default), `gauge`, `counter` or `count` as the metric is;
    /// `raw`, whatever it is, as StackState's own agents do. It holds for all receivers (contract C4.2).
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
    /// How old a point may be; an older one is remarkable (`time.outside`). 0 s to 100 years; default
    /// 15 min, as Better Stack documents. Here in seconds.
    pub max_age_s: u64,
    /// How far a point may lie ahead. 0 s to 100 years; default 15 min. Here in seconds.
    pub max_future_s: u64,
    /// What happens to a point outside: `warn` (default), it is delivered and said so; `reject`, it is
    /// rejected as `too_old` or `in_future`. `convert` never minds.
    pub outside: Outside,
    /// true, the default: a `dt` that cannot be read is kept as the tag `dt:<text>`. false: it is not; the
    /// warning stays.
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
    /// What is done with a name that StackState reserves (contract C4.6): `prefix` (default), it gets one
    /// and a warning `renamed`; `reject`, as `invalid_name`; `keep`, for receivers that take it.
    pub action: ReservedAction,
    /// What is put in front, `metric.` by default: 1 to 64 visible ASCII characters that are not themselves
    /// reserved. No effect unless `action` is `prefix`.
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
    policy: Arc<Policy>,
    /// The source's `hostname`, or the gateway's own.
    hostname: String,
    /// The source's fixed tags, sanitised, in order.
    tags: Vec<(String, String)>,
    tame: bool,
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
    ///
    /// The tags are sanitised here, once; of keys that are equal then, the last wins (C4.7).
    pub fn new(policy: Arc<Policy>, hostname: Option<&str>, tags: &[(String, String)]) -> Self {
        let arena = Bump::new();
        let hostname = hostname.unwrap_or(&policy.gateway_hostname);
        let hostname = text::clean(hostname, &arena).to_owned();
        let mut kept: Vec<(String, String)> = Vec::with_capacity(tags.len());
        for (key, value) in tags {
            let key = text::clean_key(key, &arena).to_owned();
            kept.retain(|(earlier, _)| *earlier != key);
            kept.push((key, text::clean(value, &arena).to_owned()));
        }
        let needs_escape = |text: &str| text.contains(['"', '\\']);
        let tame = !needs_escape(&hostname)
            && !needs_escape(&policy.reserved_names.prefix)
            && !kept.iter().any(|(key, value)| needs_escape(key) || needs_escape(value));
        Self { policy, hostname, tags: kept, tame }
    }

    /// The common policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The source's `hostname`, or the gateway's own.
    pub fn hostname(&self) -> &str {
        &self.hostname
    }

    /// The source's fixed tags, sanitised, in order.
    pub fn tags(&self) -> &[(String, String)] {
        &self.tags
    }

    /// No text of the operator's, the prefix of reserved names included, needs an escape in JSON.
    pub fn is_tame(&self) -> bool {
        self.tame
    }
}
