//! `/metrics`: a reading as OpenMetrics text, or as the text that Prometheus reads since ever.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::HeaderMap;
use hyper::header::ACCEPT;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use super::names::{self, Family};
use super::process::Process;
use super::readiness::{Kind, Readiness};
use super::reading::{Health, Reading, seconds_between};
use super::sheet::Sheet;
use crate::metric::timestamp::Timestamp;
use crate::normalize::Code;
use crate::pipeline::report::Kinds;
use crate::queue::Books;
use crate::scrape::{Counts, Outcome};
use crate::tls::Acceptor;
use crate::traffic::Ledger;

mod deliveries;
mod plain;
mod quotas;

use deliveries::deliveries;
pub(super) use deliveries::state_word;
use quotas::quotas;

/// How many nanoseconds make a second.
const NANOS: f64 = 1e9;

/// How a page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Text format 0.0.4.
    Plain,
}

impl Form {
    /// What whoever asks can read: OpenMetrics only for those who name it.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let ranges = accepted.flat_map(|value| value.split(','));
        let (mut open, mut plain) = (None, None);
        for range in ranges {
            let (kind, parameters) = range.split_once(';').unwrap_or((range, ""));
            let best = |before: Option<f32>| Some(before.unwrap_or(0.0).max(quality(parameters)));
            match kind.trim().to_ascii_lowercase().as_str() {
                "application/openmetrics-text" => open = best(open),
                "text/plain" | "text/*" | "*/*" => plain = best(plain),
                _ => {}
            }
        }
        match (open, plain) {
            (Some(open), plain) if open > 0.0 && plain.is_none_or(|plain| open >= plain) => {
                Self::OpenMetrics
            }
            _ => Self::Plain,
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The `q` of a media range; 1 where there is none that can be read.
fn quality(parameters: &str) -> f32 {
    let pairs = parameters.split(';').filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(key, _)| key.trim().eq_ignore_ascii_case("q"));
    named.next().and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(1.0)
}

/// The whole page.
pub(super) fn render(reading: Reading, process: Process, form: Form) -> String {
    let seen = Arc::new((reading, process));
    let mut page = String::new();
    let parts: [(&str, Part); 2] = [(names::PREFIX, gateway), (names::PROCESS_PREFIX, of_process)];
    for (prefix, part) in parts {
        let mut registry = Registry::with_prefix(prefix);
        registry.register_collector(Box::new(Page { seen: Arc::clone(&seen), part }));
        text::encode_registry(&mut page, &registry).expect("a string takes every text");
    }
    match form {
        Form::OpenMetrics => {
            text::encode_eof(&mut page).expect("a string takes every text");
            page
        }
        Form::Plain => plain::of(&page),
    }
}

/// What stands on the page under one prefix.
type Part = fn(&mut Sheet<'_>, &(Reading, Process)) -> fmt::Result;

struct Page {
    seen: Arc<(Reading, Process)>,
    part: Part,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Page").field(&self.seen.0.health).finish()
    }
}

impl Collector for Page {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        (self.part)(&mut Sheet::of(encoder), &self.seen)
    }
}

fn gateway(sheet: &mut Sheet<'_>, (reading, _): &(Reading, Process)) -> fmt::Result {
    itself(sheet, reading)?;
    configuration(sheet, reading)?;
    edge(sheet, reading)?;
    bodies(sheet, reading)?;
    tls(sheet, reading)?;
    metrics(sheet, reading)?;
    sources(sheet, reading)?;
    quotas(sheet, reading)?;
    scrapes(sheet, &reading.scrapes)?;
    books(sheet, &reading.health)?;
    queue(sheet, reading)?;
    waiting(sheet, &reading.health)?;
    work(sheet, reading)?;
    deliveries(sheet, &reading.health)
}

fn of_process(sheet: &mut Sheet<'_>, (reading, seen): &(Reading, Process)) -> fmt::Result {
    sheet.one(&names::PROCESS_START, unix_s(reading.started))?;
    sheet.one(&names::CPU, seen.cpu_s)?;
    sheet.maybe(&names::RESIDENT, seen.memory.map(|memory| memory.resident_bytes))?;
    sheet.maybe(&names::VIRTUAL, seen.memory.map(|memory| memory.virtual_bytes))?;
    sheet.maybe(&names::OPEN_FDS, seen.open_fds)?;
    sheet.maybe(&names::MAX_FDS, seen.max_fds)?;
    sheet.maybe(&names::THREADS, seen.threads)
}

