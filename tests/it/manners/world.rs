//! A gateway with its receivers, and the judgement at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tidegate::app::{Ended, Gateway};
use tidegate::clock::{Clock, SystemClock};
use tidegate::config::{self, Config, Environment};
use tidegate::receiver::{Options, Receiver, Rules, Running};

use crate::support::endure::letters::{self, Letter};
use crate::support::wire::{Wire, request};

mod judge;
mod watch;

pub(crate) use judge::{arrived, assert_same, count_letters};

/// Longest wait for anything: tests fail by it, and never pass by it.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// What every receiver takes as its key.
pub(crate) const KEY: &str = "k3y-of-the-receiver";

/// How a world is set up.
pub(crate) struct Setup {
    /// Name and further keys of each; one alone named `default` is a `[receiver]`.
    receivers: Vec<(&'static str, String)>,
    sources: Vec<&'static str>,
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
        world.write_key(KEY);
        world.start().await;
        world
    }
}

impl World {
    /// The configuration's text, as a file would have it.
    fn text(&self) -> String {
        let mut sections = vec![format!(
            "listen = \"127.0.0.1:0\"\nhostname = \"gateway\"\ndata_dir = \"{}\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n[limits]\nrequests_per_minute = 0\n\
             [shutdown]\ngrace = \"2s\"\n[queue]\nmin_free_bytes = 0\nsegment_bytes = \"4MiB\"\n",
            self.data_dir().display(),
        )];
        for source in &self.setup.sources {
            let section = format!("[[sources]]\nname = \"{source}\"\ntoken = \"{source}-token\"\n");
            sections.push(section);
        }
        for ((name, keys), (_, receiver)) in self.setup.receivers.iter().zip(&self.receivers) {
            sections.push(match *name {
                "default" => "[receiver]\n".to_owned(),
                name => format!("[[receivers]]\nname = \"{name}\"\n"),
            });
            sections.push(format!(
                "url = \"{}\"\napi_key_file = \"{}\"\nretry_min = \"2ms\"\nretry_max = \"20ms\"\n\
                 {keys}\n",
                receiver.url(),
                self.key_file().display()
            ));
        }
        sections.concat()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Holds the key of all receivers.
    fn key_file(&self) -> PathBuf {
        self.directory.path().join("key")
    }

    /// Writes the file that holds the key.
    pub(crate) fn write_key(&self, key: &str) {
        write(&self.key_file(), key);
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
        write(&self.directory.path().join("tidegate.toml"), &text);
        let loaded = config::load("test", &text, &Environment::default());
        let mut config = loaded.unwrap().config;
        for receiver in &mut config.receivers {
            receiver.hold_probe = Duration::from_millis(20);
        }
        (self.setup.adjust)(&mut config);
        let gateway = Gateway::start(config, Arc::clone(&self.setup.clock)).await;
        self.gateway = Some(gateway.unwrap());
    }

    /// Stops the gateway in order. Whatever the faults, every request was well-formed.
    pub(crate) async fn stop(&mut self) -> Ended {
        for (name, receiver) in &self.receivers {
            assert_eq!(receiver.received().totals.malformed, 0, "requests to {name}");
        }
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
}

fn write(path: &Path, text: &str) {
    File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}
