//! What was sent, how it was answered, and what arrived: every single id of it.
//!
//! An id is a request's number and a place in it; the metric's name carries both and its value repeats
//! them, so a tuple that was mixed up on its way is no id at all.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// Most metrics of one request.
pub(crate) const REQUEST_METRICS_MAX: u16 = 500;

/// Examples of a fault that are kept.
const EXAMPLES_MAX: usize = 5;

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// 202: everything in it must arrive.
    Acknowledged,
    /// 503: nothing in it may arrive, unless the disk failed under it.
    Refused,
    /// The answer was lost: all of it arrives, or nothing.
    Unknown,
}

/// Sums that others wait for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Requests answered with 202.
    pub(crate) acknowledged: u64,
    /// Metrics in them.
    pub(crate) acknowledged_ids: u64,
    /// Requests answered with 503.
    pub(crate) refused: u64,
    /// Requests whose answer was lost.
    pub(crate) unknown: u64,
    /// Metrics of acknowledged requests that have not arrived yet.
    pub(crate) waiting_ids: u64,
    /// Metrics that arrived at least once.
    pub(crate) arrived_ids: u64,
    /// Arrivals beyond the first.
    pub(crate) repeated_ids: u64,
    /// Deliveries that were answered with 2xx.
    pub(crate) deliveries: u64,
}

/// What must never happen, as far as it did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// Acknowledged metrics that did not arrive.
    pub(crate) lost_ids: u64,
    /// Requests of which a part arrived; only told once nothing more can come.
    pub(crate) partial: Vec<String>,
    /// Refused requests of which something arrived.
    pub(crate) refused_but_arrived: u64,
    /// Tuples that nobody sent.
    pub(crate) strangers: u64,
    /// Some of each, in words.
    pub(crate) examples: Vec<String>,
}

/// The book of one run.
pub(crate) struct Tally {
    poison_every: Option<u64>,
    state: Mutex<State>,
    counts: watch::Sender<Counts>,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    strangers: u64,
    examples: Vec<String>,
}