fn itself(sheet: &mut Sheet<'_>, reading: &Reading) -> fmt::Result {
    let version = ("version", env!("CARGO_PKG_VERSION"));
    let target = [("arch", std::env::consts::ARCH), ("os", std::env::consts::OS)];
    sheet.info(&names::BUILD, &[version, target[0], target[1]])?;
    sheet.one(&names::START_TIME, unix_s(reading.started))?;
    sheet.one(&names::TIME, unix_s(reading.health.now))?;
    sheet.one(&names::UPTIME, reading.uptime.as_secs_f64())?;
    let readiness = Readiness::of(&reading.health);
    sheet.one(&names::READY, u64::from(readiness.ready))?;
    let has = |kind| readiness.causes.iter().any(|cause| cause.kind == kind);
    let causes = Kind::ALL.map(|kind| ([("cause", kind.as_str())], u64::from(has(kind))));
    sheet.each(&names::UNREADY, causes)?;
    sheet.one(&names::WORKERS, reading.runtime.workers)?;
    sheet.one(&names::TASKS, reading.runtime.tasks)?;
    sheet.one(&names::TASKS_WAITING, reading.runtime.waiting)
}

fn configuration(sheet: &mut Sheet<'_>, reading: &Reading) -> fmt::Result {
    sheet.one(&names::RELOADED, u64::from(reading.reloaded.is_ok()))?;
    sheet.one(&names::RELOADED_AT, reading.reloaded.succeeded_s)?;
    let tokens = reading.edge.tokens();
    let used = tokens.iter().filter_map(|token| {
        Some(([("source", &*token.source), ("token", token.key)], token.last_used_s?))
    });
    sheet.each(&names::TOKEN_USED, used)
}

fn edge(sheet: &mut Sheet<'_>, Reading { edge, .. }: &Reading) -> fmt::Result {
    let counts = edge.counts();
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let answers = counts.answers().into_iter();
    let answers = answers.map(|(status, count)| ([("status", status.to_string())], count));
    sheet.each(&names::REQUESTS, answers)?;
    let requests = counts.requests().map(|(name, count)| ([("protocol", name)], count));
    sheet.each(&names::BY_PROTOCOL, requests)?;
    sheet.one(&names::CONNECTIONS, read(&counts.connections))?;
    sheet.one(&names::CONNECTIONS_LIMIT, edge.connections_limit() as u64)?;
    sheet.one(&names::CONNECTIONS_ACCEPTED, read(&counts.connections_accepted))?;
    sheet.one(&names::TURNED_AWAY, read(&counts.turned_away))?;
    sheet.one(&names::MADE_WAY, read(&counts.made_way))?;
    sheet.one(&names::OVER_LIMIT, read(&counts.over_limit))?;
    sheet.one(&names::NO_ROOM, read(&counts.no_room))?;
    let keys = edge.limiter_keys();
    sheet.maybe(&names::LIMITER_KEYS, keys.map(|(used, _)| used as u64))?;
    sheet.maybe(&names::LIMITER_KEYS_LIMIT, keys.map(|(_, limit)| limit as u64))?;
    sheet.one(&names::PANICS, read(&counts.panics))?;
    sheet.one(&names::MEMORY, edge.memory_used())?;
    sheet.one(&names::MEMORY_LIMIT, edge.memory_limit())
}

fn bodies(sheet: &mut Sheet<'_>, Reading { edge, .. }: &Reading) -> fmt::Result {
    let (counts, by_protocol) = (edge.counts(), |protocol| [("protocol", protocol)]);
    let wire = counts.wire_bytes();
    let wire =
        wire.map(|(name, coding, bytes)| ([("protocol", name), ("encoding", coding)], bytes));
    sheet.each(&names::WIRE_BYTES, wire)?;
    let sizes = counts.body_sizes().map(|(name, seen)| (by_protocol(name), seen));
    sheet.spreads(&names::BODY_BYTES, 1.0, sizes)?;
    let handling = counts.handling_times().map(|(name, seen)| (by_protocol(name), seen));
    sheet.spreads(&names::HANDLING, NANOS, handling)?;
    let decoding = counts.decode_times().map(|(name, seen)| (by_protocol(name), seen));
    sheet.spreads(&names::DECODING, NANOS, decoding)
}

