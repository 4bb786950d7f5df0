//! Endurance: real gateways are killed and stopped on a real disk while clients send and the receiver
//! misbehaves; then everything acknowledged must have arrived (contract C5.1, C5.2, C7).
//!
//! Shared by the tests and by the long run (`benches/endure.rs`).

pub(crate) mod blows;
pub(crate) mod books;
pub(crate) mod client;
pub(crate) mod gateway;
pub(crate) mod letters;
pub(crate) mod place;
pub(crate) mod receiver;
pub(crate) mod script;
pub(crate) mod tally;
pub(crate) mod verdict;

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use blows::Until;
use books::Books;
use client::TOKEN;
use gateway::Gateway;
use letters::Letter;
use receiver::Receiver;
use script::{Act, Script};
use tally::Tally;
use verdict::{Dead, Verdict};

/// Longest wait for anything: a run fails by it, and never passes by it.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// One run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) clients: usize,
    /// `queue.durability`
    pub(crate) durability: &'static str,
    /// One request of so many has a metric that no receiver takes; `None`: none has.
    pub(crate) poison_every: Option<u64>,
    /// Most acknowledgements between two blows.
    pub(crate) answers_max: u64,
    pub(crate) until: Until,
    pub(crate) weather: Weather,
    /// How long nothing may arrive in the end before what is missing counts as lost.
    pub(crate) silence: Duration,
}

/// How the receiver is, until everything is to be drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Well and unwell by turns.
    Changing,
    /// Down.
    Down,
}

/// Settings for a gateway that delivers to this receiver: short waits, small segments.
pub(crate) fn config(receiver: &Receiver, queue: &str) -> String {
    format!(
        "listen = \"127.0.0.1:0\"\nhostname = \"gateway\"\ndata_dir = \"data\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n\
         [[sources]]\nname = \"endure\"\ntoken = \"{TOKEN}\"\n\
         [receiver]\nurl = \"http://{}/stsAgent/intake\"\napi_key = \"k\"\n\
         timeout = \"1s\"\nconnect_timeout = \"1s\"\nretry_min = \"5ms\"\nretry_max = \"50ms\"\nhold_probe = \"1s\"\n\
         [limits]\nrequests_per_minute = 0\n[shutdown]\ngrace = \"2s\"\n\
         [queue]\n{queue}\n",
        receiver.address
    )
}

/// Sends, kills, drains and judges.
pub(crate) async fn run(plan: Plan) -> Verdict {
    let began = Instant::now();
    let mut random = Rng::with_seed(plan.seed);
    let directory = place::on_a_disk();
    let tally = Arc::new(Tally::with_poison(plan.poison_every));
    let script = Arc::new(match plan.weather {
        Weather::Changing => Script::changing(random.u64(..)),
        Weather::Down => Script::fixed(Act::Refuse(503)),
    });
    let receiver = Receiver::start(Arc::clone(&script), Arc::clone(&tally)).await;
    let is_durable = plan.durability != "memory";
    let mut queue = format!("durability = \"{}\"\n", plan.durability);
    if is_durable {
        queue.push_str("segment_bytes = \"4MiB\"\nmin_free_bytes = 0");
    }
    let mut gateway = Gateway::new(directory.path(), &config(&receiver, &queue));
    gateway.start().await;

    let stop = watch::Sender::new(false);
    let mut clients = JoinSet::new();
    for _ in 0..plan.clients {
        let (tally, addresses) = (Arc::clone(&tally), gateway.addresses());
        clients.spawn(client::run(tally, addresses, stop.subscribe(), random.fork()));
    }
    let dealt = blows::deal(&mut gateway, &tally, &mut random, plan.answers_max, plan.until).await;
    stop.send_replace(true);
    while let Some(ended) = clients.join_next().await {
        ended.expect("a client does not panic");
    }

    script.heal();
    drain(&tally, plan.silence).await;
    let books = match (*gateway.addresses().borrow()).and_then(|found| found.admin) {
        // What was in it of requests without an answer has arrived now, too.
        Some(admin) if is_durable => Some(Books::emptied(admin).await),
        _ => None,
    };
    let last_end = gateway.stop().await;
    let files = is_durable.then(|| gateway.verified());
    let letters = letters::read(&directory.path().join("data/dead-letters/default"));
    let dead = Dead {
        letters: letters.iter().map(Letter::name).collect(),
        expected: tally.poisoned_ids(),
    };
    Verdict {
        plan,
        took: began.elapsed(),
        dealt,
        counts: tally.counts(),
        faults: tally.faults(),
        dead: is_durable.then_some(dead),
        whole_ids: tally.whole_ids(),
        panics: gateway.panics(),
        log: gateway.log(),
        acts: receiver.acts(),
        books,
        last_end,
        files,
    }
}

/// Waits until everything acknowledged has arrived, or nothing arrives any more.
async fn drain(tally: &Tally, silence: Duration) {
    loop {
        let before = tally.counts().arrived_ids;
        let done = tally.within(silence, |now| now.waiting_ids == 0).await;
        if done || tally.counts().arrived_ids == before {
            return;
        }
    }
}
