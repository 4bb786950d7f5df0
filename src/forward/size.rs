//! How large a body the receiver takes, learned from its answers (contract C6.2). Pure.
//!
//! Between the largest body known to be accepted and the smallest known to be refused the bound is
//! halved in, until the two are an eighth apart; then it rests on the accepted one. Nothing learned is
//! for ever: after [`PATIENCE_MIN`] accepted bodies of any size, and later after up to
//! [`PATIENCE_MAX`], the bound is raised a little beyond what was refused, and the next large body tries
//! it. So a limit that stays costs one 413 in that many bodies, and one that is gone is left behind in
//! doubling steps. While no body is large enough to try, the bound rises untried.

use super::envelope::ENVELOPE_BYTES_MAX;

/// The bound never goes below: smaller bodies than that cost more than they save, and what a refusal of
/// one is about is not its size. Sessions split on without it.
const BOUND_BYTES_MIN: usize = 4 << 10;

/// Accepted bodies until a bound that was just learned is doubted.
const PATIENCE_MIN: u32 = 128;

/// The same, for one that was confirmed again and again.
const PATIENCE_MAX: u32 = 1_024;

/// The learned bound.
#[derive(Clone, Debug)]
pub struct Size {
    bound: usize,
    /// The largest body accepted since the limit was last seen to shrink; 0 before one was.
    good: usize,
    /// The smallest body refused since it was last seen to grow.
    bad: Option<usize>,
    /// Bodies accepted since the bound was last refused or raised.
    calm: u32,
    patience: u32,
    /// How often the bound was raised since it was last tried.
    raises: u32,
}

impl Default for Size {
    fn default() -> Self {
        Self {
            bound: ENVELOPE_BYTES_MAX,
            good: 0,
            bad: None,
            calm: 0,
            patience: PATIENCE_MIN,
            raises: 0,
        }
    }
}

impl Size {
    /// Most raw bytes of a body that should be posted now, envelope included; what that leaves for
    /// tuples is [`super::envelope::Envelope::room`].
    pub fn bound(&self) -> usize {
        self.bound
    }

    /// A body of so many raw bytes was answered 413.
    pub fn too_large(&mut self, bytes: usize) {
        if bytes <= BOUND_BYTES_MIN {
            return;
        }
        if bytes <= self.good {
            // The limit has shrunk, and what was accepted before says nothing any more.
            (self.good, self.bad, self.patience) = (0, Some(bytes), PATIENCE_MIN);
        } else {
            self.bad = Some(self.bad.map_or(bytes, |bad| bad.min(bytes)));
            if self.raises > 0 {
                self.patience = (self.patience * 2).min(PATIENCE_MAX);
            }
        }
        (self.calm, self.raises) = (0, 0);
        self.bound = self.between().min(self.bound).max(BOUND_BYTES_MIN);
    }

    /// A body of so many raw bytes was accepted.
    pub fn accepted(&mut self, bytes: usize) {
        self.good = self.good.max(bytes);
        if self.bound >= ENVELOPE_BYTES_MAX && self.bad.is_none() {
            return;
        }
        self.calm += 1;
        match self.bad {
            // The limit has grown, nobody knows how far.
            Some(bad) if bytes >= bad => {
                (self.bad, self.raises, self.patience) = (None, 0, PATIENCE_MIN);
                self.bound = self.bound.max((bytes * 2).min(ENVELOPE_BYTES_MAX));
            }
            None if self.is_near(bytes) => self.bound = (self.bound * 2).min(ENVELOPE_BYTES_MAX),
            _ if self.calm >= self.patience => self.raise(),
            // A raised bound waits for a body that tries it.
            Some(_) if self.raises == 0 && self.is_near(bytes) => {
                self.bound = self.between().max(BOUND_BYTES_MIN);
            }
            _ => {}
        }
    }

    /// Doubts what was refused, the more the longer nothing tried it.
    fn raise(&mut self) {
        let next = match self.bad {
            Some(bad) if self.raises == 0 => (self.bound + self.bound / 8).max(bad + bad / 16),
            _ => self.bound * 4,
        };
        self.bound = next.min(ENVELOPE_BYTES_MAX);
        self.raises += 1;
        self.calm = 0;
    }

    /// Whether a body of so many bytes is as large as the bound lets one be, give or take a tuple.
    fn is_near(&self, bytes: usize) -> bool {
        bytes >= self.bound - self.bound / 8
    }

