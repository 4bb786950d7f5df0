//! The parts of a gateway that take other settings while they run, all of them or none.

use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio::time::{Duration, Instant, timeout};

use super::held::Held;
use crate::app::note::Note;
use crate::clock::Clock;
use crate::config::Config;
use crate::forward;
use crate::http::{self, Terms};
use crate::observe::Level;
use crate::scrape;
use crate::tls::{self, Acceptor, Port, Prepared};
use crate::traffic::Traffic;

/// Longest time for the first look at files that name targets: somebody waits for an answer.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// See the module.
pub(in crate::app) struct Live {
    pub(in crate::app) edge: Arc<http::State>,
    pub(in crate::app) scrapes: scrape::Changes,
    /// By the name of its receiver.
    pub(in crate::app) deliveries: Vec<(Arc<str>, forward::Changes)>,
    /// Of the ports that speak TLS.
    pub(in crate::app) tls: Vec<Acceptor>,
    pub(in crate::app) traffic: Arc<Traffic>,
    pub(in crate::app) clock: Arc<dyn Clock>,
    /// `None` where somebody else says what is logged.
    pub(in crate::app) level: Option<Level>,
    /// `None` where there is no lock file.
    pub(in crate::app) note: Option<Note>,
}

/// Everything that a change needs and that can fail, made before anything changes.
pub(super) struct Judged {
    config: Config,
    scrapes: scrape::Change,
    deliveries: Vec<(usize, forward::Change)>,
    connections: Vec<(usize, forward::Connections)>,
    tls: Vec<(Acceptor, Prepared)>,
}

impl Live {
    /// Makes ready what a change to `after` needs. Nothing changes yet.
    ///
    /// What is `held` is not looked at again.
    pub(super) async fn judge(
        &self,
        before: &Config,
        after: Config,
        held: &Held,
    ) -> Result<Judged, String> {
        let terms = scrape::Terms {
            scrapes: &after.scrapes,
            sources: &after.sources,
            policy: &after.policy,
            body_bytes: after.limits.body_bytes,
        };
        let until = Instant::now() + FIRST_LOOK;
        let scrapes = self.scrapes.judge(terms, until).await.map_err(|error| error.to_string())?;
        let tls = self.judge_tls(&after, held).await?;
        let mut deliveries = Vec::with_capacity(self.deliveries.len());
        let mut connections = Vec::new();
        for (nth, (name, changes)) in self.deliveries.iter().enumerate() {
            let of = |config: &Config| {
                config.receivers.iter().find(|receiver| receiver.name == *name).cloned()
            };
            if let Some((old, new)) = of(before).zip(of(&after)) {
                let change = forward::Changes::judge(&old, &new, &after.hostname);
                deliveries.push((nth, change.map_err(|error| error.to_string())?));
                if (&old.tls, &old.proxy) != (&new.tls, &new.proxy) {
                    let made = changes.judge_connections(&new).await;
                    connections
                        .push((nth, made.map_err(|error| format!("receiver {name}: {error}"))?));
                }
            }
        }
        Ok(Judged { config: after, scrapes, deliveries, connections, tls })
    }

    /// The files of the ports, read off the reactor. Those of a port whose section is gone may be as well.
    async fn judge_tls(
        &self,
        after: &Config,
        held: &Held,
    ) -> Result<Vec<(Acceptor, Prepared)>, String> {
        let mut prepared = Vec::new();
        for acceptor in &self.tls {
            let (section, files) = match acceptor.port() {
                Port::Admin => ("admin", &after.admin.tls),
                Port::Ingest | Port::Receiver => ("tls", &after.tls),
            };
            let is_held = held.has_key(&format!("{section}.cert_file"));
            let Some(files) = files.clone().filter(|_| !is_held) else { continue };
            let reader = acceptor.clone();
            let read = spawn_blocking(move || reader.prepare(&files)).await;
            let read = read.map_err(|error| format!("[{section}]: {error}"))?;
            let read =
                read.map_err(|fault| format!("`{section}.{}`: {}", fault.key, fault.cause))?;
            prepared.push((acceptor.clone(), read));
        }
        Ok(prepared)
    }

    /// Makes it, all of it; from then on this is in effect. The one thing that can fail comes first, and
    /// nothing here waits, so that nobody sees the half of it.
    ///
    /// Also returned is what changed although no setting did.
    pub(super) fn take(
        &self,
        before: &Config,
        judged: Judged,
    ) -> Result<(Config, Vec<String>), String> {
        let Judged { config, scrapes, deliveries, connections, tls: ports } = judged;
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
        for (nth, made) in connections {
            self.deliveries[nth].1.take_connections(made);
        }
        let mut told = Vec::new();
        for (acceptor, prepared) in ports {
            if acceptor.adopt(prepared) == tls::Change::Another {
                told.push(format!("certificates of the {} port", acceptor.port().as_str()));
            }
        }
        self.forget_all_but(&config);
        Ok((config, told))
    }

    /// Commands believe the certificate that the lock file names: where it names another now, it is told,
    /// off the reactor and in no more than this time.
    pub(super) async fn tell_commands(&self, before: &Config, after: &Config, within: Duration) {
        let file = |config: &Config| config.admin.tls.as_ref().map(|tls| tls.cert_file.clone());
        let Some(note) = self.note.clone().filter(|_| file(before) != file(after)) else { return };
        let tls = after.admin.tls.clone();
        drop(timeout(within, spawn_blocking(move || note.write(tls.as_ref()))).await);
    }

    /// The books of sources and jobs that are not in effect go.
    pub(super) fn forget_all_but(&self, config: &Config) {
        self.traffic.keep_only(|name: &str| {
            config.sources.iter().any(|source| &*source.name == name)
                || config.scrapes.iter().any(|job| &**job.book() == name)
        });
    }
}
