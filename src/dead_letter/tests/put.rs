//! What was taken is there, once, whatever happens to the machine.

use fastrand::Rng;

use super::super::index::{Index, LETTERS_FORMAT};
use super::super::{PutError, Standing};
use super::support::*;
use crate::queue::log::disk::Disk as _;
use crate::queue::log::disk::sim::{Fault, SimDisk};

fn damage(disk: &SimDisk) -> (u64, u64) {
    let index = Index::read(disk, &mut |_, _| Ok(())).unwrap();
    let sum = |of: fn(&super::super::index::File) -> u64| index.files.values().map(of).sum::<u64>();
    (sum(|file| file.damaged), sum(|file| file.torn_bytes))
}

#[test]
fn letters_are_durable_when_put_returns_and_a_restart_finds_them() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    assert_eq!(disk.operations(), 0, "nothing before the first letter");
    store.put(&[]).unwrap();
    assert_eq!(disk.operations(), 0, "no letter is no letter");
    store.put(&letters(0..3)).unwrap();
    store.put(&letters(3..5)).unwrap();
    let after = disk.durable();
    assert_eq!(listed(&after), [0, 1, 2, 3, 4]);
    for (disk, standing) in [(&disk, store.standing()), (&after, open(&after).standing())] {
        let used_bytes = disk.used_bytes();
        let wanted = Standing { letters: 5, used_bytes, limit_bytes: CAP, is_full: false };
        assert_eq!(standing, wanted);
    }
}

#[test]
fn a_letter_that_comes_again_is_kept_once_also_after_a_restart() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    let mut twice = letters(0..3);
    twice.extend(letters(1..4));
    store.put(&twice).unwrap();
    store.put(&letters(2..6)).unwrap();
    assert_eq!(listed(&disk), [0, 1, 2, 3, 4, 5]);
    let store = open(&disk);
    store.put(&letters(4..8)).unwrap();
    assert_eq!(listed(&disk), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(store.standing().letters, 8);
    // The same place in the queue, but another request.
    let mut other = letter(0);
    other.received = super::super::Timestamp::from_unix(1_700_000_000, 8);
    store.put(&[other]).unwrap();
    assert_eq!(store.standing().letters, 9);
}

#[test]
fn letters_that_do_not_fit_the_cap_are_not_taken_at_all() {
    let disk = SimDisk::new(1);
    let store = open_capped(disk.handle(), 2000);
    store.put(&letters(0..2)).unwrap();
    let (used, operations) = (disk.used_bytes(), disk.operations());
    let full = store.put(&letters(2..40));
    assert!(matches!(full, Err(PutError::TooLarge { limit: 2000, .. })), "{full:?}");
    let full = store.put(&letters(2..13));
    let Err(error @ PutError::Full { used: told, limit: 2000, .. }) = full else {
        panic!("{full:?}");
    };
    assert_eq!(told, used);
    assert!(error.to_string().contains("raise `dead_letters.max_bytes`, or mend"), "{error}");
    assert!(store.standing().is_full);
    assert_eq!((listed(&disk), disk.operations()), (vec![0, 1], operations));
    // Those that are there already need no room.
    store.put(&letters(0..2)).unwrap();
    store.put(&letters(2..4)).unwrap();
    assert!(disk.used_bytes() <= 2000);
    for number in 4.. {
        if store.put(&letters([number])).is_err() {
            break;
        }
        assert_eq!(disk.used_bytes(), store.standing().used_bytes);
    }
    assert!((1700..=2000).contains(&disk.used_bytes()), "{}", disk.used_bytes());
}

#[test]
fn letters_of_one_delivery_beyond_the_cap_name_the_cap_that_they_need() {
    let disk = SimDisk::new(1);
    let error = open_capped(disk.handle(), 2000).put(&letters(0..40)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("dead letters of one delivery take "), "{text}");
    let needed: u64 = text.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(matches!(
        open_capped(disk.handle(), needed - 1).put(&letters(0..40)),
        Err(PutError::TooLarge { .. })
    ));
    open_capped(disk.handle(), needed).put(&letters(0..40)).unwrap();
    assert_eq!(disk.used_bytes(), needed);
}

