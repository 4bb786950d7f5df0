//! `[shutdown]`: the time between the signal and the end.

use std::time::Duration;

use super::section::Section;

/// `[shutdown]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// How long running requests and then deliveries may take after SIGTERM or SIGINT (contract
    /// C6.5); a second signal ends the process at once. 0 s to 1 h; default 10 s. Keep it below
    /// the patience of whatever stops the process (Kubernetes: 30 s).
    pub grace: Duration,
}

impl Shutdown {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let (seconds, range) = (Duration::from_secs(10), Duration::ZERO..=Duration::from_hours(1));
        let shutdown = Self { grace: section.duration("grace", seconds, range) };
        section.finish();
        shutdown
    }
}
