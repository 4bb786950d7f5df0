//! Waiting for something beside the work of a task, at the price of a look at each of its turns.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// The waker that was left with something: while the task has no other, polling again adds nothing.
#[derive(Default)]
pub(super) struct Left(Option<Waker>);

impl Left {
    /// Whether the task has another one than was left, which is then to be left.
    pub(super) fn is_other(&mut self, cx: &Context<'_>) -> bool {
        if self.0.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            return false;
        }
        self.0 = Some(cx.waker().clone());
        true
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
        if !is_late && !self.timer.is_elapsed() && !self.left_with.is_other(cx) {
            return false;
        }
        while let Poll::Ready(()) = self.timer.as_mut().poll(cx) {
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

    use super::*;

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
}
