//! Waiting for something beside the work of a task, at the price of a look at each of its turns.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep};

/// The waker that was left with something: while the task has no other, polling again adds nothing.
#[derive(Default)]
pub(super) struct Left(Option<Waker>);

impl Left {
    /// Whether the thing has the task's present waker.
    pub(super) fn is_with(&self, cx: &Context<'_>) -> bool {
        self.0.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
    }

    /// Polls the thing, and notes whether it has taken the waker. Whatever the task has done in this
    /// turn: once tokio's budget for a turn is spent, its futures are pending without a look at
    /// themselves, and keep no waker.
    pub(super) fn poll<F: Future>(&mut self, thing: F, cx: &mut Context<'_>) -> Poll<F::Output> {
        let polled = pin!(unconstrained(thing)).poll(cx);
        if polled.is_ready() {
            self.0 = None;
        } else if !self.is_with(cx) {
            self.0 = Some(cx.waker().clone());
        }
        polled
    }
}

/// A timer for a deadline that moves with every request. It is only moved when it would ring too late;
/// when it rings too early, it is set anew: no request pays for it.
pub(super) struct Alarm {
    timer: Pin<Box<Sleep>>,
    left_with: Left,
}

impl Alarm {
    pub(super) fn new(first: Duration) -> Self {
        Self { timer: Box::pin(sleep(first)), left_with: Left::default() }
    }

    /// Whether the deadline has come; if not, the task is woken when it has.
    pub(super) fn rings(&mut self, deadline: Instant, cx: &mut Context<'_>) -> bool {
        let is_late = deadline < self.timer.deadline();
        if is_late {
            self.timer.as_mut().reset(deadline);
        }
        if !is_late && !self.timer.is_elapsed() && self.left_with.is_with(cx) {
            return false;
        }
        while let Poll::Ready(()) = self.left_with.poll(self.timer.as_mut(), cx) {
            if self.timer.deadline() >= deadline {
                return true;
            }
            self.timer.as_mut().reset(deadline);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::sync::watch;
    use tokio::task::coop::{has_budget_remaining, poll_proceed};
    use tokio::time::timeout;

    use super::*;

    /// What tokio grants a task for one turn.
    const BUDGET: usize = 128;

    /// Uses up the turn's budget but for so much.
    fn spend(rest: usize, cx: &mut Context<'_>) {
        for _ in rest..BUDGET {
            assert!(poll_proceed(cx).map(|unit| unit.made_progress()).is_ready());
        }
        assert_eq!(has_budget_remaining(), rest > 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_alarm_rings_at_the_last_deadline_it_was_asked_for() {
        for deadlines_ms in [&[10][..], &[30, 10], &[10, 30], &[10, 30, 20], &[200, 5, 300]] {
            let began = Instant::now();
            let mut alarm = Alarm::new(Duration::from_millis(100));
            let at = |ms: &u64| began + Duration::from_millis(*ms);
            let (last, before) = deadlines_ms.split_last().unwrap();
            for deadline in before {
                assert!(poll_fn(|cx| Poll::Ready(!alarm.rings(at(deadline), cx))).await);
            }
            poll_fn(|cx| if alarm.rings(at(last), cx) { Poll::Ready(()) } else { Poll::Pending })
                .await;
            let rang = began.elapsed().as_millis() as u64;
            assert!((*last..=last + 2).contains(&rang), "{deadlines_ms:?}: {rang}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_alarm_rings_though_the_budget_was_spent_when_it_was_set() {
        // In the first turn, and in the one in which it rings too early and is set anew.
        for (first, second) in [(0, BUDGET), (1, BUDGET), (BUDGET, 0), (BUDGET, 1), (0, 1), (1, 0)]
        {
            let began = Instant::now();
            let mut alarm = Alarm::new(Duration::from_millis(10));
            let deadline = began + Duration::from_millis(30);
            let mut rests = vec![(Duration::from_millis(10), second), (Duration::ZERO, first)];
            let rings = poll_fn(|cx| {
                if let Some((_, rest)) = rests.pop_if(|(since, _)| began.elapsed() >= *since) {
                    spend(rest, cx);
                }
                if alarm.rings(deadline, cx) { Poll::Ready(()) } else { Poll::Pending }
            });
            timeout(Duration::from_secs(1), rings).await.expect("it rings");
            assert!(rests.is_empty());
            let rang = began.elapsed().as_millis();
            assert!((30..=32).contains(&rang), "{first} {second}: {rang}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_alarm_wakes_whoever_asked_last() {
        // Who asks, the task or somebody else, and for which deadline.
        for turns in [
            &[(false, 50), (true, 50)][..],
            &[(true, 50), (false, 50), (true, 50)],
            &[(true, 50), (false, 40), (true, 40)],
            &[(true, 50), (false, 40), (true, 60)],
            &[(true, 150), (false, 40), (true, 40)],
        ] {
            let began = Instant::now();
            let mut alarm = Alarm::new(Duration::from_millis(100));
            let last = turns.last().unwrap().1;
            let at = |ms: u64| began + Duration::from_millis(ms);
            poll_fn(|cx| {
                for (is_task, ms) in turns {
                    let mut other = Context::from_waker(Waker::noop());
                    assert!(!alarm.rings(at(*ms), if *is_task { cx } else { &mut other }));
                }
                Poll::Ready(())
            })
            .await;
            let rings =
                poll_fn(
                    |cx| {
                        if alarm.rings(at(last), cx) { Poll::Ready(()) } else { Poll::Pending }
                    },
                );
            timeout(Duration::from_secs(1), rings).await.expect("the task is woken");
            let rang = began.elapsed().as_millis() as u64;
            assert!((last..=last + 2).contains(&rang), "{turns:?}: {rang}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_heard_though_the_budget_was_spent_when_it_was_waited_for() {
        for rest in [0, 1, BUDGET] {
            let (sender, mut receiver) = watch::channel(0);
            let mut changed = pin!(receiver.changed());
            let (mut left_with, mut is_first) = (Left::default(), true);
            let hears = poll_fn(|cx| {
                if std::mem::take(&mut is_first) {
                    spend(rest, cx);
                }
                if left_with.is_with(cx) && sender.borrow().eq(&0) {
                    return Poll::Pending;
                }
                left_with.poll(changed.as_mut(), cx).map(drop)
            });
            let other = async {
                sleep(Duration::from_millis(10)).await;
                sender.send_replace(1);
            };
            let both = async { tokio::join!(biased; hears, other) };
            timeout(Duration::from_secs(1), both).await.expect("it is heard");
        }
    }
}
