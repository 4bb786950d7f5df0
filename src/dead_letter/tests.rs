//! The store on a simulated disk.

mod put;
mod replay;
mod support;
mod twin;
