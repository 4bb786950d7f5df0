//! `[reload]`: whether a change of the files is taken up by itself.

use std::time::Duration;

use super::section::Section;

/// `[reload]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reload {
    /// Whether the configuration is read again when it, or a file that it names, changes. Default true.
    /// false: only on SIGHUP and `POST /-/reload`. A receiver's `api_key_file` and files of certificates are
    /// looked at in any case, by whoever uses them.
    pub watch: bool,
    /// Time between two looks at those files. 100 ms to 1 h; default 2 s. Their contents count, not their
    /// times: raise it where they lie on a share that is slow.
    pub interval: Duration,
}

impl Reload {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let range = Duration::from_millis(100)..=Duration::from_hours(1);
        let reload = Self {
            watch: section.switch("watch", true),
            interval: section.duration("interval", Duration::from_secs(2), range),
        };
        section.finish();
        reload
    }
}
