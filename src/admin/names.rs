//! Every metric the gateway has of itself: name, type and meaning, in the order of the page.
//!
//! All begin with `tidegate_`, but for what every process has, whose names are Prometheus' own (`process_`);
//! counters end in `_total`, units stand last. Labels are names of sources, receivers and jobs, words of
//! closed lists and status codes: never a token, an address or a metric's name.

use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

mod process;
mod quota;
mod traffic;

pub(super) use process::*;
pub(super) use quota::*;
pub(super) use traffic::*;

/// One family of metrics.
pub(super) struct Family {
    /// Without prefix, unit and `_total`.
    pub(super) name: &'static str,
    pub(super) unit: Option<&'static Unit>,
    pub(super) kind: MetricType,
    /// What a value means, and for labels what they say.
    pub(super) help: &'static str,
}

/// Before every name.
pub(super) const PREFIX: &str = "tidegate";

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, unit: None, kind: MetricType::Counter, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { name, unit: None, kind: MetricType::Gauge, help }
}

const fn histogram(name: &'static str, help: &'static str) -> Family {
    Family { name, unit: None, kind: MetricType::Histogram, help }
}

const fn info(name: &'static str, help: &'static str) -> Family {
    Family { name, unit: None, kind: MetricType::Info, help }
}

impl Family {
    const fn seconds(mut self) -> Self {
        self.unit = Some(&SECONDS);
        self
    }

    const fn bytes(mut self) -> Self {
        self.unit = Some(&BYTES);
        self
    }
}

static SECONDS: Unit = Unit::Seconds;
static BYTES: Unit = Unit::Bytes;

// -- the process --

pub(super) static BUILD: Family =
    info("build", "The running version, and what it was built for; the value is always 1.");
pub(super) static START_TIME: Family =
    gauge("start_time", "When this process started, as a Unix time.").seconds();
pub(super) static TIME: Family = gauge(
    "time",
    "The clock of this gateway, as a Unix time: metrics without an instant of their own get it. Compare it \
     with the time of the scrape.",
)
.seconds();
pub(super) static UPTIME: Family =
    gauge("uptime", "Time since this process started; not affected by the wall clock.").seconds();
pub(super) static READY: Family = gauge("ready", "1 while /readyz answers 200, else 0.");
pub(super) static UNREADY: Family = gauge(
    "unready",
    "1 for each cause for which the gateway is not ready; /readyz says more about it.",
);

pub(super) static RELOADED: Family = gauge(
    "config_last_reload_successful",
    "1 if the configuration could be used when it was last read, at the start or since, else 0: then \
     the one before is in effect, and /status says what is wrong.",
);
pub(super) static RELOADED_AT: Family = gauge(
    "config_last_reload_success_timestamp",
    "When the configuration was last read and could be used, as a Unix time.",
)
.seconds();
pub(super) static TOKEN_USED: Family = gauge(
    "source_token_last_used_timestamp",
    "When a token of a source last let a request in, as a Unix time; none if it has not since this process \
     started. token: the key that gave it, token or next_token.",
)
.seconds();

// -- what comes in --

pub(super) static REQUESTS: Family = counter(
    "http_requests",
    "Requests to the ingest port whose head could be parsed, by the status of their answer, since \
     this process started. Metrics were taken: 202 on /metrics, 200 from a Pushgateway's clients and OTLP, \
     204 from remote write; 200 is also a look at the address and a dry run.",
);
pub(super) static BY_PROTOCOL: Family = counter(
    "ingest_requests",
    "Requests that brought metrics or tried to, by how their sender speaks, whatever their answer; without \
     those over limits.requests_per_minute, which are not looked at, and a Pushgateway's DELETE, which \
     brings none. exposition: a page of Prometheus' text or OpenMetrics sent to /metrics.",
);
pub(super) static CONNECTIONS: Family =
    gauge("http_connections", "Connections to the ingest port.");
