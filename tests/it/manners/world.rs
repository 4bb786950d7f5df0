//! A gateway with its receivers, and the judgement at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tidegate::app::{Ended, Gateway};
use tidegate::clock::{Clock, SystemClock};
use tidegate::config::{self, Config, Environment};
use tidegate::receiver::{Options, Received, Receiver, Rules, Running};

use crate::support::endure::books::Books;
use crate::support::endure::letters::{self, Letter};
use crate::support::wire::{Reply, Wire, request};

/// Longest wait for anything: tests fail by it, and never pass by it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How often a gateway is asked while something is waited for that only it can tell.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What every receiver takes as its key.
pub(crate) const KEY: &str = "k3y-of-the-receiver";

/// How a world is set up.
pub(crate) struct Setup {
    /// Name and further keys of each; one alone named `default` is a `[receiver]`.
    receivers: Vec<(&'static str, String)>,
    sources: Vec<&'static str>,
    /// Further sections.
    more: String,
    /// What no configuration may say, because it is too short for real life.
    adjust: Box<dyn Fn(&mut Config) + Send>,
    clock: Arc<dyn Clock>,
}

/// A gateway that runs, and everything around it.
pub(crate) struct World {
    setup: Setup,
    directory: TempDir,
    receivers: Vec<(&'static str, Running)>,
    gateway: Option<Gateway>,
    /// Names in requests that were answered 202, by source.
    accepted: BTreeMap<&'static str, BTreeSet<String>>,
}

/// What a receiver and its dead letters have had in the end.
pub(crate) struct Outcome {
    pub(crate) received: Received,
    /// Every letter there ever was, in order.
    pub(crate) letters: Vec<Letter>,
    pub(crate) ended: Ended,
}

/// Names that sort as they count.
pub(crate) fn names(prefix: &str, range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| format!("{prefix}.{number:06}")).collect()
}

impl Setup {
    /// One source `shop` and one receiver.
    pub(crate) fn one() -> Self {
        Self::receivers(&[("default", "")])
    }