struct Request {
    size: u16,
    /// How many of them can arrive.
    good: u16,
    missing: u16,
    fate: Option<Fate>,
    /// Which of them arrived; nothing once all did.
    arrived: Vec<u64>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self::with_poison(None)
    }

    /// One request of so many has a metric that no receiver takes, if it has several at all: its first
    /// one tells whether the request arrived.
    pub(crate) fn with_poison(poison_every: Option<u64>) -> Self {
        let counts = watch::Sender::new(Counts::default());
        Self { poison_every, state: Mutex::default(), counts }
    }

    /// Whether no receiver takes the tuple of this name.
    pub(crate) fn is_poison(&self, name: &str) -> bool {
        place_of(name).is_some_and(|(number, place)| place == 1 && self.has_poison(number))
    }

    fn has_poison(&self, number: u64) -> bool {
        self.poison_every.is_some_and(|every| number % every == every / 2)
    }

    /// The number of a request of this many metrics, which is about to be sent.
    pub(crate) fn open(&self, size: u16) -> u64 {
        assert!((1..=REQUEST_METRICS_MAX).contains(&size));
        let mut state = self.lock();
        let number = state.requests.len() as u64;
        let good = if self.has_poison(number) && size > 1 { size - 1 } else { size };
        state.requests.push(Request { size, good, missing: good, fate: None, arrived: Vec::new() });
        number
    }

    /// The metric's name and value.
    pub(crate) fn id(number: u64, place: u16) -> (String, u64) {
        (format!("k.{number}.{place}"), number * 1000 + u64::from(place))
    }

    /// How the request was answered, once.
    pub(crate) fn answered(&self, number: u64, fate: Fate) {
        let mut state = self.lock();
        let request = &mut state.requests[number as usize];
        assert!(request.fate.replace(fate).is_none(), "request {number} was answered twice");
        self.counts.send_modify(|counts| match fate {
            Fate::Acknowledged => {
                counts.acknowledged += 1;
                counts.acknowledged_ids += u64::from(request.size);
                counts.waiting_ids += u64::from(request.missing);
            }
            Fate::Refused => counts.refused += 1,
            Fate::Unknown => counts.unknown += 1,
        });
    }

    /// The tuples of one delivery, names and values, that is answered with 2xx.
    pub(crate) fn arrived<'a>(&self, tuples: impl Iterator<Item = (&'a str, f64)>) {
        let mut state = self.lock();
        let (mut fresh, mut awaited, mut repeated) = (0, 0, 0);
        for (name, value) in tuples {
            match state.arrival(name, value) {
                Some((true, fate)) => {
                    fresh += 1;
                    awaited += u64::from(fate == Some(Fate::Acknowledged));
                }
                Some((false, _)) => repeated += 1,
                None => {
                    state.strangers += 1;
                    state.example(format!("nobody sent {name} = {value}"));
                }
            }
        }
        self.counts.send_modify(|counts| {
            counts.arrived_ids += fresh;
            counts.waiting_ids -= awaited;
            counts.repeated_ids += repeated;
            counts.deliveries += 1;
        });
    }

    pub(crate) fn counts(&self) -> Counts {
        *self.counts.borrow()
    }

    /// Waits until the sums are as wished; panics with what it waited for when they never are.
    pub(crate) async fn until(&self, what: &str, wished: impl FnMut(&Counts) -> bool) -> Counts {
        let mut counts = self.counts.subscribe();
        let found = timeout(super::PATIENCE, counts.wait_for(wished)).await;
        let Ok(found) = found else { panic!("still waiting until {what}: {:?}", self.counts()) };
        *found.expect("the tally is here")
    }

    /// Waits for the sums to be as wished, or for the time to pass.
    pub(crate) async fn within(&self, time: Duration, wished: impl FnMut(&Counts) -> bool) -> bool {
        let mut counts = self.counts.subscribe();
        timeout(time, counts.wait_for(wished)).await.is_ok()
    }

    /// What went wrong, once nothing more can arrive.
    pub(crate) fn faults(&self) -> Faults {
        let state = self.lock();
        let mut faults = Faults {
            strangers: state.strangers,
            examples: state.examples.clone(),
            ..Faults::default()
        };
        let mut partial = BTreeMap::new();
        for (number, request) in state.requests.iter().enumerate() {
            let (size, missing) = (request.good, request.missing);
            match request.fate {
                Some(Fate::Acknowledged) if missing > 0 => {
                    faults.lost_ids += u64::from(missing);
                    if faults.examples.len() < EXAMPLES_MAX {
                        let text = format!("request {number}, 202: {missing} of {size} missing");
                        faults.examples.push(text);
                    }
                }
                Some(Fate::Refused) if missing < size => faults.refused_but_arrived += 1,
                _ => {}
            }
            if missing > 0 && missing < size {
                partial.insert(number, format!("{missing} of {size} missing: {:?}", request.fate));
            }
        }
        faults.partial =
            partial.iter().map(|(number, text)| format!("request {number}: {text}")).collect();
        faults
    }

    /// Metrics of the requests that arrived whole, however they were answered: what the gateway's
    /// own books must say it took.
    pub(crate) fn whole_ids(&self) -> u64 {
        let state = self.lock();
        let whole = state.requests.iter().filter(|request| request.missing == 0);
        whole.map(|request| u64::from(request.size)).sum()
    }

    /// The metrics of such requests that no receiver takes: these must be dead letters.
    pub(crate) fn poisoned_ids(&self) -> Vec<String> {
        let state = self.lock();
        let requests = state.requests.iter().zip(0..);
        let dead =
            requests.filter(|(request, _)| request.missing == 0 && request.good < request.size);
        dead.map(|(_, number)| Self::id(number, 1).0).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether it is the first of its id, and how its request was answered; `None` for a stranger.
    fn arrival(&mut self, name: &str, value: f64) -> Option<(bool, Option<Fate>)> {
        let (number, place) = place_of(name)?;
        let request = self.requests.get_mut(usize::try_from(number).ok()?)?;
        if place >= request.size || value.to_bits() != (Tally::id(number, place).1 as f64).to_bits()
        {
            return None;
        }
        if request.missing == 0 {
            return Some((false, request.fate));
        }
        request.arrived.resize(usize::from(request.size).div_ceil(64), 0);
        let (word, bit) = (usize::from(place / 64), 1 << (place % 64));
        let is_first = request.arrived[word] & bit == 0;
        if is_first {
            request.arrived[word] |= bit;
            request.missing -= 1;
            if request.missing == 0 {
                // A long run has millions of these.
                request.arrived = Vec::new();
            }
        }
        Some((is_first, request.fate))
    }

    fn example(&mut self, text: String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(text);
        }
    }
}

/// The request and the place in it that a name carries.
fn place_of(name: &str) -> Option<(u64, u16)> {
    let (number, place) = name.strip_prefix("k.")?.split_once('.')?;
    Some((number.parse().ok()?, place.parse().ok()?))
}
