//! Turns over paused time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::super::backoff::Backoff;
use super::super::pace::Word;
use super::super::phase::Drain;
use super::*;

mod storm;

const RETRY: Word = Word::Later { after: None };
const SECOND: Duration = Duration::from_secs(1);

fn gate(cap: usize) -> Arc<Gate> {
    let backoff = Backoff::new(Duration::from_millis(200), Duration::from_mins(1));
    Arc::new(Gate::new(Pace::new(backoff, Duration::from_secs(30)), Limit::new(cap)))
}

fn running() -> (watch::Sender<Stage>, Phase) {
    let (sender, receiver) = watch::channel(Stage::Running);
    (sender, Phase::new(receiver))
}

fn attempt(word: Word) -> Attempt {
    Attempt { word, latency: Duration::from_millis(5), bytes: 1_000 }
}

async fn one(gate: &Gate, phase: &Phase, word: Word) -> Change {
    let turn = gate.enter(Who::Other, phase).await.expect("no shutdown");
    turn.report(attempt(word), |_| {})
}

/// Lets the limit grow to `limit`.
async fn grow(gate: &Gate, phase: &Phase, limit: usize) {
    for _ in 0..1_000 {
        let mut turns = Vec::new();
        while let Ok(turn) = timeout(SECOND, gate.enter(Who::Other, phase)).await {
            turns.push(turn.expect("no shutdown"));
        }
        if turns.len() == limit {
            return;
        }
        for turn in turns {
            turn.report(attempt(Word::Accepted), |_| {});
        }
    }
    panic!("no limit of {limit}");
}

#[tokio::test(start_paused = true)]
async fn while_the_receiver_is_down_only_one_of_many_tries_per_wait() {
    let (gate, attempts, up) = (gate(16), Arc::new(AtomicUsize::new(0)), watch::channel(false));
    let (_stage, phase) = running();
    grow(&gate, &phase, 16).await;
    for _ in 0..16 {
        let (gate, attempts, phase) = (gate.clone(), attempts.clone(), phase.clone());
        let up = up.1.clone();
        tokio::spawn(async move {
            loop {
                let turn = gate.enter(Who::Other, &phase).await.unwrap();
                attempts.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(5)).await;
                let accepted = *up.borrow();
                turn.report(attempt(if accepted { Word::Accepted } else { RETRY }), |_| {});
                if accepted {
                    return;
                }
            }
        });
    }
    sleep(Duration::from_mins(10)).await;
    let tried = attempts.swap(0, Ordering::Relaxed);
    // The first round, the climb to the ceiling, then one in 30 s on average.
    assert!((25..=80).contains(&tried), "{tried} attempts in ten minutes");
    up.0.send_replace(true);
    sleep(Duration::from_secs(61)).await;
    let tried = attempts.load(Ordering::Relaxed);
    assert_eq!(tried, 16, "the first success lets all others go");
}

#[tokio::test(start_paused = true)]
async fn a_held_receiver_is_probed_in_turn_by_those_who_wait() {
    let gate = gate(4);
    let (_stage, phase) = running();
    one(&gate, &phase, Word::Never).await;
    assert_eq!(
        probes(&gate, &phase, [("a", Who::Other), ("b", Who::Other)], Word::Never, 125).await,
        [("a", 30), ("b", 60), ("a", 90), ("b", 120)]
    );
}

#[tokio::test(start_paused = true)]
async fn doubtful_ones_let_the_others_probe_first_and_then_take_turns_with_them() {
    let gate = gate(4);
    let (_stage, phase) = running();
    gate.suspect(1, |_| {});
    let names = [("s", Who::Doubtful), ("t", Who::Doubtful), ("a", Who::Other), ("b", Who::Other)];
    assert_eq!(
        probes(&gate, &phase, names, Word::Refused, 155).await,
        [("a", 0), ("s", 30), ("a", 60), ("t", 90), ("b", 120), ("s", 150)]
    );
}

