//! One body before the guard of its source's series. What it begins is held while it is on its way, and kept
//! only if it is delivered; of a body that is not, nothing remains but that known series were seen.

use std::collections::HashSet;
use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;

use super::growth::{Growth, Leaders};
use super::series::{Series, identity};
use super::table::Known;
use super::{Quota, lock};
use crate::config::OverSeries;
use crate::metric::Tag;
use crate::pipeline::{Guard, Ruling};

/// Series that are settled or given back before others get a turn.
const AT_ONCE: usize = 256;

/// What is to become of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// It is delivered.
    Take,
    /// It is only judged, and nothing of it remains.
    Preview,
}

/// A body on its way. Series that began with it are given back when it is dropped without
/// [`Self::commit`]; an answer that nobody waits for any more may do that to one which is delivered all the
/// same, and then its series begin anew with the next.
#[derive(Debug)]
pub struct Session {
    quota: Arc<Quota>,
    body: Body,
    /// What grows, looked at once for a body.
    story: Option<(usize, Option<Growth>)>,
}

/// What a body has to do with the series.
#[derive(Debug)]
struct Body {
    intent: Intent,
    /// What it holds, in the order in which it began; of a preview nothing.
    held: Vec<u64>,
    /// The same, or what a preview would hold: each once, however often the body has it.
    begun: HashSet<u64>,
    /// What grows, with what a preview would add to it; `None` before it would add anything.
    leaders: Option<Box<Leaders>>,
}

/// A metric before the guard: its identity, and what that is made of.
#[derive(Clone, Copy)]
struct Candidate<'m> {
    keys: &'m RandomState,
    hash: u64,
    name: &'m str,
    tags: &'m [Tag<'m>],
    is_stripped: bool,
}

impl Session {
    pub(super) fn begin(quota: &Arc<Quota>, intent: Intent, now: Duration) -> Option<Self> {
        lock(&quota.series).as_mut()?.advance(now);
        Some(Self {
            quota: Arc::clone(quota),
            body: Body { intent, held: Vec::new(), begun: HashSet::new(), leaders: None },
            story: None,
        })
    }

    /// The body is delivered: its series are known from now on. Says in the log when there are nearly too many.
    pub fn commit(self) {
        let quota = Arc::clone(&self.quota);
        self.deliver();
        let warning = lock(&quota.series).as_mut().and_then(Series::warning);
        if let Some(warning) = warning {
            let source = &*quota.name;
            let (series, limit) = (warning.series, warning.limit);
            let growth = warning.growth.map_or_else(String::new, |growth| format!(": {growth}"));
            tracing::warn!(
                source,
                series,
                limit,
                "source {source} has {series} series of the {limit} it may have (`series` of its \
                 [[sources]]){growth}"
            );
        }
    }

    pub(super) fn deliver(mut self) {
        let held = std::mem::take(&mut self.body.held);
        for some in held.chunks(AT_ONCE) {
            if let Some(series) = lock(&self.quota.series).as_mut() {
                for hash in some {
                    series.settle(*hash);
                }
            }
        }
    }
}

impl Session {
    fn full(&self) -> String {
        let (limit, growth) = self.story.as_ref().map_or((0, None), |(n, of)| (*n, of.as_ref()));
        let growth = growth.map_or_else(String::new, |growth| format!(": {growth}"));
        format!("the source has its {limit} series (`series` of its [[sources]]){growth}")
    }
}

impl Body {
    /// Whether a metric may pass, and what this body makes of its series then.
    fn pass(&mut self, series: &mut Series, metric: Candidate<'_>) -> bool {
        let Candidate { keys, hash, name, tags, is_stripped } = metric;
        match (series.look(hash), self.intent) {
            (Known::Seen(before), Intent::Take) => series.seen(keys, hash, before, name, tags),
            (Known::Held, Intent::Take) => self.hold(series, hash),
            (Known::Seen(_) | Known::Held, Intent::Preview) => {}
            (Known::No, Intent::Take) => {
                if !is_stripped {
                    series.is_new(keys, hash, name, tags);
                }
                if !series.has_room(0, is_stripped) {
                    return false;
                }
                self.hold(series, hash);
            }
            (Known::No, Intent::Preview) => {
                if self.begun.contains(&hash) {
                    return true;
                }
                if !is_stripped {
                    let leaders =
                        self.leaders.get_or_insert_with(|| Box::new(series.leaders().clone()));
                    leaders.feed(keys, hash, name, tags);
                }
                if !series.has_room(self.begun.len(), is_stripped) {
                    return false;
                }
                self.begun.insert(hash);
            }
        }
        true
    }

    fn hold(&mut self, series: &mut Series, hash: u64) {
        if self.begun.insert(hash) {
            series.hold(hash);
            self.held.push(hash);
        }
    }
}

impl Guard for Session {
    fn judge(&mut self, name: &str, tags: &[Tag<'_>], fixed: &[(String, String)]) -> Ruling {
        let Self { quota, body, story } = self;
        let keys = &quota.keys;
        let hash = identity(keys, name, tags, fixed, |_| false);
        let mut series = lock(&quota.series);
        // A reload took the limit away.
        let Some(series) = series.as_mut() else { return Ruling::Pass };
        let metric = Candidate { keys, hash, name, tags, is_stripped: false };
        if body.pass(series, metric) {
            return Ruling::Pass;
        }
        let leaders = body.leaders.as_deref().unwrap_or(series.leaders());
        story.get_or_insert_with(|| (series.limit(), leaders.top()));
        if series.over() == OverSeries::Strip {
            let stripped = leaders.growing(keys, name, tags, series.limit());
            let hash = identity(keys, name, tags, fixed, |at| stripped.contains(&at));
            let metric = Candidate { hash, is_stripped: true, ..metric };
            if !stripped.is_empty() && body.pass(series, metric) {
                return Ruling::Strip(stripped);
            }
        }
        Ruling::Refuse
    }

    fn why_refused(&self, name: &str) -> String {
        let full = self.full();
        format!(
            "`{name}` would begin a new one, and {full}; take off the tag that grows, or raise that"
        )
    }

    fn why_stripped(&self, keys: &[&str]) -> String {
        format!("sent without its tag `{}`, for {}", keys.join("`, `"), self.full())
    }

    fn mark(&self) -> usize {
        self.body.held.len()
    }

    fn rewind(&mut self, mark: usize) {
        let gone = self.body.held.split_off(mark.min(self.body.held.len()));
        for hash in &gone {
            self.body.begun.remove(hash);
        }
        for some in gone.chunks(AT_ONCE) {
            if let Some(series) = lock(&self.quota.series).as_mut() {
                for hash in some {
                    series.release(*hash);
                }
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.rewind(0);
    }
}
