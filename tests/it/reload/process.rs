//! A gateway as a process, with a configuration file that can be written again.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Longer than anything here takes on a loaded machine; only a hang reaches it.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) struct Process {
    child: Child,
    log: Arc<(Mutex<Vec<Value>>, Condvar)>,
    directory: tempfile::TempDir,
    ingest: String,
    admin: String,
}

/// An answer: its status, and its body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The texts in a list of it.
    pub(super) fn list(&self, member: &str) -> Vec<String> {
        let list = self.json()[member].as_array().cloned().unwrap_or_default();
        list.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }
}

/// What every configuration here has. Nothing listens where it delivers to.
pub(super) const REST: &str = "\
[receiver]
url = \"http://127.0.0.1:9/\"
api_key = \"API_KEY\"
";

/// Above the first section: ports that are free, and the rest in memory.
pub(super) const TOP: &str = "\
listen = \"127.0.0.1:0\"
admin.listen = \"127.0.0.1:0\"
queue.durability = \"memory\"
shutdown.grace = \"0s\"
";

/// Nobody but the test asks for a reload.
pub(super) const BY_HAND: &str = "reload.watch = false\nlimits.requests_per_minute = 0\n";

pub(super) fn source(name: &str, token: &str) -> String {
    format!("[[sources]]\nname = \"{name}\"\ntoken = \"{token}\"\n")
}

impl Process {
    pub(super) fn start(config: &str) -> Self {
        Self::start_with(config, &[], &[])
    }

    pub(super) fn start_with(config: &str, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        super::write(&directory.path().join("tidegate.toml"), config);
        Self::begin_with(directory, args, variables).started()
    }

    /// One that has its configuration there, and is not waited for.
    pub(super) fn begin(directory: tempfile::TempDir) -> Self {
        Self::begin_with(directory, &[], &[])
    }

    fn begin_with(directory: tempfile::TempDir, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut this = Self {
            child: Self::spawn(&directory, args, variables),
            log: Arc::default(),
            directory,
            ingest: String::new(),
            admin: String::new(),
        };
        let (stderr, log) = (this.child.stderr.take().unwrap(), Arc::clone(&this.log));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                log.0.lock().unwrap().push(line);
                log.1.notify_all();
            }
        });
        this
    }

    /// Waits until it takes metrics.
    pub(super) fn started(mut self) -> Self {
        let started = self.logged("taking metrics at");
        started["listen"].as_str().unwrap().clone_into(&mut self.ingest);
        started["admin.listen"].as_str().unwrap().clone_into(&mut self.admin);
        self
    }

    fn spawn(directory: &tempfile::TempDir, args: &[&str], variables: &[(&str, &str)]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.arg("serve").args(args).env_clear().current_dir(directory.path());
        command.env("TMPDIR", directory.path());
        command.envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn write(&self, config: &str) {
        super::write(&self.path("tidegate.toml"), config);
    }

    pub(super) fn hang_up(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
    }

    /// How it ended; that is waited for.
    pub(super) fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The first line of the log that holds this; it is waited for.
    pub(super) fn logged(&self, wanted: &str) -> Value {
        self.logged_nth(wanted, 0)
    }

    /// The nth of them, from 0.
    pub(super) fn logged_nth(&self, sought: &str, nth: usize) -> Value {
        let find = |log: &[Value]| {
            log.iter().filter(|line| line.to_string().contains(sought)).nth(nth).cloned()
        };
        let log = self.log.0.lock().unwrap();
        let waited = self.log.1.wait_timeout_while(log, PATIENCE, |log| find(log).is_none());
        let (log, _) = waited.unwrap();
        find(&log).unwrap_or_else(|| panic!("no line holds {sought:?}: {}", all(&log)))
    }

    /// Everything that was logged by now.
    pub(super) fn log(&self) -> String {
        all(&self.log.0.lock().unwrap())
    }

    /// Writes it and has it read.
    pub(super) fn reload(&self, config: &str) -> Answer {
        self.write(config);
        self.ask_to_reload()
    }

    pub(super) fn ask_to_reload(&self) -> Answer {
        exchange(&self.admin, "POST", "/-/reload", &[], "")
    }

    pub(super) fn admin(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        exchange(&self.admin, method, path, headers, "")
    }

    /// The value of a metric of the gateway itself, labels included in its name.
    pub(super) fn metric(&self, name: &str) -> Option<f64> {
        let page = self.admin("GET", "/metrics", &[]).body;
        let found = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        found.map(|value| value.parse().unwrap())
    }

    /// The status that a metric with this token gets.
    pub(super) fn send(&self, token: &str) -> u16 {
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", &*authorization)];
        exchange(&self.ingest, "POST", "/metrics", &headers, super::GAUGE).status
    }

    pub(super) fn ingest(&self) -> &str {
        &self.ingest
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn all(log: &[Value]) -> String {
    log.iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").unwrap();
        text
    })
}

/// One request on a connection of its own.
pub(super) fn exchange(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\n");
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n").unwrap();
    }
    write!(request, "content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    Answer { status: status.unwrap_or_else(|| panic!("{answer:?}")), body: body.to_owned() }
}
