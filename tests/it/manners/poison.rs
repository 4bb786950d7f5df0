//! Tuples that no receiver would take: found, and set aside with the answer that refused them.

use tidegate::receiver::{Fault, Outcome, Poison, Standing};

use super::world::{PATIENCE, Setup, World, names};

fn poison(world: &World) {
    world.sole().faults().change(|rules| {
        rules.poisons = vec![Poison::begins("bad").saying("metrics[7]: \"bad\" is not welcome")];
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_poison_among_9_999_is_found_by_halving() {
    // The first is the worst case: everything else is posted, half by half.
    for place in [0, 4_711] {
        let mut world = Setup::one().start().await;
        poison(&world);
        let mut all = names("m", 0..9_999);
        all[place] = "bad.apple".to_owned();
        world.send(&all).await;
        let end = world.end(&["bad.apple"]).await;
        let requests = end.received.requests.len();
        let bound = (2.0 * 9_999_f64.log2() + 1.0).floor() as usize;
        assert!(requests - 1 <= bound, "{requests} requests for the one at {place}");
        let [letter] = end.letters.as_slice() else { panic!("{:?}", end.letters) };
        assert_eq!(letter.status(), 400);
        assert!(letter.text("answer").contains("\"bad\" is not welcome"), "{letter:?}");
        assert_eq!(letter.text("source"), "shop");
        assert_eq!(end.received.totals.tuples, 9_998, "everything else once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_poisons_of_several_sources_are_each_set_aside_under_their_own() {
    let sources = ["shop", "till", "door"];
    let mut world = Setup::one().sources(&sources).start().await;
    poison(&world);
    // All of it in few leases, so that poison and the rest meet.
    world.sole().faults().script(std::iter::repeat_n(Fault::status(503), 3));
    let mut dead = Vec::new();
    for (nth, source) in sources.into_iter().enumerate() {
        let mut all = names(source, 0..400);
        for place in [0, 13 * (nth + 1), 14 * (nth + 1), 399] {
            all[place] = format!("bad.{source}.{place}");
            dead.push(all[place].clone());
        }
        world.send_as(source, &all).await;
    }
    let end = world.end(&dead).await;
    for letter in &end.letters {
        let name = letter.name();
        assert_eq!(name.split('.').nth(1), Some(letter.text("source")), "{name}");
    }
    assert_eq!(end.received.totals.tuples, 1_188);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_of_nothing_but_poison_is_held_until_other_data_shows_that_it_is_the_tuples() {
    let mut world = Setup::one().start().await;
    poison(&world);
    let dead = names("bad", 0..5);
    world.send(&dead).await;
    world.until_held("default").await;
    let probed = |seen: &tidegate::receiver::Received| seen.totals.requests >= 20;
    world.sole().wait_for(PATIENCE, probed).await.unwrap();
    assert!(world.letters("default").is_empty(), "nobody has said that anything is well");
    assert_eq!(world.count("default", "queued").await, 5);
    world.send(&names("good", 0..50)).await;
    let end = world.end(&dead).await;
    assert_eq!(end.received.totals.tuples, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_poison_than_a_halving_bears_is_held_and_released_as_well() {
    let mut world = Setup::one().start().await;
    poison(&world);
    let dead = names("bad", 0..60);
    world.send(&dead).await;
    world.until_held("default").await;
    // Evidence wears out: each acceptance settles sixteen of them at most, each of which is asked about
    // before it and after it.
    let mut sent = 0;
    while world.count("default", "queued").await > 0 {
        world.send(&names("good", sent..sent + 1)).await;
        sent += 1;
        let good = u64::from(sent);
        world.until_count("default", "delivered_total", |delivered| delivered == good).await;
    }
    world.until_well().await;
    world.end(&dead).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acceptance_before_the_first_refusal_is_no_evidence() {
    let mut world = Setup::one().start().await;
    world.send(&names("early", 0..10)).await;
    world.sole().wait_for_tuples(10, PATIENCE).await.unwrap();
    world.sole().faults().stand(Standing::always(Fault::status(400)));
    world.send(&["lone"]).await;
    world.until_held("default").await;
    assert!(world.letters("default").is_empty());
    world.sole().faults().stand(Standing::always(Fault::Pass));
    let end = world.end_clean().await;
    assert_eq!(end.received.totals.tuples, 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_and_trouble_together_dead_letter_the_poison_alone() {
    let mut world = Setup::one().start().await;
    poison(&world);
    // Halving meets everything else in between; 503 is no verdict about a tuple.
    world.sole().faults().stand(Standing::by_turns(Fault::status(503), 2, 1));
    let mut all = names("m", 0..500);
    for place in [3, 4, 250, 499] {
        all[place] = format!("bad.{place}");
    }
    world.send(&all).await;
    let end = world.end(&["bad.3", "bad.4", "bad.250", "bad.499"]).await;
    assert!(end.received.outcomes().contains(&Outcome::Answered(503)));
    assert_eq!(end.received.totals.tuples, 496);
}
