//! How long attempts took: counts by steps of a fifth, from a millisecond to minutes, so that whoever reads
//! twice knows what lay between.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Steps of each doubling.
const PER_OCTAVE: f64 = 4.0;

/// The last one is for everything beyond three minutes.
const STEPS: usize = 72;

/// A meter that goes on counting.
#[derive(Debug)]
pub struct Latency([AtomicU64; STEPS]);

/// A reading, or what lies between two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Took([u64; STEPS]);

impl Default for Latency {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; STEPS])
    }
}

impl Default for Took {
    fn default() -> Self {
        Self([0; STEPS])
    }
}

impl Latency {
    pub(super) fn add(&self, took: Duration) {
        self.0[step(took)].fetch_add(1, Ordering::Relaxed);
    }

    /// All attempts since the start.
    pub fn read(&self) -> Took {
        Took(std::array::from_fn(|step| self.0[step].load(Ordering::Relaxed)))
    }
}

impl Took {
    /// Those that came after `earlier`, which is an older reading of the same meter.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self(std::array::from_fn(|step| self.0[step].saturating_sub(earlier.0[step])))
    }

    /// Milliseconds within which this share of the attempts ended, a fifth too many at most; `None` where
    /// there was none.
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        let all: u64 = self.0.iter().sum();
        let rank = ((all as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let reached = self.0.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        reached.filter(|_| all > 0).map(upper_ms)
    }
}

/// Milliseconds at which a step ends.
fn upper_ms(step: usize) -> f64 {
    (step as f64 / PER_OCTAVE).exp2()
}

fn step(took: Duration) -> usize {
    let ms = took.as_secs_f64() * 1000.0;
    // At most a millisecond is the first.
    let step = (ms.max(1.0).log2() * PER_OCTAVE).ceil();
    (step as usize).min(STEPS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_long_is_told_a_fifth_too_long_at_most() {
        for ms in [1, 2, 3, 7, 10, 100, 999, 1000, 1001, 30_000, 180_000] {
            let latency = Latency::default();
            latency.add(Duration::from_millis(ms));
            let told = latency.read().quantile_ms(0.5).unwrap();
            let ms = ms as f64;
            assert!(told > ms - 1e-6 && told < ms * 1.2, "{ms}: {told}");
        }
        for (extreme, told) in [(Duration::ZERO, 1.0), (Duration::MAX, upper_ms(STEPS - 1))] {
            let latency = Latency::default();
            latency.add(extreme);
            assert!((latency.read().quantile_ms(0.5).unwrap() - told).abs() < 1e-9);
        }
    }

    #[test]
    fn what_lies_between_two_readings_has_its_own_quantiles() {
        let latency = Latency::default();
        assert_eq!(latency.read().quantile_ms(0.5), None);
        latency.add(Duration::from_mins(1));
        let earlier = latency.read();
        assert_eq!(latency.read().since(&earlier).quantile_ms(0.99), None);
        for _ in 0..98 {
            latency.add(Duration::from_millis(4));
        }
        for _ in 0..2 {
            latency.add(Duration::from_secs(1));
        }
        let between = latency.read().since(&earlier);
        assert!((between.quantile_ms(0.5).unwrap() - 4.0).abs() < 1e-9);
        assert!(between.quantile_ms(0.99).unwrap() > 1000.0);
    }
}
