//! What passes by itself: outages, flapping, resets, slow and endless and early answers.

use std::time::Duration;

use tidegate::receiver::{BodyLimit, Fault, LimitOf, Outcome, ResetAt, Standing, When};

use super::world::{PATIENCE, Setup, names};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_in_the_middle_of_deliveries_loses_nothing() {
    let mut world = Setup::one().start().await;
    world.send(&names("before", 0..100)).await;
    world.settled("default").await;
    world.receiver_mut("default").go_down().await.unwrap();
    for part in 0..20 {
        world.send(&names("during", part * 50..(part + 1) * 50)).await;
    }
    world.until_count("default", "queued", |queued| queued == 1_000).await;
    world.receiver_mut("default").come_up().unwrap();
    world.send(&names("after", 0..100)).await;
    let end = world.end_clean().await;
    assert_eq!(end.received.totals.tuples, 1_200, "nobody was there to take anything twice");
    assert_eq!((end.ended.delivered, end.ended.queued), (1_200, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_flaps_gets_everything_once() {
    for fault in [Fault::status(503), Fault::status(429), Fault::Reset(ResetAt::Head)] {
        let mut world = Setup::one().start().await;
        world.sole().faults().stand(Standing::by_turns(fault.clone(), 3, 5));
        for part in 0..60 {
            world.send(&names("m", part * 10..(part + 1) * 10)).await;
        }
        let end = world.end_clean().await;
        let failed = end.received.requests.iter().filter(|seen| !seen.is_accepted()).count();
        assert!(failed >= 5, "{fault:?}: {failed}");
        assert_eq!(end.received.totals.tuples, 600, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_in_head_body_and_answer_lose_nothing() {
    let mut world = Setup::one().start().await;
    let resets = [ResetAt::Head, ResetAt::Body, ResetAt::Answer].map(Fault::Reset);
    world.sole().faults().script(resets.into_iter().cycle().take(12));
    for part in 0..10 {
        world.send(&names("m", part * 100..(part + 1) * 100)).await;
    }
    let end = world.end_clean().await;
    let cut = end.received.requests.iter().filter(|seen| seen.outcome == Outcome::Cut).count();
    assert_eq!(cut, 12, "all of the script was played");
    // What was cut off in its answer had been taken, and came again (contract C5.2).
    let twice = end.received.totals.tuples - 1_000;
    let taken = end.received.requests.iter().filter(|seen| !seen.is_accepted());
    assert_eq!(twice, taken.map(|seen| seen.tuples as u64).sum::<u64>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_drip_never_come_or_never_end_lose_nothing() {
    let setup = Setup::one().adjust(|config| {
        let receiver = &mut config.receivers[0];
        receiver.timeout = Duration::from_millis(150);
    });
    let mut world = setup.start().await;
    world.sole().faults().script([
        Fault::Drip(Duration::from_millis(60)),
        Fault::Hang,
        Fault::Endless(200),
        Fault::Endless(503),
        Fault::Endless(400),
    ]);
    for part in 0..10 {
        world.send(&names("m", part * 10..(part + 1) * 10)).await;
    }
    let end = world.end_clean().await;
    assert!(end.received.requests.len() >= 5, "the script was played");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_before_the_body_was_read_counts_like_any_other() {
    // Uncompressed and large: the answer comes while most of it is still to be sent.
    let mut world = Setup::one().keys("compression = \"identity\"\n").start().await;
    world.sole().faults().script([Fault::early(503), Fault::early(401), Fault::early(429)]);
    world.send(&names("m", 0..9_000)).await;
    world.sole().wait_for_tuples(9_000, PATIENCE).await.unwrap();
    let end = world.end_clean().await;
    assert_eq!(end.received.totals.tuples, 9_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_refuses_by_the_declared_length_makes_deliveries_smaller() {
    let mut world = Setup::one().keys("compression = \"identity\"\n").start().await;
    let limit = BodyLimit { bytes: 100_000, of: LimitOf::Wire, when: When::Early };
    world.sole().faults().change(|rules| rules.body_limit = limit);
    world.send(&names("m", 0..9_000)).await;
    let end = world.end_clean().await;
    assert!(end.received.largest_accepted() <= 100_000);
    assert_eq!(end.received.totals.tuples, 9_000);
}
