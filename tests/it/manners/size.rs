//! 413: deliveries are split, the size is learnt, and forgotten when the limit is gone.

use tidegate::receiver::{BodyLimit, Outcome};

use super::world::{PATIENCE, Setup, names};

fn refused(received: &tidegate::receiver::Received) -> usize {
    let too_large = |outcome: &Outcome| *outcome == Outcome::Answered(413);
    received.outcomes().iter().filter(|outcome| too_large(outcome)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_fit_a_limit_that_moves() {
    let mut world = Setup::one().start().await;
    for (round, bytes) in [300_000, 60_000, 8_000, 200_000, 3_000, 500_000].into_iter().enumerate()
    {
        world.sole().faults().change(|rules| rules.body_limit = BodyLimit::decoded(bytes));
        world.send(&names(&format!("m{round}"), 0..3_000)).await;
        world.settled("default").await;
    }
    let end = world.end_clean().await;
    assert_eq!(end.received.totals.tuples, 18_000, "each once: a 413 keeps nothing");
    assert!(refused(&end.received) > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_was_learnt_is_rarely_run_into_again() {
    let mut world = Setup::one().start().await;
    world.sole().faults().change(|rules| rules.body_limit = BodyLimit::decoded(50_000));
    world.send(&names("learn", 0..5_000)).await;
    world.settled("default").await;
    let learnt = refused(&world.sole().received());
    assert!(learnt >= 1);
    world.send(&names("known", 0..5_000)).await;
    let end = world.end_clean().await;
    let accepted = end.received.accepted().count();
    let again = refused(&end.received) - learnt;
    assert!(again * 5 <= accepted, "{again} refusals beside {accepted} deliveries");
    // Close to what is possible, not a fraction of it.
    assert!(end.received.largest_accepted() > 25_000, "{}", end.received.largest_accepted());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_limit_is_gone_deliveries_grow_back() {
    let mut world = Setup::one().start().await;
    world.sole().faults().change(|rules| rules.body_limit = BodyLimit::decoded(20_000));
    world.send(&names("small", 0..2_000)).await;
    world.settled("default").await;
    let small = world.sole().received().largest_accepted();
    assert!(small <= 20_000);
    world.sole().faults().change(|rules| rules.body_limit = BodyLimit::default());
    // It forgets slowly: give it deliveries to grow with, and see that it does in the end.
    for part in 0..40 {
        world.send(&names(&format!("large{part}"), 0..3_000)).await;
        world.settled("default").await;
        if world.sole().received().largest_accepted() > 200_000 {
            break;
        }
    }
    let end = world.end_clean().await;
    assert!(end.received.largest_accepted() > 200_000, "{}", end.received.largest_accepted());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lone_tuple_over_the_limit_is_a_dead_letter_and_the_rest_arrives() {
    let mut world = Setup::one().start().await;
    world.sole().faults().change(|rules| rules.body_limit = BodyLimit::decoded(5_000));
    world.send(&names("before", 0..50)).await;
    world.send_large("giant", 9_000).await;
    world.send(&names("after", 0..50)).await;
    let end = world.end(&["giant"]).await;
    assert_eq!(end.letters[0].status(), 413);
    assert!(end.letters[0].text("answer").contains("exceeds the size limit of 5000 bytes"));
    assert_eq!(end.letters[0].text("source"), "shop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lone_tuple_over_the_limit_needs_nobody_else_to_be_accepted() {
    let mut world = Setup::one().start().await;
    world.sole().faults().change(|rules| rules.body_limit = BodyLimit::decoded(1_000));
    world.send_large("giant", 9_000).await;
    world.sole().wait_for(PATIENCE, |seen| seen.totals.requests >= 1).await.unwrap();
    world.end(&["giant"]).await;
}