fn tls(sheet: &mut Sheet<'_>, reading: &Reading) -> fmt::Result {
    let acceptors = || reading.edge.tls().into_iter().chain(&reading.tls);
    let port = |acceptor: &Acceptor| [("port", acceptor.port().as_str())];
    let ends = acceptors().filter_map(|of| Some((port(of), of.not_after()? as f64)));
    sheet.each(&names::TLS_EXPIRY, ends)?;
    let failures = acceptors().map(|of| (port(of), of.failed_handshakes()));
    sheet.each(&names::TLS_FAILURES, failures)
}

fn metrics(sheet: &mut Sheet<'_>, reading: &Reading) -> fmt::Result {
    let (totals, counts, scrapes) = (reading.totals, reading.edge.counts(), &reading.scrapes);
    sheet.one(&names::RECEIVED, totals.accepted + totals.rejected)?;
    sheet.one(&names::ACCEPTED, totals.accepted)?;
    sheet.one(&names::REJECTED, totals.rejected)?;
    let label = |code: Code| [("code", code.as_str())];
    let rejections = |code| counts.rejections(code) + scrapes.rejections(code);
    let rejections = Code::rejections().map(|code| (label(code), rejections(code)));
    sheet.each(&names::REJECTIONS, rejections)?;
    let warnings = |code| counts.warnings(code) + scrapes.warnings(code);
    let warnings = Code::warnings().map(|code| (label(code), warnings(code)));
    sheet.each(&names::WARNINGS, warnings)?;
    let kinds =
        counts.kinds().into_iter().zip(scrapes.kinds()).map(|(sent, fetched)| sent + fetched);
    let kinds =
        Kinds::NAMES.into_iter().zip(kinds).map(|(kind, tuples)| ([("kind", kind)], tuples));
    sheet.each(&names::TUPLES, kinds)?;
    let (sent, fetched) = (counts.asides(), scrapes.asides());
    sheet.one(&names::EXEMPLARS, sent.exemplars + fetched.exemplars)?;
    sheet.one(&names::METADATA, sent.metadata + fetched.metadata)?;
    sheet.one(&names::STALE_MARKERS, sent.stale_markers + fetched.stale_markers)
}

