//! One job: a task for each of its targets, which scrapes it once in every interval.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::task::{AbortHandle, JoinError, JoinHandle, JoinSet, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout_at};

use super::Shared;
use super::counts::{JobCounts, Outcome};
use super::fetch::{Failure, Fetcher, Page};
use super::files::{Files, Seen};
use super::lines::Lines;
use super::page::{self, Health, Rules, Samples};
use super::target::Target;
use crate::budget::Grant;
use crate::config;
use crate::decode::labelled::{Clash, Timestamps};
use crate::metric::timestamp::Timestamp;
use crate::normalize::Profile;
use crate::queue::{AppendError, Entry};
use crate::quota::Quota;
use crate::tap::Piece;
use crate::traffic::Ledger;

/// Most targets of a job.
const TARGETS_MAX: usize = 10_000;

/// A job and its targets.
pub(super) struct Job {
    common: Arc<Common>,
    /// Those of the configuration.
    fixed: Vec<Target>,
    files: Files,
    /// A first look at the files that is not over yet.
    looking: Option<JoinHandle<Looked>>,
    /// How many there were when it was last said that they are too many.
    told_of: usize,
}

/// What the targets of a job have in common.
struct Common {
    job: config::Scrape,
    counts: Arc<JobCounts>,
    fetcher: Fetcher,
    rules: ArcSwap<Rules>,
    lines: Lines,
    ledger: Arc<Ledger>,
    shared: Arc<Shared>,
}

/// A job that runs, for whoever changes it.
#[derive(Clone)]
pub(super) struct Known(Arc<Common>);

impl Known {
    pub(super) fn job(&self) -> &config::Scrape {
        &self.0.job
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn counts(&self) -> Arc<JobCounts> {
        Arc::clone(&self.0.counts)
    }

    /// From its next scrapes on the tuples get the host name and tags of this profile.
    pub(super) fn change(&self, profile: Profile, quota: Option<Arc<Quota>>) {
        self.0.rules.store(Arc::new(rules(&self.0.job, profile, quota)));
    }
}

fn rules(job: &config::Scrape, profile: Profile, quota: Option<Arc<Quota>>) -> Rules {
    let clash = if job.honor_labels { Clash::Kept } else { Clash::Exported };
    let timestamps = if job.honor_timestamps { Timestamps::Taken } else { Timestamps::Ignored };
    Rules { profile, quota, clash, timestamps }
}

impl Job {
    /// Reads the files that name targets, unless that lasts beyond `until`: a file system may hang.
    pub(super) async fn new(
        job: config::Scrape,
        profile: Profile,
        fetcher: Fetcher,
        shared: Arc<Shared>,
        until: Instant,
    ) -> Self {
        let of_config = |address: &String| {
            Target::new(&job, address, &BTreeMap::new())
                .inspect_err(|why| {
                    let name = &*job.job;
                    tracing::warn!(job = name, "a target of job {name} is left out: {why}");
                })
                .ok()
        };
        let fixed = job.targets.iter().filter_map(of_config).collect();
        let rules = ArcSwap::from_pointee(rules(&job, profile, None));
        let counts = shared.counts.of(&job.job);
        let ledger = shared.traffic.of(job.book());
        let lines = Lines::default();
        let common = Arc::new(Common { job, counts, fetcher, rules, lines, ledger, shared });
        let (files, looking) = first_look(begin_look(Files::default(), &common), until).await;
        if looking.is_some() {
            let name = &*common.job.job;
            tracing::warn!(
                job = name,
                "target files of job {name} take long to read: it starts without their targets"
            );
        }
        Self { common, fixed, files, looking, told_of: 0 }
    }

    /// Tells how many targets it begins with.
    pub(super) fn tell_targets(&mut self) {
        let targets = self.targets();
        self.common.counts.has_targets(targets.len());
    }

    /// How it is known while it runs.
    pub(super) fn known(&self) -> Known {
        Known(Arc::clone(&self.common))
    }

    /// Scrapes until it is dropped.
    pub(super) async fn run(mut self) {
        let (mut tasks, mut running) = (JoinSet::new(), BTreeMap::new());
        let mut seen = Seen::Change;
        loop {
            if seen == Seen::Change {
                self.arrange(&mut tasks, &mut running);
            }
            if self.common.job.target_files.is_empty() {
                return std::future::pending().await;
            }
            let looking = if let Some(looking) = self.looking.take() {
                looking
            } else {
                sleep(self.common.shared.files_every).await;
                begin_look(std::mem::take(&mut self.files), &self.common)
            };
            (self.files, seen) = looked(looking.await).await;
        }
    }

