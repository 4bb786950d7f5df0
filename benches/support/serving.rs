//! The real gateway on a real disk, watched from outside: its CPU and memory as the kernel counts
//! them, its books as the admin port tells them.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use super::place;

/// The token of the one source.
pub(crate) const TOKEN: &str = "bench";

const LOOK: Duration = Duration::from_millis(20);

/// Looks before something that must come is given up.
const LOOKS_MAX: u32 = 6_000;

/// A `tidegate serve`. Killed when this is dropped.
pub(crate) struct Serving {
    address: SocketAddr,
    admin: SocketAddr,
    child: Child,
    directory: TempDir,
}

/// A reading of the gateway's own metrics.
pub(crate) struct Page(String);

impl Serving {
    /// Delivers to these receivers (`r0`, `r1`, ..); `more` is TOML of other sections.
    pub(crate) fn start(receivers: &[SocketAddr], more: &str) -> Self {
        let directory = place::on_a_disk();
        let (address, admin) = (free_address(), free_address());
        let mut config = format!(
            "listen = \"{address}\"\nhostname = \"gateway\"\n\
             data_dir = \"{}\"\nadmin.listen = \"{admin}\"\n\
             [[sources]]\nname = \"bench\"\ntoken = \"{TOKEN}\"\nrate_limit = false\n\
             [time]\nmax_age = \"36500days\"\nmax_future = \"36500days\"\n{more}\n",
            directory.path().join("data").display()
        );
        for (number, receiver) in receivers.iter().enumerate() {
            let section = format!(
                "[[receivers]]\nname = \"r{number}\"\napi_key = \"API_KEY\"\n\
                 url = \"http://{receiver}/stsAgent/intake\"\n"
            );
            config.push_str(&section);
        }
        let path = directory.path().join("gateway.toml");
        let mut file = File::create(&path).expect("the configuration file");
        file.write_all(config.as_bytes()).expect("the configuration is written");
        let log = File::create(directory.path().join("gateway.log")).expect("a log file");
        let child = Command::new(program())
            .arg("serve")
            .arg("--config")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", program().display()));
        let mut gateway = Self { address, admin, child, directory };
        gateway.await_start();
        gateway
    }

    fn await_start(&mut self) {
        for _ in 0..LOOKS_MAX {
            if TcpStream::connect(self.address).is_ok() {
                return;
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the gateway ended, {status}:\n{}", self.log());
            }
            sleep(LOOK);
        }
        panic!("nothing listens on {}:\n{}", self.address, self.log());
    }

    /// Where to send to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A directory on the same disk.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has run so far, all threads; in steps of 10 ms.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields).split(' ');
        let ticks: Vec<u64> = fields.skip(11).take(2).filter_map(|f| f.parse().ok()).collect();
        assert_eq!(ticks.len(), 2, "the gateway is gone:\n{}", self.log());
        Duration::from_millis(ticks.iter().sum::<u64>() * 10)
    }

    /// Bytes it has in memory now.
    pub(crate) fn resident_bytes(&self) -> u64 {
        resident_bytes(self.pid()).unwrap_or_else(|| panic!("it is gone:\n{}", self.log()))
    }

    pub(crate) fn page(&self) -> Page {
        let mut stream = TcpStream::connect(self.admin).expect("the admin port is there");
        let ask = b"GET /metrics HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n";
        stream.write_all(ask).expect("it listens");
        let mut page = String::new();
        stream.read_to_string(&mut page).expect("it answers");
        Page(page)
    }

    /// Waits until every receiver has everything; how long that took, about.
    pub(crate) fn await_delivered(&self) -> Duration {
        for look in 0..LOOKS_MAX {
            if self.page().sum("tidegate_queued") == 0.0 {
                return look * LOOK;
            }
            sleep(LOOK);
        }
        panic!("the gateway does not deliver:\n{}", self.log());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("gateway.log")).unwrap_or_default()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Gone already is as good.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Page {
    /// All samples of this name, whatever their labels, added up.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        let values = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            if !rest.starts_with([' ', '{']) {
                return None;
            }
            rest.rsplit(' ').next()?.parse::<f64>().ok()
        });
        values.sum()
    }
}

/// Bytes a process has in memory now.
pub(crate) fn resident_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

fn program() -> PathBuf {
    let other = std::env::args_os().skip_while(|arg| arg != "--program").nth(1);
    other.map_or_else(|| env!("CARGO_BIN_EXE_tidegate").into(), PathBuf::from)
}

/// Free a moment ago; a bench may lose that race and be started again. Nothing listens there.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address")
}