pub(super) static CONNECTIONS_LIMIT: Family =
    gauge("http_connections_limit", "How many there may be, limits.connections.");
pub(super) static TURNED_AWAY: Family = counter(
    "http_connections_turned_away",
    "Connections closed at limits.connections; their requests are not counted anywhere.",
);
pub(super) static MADE_WAY: Family = counter(
    "http_connections_made_way",
    "Connections closed at limits.connections because they were silent and somebody else came: without a \
     request that was let in for a second, or without a next one for five.",
);
pub(super) static OVER_LIMIT: Family = counter(
    "http_over_limit",
    "Requests refused because their address sent more than limits.requests_per_minute.",
);
pub(super) static NO_ROOM: Family = counter(
    "http_no_room",
    "Requests that got 503 because the queue takes nothing more or cannot be written, or because \
     limits.memory_bytes is spent.",
);
pub(super) static PANICS: Family =
    counter("http_panics", "Requests that ended in a bug and got a 500. Please report it.");
pub(super) static MEMORY: Family =
    gauge("http_memory", "Memory that bodies and tuples of running requests hold.").bytes();
pub(super) static MEMORY_LIMIT: Family =
    gauge("http_memory_limit", "How much they may hold, limits.memory_bytes.").bytes();

pub(super) static TLS_EXPIRY: Family = gauge(
    "tls_certificate_expiry_timestamp",
    "When the certificate that a port shows ends, as a Unix time, by port; none for ports in clear.",
)
.seconds();
pub(super) static TLS_FAILURES: Family = counter(
    "tls_handshake_failures",
    "Handshakes of a port that came to nothing, requests in clear among them, by port; none for ports in \
     clear.",
);

// -- the books: metrics as sent --

pub(super) static RECEIVED: Family = counter(
    "metrics_received",
    "Metrics as sent that were decided: accepted + rejected. This and the books count since the queue \
     began and not since this process started; a kill can set them back by about a second, which is \
     not a start from zero.",
);
pub(super) static ACCEPTED: Family = counter(
    "metrics_accepted",
    "Metrics as sent that are in the queue or were, and those of which no tuple comes, like stale \
     markers and values that are not finite, since the queue began.",
);
pub(super) static REJECTED: Family = counter(
    "metrics_rejected",
    "Metrics as sent that were itemised as errors to their client, since the queue began.",
);
pub(super) static REJECTIONS: Family = counter(
    "rejections",
    "Metrics rejected by this process, by code, counted when their request is answered.",
);
pub(super) static WARNINGS: Family = counter(
    "warnings",
    "Metrics accepted by this process with a warning, by code; one metric may have several.",
);

pub(super) static EXEMPLARS: Family = counter(
    "exemplars",
    "Exemplars that came with metrics this process took; StackState has no place for them, so they are \
     not delivered.",
);
pub(super) static METADATA: Family = counter(
    "metadata",
    "What this process was told about metrics and does not deliver: families with a type, a unit or a help \
     text; of OTLP, metrics with a description or a unit.",
);
pub(super) static STALE_MARKERS: Family = counter(
    "stale_markers",
    "Metrics this process accepted that say only that their series has ended, and points of OTLP without a \
     recorded value; nothing of them is delivered.",
);

// -- scrapes --

pub(super) static SCRAPE_TARGETS: Family =
    gauge("scrape_targets", "Targets of this job of [[scrape]], those named in files included.");
pub(super) static SCRAPES: Family = counter(
    "scrapes",
    "Scrapes of this job that ended, by outcome. ok; down: no connection, or it broke off; timeout; \
     refused: a status other than 200; malformed: no page of metrics; too_large: over a limit; no_room: \
     dropped, for the queue is full or the memory spent; over_quota: dropped, for its source sent more than \
     it may; failed: the queue cannot be written; panicked: a bug.",
);

// -- the books: series by receiver --

