//! Dead letters have a bound: when it is reached deliveries are held, and nothing is thrown away.

use std::collections::BTreeSet;

use tidegate::config::Config;
use tidegate::receiver::Poison;

use super::world::{PATIENCE, Setup, World, arrived, assert_same, names};

/// A few letters of these tests, not all of them.
fn narrow(config: &mut Config) {
    config.dead_letters.max_bytes = 4_000;
}

fn poison(world: &World) {
    world.sole().faults().change(|rules| rules.poisons = vec![Poison::begins("bad")]);
}

/// 20 bad ones among 100: in parts, so that the letters of any lease fit alone, and those of two parts
/// beside those of a third do not.
async fn send_parts(world: &mut World, receiver: &str) -> Vec<String> {
    let mut dead = Vec::new();
    for part in 0..5 {
        let mut all = names("m", part * 20..(part + 1) * 20);
        for place in [3, 9, 10, 19] {
            all[place] = format!("bad.{part}.{place}");
            dead.push(all[place].clone());
        }
        world.send(&all).await;
        if part < 2 {
            world.settled(receiver).await;
        }
    }
    dead
}

/// Waits until it is held because there is no room for letters: what is kept stays, the rest waits.
async fn until_full(world: &World, receiver: &str) {
    world.until_held_by(receiver, "dead_letters.max_bytes").await;
    let books = world.balanced(receiver).await;
    let (kept, queued) = (books("dead_lettered_total"), books("queued"));
    assert!(kept < 20 && queued > 0, "{kept} kept, {queued} queued");
    assert!(world.letters(receiver).len() as u64 >= kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_dead_letters_hold_and_a_raised_bound_lets_go() {
    let mut world = Setup::one().adjust(narrow).start().await;
    poison(&world);
    let dead = send_parts(&mut world, "default").await;
    until_full(&world, "default").await;
    world.restart(|_| {}).await;
    world.end(&dead).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_dead_letters_hold_and_replays_to_a_mended_receiver_let_go() {
    let mut world = Setup::one().adjust(narrow).start().await;
    poison(&world);
    send_parts(&mut world, "default").await;
    until_full(&world, "default").await;
    world.sole().faults().change(|rules| rules.poisons.clear());
    // What was refused before may still become a letter: each replay makes room for more of them.
    let whole = async || world.balanced("default").await("delivered_total") == 100;
    for _ in 0..200 {
        let output = world.run(&["dead-letters", "replay"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        if whole().await {
            break;
        }
    }
    world.until_count("default", "delivered_total", |delivered| delivered == 100).await;
    world.until_well().await;
    let books = world.balanced("default").await;
    assert_eq!((books("queued"), books("replayed_total")), (0, books("dead_lettered_total")));
    assert_same(&arrived(&world.sole().received()), &world.accepted(), "delivered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_with_full_dead_letters_does_not_hold_up_another() {
    let mut world = Setup::receivers(&[("strict", ""), ("easy", "")]).adjust(narrow).start().await;
    poison(&world);
    let dead = send_parts(&mut world, "strict").await;
    until_full(&world, "strict").await;
    world.receiver("easy").wait_for_tuples(100, PATIENCE).await.unwrap();
    world.settled("easy").await;
    world.judge("easy", &world.accepted(), &BTreeSet::new()).await;
    world.restart(|_| {}).await;
    world.settled("strict").await;
    world.judge("strict", &world.accepted(), &dead.into_iter().collect()).await;
    world.stop().await;
}
