//! Programs that are measured, each a process of its own: started, looked at from outside as the kernel
//! counts them, and ended with the bench at the latest.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// The kernel ends what was started so together with who started it, however that ended: a bench that
/// is killed runs no destructors. It execs, so the process is the program's own.
const ENDS_WITH_US: [&str; 4] = ["setpriv", "--pdeathsig", "KILL", "--"];

const LOOK: Duration = Duration::from_millis(20);

/// Looks before something that must come is given up.
const LOOKS_MAX: u32 = 1_500;

/// What a tick of `/proc/<pid>/stat` is, on every architecture this runs on.
const TICK: Duration = Duration::from_millis(10);

/// A program at work. Killed and waited for when it is dropped; killed as well when the thread that
/// started it ends, which therefore is to be the main one.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

/// What the kernel says of a process, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Resident {
    /// In memory now.
    pub(crate) now: u64,
    /// The most that ever was (`VmHWM`: the kernel's own maximum, no sampling gaps).
    pub(crate) peak: u64,
}

impl Process {
    /// Starts `command`, whose words go to `log`, and waits until it listens there.
    pub(crate) fn start(command: &Command, log: &Path, address: SocketAddr) -> Self {
        let words = File::create(log).expect("a log file");
        let more = words.try_clone().expect("a second handle");
        let [wrapper, options @ ..] = ENDS_WITH_US;
        let child = Command::new(wrapper)
            .args(options)
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::null())
            .stdout(words)
            .stderr(more)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {wrapper}, of util-linux: {error}"));
        let mut process = Self { child, log: log.to_owned() };
        for _ in 0..LOOKS_MAX {
            if TcpStream::connect(address).is_ok() {
                return process;
            }
            if let Ok(Some(status)) = process.child.try_wait() {
                panic!("{command:?} ended, {status}:\n{}", process.log());
            }
            sleep(LOOK);
        }
        panic!("{command:?} does not listen on {address}:\n{}", process.log());
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// [`cpu`] of it. Panics when it is gone, with its log.
    pub(crate) fn cpu(&self) -> Duration {
        cpu(self.id()).unwrap_or_else(|| panic!("it is gone:\n{}", self.log()))
    }

    /// [`resident`] of it. Panics when it is gone, with its log.
    pub(crate) fn resident(&self) -> Resident {
        resident(self.id()).unwrap_or_else(|| panic!("it is gone:\n{}", self.log()))
    }

    /// What it said.
    pub(crate) fn log(&self) -> String {
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

/// Time a process ran on a core, its kernel side and the threads that have ended included; in steps
/// of 10 ms.
pub(crate) fn cpu(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the name, which may hold anything: user and system time are the 12th and 13th.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u32>);
    Some(TICK * (ticks.next()?.ok()? + ticks.next()?.ok()?))
}

/// A process' memory, while it is there.
pub(crate) fn resident(pid: u32) -> Option<Resident> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib << 10)
    };
    Some(Resident { now: field("VmRSS:")?, peak: field("VmHWM:")? })
}

/// The gateway: `--program FILE`, or what was built along with the bench.
pub(crate) fn tidegate() -> PathBuf {
    let other = std::env::args_os().skip_while(|arg| arg != "--program").nth(1);
    other.map_or_else(|| env!("CARGO_BIN_EXE_tidegate").into(), PathBuf::from)
}

/// Free a moment ago, so nothing listens there; a bench may lose that race and be started again.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound address")
}