pub(super) static SERIES: Family = counter(
    "series",
    "Tuples accepted for all receivers, since this one began in the queue and not since this process \
     started; a kill can set the books back by about a second. The books: series + replayed = \
     delivered + filtered + queued + dead_lettered + expired + damaged + purged + lost. A receiver \
     that is not configured any more is in them until its position is given up.",
);
pub(super) static REPLAYED: Family =
    counter("replayed", "Tuples queued again for this receiver alone, from its dead letters.");
pub(super) static DELIVERED: Family = counter("delivered", "Tuples this receiver accepted.");
pub(super) static FILTERED: Family =
    counter("filtered", "Tuples not meant for this receiver, by its filter.");
pub(super) static QUEUED: Family = gauge(
    "queued",
    "Tuples waiting for this receiver or on their way to it; on disk those its filter leaves out count \
     until they are passed.",
);
pub(super) static DEAD_LETTERED: Family =
    counter("dead_lettered", "Tuples this receiver refused for good; they are kept.");
pub(super) static EXPIRED: Family = counter(
    "expired",
    "Tuples given up because this receiver was further behind than max_backlog_bytes, or held much of a \
     queue that was near its cap; also of a receiver that left the configuration.",
);
pub(super) static DAMAGED: Family = counter("damaged", "Tuples lost to damage on the disk.");
pub(super) static PURGED: Family = counter("purged", "Tuples thrown away by the operator.");
pub(super) static LOST: Family =
    counter("lost", "Tuples that were in a queue in memory when the gateway ended.");
pub(super) static BALANCED: Family = gauge(
    "books_balanced",
    "1 while the sums of the books hold, looked at with each scrape, and agree with a count of what \
     is in the files, made about every minute; 0 is a bug.",
);

// -- the queue --

pub(super) static QUEUE: Family = info(
    "queue",
    "What a crash loses. fsync: nothing acknowledged; os: what the system had not written yet; \
     memory: all that was not delivered.",
);
pub(super) static QUEUE_BYTES: Family = gauge("queue", "Bytes the queue takes.").bytes();
pub(super) static QUEUE_LIMIT: Family =
    gauge("queue_limit", "Bytes it may take, queue.max_bytes; beyond it clients get 503.").bytes();
pub(super) static QUEUE_SEGMENTS: Family =
    gauge("queue_segments", "Segment files of the queue; none in memory.");
pub(super) static IN_ORDER: Family = gauge(
    "queue_in_order",
    "1 while positions are saved and passed segments deleted, each second; while it is 0, a crash \
     repeats what was delivered meanwhile. Always 1 in memory.",
);
pub(super) static DISK_FREE: Family =
    gauge("queue_disk_free", "Bytes free on the disk of the queue; absent in memory.").bytes();
pub(super) static DISK_RESERVE: Family = gauge(
    "queue_disk_reserve",
    "Bytes of them that are to stay free, queue.min_free_bytes; below it clients get 503.",
)
.bytes();
pub(super) static FULL: Family = gauge(
    "queue_full",
    "Time until the queue or its disk is full at the growth of the last minute, of what waits or of \
     anything else on the disk; absent while it does not grow.",
)
.seconds();
pub(super) static WAITING_BLOCKS: Family = gauge(
    "queue_waiting_blocks",
    "Blocks waiting for this receiver or on their way to it; on disk those its filter leaves out count \
     until they are passed.",
);
pub(super) static WAITING_TUPLES: Family = gauge("queue_waiting_tuples", "Tuples in those blocks.");
pub(super) static WAITING_BYTES: Family = gauge(
    "queue_waiting",
    "About how many bytes those blocks take: an estimate where a file holds others too.",
)
.bytes();
pub(super) static BACKLOG_LIMIT: Family = gauge(
    "queue_waiting_limit",
    "How many bytes this receiver may fall behind, max_backlog_bytes; beyond it its oldest waiting \
     tuples expire. Absent for a sole receiver, which has no such limit, and for one that is not \
     configured any more, which keeps the one it had.",
)
.bytes();
pub(super) static OLDEST_AGE: Family = gauge(
    "queue_oldest_age",
    "The lag: time since the oldest of those blocks was received; 0 when none waits, absent when the queue \
     cannot be read, and for a receiver that is not configured any more.",
)
.seconds();
pub(super) static COMMIT: Family = histogram(
    "queue_commit",
    "Time from the first write of a group of requests to the end of its sync; none in memory.",
)
.seconds();
pub(super) static GROUP_REQUESTS: Family =
    histogram("queue_group_requests", "Requests answered by one sync.");
