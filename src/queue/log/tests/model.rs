//! Random histories of the log beside a plain model, stopped at thousands of disk calls.

use std::panic::{AssertUnwindSafe, catch_unwind};

mod damage;
mod ledger;
mod steps;
mod world;

use steps::{Setting, Step};
use world::World;

/// The contract's floor for every run of the tests.
const POINTS_MIN: u64 = 10_000;

/// Stops survived, or what went wrong.
fn run(setting: &Setting, steps: &[Step]) -> Result<u64, String> {
    // Identities of segments are drawn from it.
    fastrand::seed(setting.seed);
    let history = || {
        let mut world = World::new(setting);
        steps.iter().for_each(|step| world.step(step));
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

/// `LOG_HISTORIES=from..to` runs others than the usual ones.
fn seeds() -> std::ops::Range<u64> {
    let Ok(range) = std::env::var("LOG_HISTORIES") else { return 0..700 };
    let (from, to) = range.split_once("..").expect("from..to");
    from.parse().expect("a number")..to.parse().expect("a number")
}

#[test]
fn whatever_stops_it_at_whatever_disk_call_nothing_acknowledged_is_lost_and_the_books_balance() {
    let mut points = 0;
    let mut histories = 0;
    for seed in seeds() {
        let (setting, steps) = steps::history(seed);
        match run(&setting, &steps) {
            Ok(more) => points += more,
            Err(what) if std::env::var("LOG_SURVEY").is_ok() => eprintln!("FAIL {seed}: {what}"),
            Err(_) => {
                let steps = minimise(&setting, steps);
                eprintln!("\nseed {seed}: {setting:?}");
                steps.iter().for_each(|step| eprintln!("  {step:?}"));
                let what = run(&setting, &steps).err();
                panic!("history {seed} fails; its fewest steps are above: {what:?}");
            }
        }
        histories += 1;
    }
    println!("{histories} histories, {points} stops");
    assert!(points >= POINTS_MIN || seeds() != (0..700), "{points} stops only");
}
