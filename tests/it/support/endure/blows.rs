//! What happens to a gateway that has work to do: it is killed, stopped for a while, asked to end,
//! and started again.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use rustix::process::Signal;
use tokio::time::{Instant, sleep, timeout};

use super::gateway::Gateway;
use super::tally::Tally;

/// The longest pause of a stopped process, and the longest time a start is left alone.
const PAUSE_MS_MAX: u64 = 120;
const START_MS_MAX: u64 = 60;

/// One thing that happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Blow {
    /// SIGKILL at work.
    Kill,
    /// SIGKILL at work, and again while it starts.
    KillWhileStarting,
    /// SIGSTOP, and SIGCONT a while later.
    Pause,
    /// SIGSTOP, and SIGKILL a while later.
    KillWhilePaused,
    /// SIGTERM.
    Term,
}

/// When there were enough.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// So many SIGKILLs.
    Kills(u64),
    /// So much time.
    Time(Duration),
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dealt {
    /// SIGKILLs.
    pub(crate) kills: u64,
    pub(crate) blows: BTreeMap<Blow, u64>,
    /// Ends by SIGTERM that were not exit code 0.
    pub(crate) bad_ends: Vec<String>,
}

impl Blow {
    fn random(random: &mut Rng) -> Self {
        match random.u32(..100) {
            0..60 => Self::Kill,
            60..75 => Self::KillWhileStarting,
            75..83 => Self::Pause,
            83..93 => Self::KillWhilePaused,
            _ => Self::Term,
        }
    }

    fn kills(self) -> u64 {
        match self {
            Self::Kill | Self::KillWhilePaused => 1,
            Self::KillWhileStarting => 2,
            Self::Pause | Self::Term => 0,
        }
    }
}

/// Deals blows to a running gateway, each after up to `answers_max` further acknowledgements; it runs
/// again when this returns.
pub(crate) async fn deal(
    gateway: &mut Gateway,
    tally: &Tally,
    random: &mut Rng,
    answers_max: u64,
    until: Until,
) -> Dealt {
    let mut dealt = Dealt::default();
    let began = Instant::now();
    let is_over = |dealt: &Dealt| match until {
        Until::Kills(kills) => dealt.kills >= kills,
        Until::Time(time) => began.elapsed() >= time,
    };
    while !is_over(&dealt) {
        let wanted = tally.counts().acknowledged + few_or_many(random, answers_max);
        tally.until("more is acknowledged", |now| now.acknowledged >= wanted).await;
        // Right behind an answer, or anywhere between two of them.
        if random.bool() {
            sleep(Duration::from_micros(random.u64(..5_000))).await;
        }
        let blow = Blow::random(random);
        strike(gateway, blow, random, &mut dealt).await;
        *dealt.blows.entry(blow).or_default() += 1;
        dealt.kills += blow.kills();
    }
    dealt
}

/// 1 to `max`, each order of magnitude as likely.
fn few_or_many(random: &mut Rng, max: u64) -> u64 {
    (max as f64).powf(random.f64()).round() as u64
}

async fn strike(gateway: &mut Gateway, blow: Blow, random: &mut Rng, dealt: &mut Dealt) {
    let pause = Duration::from_millis(random.u64(..PAUSE_MS_MAX));
    match blow {
        Blow::Kill => gateway.kill(),
        Blow::KillWhileStarting => {
            gateway.kill();
            gateway.spawn();
            let some_time = Duration::from_micros(random.u64(..START_MS_MAX * 1_000));
            timeout(some_time, gateway.ready()).await.ok();
            gateway.kill();
        }
        Blow::Pause => {
            gateway.signal(Signal::STOP);
            sleep(pause).await;
            return gateway.signal(Signal::CONT);
        }
        Blow::KillWhilePaused => {
            gateway.signal(Signal::STOP);
            sleep(pause).await;
            gateway.kill();
        }
        Blow::Term => {
            let status = gateway.stop().await;
            if !status.success() {
                dealt.bad_ends.push(format!("SIGTERM ended in {status}"));
            }
        }
    }
    gateway.start().await;
}
