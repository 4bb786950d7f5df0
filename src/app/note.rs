//! What the lock file tells the commands about this gateway.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::queue::log::LogQueue;
use crate::tls::ServerTls;

/// Where commands look for the gateway; of a queue that is on a disk.
#[derive(Clone)]
pub(super) struct Note {
    pub(super) log: Arc<LogQueue>,
    /// `None` while the admin port is off.
    pub(super) admin: Option<SocketAddr>,
}

impl Note {
    /// Leaves the admin port's address where `tidegate queue ls` looks for it, empty while it is off, and
    /// where the certificate lies that it shows. Blocks.
    pub(super) fn write(&self, tls: Option<&ServerTls>) {
        let address = self.admin.map_or_else(String::new, |addr| addr.to_string());
        let file = tls.and_then(|tls| std::path::absolute(&tls.cert_file).ok());
        let file = file.map_or_else(String::new, |path| format!("admin_cert={}\n", path.display()));
        if let Err(error) = self.log.note(&format!("admin={address}\n{file}")) {
            tracing::warn!(%error, "cannot write into the lock file: {error}; commands do not find this gateway");
        }
    }
}
