//! Bodies, connections, what bodies become, each source, and what goes out.

use super::{Family, counter, gauge, histogram};

pub(in super::super) static WIRE_BYTES: Family = counter(
    "http_received",
    "Bytes of bodies as they came over the wire, by how their sender speaks and Content-Encoding, those of \
     refused bodies included.",
)
.bytes();
pub(in super::super) static BODY_BYTES: Family = histogram(
    "http_body",
    "Sizes of bodies that came in whole, decompressed; at limits.body_bytes senders get 413.",
)
.bytes();
pub(in super::super) static HANDLING: Family = histogram(
    "http_request_duration",
    "Time from the last byte of a body until its metrics are safe and the answer leaves, of requests whose \
     metrics were decided: decoding, waiting for a worker, the sync. How fast the client sends is not in it.",
)
.seconds();
pub(in super::super) static DECODING: Family = histogram(
    "decode_duration",
    "Time to make tuples of one body, on one core; of small bodies (up to 16 KiB; 1 KiB of OTLP and remote \
     write 2.0) one in 16 is timed.",
)
.seconds();
pub(in super::super) static CONNECTIONS_ACCEPTED: Family = counter(
    "http_connections_accepted",
    "Connections that were served; a rate near that of requests means that clients do not keep theirs.",
);
pub(in super::super) static LIMITER_KEYS: Family = gauge(
    "http_limiter_keys",
    "Addresses the limit of requests per address remembers; absent while limits.requests_per_minute is 0.",
);
pub(in super::super) static LIMITER_KEYS_LIMIT: Family = gauge(
    "http_limiter_keys_limit",
    "How many it may, limits.limiter_keys; beyond it newcomers share one allowance.",
);
pub(in super::super) static TUPLES: Family = counter(
    "tuples",
    "Tuples this process made of accepted metrics, by what the metric was sent as: a histogram becomes one \
     for each bucket and two more. count: a counter of what was added since the last one.",
);
// Each of [[sources]] and each scraped job.

pub(in super::super) static SOURCE_REQUESTS: Family = counter(
    "source_requests",
    "Requests of this source that were decided or refused for their body, and scrapes of this job, since \
     this process started.",
);
pub(in super::super) static SOURCE_BYTES: Family =
    counter("source_received", "Bytes of its bodies that were decided, decompressed.").bytes();
pub(in super::super) static SOURCE_ACCEPTED: Family =
    counter("source_metrics_accepted", "Metrics of this source that were taken, as sent.");
pub(in super::super) static SOURCE_REJECTED: Family = counter(
    "source_metrics_rejected",
    "Metrics of this source that were itemised as errors to it; what is wrong with them is in the log and in \
     the answers.",
);
pub(in super::super) static SOURCE_REFUSED: Family = counter(
    "source_bodies_refused",
    "Bodies of this source that were refused as a whole: they cannot be read, or are over a limit.",
);
pub(in super::super) static SOURCE_SEEN: Family = gauge(
    "source_last_seen_timestamp",
    "When this source last sent something, or this job was last scraped, as a Unix time; absent before the \
     first time since this process started.",
)
.seconds();

// Deliveries.

pub(in super::super) static LATENCY: Family = histogram(
    "delivery_duration",
    "Time from the first byte of a request to this receiver to the end of its answer or its failure.",
)
.seconds();
pub(in super::super) static SENT_BYTES: Family = counter(
    "delivery_sent",
    "Bytes of bodies sent to this receiver, as they are on the wire, repeated ones included.",
)
.bytes();
pub(in super::super) static RAW_BYTES: Family = counter(
    "delivery_raw",
    "The same before compression; divided by those on the wire it is the compression ratio.",
)
.bytes();
