//! `purge` and `forget`.

use std::fs::File;
use std::io::Write;

use tidegate::queue::Totals;
use tidegate::queue::log::disk::Lock;
use tidegate::queue::log::position::Tally;

use super::{code, delivered, json, queue, sample, stderr, stdout};
use crate::support::log_files::{Files, Plan, waiting};

#[test]
fn purge_throws_away_what_waits_and_the_books_say_so() {
    let files = Files::new();
    sample(&files);
    let before = files.content();
    let asked = queue(&files, &["purge"]);
    assert_eq!(code(&asked), Some(2));
    let said = stdout(&asked);
    assert!(said.starts_with("would throw away 35 tuples in 5 records ("), "{said}");
    assert!(said.contains("waiting for default, the oldest of 2025-01-01T00:00:03Z"), "{said}");
    assert!(before == files.content(), "it was asked only");

    let output = queue(&files, &["purge", "--yes"]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("threw away 35 tuples in 5 records ("));
    let saved = files.saved("default");
    assert_eq!((&saved.ranges[..], saved.head), (&[(11, u64::MAX)][..], 10));
    assert_eq!(saved.tally, Tally { delivered: 20, purged: 35, ..Tally::default() });
    assert_eq!(saved.totals.tuples, 55);
    let seen = json(&queue(&files, &["verify", "--json"]));
    assert_eq!(seen["sound"], true, "{seen:#}");
    let again = queue(&files, &["purge", "--yes"]);
    assert_eq!((code(&again), stdout(&again).as_str()), (Some(0), "nothing waits for default\n"));
}

#[test]
fn purge_older_than_stops_at_the_first_record_that_is_not() {
    let files = Files::new();
    let mut plan = Plan::behind(0, Totals::default(), &[1, 2, 4, 8]);
    // 1, 2 and 4 are of January 2025, 3 of the year 2200.
    plan.records[2].later_seconds = 175 * 365 * 86_400;
    let written = files.segment(&plan);
    files.position("default", &waiting(4, written.totals, Tally::default(), &[(1, u64::MAX)]));
    let output = queue(&files, &["purge", "--older-than", "15000d", "--yes"]);
    let said = stdout(&output);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    assert!(
        said.starts_with("nothing from before 19") && said.ends_with("Z waits for default\n"),
        "{said}"
    );
    let output = queue(&files, &["purge", "--older-than", "1d", "--yes"]);
    assert!(stdout(&output).starts_with("threw away 3 tuples in 2 records"), "{}", stdout(&output));
    assert_eq!(files.saved("default").ranges, [(3, u64::MAX)]);
    assert_eq!(json(&queue(&files, &["verify", "--json"]))["sound"], true);
    assert_eq!(code(&queue(&files, &["purge", "--older-than", "7"])), Some(2));
}

#[test]
fn purge_leaves_what_cannot_be_read_to_the_next_start() {
    let files = Files::new();
    let [_, two, _] = sample(&files);
    two.flip(two.offsets[2] - 1);
    let output = queue(&files, &["purge", "--yes"]);
    assert!(
        stdout(&output).starts_with("threw away 29 tuples in 4 records"),
        "{}",
        stdout(&output)
    );
    assert_eq!(files.saved("default").ranges, [(6, 6), (11, u64::MAX)]);
    let seen = json(&queue(&files, &["verify", "--json"]));
    let books = &seen["destinations"][0];
    assert_eq!([&books["purged"], &books["unreadable"]], [29, 6]);
    assert_eq!(books["balances"], true);
}

#[test]
fn purge_touches_one_destination_alone() {
    let files = Files::new();
    let written = files.segment(&Plan::behind(0, Totals::default(), &[3, 4]));
    let saved = waiting(2, written.totals, Tally::default(), &[(1, u64::MAX)]);
    files.position("east", &saved);
    files.position("west", &saved);
    assert_eq!(code(&queue(&files, &["purge", "--yes"])), Some(2));
    assert_eq!(code(&queue(&files, &["purge", "--receiver", "west", "--yes"])), Some(0));
    assert_eq!(files.saved("east").ranges, [(1, u64::MAX)]);
    assert_eq!(files.saved("west").ranges, [(3, u64::MAX)]);
}

