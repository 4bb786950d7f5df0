//! Killed while it looks for bad tuples.

use std::time::Duration;

use tidegate::receiver::Fault;

use super::super::world::{PATIENCE, names};
use super::process::{BAD, Process};

/// 16 metrics of which two are bad, all of one request.
fn batch(number: u32) -> Vec<String> {
    let mut all = names(&format!("m{number}"), 0..16);
    for place in [3, 12] {
        all[place] = format!("{BAD}.{number}.{place}");
    }
    all
}

/// When the gateway dies.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// The receiver has the request and will not answer it.
    Unanswered,
    /// The receiver has just seen the request, and answers it.
    Answered,
}

/// Kills a gateway at the first, second, third request of a halving and so on, until there are no more.
async fn at_every_request(death: Death) {
    let mut process = Process::new().await;
    process.gateway.start().await;
    let mut step = 0;
    loop {
        let before = process.receiver.received().totals.requests;
        let last = match death {
            Death::Unanswered => Fault::Hang,
            Death::Answered => Fault::Pass,
        };
        let script = std::iter::repeat_n(Fault::Pass, step as usize).chain([last]);
        process.receiver.faults().script(script);
        process.send(&batch(step)).await;
        let wanted = before + u64::from(step) + 1;
        let seen = process.receiver.wait_for(PATIENCE, |seen| seen.totals.requests >= wanted);
        tokio::select! {
            _ = process.settled() => break,
            seen = seen => drop(seen.unwrap()),
        }
        process.gateway.kill();
        assert_eq!(process.receiver.faults().scripted(), 0);
        process.gateway.start().await;
        process.settled().await;
        step += 1;
    }
    assert!(step >= 8, "a halving has more requests than {step}");
    process.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_before_the_answer_to_each_request_of_a_halving() {
    at_every_request(Death::Unanswered).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_each_request_of_a_halving() {
    at_every_request(Death::Answered).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_as_soon_as_its_letters_stand_on_the_disk() {
    let mut process = Process::new().await;
    process.gateway.start().await;
    for number in 0..5 {
        let before = process.letters().len();
        process.send(&batch(number)).await;
        let appeared = async {
            while process.letters().len() == before {
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
        };
        tokio::time::timeout(PATIENCE, appeared).await.expect("a letter");
        process.gateway.kill();
        process.gateway.start().await;
        process.settled().await;
    }
    process.judge().await;
}
