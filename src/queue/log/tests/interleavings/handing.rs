//! Entries between those who push and the one who takes.

use std::sync::Arc;

use super::handoff::Handoff;
use super::{check, spawn};

/// Takes until the end.
fn taken(handoff: &Handoff<u32>) -> Vec<u32> {
    std::iter::from_fn(|| handoff.take()).flatten().collect()
}

#[test]
fn every_item_that_was_let_in_is_taken_once_and_in_order_while_others_push_and_close() {
    check(2, || {
        let handoff = Arc::new(Handoff::new());
        let push = |items: &'static [u32]| {
            let handoff = Arc::clone(&handoff);
            spawn(move || {
                items.iter().copied().filter(|item| handoff.push(*item).is_ok()).collect()
            })
        };
        let (one, other) = (push(&[1, 2]), push(&[11]));
        let closer = Arc::clone(&handoff);
        let closing = spawn(move || closer.close());
        let taken = taken(&handoff);
        closing.join().unwrap();
        for (pushed, is_mine) in [(one, 0..10), (other, 10..20)] {
            let pushed: Vec<u32> = pushed.join().unwrap();
            let mine: Vec<u32> =
                taken.iter().copied().filter(|item| is_mine.contains(item)).collect();
            assert_eq!(mine, pushed);
        }
    });
}

#[test]
fn whoever_takes_is_woken_by_each_item_that_comes_alone() {
    check(3, || {
        let (there, back) = (Arc::new(Handoff::new()), Arc::new(Handoff::new()));
        let (of_there, of_back) = (Arc::clone(&there), Arc::clone(&back));
        let taker = spawn(move || {
            while let Some(items) = of_there.take() {
                for item in items {
                    of_back.push(item).unwrap();
                }
            }
        });
        for item in [1, 2] {
            there.push(item).unwrap();
            // Nothing else comes that could wake the taker by accident.
            assert_eq!(back.take(), Some(vec![item]));
        }
        there.close();
        taker.join().unwrap();
        assert_eq!(there.push(3), Err(3), "given back");
    });
}
