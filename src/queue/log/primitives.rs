//! The locks of the hand-off; a model checker's stand in for them in its test.

pub(super) use std::sync::{Condvar, Mutex, MutexGuard};
