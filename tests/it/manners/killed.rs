//! Real processes, killed at every step of a halving and of a replay: what was accepted is delivered
//! or a dead letter, and a dead letter stands there once (contract C5.2, C6.2, C6.3).

mod halving;
mod process;
mod replay;
