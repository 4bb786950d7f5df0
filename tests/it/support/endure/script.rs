//! What a receiver that is not well does: stretches of health and of trouble, drawn from a seed.

use std::sync::{Mutex, PoisonError};

use fastrand::Rng;

/// What the receiver does with one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    /// Takes it: 2xx.
    Take(u16),
    /// Reads it and answers something else.
    Refuse(u16),
    /// Reads it and never answers.
    Hang,
    /// Resets the connection, with this much of it read.
    Reset(Read),
    /// Reads it, sends half of an answer and closes.
    HalfAnswer,
}

/// How far a delivery was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Read {
    /// Its head.
    Head,
    /// All of it.
    All,
}

/// Deliveries in a row that fare alike.
struct Stretch {
    act: Act,
    left: u32,
}

/// What is done, one delivery after the other.
pub(crate) struct Script {
    state: Mutex<State>,
}

struct State {
    random: Rng,
    mood: Mood,
    now: Stretch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// Health and trouble by turns.
    Changing,
    /// The same for ever.
    Fixed(Act),
}

/// Statuses after which the same tuples come again. Not 400, 413 and 422: at random they would make a
/// good tuple look like a bad one, and that one is rightly set aside.
const REFUSALS: [u16; 11] = [408, 429, 500, 501, 502, 503, 504, 401, 403, 404, 301];

impl Script {
    /// Health and trouble by turns.
    pub(crate) fn changing(seed: u64) -> Self {
        Self::new(Mood::Changing, seed)
    }

    /// The same for ever, until [`Self::heal`].
    pub(crate) fn fixed(act: Act) -> Self {
        Self::new(Mood::Fixed(act), 0)
    }

    fn new(mood: Mood, seed: u64) -> Self {
        let now = Stretch { act: Act::Take(200), left: 0 };
        Self { state: Mutex::new(State { random: Rng::with_seed(seed), mood, now }) }
    }

    /// Everything is taken from now on.
    pub(crate) fn heal(&self) {
        self.set(Act::Take(200));
    }

    /// This happens from now on.
    pub(crate) fn set(&self, act: Act) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).mood = Mood::Fixed(act);
    }

    /// What happens to the next delivery.
    pub(crate) fn next(&self) -> Act {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Mood::Fixed(act) = state.mood {
            return act;
        }
        if state.now.left == 0 {
            state.now = match state.now.act {
                Act::Take(_) => trouble(&mut state.random),
                _ => Stretch { act: Act::Take(200), left: state.random.u32(5..60) },
            };
        }
        state.now.left -= 1;
        match state.now.act {
            Act::Take(_) => Act::Take([200, 202, 204][state.random.usize(..3)]),
            act => act,
        }
    }
}

fn trouble(random: &mut Rng) -> Stretch {
    let act = match random.u32(..10) {
        0..6 => Act::Refuse(REFUSALS[random.usize(..REFUSALS.len())]),
        6 => Act::Hang,
        7 => Act::Reset(Read::Head),
        8 => Act::Reset(Read::All),
        _ => Act::HalfAnswer,
    };
    // Each of these costs a gateway a second: the shortest time-out and pause that can be set.
    let is_slow = matches!(act, Act::Hang | Act::Refuse(301 | 401 | 403 | 404));
    Stretch { act, left: if is_slow { 1 } else { random.u32(1..8) } }
}
