//! `tidegate dead-letters` as a process, over files that the library made.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use crate::support::output::{code, json, stderr, stdout};
use bytes::Bytes;
use tidegate::dead_letter::{DeadLetters, Letter, Ownership};
use tidegate::metric::timestamp::Timestamp;

mod look;
mod replay;

/// A directory with a configuration and a data directory.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self::for_receiver("http://127.0.0.1:9/intake")
    }

    fn for_receiver(url: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = format!(
            "listen = \"127.0.0.1:0\"\ndata_dir = \"data\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [[sources]]\nname = \"shop\"\ntoken = \"t\"\n\
             [receiver]\nurl = \"{url}\"\napi_key = \"API_KEY\"\nretry_max = \"200ms\"\n\
             [queue]\nmin_free_bytes = 0\nsegment_bytes = \"1MiB\"\n"
        );
        write(&directory.path().join("tidegate.toml"), config.as_bytes());
        std::fs::create_dir(directory.path().join("data")).unwrap();
        Self { directory }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The files of one receiver's letters.
    fn files(&self, receiver: &str) -> Vec<PathBuf> {
        let directory = self.data_dir().join("dead-letters").join(receiver);
        let Ok(entries) = directory.read_dir() else { return Vec::new() };
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    fn put(&self, receiver: &str, letters: &[Letter]) {
        self.store(receiver).put(letters).unwrap();
    }

    fn store(&self, receiver: &str) -> DeadLetters {
        DeadLetters::open(&self.data_dir(), receiver, 64 << 20, Ownership::Held).unwrap()
    }

    /// `tidegate dead-letters ARGS` in this directory.
    fn run(&self, args: &[&str]) -> Output {
        let mut command = command(self.path(), &["dead-letters"]);
        command.args(args).output().unwrap()
    }

    /// All bytes of the data directory, by name.
    fn snapshot(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut all = Vec::new();
        let mut directories = vec![self.data_dir()];
        while let Some(directory) = directories.pop() {
            for entry in directory.read_dir().unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    let bytes = std::fs::read(&path).unwrap();
                    all.push((path, bytes));
                }
            }
        }
        all.sort();
        all
    }
}

fn command(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(args).env_clear().current_dir(directory);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn write(path: &Path, bytes: &[u8]) {
    std::io::Write::write_all(&mut std::fs::File::create(path).unwrap(), bytes).unwrap();
}

/// Refused at `number` seconds past a round time.
fn letter(number: u64, source: &str, status: u16, answer: &str) -> Letter {
    Letter {
        sequence: 100 + number,
        index: 0,
        received: Timestamp::from_unix(1_795_322_000, 0),
        source: Arc::from(source),
        at: Timestamp::from_unix(1_795_322_520 + number as i64, 0),
        status,
        answer: Arc::from(answer),
        tuple: Bytes::from(format!(
            "[\"shop.m{number}\",1795322000,1.50,{{\"hostname\":\"h\",\"tags\":[],\"type\":\"gauge\"}}]"
        )),
    }
}

/// Four of the shop, refused twice each for two reasons, and one of another source.
fn sample() -> Vec<Letter> {
    vec![
        letter(0, "shop", 400, "no such type"),
        letter(1, "shop", 400, "no such type"),
        letter(2, "shop", 422, "too \u{1b}[31mred"),
        letter(3, "bank", 400, "no such type"),
        letter(4, "shop", 422, "too \u{1b}[31mred"),
    ]
}
