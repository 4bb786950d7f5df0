//! Random histories of the queue beside a model of it that is nothing but sorted lists.

use crate::queue::{Destination, Sources};
use proptest::prelude::*;

use super::*;

/// One step of a random history.
#[derive(Clone, Debug)]
enum Step {
    /// Blocks, and whether the second destination wants their source.
    Append(Vec<Size>, bool),
    Lease {
        outlet: usize,
        want: Size,
    },
    Ack {
        outlet: usize,
        nth: usize,
        dead_lettered: u64,
    },
    Release {
        outlet: usize,
        nth: usize,
    },
    Close,
    End,
}

/// Bytes and tuples.
type Size = (usize, u32);

/// A block as the model knows it: its number, which is also its text, and its size.
type Numbered = (u64, Size);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Four bytes hold every number a history can reach.
    let block = (4_usize..40, 1_u32..5);
    let which = (0_usize..2, 0_usize..4);
    let step = prop_oneof![
        40 => (prop::collection::vec(block, 1..5), prop::bool::weighted(0.8))
            .prop_map(|(sizes, is_wanted)| Step::Append(sizes, is_wanted)),
        40 => (0_usize..2, (0_usize..120, 0_u32..12))
            .prop_map(|(outlet, want)| Step::Lease { outlet, want }),
        25 => (which.clone(), 0_u64..3)
            .prop_map(|((outlet, nth), dead_lettered)| Step::Ack { outlet, nth, dead_lettered }),
        15 => which.prop_map(|(outlet, nth)| Step::Release { outlet, nth }),
        1 => Just(Step::Close),
        1 => Just(Step::End),
    ];
    prop::collection::vec(step, 1..120)
}

/// The model: per destination a sorted list of blocks, nothing clever.
#[derive(Default)]
struct Model {
    waiting: [BTreeMap<u64, Size>; 2],
    leased: [Vec<Vec<Numbered>>; 2],
    books: [Books; 2],
    bounds: [Option<u64>; 2],
    closed: bool,
    ended: bool,
    number: u64,
}

impl Model {
    /// Bytes some destination still waits for, each block once.
    fn used(&self) -> u64 {
        let mut all: BTreeMap<u64, Size> = self.waiting.iter().flatten().map(copied).collect();
        all.extend(self.leased.iter().flatten().flatten().copied());
        all.values().map(|(bytes, _)| *bytes as u64 + BLOCK_OVERHEAD_BYTES).sum()
    }

    /// The blocks to append, and whether they fit.
    fn append(&mut self, sizes: &[Size], is_wanted: bool, limit: u64) -> (Vec<Block>, bool) {
        let numbered: Vec<Numbered> = (self.number..).zip(sizes.iter().copied()).collect();
        let block = |(number, (bytes, tuples)): &Numbered| Block {
            bytes: Bytes::from(format!("{number:0width$}", width = *bytes)),
            tuples: *tuples,
        };
        let blocks: Vec<Block> = numbered.iter().map(block).collect();
        let cost: u64 = numbered.iter().copied().map(cost).sum();
        if self.closed || !self.make_way(cost, limit) {
            return (blocks, false);
        }
        let newest = self.number;
        self.number += sizes.len() as u64;
        let tuples: u64 = sizes.iter().map(|(_, tuples)| u64::from(*tuples)).sum();
        for (outlet, (waiting, books)) in self.waiting.iter_mut().zip(&mut self.books).enumerate() {
            books.series += tuples;
            if is_wanted || outlet == 0 {
                waiting.extend(numbered.iter().copied());
                books.queued += tuples;
            } else {
                books.filtered += tuples;
            }
        }
        for outlet in 0..2 {
            if is_wanted || outlet == 0 {
                self.expire(outlet, newest);
            }
        }
        (blocks, true)
    }

    /// The oldest that wait go, until those cost no more than the bound; none of the newest entry.
    fn expire(&mut self, outlet: usize, newest: u64) {
        let Some(bound) = self.bounds[outlet] else { return };
        while self.waiting_cost(outlet) > bound
            && self.waiting[outlet].first_key_value().is_some_and(|(number, _)| *number < newest)
        {
            self.give_up_oldest(outlet);
        }
    }

    fn give_up_oldest(&mut self, outlet: usize) {
        let (_, (_, tuples)) = self.waiting[outlet].pop_first().unwrap();
        self.books[outlet].queued -= u64::from(tuples);
        self.books[outlet].expired += u64::from(tuples);
    }

    /// Whether so much fits, once those with a bound have given up what it takes. Nobody gives anything
    /// up where what they cannot give leaves no room.
    fn make_way(&mut self, cost_bytes: u64, limit: u64) -> bool {
        let kept = |outlet: usize| {
            let waiting = if self.bounds[outlet].is_some() { 0 } else { self.waiting_cost(outlet) };
            waiting + self.leased[outlet].iter().flatten().copied().map(cost).sum::<u64>()
        };
        if kept(0).max(kept(1)) + cost_bytes > limit {
            return false;
        }
        while self.used() + cost_bytes > limit {
            let bounded =
                (0..2).filter(|o| self.bounds[*o].is_some() && !self.waiting[*o].is_empty());
            let Some(most) = bounded.max_by_key(|outlet| self.waiting_cost(*outlet)) else {
                // Only what nobody can give up may stand in the way.
                let is_lent = self.leased.iter().any(|leases| !leases.is_empty());
                assert!(is_lent || self.bounds.contains(&None));
                return false;
            };
            self.give_up_oldest(most);
        }
        true
    }

