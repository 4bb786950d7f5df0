//! Real gateways on a real disk, killed at work (contract C5.1, C5.2, C7).
//!
//! The long form of the same is `cargo bench --bench endure -- --minutes 30 --seed 1`.

use std::time::Duration;

use super::support::endure::blows::Until;
use super::support::endure::{Plan, Weather, run};

const PLAN: Plan = Plan {
    seed: 1,
    clients: 12,
    durability: "fsync",
    poison_every: Some(40),
    answers_max: 300,
    until: Until::Kills(30),
    weather: Weather::Changing,
    silence: Duration::from_secs(20),
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_was_acknowledged_arrives_however_often_the_gateway_is_killed() {
    let verdict = run(PLAN).await;
    println!("{verdict}");
    verdict.assert_good();
    assert!(verdict.books.is_some() && verdict.files.is_some(), "both were looked at");
    let dead = verdict.dead.as_ref().unwrap();
    assert!(!dead.letters.is_empty(), "the poison was found: {verdict}");
    assert!(verdict.dealt.kills >= 30 && verdict.counts.acknowledged > 30, "{verdict}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_with_kills_in_it_ends_with_everything_delivered() {
    let plan = Plan { seed: 2, clients: 4, until: Until::Kills(4), weather: Weather::Down, ..PLAN };
    let verdict = run(plan).await;
    println!("{verdict}");
    verdict.assert_good();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_that_the_operating_system_has() {
    let until = Until::Time(Duration::from_secs(1));
    let plan = Plan { seed: 3, clients: 4, durability: "os", until, ..PLAN };
    run(plan).await.assert_good();
}

/// The proof of the proof: the same driver, where it must find something.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_queue_in_memory_loses_is_noticed() {
    let plan = Plan {
        seed: 4,
        clients: 4,
        durability: "memory",
        until: Until::Kills(2),
        weather: Weather::Down,
        silence: Duration::from_secs(1),
        ..PLAN
    };
    let verdict = run(plan).await;
    assert!(verdict.faults.lost_ids > 0, "{verdict}");
    assert!(verdict.problems().iter().any(|problem| problem.contains("are lost")), "{verdict}");
    assert_eq!(verdict.faults.strangers, 0, "{verdict}");
}
