//! Where deliveries wait for their turn: [`Pace`] with a queue before it.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

use super::outcome::Outcome;
use super::pace::{Epoch, Mode, Pace};
use super::phase::Phase;

/// All deliveries of one receiver pass here before every attempt.
#[derive(Debug)]
pub(super) struct Gate {
    pace: Mutex<Pace>,
    changed: Notify,
    /// The one probe; fair, so the delivery that failed last probes last and cannot keep the others
    /// from finding out that they would be accepted.
    probe: Semaphore,
}

/// Leave for one attempt; ends when dropped.
#[derive(Debug)]
pub(super) struct Ticket<'a> {
    begun: Epoch,
    probe: Option<SemaphorePermit<'a>>,
}

impl Ticket<'_> {
    /// Whether this attempt finds out if the receiver is back.
    pub(super) fn is_probe(&self) -> bool {
        self.probe.is_some()
    }
}

impl Gate {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace: Mutex::new(pace), changed: Notify::new(), probe: Semaphore::new(1) }
    }

    /// Waits until the receiver may be tried; `None` when a shutdown ends before that.
    pub(super) async fn enter(&self, phase: &Phase) -> Option<Ticket<'_>> {
        let mut turn = pin!(self.probe.acquire());
        let mut probe = None;
        loop {
            // Made before the look: it hears every change from here on.
            let changed = self.changed.notified();
            let (mode, begun) = self.look();
            let until = match mode {
                Mode::Flowing => return Some(Ticket { begun, probe: None }),
                Mode::Retrying { until, .. } | Mode::Held { until } => until,
            };
            // What is not on the wire is safe in the queue: no stop waits for a receiver that is down.
            if phase.is_over_by(until) || phase.is_leaving_the_rest() {
                return None;
            }
            if probe.is_some() && until <= Instant::now() {
                return Some(Ticket { begun, probe });
            }
            tokio::select! {
                permit = &mut turn, if probe.is_none() => {
                    probe = Some(permit.expect("this semaphore is never closed"));
                }
                () = sleep_until(until), if probe.is_some() => {}
                () = changed => {}
            }
        }
    }

    /// Takes in what became of an attempt and lets go whoever it concerns. `tell` hears the state
    /// before and after, in the order in which the states follow each other: it runs under the lock.
    pub(super) fn report(
        &self,
        ticket: Ticket<'_>,
        outcome: Outcome,
        tell: impl FnOnce((Mode, Mode)),
    ) {
        let mut pace = self.lock();
        let before = pace.mode();
        pace.report(ticket.begun, outcome, Instant::now(), fastrand::f64());
        tell((before, pace.mode()));
        drop(pace);
        // Only now, so that the next probe sees the new state.
        drop(ticket);
        self.changed.notify_waiters();
    }

    /// A shutdown began: see [`Pace::hurry`].
    pub(super) fn hurry(&self) {
        self.lock().hurry(Instant::now());
        self.changed.notify_waiters();
    }

    fn look(&self) -> (Mode, Epoch) {
        let pace = self.lock();
        (pace.mode(), pace.epoch())
    }

    fn lock(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::sync::watch;

    use super::super::backoff::Backoff;
    use super::super::phase::{Drain, Stage};
    use super::*;

    const RETRY: Outcome = Outcome::Retry { after: None };

    fn gate() -> Arc<Gate> {
        let backoff = Backoff::new(Duration::from_millis(200), Duration::from_mins(1));
        Arc::new(Gate::new(Pace::new(backoff, Duration::from_secs(30))))
    }

    fn running() -> (watch::Sender<Stage>, Phase) {
        let (sender, receiver) = watch::channel(Stage::Running);
        (sender, Phase::new(receiver))
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_receiver_is_down_only_one_of_many_tries_per_wait() {
        let (gate, attempts, up) = (gate(), Arc::new(AtomicUsize::new(0)), watch::channel(false));
        let (_stage, phase) = running();
        for _ in 0..16 {
            let (gate, attempts, phase) = (gate.clone(), attempts.clone(), phase.clone());
            let up = up.1.clone();
            tokio::spawn(async move {
                loop {
                    let ticket = gate.enter(&phase).await.unwrap();
                    attempts.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    let accepted = *up.borrow();
                    gate.report(ticket, if accepted { Outcome::Done } else { RETRY }, |_| {});
                    if accepted {
                        return;
                    }
                }
            });
        }
        tokio::time::sleep(Duration::from_mins(10)).await;
        let tried = attempts.swap(0, Ordering::Relaxed);
        // The first round, the climb to the ceiling, then one in 30 s on average.
        assert!((25..=80).contains(&tried), "{tried} attempts in ten minutes");
        up.0.send_replace(true);
        tokio::time::sleep(Duration::from_secs(61)).await;
        let tried = attempts.load(Ordering::Relaxed);
        assert_eq!(tried, 16, "the first success lets all others go at once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_held_receiver_is_probed_in_turn_by_those_who_wait() {
        let gate = gate();
        let (_stage, phase) = running();
        let first = gate.enter(&phase).await.unwrap();
        gate.report(first, Outcome::Hold, |_| {});
        let started = Instant::now();
        let order = Arc::new(Mutex::new(Vec::new()));
        for name in ["a", "b"] {
            let (gate, phase, order) = (gate.clone(), phase.clone(), order.clone());
            tokio::spawn(async move {
                loop {
                    let ticket = gate.enter(&phase).await.unwrap();
                    assert!(ticket.is_probe());
                    order.lock().unwrap().push((name, started.elapsed().as_secs()));
                    gate.report(ticket, Outcome::Hold, |_| {});
                }
            });
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_secs(125)).await;
        let order = order.lock().unwrap().clone();
        assert_eq!(order, [("a", 30), ("b", 60), ("a", 90), ("b", 120)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_grants_a_last_probe_and_then_ends_waits_that_lead_nowhere() {
        let gate = gate();
        let (stage, phase) = running();
        gate.report(gate.enter(&phase).await.unwrap(), Outcome::Hold, |_| {});
        let started = Instant::now();
        let deadline = started + Duration::from_secs(10);
        stage.send_replace(Stage::Draining { what: Drain::All, deadline });
        gate.hurry();
        let last = gate.enter(&phase).await.expect("a last chance");
        gate.report(last, Outcome::Hold, |_| {});
        assert!(gate.enter(&phase).await.is_none(), "the next probe is after the deadline");
        assert_eq!(started.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_given_up_leaves_its_turn_to_the_next() {
        let gate = gate();
        let (_stage, phase) = running();
        gate.report(gate.enter(&phase).await.unwrap(), RETRY, |_| {});
        let probe = gate.enter(&phase).await.unwrap();
        drop(probe);
        assert!(gate.enter(&phase).await.unwrap().is_probe());
    }
}
