//! Random histories of the log beside a plain model, stopped at thousands of disk calls.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

mod damage;
mod ledger;
mod steps;
mod world;

use steps::{End, How, Restart, Setting, Shape, Step};
use world::World;

/// The contract's floor for every run of the tests.
const POINTS_MIN: u64 = 10_000;

/// Stops survived, or what went wrong.
fn run(setting: &Setting, steps: &[Step]) -> Result<u64, String> {
    // Identities of segments are drawn from it.
    fastrand::seed(setting.seed);
    let history = || {
        let mut world = World::new(setting);
        for step in steps {
            world.step(step);
        }
        world.finish();
        world.points
    };
    catch_unwind(AssertUnwindSafe(history)).map_err(|panic| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => format!("{:?}", other.downcast_ref::<&str>()),
    })
}

/// The fewest steps of a failing history that still fail.
fn minimise(setting: &Setting, mut steps: Vec<Step>) -> Vec<Step> {
    let mut chunk = steps.len().div_ceil(2);
    while chunk > 0 {
        let mut from = 0;
        while from < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(from..(from + chunk).min(steps.len()));
            if run(setting, &fewer).is_err() {
                steps = fewer;
            } else {
                from += chunk;
            }
        }
        chunk /= 2;
    }
    steps
}

/// How many histories it takes.
const HISTORIES: Range<u64> = 0..700;

/// Stops survived, and the histories that failed.
fn run_all(seeds: impl Iterator<Item = u64>) -> (u64, Vec<(u64, String)>) {
    let (mut points, mut faults) = (0, Vec::new());
    for seed in seeds {
        let (setting, steps) = steps::history(seed);
        match run(&setting, &steps) {
            Ok(more) => points += more,
            Err(what) => faults.push((seed, what)),
        }
    }
    (points, faults)
}

/// `LOG_HISTORIES=from..to` runs others than the usual ones.
fn seeds() -> Range<u64> {
    let Ok(range) = std::env::var("LOG_HISTORIES") else { return HISTORIES };
    let (from, to) = range.split_once("..").expect("from..to");
    from.parse().expect("a number")..to.parse().expect("a number")
}

#[test]
fn whatever_stops_it_at_whatever_disk_call_nothing_acknowledged_is_lost_and_the_books_balance() {
    let (points, faults) = thread::scope(|scope| {
        let workers = [0, 1].map(|nth| scope.spawn(move || run_all(seeds().skip(nth).step_by(2))));
        let outcomes = workers.map(|worker| worker.join().expect("panics are caught"));
        let [(one, mut faults), (other, more)] = outcomes;
        faults.extend(more);
        (one + other, faults)
    });
    println!("histories {:?}: {points} stops", seeds());
    if let Some((seed, _)) = faults.first() {
        let (setting, steps) = steps::history(*seed);
        let steps = minimise(&setting, steps);
        let what = run(&setting, &steps).expect_err("as before");
        let steps: Vec<String> = steps.iter().map(|step| format!("  {step:?}\n")).collect();
        let all: Vec<String> =
            faults.iter().map(|(seed, what)| format!("history {seed}: {what}\n")).collect();
        panic!(
            "{}\nhistory {seed}, its fewest steps: {setting:?}\n{}{what}",
            all.concat(),
            steps.concat()
        );
    }
    assert!(points >= POINTS_MIN || seeds() != HISTORIES, "{points} stops only");
}

/// More gaps than a saved position has ranges for (contract C5.2).
#[test]
fn a_position_too_ragged_to_be_saved_costs_duplicates_and_nothing_else() {
    let shape = Shape { source: 0, target: None, blocks: vec![vec![9], vec![9]], rejected: 0 };
    let commits = (0..10).map(|_| Step::Commit(vec![shape.clone(); 8]));
    let leases = (0..160).map(|_| Step::Lease { side: 0, bytes: 0, tuples: 0 });
    // Every other one: each that is acknowledged moves the next one up.
    let acks = (0..80).map(|nth| Step::Ack { side: 0, nth, refused: 0 });
    for seed in 0..20 {
        let end =
            End { how: How::PowerCut { seed }, troubles: Vec::new(), restart: Restart::default() };
        let after = [Step::Save, Step::Collect, Step::Stop { nth: 1 + seed % 4, end }];
        let more = [Step::Commit(vec![shape.clone()]), Step::Save, Step::Maintain];
        let steps: Vec<Step> = commits
            .clone()
            .chain(leases.clone())
            .chain(acks.clone())
            .chain(after)
            .chain(more)
            .collect();
        let setting = Setting {
            seed,
            segment_bytes: 3000,
            max_bytes: 1 << 30,
            is_fifo: true,
            is_os: false,
            configured: 0,
            manners: steps::PLAIN,
            is_crowded: false,
        };
        assert_eq!(run(&setting, &steps), Ok(1), "seed {seed}");
    }
}
