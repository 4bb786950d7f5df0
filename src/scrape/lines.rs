//! How much the targets of one job may write into the log.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Lines that are written in one go: a job whose targets all change at once must not drown what others say.
const LINES_MAX: u32 = 20;

/// How long these have to do.
const WINDOW: Duration = Duration::from_mins(1);

/// The lines of one job.
#[derive(Debug, Default)]
pub(super) struct Lines(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    /// A monotonic reading; `None` until there is a line again.
    began: Option<Duration>,
    written: u32,
    left_out: u64,
}

impl Lines {
    /// Whether a line may be written; one that may not is counted. `now` is a monotonic reading.
    pub(super) fn may_write(&self, now: Duration) -> bool {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        window.began.get_or_insert(now);
        let may_write = window.written < LINES_MAX;
        if may_write {
            window.written += 1;
        } else {
            window.left_out += 1;
        }
        may_write
    }

    /// How many were left out, once their minute is over; to be asked now and then.
    pub(super) fn left_out(&self, now: Duration) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.began.is_none_or(|began| now < began + WINDOW) {
            return None;
        }
        let left_out = std::mem::take(&mut *window).left_out;
        (left_out > 0).then_some(left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_its_lines_and_what_was_left_out_is_told_when_it_is_over() {
        let lines = Lines::default();
        let at = Duration::from_secs;
        let written = |seconds| (0..30).filter(|_| lines.may_write(at(seconds))).count();
        assert_eq!(lines.left_out(at(4)), None);
        assert_eq!(written(5), 20);
        assert_eq!(written(64), 0);
        assert_eq!(lines.left_out(at(64)), None);
        assert_eq!(lines.left_out(at(65)), Some(40));
        assert_eq!(lines.left_out(at(999)), None);
        assert_eq!(written(1000), 20);
    }
}
