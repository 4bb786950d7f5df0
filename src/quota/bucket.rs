//! A bucket: a minute's worth at once, refilled evenly. What is only known afterwards may leave it in debt.

use std::num::NonZeroU64;
use std::time::Duration;

/// Nanoseconds in a minute: one of what is counted is worth so much of the level, so that nothing is
/// rounded. The largest quota times a century of them is far from the end of 128 bits.
const ONE: i128 = 60_000_000_000;

/// Most that is owed, in minutes' worth: what many bodies at once, or one, have over that is forgiven, for a
/// source that may send nothing for longer is as good as cut off.
const DEBT_MINUTES_MAX: u64 = 10;

/// How much a source has left of what it may send in a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    per_minute: NonZeroU64,
    /// In parts of [`ONE`]; below zero is owed.
    level: i128,
    at: Duration,
}

impl Bucket {
    pub(super) fn full(per_minute: NonZeroU64) -> Self {
        Self { per_minute, level: worth(per_minute.get()), at: Duration::ZERO }
    }

    /// With another quota, of which the same part is left. What is owed stays what it is, so that a larger
    /// quota pays it sooner.
    pub(super) fn changed(self, per_minute: NonZeroU64) -> Self {
        if per_minute == self.per_minute {
            return self;
        }
        let level = if self.level > 0 {
            self.level / i128::from(self.per_minute.get()) * i128::from(per_minute.get())
        } else {
            self.level.max(-debt_max(per_minute))
        };
        Self { per_minute, level, at: self.at }
    }

    pub(super) fn per_minute(&self) -> u64 {
        self.per_minute.get()
    }

    /// Takes one, or says in how many seconds there will be one.
    pub(super) fn take_one(&mut self, now: Duration) -> Result<(), u64> {
        self.settle(now);
        if self.level < ONE {
            return Err(self.wait_s(ONE));
        }
        self.level -= ONE;
        Ok(())
    }

    /// Whether anything is left, or in how many seconds there will be.
    pub(super) fn is_open(&mut self, now: Duration) -> Result<(), u64> {
        self.settle(now);
        if self.level > 0 { Ok(()) } else { Err(self.wait_s(1)) }
    }

    /// Takes what was sent, whether or not there is so much.
    pub(super) fn charge(&mut self, amount: u64, now: Duration) {
        self.settle(now);
        self.level = self.level.saturating_sub(worth(amount)).max(-debt_max(self.per_minute));
    }

    fn settle(&mut self, now: Duration) {
        let gone = now.saturating_sub(self.at).as_nanos() as i128;
        let refill = gone.saturating_mul(i128::from(self.per_minute.get()));
        self.level = self.level.saturating_add(refill).min(worth(self.per_minute.get()));
        self.at = self.at.max(now);
    }

    /// Whole seconds until the level is `wanted`, rounded up.
    fn wait_s(&self, wanted: i128) -> u64 {
        let missing = (wanted - self.level).unsigned_abs();
        let nanos = missing.div_ceil(u128::from(self.per_minute.get()));
        u64::try_from(nanos.div_ceil(1_000_000_000)).unwrap_or(u64::MAX).max(1)
    }
}

fn worth(amount: u64) -> i128 {
    i128::from(amount) * ONE
}