fn sources(sheet: &mut Sheet<'_>, Reading { traffic, .. }: &Reading) -> fmt::Result {
    type Column = (&'static Family, fn(&Ledger) -> &AtomicU64);
    let columns: [Column; 5] = [
        (&names::SOURCE_REQUESTS, |ledger| &ledger.requests),
        (&names::SOURCE_BYTES, |ledger| &ledger.bytes),
        (&names::SOURCE_ACCEPTED, |ledger| &ledger.accepted),
        (&names::SOURCE_REJECTED, |ledger| &ledger.rejected),
        (&names::SOURCE_REFUSED, |ledger| &ledger.refused),
    ];
    for (name, column) in columns {
        let counts = traffic.iter().map(|(source, ledger)| {
            ([("source", &**source)], column(ledger).load(Ordering::Relaxed))
        });
        sheet.each(name, counts)?;
    }
    let seen = traffic.iter().filter_map(|(source, ledger)| {
        let seen_s = ledger.seen_s.load(Ordering::Relaxed);
        (seen_s > 0).then_some(([("source", &**source)], seen_s))
    });
    sheet.each(&names::SOURCE_SEEN, seen)
}

fn scrapes(sheet: &mut Sheet<'_>, counts: &Counts) -> fmt::Result {
    let jobs = counts.jobs();
    let targets = jobs.iter().map(|job| ([("job", &*job.job)], job.targets()));
    sheet.each(&names::SCRAPE_TARGETS, targets)?;
    let scrapes = jobs.iter().flat_map(|job| {
        let of = |outcome: Outcome| [("job", &*job.job), ("outcome", outcome.as_str())];
        Outcome::ALL.map(|outcome| (of(outcome), job.scrapes(outcome)))
    });
    sheet.each(&names::SCRAPES, scrapes)
}

fn books(sheet: &mut Sheet<'_>, health: &Health) -> fmt::Result {
    type Column = (&'static Family, fn(&Books) -> u64);
    let columns: [Column; 10] = [
        (&names::SERIES, |books| books.series),
        (&names::REPLAYED, |books| books.replayed),
        (&names::DELIVERED, |books| books.delivered),
        (&names::FILTERED, |books| books.filtered),
        (&names::QUEUED, |books| books.queued),
        (&names::DEAD_LETTERED, |books| books.dead_lettered),
        (&names::EXPIRED, |books| books.expired),
        (&names::DAMAGED, |books| books.damaged),
        (&names::PURGED, |books| books.purged),
        (&names::LOST, |books| books.lost),
    ];
    for (name, column) in columns {
        sheet.by_receiver(name, health, |destination| Some(column(&destination.account.books)))?;
    }
    sheet.one(&names::BALANCED, u64::from(health.is_balanced()))
}

fn queue(sheet: &mut Sheet<'_>, reading: &Reading) -> fmt::Result {
    sheet.info(&names::QUEUE, &[("durability", reading.durability.as_str())])?;
    let standing = &reading.health.standing;
    sheet.one(&names::QUEUE_BYTES, standing.used_bytes)?;
    sheet.one(&names::QUEUE_LIMIT, standing.limit_bytes)?;
    sheet.one(&names::QUEUE_SEGMENTS, standing.segments)?;
    sheet.one(&names::IN_ORDER, u64::from(reading.health.disorder.is_none()))?;
    sheet.maybe(&names::DISK_FREE, standing.disk.map(|(free, _)| free))?;
    sheet.maybe(&names::DISK_RESERVE, standing.disk.map(|(_, reserve)| reserve))?;
    sheet.maybe(&names::FULL, reading.full_s)
}

fn waiting(sheet: &mut Sheet<'_>, health: &Health) -> fmt::Result {
    sheet.by_receiver(&names::WAITING_BLOCKS, health, |of| Some(of.account.depth.blocks))?;
    sheet.by_receiver(&names::WAITING_TUPLES, health, |of| Some(of.account.depth.tuples))?;
    sheet.by_receiver(&names::WAITING_BYTES, health, |of| Some(of.account.depth.bytes))?;
    sheet.by_receiver(&names::OLDEST_AGE, health, |of| {
        let oldest = of.oldest.as_ref()?.as_ref().ok()?;
        Some(oldest.map_or(0.0, |oldest| seconds_between(oldest, health.now)))
    })
}

fn work(sheet: &mut Sheet<'_>, Reading { meters, .. }: &Reading) -> fmt::Result {
    sheet.histogram(&names::COMMIT, &meters.commit_seconds)?;
    sheet.histogram(&names::GROUP_REQUESTS, &meters.group_requests)?;
    sheet.histogram(&names::GROUP_BYTES, &meters.group_bytes)?;
    sheet.one(&names::COMMIT_FAILURES, meters.commit_failures.get())?;
    sheet.one(&names::DAMAGES, meters.damages.get())?;
    sheet.one(&names::SET_ASIDE, meters.set_aside.get())
}

/// As a Unix time.
fn unix_s(at: Timestamp) -> f64 {
    at.seconds() as f64 + f64::from(at.nanos()) / 1e9
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn openmetrics_is_for_those_who_name_it_and_do_not_prefer_the_other() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,\
            application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, expected) in [
            (prometheus, Form::OpenMetrics),
            ("Application/OpenMetrics-Text", Form::OpenMetrics),
            ("text/plain, application/openmetrics-text", Form::OpenMetrics),
            ("text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.1", Form::Plain),
            ("application/openmetrics-text;q=0", Form::Plain),
            ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", Form::Plain),
            ("*/*", Form::Plain),
            ("application/json", Form::Plain),
            ("", Form::Plain),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(Form::of(&headers), expected, "{accept}");
        }
        assert_eq!(Form::of(&HeaderMap::new()), Form::Plain);
    }
}
