//! Which fault hits the next request, and which rules it is judged by: a script first, then the
//! standing fault.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::fault::{Fault, Hits, Standing};
use super::rules::Rules;

/// The faults and the rules of a running receiver; clones share them, and changes apply from the next
/// request on.
#[derive(Clone, Debug)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    script: VecDeque<Fault>,
    standing: Option<Standing>,
    /// Requests the standing fault has been asked about.
    asked: u32,
    random: fastrand::Rng,
    /// Shared with requests that are judged by them.
    rules: Arc<Rules>,
    at_start: Rules,
}

impl Faults {
    /// No script; `seed` decides which requests a share hits.
    pub(super) fn new(standing: Option<Standing>, rules: Rules, seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        let (script, at_start) = (VecDeque::new(), rules.clone());
        let rules = Arc::new(rules);
        Self(Arc::new(Mutex::new(State { script, standing, asked: 0, random, rules, at_start })))
    }

    /// Adds to the script: each of the next intake requests takes one fault from it, and while it
    /// lasts the standing fault rests. [`Fault::Pass`] lets a request through.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.lock().script.extend(faults);
    }

    /// Sets the standing fault, in place of the one before.
    pub fn stand(&self, standing: Standing) {
        let mut state = self.lock();
        (state.standing, state.asked) = (Some(standing), 0);
    }

    /// Changes the rules: keys, limits, encodings, poison.
    pub fn change(&self, change: impl FnOnce(&mut Rules)) {
        change(Arc::make_mut(&mut self.lock().rules));
    }

    /// The rules as they are now.
    pub fn rules(&self) -> Rules {
        Rules::clone(&self.lock().rules)
    }

    /// The rules the receiver was started with.
    pub(super) fn rules_at_start(&self) -> Rules {
        self.lock().at_start.clone()
    }

    /// Ends all faults, scripted ones included; the rules are again those of the start. Requests that
    /// hang already go on hanging.
    pub fn heal(&self) {
        let rules = self.rules_at_start();
        self.replace(None, VecDeque::new(), rules);
    }

    /// How much of the script is left.
    pub fn scripted(&self) -> usize {
        self.lock().script.len()
    }

    pub(super) fn replace(
        &self,
        standing: Option<Standing>,
        script: VecDeque<Fault>,
        rules: Rules,
    ) {
        let mut state = self.lock();
        (state.standing, state.asked) = (standing, 0);
        state.script = script;
        state.rules = Arc::new(rules);
    }

    /// What happens to the next request, and what it is judged by.
    pub(super) fn next(&self) -> (Fault, Arc<Rules>) {
        let mut state = self.lock();
        let rules = Arc::clone(&state.rules);
        if let Some(fault) = state.script.pop_front() {
            return (fault, rules);
        }
        let Some(Standing { fault, hits }) = state.standing.clone() else {
            return (Fault::Pass, rules);
        };
        let is_hit = match hits {
            Hits::All => true,
            Hits::Share(share) => state.random.f64() < share,
            Hits::Turns { good, bad } => {
                let place = state.asked % good.saturating_add(bad);
                state.asked = place + 1;
                place >= good
            }
        };
        (if is_hit { fault } else { Fault::Pass }, rules)
    }

    /// What the next request would be judged by.
    pub(super) fn current(&self) -> Arc<Rules> {
        Arc::clone(&self.lock().rules)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receiver::BodyLimit;

    fn faults(standing: Option<Standing>, seed: u64) -> Faults {
        Faults::new(standing, Rules::default(), seed)
    }

    #[test]
    fn the_script_goes_before_the_standing_fault() {
        let faults = faults(Some(Standing::always(Fault::Hang)), 1);
        faults.script([Fault::Pass, Fault::status(503)]);
        assert_eq!(faults.next().0, Fault::Pass);
        assert_eq!(faults.next().0, Fault::status(503));
        assert_eq!(faults.next().0, Fault::Hang);
        faults.heal();
        assert_eq!(faults.next().0, Fault::Pass);
    }

    #[test]
    fn a_rate_hits_its_share_of_requests_and_the_same_ones_for_one_seed() {
        let standing = Standing { fault: Fault::Hang, hits: Hits::Share(0.3) };
        let hits = |seed| {
            let faults = faults(Some(standing.clone()), seed);
            (0..1000).map(|_| faults.next().0 == Fault::Hang).collect::<Vec<_>>()
        };
        let count = hits(7).iter().filter(|hit| **hit).count();
        assert!((250..350).contains(&count), "{count}");
        assert_eq!(hits(7), hits(7));
        assert_ne!(hits(7), hits(8));
    }

    #[test]
    fn turns_spare_so_many_requests_and_hit_so_many_again_and_again() {
        let faults = faults(Some(Standing::by_turns(Fault::Hang, 2, 1)), 1);
        let hits: Vec<_> = (0..7).map(|_| faults.next().0 == Fault::Hang).collect();
        assert_eq!(hits, [false, false, true, false, false, true, false]);
        faults.stand(Standing::by_turns(Fault::Hang, 0, 1));
        assert_eq!((faults.next().0, faults.next().0), (Fault::Hang, Fault::Hang));
    }

    #[test]
    fn changed_rules_hold_from_the_next_request_until_it_is_healed() {
        let faults = faults(None, 1);
        let (_, before) = faults.next();
        faults.change(|rules| rules.body_limit = BodyLimit::wire(5));
        assert_eq!(before.body_limit, BodyLimit::default(), "that one is being judged");
        assert_eq!(faults.next().1.body_limit, BodyLimit::wire(5));
        faults.heal();
        assert_eq!(faults.rules(), Rules::default());
    }
}
