//! What the tests over sockets share.

pub(crate) mod browser;
pub(crate) mod busy;
pub(crate) mod corpus;
pub(crate) mod edge;
#[path = "support/endure/all.rs"]
pub(crate) mod endure;
pub(crate) mod faulty;
pub(crate) mod ledger;
pub(crate) mod log;
pub(crate) mod log_files;
pub(crate) mod openmetrics;
pub(crate) mod output;
pub(crate) mod peers;
pub(crate) mod wire;