#[test]
fn what_a_failed_put_left_takes_no_room_from_the_next_one() {
    for (fault, nth) in [(Fault::IO, 3), (Fault::IO, 4), (Fault::NO_SPACE, 3)] {
        let disk = SimDisk::new(1);
        let store = open_capped(disk.handle(), 4000);
        disk.fail_at(nth, fault);
        // More than half of what there is room for, in a file of its own.
        let many = letters(0..14);
        let error = store.put(&many).unwrap_err();
        assert!(matches!(error, PutError::Failed { .. }), "{error}");
        assert!(store.standing().used_bytes > 2000, "{:?}", store.standing());
        store.put(&many).unwrap();
        assert_eq!(listed(&disk).len(), 14);
        assert_eq!(disk.used_bytes(), store.standing().used_bytes);
    }
}

#[test]
fn files_roll_over_so_that_old_ones_can_go() {
    let disk = SimDisk::new(1);
    let store = open_capped(disk.handle(), 32 << 10);
    for number in 0..30 {
        store.put(&letters([number])).unwrap();
    }
    let files = disk.files();
    assert!(files.len() > 2, "{:?}", files.keys());
    assert!(files.values().all(|bytes| bytes.len() <= 2048));
    assert!(files.values().all(|bytes| bytes.starts_with(LETTERS_FORMAT.as_bytes())));
    assert_eq!(listed(&disk), (0..30).collect::<Vec<_>>());
}

#[test]
fn a_torn_tail_is_kept_and_the_next_letter_goes_to_a_new_file() {
    let disk = SimDisk::new(1);
    open(&disk).put(&letters(0..3)).unwrap();
    let name = disk.list().unwrap().remove(0);
    disk.cut(&name, disk.used_bytes() - 30);
    let torn = disk.files()[&name].clone();
    assert_eq!(listed(&disk), [0, 1]);
    assert!(damage(&disk).1 > 0);
    let store = open(&disk);
    store.put(&letters(2..4)).unwrap();
    assert_eq!(listed(&disk), [0, 1, 2, 3]);
    assert_eq!(disk.files()[&name], torn);
    assert_eq!(store.standing().letters, 4);
}

#[test]
fn a_damaged_line_costs_itself_and_is_counted() {
    let disk = SimDisk::new(1);
    open(&disk).put(&letters(0..3)).unwrap();
    let name = disk.list().unwrap().remove(0);
    let second = disk.files()[&name].windows(4).position(|four| four == b"\"m1\"").unwrap();
    disk.flip(&name, second as u64 + 2, 1);
    assert_eq!(listed(&disk), [0, 2]);
    assert_eq!(damage(&disk), (1, 0));
    assert_eq!(open(&disk).standing().letters, 2);
}

#[test]
fn a_put_torn_in_the_middle_is_unfinished_and_one_that_was_kept_is_damaged() {
    // What a power cut leaves of one write: zeros in the middle, whole lines behind.
    let tear = |disk: &SimDisk, of: &[u8]| {
        let (name, bytes) = disk.files().pop_first().unwrap();
        let at = bytes.windows(of.len()).position(|window| window == of).unwrap();
        for (nth, byte) in of.iter().enumerate() {
            disk.flip(&name, (at + nth) as u64, *byte);
        }
    };
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.put(&letters(0..2)).unwrap();
    // The sync fails, and all of it shows.
    disk.fail_at(2, Fault::IO);
    store.put(&letters(2..5)).unwrap_err();
    tear(&disk, b"\"m3\"");
    let after = disk.kill();
    assert_eq!(listed(&after), [0, 1, 2, 4]);
    let (damaged, torn_bytes) = damage(&after);
    assert_eq!((damaged, torn_bytes > 100), (0, true));
    open(&after).put(&letters(2..5)).unwrap();
    assert_eq!((listed(&after), damage(&after).0), (vec![0, 1, 2, 4, 3], 0));
    tear(&after, b"\"m1\"");
    assert_eq!((listed(&after), damage(&after).0), (vec![0, 2, 4, 3], 1));
}

#[test]
fn letters_in_doubt_are_not_taken_for_a_replay() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.put(&letters(0..2)).unwrap();
    disk.fail_at(2, Fault::IO);
    store.put(&letters(2..5)).unwrap_err();
    assert_eq!(listed(&disk), [0, 1, 2, 3, 4], "they show");
    assert_eq!(store.lock().live(1).unwrap().len(), 2);
    store.put(&letters(2..5)).unwrap();
    assert_eq!(listed(&disk), [0, 1, 2, 3, 4]);
}

