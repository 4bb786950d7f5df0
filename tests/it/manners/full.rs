//! Dead letters have a bound: when it is reached deliveries are held, and nothing is thrown away.

use tidegate::config::Config;
use tidegate::receiver::{Fault, Poison, Received, Standing};

use super::world::{PATIENCE, Setup, World, names};

/// A few letters of these tests, not all of them.
fn narrow(config: &mut Config) {
    config.dead_letters.max_bytes = 4_000;
}

fn poison(world: &World) {
    world.sole().faults().change(|rules| rules.poisons = vec![Poison::begins("bad")]);
}

/// 40 bad ones among 200, sent in parts so that each lease's letters are few.
async fn send_parts(world: &mut World) -> Vec<String> {
    let mut dead = Vec::new();
    for part in 0..10 {
        let mut all = names("m", part * 20..(part + 1) * 20);
        for place in [3, 9, 10, 19] {
            all[place] = format!("bad.{part}.{place}");
            dead.push(all[place].clone());
        }
        world.send(&all).await;
        world.sole().wait_for(PATIENCE, |seen| seen.totals.requests > 0).await.unwrap();
    }
    dead
}

/// Waits until it is held because there is no room for letters, and probed a few times since.
async fn until_full(world: &World) {
    world.until_held_by("default", "dead_letters.max_bytes").await;
    let before = world.sole().received().totals.requests;
    let probed = |seen: &Received| seen.totals.requests >= before + 3;
    world.sole().wait_for(PATIENCE, probed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_dead_letters_hold_and_a_raised_bound_lets_go() {
    let mut world = Setup::one().adjust(narrow).start().await;
    poison(&world);
    let dead = send_parts(&mut world).await;
    until_full(&world).await;
    let books = world.balanced("default").await;
    let (kept, queued) = (books("dead_lettered_total"), books("queued"));
    assert!(kept < 40 && queued > 0, "{kept} kept, {queued} queued");
    assert!(world.letters("default").len() as u64 >= kept);
    world.restart(|_| {}).await;
    world.end(&dead).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_dead_letters_hold_and_a_mended_receiver_lets_go() {
    let mut world = Setup::one().adjust(narrow).start().await;
    poison(&world);
    send_parts(&mut world).await;
    until_full(&world).await;
    // Whatever it refused last it takes now; what is a letter stays one.
    world.sole().faults().change(|rules| rules.poisons.clear());
    world.settled("default").await;
    world.until_well().await;
    let dead: Vec<String> = world
        .letters("default")
        .iter()
        .map(crate::support::endure::letters::Letter::name)
        .collect();
    assert!(dead.len() < 40);
    world.end(&dead).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_with_full_dead_letters_does_not_hold_up_another() {
    let mut world = Setup::receivers(&[("strict", ""), ("easy", "")]).adjust(narrow).start().await;
    poison(&world);
    send_parts(&mut world).await;
    world.until_held("strict").await;
    world.receiver("easy").wait_for_tuples(200, PATIENCE).await.unwrap();
    world.judge("easy", &world.accepted(), &std::collections::BTreeSet::new()).await;
    world.receiver("strict").faults().stand(Standing::always(Fault::Pass));
    world.receiver("strict").faults().change(|rules| rules.poisons.clear());
    world.settled("strict").await;
    drop(world.balanced("strict").await);
    world.stop().await;
}
