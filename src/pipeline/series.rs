//! A source may have so many series at once and no more. Who is among them is remembered outside, by a
//! [`Guard`]; here it is asked, last of all, about each metric that is sound.

use super::{Run, Stop};
use crate::encode::Escapes;
use crate::metric::timestamp::Timestamp;
use crate::metric::{Metric, Tag};
use crate::normalize::{Code, Profile, Rejection, Warnings};

/// Says which metrics of a body may pass, by the series they are of.
pub trait Guard {
    /// Judges a metric as sent, before it is expanded: by its final name and tags. Of those, `fixed` are
    /// the source's own and make no difference.
    fn judge(&mut self, name: &str, tags: &[Tag<'_>], fixed: &[(String, String)]) -> Ruling;

    /// Why the last metric, of this name, was refused.
    fn why_refused(&self, name: &str) -> String;

    /// Why the last metric passed without these tags only.
    fn why_stripped(&self, keys: &[&str]) -> String;

    /// How far judging has come.
    fn mark(&self) -> usize;

    /// Takes back what was judged since: it is not delivered.
    fn rewind(&mut self, mark: usize);
}

/// What becomes of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It passes as it is.
    Pass,
    /// It passes without the tags at these places, in rising order.
    Strip(Vec<usize>),
    /// It would begin one series too many.
    Refuse,
}

/// What a body is read by.
pub struct Terms<'a, 'g> {
    /// Of its source.
    pub profile: &'a Profile,
    /// When it was received.
    pub now: Timestamp,
    /// Where the source's series are limited.
    pub guard: Option<&'g mut dyn Guard>,
}

impl<'a> Terms<'a, '_> {
    /// Without a guard.
    pub fn new(profile: &'a Profile, now: Timestamp) -> Self {
        Self { profile, now, guard: None }
    }

    /// The same for a part of the body.
    pub(super) fn again(&mut self) -> Terms<'a, '_> {
        let guard = self.guard.as_mut().map(|guard| &mut **guard as &mut dyn Guard);
        Terms { profile: self.profile, now: self.now, guard }
    }
}

impl Run<'_, '_, '_> {
    /// Takes the item of number `index` if its series may be. Apart from those of sources without a
    /// guard, who are to pay nothing for it.
    #[inline(never)]
    pub(super) fn accept_guarded(
        &mut self,
        index: u64,
        escapes: Escapes,
        warnings: &Warnings,
    ) -> Result<(), Stop> {
        let fixed = self.rules.profile().tags();
        let Some(guard) = &mut self.guard else { return self.take(index, escapes, warnings) };
        match guard.judge(self.metric.name, &self.metric.tags, fixed) {
            Ruling::Pass => self.take(index, escapes, warnings),
            Ruling::Refuse => {
                // The text is asked for only while there is room for it.
                let is_told = self.report.takes_errors();
                let message = is_told.then(|| guard.why_refused(self.metric.name));
                let rejection =
                    Rejection::because(Code::TooManySeries, message.unwrap_or_default());
                self.report.reject(index, self.line, rejection);
                Ok(())
            }
            Ruling::Strip(tags) => self.strip(index, escapes, warnings, &tags),
        }
    }

    /// Takes the item without these tags. They come back: the next item may be read over this one.
    fn strip(
        &mut self,
        index: u64,
        escapes: Escapes,
        warnings: &Warnings,
        stripped: &[usize],
    ) -> Result<(), Stop> {
        let (tags, hostname) = (self.metric.tags.clone(), self.metric.hostname);
        let mut at = 0;
        self.metric.tags.retain(|_| {
            at += 1;
            !stripped.contains(&(at - 1))
        });
        let is_hosts =
            |key: &str| self.rules.profile().policy().hostname_tags.iter().any(|of| of == key);
        if stripped.iter().any(|at| is_hosts(tags[*at].key)) {
            self.metric.hostname = host_of(&self.metric, self.rules.profile());
        }
        let taken = self.take(index, escapes, warnings);
        if let Some(guard) = &self.guard {
            let why = || {
                let keys: Vec<_> = stripped.iter().map(|at| tags[*at].key).collect();
                guard.why_stripped(&keys)
            };
            self.report.warn(index, self.line, Code::TooManySeries, &why);
        }
        (self.metric.tags, self.metric.hostname) = (tags, hostname);
        taken
    }

    pub(super) fn guard_mark(&self) -> usize {
        self.guard.as_ref().map_or(0, |guard| guard.mark())
    }

    pub(super) fn guard_rewind(&mut self, mark: usize) {
        if let Some(guard) = &mut self.guard {
            guard.rewind(mark);
        }
    }
}

/// The host that a metric still names (contract C4.5): a tag that was too much must not live on in it.
fn host_of<'a>(metric: &Metric<'a>, profile: &'a Profile) -> &'a str {
    let mut keys = profile.policy().hostname_tags.iter();
    let named = keys.find_map(|key| {
        let mut tags = metric.tags.iter().filter(|tag| tag.key == *key);
        // The elements of an array are no host.
        let (tag, None) = (tags.next()?, tags.next()) else { return None };
        tag.value.filter(|value| !value.is_empty())
    });
    named.unwrap_or(profile.hostname())
}
