//! What of a change has to wait, although by itself it could take effect, and what is in effect then.

use std::sync::Arc;

use crate::config::{Admin, Config, Log, Receiver, Scrape, ServerTls};
use crate::normalize::Policy;
use crate::queue::Sources;

/// What waits because something waits that it belongs to.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) keys: Vec<&'static str>,
    /// Sources and jobs that only receivers of the next start take. What comes in from them meanwhile would
    /// be accepted and filtered out, so all sources and jobs stay.
    pub(super) strays: Vec<Arc<str>>,
    /// Receivers that get another address, or their key in another way. What goes with it must not go to
    /// the old one: their keys, certificates and proxies stay.
    pub(super) moved: Vec<Arc<str>>,
}

/// Settings that would leave no room for the largest body while `limits.expanded_bytes` waits for its restart.
const ROOM: &[&str] = &["limits.body_bytes", "limits.memory_bytes"];

/// What a port in clear does not have: with them it is another port, and clients speak to it otherwise.
const TLS: &[&str] = &["tls.cert_file", "tls.key_file", "tls.client_ca_file", "tls.client_auth"];
const ADMIN_TLS: &[&str] =
    &["admin.cert_file", "admin.key_file", "admin.client_ca_file", "admin.client_auth"];

impl Held {
    /// Of a change from what is in effect.
    pub(super) fn of(before: &Config, after: &Config) -> Self {
        let is_turned =
            |old: &Option<ServerTls>, new: &Option<ServerTls>| old.is_some() != new.is_some();
        let reasons = [
            (lacks_room(before, after), ROOM),
            (is_turned(&before.tls, &after.tls), TLS),
            (is_turned(&before.admin.tls, &after.admin.tls), ADMIN_TLS),
        ];
        let keys = reasons.into_iter().filter(|(holds, _)| *holds).flat_map(|(_, keys)| keys);
        Self {
            keys: keys.copied().collect(),
            strays: strays(before, after),
            moved: moved(before, after),
        }
    }

    /// Whether a setting waits, as `limits.body_bytes`.
    pub(super) fn has_key(&self, path: &str) -> bool {
        self.keys.contains(&path)
    }

    /// Whether sources and jobs do, all of them.
    pub(super) fn has_feeds(&self) -> bool {
        !self.strays.is_empty()
    }

    /// Whether everything of this receiver does.
    pub(super) fn has_receiver(&self, name: &str) -> bool {
        self.moved.iter().any(|moved| **moved == *name)
    }

    /// Why, where it does not show.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        self.strays.iter().map(|name| {
            format!(
                "source \"{name}\" goes to no receiver that runs, and those that are to take it need a \
                 restart: until then all sources and scrapes stay what they were, so that nothing is \
                 accepted and then filtered out"
            )
        })
    }
}

fn lacks_room(before: &Config, after: &Config) -> bool {
    let (old, new) = (&before.limits, &after.limits);
    new.memory_bytes < 2 * new.body_bytes as u64 + old.expanded_bytes
}

/// Those that the receivers that run do not take, and those of the file do.
fn strays(before: &Config, after: &Config) -> Vec<Arc<str>> {
    let runs = books(before);
    let is_new = |name: &&Arc<str>| !runs.contains(name);
    let is_stray =
        |name: &&Arc<str>| !is_taken(name, &before.receivers) && is_taken(name, &after.receivers);
    books(after).into_iter().filter(is_new).filter(is_stray).cloned().collect()
}

fn moved(before: &Config, after: &Config) -> Vec<Arc<str>> {
    let has_moved = |old: &&Receiver| {
        let new = after.receivers.iter().find(|new| new.name == old.name);
        new.is_some_and(|new| (&new.url, new.auth) != (&old.url, old.auth))
    };
    before.receivers.iter().filter(has_moved).map(|moved| Arc::clone(&moved.name)).collect()
}

/// Under which names metrics come in.
fn books(config: &Config) -> Vec<&Arc<str>> {
    let sources = config.sources.iter().map(|source| &source.name);
    sources.chain(config.scrapes.iter().map(Scrape::book)).collect()
}

fn is_taken(name: &Arc<str>, receivers: &[Receiver]) -> bool {
    receivers.iter().any(|receiver| match &receiver.sources {
        Sources::All => true,
        Sources::Only(names) => names.contains(name),
    })
}

/// Other files for a port that speaks TLS; one in clear stays so.
fn still(before: Option<&ServerTls>, after: Option<&ServerTls>) -> Option<ServerTls> {
    before.map(|before| after.unwrap_or(before).clone())
}

/// The configuration in effect after a change: what needs a restart stays as it was.
pub(super) fn merged(before: &Config, after: &Config, held: &Held) -> Config {
    let mut limits = after.limits.clone();
    limits.expanded_bytes = before.limits.expanded_bytes;
    limits.connections = before.limits.connections;
    if lacks_room(before, after) {
        limits.body_bytes = before.limits.body_bytes;
        limits.memory_bytes = before.limits.memory_bytes;
    }
    let policy =
        Policy { expanded_bytes: before.policy.expanded_bytes, ..Policy::clone(&after.policy) };
    let receiver = |old: &Receiver| match after.receivers.iter().find(|new| new.name == old.name) {
        Some(new) if !held.has_receiver(&old.name) => Receiver {
            api_key: new.api_key.clone(),
            api_key_file: new.api_key_file.clone(),
            tls: new.tls.clone(),
            proxy: new.proxy.clone(),
            ..old.clone()
        },
        _ => old.clone(),
    };
    let admin = Admin {
        tls: still(before.admin.tls.as_ref(), after.admin.tls.as_ref()),
        ..before.admin.clone()
    };
    let feeds = if held.has_feeds() { before } else { after };
    Config {
        tls: still(before.tls.as_ref(), after.tls.as_ref()),
        admin,
        hostname: after.hostname.clone(),
        hostname_tags: after.hostname_tags.clone(),
        sources: feeds.sources.clone(),
        scrapes: feeds.scrapes.clone(),
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
