//! The real gateway on a real disk, watched from outside: its CPU and memory as the kernel counts
//! them, its books as the admin port tells them.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use super::child::{Process, free_address, tidegate};
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
    process: Process,
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
        let mut command = Command::new(tidegate());
        command.arg("serve").arg("--config").arg(&path);
        let process = Process::start(&command, &directory.path().join("gateway.log"), address);
        Self { address, admin, process, directory }
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
        self.process.id()
    }

    /// What it has run so far.
    pub(crate) fn cpu(&self) -> Duration {
        self.process.cpu()
    }

    /// Bytes it has in memory now.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.process.resident().now
    }

    pub(crate) fn page(&self) -> Page {
        let mut stream = TcpStream::connect(self.admin).expect("the admin port is there");
        let ask = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
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
        panic!("the gateway does not deliver:\n{}", self.process.log());
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