#[test]
fn a_running_gateway_keeps_its_queue() {
    let files = Files::new();
    sample(&files);
    let lock = Lock::take(&files.data_dir().join("lock")).unwrap();
    let before = files.content();
    for args in [&["purge", "--yes"][..], &["forget", "default", "--yes"]] {
        let output = queue(&files, args);
        assert_eq!(code(&output), Some(2), "{args:?}");
        let wanted = format!(
            "this needs a stopped gateway: ./lock is locked by process {}",
            std::process::id()
        );
        assert!(stderr(&output).contains(&wanted), "{}", stderr(&output));
    }
    assert!(before == files.content());
    drop(lock);
    // A process that another test starts meanwhile has inherited the lock until it becomes itself.
    let forget = || code(&queue(&files, &["forget", "default", "--yes"]));
    assert!((0..100).any(|_| forget() == Some(0)));
}

#[test]
fn forget_takes_the_position_of_a_destination_that_is_not_configured() {
    let files = Files::new();
    sample(&files);
    let saved =
        waiting(9, Totals { tuples: 45, ..Totals::default() }, delivered(10), &[(5, u64::MAX)]);
    files.position("old", &saved);
    let config = "data_dir = \".\"\n[receiver]\nurl = \"http://127.0.0.1:1/\"\n";
    let path = files.data_dir().join("tidegate.toml");
    File::create(path).unwrap().write_all(config.as_bytes()).unwrap();
    let run = |args: &[&str]| queue(&files, &[args, &["--config", "tidegate.toml"]].concat());

    let output = run(&["forget", "default", "--yes"]);
    assert_eq!(code(&output), Some(2));
    assert!(stderr(&output).contains("default is configured"), "{}", stderr(&output));
    let output = run(&["forget", "ol", "--yes"]);
    assert_eq!(code(&output), Some(2));
    assert!(stderr(&output).contains("no destination \"ol\"; it has: default, old"));

    let output = run(&["forget", "old"]);
    assert_eq!(code(&output), Some(2));
    let said = stdout(&output);
    assert!(said.starts_with("would forget old and give up 45 tuples in 6 records ("), "{said}");
    let output = run(&["forget", "old", "--yes"]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("forgot old and gave up 45 tuples in 6 records ("));
    assert!(!files.queue().join("old.pos").exists() && files.queue().join("default.pos").exists());
}

#[test]
fn forgetting_takes_along_what_was_set_aside_because_nobody_could_read_it() {
    let asides = ["old.pos@0.damaged", "old.pos@1.damaged", "old.pos.partial"];
    for has_position in [true, false] {
        let files = Files::new();
        sample(&files);
        for aside in asides {
            files.put(aside, b"garbage");
        }
        files.put("older.pos@0.damaged", b"garbage");
        if has_position {
            let totals = Totals { tuples: 45, ..Totals::default() };
            files.position("old", &waiting(9, totals, delivered(10), &[(5, u64::MAX)]));
        }
        let output = queue(&files, &["forget", "old", "--yes"]);
        assert_eq!(code(&output), Some(0), "{}", stderr(&output));
        let gives_up =
            if has_position { "45 tuples" } else { "what waits for it, of which nothing" };
        let said = stdout(&output);
        assert!(said.starts_with(&format!("forgot old and gave up {gives_up}")), "{said}");
        for file in asides.iter().chain(&["old.pos"]) {
            assert!(!files.queue().join(file).exists(), "{file}");
        }
        let seen = json(&queue(&files, &["ls", "--json"]));
        let names: Vec<&str> = seen["destinations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| line["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["default", "older"], "what is called alike stays");
        let again = queue(&files, &["forget", "old", "--yes"]);
        assert_eq!(code(&again), Some(2));
    }
}

#[test]
fn forgetting_the_last_one_says_what_the_next_start_makes_of_it() {
    let files = Files::new();
    sample(&files);
    let said = stdout(&queue(&files, &["forget", "default"]));
    assert!(said.contains("It is the last position: "), "{said}");
    let said = stdout(&queue(&files, &["forget", "default", "--yes"]));
    assert!(said.contains("No position is left: the receiver with which the gateway"), "{said}");
    let said = stdout(&queue(&files, &["ls"]));
    assert!(said.contains("all positions are gone, and the next start delivers all of them"));
    let said = stderr(&queue(&files, &["export"]));
    assert!(said.contains("has records and no position"), "{said}");
}

#[test]
fn forgetting_without_a_configuration_says_that_it_knows_none() {
    let files = Files::new();
    sample(&files);
    files.put("old.pos", &[0; 16_384]);
    let output = queue(&files, &["forget", "old"]);
    let said = stdout(&output);
    assert_eq!(code(&output), Some(2));
    assert!(said.contains("of which nothing is known: the position was wiped"), "{said}");
    assert!(said.contains("No configuration was read: make sure that none names it."), "{said}");
}
