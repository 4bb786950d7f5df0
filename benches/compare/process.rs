//! A program that is measured: what the kernel says about it, and what it says about itself.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

const START_TRIES: u32 = 400;
const START_PAUSE: Duration = Duration::from_millis(25);

/// In which the kernel tells programs of time, on every architecture this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Ended when it is dropped, and waited for.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, whose words go to `log`, and waits until it listens there.
    pub(crate) fn start(command: &mut Command, log: &Path, address: SocketAddr) -> Self {
        let words = File::create(log).expect("a log file");
        let more = words.try_clone().expect("a second handle");
        let child = command.stdin(Stdio::null()).stdout(words).stderr(more).spawn();
        let child = child.unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let process = Self { child, log: log.to_owned() };
        for _ in 0..START_TRIES {
            if TcpStream::connect(address).is_ok() {
                return process;
            }
            sleep(START_PAUSE);
        }
        panic!("{command:?} does not listen on {address}:\n{}", process.log());
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Seconds it ran so far, its kernel side included.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = self.proc("stat");
        // Behind the name, which may hold anything: user and system time are the 12th and 13th.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks = fields.split_whitespace().skip(11).take(2);
        ticks.map(|ticks| ticks.parse::<f64>().expect("a number")).sum::<f64>() / TICKS_PER_SECOND
    }

    /// The most memory it ever had, MiB (`VmHWM`: the kernel's own maximum, no sampling gaps).
    pub(crate) fn peak_mib(&self) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")).map(str::trim);
        kib.and_then(|kib| kib.parse::<f64>().ok()).expect("the kernel says it") / 1024.0
    }

    fn proc(&self, file: &str) -> String {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.child.id()));
        text.unwrap_or_else(|error| panic!("the program is gone: {error}\n{}", self.log()))
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Gone already is as good.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What a program answers there. HTTP/1.0: the answer ends with its connection, in one piece.
pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the program is there");
    write!(stream, "GET {path} HTTP/1.0\r\nhost: peer\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers in text");
    answer
}

/// The sum of a metric over its labels, those whose text holds `label`.
pub(crate) fn metric(exposed: &str, name: &str, label: &str) -> f64 {
    let of_name = exposed.lines().filter_map(|line| line.strip_prefix(name));
    of_name
        .filter(|rest| rest.starts_with(['{', ' ']) && rest.contains(label))
        .filter_map(|rest| rest.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}

/// Free a moment ago; a bench may lose that race and be started again.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound address")
}
