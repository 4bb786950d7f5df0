//! What a log shows after it was opened, against what may have become of every tuple.

use std::collections::BTreeSet;

use super::*;

/// What a destination that is configured gets, if it takes everything and acknowledges nothing.
pub(in super::super) struct Seen {
    pub(in super::super) side: usize,
    pub(in super::super) ids: BTreeSet<Id>,
    pub(in super::super) books: Books,
}

impl Ledger {
    /// Compares, and takes over what was open.
    pub(in super::super) fn reopened(&mut self, seen: &[Seen], totals: Totals) {
        for seen in seen {
            let side = &mut self.sides[seen.side];
            if !side.has_begun {
                side.has_begun = true;
                side.standing = vec![Standing::Elsewhere; self.tuples.len()];
            }
        }
        for seen in seen {
            self.judge_anew(seen.side);
        }
        self.doubt_hidden(seen);
        let mut outstanding = self.excess;
        self.judge_unresolved(seen, &mut outstanding);
        for seen in seen {
            self.check_seen(seen);
        }
        for index in 0..seen.len() {
            self.check_missing(seen, index, &mut outstanding);
        }
        self.check_totals(totals, outstanding);
        for seen in seen {
            self.check_seen_books(seen);
            self.sides[seen.side].books = seen.books;
        }
    }

    /// By its filter of now: what waits may be left out, and what was done since a save may wait again
    /// and be left out.
    fn judge_anew(&mut self, index: usize) {
        let side = &mut self.sides[index];
        for (id, standing) in side.standing.iter_mut().enumerate() {
            if self.requests[self.tuples[id].request].is_foreign(side.foreign) {
                *standing = match *standing {
                    Standing::Waiting => Standing::Foreign,
                    Standing::Done | Standing::Gone => Standing::Blurred,
                    Standing::Saved | Standing::GoneForGood | Standing::Elsewhere
                        if side.may_repeat =>
                    {
                        Standing::Blurred
                    }
                    other => other,
                };
            }
        }
    }

    /// What is damaged where nothing vouches for it is void, for all that could be read (contract C5.1,
    /// C5.3); that it was acknowledged only its client knows. If it was for one destination alone,
    /// nobody shows whether it is before that one is configured again: until then it is as open as a
    /// request nobody was answered about.
    fn doubt_hidden(&mut self, seen: &[Seen]) {
        for (index, request) in self.requests.iter_mut().enumerate() {
            let is_shown = |target| seen.iter().any(|seen| seen.side == target);
            let is_hidden = request.target.is_some_and(|target| !is_shown(target));
            let is_voidable = request.tuples.clone().any(|id| self.voidable.contains(&id));
            if !(request.is_there() && is_hidden && is_voidable) {
                continue;
            }
            (request.fate, request.is_hidden) = (Fate::Unknown, true);
            if !self.unresolved.contains(&index) {
                self.unresolved.push(index);
            }
        }
    }

    /// Requests nobody was answered about: each is there whole, or not at all and for ever.
    fn judge_unresolved(&mut self, seen: &[Seen], outstanding: &mut Totals) {
        for index in self.unresolved.clone() {
            let request = &self.requests[index];
            if request.fate != Fate::Unknown {
                continue;
            }
            let (mut there, mut missing) = (0, Vec::new());
            for seen in seen {
                let side = &self.sides[seen.side];
                // What was left out or given up says nothing about the request.
                let is_shown = |id: Id| {
                    let out = [Standing::Elsewhere, Standing::Foreign, Standing::Blurred];
                    !side.may_expire && !out.contains(&side.standing[id])
                };
                for id in request.tuples.clone() {
                    if seen.ids.contains(&id) {
                        there += 1;
                    } else if is_shown(id) {
                        missing.push(id);
                    }
                }
            }
            // A sync that failed may have dropped some of it, though reads showed it until now.
            let is_damaged = |id: &Id| {
                request.is_shaky || self.excused.contains(id) || self.voidable.contains(id)
            };
            let is_excused = missing.iter().all(is_damaged);
            let request = &mut self.requests[index];
            if there == 0 && missing.is_empty() {
                request.is_hidden = true;
                continue;
            }
            if there == 0 {
                // One that was there unseen may have been damaged meanwhile: its destination then books
                // what it finds of it as damaged.
                let is_lost = request.is_hidden && is_excused;
                request.fate = if is_lost { Fate::Voided } else { Fate::Absent };
                request.add_to(outstanding);
            } else if is_excused {
                request.fate = Fate::Found;
            } else {
                panic!("a part of a request: {missing:?} of {:?} are missing", request.tuples);
            }
        }
    }

