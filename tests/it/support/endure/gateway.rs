//! The real program as a process that is started, stopped and killed again and again on one data
//! directory.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// Lines of the log that are kept for a failure.
const LOG_LINES_MAX: usize = 400;

/// Where a running gateway is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) ingest: SocketAddr,
    /// Once its log has named it.
    pub(crate) admin: Option<SocketAddr>,
}

/// A gateway, running or not. Killed when dropped.
pub(crate) struct Gateway {
    directory: PathBuf,
    /// What the process is started through: nothing, or a tracer and its arguments.
    wrapper: Vec<String>,
    running: Option<Running>,
    addresses: watch::Sender<Option<Addresses>>,
    log: Arc<Mutex<Log>>,
}

struct Running {
    child: Child,
    reader: JoinHandle<()>,
}

/// The end of what all processes wrote, and what must never be in it.
#[derive(Default)]
pub(crate) struct Log {
    lines: VecDeque<String>,
    pub(crate) panics: Vec<String>,
}

impl Gateway {
    /// A gateway in this directory: `tidegate.toml` is written there, data goes to `data`.
    pub(crate) fn new(directory: &Path, config: &str) -> Self {
        let path = directory.join("tidegate.toml");
        let mut file = File::create(path).expect("a file can be made in the directory");
        file.write_all(config.as_bytes()).expect("the configuration is written");
        Self {
            directory: directory.to_owned(),
            wrapper: Vec::new(),
            running: None,
            addresses: watch::Sender::new(None),
            log: Arc::default(),
        }
    }

    /// Starts it through another program, which the process id then belongs to.
    pub(crate) fn through(mut self, wrapper: Vec<String>) -> Self {
        self.wrapper = wrapper;
        self
    }

    /// `tidegate` with these arguments, in the gateway's directory and with its configuration.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let words = self.wrapper.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_tidegate")]);
        let mut words = words.chain(args.iter().copied());
        let mut command = Command::new(words.next().expect("the program at least"));
        command.args(words).env_clear().current_dir(&self.directory);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Starts the process and does not wait for anything.
    pub(crate) fn spawn(&mut self) {
        assert!(self.running.is_none(), "the one before has ended");
        let mut child = self
            .command(&["serve", "--config", "tidegate.toml"])
            .spawn()
            .expect("the program runs");
        let stderr = child.stderr.take().expect("it is a pipe");
        let (log, addresses) = (Arc::clone(&self.log), self.addresses.clone());
        let reader = std::thread::spawn(move || read(stderr, &log, &addresses));
        self.running = Some(Running { child, reader });
    }

    /// Starts the process and waits until it answers.
    pub(crate) async fn start(&mut self) -> Addresses {
        self.spawn();
        self.ready().await
    }

    /// Waits until the process that was started answers.
    pub(crate) async fn ready(&self) -> Addresses {
        let mut addresses = self.addresses.subscribe();
        let found = timeout(super::PATIENCE, addresses.wait_for(Option::is_some)).await;
        let Ok(found) = found else { panic!("the gateway does not start:\n{}", self.log()) };
        found.expect("the sender is here").expect("asked for")
    }

    /// Where it is, now and later; `None` while it is not running.
    pub(crate) fn addresses(&self) -> watch::Receiver<Option<Addresses>> {
        self.addresses.subscribe()
    }

    /// Sends a signal to the process.
    pub(crate) fn signal(&self, signal: Signal) {
        let running = self.running.as_ref().expect("it runs");
        kill_process(Pid::from_child(&running.child), signal).expect("a process not waited for");
    }

    /// Takes the process away from one instant to the next and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        running.child.kill().expect("it can be killed");
        running.child.wait().expect("it can be waited for");
        self.gone(running);
    }

    /// Asks it to end (SIGTERM) and waits for that.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.running.as_mut().expect("it runs").child;
        let poll = async {
            loop {
                if let Some(status) = child.try_wait().expect("it can be waited for") {
                    return status;
                }
                sleep(Duration::from_millis(2)).await;
            }
        };
        let Ok(status) = timeout(super::PATIENCE, poll).await else {
            panic!("the gateway does not end:\n{}", self.log())
        };
        let running = self.running.take().expect("looked at above");
        self.gone(running);
        status
    }

    /// What `tidegate queue verify` says of the files: nothing, or what is wrong with them.
    pub(crate) fn verified(&self) -> Result<(), String> {
        let args = ["queue", "verify", "--config", "tidegate.toml"];
        let output = self.command(&args).output().expect("the program runs");
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(()) } else { Err(format!("{}: {said}", output.status)) }
    }

    fn gone(&self, running: Running) {
        running.reader.join().expect("reading does not panic");
        self.addresses.send_replace(None);
    }

    /// The end of its log, over all processes.
    pub(crate) fn log(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.lines.iter().map(String::as_str).collect()
    }

    /// Lines that tell of a panic.
    pub(crate) fn panics(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).panics.clone()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.child.kill().ok();
            running.child.wait().ok();
        }
    }
}

fn read(stderr: ChildStderr, log: &Mutex<Log>, addresses: &watch::Sender<Option<Addresses>>) {
    let mut stderr = BufReader::new(stderr);
    let mut line = String::new();
    while matches!(stderr.read_line(&mut line), Ok(1..)) {
        if let Some(found) = started(&line) {
            addresses.send_replace(Some(found));
        }
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if line.contains("panicked") {
            log.panics.push(line.clone());
        }
        if log.lines.len() == LOG_LINES_MAX {
            log.lines.pop_front();
        }
        log.lines.push_back(std::mem::take(&mut line));
    }
}

/// The addresses in the start-up line.
fn started(line: &str) -> Option<Addresses> {
    if !line.contains("taking metrics at") {
        return None;
    }
    let line: Value = serde_json::from_str(line).ok()?;
    let address = |key: &str| line[key].as_str().and_then(|text| text.parse().ok());
    Some(Addresses { ingest: address("listen")?, admin: address("admin.listen") })
}
