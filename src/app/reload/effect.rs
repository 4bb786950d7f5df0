//! Which settings take effect while the gateway runs, and which need a restart: every key there is.

/// When a changed setting takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// At once.
    Live,
    /// When the gateway starts again.
    Restart,
}

use Effect::{Live, Restart};

/// Of this key, as `limits.body_bytes` or `sources.token`. One that nobody classified stays what it was:
/// that is the safe side.
pub(super) fn of(key: &str) -> Effect {
    known(key).unwrap_or(Restart)
}

fn known(key: &str) -> Option<Effect> {
    let of = |(keys, effect): &(&[&str], Effect)| keys.contains(&key).then_some(*effect);
    TABLE.iter().find_map(of)
}

/// Sections stand here as well, for what is in none of their keys.
const TABLE: &[(&[&str], Effect)] = &[
    // Sockets, files and threads that were made at the start.
    (&["listen", "data_dir", "admin", "admin.listen", "admin.allowed_hosts"], Restart),
    (&["hostname", "hostname_tags"], Live),
    (
        &[
            "sources",
            "sources.name",
            "sources.token",
            "sources.token_file",
            "sources.token_env",
            "sources.token_sha256",
            "sources.token_expires",
            "sources.next_token",
            "sources.next_token_file",
            "sources.next_token_env",
            "sources.next_token_sha256",
            "sources.next_token_expires",
            "sources.enabled",
            "sources.allow_metrics",
            "sources.rate_limit",
            "sources.label_token",
            "sources.hostname",
            "sources.tags",
            "sources.requests_per_minute",
            "sources.metrics_per_minute",
            "sources.bytes_per_minute",
            "sources.series",
            "sources.series_window",
            "sources.over_series",
        ],
        Live,
    ),
    (
        &[
            "scrape",
            "scrape.job",
            "scrape.source",
            "scrape.targets",
            "scrape.target_files",
            "scrape.scheme",
            "scrape.path",
            "scrape.interval",
            "scrape.timeout",
            "scrape.headers",
            "scrape.labels",
            "scrape.honor_labels",
            "scrape.honor_timestamps",
            "scrape.ca_file",
            "scrape.cert_file",
            "scrape.key_file",
            "scrape.insecure_skip_verify",
        ],
        Live,
    ),
    // Queue, books and dead letters are kept by receiver.
    (
        &[
            "receiver",
            "receiver.url",
            "receiver.auth",
            "receiver.compression",
            "receiver.connect_timeout",
            "receiver.timeout",
            "receiver.concurrency",
            "receiver.retry_min",
            "receiver.retry_max",
            "receiver.hold_probe",
            "receivers",
            "receivers.name",
            "receivers.sources",
            "receivers.max_backlog_bytes",
            "receivers.url",
            "receivers.auth",
            "receivers.compression",
            "receivers.connect_timeout",
            "receivers.timeout",
            "receivers.concurrency",
            "receivers.retry_min",
            "receivers.retry_max",
            "receivers.hold_probe",
        ],
        Restart,
    ),
    (
        &[
            "receiver.api_key",
            "receiver.api_key_file",
            "receiver.api_key_env",
            "receivers.api_key",
            "receivers.api_key_file",
            "receivers.api_key_env",
            "receiver.ca_file",
            "receiver.cert_file",
            "receiver.key_file",
            "receiver.insecure_skip_verify",
            "receiver.proxy",
            "receivers.ca_file",
            "receivers.cert_file",
            "receivers.key_file",
            "receivers.insecure_skip_verify",
            "receivers.proxy",
        ],
        Live,
    ),
    // Certificates of a port that speaks TLS; `live::held` keeps one from beginning or ending to.
    (
        &[
            "tls",
            "tls.cert_file",
            "tls.key_file",
            "tls.client_ca_file",
            "tls.client_auth",
            "admin.cert_file",
            "admin.key_file",
            "admin.client_ca_file",
            "admin.client_auth",
        ],
        Live,
    ),
    (&["auth", "auth.unauthorized_status"], Live),
    (
        &[
            "http",
            "http.nothing_accepted_status",
            "http.header_timeout",
            "http.idle_timeout",
            "http.body_timeout",
            "http.body_min_rate",
            "http.drain_timeout",
            "http.help_url",
        ],
        Live,
    ),
    (
        &[
            "limits",
            "limits.requests_per_minute",
            "limits.over_limit_status",
            "limits.limiter_keys",
            "limits.trusted_proxies",
            "limits.forwarded_header",
            "limits.body_bytes",
            "limits.memory_bytes",
        ],
        Live,
    ),
    // The queue is measured by the largest body; seats and open files are counted out at the start.
    (&["limits.expanded_bytes", "limits.connections"], Restart),
    (
        &[
            "time",
            "time.max_age",
            "time.max_future",
            "time.outside",
            "time.keep_unparsed",
            "stackstate",
            "stackstate.type",
            "reserved_names",
            "reserved_names.action",
            "reserved_names.prefix",
        ],
        Live,
    ),
    (
        &[
            "queue",
            "queue.durability",
            "queue.max_bytes",
            "queue.min_free_bytes",
            "queue.segment_bytes",
            "queue.order",
            "queue.fresh_share",
            "dead_letters",
            "dead_letters.max_bytes",
            "shutdown",
            "shutdown.grace",
            "log",
            "log.format",
        ],
        Restart,
    ),
    (&["log.level", "reload", "reload.watch", "reload.interval"], Live),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::{Environment, load};

    #[test]
    fn every_key_there_is_stands_in_the_table_once() {
        let text = format!(
            "{}\n[[scrape]]\njob = \"j\"\ntargets = [\"h:1\"]\n",
            include_str!("../../../fixtures/config/minimal.toml")
        );
        let settings = load("test", &text, &Environment::default()).unwrap().settings;
        let rows: Vec<&str> = TABLE.iter().flat_map(|(keys, _)| keys.iter().copied()).collect();
        let classified: BTreeSet<&str> = rows.iter().copied().collect();
        assert_eq!(rows.len(), classified.len(), "a key stands there twice");
        let missing: Vec<&str> = settings.known().filter(|key| !classified.contains(key)).collect();
        assert!(missing.is_empty(), "say of these keys when a change takes effect: {missing:?}");
    }

    #[test]
    fn what_nobody_classified_needs_a_restart() {
        assert_eq!(of("no.such_key"), Restart);
        assert_eq!((of("sources.tags"), of("listen")), (Live, Restart));
    }
}
