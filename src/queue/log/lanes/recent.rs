//! When the records of the last few seconds were committed.

use std::collections::VecDeque;
use std::time::Duration;

/// The least time between two marks.
const STEP: Duration = Duration::from_millis(100);
/// How long a mark is kept: beyond every age that is asked for.
const KEPT: Duration = Duration::from_secs(5);

/// When which sequences were committed, for the last five seconds, to a tenth of a second. One for a
/// log; at most 51 marks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    /// Time and first sequence, both rising.
    marks: VecDeque<(Duration, u64)>,
}

impl Recent {
    /// A group beginning with this sequence was committed at `at`, on a clock that does not go back.
    pub fn note(&mut self, at: Duration, first_sequence: u64) {
        if self.marks.back().is_some_and(|mark| at < mark.0 + STEP) {
            return;
        }
        while self.marks.front().is_some_and(|mark| mark.0 + KEPT < at) {
            self.marks.pop_front();
        }
        self.marks.push_back((at, first_sequence));
    }

    /// The first sequence committed at or after `at`, up to a tenth of a second later; `next` (the one
    /// to be committed next) if there is none, or if it was committed before the log was opened.
    pub fn since(&self, at: Duration, next: u64) -> u64 {
        let behind = self.marks.partition_point(|mark| mark.0 < at);
        self.marks.get(behind).map_or(next, |mark| mark.1)
    }
}
