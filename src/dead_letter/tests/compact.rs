//! What becomes of a file of which most was replayed: it is written anew and counts once, or is set
//! aside.

use std::sync::Arc;

use fastrand::Rng;

use super::super::{DeadLetters, ReplayError, Selection, Standing};
use super::replay::{check, queued, replay, start};
use super::support::*;
use super::twin::{ENDS, Machine};
use crate::queue::log::disk::Disk as _;
use crate::queue::log::disk::sim::Fault;
use crate::queue::log::engine::Engine;

/// Twelve letters in one file, all but some of one source replayed.
fn replay_most(engine: &Engine, store: &DeadLetters) -> Result<(), ReplayError> {
    for source in ["search", "cart"] {
        let source = Some(Arc::from(source));
        replay(engine, store, &Selection { source, ..Selection::default() })?;
    }
    Ok(())
}

#[test]
fn what_is_left_of_a_file_takes_no_more_room_than_it_needs() {
    let machine = Machine::new(1);
    let (engine, store) = start(&machine).unwrap();
    store.put(&letters(0..12)).unwrap();
    let before = store.standing().used_bytes;
    replay_most(&engine, &store).unwrap();
    let after = store.standing().used_bytes;
    assert_eq!(after, machine.letters.used_bytes());
    assert!(after < before / 2, "{after} of {before}");
    assert_eq!(machine.letters.files().keys().collect::<Vec<_>>(), ["0000000002.letters"]);
    assert_eq!(listed(&machine.letters), [0, 3, 6, 9]);
    // It is as good as any: it is found again, its letters are not taken twice, and it goes.
    store.put(&letters([3, 12])).unwrap();
    assert_eq!(listed(&machine.letters), [0, 3, 6, 9, 12]);
    let (engine, store) = (engine, open(&machine.letters));
    store.put(&letters([6, 13])).unwrap();
    assert_eq!(store.standing().letters, 6);
    assert_eq!(replay(&engine, &store, &Selection::default()), Ok(6));
    assert_eq!(machine.letters.files().len(), 0);
}

#[test]
fn a_crash_at_any_call_of_writing_a_file_anew_loses_and_doubles_nothing() {
    let taken: Vec<u64> = (0..12).collect();
    for nth in 1.. {
        let mut is_over = false;
        for seed in 0..16 {
            for end in ENDS {
                let machine = Machine::new(seed);
                let (engine, store) = start(&machine).unwrap();
                store.put(&letters(0..12)).unwrap();
                machine.stop_at(1, nth);
                drop(replay_most(&engine, &store));
                is_over = !machine.has_stopped();
                let mut rng = Rng::with_seed(seed * 1000 + nth);
                let machine = machine.after(end, &mut rng);
                // And once more while somebody finds out, with letters that come in first.
                machine.stop_at(1, rng.u64(1..20));
                if let Some((engine, store)) = start(&machine) {
                    store.put(&letters([12])).ok();
                    drop(replay_most(&engine, &store));
                }
                let machine = machine.after(ENDS[rng.usize(..3)], &mut rng);
                check(&machine, &taken, &format!("call {nth}, seed {seed}, {end:?}"));
            }
        }
        if is_over {
            break;
        }
    }
}

#[test]
fn a_disk_that_fails_while_a_file_is_written_anew_loses_and_doubles_nothing() {
    let taken: Vec<u64> = (0..12).collect();
    for fault in [Fault::IO, Fault::IO_PART, Fault::NO_SPACE, Fault::NO_SPACE_PART] {
        for nth in 1..40 {
            let what = format!("{fault:?} at call {nth}");
            let mut rng = Rng::with_seed(nth);
            let machine = Machine::new(nth);
            let (engine, store) = start(&machine).unwrap();
            store.put(&letters(0..12)).unwrap();
            machine.letters.fail_at(nth, fault);
            // Now and then what it left cannot be taken away either.
            if nth % 3 == 0 {
                machine.letters.fail_at(nth + 1, fault);
            }
            drop(replay_most(&engine, &store));
            for end in ENDS {
                let copy = Machine { queue: machine.queue.copy(), letters: machine.letters.copy() };
                check(&copy.after(end, &mut rng), &taken, &what);
            }
            machine.letters.heal();
            replay_most(&engine, &store).unwrap_or_else(|error| panic!("{what}: {error}"));
            check(&machine.after(ENDS[nth as usize % 3], &mut rng), &taken, &what);
        }
    }
}

#[test]
fn a_damaged_file_is_set_aside_once_the_rest_of_it_was_replayed() {
    for nth in 1..9 {
        let machine = Machine::new(nth);
        open(&machine.letters).put(&letters(0..3)).unwrap();
        let name = machine.letters.list().unwrap().remove(0);
        let bytes = machine.letters.files()[&name].clone();
        let at = bytes.windows(4).position(|four| four == b"\"m1\"").unwrap();
        machine.letters.flip(&name, at as u64 + 1, 1);
        let (engine, store) = start(&machine).unwrap();
        // While it happens the machine stops, and somebody looks after it.
        machine.stop_at(1, nth + 6);
        drop(replay(&engine, &store, &Selection::default()));
        let machine = machine.after(ENDS[nth as usize % 3], &mut Rng::with_seed(nth));
        let (engine, store) = start(&machine).unwrap();
        replay(&engine, &store, &Selection::default()).unwrap();
        let files = machine.letters.files();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["0000000001.damaged"], "{nth}");
        let damaged = machine.letters.files().pop_first().unwrap().1;
        assert_eq!(damaged.len(), bytes.len(), "{nth}");
        let Standing { letters: left, used_bytes, .. } = store.standing();
        assert_eq!((left, used_bytes), (0, 0), "{nth}");
        // Its number is not used again, by this process or another one.
        for number in [5, 6] {
            open(&machine.letters).put(&letters([number])).unwrap();
            assert!(!machine.letters.files().contains_key(&name), "{nth}");
        }
        let mut all = queued(&engine);
        all.sort_unstable();
        assert_eq!((all, listed(&machine.letters)), (vec![0, 2], vec![5, 6]), "{nth}");
    }
}
