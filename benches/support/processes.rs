//! The real program under load: `tidegate serve` with a receiver behind it, each a process of its own,
//! so that what the kernel says about memory and time is about the gateway alone.

use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

/// The token of the one source.
pub(crate) const TOKEN: &str = "flood";

fn program() -> PathBuf {
    let other = std::env::args_os().skip_while(|arg| arg != "--program").nth(1);
    other.map_or_else(|| env!("CARGO_BIN_EXE_tidegate").into(), PathBuf::from)
}

const START_TRIES: u32 = 200;
const START_PAUSE: Duration = Duration::from_millis(50);

/// How a gateway is set up.
pub(crate) struct Setup {
    /// `queue.durability`
    pub(crate) durability: &'static str,
    /// `limits.memory_bytes`
    pub(crate) memory_bytes: u64,
    /// `queue.max_bytes`
    pub(crate) queue_bytes: u64,
    pub(crate) receiver: Receiver,
}

/// What is behind a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receiver {
    /// `tidegate receiver`, a process of its own.
    Embedded,
    /// Nobody: what comes in stays in the queue.
    Away,
    /// One that wants none of it: what comes in leaves the queue at once, and is not posted.
    Uninterested,
    /// Somebody who listens there already.
    At(SocketAddr),
}

/// A gateway, with its receiver. Both are killed when this is dropped.
pub(crate) struct Gateway {
    address: SocketAddr,
    serve: Guard,
    _receiver: Option<Guard>,
    directory: TempDir,
}

/// What the kernel says of a process, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Resident {
    /// In memory now.
    pub(crate) now: u64,
    /// The most that ever was (`VmHWM`: the kernel's own maximum, no sampling gaps).
    pub(crate) peak: u64,
}

struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // Gone already is as good.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Gateway {
    /// Starts one as it is set up, with its data on a real disk, and waits until it answers.
    pub(crate) fn start(setup: &Setup) -> Self {
        let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let (listen, free) = (free_address(), free_address());
        let log = |name: &str| directory.path().join(name);
        let receiver = (setup.receiver == Receiver::Embedded).then(|| {
            let options = ["receiver", "--quiet", "--listen", &free.to_string()];
            let receiver = spawn(Command::new(program()).args(options), &log("receiver.log"));
            wait_for(free);
            receiver
        });
        let path = directory.path().join("gateway.toml");
        let mut file = File::create(&path).expect("the configuration file");
        let text = setup.text(listen, free, directory.path());
        file.write_all(text.as_bytes()).expect("the configuration is written");
        let serve = spawn(
            Command::new(program()).arg("serve").arg("--config").arg(&path),
            &log("gateway.log"),
        );
        wait_for(listen);
        Self { address: listen, serve, _receiver: receiver, directory }
    }

    /// Where to send to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The gateway's memory. Panics when it is gone, with the end of its log.
    pub(crate) fn resident(&self) -> Resident {
        let pid = self.serve.0.id();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
            Some(kib << 10)
        };
        match (field("VmRSS:"), field("VmHWM:")) {
            (Some(now), Some(peak)) => Resident { now, peak },
            _ => panic!("the gateway is gone:\n{}", self.log()),
        }
    }

    /// Time it ran on a core since it started.
    pub(crate) fn cpu(&self) -> Duration {
        cpu(self.serve.0.id())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("gateway.log")).unwrap_or_default()
    }
}

impl Setup {
    fn text(&self, listen: SocketAddr, free: SocketAddr, directory: &Path) -> String {
        let Self { durability, memory_bytes, queue_bytes, receiver } = self;
        let url = match receiver {
            Receiver::At(address) => address,
            Receiver::Embedded | Receiver::Away | Receiver::Uninterested => &free,
        };
        let wants =
            if *receiver == Receiver::Uninterested { "sources = [\"other\"]\n" } else { "" };
        format!(
            "listen = \"{listen}\"\nadmin.listen = \"off\"\ndata_dir = \"{}\"\n\
             [[sources]]\nname = \"bench\"\ntoken = \"{TOKEN}\"\n\
             [[sources]]\nname = \"other\"\ntoken = \"other\"\n\
             [[receivers]]\nname = \"default\"\nurl = \"http://{url}/stsAgent/intake\"\n\
             api_key = \"API_KEY\"\n{wants}\
             [limits]\nrequests_per_minute = 0\nmemory_bytes = {memory_bytes}\n\
             [queue]\ndurability = \"{durability}\"\nmax_bytes = {queue_bytes}\n",
            directory.join("data").display(),
        )
    }
}

/// Time the threads of a process ran on a core, in the kernel too: all that are alive.
pub(crate) fn cpu(pid: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process is there");
    let ran = |path: PathBuf| {
        let text = fs::read_to_string(path.join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(threads.flatten().filter_map(|thread| ran(thread.path())).sum())
}

fn spawn(command: &mut Command, log: &PathBuf) -> Guard {
    let log = File::create(log).expect("a log file");
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
    Guard(child.unwrap_or_else(|error| panic!("cannot run {}: {error}", program().display())))
}

/// Free a moment ago; a bench may lose that race and be started again.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound address")
}

fn wait_for(address: SocketAddr) {
    for _ in 0..START_TRIES {
        if TcpStream::connect(address).is_ok() {
            return;
        }
        sleep(START_PAUSE);
    }
    panic!("nothing listens on {address}");
}
