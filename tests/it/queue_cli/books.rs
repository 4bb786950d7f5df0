//! `verify` over books with more than deliveries in them.

use tidegate::queue::Totals;
use tidegate::queue::log::position::Tally;

use super::{code, json, queue, stdout};
use crate::support::log_files::{Files, Plan, Spec, waiting};

#[test]
fn every_class_of_the_books_is_counted() {
    let files = Files::new();
    let written = files.segment(&Plan::behind(0, Totals::default(), &[1, 2, 4, 8, 16, 32, 64]));
    let done =
        Tally { delivered: 1, filtered: 2, dead_lettered: 4, expired: 8, damaged: 16, purged: 32 };
    files.position("default", &waiting(7, written.totals, done, &[(7, u64::MAX)]));
    let output = queue(&files, &["verify", "--json"]);
    assert_eq!(code(&output), Some(0), "{}", stdout(&output));
    let books = &json(&output)["destinations"][0];
    let names =
        ["series", "delivered", "filtered", "dead_lettered", "expired", "damaged", "purged"];
    let seen = names.map(|name| books[name].as_u64().unwrap());
    assert_eq!(seen, [127, 1, 2, 4, 8, 16, 32]);
    assert_eq!(books["queued"], 64);
}

#[test]
fn a_destination_is_counted_from_where_it_began() {
    let files = Files::new();
    let one = files.segment(&Plan::behind(0, Totals::default(), &[10, 20, 30]));
    let mut saved = waiting(3, one.totals, Tally::default(), &[(3, u64::MAX)]);
    (saved.began_at, saved.began_tuples) = (3, 30);
    files.position("late", &saved);
    let books = &json(&queue(&files, &["verify", "--json"]))["destinations"][0];
    assert_eq!([&books["series"], &books["queued"]], [30, 30]);
    assert_eq!(books["balances"], true);
}

#[test]
fn what_is_replayed_for_one_destination_is_in_its_books_alone() {
    // Record 2 is for east alone, and saved in its position; 4 as well, and not saved there yet.
    let files = Files::new();
    let mut plan = Plan::behind(0, Totals::default(), &[1, 10, 2, 20]).open();
    for at in [1, 3] {
        plan.records[at] = Spec { target: Some("east"), ..plan.records[at] };
    }
    let written = files.segment(&plan);
    let totals = Totals { tuples: 3, ..written.totals };
    let mut east = waiting(3, totals, Tally::default(), &[(1, u64::MAX)]);
    east.replayed = 10;
    files.position("east", &east);
    files.position("west", &waiting(3, totals, Tally::default(), &[(1, u64::MAX)]));
    let output = queue(&files, &["verify", "--json"]);
    assert_eq!(code(&output), Some(0), "{}", stdout(&output));
    let seen = json(&output);
    let of = |at: usize| {
        ["series", "replayed", "queued"]
            .map(|name| seen["destinations"][at][name].as_u64().unwrap())
    };
    assert_eq!([of(0), of(1)], [[3, 30, 33], [3, 0, 3]]);
}

#[test]
fn segments_that_everybody_has_passed_may_be_gone() {
    // 1 to 3 and 7 to 9 were delivered and deleted; 4 to 6 and 10 wait.
    let files = Files::new();
    let base = |tuples| Totals { tuples, accepted: tuples, rejected: 0 };
    files.segment(&Plan::behind(3, base(30), &[10, 10, 10]));
    let last = files.segment(&Plan::behind(9, base(90), &[10]));
    let done = Tally { delivered: 60, ..Tally::default() };
    let mut saved = waiting(10, last.totals, done, &[(4, 6), (10, u64::MAX)]);
    saved.between = vec![Tally { delivered: 30, ..Tally::default() }];
    files.position("default", &saved);
    let output = queue(&files, &["verify"]);
    assert_eq!(code(&output), Some(0), "{}", stdout(&output));
    assert!(!stdout(&output).contains("note"), "{}", stdout(&output));
    let output = queue(&files, &["export", "--all"]);
    assert_eq!((code(&output), stdout(&output).lines().count()), (Some(0), 40));
}

#[test]
fn a_log_whose_segments_are_all_gone_still_has_books() {
    let files = Files::new();
    let totals = Totals { tuples: 70, accepted: 70, rejected: 0 };
    let done = Tally { delivered: 70, ..Tally::default() };
    files.position("default", &waiting(9, totals, done, &[(10, u64::MAX)]));
    let output = queue(&files, &["verify", "--json"]);
    assert_eq!(code(&output), Some(0), "{}", stdout(&output));
    assert_eq!(json(&output)["destinations"][0]["series"], 70);
}
