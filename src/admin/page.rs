//! `/metrics`: a reading as OpenMetrics text.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use super::names::{self, Family};
use super::readiness::{Kind, Readiness};
use super::reading::{Health, Reading, seconds_between};
use super::sheet::Sheet;
use crate::metric::timestamp::Timestamp;
use crate::normalize::Code;
use crate::queue::Books;
use crate::scrape::{Counts, Outcome};

mod deliveries;

use deliveries::deliveries;
pub(super) use deliveries::state_word;

/// What [`render`] makes.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The whole page.
pub(super) fn render(reading: Reading) -> String {
    let mut registry = Registry::with_prefix(names::PREFIX);
    registry.register_collector(Box::new(Page(reading)));
    let mut page = String::new();
    text::encode(&mut page, &registry).expect("a string takes every text");
    page
}

struct Page(Reading);

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Page").field(&self.0.health).finish()
    }
}

impl Collector for Page {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (sheet, reading) = (&mut Sheet::of(encoder), &self.0);
        process(sheet, reading)?;
        configuration(sheet, reading)?;
        edge(sheet, reading)?;
        metrics(sheet, reading)?;
        scrapes(sheet, &reading.scrapes)?;
        books(sheet, &reading.health)?;
        queue(sheet, reading)?;
        waiting(sheet, &reading.health)?;
        work(sheet, reading)?;
        deliveries(sheet, &reading.health)
    }
}

fn process(sheet: &mut Sheet<'_>, reading: &Reading) -> fmt::Result {
    sheet.info(&names::BUILD, ("version", env!("CARGO_PKG_VERSION")))?;
    sheet.one(&names::START_TIME, unix_s(reading.started))?;
    sheet.one(&names::UPTIME, reading.uptime.as_secs_f64())?;
    let readiness = Readiness::of(&reading.health);
    sheet.one(&names::READY, u64::from(readiness.ready))?;
    let has = |kind| readiness.causes.iter().any(|cause| cause.kind == kind);
    let causes = Kind::ALL.map(|kind| ([("cause", kind.as_str())], u64::from(has(kind))));
    sheet.each(&names::UNREADY, causes)
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
    sheet.one(&names::TURNED_AWAY, read(&counts.turned_away))?;
    sheet.one(&names::MADE_WAY, read(&counts.made_way))?;
    sheet.one(&names::OVER_LIMIT, read(&counts.over_limit))?;
    sheet.one(&names::PANICS, read(&counts.panics))?;
    sheet.one(&names::MEMORY, edge.memory_used())?;
    sheet.one(&names::MEMORY_LIMIT, edge.memory_limit())
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
    let (sent, fetched) = (counts.asides(), scrapes.asides());
    sheet.one(&names::EXEMPLARS, sent.exemplars + fetched.exemplars)?;
    sheet.one(&names::METADATA, sent.metadata + fetched.metadata)?;
    sheet.one(&names::STALE_MARKERS, sent.stale_markers + fetched.stale_markers)
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
    sheet.info(&names::QUEUE, ("durability", reading.durability.as_str()))?;
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