    fn check_seen(&mut self, seen: &Seen) {
        for id in &seen.ids {
            let request = &self.requests[self.tuples[*id].request];
            let fate = request.fate;
            assert!(request.is_there(), "tuple {id} came back: its request was {fate:?}");
            let side = &mut self.sides[seen.side];
            assert!(!request.is_foreign(side.foreign), "tuple {id} is not for {}", seen.side);
            match side.standing[*id] {
                Standing::Waiting => {}
                // Its filter has changed since.
                Standing::Foreign | Standing::Blurred | Standing::Done | Standing::Gone => {
                    side.standing[*id] = Standing::Waiting;
                }
                // It gets what is kept, also what was there before it began.
                Standing::Saved | Standing::GoneForGood | Standing::Elsewhere
                    if side.may_repeat =>
                {
                    side.standing[*id] = Standing::Waiting;
                }
                other => panic!("tuple {id} is there again for {}: it was {other:?}", seen.side),
            }
        }
    }

    fn check_missing(&mut self, seen: &[Seen], index: usize, outstanding: &mut Totals) {
        let Seen { side, ids, .. } = &seen[index];
        for (id, standing) in self.sides[*side].standing.iter_mut().enumerate() {
            let is_damaged = self.excused.contains(&id) || self.voidable.contains(&id);
            let was_done = matches!(standing, Standing::Done | Standing::Gone);
            if was_done && is_damaged && !ids.contains(&id) {
                *standing = Standing::Unclear;
            }
        }
        let missing = self.waiting(*side).filter(|id| !ids.contains(id));
        for id in missing.collect::<Vec<Id>>() {
            let request = &mut self.requests[self.tuples[id].request];
            let mut shown = seen.iter().flat_map(|seen| &seen.ids);
            let is_shown = shown.any(|shown| request.tuples.contains(shown));
            let is_voidable = self.voidable.contains(&id) || request.is_shaky;
            let is_single = self.excused.contains(&id) || is_shown && is_voidable;
            if is_single || self.sides[*side].may_expire {
                self.sides[*side].standing[id] = Standing::Lost;
            } else if !is_voidable && request.fate != Fate::Voided {
                panic!("tuple {id} is lost for {side}: {request:?}");
            } else if request.fate != Fate::Voided {
                request.fate = Fate::Voided;
                request.add_to(outstanding);
            }
        }
    }

    /// The log's totals are those of the requests that are in it, and of some that are void.
    fn check_totals(&mut self, totals: Totals, outstanding: Totals) {
        let mut there = Totals::default();
        for request in self.requests.iter().filter(|request| request.is_there()) {
            request.add_to(&mut there);
        }
        let unknown = self.unresolved.iter().map(|index| &self.requests[*index]);
        let mut most = outstanding;
        unknown.filter(|request| request.fate == Fate::Unknown).for_each(|request| {
            request.add_to(&mut most);
        });
        let is_within = |is: u64, there: u64, most: u64| (there..=there + most).contains(&is);
        assert!(
            is_within(totals.tuples, there.tuples, most.tuples)
                && is_within(totals.accepted, there.accepted, most.accepted)
                && totals.rejected >= there.rejected,
            "{totals:?} for {there:?} and at most {most:?} more"
        );
        self.excess = Totals {
            tuples: totals.tuples - there.tuples,
            accepted: totals.accepted - there.accepted,
            rejected: totals.rejected - there.rejected,
        };
        self.totals = totals;
    }

