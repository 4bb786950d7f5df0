//! The store on a simulated disk.

mod compact;
mod put;
mod replay;
mod support;
mod twin;
