//! What became of scrapes since the start: plain atomics, for whoever watches.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::decode::labelled::Asides;
use crate::normalize::Code;
use crate::pipeline::report::{Codes, Kinds, Report};

/// What a scrape came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its samples are in the queue.
    Ok,
    /// There was no connection, or it broke off.
    Down,
    /// It took longer than `timeout`.
    Timeout,
    /// The answer was none with a page: another status than 200, or a redirect to somewhere else.
    Refused,
    /// The page is not in the format it should be in, or does not decompress.
    Malformed,
    /// The page, or what becomes of it, is over a limit.
    TooLarge,
    /// There was no room for it, in memory or in the queue; nothing is said of the target.
    NoRoom,
    /// The source of the job sent more than it may; nothing is said of the target.
    OverQuota,
    /// The queue could not be written, and whether its samples are in it is not known; nothing is said of
    /// the target.
    Failed,
    /// A bug.
    Panicked,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Ok,
        Self::Down,
        Self::Timeout,
        Self::Refused,
        Self::Malformed,
        Self::TooLarge,
        Self::NoRoom,
        Self::OverQuota,
        Self::Failed,
        Self::Panicked,
    ];

    /// Its word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Down => "down",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::NoRoom => "no_room",
            Self::OverQuota => "over_quota",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
        }
    }

    /// Whether it is for the gateway itself that there are no samples, and nobody knows of the target.
    pub(super) fn is_dropped(self) -> bool {
        matches!(self, Self::NoRoom | Self::OverQuota | Self::Failed)
    }
}

/// Time between two lines about scrapes that were dropped.
const PAUSE: Duration = Duration::from_mins(1);

/// What became of all scrapes; the default is that of a gateway that fetches nothing.
#[derive(Debug, Default)]
pub struct Counts {
    jobs: ArcSwap<Vec<Arc<JobCounts>>>,
    codes: Codes,
    /// Scrapes dropped since the last line about them, and when that was.
    dropped: Mutex<(u64, Option<Duration>)>,
}

/// What became of the scrapes of one job.
#[derive(Debug)]
pub struct JobCounts {
    /// Its name.
    pub job: Arc<str>,
    targets: AtomicU64,
    outcomes: [AtomicU64; Outcome::ALL.len()],
}

impl Counts {
    /// These are the jobs from now on.
    pub(super) fn has_jobs(&self, jobs: Vec<Arc<JobCounts>>) {
        self.jobs.store(Arc::new(jobs));
    }

    /// Those of the job of this name; new ones where there is none.
    pub(super) fn of(&self, name: &Arc<str>) -> Arc<JobCounts> {
        let jobs = self.jobs.load();
        let known = jobs.iter().find(|counts| counts.job == *name);
        known.map_or_else(|| Arc::new(JobCounts::new(name)), Arc::clone)
    }

    /// Each job's, in the order of the configuration.
    pub fn jobs(&self) -> Arc<Vec<Arc<JobCounts>>> {
        self.jobs.load_full()
    }

    /// Targets of all jobs.
    pub fn targets(&self) -> u64 {
        self.jobs.load().iter().map(|job| job.targets()).sum()
    }

    /// Tuples by what their metric was sent as.
    pub fn kinds(&self) -> [u64; Kinds::NAMES.len()] {
        self.codes.kinds()
    }

    /// Samples rejected for this.
    pub fn rejections(&self, code: Code) -> u64 {
        self.codes.rejections(code)
    }

    /// Accepted samples warned of for this.
    pub fn warnings(&self, code: Code) -> u64 {
        self.codes.warnings(code)
    }

    /// What came along with the same samples.
    pub fn asides(&self) -> Asides {
        self.codes.asides()
    }

    /// Takes in the report of a page that went into the queue.
    pub(super) fn decided(&self, report: &Report) {
        self.codes.take(report);
    }

    /// Counts a scrape that was dropped; what to say about it, if it is time. `now` is a
    /// monotonic reading.
    pub(super) fn dropped(&self, now: Duration, why: &str) -> Option<String> {
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, told) = &mut *dropped;
        *count += 1;
        if told.is_some_and(|at| now < at + PAUSE) {
            return None;
        }
        *told = Some(now);
        Some(format!("{} scrapes were dropped, the last one because {why}", std::mem::take(count)))
    }
}

impl JobCounts {
    pub(super) fn new(job: &Arc<str>) -> Self {
        Self {
            job: Arc::clone(job),
            targets: AtomicU64::new(0),
            outcomes: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Targets it has now.
    pub fn targets(&self) -> u64 {
        self.targets.load(Ordering::Relaxed)
    }

    /// Scrapes that ended so.
    pub fn scrapes(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize].load(Ordering::Relaxed)
    }

    pub(super) fn has_targets(&self, targets: usize) {
        self.targets.store(targets as u64, Ordering::Relaxed);
    }

    pub(super) fn ended(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_scrapes_are_told_of_once_a_minute_with_their_number() {
        let counts = Counts::default();
        let at = |seconds| counts.dropped(Duration::from_secs(seconds), "of it");
        let told =
            |number| Some(format!("{number} scrapes were dropped, the last one because of it"));
        assert_eq!(at(5), told(1));
        assert_eq!(at(6), None);
        assert_eq!(at(64), None);
        assert_eq!(at(65), told(3));
    }

    #[test]
    fn outcomes_are_counted_apart() {
        let counts = Counts::default();
        counts.has_jobs(["a", "b"].map(|name| counts.of(&name.into())).to_vec());
        assert!(Arc::ptr_eq(&counts.of(&"b".into()), &counts.jobs()[1]), "known by its name");
        for (times, outcome) in Outcome::ALL.into_iter().enumerate() {
            for _ in 0..times {
                counts.jobs()[1].ended(outcome);
            }
        }
        for (times, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(counts.jobs()[1].scrapes(outcome), times as u64);
            assert_eq!(counts.jobs()[0].scrapes(outcome), 0);
        }
    }
}
