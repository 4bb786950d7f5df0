//! Several receivers: each has its own position, filter, bound and trouble.

use std::collections::BTreeSet;
use std::time::Duration;

use tidegate::receiver::{Fault, Poison, Standing};

use super::world::{PATIENCE, Setup, arrived, assert_same, names};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_dead_for_long_costs_its_own_oldest_and_nothing_else() {
    let setup = Setup::receivers(&[("alive", ""), ("dead", "")]).adjust(|config| {
        config.receivers[1].max_backlog_bytes = Some(200_000);
        config.receivers[1].timeout = Duration::from_mins(10);
    });
    let mut world = setup.start().await;
    world.receiver("dead").faults().stand(Standing::always(Fault::Hang));
    // Every one of these is answered 202 while the dead one hangs; `send` sees to that.
    for part in 0..60 {
        world.send(&names("m", part * 200..(part + 1) * 200)).await;
    }
    world.receiver("alive").wait_for_tuples(12_000, PATIENCE).await.unwrap();
    let expired = world.until_count("dead", "expired_total", |expired| expired > 0).await;
    let books = world.balanced("dead").await;
    assert!(books("queued") > 0 && books("delivered_total") == 0, "{expired}");
    world.judge("alive", &world.accepted(), &BTreeSet::new()).await;

    world.receiver("dead").faults().heal();
    // Only requests that hang already go on hanging: a restart ends them.
    let adjust = |config: &mut tidegate::config::Config| {
        config.receivers[1].max_backlog_bytes = Some(200_000);
    };
    world.restart(adjust).await;
    world.settled("dead").await;
    let books = world.balanced("dead").await;
    assert_eq!(books("delivered_total") + books("expired_total"), 12_000);
    // The newest are among what arrived; what was on its way all the time may be as old as it is.
    let all = arrived(&world.receiver("dead").received());
    assert_eq!(all.len() as u64, books("delivered_total"));
    assert!(all.contains("m.011999") && all.len() < 12_000);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_gets_the_sources_it_is_for_and_the_rest_counts_as_filtered() {
    let receivers = [
        ("shops", "sources = [\"shop\", \"till\"]\n"),
        ("doors", "sources = [\"door\"]\n"),
        ("all", ""),
    ];
    let sources = ["shop", "till", "door"];
    let mut world = Setup::receivers(&receivers).sources(&sources).start().await;
    for part in 0..20 {
        for source in sources {
            world.send_as(source, &names(source, part * 10..(part + 1) * 10)).await;
        }
    }
    let of = |sources: &[&str]| -> BTreeSet<String> {
        sources.iter().flat_map(|source| world.accepted_of(source)).collect()
    };
    for (receiver, takes) in
        [("shops", &sources[..2]), ("doors", &sources[2..]), ("all", &sources[..])]
    {
        world.settled(receiver).await;
        world.judge(receiver, &of(takes), &BTreeSet::new()).await;
        let books = world.balanced(receiver).await;
        assert_eq!(books("filtered_total"), 600 - of(takes).len() as u64, "{receiver}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_receiver_refuses_the_other_takes() {
    let mut world = Setup::receivers(&[("strict", ""), ("easy", "")]).start().await;
    world.receiver("strict").faults().change(|rules| rules.poisons = vec![Poison::contains("bad")]);
    let mut all = names("m", 0..300);
    all[77] = "a.bad.one".to_owned();
    world.send(&all).await;
    for (receiver, dead) in [("strict", Some("a.bad.one".to_owned())), ("easy", None)] {
        world.settled(receiver).await;
        world.judge(receiver, &world.accepted(), &dead.into_iter().collect()).await;
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_with_one_is_the_trouble_of_one() {
    let mut world = Setup::receivers(&[("held", ""), ("down", ""), ("well", "")]).start().await;
    world.receiver("held").faults().stand(Standing::always(Fault::status(403)));
    world.receiver_mut("down").go_down().await.unwrap();
    for part in 0..10 {
        world.send(&names("m", part * 50..(part + 1) * 50)).await;
    }
    world.receiver("well").wait_for_tuples(500, PATIENCE).await.unwrap();
    world.until_held("held").await;
    assert_same(&arrived(&world.receiver("well").received()), &world.accepted(), "well");
    world.receiver_mut("down").come_up().unwrap();
    world.receiver("held").faults().stand(Standing::always(Fault::Pass));
    for receiver in ["held", "down", "well"] {
        world.settled(receiver).await;
        world.judge(receiver, &world.accepted(), &BTreeSet::new()).await;
    }
    world.until_well().await;
    world.stop().await;
}
