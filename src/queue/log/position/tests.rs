//! Positions against a plain list of sequences, and their files against damage.

use super::*;

mod files;
mod model;

fn delivered(tuples: u64) -> Tally {
    Tally { delivered: tuples, ..Tally::default() }
}

/// A position of `runs` done runs above a gap, the n-th of them n sequences long and of n tuples.
fn comb(runs: u64) -> Position {
    let mut position = Position::begin(1, 0);
    for n in 1..=runs {
        position.pass(1000 * n, 1000 * n + n - 1, delivered(n));
    }
    position
}

#[test]
fn overflow_gives_up_the_shortest_done_runs_and_their_tuples() {
    let position = comb(70);
    let saved = position.save(1_000_000, &|_, _| false);
    assert_eq!(saved.ranges.len(), RANGES_MAX);
    // 63 done runs are left, the seven shortest are gone.
    assert_eq!(saved.ranges[0], (1, 7999));
    assert_eq!(saved.ranges[1], (8008, 8999));
    assert_eq!(saved.tally, delivered((8..=70).sum()));
    assert_eq!(saved.between[0], delivered(8));
    assert_eq!(position.tally(), delivered((1..=70).sum()), "nothing changes in memory");
}

#[test]
fn overflow_keeps_a_run_whose_segment_is_deleted() {
    let saved = comb(70).save(1_000_000, &|first, last| first <= 3001 && 3001 <= last);
    assert_eq!(saved.ranges.len(), RANGES_MAX);
    assert!(saved.is_past(3000, 3002));
    assert!(!saved.is_past(8000, 8000), "the next shortest goes in its place");
}

#[test]
fn runs_taken_up_from_a_save_can_still_be_given_up() {
    let mut position = Position::from_saved(&comb(63).save(1_000_000, &|_, _| false));
    position.pass(500, 599, delivered(5));
    let saved = position.save(1_000_000, &|_, _| false);
    assert_eq!(saved.tally, delivered((2..=63).sum::<u64>() + 5));
    assert!(saved.is_past(500, 599) && !saved.is_past(1000, 1000));
}

#[test]
fn the_undelivered_ranges_of_a_save_end_with_the_log() {
    let saved = comb(2).save(5000, &|_, _| false);
    let up_to = |head| saved.undelivered(head).collect::<Vec<_>>();
    assert_eq!(up_to(5000), [(1, 999), (1001, 1999), (2002, 5000)]);
    assert_eq!(up_to(1500), [(1, 999), (1001, 1500)]);
    assert_eq!(up_to(0), []);
}

#[test]
fn a_destination_that_began_late_counts_from_there() {
    let mut position = Position::begin(10, 100);
    assert!(position.is_past(1, 9) && !position.is_past(9, 10));
    assert_eq!(position.waiting(0, 12), Some((10, 12)));
    position.pass(10, 10, delivered(7));
    position.add_replayed(2);
    let books = position.books(120);
    assert_eq!((books.series, books.replayed, books.queued), (20, 2, 15));
    assert!(books.is_balanced());
}

#[test]
fn a_tally_beyond_what_came_in_shows_as_books_that_do_not_balance() {
    let mut position = Position::begin(1, 0);
    position.pass(1, 1, delivered(7));
    assert!(!position.books(6).is_balanced());
}