    fn waiting_cost(&self, outlet: usize) -> u64 {
        self.waiting[outlet].iter().map(copied).map(cost).sum()
    }

    fn lease(&mut self, outlet: usize, want: Want) -> Vec<Numbered> {
        let (mut taken, mut bytes, mut tuples) = (Vec::new(), 0, 0);
        for (number, size) in &self.waiting[outlet] {
            bytes += size.0 + if taken.is_empty() { 0 } else { 2 };
            tuples += size.1;
            if !taken.is_empty() && (bytes > want.bytes || tuples > want.tuples) {
                break;
            }
            taken.push((*number, *size));
        }
        for (number, _) in &taken {
            self.waiting[outlet].remove(number);
        }
        taken
    }

    fn ack(&mut self, outlet: usize, nth: usize, fate: Fate) {
        // After the end a late answer changes nothing.
        if !self.ended {
            let done = self.leased[outlet].remove(nth);
            let tuples: u64 = done.iter().map(|(_, size)| u64::from(size.1)).sum();
            self.books[outlet].queued -= tuples;
            self.books[outlet].delivered += fate.delivered;
            self.books[outlet].dead_lettered += fate.dead_lettered;
        }
    }

    fn release(&mut self, outlet: usize, nth: usize) {
        if !self.ended {
            let back = self.leased[outlet].remove(nth);
            self.waiting[outlet].extend(back);
        }
    }

    fn end(&mut self) {
        (self.closed, self.ended) = (true, true);
        (self.waiting, self.leased) = Default::default();
        for books in &mut self.books {
            books.lost += std::mem::take(&mut books.queued);
        }
    }
}

fn cost((_, (bytes, _)): Numbered) -> u64 {
    bytes as u64 + BLOCK_OVERHEAD_BYTES
}

fn copied((number, size): (&u64, &Size)) -> Numbered {
    (*number, *size)
}

/// The queue and the model, side by side.
struct Pair {
    queue: MemoryQueue,
    outlets: [Arc<dyn Outlet>; 2],
    leases: [Vec<Lease>; 2],
    model: Model,
}

impl Pair {
    fn new(limit: u64, bounds: [Option<u64>; 2]) -> Self {
        let first = Destination { max_backlog_bytes: bounds[0], ..Destination::named("0") };
        let second = Destination {
            sources: Sources::Only(vec!["test".into()]),
            max_backlog_bytes: bounds[1],
            ..Destination::named("1")
        };
        let queue = MemoryQueue::new(limit, vec![first, second]);
        let outlets = [outlet(&queue, "0"), outlet(&queue, "1")];
        let model = Model { bounds, ..Model::default() };
        Self { queue, outlets, leases: Default::default(), model }
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Append(ref sizes, is_wanted) => {
                let limit = self.queue.shared.limit_bytes;
                let (new, fits) = self.model.append(sizes, is_wanted, limit);
                let source = Arc::from(if is_wanted { "test" } else { "other" });
                let entry = Entry { source, ..blocks(new) };
                prop_assert_eq!(now(self.queue.append(entry)).is_ok(), fits);
            }
            Step::Lease { outlet, want: (bytes, tuples) } => {
                self.lease(outlet, Want { bytes, tuples })?;
            }
            Step::Ack { outlet, nth, dead_lettered } if nth < self.leases[outlet].len() => {
                let lease = self.leases[outlet].remove(nth);
                let dead_lettered = dead_lettered.min(lease.tuples());
                let fate = Fate { delivered: lease.tuples() - dead_lettered, dead_lettered };
                now(self.outlets[outlet].ack(lease, fate));
                self.model.ack(outlet, nth, fate);
            }
            Step::Release { outlet, nth } if nth < self.leases[outlet].len() => {
                self.outlets[outlet].release(self.leases[outlet].remove(nth));
                self.model.release(outlet, nth);
            }
            Step::Ack { .. } | Step::Release { .. } => {}
            Step::Close => {
                self.queue.close();
                self.model.closed = true;
            }
            Step::End => {
                now(self.queue.end());
                self.model.end();
            }
        }
        Ok(())
    }

    fn lease(&mut self, outlet: usize, want: Want) -> Result<(), TestCaseError> {
        let expected = self.model.lease(outlet, want);
        if expected.is_empty() {
            let none_to_come =
                self.model.ended || (self.model.closed && self.model.leased[outlet].is_empty());
            prop_assert_eq!(waits(self.outlets[outlet].lease(want)), !none_to_come);
            return Ok(());
        }
        let lease = now(self.outlets[outlet].lease(want)).expect("blocks wait");
        let numbers: Vec<u64> = texts(&lease).iter().map(|text| text.parse().unwrap()).collect();
        let wanted: Vec<u64> = expected.iter().map(|(number, _)| *number).collect();
        prop_assert_eq!(numbers, wanted);
        self.leases[outlet].push(lease);
        self.model.leased[outlet].push(expected);
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.queue.shared.lock().used_bytes, self.model.used());
        for (outlet, expected) in self.outlets.iter().zip(self.model.books) {
            let books = outlet.books();
            prop_assert!(books.is_balanced(), "{books:?}");
            prop_assert_eq!(books, expected);
            prop_assert_eq!(outlet.depth().tuples, books.queued);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn random_histories_agree_with_a_plain_list_and_the_books_balance_at_each_step(
        steps in steps(),
        limit in 500_u64..4_000,
        first in prop::option::of(100_u64..4_000),
        second in prop::option::weighted(0.9, 100_u64..4_000),
    ) {
        let mut pair = Pair::new(limit, [first, second]);
        for step in steps {
            pair.step(&step)?;
            pair.check()?;
        }
    }
}
