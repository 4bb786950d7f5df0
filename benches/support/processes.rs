//! The real program under load: `tidegate serve` with a receiver behind it, each a process of its own,
//! so that what the kernel says about memory and time is about the gateway alone.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::child::{Process, Resident, free_address, tidegate};
use super::place;

/// The token of the one source.
pub(crate) const TOKEN: &str = "flood";

/// `limits.requests_per_minute`, the most there may be: every request pays for being counted, and none
/// is refused.
const QUOTA: u32 = 1_000_000;

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
    serve: Process,
    _receiver: Option<Process>,
    _directory: TempDir,
}

impl Gateway {
    /// Starts one as it is set up, with its data on a real disk, and waits until it answers.
    pub(crate) fn start(setup: &Setup) -> Self {
        let directory = place::on_a_disk();
        let (listen, free) = (free_address(), free_address());
        let log = |name: &str| directory.path().join(name);
        let receiver = (setup.receiver == Receiver::Embedded).then(|| {
            let mut command = Command::new(tidegate());
            command.args(["receiver", "--quiet", "--listen", &free.to_string()]);
            Process::start(&command, &log("receiver.log"), free)
        });
        let path = directory.path().join("gateway.toml");
        let mut file = File::create(&path).expect("the configuration file");
        let text = setup.text(listen, free, directory.path());
        file.write_all(text.as_bytes()).expect("the configuration is written");
        let mut command = Command::new(tidegate());
        command.arg("serve").arg("--config").arg(&path);
        let serve = Process::start(&command, &log("gateway.log"), listen);
        Self { address: listen, serve, _receiver: receiver, _directory: directory }
    }

    /// Where to send to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The gateway's memory. Panics when it is gone, with the end of its log.
    pub(crate) fn resident(&self) -> Resident {
        self.serve.resident()
    }

    /// Time it ran on a core since it started.
    pub(crate) fn cpu(&self) -> Duration {
        self.serve.cpu()
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
             [limits]\nrequests_per_minute = {QUOTA}\nmemory_bytes = {memory_bytes}\n\
             [queue]\ndurability = \"{durability}\"\nmax_bytes = {queue_bytes}\n",
            directory.join("data").display(),
        )
    }
}
