//! Several receivers: each has its own position, filter, bound and trouble.

use std::collections::BTreeSet;
use std::time::Duration;

use tidegate::receiver::{Fault, Poison, Standing};

use super::world::{PATIENCE, Setup, arrived, assert_same, names};

/// Small enough that a dead receiver's backlog would fill the whole queue without its bound.
const QUEUE_BYTES: u64 = 6 << 20;

const BACKLOG_BYTES: u64 = 1 << 20;

/// One receiver that hangs and one that refuses connections, each with its bound, beside one that lives;
/// more than the queue holds goes through it, and every POST is answered 202.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receivers_that_are_dead_for_long_cost_their_own_oldest_and_nothing_else() {
    let adjust = |config: &mut tidegate::config::Config| {
        config.queue.max_bytes = QUEUE_BYTES;
        config.queue.segment_bytes = 1 << 20;
        for receiver in &mut config.receivers[1..] {
            receiver.max_backlog_bytes = Some(BACKLOG_BYTES);
            receiver.timeout = Duration::from_mins(10);
        }
    };
    let receivers = [("alive", ""), ("hanging", ""), ("gone", "")];
    let mut world = Setup::receivers(&receivers).adjust(adjust).start().await;
    world.receiver("hanging").faults().stand(Standing::always(Fault::Hang));
    world.receiver_mut("gone").go_down().await.unwrap();
    // `send` sees to it that each is answered 202. Names of 600 bytes: 12 MB in all, twice the queue.
    let prefix = "m".repeat(600);
    for part in 0..100 {
        world.send(&names(&prefix, part * 200..(part + 1) * 200)).await;
        let sent = u64::from(part + 1) * 200;
        world.receiver("alive").wait_for_tuples(sent, PATIENCE).await.unwrap();
    }
    world.settled("alive").await;
    world.judge("alive", &world.accepted(), &BTreeSet::new()).await;
    for receiver in ["hanging", "gone"] {
        // A tuple takes 650 bytes or so: the bound keeps 1,600 of them, and a segment or two of them more.
        world.until_count(receiver, "expired_total", |expired| expired > 12_000).await;
        let books = world.balanced(receiver).await;
        assert!(books("queued") > 1_000 && books("delivered_total") == 0, "{receiver}");
    }

    world.receiver("hanging").faults().heal();
    world.receiver_mut("gone").come_up().unwrap();
    // Only requests that hang already go on hanging: a restart ends them.
    world.restart(adjust).await;
    for receiver in ["hanging", "gone"] {
        world.settled(receiver).await;
        let books = world.balanced(receiver).await;
        assert_eq!(books("delivered_total") + books("expired_total"), 20_000, "{receiver}");
        // The newest are among what arrived; what was on its way all the time may be as old as it is.
        let all = arrived(&world.receiver(receiver).received());
        assert_eq!(all.len() as u64, books("delivered_total"), "{receiver}");
        assert!(all.contains(&format!("{prefix}.019999")) && all.len() < 8_000, "{receiver}");
    }
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
