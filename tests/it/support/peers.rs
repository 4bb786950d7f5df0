//! Programs of others that tests run: found where `.ci/peers` puts them, each on an address of its own, and
//! ended with the test that started them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// Longest wait for anything: a test fails by it, and never passes by it. Several programs share the disk
/// with everybody else, and each syncs.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Lines of what a program said that are shown.
const LOG_LINES_MAX: usize = 30;

/// Addresses that are tried before a program that does not start is given up.
const STARTS_MAX: u32 = 3;

/// The kernel ends what was started so with the thread of the test, however that ends: a test binary
/// that is killed runs no destructors. It execs, so the process is the program's own.
const ENDS_WITH_US: [&str; 4] = ["setpriv", "--pdeathsig", "KILL", "--"];

/// The program of that name. Where it is missing a test says so and skips; in CI that is a failure.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|directory| directory.join(name));
    present(found.find(|program| program.is_file()), name)
}

/// Python with the packages of `.ci/peers.txt`; as [`program`].
pub(crate) fn python() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let environment = root.join("target/peers-python");
    // Written last by `.ci/peers`, and an older list is none.
    let listed = |path: PathBuf| fs::read(path).ok();
    let wanted = listed(root.join(".ci/peers.txt"));
    let is_whole = wanted.is_some() && wanted == listed(environment.join("peers.txt"));
    present(is_whole.then(|| environment.join("bin/python3")), "target/peers-python")
}

fn present(found: Option<PathBuf>, name: &str) -> Option<PathBuf> {
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "CI needs {name}: .ci/peers installs it");
        println!("skipped: {name} is missing, .ci/peers installs it");
    }
    found
}

/// An address that is nobody else's: the host part is of this process and this call, so a port that is
/// free on it stays free, also between two programs that take it one after the other.
pub(crate) fn free_address() -> SocketAddr {
    static CALLS: AtomicU8 = AtomicU8::new(0);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    // 127.0.x.x is where everybody else is.
    let host = Ipv4Addr::new(127, high | 1, low, call.clamp(1, 254));
    let listener = TcpListener::bind((host, 0)).expect("all of 127.0.0.0/8 is this machine");
    listener.local_addr().expect("a bound address")
}

/// A program that runs. Killed when dropped; its words are shown where the test fails.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    process: Process,
}

impl Peer {
    /// Starts `program` with what `arguments` makes of an address, and waits until it answers 200 to
    /// `GET ready` there.
    pub(crate) async fn start(
        program: &Path,
        arguments: impl Fn(SocketAddr) -> Vec<String>,
        ready: &str,
    ) -> Self {
        let mut starts = 0;
        loop {
            starts += 1;
            let address = free_address();
            let mut peer = Self { address, process: Process::start(program, &arguments(address)) };
            match peer.ready(ready).await {
                Ok(()) => return peer,
                Err(why) if starts == STARTS_MAX => panic!("{why}"),
                // Another program may have been faster at its port after all.
                Err(why) => println!("started again: {why}"),
            }
        }
    }

    async fn ready(&mut self, path: &str) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        let why = loop {
            if matches!(get(self.address, path).await, Ok((200, _))) {
                return Ok(());
            }
            if let Some(status) = self.process.ended() {
                break format!("ended, {status}");
            }
            if Instant::now() > until {
                break format!("answers nothing good at {}{path}", self.address);
            }
            sleep(LOOK_EVERY).await;
        };
        Err(format!("{} {why}:\n{}", self.process.name, self.process.words()))
    }
}

/// Runs a program to its end, which has to be a good one; what it printed.
pub(crate) async fn run(program: &Path, arguments: &[String]) -> String {
    let mut process = Process::start(program, arguments);
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = process.ended() {
            assert!(status.success(), "{} ended, {status}", process.name);
            return fs::read_to_string(process.out.path()).expect("it said text");
        }
        assert!(Instant::now() < until, "{} does not end", process.name);
        sleep(LOOK_EVERY).await;
    }
}

/// Writes a file for a program to read.
pub(crate) fn put(path: &Path, text: &str) {
    let mut file = File::create(path).expect("a file can be made");
    file.write_all(text.as_bytes()).expect("the file is written");
}

/// Status and body of what is at `path`, asked for in the oldest way, so that the answer is neither
/// chunked nor compressed and ends with the connection.
pub(crate) async fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let answered = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    };
    let answer: io::Result<String> = timeout(PATIENCE, answered).await.expect("it answers");
    let answer = answer?;
    let broken = || io::Error::new(io::ErrorKind::InvalidData, answer.clone());
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or_else(broken)?, body.to_owned()))
}

/// A child process with everything it says.
struct Process {
    name: String,
    child: Child,
    out: NamedTempFile,
    errors: NamedTempFile,
}

impl Process {
    fn start(program: &Path, arguments: &[String]) -> Self {
        let [out, errors] = [(); 2].map(|()| NamedTempFile::new().expect("a temporary file"));
        let writer = |file: &NamedTempFile| file.reopen().expect("the file is there");
        let [wrapper, options @ ..] = ENDS_WITH_US;
        let child = Command::new(wrapper)
            .args(options)
            .arg(program)
            .args(arguments)
            // What is on this machine is not asked of a proxy.
            .envs([("NO_PROXY", "*"), ("no_proxy", "*")])
            .stdin(Stdio::null())
            .stdout(writer(&out))
            .stderr(writer(&errors))
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {wrapper}, of util-linux: {error}"));
        Self { name: program.display().to_string(), child, out, errors }
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it can be waited for")
    }

    fn words(&self) -> String {
        let read = |file: &NamedTempFile| fs::read(file.path()).unwrap_or_default();
        let words = [read(&self.out), read(&self.errors)].concat();
        let words = String::from_utf8_lossy(&words);
        let lines: Vec<&str> = words.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_MAX)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Gone already is as good.
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            println!("{} said:\n{}", self.name, self.words());
        }
    }
}
