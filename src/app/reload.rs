//! Change without a restart: the configuration is read again and takes effect as a whole, or not at all.
//!
//! ```text
//! origin       the file, and how it is read once more
//! watch        whether it, or a file that it names, holds something else
//! compare      what another configuration changes, in words; `effect` says of each key whether it waits
//!              for a restart
//! held         what waits for a restart because of something else that does
//! live         the parts that change: everything that can fail is made first, then all is swapped
//! expiry       a word about tokens that expire
//! ```
//!
//! One task does it, one time after the other, whoever asks: SIGHUP, the watch, or `POST /-/reload`. A
//! configuration that is refused changes nothing, and log, `/status` and `/metrics` say so until it is cured.
//! What needs a restart stays as it was and is named, now and at every later time until the restart.

use std::time::Duration;

use tokio::sync::{mpsc, watch as channel};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::signal::Hangups;
use crate::admin::{Asked, Desk, Reloaded};
use crate::config::{Config, Loaded, Problems, expiring};
use crate::metric::timestamp::Timestamp;
use crate::observe::Level;

mod compare;
mod effect;
mod expiry;
mod held;
mod live;
mod origin;
mod watch;

pub(super) use live::Live;
pub use origin::Origin;

use compare::{Picture, difference};
use expiry::Reminders;
use held::Held;
use watch::{Prints, Watch};

/// Longest wait for the configuration: it may lie, or name a file, on a share that is gone.
const READ_WAIT_MAX: Duration = Duration::from_secs(5);

/// Time between two looks at what should be said again.
const REMIND_EVERY: Duration = Duration::from_hours(1);

/// Time between two looks at tokens that may have run out.
const EXPIRY_EVERY: Duration = Duration::from_secs(10);

/// What a gateway is changed by; nothing by default.
#[derive(Debug, Default)]
pub struct Upkeep {
    /// Where its configuration comes from.
    pub origin: Option<Origin>,
    /// SIGHUP.
    pub hangups: Option<Hangups>,
    /// What is logged.
    pub level: Option<Level>,
}

/// The task, before it runs.
pub(super) struct Reloader {
    origin: Option<Origin>,
    hangups: Option<Hangups>,
    watch: Watch,
    asked: Option<mpsc::Receiver<Asked>>,
    tell: Option<channel::Sender<Reloaded>>,
    /// A reading that was not waited for to its end.
    reading: Option<JoinHandle<Read>>,
    reminders: Reminders,
    level: Option<Level>,
}

/// What a reading brings.
type Read = (Result<Loaded, Problems>, Prints);

/// The configuration in effect.
struct Effective {
    config: Config,
    picture: Picture,
}

/// Who wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Signal,
    Files,
    Asked,
}

impl Cause {
    fn as_str(self) -> &'static str {
        match self {
            Self::Signal => "SIGHUP",
            Self::Files => "a file changed",
            Self::Asked => "POST /-/reload",
        }
    }
}

impl Reloader {
    /// A task to be, and where it can be asked.
    pub(super) fn new(upkeep: Upkeep, now: Timestamp) -> (Self, Desk) {
        let Upkeep { origin, hangups, level } = upkeep;
        let succeeded_s = u64::try_from(now.seconds()).unwrap_or_default();
        let first = Reloaded { at: Some(now), succeeded_s, ..Reloaded::default() };
        let (desk, asked, tell) = if origin.is_some() {
            let (desk, asked, tell) = Desk::open(first);
            (desk, Some(asked), Some(tell))
        } else {
            (Desk::closed(first), None, None)
        };
        let prints = origin.as_ref().map(|origin| origin.prints.clone());
        let watch = Watch::new(prints.unwrap_or_default());
        let reminders = Reminders::default();
        let reloader =
            Self { origin, hangups, watch, asked, tell, reading: None, reminders, level };
        (reloader, desk)
    }

    /// What changes what is logged.
    pub(super) fn level(&self) -> Option<Level> {
        self.level.clone()
    }

