//! The limit against tables, against any history, and against a receiver of known strength.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A limit with its count of attempts; all of them are in flight whenever one ends.
struct Driven {
    limit: Limit,
    next: u64,
}

impl Driven {
    fn new(cap: usize) -> Self {
        Self { limit: Limit::new(cap), next: 0 }
    }

    fn at(limit: f64, cap: usize) -> Self {
        let mut driven = Self::new(cap);
        driven.limit.allowed = limit;
        driven
    }

    fn begin(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    fn end(&mut self, number: u64, ended: Ended, latency: Duration, bytes: usize) {
        let (next, in_flight) = (self.next, self.limit.now());
        self.limit.report(Sample { number, next, ended, latency, bytes, in_flight });
    }

    /// One attempt from its begin to its end.
    fn attempt(&mut self, ended: Ended, latency: Duration) {
        let number = self.begin();
        self.end(number, ended, latency, 1_000);
    }
}

#[test]
fn it_begins_at_one_and_grows_by_one_per_round_trip_up_to_the_cap() {
    let mut driven = Driven::new(4);
    let mut seen = Vec::new();
    for _ in 0..12 {
        seen.push(driven.limit.now());
        driven.attempt(Ended::Accepted, MS(10));
    }
    assert_eq!(seen, [1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 4, 4]);
    assert_eq!(Limit::new(0).now(), 1, "no cap is below the floor");
}

#[test]
fn what_an_attempt_does_to_a_limit_of_eight() {
    let cases = [
        (Ended::Accepted, 8, 8.125),
        (Ended::Accepted, 7, 8.0),
        (Ended::Failed, 8, 4.0),
        (Ended::Failed, 1, 4.0),
        (Ended::Refused, 8, 8.0),
    ];
    for (ended, in_flight, expected) in cases {
        let mut limit = Driven::at(8.0, 16).limit;
        limit.report(Sample { number: 5, next: 6, ended, latency: MS(1), bytes: 9, in_flight });
        assert!(
            (limit.allowed - expected).abs() < 1e-9,
            "{ended:?} {in_flight}: {}",
            limit.allowed
        );
    }
}

#[test]
fn however_many_fail_together_it_halves_once() {
    let mut driven = Driven::at(16.0, 16);
    let begun: Vec<u64> = (0..16).map(|_| driven.begin()).collect();
    for number in begun {
        driven.end(number, Ended::Failed, MS(1), 1_000);
    }
    assert_eq!(driven.limit.now(), 8);
    driven.attempt(Ended::Failed, MS(1));
    assert_eq!(driven.limit.now(), 4, "one that began after it halves again");
}

#[test]
fn an_outage_leaves_one_and_the_end_of_it_brings_all_back() {
    let mut driven = Driven::at(16.0, 16);
    for _ in 0..1_000 {
        driven.attempt(Ended::Failed, MS(1));
    }
    assert_eq!(driven.limit.now(), 1);
    for _ in 0..16 * 16 {
        driven.attempt(Ended::Accepted, MS(10));
    }
    assert_eq!(driven.limit.now(), 16);
}

#[test]
fn fast_failures_are_no_good_latency() {
    let mut driven = Driven::at(8.0, 8);
    for _ in 0..100 {
        driven.attempt(Ended::Accepted, MS(100));
    }
    for ended in [Ended::Refused, Ended::Failed] {
        for _ in 0..1_000 {
            driven.attempt(ended, MS(1));
        }
        assert!(driven.limit.now() <= 8, "{ended:?}");
    }
    driven.limit.allowed = 8.0;
    driven.attempt(Ended::Accepted, MS(110));
    assert_eq!(driven.limit.now(), 8, "against the accepted ones it is as usual");
}

#[test]
fn bodies_are_compared_with_their_own_kind() {
    let mut driven = Driven::at(8.0, 8);
    for _ in 0..200 {
        for (bytes, latency) in [(300, 5), (60_000, 80), (3 << 20, 900)] {
            let number = driven.begin();
            driven.end(number, Ended::Accepted, MS(latency), bytes);
        }
    }
    assert_eq!(driven.limit.now(), 8, "large ones take longer, and that is no strain");
    let number = driven.begin();
    driven.end(number, Ended::Accepted, MS(80), 300);
    assert_eq!(driven.limit.now(), 7, "a small one that takes as long as a large one is slow");
    let classes = [0, 1, 3, 4, 15, 16, 1 << 22, usize::MAX].map(class);
    assert_eq!(classes, [0, 0, 0, 1, 1, 2, 11, 12]);
}

#[test]
fn a_receiver_that_became_slow_for_good_is_accepted_in_the_end() {
    let mut driven = Driven::at(16.0, 16);
    for _ in 0..200 {
        driven.attempt(Ended::Accepted, MS(20));
    }
    let mut least = 16;
    for _ in 0..2_000 {
        driven.attempt(Ended::Accepted, MS(60));
        least = least.min(driven.limit.now());
    }
    assert!(least < 16, "it was noticed");
    assert_eq!(driven.limit.now(), 16, "and became the usual");
}

/// Seconds, by how many are in flight.
type Latency = Box<dyn FnMut(usize) -> f64>;

/// Attempts of random latency, all of the limit in flight; the mean of the limit after a warm-up.
fn mean_limit(cap: usize, mut latency: impl FnMut(usize) -> f64) -> f64 {
    let mut driven = Driven::new(cap);
    let (mut on_wire, mut sum) = (VecDeque::new(), 0.0);
    let rounds = 20_000;
    for round in 0..rounds {
        while on_wire.len() < driven.limit.now() {
            on_wire.push_back(driven.begin());
        }
        let number = on_wire.pop_front().expect("at least one");
        let seconds = latency(on_wire.len() + 1);
        driven.end(number, Ended::Accepted, Duration::from_secs_f64(seconds), 1_000);
        if round >= rounds / 4 {
            sum += driven.limit.now() as f64;
        }
    }
    sum / f64::from(rounds * 3 / 4)
}

#[test]
fn healthy_jitter_does_not_bring_it_down() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut uniform = move || random.f64();
    let mut other = fastrand::Rng::with_seed(8);
    let cases: [(&str, Latency); 3] = [
        ("even", Box::new(move |_| 0.02 + 0.08 * uniform())),
        ("long tail", Box::new(move |_| 0.02 - 0.05 * other.f64().max(1e-12).ln())),
        ("now and then a pause", {
            let mut count = 0;
            Box::new(move |_| {
                count += 1;
                if count % 97 == 0 { 0.5 } else { 0.02 }
            })
        }),
    ];
    for (name, latency) in cases {
        let mean = mean_limit(16, latency);
        assert!(mean > 10.0, "{name}: {mean} of 16");
    }
}

