//! Which jobs there are, while they run: new ones begin, those that are gone end, and the others notice
//! nothing but the host name and tags of their source.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::fetch::{ClientError, Fetcher, Names};
use super::job::{Job, Known};
use super::{BUDGET_PARTS, Shared};
use crate::config::{self, SourceLimits};
use crate::normalize::{Policy, Profile};

/// What is to be fetched from now on.
pub struct Terms<'c> {
    /// What is fetched.
    pub scrapes: &'c [config::Scrape],
    /// Those that scrapes may belong to.
    pub sources: &'c [config::Source],
    /// What is done to everybody's metrics.
    pub policy: &'c Arc<Policy>,
    /// Most bytes of a page.
    pub body_bytes: usize,
}

/// A change that has been judged and cannot fail any more.
pub struct Change {
    jobs: Vec<Next>,
    body_bytes: usize,
}

/// One job from now on.
struct Next {
    known: Known,
    /// A new one, or one whose settings changed; `None` where it goes on as it was.
    ready: Option<Box<Job>>,
    profile: Profile,
    /// The source that it belongs to, and what that may send.
    limits: Option<(Arc<str>, SourceLimits)>,
}

/// The way to change a scraper that somebody else ends.
#[derive(Clone)]
pub struct Changes(Weak<Jobs>);

/// All jobs.
pub(super) struct Jobs {
    shared: Arc<Shared>,
    names: Names,
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    stage: Stage,
    tasks: JoinSet<()>,
    /// In the order of the configuration.
    jobs: Vec<Entry>,
}

struct Entry {
    known: Known,
    /// `None` once it runs.
    ready: Option<Box<Job>>,
    task: Option<AbortHandle>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Ready,
    Running,
    Over,
}

impl Changes {
    pub(super) fn of(jobs: &Arc<Jobs>) -> Self {
        Self(Arc::downgrade(jobs))
    }

    /// Makes ready whatever is new, and reads the files that name its targets, until `until` at most.
    /// Nothing changes yet.
    ///
    /// # Errors
    ///
    /// HTTP cannot be set up.
    pub async fn judge(&self, terms: Terms<'_>, until: Instant) -> Result<Change, ClientError> {
        let mut next = Vec::with_capacity(terms.scrapes.len());
        let Some(jobs) = self.0.upgrade() else {
            return Ok(Change { jobs: next, body_bytes: terms.body_bytes });
        };
        let known = jobs.known();
        for scrape in terms.scrapes {
            let source =
                terms.sources.iter().find(|source| Some(&source.name) == scrape.source.as_ref());
            let (hostname, tags) =
                source.map_or((None, &[][..]), |of| (of.hostname.as_deref(), &of.tags[..]));
            let profile = Profile::new(Arc::clone(terms.policy), hostname, tags);
            let limits = source.map(|of| (Arc::clone(&of.name), of.limits));
            if let Some(known) = known.iter().find(|known| known.job() == scrape) {
                next.push(Next { known: known.clone(), ready: None, profile, limits });
                continue;
            }
            let fetcher = Fetcher::new(scrape, &jobs.names)?;
            let (scrape, shared) = (scrape.clone(), Arc::clone(&jobs.shared));
            let job = Job::new(scrape, profile.clone(), fetcher, shared, until).await;
            next.push(Next { known: job.known(), ready: Some(Box::new(job)), profile, limits });
        }
        Ok(Change { jobs: next, body_bytes: terms.body_bytes })
    }

    /// Makes it: a scrape of a job that is gone, or is another now, is cut off. `memory_bytes` are those of
    /// all bodies and pages.
    pub fn take(&self, change: Change, memory_bytes: u64) {
        let Some(jobs) = self.0.upgrade() else { return };
        jobs.shared.body_bytes.store(change.body_bytes, Ordering::Relaxed);
        jobs.shared.budget.set_limit(memory_bytes / BUDGET_PARTS);
        jobs.replace(change.jobs);
    }
}

impl Jobs {
    pub(super) fn new(shared: Arc<Shared>, names: Names) -> Self {
        Self { shared, names, list: Mutex::default() }
    }

    /// Begins to fetch; how many jobs there are.
    pub(super) fn run(&self) -> usize {
        let mut list = self.lock();
        list.stage = Stage::Running;
        list.begin();
        list.jobs.len()
    }

    /// Cuts everything off.
    pub(super) async fn end(&self) {
        let mut tasks = {
            let mut list = self.lock();
            list.stage = Stage::Over;
            list.jobs.clear();
            std::mem::take(&mut list.tasks)
        };
        tasks.shutdown().await;
    }

    fn known(&self) -> Vec<Known> {
        self.lock().jobs.iter().map(|entry| entry.known.clone()).collect()
    }

    fn replace(&self, next: Vec<Next>) {
        let mut list = self.lock();
        if list.stage == Stage::Over {
            return;
        }
        let mut before = std::mem::take(&mut list.jobs);
        for next in next {
            let Next { known, ready, profile, limits } = next;
            let quotas = self.shared.traffic.quotas();
            known.change(profile, limits.and_then(|(name, limits)| quotas.of(&name, &limits)));
            let kept = before.iter().position(|entry| entry.known.is(&known));
            list.jobs.push(match kept {
                Some(nth) => before.swap_remove(nth),
                None => Entry { known, ready, task: None },
            });
        }
        for task in before.iter().filter_map(|entry| entry.task.as_ref()) {
            task.abort();
        }
        self.shared.counts.has_jobs(list.jobs.iter().map(|entry| entry.known.counts()).collect());
        if list.stage == Stage::Running {
            list.begin();
        }
        while list.tasks.try_join_next().is_some() {}
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    /// Begins those that do not run yet.
    fn begin(&mut self) {
        for entry in &mut self.jobs {
            if let Some(mut job) = entry.ready.take() {
                job.tell_targets();
                entry.task = Some(self.tasks.spawn(job.run()));
            }
        }
    }
}
