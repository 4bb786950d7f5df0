//! What the tests over sockets share.

pub(crate) mod corpus;
pub(crate) mod edge;
pub(crate) mod ledger;
pub(crate) mod log_files;
pub(crate) mod wire;
