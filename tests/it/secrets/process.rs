//! `tidegate` as a process, with everything it says kept.

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::{HEADER_KEY, IN_VARIABLE};
use crate::support::edge::PATIENCE;

fn command(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(args).env_clear().env("TMPDIR", directory).current_dir(directory);
    command.env("PLANTED_TOKEN", IN_VARIABLE).env("PLANTED_KEY", HEADER_KEY);
    command.env("RUST_BACKTRACE", "full").stdin(Stdio::null());
    command
}

/// Both streams of a command that ends by itself.
pub(super) fn run(directory: &Path, args: &[&str]) -> String {
    let output = command(directory, args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// A gateway at work; killed when dropped.
pub(super) struct Running {
    child: Child,
    pub(super) directory: PathBuf,
    log: Arc<Mutex<Vec<u8>>>,
    reading: Option<JoinHandle<()>>,
    pub(super) listen: SocketAddr,
    pub(super) admin: SocketAddr,
}

impl Running {
    pub(super) async fn start(directory: &Path) -> Self {
        let mut command = command(directory, &["serve"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&log);
        let reading = thread::spawn(move || {
            let mut piece = [0; 16 << 10];
            while let Ok(count @ 1..) = stderr.read(&mut piece) {
                kept.lock().unwrap().extend_from_slice(&piece[..count]);
            }
        });
        let begun = async {
            loop {
                let said = String::from_utf8_lossy(&log.lock().unwrap()).into_owned();
                let lines =
                    said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
                let mut at = lines.filter_map(|line| {
                    let address = |name: &str| line[name].as_str()?.parse::<SocketAddr>().ok();
                    Some((address("listen")?, address("admin.listen")?))
                });
                if let Some(both) = at.next_back() {
                    return both;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let begun = timeout(PATIENCE, begun).await;
        let (listen, admin) =
            begun.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&log.lock().unwrap())));
        Self { child, directory: directory.to_owned(), log, reading: Some(reading), listen, admin }
    }

    /// Another command beside it.
    pub(super) fn run(&self, args: &[&str]) -> String {
        run(&self.directory, args)
    }

    /// The same, while others go on.
    pub(super) fn begin(&self, args: &[&'static str]) -> JoinHandle<String> {
        let (directory, args) = (self.directory.clone(), args.to_vec());
        thread::spawn(move || run(&directory, &args))
    }

    /// Everything it logged.
    pub(super) fn end(mut self) -> String {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
        self.reading.take().unwrap().join().unwrap();
        String::from_utf8_lossy(&self.log.lock().unwrap()).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
