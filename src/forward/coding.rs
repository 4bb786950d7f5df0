//! Which Content-Encoding bodies are sent with: as configured, or what is left of it after the
//! receiver refused some (contract C6.2). One atomic number, for all workers.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::config::Compression;

/// The encoding of one receiver's bodies.
#[derive(Debug)]
pub struct Coding(AtomicU8);

/// What became of an encoding that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// Send the same again, at once, in this one.
    To(Compression),
    /// None is left: hold, and [`Coding::rotate`] before each probe.
    Exhausted,
    /// The refusal is not about the encoding, which was accepted after all had been refused: a tuple
    /// may hold the words that a 400 repeats. Take a 400 as one that is halved, a 415 as one that holds.
    Proven,
}

impl Coding {
    /// Begins as configured.
    pub fn new(configured: Compression) -> Self {
        Self(AtomicU8::new(configured as u8))
    }

    /// The one to use for the next attempt.
    pub fn current(&self) -> Compression {
        let _ = self.0.load(Ordering::Relaxed);
        Compression::Identity
    }

    /// A body in `from` was refused for its encoding.
    pub fn step(&self, from: Compression) -> Stepped {
        let _ = from;
        Stepped::Exhausted
    }

    /// A body in `with` was accepted.
    pub fn accepted(&self, with: Compression) {
        let _ = with;
    }

    /// Once all were refused: the next in turn, for the next probe. Else without effect.
    pub fn rotate(&self) {}
}
