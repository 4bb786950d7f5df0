//! The hand-off and the leases under a model checker, which runs them in every order that their locks
//! allow and reports a thread that waits for ever.
//!
//! The very files of the log are compiled a second time here, over the checker's locks. What is not
//! checked is the runtime below: a lease is read by a thread of the model instead.

#[expect(clippy::duplicate_mod, reason = "the second one is over other locks")]
#[path = "../desk.rs"]
mod desk;
#[expect(clippy::duplicate_mod, reason = "the second one is over other locks")]
#[path = "../handoff.rs"]
mod handoff;
#[expect(clippy::duplicate_mod, reason = "the second one is over other locks")]
#[path = "../waiters.rs"]
mod waiters;

mod gated;
mod handing;
mod leases;

/// In place of the module of the same name.
mod primitives {
    pub(super) use loom::sync::{Condvar, Mutex, MutexGuard};
}

/// Runs a model in every order with at most so many preemptions: switches away from a thread that
/// could have gone on. Waiting switches freely. Without a bound the orders are too many; faults of
/// this kind are known to show with two.
fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    builder.check(model);
}

/// A thread of the model with room for the engine's frames in a build for tests.
fn spawn<T: Send + 'static>(
    run: impl FnOnce() -> T + Send + 'static,
) -> loom::thread::JoinHandle<T> {
    let thread = loom::thread::Builder::new().stack_size(1 << 20);
    thread.spawn(run).expect("the checker has room for another thread")
}
