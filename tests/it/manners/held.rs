//! What somebody has to mend: a wrong key, a redirect, an encoding nobody takes, a receiver that
//! refuses everything. All of it waits, and nothing is lost or dead-lettered.

use std::sync::Arc;
use std::time::Duration;

use tidegate::clock::ManualClock;
use tidegate::metric::timestamp::Timestamp;
use tidegate::receiver::{
    ApiKeys, BadEncoding, Encoding, Fault, KeyPlace, Options, Outcome, Receiver, Rules, Standing,
};

use super::world::{KEY, PATIENCE, Setup, names};

/// An hour of the runtime's clock passes while real sockets answer at once.
#[tokio::test]
async fn an_hour_with_a_wrong_key_ends_when_its_file_is_written_without_a_restart() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_unix(1_700_000_000, 0)));
    let setup = Setup::one().clock(clock.clone()).adjust(|config| {
        config.receivers[0].hold_probe = Duration::from_secs(30);
        config.receivers[0].retry_min = Duration::from_millis(200);
        config.receivers[0].retry_max = Duration::from_mins(1);
    });
    let mut world = setup.start().await;
    world.sole().faults().change(|rules| rules.api_keys = ApiKeys::only(["the-new-key"]));
    for part in 0..50 {
        world.send(&names("m", part * 2..(part + 1) * 2)).await;
    }
    let why = world.until_held("default").await;
    assert!(why.contains("403") && why.contains("api_key"), "{why}");

    let before = world.sole().received().totals.requests;
    tokio::time::pause();
    tokio::time::sleep(Duration::from_hours(1)).await;
    tokio::time::resume();
    clock.advance(Duration::from_hours(1));
    let seen = world.sole().received();
    let probes = seen.totals.requests - before;
    assert!((100..=121).contains(&probes), "{probes} probes in an hour, one every 30 s");
    assert!(seen.outcomes().iter().all(|outcome| *outcome == Outcome::Answered(403)));
    let told = world.ask("GET /receivers").await.json();
    assert_eq!(told[0]["books"]["queued"], 100, "all of it waits");
    assert_eq!(told[0]["lag_seconds"], 3600.0);

    world.write_key("the-new-key\n");
    world.sole().wait_for_tuples(100, PATIENCE).await.unwrap();
    world.until_well().await;
    let end = world.end_clean().await;
    assert_eq!(end.received.totals.tuples, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_holds_and_is_never_followed() {
    let elsewhere = Receiver::start(Options { rules: Rules::for_key(KEY), ..Options::for_tests() })
        .await
        .unwrap();
    let mut world = Setup::one().start().await;
    for code in [301, 302, 307, 308] {
        let fault = Fault::redirect(code, &format!("{}?api_key={KEY}", elsewhere.url()));
        world.sole().faults().stand(Standing::always(fault));
        let before = world.sole().received().totals.requests;
        world.send(&names(&format!("m{code}"), 0..10)).await;
        world.until_held_by("default", &format!("HTTP {code}")).await;
        let probed = |seen: &tidegate::receiver::Received| seen.totals.requests >= before + 3;
        world.sole().wait_for(PATIENCE, probed).await.unwrap();
    }
    assert_eq!(elsewhere.received().totals.connections, 0);
    world.sole().faults().stand(Standing::always(Fault::Pass));
    let end = world.end_clean().await;
    assert_eq!(end.received.totals.tuples, 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encoding_that_is_refused_is_stepped_down_from_and_not_tried_again() {
    for bad_encoding in [BadEncoding::BadRequest, BadEncoding::UnsupportedMediaType] {
        for (taken, steps) in [(Encoding::Gzip, 1), (Encoding::Identity, 2)] {
            // One at a time: two in flight at the first refusal would be refused both.
            let mut world = Setup::one().keys("concurrency = 1\n").start().await;
            world.sole().faults().change(|rules| {
                rules.encodings = vec![taken];
                rules.bad_encoding = bad_encoding;
            });
            for part in 0..10 {
                world.send(&names("m", part * 10..(part + 1) * 10)).await;
                let tuples = u64::from((part + 1) * 10);
                world.sole().wait_for_tuples(tuples, PATIENCE).await.unwrap();
            }
            let end = world.end_clean().await;
            let refused = end.received.requests.iter().filter(|seen| !seen.is_accepted()).count();
            assert_eq!(refused, steps, "{bad_encoding:?} {taken:?}");
            assert_eq!(end.received.encodings().into_iter().collect::<Vec<_>>(), [taken.name()]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_every_encoding_is_refused_it_holds_and_any_that_is_taken_again_will_do() {
    for encoding in Encoding::ALL {
        let mut world = Setup::one().start().await;
        world.sole().faults().change(|rules| rules.encodings = Vec::new());
        world.send(&names("m", 0..100)).await;
        world.until_held("default").await;
        let tried = |seen: &tidegate::receiver::Received| seen.totals.requests >= 8;
        world.sole().wait_for(PATIENCE, tried).await.unwrap();
        assert_eq!(world.count("default", "queued").await, 100);
        world.sole().faults().change(|rules| rules.encodings = vec![encoding]);
        world.send(&names("more", 0..10)).await;
        let end = world.end_clean().await;
        assert_eq!(end.received.totals.tuples, 110, "{encoding:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encoding_that_was_taken_and_is_refused_later_gives_way_as_well() {
    for bad_encoding in [BadEncoding::BadRequest, BadEncoding::UnsupportedMediaType] {
        let mut world = Setup::one().start().await;
        world.sole().faults().change(|rules| rules.bad_encoding = bad_encoding);
        for taken in
            [vec![Encoding::Deflate], vec![], vec![Encoding::Deflate], vec![Encoding::Identity]]
        {
            let prefix = format!("m{}", world.accepted().len());
            world.sole().faults().change(|rules| rules.encodings.clone_from(&taken));
            world.send(&names(&prefix, 0..10)).await;
            if taken.is_empty() {
                world.until_held("default").await;
            } else {
                world.settled("default").await;
            }
        }
        let end = world.end_clean().await;
        assert_eq!(end.received.totals.tuples, 40, "{bad_encoding:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_refuses_everything_holds_and_nothing_is_a_dead_letter() {
    for code in [400, 422] {
        let mut world = Setup::one().start().await;
        world.sole().faults().stand(Standing::always(Fault::saying(code, "we take nothing")));
        for part in 0..10 {
            world.send(&names("m", part * 30..(part + 1) * 30)).await;
        }
        world.until_held("default").await;
        let tried = |seen: &tidegate::receiver::Received| seen.totals.requests >= 60;
        world.sole().wait_for(PATIENCE, tried).await.unwrap();
        assert_eq!(world.count("default", "queued").await, 300);
        assert!(world.letters("default").is_empty());
        world.sole().faults().stand(Standing::always(Fault::Pass));
        world.settled("default").await;
        world.until_well().await;
        let end = world.end_clean().await;
        assert_eq!(end.received.totals.tuples, 300, "{code}: each once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_becomes_wrong_while_it_delivers_loses_nothing() {
    let mut world = Setup::one().start().await;
    for round in 0..6 {
        let key = if round % 2 == 0 { KEY } else { "another" };
        world.sole().faults().change(|rules| rules.api_keys = ApiKeys::only([key]));
        world.send(&names(&format!("m{round}"), 0..50)).await;
        if round % 2 == 1 {
            world.until_held("default").await;
        }
    }
    world.sole().faults().change(|rules| rules.api_keys = ApiKeys::only([KEY]));
    let end = world.end_clean().await;
    assert!(end.received.requests.iter().all(|seen| seen.key == KeyPlace::Query));
    assert_eq!(end.received.totals.tuples, 300);
}