#[test]
fn what_the_medium_lost_costs_what_was_there_and_is_not_written_over() {
    let disk = SimDisk::new(1);
    open(&disk).put(&letters(0..60)).unwrap();
    let name = disk.list().unwrap().remove(0);
    disk.unreadable(&name, 5000..5001);
    let left = listed(&disk);
    assert!((20..60).contains(&left.len()), "{left:?}");
    let before = disk.files()[&name].clone();
    open(&disk).put(&letters(60..61)).unwrap();
    assert_eq!(disk.files()[&name], before);
    assert_eq!(listed(&disk).len(), left.len() + 1);
}

#[test]
fn another_version_is_refused_and_left_alone() {
    let files = [("0000000001.letters".to_owned(), b"tidegate dead letters 2\nwhat?\n".to_vec())];
    let disk = SimDisk::with_files(1, &files.into());
    let folder = std::sync::Arc::new(SimFolder::of(&disk));
    let error = super::super::DeadLetters::over(folder, RECEIVER, CAP).unwrap_err().to_string();
    assert!(error.contains("0000000001.letters has version 2"), "{error}");
    assert_eq!(disk.operations(), 0);
}

#[test]
fn after_a_failed_write_or_sync_the_letters_can_be_put_again_and_stand_there_once() {
    for fault in [Fault::IO, Fault::IO_PART, Fault::NO_SPACE, Fault::NO_SPACE_PART] {
        for nth in 1..12 {
            for seed in 0..6 {
                let disk = SimDisk::new(seed);
                let store = open(&disk);
                store.put(&letters(0..2)).unwrap();
                disk.fail_at(nth, fault);
                let mut taken = vec![0, 1];
                let mut failed = 0;
                for numbers in [vec![2, 3], vec![4], vec![5, 6]] {
                    let again = letters(numbers.iter().copied());
                    while let Err(error) = store.put(&again) {
                        assert!(matches!(error, PutError::Failed { .. }), "{error}");
                        assert_eq!(store.standing().letters, taken.len() as u64);
                        failed += 1;
                        assert!(failed < 4, "it recovers");
                    }
                    taken.extend(numbers);
                }
                let mut rng = Rng::with_seed(seed);
                for after in [disk.durable(), disk.copy(), disk.crash(&mut rng)] {
                    let mut left = listed(&after);
                    left.sort_unstable();
                    assert_eq!(left, taken, "{fault:?} at {nth}, seed {seed}");
                }
            }
        }
    }
}

#[test]
fn a_crash_at_any_call_keeps_what_was_taken_and_doubles_nothing() {
    for seed in 0..15 {
        for nth in 1.. {
            let disk = SimDisk::new(seed);
            let mut rng = Rng::with_seed(seed + nth);
            disk.stop_at(nth);
            let taken = put_until_it_stops(&open_capped(disk.handle(), 16 << 10));
            let is_over = !disk.has_stopped();
            let after = disk.crash(&mut rng);
            // And once more while it puts itself in order.
            after.stop_at(rng.u64(1..12));
            put_until_it_stops(&open_capped(after.handle(), 16 << 10));
            let after = if rng.bool() { after.kill() } else { after.crash(&mut rng) };
            let left = listed(&after);
            for number in &taken {
                assert!(left.contains(number), "{number} of {taken:?} is lost, {nth}, seed {seed}");
            }
            let all = put_until_it_stops(&open_capped(after.handle(), 16 << 10));
            let mut left = listed(&after.durable());
            left.sort_unstable();
            assert_eq!((left, all.len()), ((0..12).collect(), 12), "{nth}, seed {seed}");
            if is_over {
                break;
            }
        }
    }
}

#[test]
fn a_letter_whose_sync_failed_before_a_kill_is_not_taken_for_kept() {
    for seed in 0..200 {
        let disk = SimDisk::new(seed);
        let store = open(&disk);
        store.put(&letters(0..1)).unwrap();
        disk.fail_at(2, Fault::IO_PART);
        store.put(&letters(1..3)).unwrap_err();
        // The process ends before it can say that those are void; they still show.
        let after = disk.kill();
        open(&after).put(&letters(1..3)).unwrap();
        let mut left = listed(&after.crash(&mut Rng::with_seed(seed)));
        left.sort_unstable();
        assert_eq!(left, [0, 1, 2], "seed {seed}");
    }
}

/// The numbers that were taken of twelve.
fn put_until_it_stops(store: &super::super::DeadLetters) -> Vec<u64> {
    let mut taken = Vec::new();
    for numbers in [0..1, 1..4, 4..5, 5..8, 8..12] {
        match store.put(&letters(numbers.clone())) {
            Ok(()) => taken.extend(numbers),
            Err(_) => break,
        }
    }
    taken
}