    fn check_seen_books(&self, seen: &Seen) {
        let Seen { side, ids, books } = seen;
        assert!(books.is_balanced(), "{side}: {books:?}");
        let side = &self.sides[*side];
        if side.may_expire {
            assert!(books.queued >= ids.len() as u64, "{}: {books:?}", seen.side);
            return;
        }
        let (there, foreign) = (ids.len() as u64, side.foreign_tuples());
        let queued = there..=there + self.unbooked(side) + foreign;
        assert!(queued.contains(&books.queued), "{}: {queued:?} {books:?}", seen.side);
        assert!(books.filtered <= foreign, "{}: {foreign} {books:?}", seen.side);
        let (mut done, mut gone, mut perhaps, mut damaged, mut hit) = (0, 0, 0, 0_u64, 0);
        for (id, standing) in side.standing.iter().enumerate() {
            let request = self.request(id);
            let is_damaged = self.excused.contains(&id) || self.voidable.contains(&id);
            match standing {
                // Without its position it waits for that again.
                Standing::Done | Standing::Saved | Standing::Gone | Standing::GoneForGood
                    if side.may_repeat && is_damaged =>
                {
                    perhaps += 1;
                }
                Standing::Elsewhere if side.may_repeat && is_damaged => perhaps += 1,
                Standing::Done | Standing::Saved if request.is_there() => done += 1,
                Standing::Gone | Standing::GoneForGood if request.is_there() => gone += 1,
                Standing::Done | Standing::Saved | Standing::Gone | Standing::GoneForGood => {
                    perhaps += 1;
                }
                Standing::Unclear | Standing::Blurred => perhaps += 1,
                Standing::Foreign if is_damaged || !request.is_there() => hit += 1,
                Standing::Lost if request.target.is_none() => damaged += 1,
                _ => {}
            }
        }
        let check = |what: &str, is: u64, sure: u64| {
            let least = if side.may_repeat { 0 } else { sure };
            let most = sure + perhaps;
            assert!((least..=most).contains(&is), "{what} {sure} to {most}: {books:?}");
        };
        check("done", books.delivered + books.dead_lettered, done);
        // Damage may have left open how many went.
        let is_sure = self.excused.is_empty() && self.voidable.is_empty();
        if is_sure {
            check("gone", books.expired, gone);
        }
        let unbooked = self.unbooked(side);
        let least = if side.may_repeat { 0 } else { damaged.saturating_sub(unbooked) };
        let uncounted = if is_sure { 0 } else { gone };
        let most = damaged + perhaps + hit + unbooked + uncounted + self.excess.tuples;
        assert!((least..=most).contains(&books.damaged), "{damaged} to {most}: {books:?}");
        assert_eq!(books.purged + books.lost, 0, "{books:?}");
    }
}

impl Ledger {
    /// Damaged tuples of a destination that had some for itself alone: nobody but their heads knew how
    /// many those were, so they may count as queued until all else is delivered.
    pub(in super::super) fn unbooked(&self, side: &Side) -> u64 {
        let own = |(id, standing): &(Id, &Standing)| {
            **standing != Standing::Elsewhere && self.request(*id).target.is_some()
        };
        if !side.standing.iter().enumerate().any(|tuple| own(&tuple)) {
            return 0;
        }
        let is_gone = |(id, standing): &(Id, &Standing)| match standing {
            Standing::Lost | Standing::Unclear => true,
            Standing::Waiting => self.request(*id).fate == Fate::Voided,
            // Whose filter leaves them out: that stood in their heads too.
            Standing::Foreign | Standing::Blurred => {
                let is_damaged = self.excused.contains(id) || self.voidable.contains(id);
                is_damaged || self.request(*id).fate == Fate::Voided
            }
            _ => false,
        };
        side.standing.iter().enumerate().filter(is_gone).count() as u64
    }
}

impl Request {
    fn add_to(&self, totals: &mut Totals) {
        totals.accepted += self.accepted;
        totals.rejected += self.rejected;
        if self.target.is_none() {
            totals.tuples += self.tuples.len() as u64;
        }
    }
}
