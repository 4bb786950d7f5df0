//! Work that blocks, off the reactor.

use std::panic::resume_unwind;

/// What `work` returns. Its panic is the caller's; at the end of the runtime, which drops what it did not
/// begin, the caller ends here.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_) => std::future::pending().await,
        },
    }
}