fn debt_max(per_minute: NonZeroU64) -> i128 {
    worth(per_minute.get()) * i128::from(DEBT_MINUTES_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bucket(per_minute: u64) -> Bucket {
        Bucket::full(NonZeroU64::new(per_minute).unwrap())
    }

    fn passed(bucket: &mut Bucket, now_s: u64, tries: usize) -> usize {
        (0..tries).filter(|_| bucket.take_one(Duration::from_secs(now_s)).is_ok()).count()
    }

    #[test]
    fn a_minutes_worth_passes_at_once_and_comes_back_evenly() {
        let mut bucket = bucket(600);
        assert_eq!(passed(&mut bucket, 0, 700), 600);
        assert_eq!(passed(&mut bucket, 6, 100), 60);
        assert_eq!(passed(&mut bucket, 3600, 700), 600);
    }

    #[test]
    fn the_wait_is_what_it_takes_in_whole_seconds_rounded_up() {
        let mut bucket = bucket(2);
        assert_eq!(passed(&mut bucket, 0, 3), 2);
        assert_eq!(bucket.take_one(Duration::from_millis(500)), Err(30));
        assert_eq!(bucket.take_one(Duration::from_millis(29_999)), Err(1));
        assert_eq!(bucket.take_one(Duration::from_secs(30)), Ok(()));
    }

    #[test]
    fn what_is_too_much_is_waited_for_exactly() {
        let mut bucket = bucket(60);
        bucket.charge(600, Duration::ZERO);
        assert_eq!(bucket.is_open(Duration::ZERO), Err(541));
        assert_eq!(bucket.is_open(Duration::from_mins(9)), Err(1), "nothing owed, nothing left");
        assert_eq!(bucket.is_open(Duration::from_millis(540_001)), Ok(()));
        bucket.charge(u64::MAX, Duration::from_secs(541));
        bucket.charge(u64::MAX, Duration::from_secs(541));
        assert!(bucket.is_open(Duration::from_secs(542)).is_err());
    }

    #[test]
    fn nobody_owes_more_than_ten_minutes_worth() {
        for per_minute in [1, 10, 1 << 40] {
            let mut bucket = bucket(per_minute);
            (0..3).for_each(|_| bucket.charge(u64::MAX, Duration::ZERO));
            assert!([600, 601].contains(&bucket.is_open(Duration::ZERO).unwrap_err()));
            let mut less = bucket.changed(NonZeroU64::new(per_minute.div_ceil(10)).unwrap());
            assert!([600, 601].contains(&less.is_open(Duration::ZERO).unwrap_err()));
            assert_eq!(bucket.is_open(Duration::from_secs(601)), Ok(()));
        }
    }

    #[test]
    fn what_is_owed_is_paid_sooner_with_a_larger_quota_and_later_with_a_smaller() {
        for (per_minute, wait_s) in [(600, 10), (60, 100), (30, 200), (6000, 1)] {
            let mut bucket = bucket(60);
            bucket.charge(160, Duration::ZERO);
            let mut other = bucket.changed(NonZeroU64::new(per_minute).unwrap());
            let waits = other.is_open(Duration::ZERO).unwrap_err();
            assert!([wait_s, wait_s + 1].contains(&waits), "{per_minute}: {waits}");
        }
    }

    #[test]
    fn another_quota_leaves_the_same_part() {
        let mut half = bucket(100);
        half.charge(50, Duration::ZERO);
        let mut more = half.changed(NonZeroU64::new(1000).unwrap());
        assert_eq!(passed(&mut more, 0, 1000), 500);
        assert_eq!(half.changed(NonZeroU64::new(100).unwrap()), half);
    }

    proptest! {
        /// However requests fall, in any span no more pass than a burst and what the span refills.
        #[test]
        fn no_span_lets_more_pass_than_it_may(
            per_minute in 1_u64..1000,
            steps in prop::collection::vec((0_u64..20_000, 1_usize..50), 1..60),
        ) {
            let mut bucket = bucket(per_minute);
            let (mut now, mut all) = (Duration::ZERO, 0_u64);
            for (wait_ms, tries) in steps {
                now += Duration::from_millis(wait_ms);
                all += (0..tries).filter(|_| bucket.take_one(now).is_ok()).count() as u64;
                let most = per_minute + per_minute * now.as_millis() as u64 / 60_000;
                prop_assert!(all <= most, "{} of {}", all, most);
            }
        }

        /// In the long run what is charged is what was allowed: debts are paid in full.
        #[test]
        fn debts_are_paid_in_full(
            per_minute in 1_u64..10_000,
            bodies in prop::collection::vec((0_u64..120_000, 0_u64..50_000), 1..60),
        ) {
            let mut bucket = bucket(per_minute);
            let (mut now, mut charged) = (Duration::ZERO, 0);
            for (wait_ms, amount) in bodies {
                now += Duration::from_millis(wait_ms);
                if bucket.is_open(now).is_ok() {
                    let amount = amount.min(DEBT_MINUTES_MAX * per_minute);
                    bucket.charge(amount, now);
                    let most = per_minute + per_minute * now.as_millis() as u64 / 60_000;
                    prop_assert!(charged <= most, "what came before is paid");
                    charged += amount;
                } else {
                    let wait_s = bucket.is_open(now).unwrap_err();
                    let mut later = bucket;
                    prop_assert!(later.is_open(now + Duration::from_secs(wait_s)).is_ok());
                }
            }
        }
    }
}
