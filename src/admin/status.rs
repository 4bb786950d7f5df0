//! `/status`: everything the page shows, as JSON, for it, for `tidegate top` and whoever else looks. It grows by
//! adding members only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::State;
use super::history::{Gone, Mark, Rates, short};
use super::readiness::Readiness;
use super::reading::{Health, Reading, seconds_between};
use super::receivers::{self, instant};
use crate::http::TokenUse;
use crate::metric::timestamp::Timestamp;
use crate::quota::{Quota, Rate};
use crate::tls::Acceptor;
use crate::traffic::Ledger;

mod problems;

/// A little less than a second, so that one who listens alone never gets the same twice.
const FRESH: Duration = Duration::from_millis(900);

/// A status made for all who listen, and when.
pub(super) type Last = Mutex<Option<(Instant, Bytes)>>;

/// The whole of it.
pub(super) async fn tell(state: &State) -> Value {
    let reading = Reading::of(state).await;
    let mark = Mark::of(state);
    let history = state.history();
    let (rates, gone) = (&history.rates(&mark), &|name: &str| history.gone(&mark, name));
    Told { state, reading: &reading, rates, gone }.whole()
}

/// The same as the data of an event with its end, at most [`FRESH`] old: whoever listens gets it every second, and
/// it is made once for all of them.
pub(super) async fn shared(state: &State) -> Bytes {
    let mut last = state.last_status.lock().await;
    match &*last {
        Some((at, told)) if at.elapsed() < FRESH => told.clone(),
        _ => {
            let told = Bytes::from(format!("data: {}\n\n", tell(state).await));
            *last = Some((Instant::now(), told.clone()));
            told
        }
    }
}

/// What is known of a token: the key that gave it, never which it is.
fn token(token: &TokenUse) -> Value {
    let used = token.last_used_s.and_then(|seconds| i64::try_from(seconds).ok());
    json!({
        "key": token.key,
        "expires": token.expires.and_then(instant),
        "last_used": used.and_then(|seconds| instant(Timestamp::from_unix(seconds, 0))),
    })
}

/// What it is made of.
struct Told<'t> {
    state: &'t State,
    reading: &'t Reading,
    rates: &'t Rates<'t>,
    /// What a receiver never gets of the last hour.
    gone: &'t dyn Fn(&str) -> Gone,
}

