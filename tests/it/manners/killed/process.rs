//! A gateway as a process of its own beside a receiver in this one.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tidegate::receiver::{Options, Poison, Receiver, Rules, Running};

use super::super::world::{KEY, arrived, assert_same, count_letters};
use crate::support::edge::TOKEN;
use crate::support::endure::books::Books;
use crate::support::endure::gateway::Gateway;
use crate::support::endure::letters::{self, Letter};
use crate::support::endure::place;
use crate::support::wire::{Wire, post};

/// What refuses a tuple.
pub(super) const BAD: &str = "bad";

pub(super) struct Process {
    pub(super) directory: TempDir,
    pub(super) receiver: Running,
    pub(super) gateway: Gateway,
    /// Names that were answered 202.
    accepted: BTreeSet<String>,
}

impl Process {
    /// Not started yet; the receiver refuses what begins with [`BAD`].
    pub(super) async fn new() -> Self {
        let directory = place::on_a_disk();
        let rules = Rules { poisons: vec![Poison::begins(BAD)], ..Rules::for_key(KEY) };
        let options = Options { rules, ..Options::for_tests() };
        let receiver = Receiver::start(options).await.unwrap();
        let config = format!(
            "listen = \"127.0.0.1:0\"\nhostname = \"gateway\"\ndata_dir = \"data\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n\
             [[sources]]\nname = \"shop\"\ntoken = \"{TOKEN}\"\n\
             [receiver]\nurl = \"{}\"\napi_key = \"{KEY}\"\nretry_min = \"2ms\"\nretry_max = \"20ms\"\n\
             hold_probe = \"1s\"\n[limits]\nrequests_per_minute = 0\n[shutdown]\ngrace = \"2s\"\n\
             [queue]\nmin_free_bytes = 0\nsegment_bytes = \"1MiB\"\n",
            receiver.url()
        );
        let gateway = Gateway::new(directory.path(), &config);
        Self { directory, receiver, gateway, accepted: BTreeSet::new() }
    }

    /// Posts one gauge of each name and expects 202.
    pub(super) async fn send(&mut self, names: &[String]) {
        let gauge = |name: &String| format!(r#"{{"name":"{name}","gauge":{{"value":1}}}}"#);
        let items: Vec<String> = names.iter().map(gauge).collect();
        let body = format!("[{}]", items.join(","));
        let address = self.gateway.ready().await.ingest;
        let mut wire = Wire::connect(address).await;
        wire.send(&post("content-type: application/json\r\n", body.as_bytes())).await;
        assert_eq!(wire.reply().await.status, 202);
        self.accepted.extend(names.iter().cloned());
    }

    /// Waits until nothing is queued; the books then.
    pub(super) async fn settled(&self) -> Books {
        let addresses = *self.gateway.addresses().borrow();
        let books = Books::emptied(addresses.unwrap().admin.unwrap()).await;
        assert_eq!(books.of("queued"), 0, "{}", self.gateway.log());
        books
    }

    pub(super) fn letters_at(&self) -> PathBuf {
        self.directory.path().join("data/dead-letters/default")
    }

    pub(super) fn letters(&self) -> Vec<Letter> {
        letters::read(&self.letters_at())
    }

    /// A command of the program on this gateway's configuration, run to its end.
    pub(super) fn run(&self, args: &[&str]) -> Output {
        self.run_through(&[], args)
    }

    /// The same through another program.
    pub(super) fn run_through(&self, wrapper: &[&str], args: &[&str]) -> Output {
        let program = [env!("CARGO_BIN_EXE_tidegate")];
        let words = [wrapper, &program, args, &["--config", "tidegate.toml"]].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env_clear().current_dir(self.directory.path());
        command.stdin(Stdio::null());
        tokio::task::block_in_place(|| command.output().unwrap())
    }

    /// The same, to be started.
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let args = [args, &["--config", "tidegate.toml"]].concat();
        self.gateway.command(&args)
    }

    /// How many letters `dead-letters ls --json` lists.
    pub(super) fn listed(&self) -> u64 {
        let output = self.run(&["dead-letters", "ls", "--json"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        count_letters(&output.stdout)
    }

    /// That everything accepted arrived or is a dead letter, which are those that begin with [`BAD`],
    /// each of them once; that the books balance, and that the list has as many as they say.
    pub(super) async fn judge(&self) {
        let books = self.settled().await;
        let letters = self.letters();
        let dead: BTreeSet<String> = letters.iter().map(Letter::name).collect();
        assert_eq!(letters.len(), dead.len(), "a letter stands twice");
        let bad = |name: &String| name.starts_with(BAD);
        let expected: BTreeSet<String> =
            self.accepted.iter().filter(|it| bad(it)).cloned().collect();
        assert_same(&dead, &expected, "dead letters");
        let arrived = arrived(&self.receiver.received());
        assert_same(&arrived, &self.accepted.difference(&dead).cloned().collect(), "delivered");
        assert_eq!(books.sample("tidegate_books_balanced"), 1);
        assert_eq!(books.of("series"), self.accepted.len() as u64);
        assert_eq!(books.of("dead_lettered"), dead.len() as u64);
        assert_eq!(books.of("delivered"), arrived.len() as u64);
        assert_eq!(self.listed(), books.of("dead_lettered") - books.of("replayed"));
        assert!(self.gateway.panics().is_empty(), "{}", self.gateway.log());
    }
}
