//! Dead letters go in again once the cause is mended: delivered once, and listed no more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tidegate::receiver::Poison;

use super::world::{Setup, World, arrived, names};

/// How often each name arrived.
fn arrivals(world: &World, receiver: &str) -> BTreeMap<String, usize> {
    let mut arrivals = BTreeMap::new();
    for tuple in &world.receiver(receiver).received().tuples {
        *arrivals.entry(tuple.parts().name.into_owned()).or_default() += 1;
    }
    arrivals
}

/// The letters `dead-letters ls --json` lists.
fn listed(world: &World) -> u64 {
    let output = world.run(&["dead-letters", "ls", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    super::world::count_letters(&output.stdout)
}

fn replay(world: &World, args: &[&str]) -> String {
    let output = world.run(&[&["dead-letters", "replay"], args].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said + &String::from_utf8_lossy(&output.stdout)
}

/// Ten of each of these sources, and from each a bad one.
async fn world_with_letters(sources: &[&'static str]) -> World {
    let mut world = Setup::one().sources(sources).start().await;
    world.sole().faults().change(|rules| rules.poisons = vec![Poison::begins("bad")]);
    for source in sources {
        let mut all = names(source, 0..10);
        all.push(format!("bad.{source}"));
        world.send_as(source, &all).await;
        // Lest all that is bad comes together and nothing is left to be taken.
        world.settled("default").await;
    }
    world
}

fn mend(world: &World) {
    world.sole().faults().change(|rules| rules.poisons.clear());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_after_the_receiver_was_mended_is_delivered_once_and_listed_no_more() {
    let world = world_with_letters(&["shop", "till", "door"]).await;
    assert_eq!(listed(&world), 3);
    mend(&world);
    replay(&world, &[]);
    world.until_count("default", "delivered_total", |delivered| delivered == 33).await;
    assert_eq!(listed(&world), 0);
    assert_eq!(arrivals(&world, "default").len(), 33);
    assert!(arrivals(&world, "default").values().all(|times| *times == 1));
    let books = world.balanced("default").await;
    assert_eq!((books("replayed_total"), books("dead_lettered_total")), (3, 3));
    // Again, and over a restart: there is nothing left to replay.
    replay(&world, &[]);
    let mut world = world;
    world.restart(|_| {}).await;
    replay(&world, &[]);
    world.settled("default").await;
    assert_eq!(arrivals(&world, "default").values().sum::<usize>(), 33);
    assert_eq!(world.balanced("default").await("replayed_total"), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_to_a_receiver_that_was_not_mended_makes_the_same_letters_again() {
    let mut world = world_with_letters(&["shop"]).await;
    // Among others, so that there is evidence against it.
    for round in 1..=3 {
        replay(&world, &[]);
        world.send(&names(&format!("other{round}"), 0..20)).await;
        world.until_count("default", "dead_lettered_total", |dead| dead == 1 + round).await;
        world.settled("default").await;
        assert_eq!(listed(&world), 1);
        assert_eq!(world.balanced("default").await("replayed_total"), round);
    }
    assert!(!arrived(&world.sole().received()).contains("bad.shop"));
    mend(&world);
    replay(&world, &[]);
    world.until_count("default", "delivered_total", |delivered| delivered == 71).await;
    assert_eq!(listed(&world), 0);
    assert_eq!(arrivals(&world, "default")["bad.shop"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_is_of_what_was_chosen() {
    let world = world_with_letters(&["shop", "till"]).await;
    mend(&world);
    replay(&world, &["--dry-run"]);
    replay(&world, &["--code", "422"]);
    assert_eq!((listed(&world), world.balanced("default").await("replayed_total")), (2, 0));
    replay(&world, &["--source", "till", "--code", "400"]);
    world.until_count("default", "delivered_total", |delivered| delivered == 21).await;
    assert_eq!(listed(&world), 1);
    let arrived = arrived(&world.sole().received());
    assert!(arrived.contains("bad.till") && !arrived.contains("bad.shop"));
    replay(&world, &["--since", "1h"]);
    world.until_count("default", "delivered_total", |delivered| delivered == 22).await;
    assert_eq!(listed(&world), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_gateways_letters_are_replayed_when_it_starts_again() {
    let mut world = world_with_letters(&["shop", "till"]).await;
    mend(&world);
    world.stop().await;
    replay(&world, &[]);
    assert_eq!(listed(&world), 0);
    world.start().await;
    world.until_count("default", "delivered_total", |delivered| delivered == 22).await;
    assert!(arrivals(&world, "default").values().all(|times| *times == 1));
    assert_eq!(world.balanced("default").await("replayed_total"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_goes_to_the_receiver_that_refused_and_to_no_other() {
    let mut world = Setup::receivers(&[("strict", ""), ("easy", "")]).start().await;
    world.receiver("strict").faults().change(|rules| rules.poisons = vec![Poison::begins("bad")]);
    let mut all = names("m", 0..20);
    all[4] = "bad.one".to_owned();
    world.send(&all).await;
    world.settled("strict").await;
    world.settled("easy").await;
    world.receiver("strict").faults().change(|rules| rules.poisons.clear());
    replay(&world, &["--receiver", "strict"]);
    world.until_count("strict", "delivered_total", |delivered| delivered == 20).await;
    world.settled("easy").await;
    assert_eq!(world.balanced("strict").await("replayed_total"), 1);
    assert_eq!(world.balanced("easy").await("replayed_total"), 0);
    for receiver in ["strict", "easy"] {
        let arrivals = arrivals(&world, receiver);
        assert_eq!(arrivals.keys().cloned().collect::<BTreeSet<_>>(), world.accepted());
        assert!(arrivals.values().all(|times| *times == 1), "{receiver}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_listed_says_why_it_was_refused() {
    let world = world_with_letters(&["shop"]).await;
    let output = world.run(&["dead-letters", "show", "--json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["status"], 400, "{told}");
    assert_eq!(told["source"], "shop", "{told}");
    assert!(told["answer"].as_str().unwrap().contains("is poison"), "{told}");
    assert!(!text.contains(super::world::KEY));
}
