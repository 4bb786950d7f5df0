//! One who looks, from the side of the gateway: what was picked and waits to be taken.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::{Form, Wish};

/// Most bytes that wait for one who looks.
pub(super) const HELD_BYTES_MAX: usize = 256 << 10;

/// What a piece costs beside its bytes.
const PIECE_BYTES: usize = 64;

/// What one body adds at most, so that one large body does not take the place of all others.
pub(super) const BODY_BYTES_MAX: usize = 128 << 10;
const BODY_TUPLES_MAX: usize = 1_000;

/// Most comparisons of characters that a pattern costs the sender of one body, reckoned at their worst: some
/// milliseconds. What comes behind is not shown to whoever asked with that pattern.
const STEPS_MAX: usize = 2 << 20;

/// What is taken at once, save for a single tuple that is longer.
pub(super) const TAKEN_BYTES_MAX: usize = 16 << 10;

#[derive(Debug)]
pub(super) struct Seat {
    wish: Wish,
    waiting: Mutex<Waiting>,
    /// Something waits.
    filled: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Bytes>,
    bytes: usize,
    /// Tuples since they were last told of.
    not_shown: u64,
}

/// What one who looks gets to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Tuples, each with a line feed behind it; perhaps none.
    pub lines: Bytes,
    /// How many were wanted since the last time and are not among these, nor among those to come: they came
    /// faster than they were taken. About as many where only a share was wanted.
    pub not_shown: u64,
}

impl Seat {
    pub(super) fn new(wish: Wish) -> Self {
        Self { wish, waiting: Mutex::default(), filled: Notify::new() }
    }

    pub(super) fn wants(&self, source: &str) -> bool {
        self.wish.sources.is_empty() || self.wish.sources.iter().any(|wanted| wanted == source)
    }

    /// Picks from a body of this source.
    pub(super) fn picker(&self, source: &str) -> Picker<'_> {
        let held = self.waiting().bytes;
        let prefix = match self.wish.form {
            Form::Tuple => Vec::new(),
            Form::Sourced => format!("{{\"source\":{},\"tuple\":", quoted(source)).into_bytes(),
        };
        Picker {
            seat: self,
            prefix,
            picked: Vec::new(),
            ends: 0,
            room: HELD_BYTES_MAX.saturating_sub(held).min(BODY_BYTES_MAX),
            steps: STEPS_MAX,
            not_shown: 0,
        }
    }

    /// What waits, once something does.
    pub(super) async fn next(&self) -> Shown {
        loop {
            if let Some(shown) = self.waiting().take() {
                return shown;
            }
            self.filled.notified().await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Seat {
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting().bytes
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl Waiting {
    fn take(&mut self) -> Option<Shown> {
        let lines = self.lines.pop_front().unwrap_or_default();
        if !lines.is_empty() {
            self.bytes -= lines.len() + PIECE_BYTES;
        }
        let not_shown = std::mem::take(&mut self.not_shown);
        (!lines.is_empty() || not_shown > 0).then_some(Shown { lines, not_shown })
    }

    /// Keeps lines if there is room; whether there was.
    fn keep(&mut self, lines: &[u8]) -> bool {
        // Two pieces that follow each other are longer than one can be.
        let pieces = 2 * lines.len() / TAKEN_BYTES_MAX + 1;
        if self.bytes + lines.len() + pieces * PIECE_BYTES > HELD_BYTES_MAX {
            return false;
        }
        let mut rest = lines;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(cut(rest));
            self.bytes += piece.len() + PIECE_BYTES;
            self.lines.push_back(Bytes::copy_from_slice(piece));
            rest = behind;
        }
        true
    }
}

/// Where a piece of whole lines ends: the last one that fits, or the first.
fn cut(lines: &[u8]) -> usize {
    if lines.len() <= TAKEN_BYTES_MAX {
        return lines.len();
    }
    let within = lines.get(..TAKEN_BYTES_MAX).and_then(|head| memchr::memrchr(b'\n', head));
    let end = within.or_else(|| memchr::memchr(b'\n', lines));
    end.map_or(lines.len(), |end| end + 1)
}

/// What is picked from one body, held by whoever shows it, and handed over at once: the lock is never held
/// over more than a copy of [`BODY_BYTES_MAX`].
pub(super) struct Picker<'s> {
    seat: &'s Seat,
    /// What stands before each tuple.
    prefix: Vec<u8>,
    picked: Vec<u8>,
    /// Tuples in it.
    ends: usize,
    room: usize,
    /// How much longer names are compared with a pattern.
    steps: usize,
    not_shown: u64,
}

impl Picker<'_> {
    pub(super) fn offer(&mut self, tuple: &[u8]) {
        let wish = &self.seat.wish;
        if !wish.share.draw() {
            return;
        }
        if let Some(name) = &wish.name {
            match name.is_met_by(tuple, &mut self.steps) {
                Some(true) => {}
                // Whether it is one of those that are wanted is not known.
                Some(false) | None => return,
            }
        }
        let suffix: &[u8] = if self.prefix.is_empty() { b"\n" } else { b"}\n" };
        let bytes = self.prefix.len() + tuple.len() + suffix.len();
        if self.ends >= BODY_TUPLES_MAX || self.picked.len() + bytes > self.room {
            self.not_shown += 1;
            return;
        }
        for part in [&self.prefix[..], tuple, suffix] {
            self.picked.extend_from_slice(part);
        }
        self.ends += 1;
    }

    /// So many tuples are not looked at. Which of them have a wanted name is not known.
    pub(super) fn pass_over(&mut self, tuples: u64) {
        let wish = &self.seat.wish;
        if wish.name.is_none() {
            self.not_shown += wish.share.of(tuples);
        }
    }

    pub(super) fn finish(self) {
        if self.ends == 0 && self.not_shown == 0 {
            return;
        }
        let mut waiting = self.seat.waiting();
        if !waiting.keep(&self.picked) {
            // Others were faster.
            waiting.not_shown += self.ends as u64;
        }
        waiting.not_shown += self.not_shown;
        drop(waiting);
        self.seat.filled.notify_one();
    }
}
