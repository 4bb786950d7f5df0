//! Scrapes over real sockets: pages fetched, and what becomes of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tidegate::budget::Budget;
use tidegate::clock::ManualClock;
use tidegate::config::{self, Environment};
use tidegate::metric::timestamp::Timestamp;
use tidegate::queue::Entry;
use tidegate::scrape::{Counts, Outcome, Parts, Scraper};
use tokio::time::timeout;

use super::support::edge::PATIENCE;
use super::support::ledger::Ledger;

mod exporter;
mod files;
mod memory;
mod page;
mod quota;
mod tls;
mod trouble;
mod whole;

/// When everything here is scraped: the clock stands still.
const NOW: i64 = 1_700_000_000;

/// Time between two scrapes: nobody here waits for it more than a few times.
const INTERVAL: Duration = Duration::from_millis(20);

/// Scrapes with a queue that remembers.
struct World {
    queue: Arc<Ledger>,
    budget: Arc<Budget>,
    counts: Arc<Counts>,
    scraper: Scraper,
}

/// What is not what most tests need.
struct Settings {
    /// `[[sources]]`, `[[scrape]]`
    text: String,
    timeout: Duration,
    body_bytes: usize,
    memory_bytes: u64,
}

impl Settings {
    fn of(text: impl Into<String>) -> Self {
        Self { text: text.into(), timeout: PATIENCE, body_bytes: 1 << 20, memory_bytes: 64 << 20 }
    }

    fn config(&self) -> config::Config {
        let text =
            format!("{}\n[receiver]\nurl = \"http://127.0.0.1:9/\"\napi_key = \"k\"\n", self.text);
        let loaded = config::load("test", &text, &Environment::default());
        let mut config = loaded.unwrap_or_else(|problems| panic!("{problems}\n{text}")).config;
        for scrape in &mut config.scrapes {
            (scrape.interval, scrape.timeout) = (INTERVAL, self.timeout);
        }
        config
    }

    async fn start(self) -> World {
        let config = self.config();
        let queue = Ledger::new();
        let budget = Arc::new(Budget::new(self.memory_bytes));
        let mut scraper = Scraper::new(Parts {
            scrapes: &config.scrapes,
            sources: &config.sources,
            policy: &config.policy,
            body_bytes: self.body_bytes,
            budget: Arc::clone(&budget),
            queue: queue.clone(),
            clock: Arc::new(ManualClock::new(Timestamp::from_unix(NOW, 0))),
            files_every: INTERVAL,
            traffic: Arc::default(),
            tap: Arc::default(),
        })
        .await
        .unwrap();
        scraper.run();
        World { queue, budget, counts: scraper.counts(), scraper }
    }
}

/// A job with these targets, and lines of its own.
fn job(name: &str, targets: &[&str], more: &str) -> String {
    format!("[[scrape]]\njob = \"{name}\"\ntargets = {targets:?}\n{more}\n")
}

async fn start(text: impl Into<String>) -> World {
    Settings::of(text).start().await
}

/// Waits until `what` holds.
async fn until(what: impl Fn() -> bool) {
    let poll = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, poll).await.expect("the state is reached");
}

impl World {
    /// Waits until `what` holds.
    async fn until(&self, what: impl Fn(&Self) -> bool) {
        until(|| what(self)).await;
    }

    /// Scrapes of the first job that ended so.
    fn scrapes(&self, outcome: Outcome) -> u64 {
        self.counts.jobs()[0].scrapes(outcome)
    }

    /// The first entry of this target, whose samples all have its `instance`.
    async fn entry_of(&self, instance: &str) -> Vec<Value> {
        let tag = format!("instance:{instance}");
        let find = || {
            let entries = self.queue.entries();
            let mut samples = entries.iter().map(samples);
            samples.find(|samples| samples.iter().all(|sample| has_tag(sample, &tag)))
        };
        self.until(|_| find().is_some()).await;
        find().unwrap()
    }

    /// The values of `up`, by instance, as last said.
    fn up(&self) -> BTreeMap<String, String> {
        let mut up = BTreeMap::new();
        for sample in self.queue.entries().iter().flat_map(samples) {
            if sample[0] == "up" {
                let tags = sample[3]["tags"].as_array().unwrap();
                let tag = tags.iter().find_map(|tag| tag.as_str()?.strip_prefix("instance:"));
                up.insert(tag.unwrap().to_owned(), sample[2].to_string());
            }
        }
        up
    }
}

/// The tuples of an entry.
fn samples(entry: &Entry) -> Vec<Value> {
    let blocks = entry.blocks.iter().map(|block| std::str::from_utf8(&block.bytes).unwrap());
    let blocks: Vec<_> = blocks.collect();
    serde_json::from_str(&format!("[{}]", blocks.join(",\n"))).unwrap()
}

fn has_tag(sample: &Value, tag: &str) -> bool {
    sample[3]["tags"].as_array().unwrap().iter().any(|one| one == tag)
}

/// `name{tag,tag} value @seconds type` of each, `scrape_duration_seconds` apart.
fn shown(samples: &[Value]) -> Vec<String> {
    let samples = samples.iter().filter(|sample| sample[0] != "scrape_duration_seconds");
    samples
        .map(|sample| {
            let tags = sample[3]["tags"].as_array().unwrap();
            let mut tags: Vec<_> = tags.iter().map(|tag| tag.as_str().unwrap()).collect();
            tags.sort_unstable();
            let kind = sample[3]["type"].as_str().unwrap();
            let name = sample[0].as_str().unwrap();
            format!("{name}{{{}}} {} @{} {kind}", tags.join(","), sample[2], sample[1])
        })
        .collect()
}