#[test]
fn a_receiver_that_queues_is_not_given_all_there_is() {
    // Four at once at its best; what is more waits in line.
    let mean = mean_limit(64, |in_flight| 0.05 * (in_flight as f64 / 4.0).max(1.0));
    assert!((4.0..20.0).contains(&mean), "{mean} of 64");
}

#[derive(Clone, Copy, Debug)]
struct Step {
    ended: Ended,
    latency_ms: u64,
    bytes: usize,
    /// Which of those on the wire ends.
    pick: usize,
    begins: usize,
}

fn step() -> impl Strategy<Value = Step> {
    let ended = prop_oneof![Just(Ended::Accepted), Just(Ended::Failed), Just(Ended::Refused)];
    (ended, 0..100_000_u64, 0..5_000_000_usize, any::<usize>(), 0..20_usize).prop_map(
        |(ended, latency_ms, bytes, pick, begins)| Step { ended, latency_ms, bytes, pick, begins },
    )
}

proptest! {
    #[test]
    fn in_any_history_it_stays_within_its_bounds_and_moves_one_step_at_a_time(
        cap in 1..300_usize,
        steps in prop::collection::vec(step(), 0..300),
    ) {
        let (mut limit, mut on_wire, mut next) = (Limit::new(cap), Vec::new(), 0_u64);
        let mut decreased_before = 0;
        for step in steps {
            for _ in 0..step.begins {
                if on_wire.len() < limit.now() {
                    on_wire.push(next);
                    next += 1;
                }
            }
            if on_wire.is_empty() {
                continue;
            }
            let (before, in_flight) = (limit.allowed, on_wire.len());
            let number = on_wire.swap_remove(step.pick % in_flight);
            let (ended, latency, bytes) = (step.ended, MS(step.latency_ms), step.bytes);
            limit.report(Sample { number, next, ended, latency, bytes, in_flight });
            prop_assert!((1..=cap).contains(&limit.now()));
            prop_assert!(limit.allowed <= before + 1.0 / before + 1e-9);
            prop_assert!(limit.allowed >= (before * FAILED).max(1.0) - 1e-9);
            if limit.allowed < before {
                prop_assert!(number >= decreased_before, "twice in one round trip");
                decreased_before = next;
            }
            if ended == Ended::Refused {
                prop_assert!((limit.allowed - before).abs() < 1e-12);
            }
        }
    }
}
