//! The last hour and the last minute: what is counted elsewhere, read every few seconds into two rings that do
//! not grow.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::State;
use crate::forward::Took;
use crate::http;
use crate::metric::timestamp::Timestamp;

/// Between two points of the charts.
const POINT_INTERVAL: Duration = Duration::from_secs(10);

/// Points of the charts: an hour.
const POINTS_MAX: usize = 360;

/// What rates look back on.
const SPAN: Duration = Duration::from_mins(1);

/// A rate over less would jump.
const SPAN_MIN: Duration = Duration::from_secs(5);

/// Readings of the last minute, at one every five seconds.
const MARKS_MAX: usize = 13;

/// Counters at one moment.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// Monotonic.
    pub(super) at: Duration,
    pub(super) now: Timestamp,
    /// Metrics as sent, of all sources.
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    /// Tuples that wait for whichever receiver is furthest behind.
    pub(super) waiting: u64,
    pub(super) queue_bytes: u64,
    /// What had no source.
    pub(super) strays: Strays,
    pub(super) sources: BTreeMap<Arc<str>, Sent>,
    pub(super) receivers: BTreeMap<Arc<str>, Line>,
}

/// Counters of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    /// Bodies.
    pub(super) refused: u64,
}

/// Requests and connections that ended before anybody knew whose they were, by a name for programs.
pub(super) type Strays = [(&'static str, u64); 5];

/// Counters of one receiver.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    pub(super) delivered: u64,
    pub(super) gone: Gone,
    pub(super) took: Took,
}

/// Tuples that one receiver never gets, though nobody wanted that: expired, damaged, lost.
pub(super) type Gone = [(&'static str, u64); 3];

/// What lies between two marks, per second.
#[derive(Debug)]
pub(super) struct Rates<'m> {
    then: &'m Mark,
    now: &'m Mark,
    seconds: f64,
}

/// One point of the charts.
#[derive(Debug)]
struct Point {
    number: u64,
    at: Timestamp,
    accepted: f64,
    rejected: f64,
    waiting: u64,
    queue_bytes: u64,
    /// Tuples a second, and the median of the attempts in milliseconds.
    receivers: BTreeMap<Arc<str>, (f64, Option<f64>)>,
    /// Where it begins.
    gone: BTreeMap<Arc<str>, Gone>,
}

/// Both rings. Pure: what is read is an argument.
#[derive(Debug, Default)]
pub(super) struct History {
    marks: VecDeque<Mark>,
    points: VecDeque<Point>,
    /// Where the next point begins.
    last: Option<Mark>,
    /// How many points there have been.
    count: u64,
}

impl Mark {
    pub(super) fn of(state: &State) -> Self {
        let totals = state.queue.totals();
        let sources = state.traffic.list().into_iter().map(|(name, ledger)| {
            let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
            let (accepted, rejected) = (read(&ledger.accepted), read(&ledger.rejected));
            (name, Sent { accepted, rejected, refused: read(&ledger.refused) })
        });
        let mut waiting = 0;
        let receivers = state.destinations.iter().map(|destination| {
            let account = state.queue.account(&destination.name).unwrap_or_default();
            waiting = account.depth.tuples.max(waiting);
            let delivery = destination.delivery.as_ref();
            let took = delivery.map(|to| to.attempts.latency().read()).unwrap_or_default();
            let books = &account.books;
            let gone =
                [("expired", books.expired), ("damaged", books.damaged), ("lost", books.lost)];
            (Arc::clone(&destination.name), Line { delivered: books.delivered, gone, took })
        });
        let receivers = receivers.collect();
        Self {
            at: state.clock.monotonic(),
            now: state.clock.now(),
            accepted: totals.accepted,
            rejected: totals.rejected,
            waiting,
            queue_bytes: state.queue.standing().used_bytes,
            strays: strays(&state.edge),
            sources: sources.collect(),
            receivers,
        }
    }
}

fn strays(edge: &http::State) -> Strays {
    let counts = edge.counts();
    let answers = counts.answers();
    let answered = |wanted: &[u16]| {
        let counts = answers.iter().filter(|(status, _)| wanted.contains(status));
        counts.map(|(_, count)| count).sum::<u64>()
    };
    [
        // No other answer of the edge has these numbers.
        ("unauthorized", answered(&[401, 403])),
        ("over_limit", counts.over_limit.load(Ordering::Relaxed)),
        ("no_room", counts.no_room.load(Ordering::Relaxed)),
        ("turned_away", counts.turned_away.load(Ordering::Relaxed)),
        ("lost_their_way", answered(&[404, 405])),
    ]
}

impl History {
    /// To be called every few seconds.
    pub(super) fn sample(&mut self, mark: Mark) {
        let is_due = match &self.last {
            None => {
                self.last = Some(mark.clone());
                false
            }
            // The timer may be a little early.
            Some(last) => {
                mark.at.saturating_sub(last.at) + Duration::from_millis(500) >= POINT_INTERVAL
            }
        };
        if is_due && let Some(last) = self.last.replace(mark.clone()) {
            if self.points.len() == POINTS_MAX {
                self.points.pop_front();
            }
            self.points.push_back(Point::between(&last, &mark, self.count));
            self.count += 1;
        }
        if self.marks.len() == MARKS_MAX {
            self.marks.pop_front();
        }
        self.marks.push_back(mark);
    }

    /// Rates of the last minute, or of as much as is known.
    pub(super) fn rates<'m>(&'m self, now: &'m Mark) -> Rates<'m> {
        let is_recent = |mark: &&Mark| now.at.saturating_sub(mark.at) <= SPAN;
        let then = self.marks.iter().find(is_recent).or(self.marks.back()).unwrap_or(now);
        Rates::between(then, now)
    }

    /// What one receiver never gets of the last hour, or of as much as is known.
    pub(super) fn gone(&self, now: &Mark, name: &str) -> Gone {
        let of = |mark: &Mark| mark.receivers.get(name).map(|line| line.gone);
        let then = match (self.points.front(), &self.last) {
            (Some(first), _) => first.gone.get(name).copied(),
            (None, Some(last)) => of(last),
            (None, None) => of(now),
        };
        let (then, mut gone) = (then.unwrap_or_default(), of(now).unwrap_or_default());
        for ((_, now), (_, then)) in gone.iter_mut().zip(then) {
            *now = now.saturating_sub(then);
        }
        gone
    }

    /// How many points there have been: the number of the next.
    pub(super) fn next(&self) -> u64 {
        self.count
    }

    /// The points from that number on, by column.
    pub(super) fn columns(&self, from: u64) -> Value {
        let points = || self.points.iter().filter(|point| point.number >= from);
        let mut receivers = Map::new();
        let names = self.points.iter().flat_map(|point| point.receivers.keys());
        for name in names.collect::<BTreeSet<_>>() {
            let of = |point: &Point| point.receivers.get(name).copied();
            let delivered: Value =
                points().map(|point| of(point).map(|(rate, _)| short(rate))).collect();
            let latency: Value =
                points().map(|point| of(point).and_then(|(_, ms)| ms).map(short)).collect();
            let told = json!({"delivered": delivered, "latency_ms": latency});
            receivers.insert(name.to_string(), told);
        }
        let column = |value: fn(&Point) -> Value| points().map(value).collect::<Value>();
        json!({
            "interval_s": POINT_INTERVAL.as_secs(),
            "points_max": POINTS_MAX,
            "at": column(|point| json!(unix_ms(point.at))),
            "accepted": column(|point| json!(short(point.accepted))),
            "rejected": column(|point| json!(short(point.rejected))),
            "queue_tuples": column(|point| json!(point.waiting)),
            "queue_bytes": column(|point| json!(point.queue_bytes)),
            "receivers": receivers,
        })
    }
}

impl Point {
    fn between(then: &Mark, now: &Mark, number: u64) -> Self {
        let rates = Rates::between(then, now);
        let receivers = now
            .receivers
            .keys()
            .map(|name| (Arc::clone(name), (rates.delivered(name), rates.latency_ms(name, 0.5))));
        Self {
            number,
            at: now.now,
            accepted: rates.accepted(),
            rejected: rates.rejected(),
            waiting: now.waiting,
            queue_bytes: now.queue_bytes,
            receivers: receivers.collect(),
            gone: then.receivers.iter().map(|(name, of)| (Arc::clone(name), of.gone)).collect(),
        }
    }
}

impl<'m> Rates<'m> {
    fn between(then: &'m Mark, now: &'m Mark) -> Self {
        let seconds = now.at.saturating_sub(then.at).max(SPAN_MIN).as_secs_f64();
        Self { then, now, seconds }
    }

    /// Never negative: what begins anew counts from nothing.
    fn per_second(&self, then: u64, now: u64) -> f64 {
        now.saturating_sub(then) as f64 / self.seconds
    }

    pub(super) fn accepted(&self) -> f64 {
        self.per_second(self.then.accepted, self.now.accepted)
    }

    pub(super) fn rejected(&self) -> f64 {
        self.per_second(self.then.rejected, self.now.rejected)
    }

    /// Of one source: accepted, rejected, bodies refused.
    pub(super) fn source(&self, name: &str) -> [f64; 3] {
        let of = |mark: &Mark| mark.sources.get(name).copied().unwrap_or_default();
        let (then, now) = (of(self.then), of(self.now));
        [
            self.per_second(then.accepted, now.accepted),
            self.per_second(then.rejected, now.rejected),
            self.per_second(then.refused, now.refused),
        ]
    }

    /// What had no source, altogether and of it in between.
    pub(super) fn strays(&self) -> impl Iterator<Item = (&'static str, u64, u64)> {
        let pairs = self.then.strays.iter().zip(&self.now.strays);
        pairs.map(|((name, then), (_, now))| (*name, *now, now.saturating_sub(*then)))
    }

    /// Tuples that one receiver took.
    pub(super) fn delivered(&self, name: &str) -> f64 {
        let of = |mark: &Mark| mark.receivers.get(name).map_or(0, |line| line.delivered);
        self.per_second(of(self.then), of(self.now))
    }

    /// See [`Took::quantile_ms`].
    pub(super) fn latency_ms(&self, name: &str, share: f64) -> Option<f64> {
        let now = &self.now.receivers.get(name)?.took;
        let took = self.then.receivers.get(name).map(|then| now.since(&then.took));
        took.as_ref().unwrap_or(now).quantile_ms(share)
    }
}

/// Three digits behind the point are more than anybody sees.
pub(super) fn short(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// For programs that draw.
fn unix_ms(at: Timestamp) -> i64 {
    at.seconds() * 1000 + i64::from(at.nanos() / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(second: u64, accepted: u64) -> Mark {
        let gone = [("expired", accepted), ("damaged", 0), ("lost", 0)];
        let line = Line { delivered: accepted * 2, gone, took: Took::default() };
        Mark {
            at: Duration::from_secs(second),
            now: Timestamp::from_unix(1000 + second as i64, 0),
            accepted,
            strays: [("s", accepted); 5],
            sources: [("a".into(), Sent { accepted, ..Sent::default() })].into(),
            receivers: [("main".into(), line)].into(),
            rejected: 0,
            waiting: 0,
            queue_bytes: 0,
        }
    }

    fn history(marks: impl IntoIterator<Item = (u64, u64)>) -> History {
        let mut history = History::default();
        for (second, accepted) in marks {
            history.sample(mark(second, accepted));
        }
        history
    }

    #[test]
    fn rates_are_those_of_the_last_minute() {
        for (marks, now, expected) in [
            (&[][..], (3, 30), 0.0),
            (&[(0, 0)][..], (1, 10), 2.0),
            (&[(0, 0)], (10, 20), 2.0),
            (&[(0, 0), (5, 50), (60, 50), (65, 50)], (65, 50), 0.0),
            (&[(0, 0), (5, 50), (30, 50)], (60, 60), 1.0),
            // Nothing was sampled for long, and the counters began anew.
            (&[(0, 0)], (100, 500), 5.0),
            (&[(0, 100)], (10, 20), 0.0),
        ] {
            let (history, now) = (history(marks.iter().copied()), mark(now.0, now.1));
            let rates = history.rates(&now);
            let told = (rates.accepted(), rates.source("a")[0], rates.delivered("main"));
            assert_eq!(told, (expected, expected, expected * 2.0), "{marks:?}");
            assert!(rates.source("b").iter().all(|rate| *rate == 0.0), "{marks:?}");
        }
    }

    #[test]
    fn what_is_gone_is_told_for_an_hour() {
        for (marks, now, expected) in [
            (&[][..], (0, 9), 0),
            (&[(0, 9)][..], (3, 12), 3),
            (&[(0, 9), (10, 9), (20, 12)], (25, 13), 4),
        ] {
            let (history, now) = (history(marks.iter().copied()), mark(now.0, now.1));
            assert_eq!(history.gone(&now, "main")[0], ("expired", expected), "{marks:?}");
            assert!(history.gone(&now, "other").iter().all(|(_, count)| *count == 0));
        }
        let lost_at_once = |until| history((0..=until / 10).map(|nth| (nth * 10, nth.min(1) * 7)));
        for (until, expected) in [(3_600, 7), (3_620, 0)] {
            let now = mark(until, 7);
            assert_eq!(lost_at_once(until).gone(&now, "main")[0].1, expected, "{until}");
        }
    }

    #[test]
    fn an_hour_of_points_is_kept_and_no_more() {
        let history = history((0..2000).map(|nth| (nth * 5, nth * 50)));
        assert_eq!((history.points.len(), history.marks.len()), (POINTS_MAX, MARKS_MAX));
        let told = history.columns(0);
        assert_eq!(told["accepted"].as_array().unwrap().len(), POINTS_MAX);
        assert_eq!(told["accepted"][0], 10.0);
        assert_eq!(told["receivers"]["main"]["delivered"][359], 20.0);
        assert_eq!(told["receivers"]["main"]["latency_ms"][0], Value::Null);
        assert_eq!(told["at"][359], 10_990_000);

        let newest = history.columns(history.next() - 1);
        assert_eq!(newest["at"], json!([10_990_000]));
        assert_eq!(newest["receivers"]["main"]["delivered"], json!([20.0]));
        assert_eq!(history.columns(history.next())["at"], json!([]));
    }
}
