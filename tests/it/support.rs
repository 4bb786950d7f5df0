//! What the tests over sockets share.

pub(crate) mod corpus;
pub(crate) mod edge;
pub(crate) mod ledger;
pub(crate) mod wire;
