//! The real program under load: `tidegate serve` with `tidegate receiver` behind it, each a process of
//! its own, so that what the kernel says about its memory is about the gateway alone.

use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
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

/// A gateway that delivers to a receiver. Both are killed when this is dropped.
pub(crate) struct Gateway {
    address: SocketAddr,
    serve: Guard,
    _receiver: Guard,
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
    /// Starts both with these sizes in the configuration and waits until they answer.
    pub(crate) fn start(memory_bytes: u64, queue_bytes: u64) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let (listen, intake) = (free_address(), free_address());
        let config = format!(
            "listen = \"{listen}\"\nadmin.listen = \"off\"\n\
             [[sources]]\nname = \"flood\"\ntoken = \"{TOKEN}\"\n\
             [receiver]\nurl = \"http://{intake}/stsAgent/intake\"\napi_key = \"API_KEY\"\n\
             [limits]\nrequests_per_minute = 0\nmemory_bytes = {memory_bytes}\n\
             [queue]\ndurability = \"memory\"\nmax_bytes = {queue_bytes}\n"
        );
        let path = directory.path().join("flood.toml");
        let mut file = File::create(&path).expect("the configuration file");
        file.write_all(config.as_bytes()).expect("the configuration is written");

        let log = |name: &str| directory.path().join(name);
        let options = ["receiver", "--quiet", "--listen", &intake.to_string()];
        let receiver = spawn(Command::new(program()).args(options), &log("receiver.log"));
        wait_for(intake);
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

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("gateway.log")).unwrap_or_default()
    }
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
