//! Which Content-Encoding bodies are sent with: as configured, or what is left of it after the
//! receiver refused some (contract C6.2). One atomic number, for all workers.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::config::Compression;

/// The encoding of one receiver's bodies.
#[derive(Debug)]
pub struct Coding(AtomicU8);

/// What became of an encoding that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// Send the same again, at once, in this one.
    To(Compression),
    /// None is left: hold, and [`Coding::rotate`] before each probe.
    Exhausted,
    /// The same, and every encoding was refused with a 400 that names it: the words may be those of a tuple
    /// that the answer repeats. Hold, and halve at each probe; whatever is accepted tells.
    Doubtful,
    /// The 400 is not about the encoding, which was accepted after all had been refused: a tuple may hold
    /// the words that the answer repeats. Halve.
    Proven,
}

/// The order of stepping down; the state is a place in it, and a phase.
const ORDER: [Compression; 3] = [Compression::Deflate, Compression::Gzip, Compression::Identity];

/// The bits of the place.
const PLACE: u8 = 0b0011;

/// All encodings were refused; a probe tries one after the other.
const HELD: u8 = 0b0100;

/// One was accepted after that.
const PROVEN: u8 = 0b1000;

/// Refused with a 400 that names it since something was accepted: a bit for each place.
const BLAMED: u8 = 0b0111_0000;

impl Coding {
    /// Begins as configured.
    pub fn new(configured: Compression) -> Self {
        Self(AtomicU8::new(place(configured)))
    }

    /// The one to use for the next attempt.
    pub fn current(&self) -> Compression {
        ORDER[usize::from(self.load() & PLACE)]
    }

    /// A body in `from` was refused for its encoding, with this status. Of several workers whose bodies
    /// meet the same refusal one takes the step.
    pub fn step(&self, from: Compression, status: u16) -> Stepped {
        let from = place(from);
        let blame = 0b0001_0000 << from;
        let next = |now: u8| {
            let blamed = if status == 415 { now & !blame } else { now | blame } & BLAMED;
            let next = match now & !BLAMED {
                now if now == from && now + 1 < ORDER.len() as u8 => now + 1,
                now if now == from => now | HELD,
                // Whatever was proven: 415 leaves no doubt.
                now if now == from | PROVEN && status == 415 => from | HELD,
                now => now,
            };
            Some(next | blamed)
        };
        let was = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        let now = next(was.expect("it is always taken")).unwrap_or_default();
        if now & HELD != 0 {
            if now & BLAMED == BLAMED { Stepped::Doubtful } else { Stepped::Exhausted }
        } else if now & !BLAMED == from | PROVEN {
            Stepped::Proven
        } else {
            Stepped::To(ORDER[usize::from(now & PLACE)])
        }
    }

    /// A session that was told [`Stepped::Proven`] found nothing that is accepted: it may be the encoding
    /// after all, and probes try the others again.
    pub fn doubt(&self) {
        let next = |now: u8| (now & PROVEN != 0).then_some((now & !PROVEN) | HELD);
        // An error says that nothing was proven.
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok();
    }

    /// A body in `with` was accepted.
    pub fn accepted(&self, with: Compression) {
        // Only the answer to a probe is news; every other delivery must not write to a shared line.
        let next = |now: u8| match now {
            now if now & HELD != 0 => Some(place(with) | PROVEN),
            now if now & BLAMED != 0 => Some(now & !BLAMED),
            _ => None,
        };
        // An error says that it is no news.
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok();
    }

    /// Once all were refused: the next in turn, for the next probe. Else without effect.
    pub fn rotate(&self) {
        let next = |now: u8| match now & HELD {
            0 => None,
            _ => Some((((now & PLACE) + 1) % ORDER.len() as u8) | (now & !PLACE)),
        };
        // An error says that nothing is held.
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok();
    }

    fn load(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }
}

fn place(compression: Compression) -> u8 {
    match compression {
        Compression::Deflate => 0,
        Compression::Gzip => 1,
        Compression::Identity => 2,
    }
}

#[cfg(test)]
mod tests {
    use Compression::{Deflate, Gzip, Identity};

    use super::*;

