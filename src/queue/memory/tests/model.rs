//! Random histories of the queue beside a model of it that is nothing but sorted lists.

use crate::queue::Destination;
use proptest::prelude::*;

use super::*;

/// One step of a random history.
#[derive(Clone, Debug)]
enum Step {
    Append(Vec<Size>),
    Lease { outlet: usize, want: Size },
    Ack { outlet: usize, nth: usize },
    Release { outlet: usize, nth: usize },
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
        40 => prop::collection::vec(block, 1..5).prop_map(Step::Append),
        40 => (0_usize..2, (0_usize..120, 0_u32..12))
            .prop_map(|(outlet, want)| Step::Lease { outlet, want }),
        25 => which.clone().prop_map(|(outlet, nth)| Step::Ack { outlet, nth }),
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
    fn append(&mut self, sizes: &[Size], limit: u64) -> (Vec<Block>, bool) {
        let numbered: Vec<Numbered> = (self.number..).zip(sizes.iter().copied()).collect();
        let block = |(number, (bytes, tuples)): &Numbered| Block {
            bytes: Bytes::from(format!("{number:0width$}", width = *bytes)),
            tuples: *tuples,
        };
        let blocks: Vec<Block> = numbered.iter().map(block).collect();
        let cost: u64 = sizes.iter().map(|(bytes, _)| *bytes as u64 + BLOCK_OVERHEAD_BYTES).sum();
        if self.closed || self.used() + cost > limit {
            return (blocks, false);
        }
        self.number += sizes.len() as u64;
        let tuples: u64 = sizes.iter().map(|(_, tuples)| u64::from(*tuples)).sum();
        for (waiting, books) in self.waiting.iter_mut().zip(&mut self.books) {
            waiting.extend(numbered.iter().copied());
            books.series += tuples;
            books.queued += tuples;
        }
        (blocks, true)
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

    fn ack(&mut self, outlet: usize, nth: usize) {
        // After the end a late answer changes nothing.
        if !self.ended {
            let done = self.leased[outlet].remove(nth);
            let tuples: u64 = done.iter().map(|(_, size)| u64::from(size.1)).sum();
            self.books[outlet].queued -= tuples;
            self.books[outlet].delivered += tuples;
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
    fn new(limit: u64) -> Self {
        let queue = MemoryQueue::new(limit, vec![Destination::named("0"), Destination::named("1")]);
        let outlets = [outlet(&queue, "0"), outlet(&queue, "1")];
        Self { queue, outlets, leases: Default::default(), model: Model::default() }
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Append(ref sizes) => {
                let limit = self.queue.shared.limit_bytes;
                let (new, fits) = self.model.append(sizes, limit);
                prop_assert_eq!(now(self.queue.append(blocks(new))).is_ok(), fits);
            }
            Step::Lease { outlet, want: (bytes, tuples) } => {
                self.lease(outlet, Want { bytes, tuples })?;
            }
            Step::Ack { outlet, nth } if nth < self.leases[outlet].len() => {
                now(self.outlets[outlet].deliver(self.leases[outlet].remove(nth)));
                self.model.ack(outlet, nth);
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
    ) {
        let mut pair = Pair::new(limit);
        for step in steps {
            pair.step(&step)?;
            pair.check()?;
        }
    }
}