    /// Where to go between what is accepted and what is not.
    fn between(&self) -> usize {
        let bad = self.bad.unwrap_or(ENVELOPE_BYTES_MAX);
        if bad - self.good.min(bad) <= bad / 8 { self.good } else { self.good.midpoint(bad) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: usize = ENVELOPE_BYTES_MAX;

    /// Posts bodies of `offered` bytes, or what the bound makes of them, to a receiver with a limit; how
    /// many are refused.
    fn post(size: &mut Size, limit: usize, offered: usize, bodies: u32) -> u32 {
        let mut refused = 0;
        for _ in 0..bodies {
            // Parts are cut at tuples: somewhat below the bound.
            let bytes = offered.min(size.bound() - size.bound() / 50);
            if bytes > limit {
                size.too_large(bytes);
                refused += 1;
            } else {
                size.accepted(bytes);
            }
        }
        refused
    }

    /// Limits from 8 KiB to the maximum, an odd step apart.
    fn limits() -> impl Iterator<Item = usize> {
        std::iter::successors(Some(8 << 10), |limit| Some(limit + limit / 7))
            .take_while(|l| *l < MAX)
    }

    #[test]
    fn it_comes_within_an_eighth_of_any_limit_in_a_dozen_refusals() {
        let mut most = 0;
        for limit in limits() {
            let mut size = Size::default();
            most = most.max(post(&mut size, limit, MAX, 24));
            let bound = size.bound();
            assert!(bound <= limit && bound >= limit - limit / 7, "{bound} for {limit}");
        }
        assert!(most <= 12, "{most} refusals");
    }

    #[test]
    fn a_limit_that_stays_costs_one_refusal_in_a_thousand_bodies() {
        let mut most = 0;
        for limit in limits() {
            let mut size = Size::default();
            post(&mut size, limit, MAX, 2_000);
            most = most.max(post(&mut size, limit, MAX, 10_000));
            assert!(size.bound() >= limit - limit / 7);
        }
        assert!(most <= 10, "{most} refusals in 10,000 bodies");
    }

    #[test]
    fn a_limit_that_is_gone_is_forgotten_whatever_the_bodies_are() {
        for offered in [MAX, 2_000, 100] {
            for limit in limits() {
                let mut size = Size::default();
                // Confirmed often, so that patience is at its longest.
                post(&mut size, limit, MAX, 5_000);
                let mut bodies = 0;
                while size.bound() < MAX {
                    post(&mut size, MAX, offered, 1);
                    bodies += 1;
                }
                assert!(bodies <= 6 * PATIENCE_MAX, "{bodies} of {offered} bytes after {limit}");
            }
        }
    }

    #[test]
    fn few_large_bodies_among_many_small_ones_cost_few_refusals() {
        let mut size = Size::default();
        let limit = 1 << 20;
        post(&mut size, limit, MAX, 100);
        let mut refused = 0;
        for round in 0..20_000 {
            refused += post(&mut size, limit, if round % 500 == 0 { MAX } else { 3_000 }, 1);
        }
        assert!((1..=20).contains(&refused), "{refused} of 20,000");
        // However far the bound has risen untried, one refusal brings it back: it does not begin anew.
        assert!(post(&mut size, limit, MAX, 3) <= 1);
        assert!((limit - limit / 7..=limit).contains(&size.bound()));
    }

    #[test]
    fn a_limit_that_moves_is_followed_at_once_downwards_and_soon_upwards() {
        let mut size = Size::default();
        post(&mut size, 1 << 20, MAX, 3_000);
        size.too_large(40_000);
        assert!(size.bound() <= 20_000, "{}", size.bound());
        let refused = post(&mut size, 39_000, MAX, 20);
        assert!(refused <= 2 && (34_000..=39_000).contains(&size.bound()), "{size:?}");
        let refused = post(&mut size, 500_000, MAX, 300);
        assert!(refused <= 5 && (430_000..=500_000).contains(&size.bound()), "{refused} {size:?}");
    }

    #[test]
    fn a_tiny_body_that_is_refused_teaches_nothing() {
        let mut size = Size::default();
        size.accepted(1 << 20);
        size.too_large(150);
        assert_eq!(size.bound(), MAX);
    }

    proptest! {
        #[test]
        fn after_any_history_a_limit_is_found(
            history in prop::collection::vec((any::<bool>(), 1..=MAX), 0..200),
            limit in (2 * BOUND_BYTES_MIN)..=MAX,
        ) {
            let mut size = Size::default();
            for (is_accepted, bytes) in history {
                if is_accepted { size.accepted(bytes) } else { size.too_large(bytes) }
                prop_assert!((BOUND_BYTES_MIN..=MAX).contains(&size.bound()));
            }
            post(&mut size, limit, MAX, 2 * PATIENCE_MAX);
            let refused = post(&mut size, limit, MAX, 4 * PATIENCE_MAX);
            prop_assert!(refused <= 16, "{refused}");
            prop_assert!(size.bound() >= limit - limit / 6, "{size:?} for {limit}");
        }
    }
}