    #[test]
    fn an_encoding_that_is_refused_gives_way_to_the_next_until_none_is_left() {
        let coding = Coding::new(Deflate);
        assert_eq!(coding.current(), Deflate);
        assert_eq!(coding.step(Deflate, 415), Stepped::To(Gzip));
        assert_eq!(
            coding.step(Deflate, 415),
            Stepped::To(Gzip),
            "another worker was refused as well"
        );
        assert_eq!(coding.step(Gzip, 415), Stepped::To(Identity));
        assert_eq!(coding.step(Deflate, 415), Stepped::To(Identity), "an old answer takes no step");
        assert_eq!(coding.step(Identity, 415), Stepped::Exhausted);
        assert_eq!(coding.step(Gzip, 415), Stepped::Exhausted);
        for (configured, steps) in [(Deflate, 2), (Gzip, 1), (Identity, 0)] {
            let coding = Coding::new(configured);
            for _ in 0..steps {
                assert!(matches!(coding.step(coding.current(), 415), Stepped::To(_)));
            }
            assert_eq!(coding.step(coding.current(), 415), Stepped::Exhausted, "{configured:?}");
        }
    }

    #[test]
    fn what_is_accepted_stays_and_nothing_rotates() {
        let coding = Coding::new(Deflate);
        coding.step(Deflate, 415);
        coding.accepted(Gzip);
        coding.accepted(Deflate);
        coding.rotate();
        assert_eq!(coding.current(), Gzip);
        assert_eq!(
            coding.step(Gzip, 415),
            Stepped::To(Identity),
            "an acceptance is no proof for ever"
        );
    }

    #[test]
    fn when_none_is_left_each_probe_tries_the_next_and_the_accepted_one_stays() {
        let coding = Coding::new(Gzip);
        coding.step(Gzip, 415);
        assert_eq!(coding.step(Identity, 415), Stepped::Exhausted);
        let tried: Vec<_> = std::iter::repeat_with(|| {
            coding.rotate();
            let tried = coding.current();
            assert_eq!(coding.step(tried, 415), Stepped::Exhausted);
            tried
        })
        .take(4)
        .collect();
        assert_eq!(tried, [Deflate, Gzip, Identity, Deflate]);
        coding.rotate();
        coding.accepted(Gzip);
        coding.rotate();
        assert_eq!(coding.current(), Gzip);
    }

    #[test]
    fn an_encoding_accepted_after_all_were_refused_is_not_the_reason_of_a_refusal() {
        let coding = Coding::new(Identity);
        coding.step(Identity, 415);
        coding.rotate();
        coding.accepted(Deflate);
        assert_eq!(coding.step(Deflate, 400), Stepped::Proven);
        assert_eq!(coding.current(), Deflate);
        assert_eq!(coding.step(Identity, 415), Stepped::To(Deflate), "an old answer");
        assert_eq!(coding.step(Deflate, 415), Stepped::Exhausted, "unless it says so itself");
        coding.rotate();
        assert_eq!(coding.current(), Gzip);
    }

    #[test]
    fn when_all_are_refused_by_an_answer_that_may_repeat_a_tuple_nobody_knows() {
        let coding = Coding::new(Deflate);
        assert_eq!(coding.step(Deflate, 400), Stepped::To(Gzip));
        assert_eq!(coding.step(Gzip, 415), Stepped::To(Identity));
        assert_eq!(coding.step(Identity, 400), Stepped::Exhausted, "one of them is really refused");
        for (tried, status, expected) in [
            (Deflate, 400, Stepped::Exhausted),
            (Gzip, 400, Stepped::Doubtful),
            (Identity, 400, Stepped::Doubtful),
            (Deflate, 415, Stepped::Exhausted),
            (Gzip, 400, Stepped::Exhausted),
        ] {
            coding.rotate();
            assert_eq!((coding.current(), coding.step(tried, status)), (tried, expected));
        }
        coding.accepted(Gzip);
        assert_eq!(coding.step(Gzip, 400), Stepped::Proven);
        // From a lower start the ones above are tried by probes alone.
        let coding = Coding::new(Identity);
        assert_eq!(coding.step(Identity, 400), Stepped::Exhausted);
        let coding = Coding::new(Gzip);
        coding.step(Gzip, 400);
        coding.accepted(Identity);
        coding.step(Identity, 400);
        coding.rotate();
        assert_eq!(coding.step(Deflate, 400), Stepped::Exhausted, "what was before counts no more");
    }

    #[test]
    fn what_was_proven_may_be_doubted_and_nothing_else() {
        let coding = Coding::new(Identity);
        coding.doubt();
        coding.rotate();
        assert_eq!(coding.current(), Identity);
        coding.step(Identity, 400);
        coding.rotate();
        coding.accepted(Deflate);
        assert_eq!(coding.step(Deflate, 400), Stepped::Proven);
        coding.doubt();
        assert_eq!(coding.step(Deflate, 400), Stepped::Exhausted);
        coding.rotate();
        assert_eq!(coding.current(), Gzip);
    }
}