impl Told<'_> {
    fn whole(&self) -> Value {
        let Self { reading, rates, .. } = self;
        let Readiness { ready, causes } = Readiness::of(&reading.health);
        let causes = json!(causes);
        let mut told = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "started": instant(reading.started),
            "now": instant(reading.health.now),
            "uptime_s": short(reading.uptime.as_secs_f64()),
            "ready": ready,
            "causes": causes,
            "durability": reading.durability.as_str(),
            "crash_loses": reading.durability.at_risk(),
            "totals": {
                "accepted": reading.totals.accepted,
                "rejected": reading.totals.rejected,
                "series": reading.totals.tuples,
            },
            "rates": {
                "accepted": short(rates.accepted()),
                "rejected": short(rates.rejected()),
                "delivered": short(self.delivered()),
            },
            "sources": self.sources(),
            "edge": self.edge(),
            "queue": self.queue(),
            "receivers": self.receivers(),
            "dead_letters": self.dead_letters(),
            "limits": self.limits(),
            "certificates": self.certificates(),
            "reload": reading.reloaded.told(),
        });
        let (summary, problems) = problems::of(&told);
        told["summary"] = summary;
        told["problems"] = problems;
        told
    }

    fn health(&self) -> &Health {
        &self.reading.health
    }

    /// Tuples a second, to all receivers together.
    fn delivered(&self) -> f64 {
        self.health().destinations.iter().map(|to| self.rates.delivered(&to.name)).sum()
    }

    fn sources(&self) -> Value {
        let (ledgers, tokens) = (self.state.traffic.list(), self.reading.edge.tokens());
        let of = |(name, ledger): &(Arc<str>, Arc<Ledger>)| {
            let tokens = tokens.iter().filter(|token| token.source == *name);
            self.source(name, ledger, &tokens.map(token).collect())
        };
        ledgers.iter().map(of).collect()
    }

    fn source(&self, name: &str, ledger: &Ledger, tokens: &Value) -> Value {
        let [rate, reject_rate, refuse_rate] = self.rates.source(name);
        let seen = i64::try_from(read(&ledger.seen_s)).ok().filter(|seen| *seen > 0);
        let seen = seen.map(|seconds| Timestamp::from_unix(seconds, 0));
        let rejects = ledger.last_rejects().into_iter().map(|reject| {
            json!({
                "at": instant(reject.at),
                "code": reject.code,
                "message": reject.message,
                "example": reject.example,
            })
        });
        let mut told = json!({
            "name": name,
            "requests": read(&ledger.requests),
            "accepted": read(&ledger.accepted),
            "rejected": read(&ledger.rejected),
            "refused": read(&ledger.refused),
            "bytes": read(&ledger.bytes),
            "rate": short(rate),
            "reject_rate": short(reject_rate),
            "refuse_rate": short(refuse_rate),
            "last_seen": seen.and_then(instant),
            // Whole seconds are all that is known.
            "silent_s": seen.map(|seen| seconds_between(seen, self.health().now).floor()),
            "last_rejects": rejects.collect::<Value>(),
            "tokens": tokens,
        });
        if let Some(quota) = self.state.traffic.quotas().get(name) {
            told["quota"] = self.quota(&quota);
        }
        told
    }

    /// What a source may send and was refused for; of its series also how many there are.
    fn quota(&self, quota: &Quota) -> Value {
        let rates = Rate::ALL.into_iter().filter_map(|rate| {
            let per_minute = quota.per_minute(rate)?;
            let told = json!({"per_minute": per_minute, "over": quota.refused(rate)});
            Some((rate.as_str().to_owned(), told))
        });
        let mut told: Map<_, _> = rates.collect();
        if let Some(standing) = quota.standing(self.state.clock.monotonic()) {
            let grows = standing.growth.map(|growth| {
                json!({
                    "text": growth.to_string(),
                    "metric": growth.metric,
                    "series": growth.series,
                    "tag": growth.tag.as_ref().map(|(key, _)| key),
                    "values": growth.tag.as_ref().map(|(_, values)| values),
                })
            });
            told.insert(
                "series".to_owned(),
                json!({
                    "count": standing.series,
                    "limit": standing.limit,
                    "window_s": standing.window.as_secs(),
                    "grows": grows,
                }),
            );
        }
        Value::Object(told)
    }

    /// What has no source: nobody knows whose it was.
    fn edge(&self) -> Value {
        let (edge, counts) = (&self.reading.edge, self.reading.edge.counts());
        let mut told = json!({
            "connections": read(&counts.connections),
            "connections_limit": edge.connections_limit(),
            "panics": read(&counts.panics),
            "memory_bytes": edge.memory_used(),
            "memory_limit_bytes": edge.memory_limit(),
            "last_minute": {},
        });
        for (name, all, lately) in self.rates.strays() {
            told[name] = json!(all);
            told["last_minute"][name] = json!(lately);
        }
        told
    }

    /// When those of our own ports end.
    fn certificates(&self) -> Value {
        let ports = [("ingest", self.reading.edge.tls()), ("admin", self.reading.tls.as_ref())];
        let of = |(port, acceptor): (&str, Option<&Acceptor>)| {
            let ends = acceptor?.not_after().map(|seconds| Timestamp::from_unix(seconds, 0));
            Some(json!({"port": port, "ends": ends.and_then(instant)}))
        };
        ports.into_iter().filter_map(of).collect()
    }

    fn queue(&self) -> Value {
        let standing = &self.health().standing;
        let ages = self.health().destinations.iter().filter_map(|destination| {
            let oldest = destination.oldest.as_ref()?.as_ref().ok()?;
            Some(oldest.map_or(0.0, |oldest| seconds_between(oldest, self.health().now)))
        });
        let depths = self.health().destinations.iter().map(|to| to.account.depth.tuples);
        json!({
            "bytes": standing.used_bytes,
            "limit_bytes": standing.limit_bytes,
            "disk_free_bytes": standing.disk.map(|(free, _)| free),
            "full_in_s": self.reading.full_s.map(f64::round),
            "oldest_age_s": ages.reduce(f64::max).map(short),
            // What waits for whoever is furthest behind.
            "tuples": depths.max().unwrap_or_default(),
            "segments": standing.segments,
        })
    }

    /// As `/receivers` has them, and how fast they are.
    fn receivers(&self) -> Value {
        let mut told = receivers::render(self.health());
        for receiver in told.as_array_mut().into_iter().flatten() {
            let name = receiver["name"].as_str().unwrap_or_default().to_owned();
            let quantile = |share| self.rates.latency_ms(&name, share).map(short);
            receiver["rate"] = json!(short(self.rates.delivered(&name)));
            receiver["latency_ms"] = json!(quantile(0.5));
            receiver["latency_p99_ms"] = json!(quantile(0.99));
            let gone = (self.gone)(&name).into_iter();
            receiver["gone_last_hour"] = gone.map(|(fate, count)| (fate, json!(count))).collect();
        }
        told
    }

    fn dead_letters(&self) -> Value {
        let deliveries = self.health().destinations.iter().filter_map(|to| to.delivery.as_ref());
        let (mut letters, mut bytes) = (0, 0);
        for delivery in deliveries {
            letters += delivery.dead_letters.letters;
            bytes += delivery.dead_letters.used_bytes;
        }
        json!({"letters": letters, "bytes": bytes})
    }

    /// The settings that bound something, by their names in the configuration.
    fn limits(&self) -> Value {
        let (limits, http) = self.reading.edge.settings();
        let standing = &self.health().standing;
        let mut told = Map::new();
        let mut add = |name: &str, value: Value| drop(told.insert(name.to_owned(), value));
        add("limits.requests_per_minute", json!(limits.requests_per_minute));
        add("limits.connections", json!(self.reading.edge.connections_limit()));
        add("limits.body_bytes", json!(limits.body_bytes));
        add("limits.expanded_bytes", json!(limits.expanded_bytes));
        add("limits.memory_bytes", json!(self.reading.edge.memory_limit()));
        add("http.body_timeout_s", json!(http.body_timeout.as_secs_f64()));
        add("http.body_min_rate", json!(http.body_min_rate));
        add("queue.max_bytes", json!(standing.limit_bytes));
        add("queue.min_free_bytes", json!(standing.disk.map(|(_, reserve)| reserve)));
        Value::Object(told)
    }
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}
