//! What the tests over sockets share.

pub(crate) mod corpus;
pub(crate) mod edge;
pub(crate) mod faulty;
pub(crate) mod ledger;
pub(crate) mod openmetrics;
pub(crate) mod wire;