#[tokio::test(start_paused = true)]
async fn the_first_fresh_delivery_after_a_suspicion_probes_at_once_whenever_it_comes() {
    for (word, after) in [(Word::Accepted, Duration::ZERO), (Word::Refused, SECOND * 30)] {
        let gate = gate(4);
        let (_stage, phase) = running();
        gate.suspect(1, |_| {});
        sleep(SECOND * 5).await;
        let started = Instant::now();
        // Given up before it began, it is still to be made.
        drop(gate.enter(Who::Other, &phase).await.unwrap());
        let early = gate.enter(Who::Other, &phase).await.unwrap();
        assert!(early.is_probe() && early.is_good() && started.elapsed().is_zero());
        early.report(attempt(word), |_| {});
        gate.suspect(1, |_| {});
        gate.enter(Who::Other, &phase).await.unwrap();
        assert_eq!(started.elapsed(), after, "{word:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_receiver_says_itself_makes_everybody_wait() {
    let gate = gate(4);
    let (_stage, phase) = running();
    grow(&gate, &phase, 2).await;
    let on_wire = gate.enter(Who::Other, &phase).await.unwrap();
    gate.suspect(100, |_| {});
    let early = gate.enter(Who::Other, &phase).await.unwrap();
    on_wire.report(attempt(Word::Never), |_| {});
    assert!(early.is_good(), "an answer of before");
    early.report(attempt(Word::Never), |_| {});
    let started = Instant::now();
    gate.enter(Who::Other, &phase).await.unwrap();
    assert_eq!(started.elapsed(), SECOND * 30);
}

/// Who probed when, in seconds, when every probe is answered like this.
async fn probes<const N: usize>(
    gate: &Arc<Gate>,
    phase: &Phase,
    names: [(&'static str, Who); N],
    word: Word,
    seconds: u64,
) -> Vec<(&'static str, u64)> {
    let (started, order) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
    for (name, who) in names {
        let (gate, phase, order) = (gate.clone(), phase.clone(), order.clone());
        tokio::spawn(async move {
            loop {
                let turn = gate.enter(who, &phase).await.unwrap();
                assert!(turn.is_probe());
                order.lock().unwrap().push((name, started.elapsed().as_secs()));
                turn.report(attempt(word), |_| {});
            }
        });
        tokio::task::yield_now().await;
    }
    sleep(Duration::from_secs(seconds)).await;
    order.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn no_more_pass_than_the_limit_says_and_the_longest_waiting_passes_first() {
    let gate = gate(2);
    let (_stage, phase) = running();
    let first = gate.enter(Who::Other, &phase).await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let (gate, phase) = (gate.clone(), phase.clone());
        waiting.push(tokio::spawn(async move {
            let turn = gate.enter(Who::Other, &phase).await.unwrap();
            sleep(SECOND).await;
            turn.report(attempt(Word::Accepted), |_| {});
            Instant::now()
        }));
        tokio::task::yield_now().await;
    }
    sleep(Duration::from_mins(1)).await;
    assert!(waiting.iter().all(|task| !task.is_finished()), "one is in flight, and one may be");
    let started = Instant::now();
    first.report(attempt(Word::Accepted), |_| {});
    let mut ended = Vec::new();
    for task in waiting {
        ended.push((task.await.unwrap() - started).as_secs());
    }
    assert_eq!(ended, [1, 1, 2], "two at once since that success");
}

#[tokio::test(start_paused = true)]
async fn a_turn_is_good_only_as_long_as_the_state_that_gave_it() {
    let gate = gate(4);
    let (_stage, phase) = running();
    grow(&gate, &phase, 4).await;
    let enter = || async { gate.enter(Who::Other, &phase).await.unwrap() };
    let (early, late) = (enter().await, enter().await);
    assert!(late.is_good());
    early.report(attempt(Word::Never), |_| {});
    assert!(!late.is_good(), "the receiver is held");
    drop(late);
    let probe = enter().await;
    assert!(probe.is_probe() && probe.is_good());
    let blocked = gate.block();
    assert!(!probe.is_good(), "nobody passes");
    drop(blocked);
    assert!(probe.is_good());
}

#[tokio::test(start_paused = true)]
async fn while_something_of_our_own_has_to_be_mended_nobody_passes() {
    let gate = gate(4);
    let (_stage, phase) = running();
    let (one, two) = (gate.block(), gate.block());
    assert!(timeout(SECOND * 3_600, gate.enter(Who::Other, &phase)).await.is_err());
    drop(one);
    assert!(timeout(SECOND * 3_600, gate.enter(Who::Other, &phase)).await.is_err());
    drop(two);
    assert!(gate.enter(Who::Other, &phase).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_probed_at_once() {
    let gate = gate(4);
    let (_stage, phase) = running();
    one(&gate, &phase, Word::Never).await;
    let started = Instant::now();
    let waiting = tokio::spawn({
        let (gate, phase) = (gate.clone(), phase.clone());
        async move { one(&gate, &phase, Word::Accepted).await.after }
    });
    sleep(SECOND).await;
    gate.retry_now();
    assert_eq!(waiting.await.unwrap(), Mode::Flowing);
    assert_eq!(started.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_grants_a_last_probe_and_then_ends_waits_that_lead_nowhere() {
    let gate = gate(4);
    let (stage, phase) = running();
    one(&gate, &phase, Word::Never).await;
    let started = Instant::now();
    let deadline = started + Duration::from_secs(10);
    stage.send_replace(Stage::Draining { what: Drain::All, deadline });
    gate.hurry();
    let last = gate.enter(Who::Other, &phase).await.expect("a last chance");
    last.report(attempt(Word::Never), |_| {});
    assert!(gate.enter(Who::Other, &phase).await.is_none(), "the next probe is after the deadline");
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_is_heard_by_whoever_waits() {
    let asked = Word::Later { after: Some(Duration::from_mins(5)) };
    for (what, word) in
        [(Drain::InFlight, Word::Accepted), (Drain::InFlight, asked), (Drain::All, asked)]
    {
        let gate = gate(1);
        let (stage, phase) = running();
        one(&gate, &phase, word).await;
        // In flight, so that the other one has to wait also where it flows.
        let _turn =
            if word == Word::Accepted { gate.enter(Who::Other, &phase).await } else { None };
        let waiting = tokio::spawn({
            let (gate, phase) = (gate.clone(), phase.clone());
            async move { gate.enter(Who::Other, &phase).await.is_none() }
        });
        tokio::task::yield_now().await;
        let deadline = Instant::now() + Duration::from_secs(10);
        // In the order of a forwarder: the bell rings before the stage is seen.
        gate.hurry();
        tokio::task::yield_now().await;
        stage.send_replace(Stage::Draining { what, deadline });
        let ended = timeout(SECOND, waiting).await;
        assert!(ended.expect("it hears of it").unwrap(), "{what:?} {word:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_given_up_leaves_its_turn_to_the_next() {
    let gate = gate(4);
    let (_stage, phase) = running();
    one(&gate, &phase, RETRY).await;
    let probe = gate.enter(Who::Other, &phase).await.unwrap();
    let waiting = tokio::spawn({
        let (gate, phase) = (gate.clone(), phase.clone());
        async move { gate.enter(Who::Other, &phase).await.unwrap().is_probe() }
    });
    tokio::task::yield_now().await;
    drop(probe);
    assert!(timeout(SECOND, waiting).await.unwrap().unwrap());
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_waiting_keeps_nobody_behind_it() {
    let gate = gate(1);
    let (_stage, phase) = running();
    let turn = gate.enter(Who::Other, &phase).await.unwrap();
    let enter = || {
        let (gate, phase) = (gate.clone(), phase.clone());
        tokio::spawn(async move { gate.enter(Who::Other, &phase).await.is_some() })
    };
    let (gone, behind) = (enter(), enter());
    tokio::task::yield_now().await;
    drop(turn);
    gone.abort();
    assert!(timeout(SECOND, behind).await.unwrap().unwrap());
}