    /// Ends the tasks of targets that are gone and begins those of new ones; the others notice nothing.
    fn arrange(&mut self, tasks: &mut JoinSet<()>, running: &mut BTreeMap<Target, AbortHandle>) {
        let targets = self.targets();
        running.retain(|target, task| {
            let stays = targets.contains(target);
            if !stays {
                task.abort();
            }
            stays
        });
        self.common.counts.has_targets(targets.len());
        for target in targets {
            running.entry(target).or_insert_with_key(|target| {
                tasks.spawn(scrape(Arc::clone(&self.common), Arc::new(target.clone())))
            });
        }
        while tasks.try_join_next().is_some() {}
    }

    /// One that is named twice is the same one.
    fn targets(&mut self) -> BTreeSet<Target> {
        let all = self.fixed.iter().chain(self.files.targets());
        let all: BTreeSet<_> = all.cloned().collect();
        let (count, name) = (all.len(), &*self.common.job.job);
        if count > TARGETS_MAX && count != self.told_of {
            tracing::warn!(
                job = name,
                targets = count,
                "job {name} has {count} targets: those beyond {TARGETS_MAX} are left out"
            );
            self.told_of = count;
        }
        all.into_iter().take(TARGETS_MAX).collect()
    }
}

/// The files after a look, and what it found.
type Looked = (Files, Seen);

fn begin_look(mut files: Files, common: &Arc<Common>) -> JoinHandle<Looked> {
    let common = Arc::clone(common);
    spawn_blocking(move || {
        let seen = files.look(&common.job);
        (files, seen)
    })
}

/// What a look found; the look itself where it is not over by `until`.
async fn first_look(
    mut look: JoinHandle<Looked>,
    until: Instant,
) -> (Files, Option<JoinHandle<Looked>>) {
    match timeout_at(until, &mut look).await {
        Ok(done) => (looked(done).await.0, None),
        Err(_) => (Files::default(), Some(look)),
    }
}

async fn looked(done: Result<Looked, JoinError>) -> Looked {
    match done {
        Ok(looked) => looked,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The end of the runtime drops what it did not begin.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Scrapes one target at its point of every interval. Points that pass while it is busy are left out.
async fn scrape(common: Arc<Common>, target: Arc<Target>) {
    let interval = common.job.interval;
    let first = Instant::now() + target.wait(common.shared.clock.now(), interval);
    let mut ticks = interval_at(first, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut state = State::Unknown;
    loop {
        ticks.tick().await;
        let outcome = common.scrape(&target).await;
        common.tell(&target, &mut state, &outcome);
        common.counts.ended(outcome.map_or_else(|failure| failure.outcome, |()| Outcome::Ok));
    }
}

/// What was last known of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unknown,
    Up,
    Down,
}

impl Common {
    /// One scrape, whose samples are in the queue when this returns. A failure of the target is in the
    /// queue as well, as `up` 0; one for want of room is not.
    async fn scrape(self: &Arc<Self>, target: &Arc<Target>) -> Result<(), Failure> {
        let Shared { queue, budget, clock, .. } = &*self.shared;
        // Nobody needs a page for which there is no room.
        queue.room()?;
        let (now, began) = (clock.now(), clock.monotonic());
        if let Some(quota) = &self.rules.load().quota {
            quota.admit(began).map_err(|over| {
                Failure::new(Outcome::OverQuota, format!("source {}: {over}", quota.name()))
            })?;
        }
        let page = match self.fetcher.fetch(&target.url, self.shared.body_bytes(), budget).await {
            Ok(page) => self.read(page, target, now).await,
            Err(failure) => Err(failure),
        };
        let (samples, failure) = match page {
            Ok((samples, grant)) => (Some((samples, grant)), None),
            Err(failure) if failure.outcome.is_dropped() => return Err(failure),
            Err(failure) => (None, Some(failure)),
        };
        let (samples, grant) =
            samples.map_or_else(|| (Samples::default(), None), |(some, grant)| (some, Some(grant)));
        let health = Health {
            is_up: failure.is_none(),
            duration_s: clock.monotonic().saturating_sub(began).as_secs_f64(),
            samples: samples.report.accepted + samples.report.rejected,
        };
        let health = page::health(health, target, &self.rules.load().profile, now);
        self.append(now, samples, health, grant).await?;
        failure.map_or(Ok(()), Err)
    }

    /// The samples of a page, on a thread that computes.
    async fn read(
        self: &Arc<Self>,
        page: Page,
        target: &Arc<Target>,
        now: Timestamp,
    ) -> Result<(Samples, Grant), Failure> {
        let workers = Arc::clone(&self.shared.workers);
        let turn = workers.acquire_owned().await.expect("the semaphore is never closed");
        let (common, target) = (Arc::clone(self), Arc::clone(target));
        let read = spawn_blocking(move || {
            let _turn = turn;
            let Shared { queue, clock, .. } = &*common.shared;
            page::read(page, &target, &common.rules.load(), (now, clock.monotonic()), queue)
        });
        // One page that meets a bug is no reason to scrape its target never again.
        read.await.unwrap_or_else(|error| {
            self.error(&format!("reading a page panicked: {error}"));
            Err(Failure::new(Outcome::Panicked, "its page met a bug of the gateway"))
        })
    }

    /// One entry with everything a scrape brings: whole or absent. Once begun it is not cut off with the
    /// scrape, so that what is counted is what the queue has.
    async fn append(
        self: &Arc<Self>,
        received: Timestamp,
        samples: Samples,
        health: Samples,
        grant: Option<Grant>,
    ) -> Result<(), Failure> {
        let queue = &self.shared.queue;
        let mut blocks = samples.blocks;
        blocks.extend(health.blocks.into_iter().map(|block| queue.keep(block)));
        let (bytes, session) = (samples.bytes, samples.session);
        let reports = [samples.report, health.report];
        let entry = Entry {
            source: Arc::clone(self.job.book()),
            received,
            blocks,
            target: None,
            accepted: reports.iter().map(|report| report.accepted).sum(),
            rejected: reports.iter().map(|report| report.rejected).sum(),
        };
        let under_way = Arc::clone(&self.shared.appends).acquire_owned().await;
        let under_way = under_way.map_err(|_| AppendError::Closed)?;
        let (shared, ledger) = (Arc::clone(&self.shared), Arc::clone(&self.ledger));
        let appended = tokio::spawn(async move {
            let piece = shared.tap.is_open().then(|| Piece::of(&entry.source, &entry.blocks));
            shared.queue.append(entry).await?;
            if let Some(piece) = piece {
                shared.tap.show(piece);
            }
            if let Some(session) = session {
                session.commit();
            }
            ledger.decided(bytes, &reports, received);
            for report in &reports {
                shared.counts.decided(report);
            }
            // The memory of a page is given back once the queue accounts for its tuples.
            drop((grant, under_way));
            Ok(())
        });
        appended.await.unwrap_or_else(|error| {
            self.error(&format!("the queue panicked: {error}"));
            Err(Failure::new(Outcome::Panicked, "its samples met a bug of the gateway"))
        })
    }

    /// Writes a line about a bug, unless there were too many lines.
    fn error(&self, text: &str) {
        if self.lines.may_write(self.shared.clock.monotonic()) {
            tracing::error!(job = &*self.job.job, "{text}");
        }
    }

    /// Writes a line when the state of a target changes, and now and then about scrapes that were
    /// dropped, which say nothing of their targets.
    fn tell(&self, target: &Target, state: &mut State, outcome: &Result<(), Failure>) {
        let (job, now) = (&*self.job.job, self.shared.clock.monotonic());
        if let Some(more) = self.lines.left_out(now) {
            tracing::warn!(job, more, "and {more} more lines about targets of job {job}");
        }
        match outcome {
            Err(Failure { outcome, why }) if outcome.is_dropped() => {
                if let Some(text) = self.shared.counts.dropped(now, why) {
                    tracing::warn!("{text}");
                }
                return;
            }
            Ok(()) if *state == State::Down && self.lines.may_write(now) => {
                let instance = target.instance();
                tracing::info!(job, instance, "{instance} of job {job} is up again");
            }
            Err(Failure { outcome, why }) if *state != State::Down && self.lines.may_write(now) => {
                let (instance, outcome) = (target.instance(), outcome.as_str());
                tracing::warn!(job, instance, outcome, "{instance} of job {job} is down: {why}");
            }
            // As it was, or too many others are not.
            Ok(()) | Err(_) => {}
        }
        *state = if outcome.is_ok() { State::Up } else { State::Down };
    }
}

impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        let outcome = match error {
            AppendError::Failed { .. } => Outcome::Failed,
            _ => Outcome::NoRoom,
        };
        Self::new(outcome, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_first_look_that_hangs_is_not_waited_for_and_not_lost() {
        let (go, wait) = mpsc::sync_channel(1);
        let look = spawn_blocking(move || {
            wait.recv().unwrap();
            (Files::default(), Seen::Change)
        });
        let (_, look) = first_look(look, Instant::now()).await;
        let look = look.expect("it goes on");
        go.send(()).unwrap();
        assert_eq!(looked(look.await).await.1, Seen::Change);
        let over = spawn_blocking(|| (Files::default(), Seen::Nothing));
        let in_time = Instant::now() + std::time::Duration::from_mins(1);
        assert!(first_look(over, in_time).await.1.is_none());
    }

    #[test]
    fn a_queue_that_is_full_is_told_from_one_that_cannot_be_written() {
        let failed = AppendError::Failed { why: "no such device".into() };
        for (error, outcome) in [
            (AppendError::Full { used: 7, limit: 7 }, Outcome::NoRoom),
            (AppendError::Behind { pending: 7 }, Outcome::NoRoom),
            (AppendError::Closed, Outcome::NoRoom),
            (failed, Outcome::Failed),
        ] {
            let failure = Failure::from(error);
            assert_eq!(failure.outcome, outcome);
            assert!(failure.outcome.is_dropped(), "no target is to blame");
        }
    }
}
