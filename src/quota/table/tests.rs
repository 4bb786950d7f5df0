//! The table against an exact model: a map that remembers everything.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// What a series may be by its hash: few of them, in crowded slots.
fn hash(nth: u64, crowded: bool) -> u64 {
    // Neighbours share a home, or lie anywhere.
    if crowded { u64::MAX - nth } else { nth.wrapping_mul(0x9e37_79b9_7f4a_7c15) }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    See(u64),
    Hold(u64),
    Release(u64),
    Deliver(u64),
    Pass(u32),
}

fn steps(series: u64) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..series).prop_map(Step::See),
        3 => (0..series).prop_map(Step::Hold),
        2 => (0..series).prop_map(Step::Release),
        3 => (0..series).prop_map(Step::Deliver),
        2 => prop_oneof![8 => 0_u32..4, 1 => 15_u32..20, 1 => 0_u32..200].prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..400)
}

#[derive(Default)]
struct Model {
    seen: HashMap<u64, u32>,
    held: HashMap<u64, u32>,
    tick: u32,
}

impl Model {
    fn known(&self, hash: u64) -> Known {
        if self.held.contains_key(&hash) {
            return Known::Held;
        }
        match self.seen.get(&hash) {
            Some(seen) if self.tick - seen <= AGES => Known::Seen(*seen),
            _ => Known::No,
        }
    }

    fn used(&self) -> usize {
        let seen = self.seen.keys().filter(|hash| matches!(self.known(**hash), Known::Seen(_)));
        seen.count() + self.held.len()
    }

    fn see(&mut self, hash: u64) {
        self.held.remove(&hash);
        self.seen.insert(hash, self.tick);
    }
}

fn check_steps(series: u64, limit: usize, crowded: bool, steps: &[Step]) {
    let (mut table, mut model) = (Table::new(limit), Model::default());
    for step in steps {
        // As the guard does: what is new comes in only while there is room.
        let may = |model: &Model, hash| model.known(hash) != Known::No || model.used() < limit;
        match *step {
            Step::See(nth) | Step::Deliver(nth) => {
                let hash = hash(nth, crowded);
                if may(&model, hash) {
                    table.settle(hash);
                    model.see(hash);
                }
            }
            Step::Hold(nth) => {
                let hash = hash(nth, crowded);
                if may(&model, hash) && !matches!(model.known(hash), Known::Seen(_)) {
                    table.hold(hash);
                    *model.held.entry(hash).or_default() += 1;
                }
            }
            Step::Release(nth) => {
                let hash = hash(nth, crowded);
                table.release(hash);
                if let Some(count) = model.held.get_mut(&hash) {
                    *count -= 1;
                    if *count == 0 {
                        model.held.remove(&hash);
                        // It was forgotten when it was held.
                        model.seen.remove(&hash);
                    }
                }
            }
            Step::Pass(ticks) => {
                model.tick += ticks;
                table.advance(model.tick);
            }
        }
        assert_eq!(table.used(), model.used(), "after {step:?}");
        for nth in 0..series {
            let hash = hash(nth, crowded);
            assert_eq!(table.look(hash), model.known(hash), "{nth} after {step:?}");
        }
    }
    let other = table.resized(limit * 2, 7);
    assert_eq!(other.used(), table.used());
    for nth in 0..series {
        let hash = hash(nth, crowded);
        let expected = match table.look(hash) {
            Known::Seen(_) => Known::Seen(7),
            other => other,
        };
        assert_eq!(other.look(hash), expected);
    }
}

proptest! {
    #[test]
    fn the_table_knows_what_an_exact_model_knows(crowded: bool, steps in steps(30)) {
        check_steps(30, 20, crowded, &steps);
    }
}

#[test]
fn churn_far_beyond_its_size_never_fills_the_table() {
    let mut table = Table::new(1000);
    let mut next = 0;
    for tick in 0..400 {
        table.advance(tick);
        while table.used() < 1000 {
            table.settle(hash(next, false));
            next += 1;
        }
        // A few stay for ever, each found although others around it come and go.
        for stays in 0..10 {
            table.settle(hash(stays, false));
        }
        assert!(table.occupied * 8 < table.seen.len() * 7, "{}", table.occupied);
    }
    assert!(next > 20_000, "{next}");
}

#[test]
fn memory_is_in_proportion_to_the_series_and_does_not_grow() {
    for series in [1, 1000, 100_000] {
        let mut table = Table::new(series);
        let before = table.bytes();
        assert_eq!(before, (series + series / 2 + 64) * SLOT_BYTES);
        for nth in 0..series as u64 {
            table.hold(hash(nth, false));
        }
        (0..series as u64).for_each(|nth| table.settle(hash(nth, false)));
        table.advance(AGES + 1);
        assert_eq!(table.used(), 0);
        (series as u64..2 * series as u64).for_each(|nth| table.settle(hash(nth, false)));
        assert_eq!((table.bytes(), table.used()), (before, series));
    }
}

#[test]
fn a_series_is_forgotten_after_the_window_and_at_most_a_sixteenth_more() {
    for begun in 0..40 {
        let mut table = Table::new(10);
        table.advance(begun);
        table.settle(7);
        table.advance(begun + AGES);
        assert_eq!((table.look(7), table.used()), (Known::Seen(begun), 1));
        table.advance(begun + AGES + 1);
        assert_eq!((table.look(7), table.used()), (Known::No, 0));
    }
}

#[test]
fn what_is_held_outlasts_the_window() {
    let mut table = Table::new(10);
    table.hold(7);
    table.advance(1000);
    assert_eq!((table.look(7), table.used()), (Known::Held, 1));
    table.settle(7);
    assert_eq!(table.look(7), Known::Seen(1000));
    table.release(7);
    assert_eq!(table.look(7), Known::Seen(1000), "another body delivered it");
}
