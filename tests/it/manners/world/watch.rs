//! Questions to the admin port of a world's gateway, and waits for its answers.

use std::time::Duration;

use serde_json::Value;

use super::{KEY, PATIENCE, World};
use crate::support::endure::books::Books;
use crate::support::wire::{Reply, Wire, request};

/// How often a gateway is asked while something is waited for that only it can tell.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

impl World {
    /// Asks the admin port: `GET /readyz`.
    pub(crate) async fn ask(&self, line: &str) -> Reply {
        let mut wire = Wire::connect(self.gateway().admin_addr().unwrap()).await;
        wire.send(&request(line, "", b"")).await;
        wire.reply().await
    }

    /// A sample of `/metrics` for one receiver, without prefix: `queued`, `delivered_total`.
    pub(crate) async fn count(&self, receiver: &str, name: &str) -> u64 {
        let books = Books::read(self.gateway().admin_addr().unwrap()).await;
        books.sample(&format!("tidegate_{name}{{receiver=\"{receiver}\"}}"))
    }

    /// Waits until the sample is as wished.
    pub(crate) async fn until_count(
        &self,
        receiver: &str,
        name: &str,
        wished: impl Fn(u64) -> bool,
    ) -> u64 {
        let reached = async {
            loop {
                let count = self.count(receiver, name).await;
                if wished(count) {
                    return count;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let Ok(count) = tokio::time::timeout(PATIENCE, reached).await else {
            let told = self.ask("GET /receivers").await;
            panic!("{name} of {receiver} is not as wished: {}", told.text())
        };
        count
    }

    /// Waits until this receiver is held and `/readyz` says so; why, in the words of `/receivers`.
    pub(crate) async fn until_held(&self, receiver: &str) -> String {
        self.until_held_by(receiver, "").await
    }

    /// The same, for a reason with these words in it.
    pub(crate) async fn until_held_by(&self, receiver: &str, words: &str) -> String {
        let held = |ready: &Value, receivers: &Value| {
            let named = |value: &&Value| value["name"] == receiver;
            let told = receivers.as_array().unwrap().iter().find(named).unwrap();
            let is_cause = |cause: &Value| cause["receiver"] == receiver;
            let is_held = ready["causes"].as_array().unwrap().iter().any(is_cause);
            let why = told["why"].as_str().filter(|_| told["state"] == "held" && is_held)?;
            why.contains(words).then(|| why.to_owned())
        };
        let why = self.until("held", held).await;
        for path in ["/readyz", "/receivers", "/metrics"] {
            let shown = self.ask(&format!("GET {path}")).await;
            assert!(!shown.text().contains(KEY), "{path} shows the key: {}", shown.text());
        }
        why
    }

    /// Waits until `/readyz` has no cause any more.
    pub(crate) async fn until_well(&self) {
        self.until("well", |ready, _| ready["ready"].as_bool().filter(|ready| *ready)).await;
    }

    /// Looks at `/readyz` and `/receivers` until they are as wished.
    async fn until<T>(&self, what: &str, wished: impl Fn(&Value, &Value) -> Option<T>) -> T {
        let look = async || {
            let ready = self.ask("GET /readyz").await.json();
            (ready, self.ask("GET /receivers").await.json())
        };
        let reached = async {
            loop {
                let (ready, receivers) = look().await;
                if let Some(found) = wished(&ready, &receivers) {
                    return found;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let Ok(found) = tokio::time::timeout(PATIENCE, reached).await else {
            panic!("not {what}: {:#?}", look().await)
        };
        found
    }

    /// Waits until nothing is queued for this receiver.
    pub(crate) async fn settled(&self, receiver: &str) {
        self.until_count(receiver, "queued", |queued| queued == 0).await;
    }
}
