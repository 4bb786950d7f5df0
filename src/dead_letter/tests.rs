//! The store on a simulated disk.

mod put;
mod support;
