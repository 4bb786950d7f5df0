//! Requests a minute per client address (contract C1.10).

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::{Quota, RateLimiter};

mod table;

use crate::clock::Clock;
use table::{Key, Table};

/// The limiter: governor's arithmetic over a [`Table`] of our own, which is bounded.
pub(super) struct PerIp {
    limiter: RateLimiter<Key, Table, Ticks, NoOpMiddleware<Duration>>,
    quota: NonZeroU32,
}

/// A request over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverLimit {
    /// Requests a minute.
    pub quota: u32,
    /// Until the next one passes, rounded up to whole seconds; at least 1.
    pub wait_s: u64,
}

/// governor's view of our clock, so that tests can move it.
struct Ticks(Arc<dyn Clock>);

impl governor::clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

impl PerIp {
    /// `quota` requests a minute, the whole of it at once if need be; at most `keys_max` addresses
    /// are remembered.
    pub(super) fn new(quota: NonZeroU32, keys_max: usize, clock: Arc<dyn Clock>) -> Self {
        let limiter =
            RateLimiter::new(Quota::per_minute(quota), Table::new(keys_max), Ticks(clock));
        Self { limiter, quota }
    }

    /// Counts one request of this address.
    pub(super) fn check(&self, client: IpAddr) -> Result<(), OverLimit> {
        self.limiter.check_key(&Key::of(client)).map_err(|until| {
            let wait = until.wait_time_from(self.limiter.clock().now());
            OverLimit {
                quota: self.quota.get(),
                wait_s: wait.as_millis().div_ceil(1000).max(1) as u64,
            }
        })
    }

    /// Forgets addresses that have their whole quota again; to be called now and then.
    pub(super) fn forget_idle(&self) {
        self.limiter.retain_recent();
    }

    /// Addresses that are remembered.
    pub(super) fn keys(&self) -> usize {
        self.limiter.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::metric::timestamp::Timestamp;

    fn limiter(quota: u32, keys_max: usize) -> (Arc<ManualClock>, PerIp) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix(0, 0)));
        let quota = NonZeroU32::new(quota).unwrap();
        (Arc::clone(&clock), PerIp::new(quota, keys_max, clock))
    }

    fn passed(limiter: &PerIp, client: &str, tries: usize) -> usize {
        let client = client.parse().unwrap();
        (0..tries).filter(|_| limiter.check(client).is_ok()).count()
    }

    #[test]
    fn the_burst_is_the_quota_and_refills_evenly() {
        let (clock, limiter) = limiter(500, 10);
        assert_eq!(passed(&limiter, "192.0.2.1", 510), 500);
        assert_eq!(passed(&limiter, "192.0.2.2", 1), 1);
        clock.advance(Duration::from_secs(6));
        assert_eq!(passed(&limiter, "192.0.2.1", 60), 50);
        clock.advance(Duration::from_mins(1));
        assert_eq!(passed(&limiter, "192.0.2.1", 510), 500);
    }

    #[test]
    fn the_wait_is_in_whole_seconds_rounded_up() {
        let (clock, limiter) = limiter(2, 10);
        let client = "192.0.2.1".parse().unwrap();
        assert_eq!(passed(&limiter, "192.0.2.1", 2), 2);
        assert_eq!(limiter.check(client), Err(OverLimit { quota: 2, wait_s: 30 }));
        clock.advance(Duration::from_millis(500));
        assert_eq!(limiter.check(client), Err(OverLimit { quota: 2, wait_s: 30 }));
        clock.advance(Duration::from_millis(29_400));
        assert_eq!(limiter.check(client), Err(OverLimit { quota: 2, wait_s: 1 }));
        clock.advance(Duration::from_millis(100));
        assert_eq!(limiter.check(client), Ok(()));
    }

    #[test]
    fn ipv6_counts_by_64_and_mapped_ipv4_as_ipv4() {
        let (_, limiter) = limiter(2, 10);
        assert_eq!(passed(&limiter, "2001:db8:0:1::1", 2), 2);
        assert_eq!(passed(&limiter, "2001:db8:0:1:ffff::2", 1), 0);
        assert_eq!(passed(&limiter, "2001:db8:0:2::1", 1), 1);
        assert_eq!(passed(&limiter, "192.0.2.1", 2), 2);
        assert_eq!(passed(&limiter, "::ffff:192.0.2.1", 1), 0);
    }

    #[test]
    fn a_full_table_makes_newcomers_share_and_forgets_the_idle() {
        let (clock, limiter) = limiter(3, 2);
        assert_eq!(passed(&limiter, "192.0.2.1", 1), 1);
        assert_eq!(passed(&limiter, "192.0.2.2", 1), 1);
        assert_eq!(passed(&limiter, "192.0.2.3", 2), 2);
        assert_eq!(passed(&limiter, "192.0.2.4", 2), 1, "one bucket for both newcomers");
        assert_eq!(passed(&limiter, "192.0.2.1", 3), 2, "those inside keep their own");
        assert_eq!(limiter.keys(), 2);

        limiter.forget_idle();
        assert_eq!(limiter.keys(), 2, "nobody has the whole quota back yet");
        clock.advance(Duration::from_mins(2));
        limiter.forget_idle();
        assert_eq!(limiter.keys(), 0);
        assert_eq!(passed(&limiter, "192.0.2.5", 3), 3);
    }
}
