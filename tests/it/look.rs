//! Looking inside a gateway that runs, or ran: `tap`, `top`, `test` and `bundle`, as processes.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

mod bundle;
mod tap;
mod top;
mod user_tests;

/// What opens the two sources.
const CHECKOUT: &str = "t0ken-of-checkout";
const BILLING: &str = "t0ken-of-billing";

/// A command that inherits nothing, in a directory of its own.
fn tidegate(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(args).env_clear().env("TMPDIR", directory).current_dir(directory);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn put(path: &Path, text: &str) {
    File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A gateway in a process of its own, which delivers to nobody; killed in the end.
struct Running {
    child: Child,
    directory: TempDir,
    ingest: String,
    admin: String,
}

impl Running {
    fn start() -> Self {
        Self::with("http://127.0.0.1:9/", "")
    }

    fn with(receiver: &str, more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = format!(
            "listen = \"127.0.0.1:0\"\ndata_dir = \"data\"\nhostname = \"gateway-1\"\n\
             admin.listen = \"127.0.0.1:0\"\n\
             [[sources]]\nname = \"checkout\"\ntoken = \"{CHECKOUT}\"\n\
             [[sources]]\nname = \"billing\"\ntoken = \"{BILLING}\"\n\
             [receiver]\nurl = \"{receiver}\"\napi_key = \"k3y-of-the-receiver\"\n\
             [limits]\nrequests_per_minute = 0\n[queue]\nmin_free_bytes = 0\n\
             [shutdown]\ngrace = \"100ms\"\n{more}"
        );
        put(&directory.path().join("tidegate.toml"), &config);
        Self::of(tidegate(directory.path(), &["serve"]), directory)
    }

    fn of(mut command: Command, directory: TempDir) -> Self {
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let (mut line, mut seen) = (String::new(), String::new());
        while !line.contains("taking metrics at") {
            seen.push_str(&line);
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "it did not start:\n{seen}");
        }
        let told: serde_json::Value = serde_json::from_str(&line).unwrap();
        let address = |key: &str| told[key].as_str().unwrap().to_owned();
        let (ingest, admin) = (address("listen"), address("admin.listen"));
        // A full pipe would hold it up.
        thread::spawn(move || log.read_to_end(&mut Vec::new()));
        Self { child, directory, ingest, admin }
    }

    /// The same once more, after its end.
    fn again(mut self) -> Self {
        let directory = std::mem::replace(&mut self.directory, tempfile::tempdir().unwrap());
        Self::of(tidegate(directory.path(), &["serve"]), directory)
    }

    fn end(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        exit_code(&mut self.child);
    }

    fn post(&self, token: &str, body: &str) {
        let length = body.len();
        let head = format!(
            "POST /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        let answer = exchange(&self.ingest, &(head + body));
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    }

    /// A command that finds this gateway by its directory.
    fn command(&self, args: &[&str]) -> Command {
        tidegate(self.directory.path(), args)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn exchange(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn gauge(name: &str) -> String {
    format!(r#"{{"name":"{name}","dt":1795343400,"gauge":{{"value":1}}}}"#)
}

fn exit_code(child: &mut Child) -> Option<i32> {
    // A minute and more: only a hang gets through.
    for _ in 0..12_000 {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("the process does not end");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
