//! The parts of a gateway that take other settings while they run, all of them or none.

use std::sync::Arc;

use tokio::time::{Duration, Instant};

use crate::clock::Clock;
use crate::config::{Config, Log, Receiver};
use crate::forward;
use crate::http::{self, Terms};
use crate::normalize::Policy;
use crate::observe::Level;
use crate::queue::Sources;
use crate::scrape;
use crate::traffic::Traffic;

/// Longest time for the first look at files that name targets: somebody waits for an answer.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// See the module.
pub(in crate::app) struct Live {
    pub(in crate::app) edge: Arc<http::State>,
    pub(in crate::app) scrapes: scrape::Changes,
    /// By the name of its receiver.
    pub(in crate::app) deliveries: Vec<(Arc<str>, forward::Changes)>,
    pub(in crate::app) traffic: Arc<Traffic>,
    pub(in crate::app) clock: Arc<dyn Clock>,
    /// `None` where somebody else says what is logged.
    pub(in crate::app) level: Option<Level>,
}

/// Everything that a change needs and that can fail, made before anything changes.
pub(super) struct Judged {
    config: Config,
    scrapes: scrape::Change,
    deliveries: Vec<(usize, forward::Change)>,
}

/// Settings that would leave no room for the largest body while `limits.expanded_bytes` waits for its restart.
const ROOM: &[&str] = &["limits.body_bytes", "limits.memory_bytes"];

/// Keys that could change and have to wait for others.
pub(super) fn held(before: &Config, after: &Config) -> &'static [&'static str] {
    let (old, new) = (&before.limits, &after.limits);
    let least = 2 * new.body_bytes as u64 + old.expanded_bytes;
    if new.memory_bytes < least { ROOM } else { &[] }
}

/// The configuration in effect after a change: what needs a restart stays as it was.
pub(super) fn merged(before: &Config, after: &Config) -> Config {
    let mut limits = after.limits.clone();
    limits.expanded_bytes = before.limits.expanded_bytes;
    limits.connections = before.limits.connections;
    if !held(before, after).is_empty() {
        limits.body_bytes = before.limits.body_bytes;
        limits.memory_bytes = before.limits.memory_bytes;
    }
    let policy =
        Policy { expanded_bytes: before.policy.expanded_bytes, ..Policy::clone(&after.policy) };
    let receiver = |old: &Receiver| match after.receivers.iter().find(|new| new.name == old.name) {
        Some(new) => Receiver {
            api_key: new.api_key.clone(),
            api_key_file: new.api_key_file.clone(),
            ..old.clone()
        },
        None => old.clone(),
    };
    Config {
        hostname: after.hostname.clone(),
        hostname_tags: after.hostname_tags.clone(),
        sources: after.sources.clone(),
        scrapes: after.scrapes.clone(),
        receivers: before.receivers.iter().map(receiver).collect(),
        auth: after.auth,
        http: after.http.clone(),
        limits,
        policy: Arc::new(policy),
        log: Log { level: after.log.level.clone(), format: before.log.format },
        reload: after.reload,
        ..before.clone()
    }
}

/// Sources whose metrics go nowhere until the receivers that are to get them are there.
pub(super) fn astray(config: &Config) -> Vec<String> {
    let has = |sources: &Sources, name: &str| match sources {
        Sources::All => true,
        Sources::Only(names) => names.iter().any(|known| **known == *name),
    };
    let sources = config.sources.iter().map(|source| &source.name);
    let names = sources.chain(config.scrapes.iter().map(crate::config::Scrape::book));
    let astray = names.filter(|name| !config.receivers.iter().any(|to| has(&to.sources, name)));
    let told = astray.map(|name| {
        format!(
            "source \"{name}\" goes to no receiver that runs: its metrics are accepted and then filtered \
             out; if a change of the receivers is to take them, it needs a restart"
        )
    });
    told.collect()
}

impl Live {
    /// Makes ready what a change to `after` needs. Nothing changes yet.
    pub(super) async fn judge(&self, before: &Config, after: Config) -> Result<Judged, String> {
        let terms = scrape::Terms {
            scrapes: &after.scrapes,
            sources: &after.sources,
            policy: &after.policy,
            body_bytes: after.limits.body_bytes,
        };
        let until = Instant::now() + FIRST_LOOK;
        let scrapes = self.scrapes.judge(terms, until).await.map_err(|error| error.to_string())?;
        let mut deliveries = Vec::with_capacity(self.deliveries.len());
        for (nth, (name, _)) in self.deliveries.iter().enumerate() {
            let of = |config: &Config| {
                config.receivers.iter().find(|receiver| receiver.name == *name).cloned()
            };
            if let Some((old, new)) = of(before).zip(of(&after)) {
                let change = forward::Changes::judge(&old, &new, &after.hostname);
                deliveries.push((nth, change.map_err(|error| error.to_string())?));
            }
        }
        Ok(Judged { config: after, scrapes, deliveries })
    }

    /// Makes it, all of it; from then on this is in effect. The one thing that can fail comes first, and
    /// nothing here waits, so that nobody sees the half of it.
    pub(super) fn take(&self, before: &Config, judged: Judged) -> Result<Config, String> {
        let Judged { config, scrapes, deliveries } = judged;
        if let Some(level) = self.level.as_ref().filter(|_| config.log.level != before.log.level) {
            level.change(&config.log.level).map_err(|error| format!("`log.level`: {error}"))?;
        }
        self.edge.change(Terms {
            sources: &config.sources,
            policy: &config.policy,
            auth: config.auth,
            http: config.http.clone(),
            limits: config.limits.clone(),
        });
        self.scrapes.take(scrapes, config.limits.memory_bytes);
        for (nth, change) in deliveries {
            self.deliveries[nth].1.take(change);
        }
        self.forget_all_but(&config);
        Ok(config)
    }

    /// The books of sources and jobs that are not in effect go.
    pub(super) fn forget_all_but(&self, config: &Config) {
        self.traffic.keep_only(|name: &str| {
            config.sources.iter().any(|source| &*source.name == name)
                || config.scrapes.iter().any(|job| &**job.book() == name)
        });
    }
}