    /// These receivers, by name and with further keys.
    pub(crate) fn receivers(receivers: &[(&'static str, &str)]) -> Self {
        let receivers = receivers.iter().map(|(name, keys)| (*name, (*keys).to_owned())).collect();
        Self {
            receivers,
            sources: vec!["shop"],
            more: String::new(),
            adjust: Box::new(|_| {}),
            clock: Arc::new(SystemClock::new()),
        }
    }

    pub(crate) fn sources(mut self, sources: &[&'static str]) -> Self {
        self.sources = sources.to_vec();
        self
    }

    /// Further keys of all receivers.
    pub(crate) fn keys(mut self, keys: &str) -> Self {
        for (_, text) in &mut self.receivers {
            text.push_str(keys);
        }
        self
    }

    pub(crate) fn adjust(mut self, adjust: impl Fn(&mut Config) + Send + 'static) -> Self {
        self.adjust = Box::new(adjust);
        self
    }

    pub(crate) fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Starts the receivers and the gateway.
    pub(crate) async fn start(self) -> World {
        let directory = tempfile::tempdir().unwrap();
        let mut receivers = Vec::new();
        for (name, _) in &self.receivers {
            let options = Options { rules: Rules::for_key(KEY), ..Options::for_tests() };
            let receiver = Receiver::start(options).await.unwrap();
            receivers.push((*name, receiver));
        }
        let accepted = self.sources.iter().map(|source| (*source, BTreeSet::new())).collect();
        let mut world = World { setup: self, directory, receivers, gateway: None, accepted };
        std::fs::write(world.key_file(), KEY).unwrap();
        world.start().await;
        world
    }
}

impl World {
    /// The configuration's text, as a file would have it.
    fn text(&self) -> String {
        let mut text = format!(
            "listen = \"127.0.0.1:0\"\nhostname = \"gateway\"\ndata_dir = {:?}\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n[limits]\nrequests_per_minute = 0\n\
             [shutdown]\ngrace = \"2s\"\n[queue]\nmin_free_bytes = 0\nsegment_bytes = \"4MiB\"\n{}",
            self.data_dir(),
            self.setup.more
        );
        for source in &self.setup.sources {
            text += &format!("[[sources]]\nname = \"{source}\"\ntoken = \"{source}-token\"\n");
        }
        for ((name, keys), (_, receiver)) in self.setup.receivers.iter().zip(&self.receivers) {
            text += &match *name {
                "default" => "[receiver]\n".to_owned(),
                name => format!("[[receivers]]\nname = \"{name}\"\n"),
            };
            text += &format!(
                "url = \"{}\"\napi_key_file = {:?}\nretry_min = \"2ms\"\nretry_max = \"20ms\"\n{keys}\n",
                receiver.url(),
                self.key_file()
            );
        }
        text
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Holds the key of all receivers.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.directory.path().join("key")
    }

    /// A command of the program, with the gateway's configuration, while it runs or not.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.args(args).args(["--config", "tidegate.toml"]);
        command.env_clear().current_dir(self.directory.path()).stdin(Stdio::null());
        tokio::task::block_in_place(|| command.output().unwrap())
    }

    /// Starts a gateway on what the one before left.
    pub(crate) async fn start(&mut self) {
        let text = self.text();
        std::fs::write(self.directory.path().join("tidegate.toml"), &text).unwrap();
        let loaded = config::load("test", &text, &Environment::default());
        let mut config = loaded.unwrap().config;
        for receiver in &mut config.receivers {
            receiver.hold_probe = Duration::from_millis(20);
        }
        (self.setup.adjust)(&mut config);
        let gateway = Gateway::start(config, Arc::clone(&self.setup.clock)).await;
        self.gateway = Some(gateway.unwrap());
    }

    /// Stops the gateway in order.
    pub(crate) async fn stop(&mut self) -> Ended {
        self.gateway.take().unwrap().stop().await
    }

    /// Stops it and starts another one with changed settings.
    pub(crate) async fn restart(&mut self, adjust: impl Fn(&mut Config) + Send + 'static) {
        self.stop().await;
        self.setup.adjust = Box::new(adjust);
        self.start().await;
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().unwrap()
    }

    pub(crate) fn receiver(&self, name: &str) -> &Running {
        &self.receivers.iter().find(|(known, _)| *known == name).unwrap().1
    }

    pub(crate) fn receiver_mut(&mut self, name: &str) -> &mut Running {
        &mut self.receivers.iter_mut().find(|(known, _)| *known == name).unwrap().1
    }

    /// The first receiver.
    pub(crate) fn sole(&self) -> &Running {
        &self.receivers[0].1
    }

    /// Posts one gauge of each name as the first source, and expects 202.
    pub(crate) async fn send(&mut self, names: &[impl AsRef<str>]) {
        self.send_as(self.setup.sources[0], names).await;
    }

    pub(crate) async fn send_as(&mut self, source: &'static str, names: &[impl AsRef<str>]) {
        let gauge = |name: &str| format!(r#"{{"name":"{name}","gauge":{{"value":1}}}}"#);
        let items: Vec<String> = names.iter().map(|name| gauge(name.as_ref())).collect();
        self.post(source, &format!("[{}]", items.join(","))).await;
        let names = names.iter().map(|name| name.as_ref().to_owned());
        self.accepted.get_mut(source).unwrap().extend(names);
    }

    /// One metric whose tuple is about `bytes` long.
    pub(crate) async fn send_large(&mut self, name: &str, bytes: usize) {
        let tags: Vec<String> = (0..bytes.div_ceil(3_000))
            .map(|nth| format!(r#""p{nth}":"{}""#, "x".repeat(3_000.min(bytes - nth * 3_000))))
            .collect();
        let tags = tags.join(",");
        let body = format!(r#"[{{"name":"{name}","gauge":{{"value":1}},"tags":{{{tags}}}}}]"#);
        let source = self.setup.sources[0];
        self.post(source, &body).await;
        self.accepted.get_mut(source).unwrap().insert(name.to_owned());
    }

    async fn post(&self, source: &str, body: &str) {
        let headers =
            format!("authorization: Bearer {source}-token\r\ncontent-type: application/json\r\n");
        let mut wire = Wire::connect(self.gateway().addr()).await;
        wire.send(&request("POST /metrics", &headers, body.as_bytes())).await;
        let reply = wire.reply().await;
        assert_eq!(reply.status, 202, "{}", String::from_utf8_lossy(&reply.body));
    }

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
        match tokio::time::timeout(PATIENCE, reached).await {
            Ok(count) => count,
            Err(_) => panic!(
                "{name} of {receiver} is not as wished: {}",
                self.ask("GET /receivers").await.text()
            ),
        }
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
            let is_cause = |cause: &Value| {
                let kind = cause["cause"].as_str();
                let is_hold = matches!(kind, Some("receiver_held" | "dead_letters_full"));
                is_hold && cause["receiver"] == receiver
            };
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
        match tokio::time::timeout(PATIENCE, reached).await {
            Ok(found) => found,
            Err(_) => panic!("not {what}: {:#?}", look().await),
        }
    }

    /// Waits until nothing is queued for this receiver.
    pub(crate) async fn settled(&self, receiver: &str) {
        self.until_count(receiver, "queued", |queued| queued == 0).await;
    }

    /// The letters of this receiver that are on the disk, replayed ones included.
    pub(crate) fn letters(&self, receiver: &str) -> Vec<Letter> {
        letters::read(&self.data_dir().join("dead-letters").join(receiver))
    }

    /// Names that were answered 202.
    pub(crate) fn accepted(&self) -> BTreeSet<String> {
        self.accepted.values().flatten().cloned().collect()
    }

    pub(crate) fn accepted_of(&self, source: &str) -> BTreeSet<String> {
        self.accepted[source].clone()
    }

    /// Waits until all is delivered or dead, stops the gateway, and judges: exactly `dead` are dead
    /// letters, everything else accepted was delivered, and the books say the same.
    pub(crate) async fn end(mut self, dead: &[impl AsRef<str>]) -> Outcome {
        let name = self.receivers[0].0;
        let all = self.accepted();
        self.settled(name).await;
        self.judge(name, &all, &dead.iter().map(|name| name.as_ref().to_owned()).collect()).await;
        let ended = self.stop().await;
        let letters = self.letters(name);
        let (_, receiver) = self.receivers.remove(0);
        Outcome { received: receiver.stop().await, letters, ended }
    }

    /// [`Self::end`] without dead letters.
    pub(crate) async fn end_clean(self) -> Outcome {
        self.end(&[""; 0]).await
    }

    /// That this receiver got `all` but `dead`, which are its dead letters, and that its books balance.
    pub(crate) async fn judge(
        &self,
        receiver: &str,
        all: &BTreeSet<String>,
        dead: &BTreeSet<String>,
    ) {
        let arrived = arrived(&self.receiver(receiver).received());
        let letters: Vec<String> =
            self.letters(receiver).into_iter().map(|letter| letter.name()).collect();
        let dead_names: BTreeSet<String> = letters.iter().cloned().collect();
        assert_eq!(letters.len(), dead_names.len(), "a dead letter stands twice: {letters:?}");
        assert_eq!(&dead_names, dead, "the dead letters of {receiver}");
        let expected: BTreeSet<String> = all.difference(dead).cloned().collect();
        assert_same(&arrived, &expected, receiver);
        let books = self.balanced(receiver).await;
        assert_eq!(books("delivered_total"), expected.len() as u64, "delivered to {receiver}");
        assert_eq!(books("dead_lettered_total"), dead.len() as u64, "dead letters of {receiver}");
        assert_eq!(books("expired_total") + books("damaged_total") + books("purged_total"), 0);
    }

    /// The books of this receiver, which balance.
    pub(crate) async fn balanced(&self, receiver: &str) -> impl Fn(&str) -> u64 + use<> {
        let books = Books::read(self.gateway().admin_addr().unwrap()).await;
        assert_eq!(books.sample("tidegate_books_balanced"), 1);
        let receiver = receiver.to_owned();
        let of =
            move |name: &str| books.sample(&format!("tidegate_{name}{{receiver=\"{receiver}\"}}"));
        let out = ["delivered", "filtered", "dead_lettered", "expired", "damaged", "purged"];
        let out: u64 = out.iter().map(|name| of(&format!("{name}_total"))).sum();
        assert_eq!(of("series_total") + of("replayed_total"), out + of("queued"));
        of
    }
}

/// All letters in the JSON of `dead-letters ls --json`.
pub(crate) fn count_letters(stdout: &[u8]) -> u64 {
    let told: Value = serde_json::from_slice(stdout).unwrap();
    let receivers = told["receivers"].as_array().unwrap().iter();
    receivers.map(|receiver| receiver["letters"].as_u64().unwrap()).sum()
}

/// The names of all tuples a receiver took.
pub(crate) fn arrived(received: &Received) -> BTreeSet<String> {
    received.tuples.iter().map(|tuple| tuple.parts().name.into_owned()).collect()
}

/// That two sets are the same, and which names differ.
pub(crate) fn assert_same(arrived: &BTreeSet<String>, expected: &BTreeSet<String>, what: &str) {
    let some = |set: &BTreeSet<String>, other| {
        let mut found: Vec<String> = set.difference(other).cloned().collect();
        let count = found.len();
        found.truncate(5);
        (count, found)
    };
    let (missing, strange) = (some(expected, arrived), some(arrived, expected));
    let none = (0, Vec::new());
    assert!(
        missing == none && strange == none,
        "{what}: missing {missing:?}, not expected {strange:?}"
    );
}
