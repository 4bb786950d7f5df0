//! TLS of both ports, and what keeps their certificates fresh.

use std::sync::Arc;

use super::StartError;
use crate::clock::Clock;
use crate::config::Config;
use crate::tls::{Acceptor, Keeper, Port, ServerTls};

/// `None` for a port in clear.
pub(super) struct Ports {
    pub(super) ingest: Option<Acceptor>,
    pub(super) admin: Option<Acceptor>,
    /// As long as they live.
    pub(super) keepers: Vec<Keeper>,
}

impl Ports {
    /// As configured; the files are read here.
    pub(super) fn of(config: &Config, clock: &Arc<dyn Clock>) -> Result<Self, StartError> {
        let ingest = acceptor(Port::Ingest, config.tls.as_ref())?;
        let admin = config.admin.listen.and(config.admin.tls.as_ref());
        let admin = acceptor(Port::Admin, admin)?;
        let keepers = ingest.iter().chain(&admin).map(|tls| tls.keep(Arc::clone(clock))).collect();
        Ok(Self { ingest, admin, keepers })
    }
}

fn acceptor(port: Port, tls: Option<&ServerTls>) -> Result<Option<Acceptor>, StartError> {
    let acceptor = tls.map(|tls| Acceptor::new(port, tls)).transpose();
    acceptor.map_err(|fault| StartError::Tls { port, fault })
}
