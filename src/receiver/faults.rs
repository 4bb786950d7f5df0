//! Which fault hits the next request: a script first, then the standing one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::fault::{Fault, Standing};

/// The faults of a running receiver; clones share them, and changes apply from the next request on.
#[derive(Clone, Debug)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    script: VecDeque<Fault>,
    standing: Option<Standing>,
    random: fastrand::Rng,
}

impl Faults {
    /// No script; `seed` decides which requests a rate below one hits.
    pub(super) fn new(standing: Option<Standing>, seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self(Arc::new(Mutex::new(State { script: VecDeque::new(), standing, random })))
    }

    /// Adds to the script: each of the next intake requests takes one fault from it, and while it
    /// lasts the standing fault rests. [`Fault::Pass`] lets a request through.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.lock().script.extend(faults);
    }

    /// Sets the standing fault, in place of the one before.
    pub fn stand(&self, standing: Standing) {
        self.lock().standing = Some(standing);
    }

    /// Ends all faults, scripted ones included. Requests that hang already go on hanging.
    pub fn heal(&self) {
        self.replace(None, VecDeque::new());
    }

    /// How much of the script is left.
    pub fn scripted(&self) -> usize {
        self.lock().script.len()
    }

    pub(super) fn replace(&self, standing: Option<Standing>, script: VecDeque<Fault>) {
        let mut state = self.lock();
        state.standing = standing;
        state.script = script;
    }

    /// What happens to the next request.
    pub(super) fn next(&self) -> Fault {
        let mut state = self.lock();
        if let Some(fault) = state.script.pop_front() {
            return fault;
        }
        let draw = state.random.f64();
        match &state.standing {
            Some(standing) if draw < standing.rate => standing.fault.clone(),
            _ => Fault::Pass,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_goes_before_the_standing_fault() {
        let faults = Faults::new(Some(Standing::always(Fault::Hang)), 1);
        faults.script([Fault::Pass, Fault::status(503)]);
        assert_eq!(faults.next(), Fault::Pass);
        assert_eq!(faults.next(), Fault::status(503));
        assert_eq!(faults.next(), Fault::Hang);
        faults.heal();
        assert_eq!(faults.next(), Fault::Pass);
    }

    #[test]
    fn a_rate_hits_its_share_of_requests_and_the_same_ones_for_one_seed() {
        let standing = Standing { fault: Fault::Hang, rate: 0.3 };
        let hits = |seed| {
            let faults = Faults::new(Some(standing.clone()), seed);
            (0..1000).map(|_| faults.next() == Fault::Hang).collect::<Vec<_>>()
        };
        let count = hits(7).iter().filter(|hit| **hit).count();
        assert!((250..350).contains(&count), "{count}");
        assert_eq!(hits(7), hits(7));
        assert_ne!(hits(7), hits(8));
    }
}
