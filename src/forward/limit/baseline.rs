//! What latency is usual for one kind of body: a mean and a deviation that move with time.

use std::time::Duration;

/// Attempts before anything is called slow.
const WARM_UP: u32 = 16;

/// The weight of an attempt that was alone on the wire, once it is warm. With others beside it, it
/// weighs less by the cube of their number: a latency that rises because we send more must not become
/// the usual one, and one that stays when we send one at a time is none of our doing. (By the square,
/// 64 deliveries came to queue before a receiver that serves four, within 20,000 of them.)
const WEIGHT_ALONE: f64 = 1.0 / 16.0;

/// Deviations above the mean from which on an attempt is slow.
const DEVIATIONS: f64 = 2.5;

/// The least deviation, as a share of the mean, and ...
const DEVIATION_SHARE_MIN: f64 = 0.1;

/// ... in seconds: a scheduler's whim on a receiver next door is no strain.
const DEVIATION_SECONDS_MIN: f64 = 0.002;

/// The latency of one kind of body.
#[derive(Clone, Debug, Default)]
pub(super) struct Baseline {
    /// Attempts seen, up to [`WARM_UP`].
    seen: u32,
    mean: f64,
    variance: f64,
}

/// How an attempt compares with those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Usual,
    Slow,
}

impl Baseline {
    /// Compares one latency with those before it, and then counts it among them.
    ///
    /// A slow one counts as if it were just not slow: a receiver under strain becomes the usual one
    /// only slowly, while the limit goes down; and what it has become for good is accepted in the end.
    pub(super) fn judge(&mut self, latency: Duration, in_flight: usize) -> Verdict {
        let seconds = latency.as_secs_f64();
        let deviation = self.variance.sqrt();
        let least = (self.mean * DEVIATION_SHARE_MIN).max(DEVIATION_SECONDS_MIN);
        let bound = self.mean + DEVIATIONS * deviation.max(least);
        let is_slow = self.seen >= WARM_UP && seconds > bound;
        self.learn(if is_slow { bound } else { seconds }, in_flight);
        if is_slow { Verdict::Slow } else { Verdict::Usual }
    }

    fn learn(&mut self, seconds: f64, in_flight: usize) {
        self.seen = (self.seen + 1).min(WARM_UP + 1);
        let beside = in_flight.max(1) as f64;
        // While it warms up all attempts weigh the same.
        let weight = if self.seen <= WARM_UP {
            1.0 / f64::from(self.seen)
        } else {
            WEIGHT_ALONE / (beside * beside * beside)
        };
        let difference = seconds - self.mean;
        self.mean += weight * difference;
        self.variance = (1.0 - weight) * (self.variance + weight * difference * difference);
    }
}
