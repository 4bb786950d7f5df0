//! When the queue will be full if it goes on growing as in the last minute.

use std::collections::VecDeque;
use std::time::Duration;

use crate::queue::Standing;

/// How often the room is sampled.
pub(super) const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);

/// How far back growth is looked at.
const SPAN: Duration = Duration::from_mins(1);

/// Growth over less than this says nothing yet.
const SPAN_MIN: Duration = Duration::from_secs(10);

/// Bytes that still fit: below the cap and above the reserve, whichever is nearer (contract C5.5). What is
/// delivered takes none: its segment stays while it is written to, and goes when room is wanted.
pub(super) fn room(standing: &Standing) -> u64 {
    let held = standing.used_bytes.saturating_sub(standing.spent_bytes);
    let below_cap = standing.limit_bytes.saturating_sub(held);
    let with_spent = |free: u64| free.saturating_add(standing.spent_bytes);
    let above_reserve =
        standing.disk.map(|(free, reserve)| with_spent(free).saturating_sub(reserve));
    below_cap.min(above_reserve.unwrap_or(u64::MAX))
}

/// The room of the last minute. Pure: time is an argument.
#[derive(Debug, Default)]
pub(super) struct Forecast {
    /// Monotonic time and bytes, oldest first.
    samples: VecDeque<(Duration, u64)>,
}

impl Forecast {
    pub(super) fn sample(&mut self, now: Duration, room: u64) {
        while self.samples.front().is_some_and(|(at, _)| now.saturating_sub(*at) > SPAN) {
            self.samples.pop_front();
        }
        self.samples.push_back((now, room));
    }

    /// Seconds until nothing fits any more; zero when that is so, `None` when the queue does not grow.
    pub(super) fn full_s(&self) -> Option<f64> {
        let (&(from, room_then), &(until, room_now)) =
            self.samples.front().zip(self.samples.back())?;
        if room_now == 0 {
            return Some(0.0);
        }
        let (span, grown) = (until.saturating_sub(from), room_then.saturating_sub(room_now));
        if span < SPAN_MIN || grown == 0 || !self.still_grows() {
            return None;
        }
        Some(room_now as f64 * span.as_secs_f64() / grown as f64)
    }

    /// Whether the room became less since [`SPAN_MIN`] ago: a burst that is over fills nothing.
    fn still_grows(&self) -> bool {
        let Some(&(until, room_now)) = self.samples.back() else { return false };
        let mut before = self.samples.iter().rev();
        let then = before.find(|(at, _)| until.saturating_sub(*at) >= SPAN_MIN);
        then.is_some_and(|(_, room_then)| *room_then > room_now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full_s(samples: &[(u64, u64)]) -> Option<f64> {
        let mut forecast = Forecast::default();
        for (second, room) in samples {
            forecast.sample(Duration::from_secs(*second), *room);
        }
        forecast.full_s()
    }

    #[test]
    fn growth_of_the_last_minute_tells_when_there_is_no_room() {
        for (samples, expected) in [
            (&[][..], None),
            (&[(0, 1000)], None),
            (&[(0, 1000), (5, 900)], None),
            (&[(0, 1000), (10, 900)], Some(90.0)),
            (&[(0, 1000), (5, 2000), (10, 900)], Some(90.0)),
            (&[(0, 1000), (10, 1000)], None),
            // It grew in this minute, and grows no more.
            (&[(0, 1000), (10, 900), (15, 900), (20, 900)], None),
            (&[(0, 1000), (10, 900), (15, 900), (20, 800)], Some(80.0)),
            (&[(0, 1000), (10, 1100)], None),
            (&[(0, 1000), (5, 0)], Some(0.0)),
            // What was before the last minute is forgotten.
            (&[(0, 5000), (40, 1000), (100, 400)], Some(40.0)),
            (&[(0, 5000), (200, 1000)], None),
        ] {
            assert_eq!(full_s(samples), expected, "{samples:?}");
        }
    }

    #[test]
    fn samples_are_few_however_long_it_runs() {
        let mut forecast = Forecast::default();
        for nth in 0..10_000 {
            forecast.sample(SAMPLE_INTERVAL * nth, 7);
        }
        assert_eq!(forecast.samples.len(), 13);
    }

    #[test]
    fn the_nearer_limit_counts() {
        let standing = |used_bytes, disk| Standing {
            used_bytes,
            limit_bytes: 100,
            disk,
            ..Standing::default()
        };
        for (standing, expected) in [
            (standing(0, None), 100),
            (standing(101, None), 0),
            (standing(40, Some((1000, 10))), 60),
            (standing(40, Some((30, 10))), 20),
            (standing(40, Some((3, 10))), 0),
        ] {
            assert_eq!(room(&standing), expected);
        }
    }

    #[test]
    fn a_segment_that_grows_while_all_of_it_is_delivered_fills_nothing() {
        let mut forecast = Forecast::default();
        for second in (0..60).step_by(5) {
            let grown = second * 10;
            let standing = Standing {
                used_bytes: 100 + grown,
                spent_bytes: grown,
                limit_bytes: 1000,
                disk: Some((5000 - grown, 10)),
                ..Standing::default()
            };
            forecast.sample(Duration::from_secs(second), room(&standing));
        }
        assert_eq!(forecast.full_s(), None);
    }
}