    /// Runs until it is dropped. `config` is what is in effect.
    pub(super) async fn run(mut self, config: Config, live: Live) {
        let picture = self.origin.as_ref().map(|origin| Picture::of(&origin.settings));
        let mut now = Effective { config, picture: picture.unwrap_or_default() };
        let mut remind = interval(REMIND_EVERY);
        remind.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut expiry = interval(EXPIRY_EVERY);
        expiry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let reload = now.config.reload;
            let is_watched = self.origin.is_some() && reload.watch;
            tokio::select! {
                () = next(&mut self.hangups) => {
                    self.reload(&mut now, &live, Cause::Signal).await;
                }
                Some(asked) = receive(&mut self.asked) => {
                    let reloaded = self.reload(&mut now, &live, Cause::Asked).await;
                    // Whoever asked may have gone.
                    drop(asked.send(reloaded));
                }
                () = self.watch.changed(reload.interval), if is_watched => {
                    self.reload(&mut now, &live, Cause::Files).await;
                }
                _ = remind.tick() => self.remind(),
                _ = expiry.tick() => self.remind_of_tokens(&now, &live),
            }
        }
    }

    async fn reload(&mut self, now: &mut Effective, live: &Live, cause: Cause) -> Reloaded {
        let by = cause.as_str();
        if self.origin.is_none() {
            tracing::warn!(
                "{by}: this gateway runs without a configuration file, nothing is read again"
            );
            return Reloaded::default();
        }
        let outcome = self.outcome(now, live).await;
        let at = live.clock.now();
        let mut reloaded = outcome.unwrap_or_else(|problems| Reloaded {
            problems,
            needs_restart: self.last().needs_restart,
            ..Reloaded::default()
        });
        reloaded.at = Some(at);
        reloaded.succeeded_s = if reloaded.is_ok() {
            u64::try_from(at.seconds()).unwrap_or_default()
        } else {
            self.last().succeeded_s
        };
        announce(by, &reloaded);
        if let Some(tell) = &self.tell {
            tell.send_replace(reloaded.clone());
        }
        self.remind_of_tokens(now, live);
        reloaded
    }

    /// What changed; or all that is wrong, and then nothing has.
    async fn outcome(&mut self, now: &mut Effective, live: &Live) -> Result<Reloaded, Vec<String>> {
        let loaded = self.read().await?;
        let origin = self.origin.as_ref().expect("whoever has none does not get here");
        let (next, picture) = (loaded.config, Picture::of(&loaded.settings));
        let held = Held::of(&now.config, &next);
        let mut told = difference((&now.config, &now.picture), (&next, &picture), &held);
        told.needs_restart.retain(|name| !origin.is_decided(name.trim_matches('`')));
        let merged = held::merged(&now.config, &next, &held);
        let one = |problem: String| vec![problem];
        let judged = timeout(READ_WAIT_MAX, live.judge(&now.config, merged, &held)).await;
        let judged = judged.unwrap_or_else(|_| Err(too_long()));
        // What it made ready for sources that do not come.
        let judged = judged.inspect_err(|_| live.forget_all_but(&now.config)).map_err(one)?;
        let (config, more) = live.take(&now.config, judged).map_err(one)?;
        told.changed.extend(more);
        live.tell_commands(&now.config, &config, READ_WAIT_MAX).await;
        now.config = config;
        now.picture = now.picture.merged(&picture, &held);
        let mut warnings = loaded.warnings;
        warnings.extend(held.warnings());
        let expiring = expiring(&now.config.sources, live.clock.now());
        warnings.extend(expiring.into_iter().map(|expiring| expiring.text));
        // They go into the log with the other warnings.
        self.reminders.due(&now.config.sources, &*live.clock);
        Ok(Reloaded {
            changed: told.changed,
            needs_restart: told.needs_restart,
            warnings,
            ..Reloaded::default()
        })
    }

    /// The configuration, off the reactor. One reading at a time: a file that hangs takes one thread.
    async fn read(&mut self) -> Result<Loaded, Vec<String>> {
        let too_long = || vec![too_long()];
        if let Some(stuck) = &mut self.reading {
            // What it brings was true when it was asked for.
            drop(timeout(READ_WAIT_MAX, stuck).await.map_err(|_| too_long())?);
            self.reading = None;
        }
        let origin = self.origin.clone().expect("whoever has none does not get here");
        let seen = self.watch.seen().clone();
        let reading = self.reading.insert(spawn_blocking(move || origin.load(&seen)));
        let read = timeout(READ_WAIT_MAX, reading).await.map_err(|_| too_long())?;
        self.reading = None;
        let (loaded, prints) =
            read.map_err(|error| vec![format!("reading it met a bug of the gateway: {error}")])?;
        self.watch.follow(prints);
        loaded.map_err(|problems| problems.lines())
    }

    fn last(&self) -> Reloaded {
        self.tell.as_ref().map(|tell| tell.borrow().clone()).unwrap_or_default()
    }

    fn remind(&self) {
        let last = self.last();
        if let (false, Some(problem)) = (last.is_ok(), last.problems.first()) {
            tracing::warn!(
                problems = last.problems.len(),
                "the configuration still cannot be used, the one before is in effect: {problem}"
            );
        }
    }

    fn remind_of_tokens(&mut self, now: &Effective, live: &Live) {
        for text in self.reminders.due(&now.config.sources, &*live.clock) {
            tracing::warn!("{text}");
        }
    }
}

fn too_long() -> String {
    format!(
        "reading it takes longer than {}: the configuration, or a file that it names, lies where nothing \
         answers",
        humantime::format_duration(READ_WAIT_MAX)
    )
}

fn announce(by: &str, reloaded: &Reloaded) {
    if !reloaded.is_ok() {
        let problems = reloaded.problems.len();
        tracing::error!(
            problems,
            "{by}: the configuration cannot be used, the one before stays in effect"
        );
        for problem in &reloaded.problems {
            tracing::error!("{problem}");
        }
        return;
    }
    for warning in &reloaded.warnings {
        tracing::warn!("{warning}");
    }
    for name in &reloaded.needs_restart {
        tracing::warn!("{name} needs a restart: until then it stays what it was");
    }
    let changed = if reloaded.changed.is_empty() {
        "nothing changed".to_owned()
    } else {
        reloaded.changed.join("; ")
    };
    tracing::info!(
        changes = reloaded.changed.len(),
        needs_restart = reloaded.needs_restart.len(),
        "{by}: the configuration was read again: {changed}"
    );
}

async fn next(hangups: &mut Option<Hangups>) {
    match hangups {
        Some(hangups) => hangups.next().await,
        None => std::future::pending().await,
    }
}

async fn receive(asked: &mut Option<mpsc::Receiver<Asked>>) -> Option<Asked> {
    match asked {
        Some(asked) => asked.recv().await,
        None => std::future::pending().await,
    }
}
