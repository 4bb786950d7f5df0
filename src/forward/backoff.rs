//! How long to wait after the next failure (contract C6.2): exponential with full jitter.

use std::time::Duration;

/// Counts failures in a row and turns each into a wait. Holds no clock and no randomness.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    floor: Duration,
    ceiling: Duration,
    failures: u32,
}

impl Backoff {
    /// Waits between `floor` and `ceiling` (`receiver.retry_min`, `receiver.retry_max`); a ceiling
    /// below the floor counts as the floor.
    pub fn new(floor: Duration, ceiling: Duration) -> Self {
        Self { floor, ceiling: ceiling.max(floor), failures: 0 }
    }

    /// The wait after one more failure: anywhere between the floor and an end that doubles with each
    /// failure, up to the ceiling. `random` is uniform in `[0, 1)`.
    ///
    /// The jitter is full, because gateways that failed together must not come back together.
    pub fn next(&mut self, random: f64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let doubled = 2_u32.checked_pow(self.failures).and_then(|by| self.floor.checked_mul(by));
        let end = doubled.map_or(self.ceiling, |end| end.min(self.ceiling));
        self.floor + end.saturating_sub(self.floor).mul_f64(random.clamp(0.0, 1.0))
    }

    /// The least wait.
    pub fn floor(&self) -> Duration {
        self.floor
    }

    /// Forgets all failures.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn waits_double_from_the_floor_to_the_ceiling() {
        let mut backoff = Backoff::new(MS(200), MS(60_000));
        let ends: Vec<u128> = (0..12).map(|_| backoff.next(1.0).as_millis()).collect();
        let expected = [400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 60_000, 60_000];
        assert_eq!(ends[..10], expected);
        for _ in 0..1_000 {
            assert_eq!(backoff.next(1.0), MS(60_000), "no overflow however long the outage");
        }
        backoff.reset();
        assert_eq!(backoff.next(1.0), MS(400));
    }

    #[test]
    fn jitter_spans_the_whole_window_and_never_goes_below_the_floor() {
        let at = |random| {
            let mut backoff = Backoff::new(MS(200), MS(60_000));
            (backoff.next(random), backoff.next(random))
        };
        assert_eq!(at(0.0), (MS(200), MS(200)));
        assert_eq!(at(0.5), (MS(300), MS(500)));
        assert_eq!(at(-1.0), (MS(200), MS(200)));
        let mut inverted = Backoff::new(MS(200), MS(100));
        assert_eq!(inverted.next(0.7), MS(200));
    }
}