pub(super) static GROUP_BYTES: Family =
    histogram("queue_group", "Bytes written before one sync.").bytes();
pub(super) static COMMIT_FAILURES: Family = counter(
    "queue_commit_failures",
    "Groups that could not be written or synced at the first try.",
);
pub(super) static DAMAGES: Family = counter(
    "queue_damages",
    "Stretches of damage met in the files of the queue by this process, when opening them and when \
     reading; one that is still there counts again after each start.",
);
pub(super) static SET_ASIDE: Family = counter(
    "queue_set_aside",
    "Torn ends of files, and segments and positions nobody can read, met and set aside when this \
     process opened the queue; one that is still there counts again at each start.",
);

// -- deliveries --

pub(super) static RECEIVER_STATE: Family = gauge(
    "receiver_state",
    "1 for the state of this receiver, 0 for the others. flowing: accepts, or was not tried; \
     retrying: fails in a way that passes; held: nothing goes to it until somebody changes something.",
);
pub(super) static PROBING: Family = gauge(
    "receiver_probing",
    "1 while a request is on the wire that finds out whether this receiver is back.",
);
pub(super) static SINCE: Family = gauge(
    "receiver_since_timestamp",
    "When it entered that state, as a Unix time; the start, at first.",
)
.seconds();
pub(super) static IN_FLIGHT: Family =
    gauge("deliveries_in_flight", "Requests to this receiver on the wire.");
pub(super) static LIMIT: Family = gauge(
    "deliveries_in_flight_limit",
    "How many there may be now: adapts itself to what this receiver bears.",
);
pub(super) static CONCURRENCY: Family =
    gauge("deliveries_in_flight_most", "How many there may ever be, its setting concurrency.");
pub(super) static DELIVERIES: Family = counter(
    "deliveries",
    "Requests to this receiver that ended, by what follows (done, retry, split, step_down, halve, hold) \
     and what came back (a class of status, timeout, connect, broken or other).",
);
pub(super) static LAST_SUCCESS: Family = gauge(
    "receiver_last_success_timestamp",
    "When this receiver last accepted something, as a Unix time; absent before the first time.",
)
.seconds();
pub(super) static LAST_ERROR: Family = gauge(
    "receiver_last_error_timestamp",
    "When a request to this receiver last failed or was refused, as a Unix time; /receivers has its \
     words. Absent before the first time.",
)
.seconds();

pub(super) static ENCODING: Family = gauge(
    "receiver_encoding",
    "1 for the Content-Encoding of requests to this receiver now, 0 for the others; another than \
     its setting compression is what it was found to take.",
);
pub(super) static BODY_BOUND: Family = gauge(
    "receiver_body_bound",
    "Most bytes of a request to this receiver, before compression: below 4 MiB since it answered 413 to \
     a larger one, and growing back.",
)
.bytes();

// -- dead letters --

pub(super) static DEAD_LETTERS: Family = gauge(
    "dead_letters",
    "Tuples this receiver refused for good that are kept with its answer and were not replayed.",
);
pub(super) static DEAD_LETTERS_BYTES: Family =
    gauge("dead_letters", "Bytes of their files.").bytes();
pub(super) static DEAD_LETTERS_LIMIT: Family = gauge(
    "dead_letters_limit",
    "How many bytes they may take, dead_letters.max_bytes; when they do, deliveries are held.",
)
.bytes();
