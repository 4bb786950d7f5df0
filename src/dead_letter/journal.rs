//! What became of the letters of one file, line by line.

use serde::{Deserialize, Serialize};

use super::spans::Spans;
use super::text::Instant;

/// Stretches of the file of letters.
pub(super) type Pairs = Vec<(u64, u64)>;

/// What a line of a `.replays` file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Step {
    /// These letters are about to be put into the queue.
    Intent(Intent),
    /// They are in the queue.
    Done { id: u64, spans: Pairs },
    /// They are not, and will not be by that intent.
    Undone { id: u64 },
    /// Nobody was ever told that these were kept: they do not count.
    Void { spans: Pairs },
}

/// A batch of letters that goes into the queue as one entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intent {
    /// Its number in this file.
    pub(super) id: u64,
    /// Which letters.
    pub(super) spans: Pairs,
    /// How many tuples that is.
    pub(super) tuples: u64,
    /// What the receiver's books had as replayed before: afterwards they have `tuples` more.
    pub(super) replayed_before: u64,
    /// The kind of queue: the books of a queue in memory begin anew with every process.
    pub(super) durability: String,
    /// When.
    pub(super) at: Instant,
}

/// What all steps together say.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Letters that were replayed, or do not count.
    pub(super) gone: Spans,
    /// Intents of which the end is not known.
    pub(super) open: Vec<Intent>,
    /// The number of the next intent.
    pub(super) next_id: u64,
}

impl Step {
    /// One object without a line end.
    pub(super) fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers are always JSON")
    }

    /// What [`Self::json`] wrote; `None` for anything else.
    pub(super) fn parse(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

impl Verdict {
    /// Takes the next step into account; in the order they were written.
    pub(super) fn take(&mut self, step: Step) {
        match step {
            Step::Intent(intent) => {
                self.next_id = self.next_id.max(intent.id.saturating_add(1));
                self.open.push(intent);
            }
            Step::Done { id, spans } => {
                self.gone.add_all(&spans);
                self.close(id);
            }
            Step::Undone { id } => self.close(id),
            Step::Void { spans } => self.gone.add_all(&spans),
        }
    }

    fn close(&mut self, id: u64) {
        self.next_id = self.next_id.max(id.saturating_add(1));
        self.open.retain(|intent| intent.id != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(id: u64) -> Intent {
        let durability = "fsync".to_owned();
        let spans = vec![(10, 20), (30, 40)];
        Intent { id, spans, tuples: 2, replayed_before: 5, durability, at: (1, 2) }
    }

    #[test]
    fn steps_read_back() {
        let spans = vec![(0, 1)];
        for step in [
            Step::Intent(intent(3)),
            Step::Done { id: 3, spans: spans.clone() },
            Step::Undone { id: 4 },
            Step::Void { spans },
        ] {
            assert_eq!(Step::parse(str::from_utf8(&step.json()).unwrap()), Some(step));
        }
        assert_eq!(Step::parse("{}"), None);
    }

    #[test]
    fn an_intent_is_open_until_its_own_end_and_only_done_ones_are_gone() {
        let mut verdict = Verdict::default();
        verdict.take(Step::Intent(intent(0)));
        verdict.take(Step::Undone { id: 7 });
        assert_eq!((verdict.open.len(), verdict.next_id), (1, 8));
        verdict.take(Step::Undone { id: 0 });
        assert!(verdict.open.is_empty() && !verdict.gone.has(10));
        verdict.take(Step::Intent(intent(8)));
        verdict.take(Step::Done { id: 8, spans: intent(8).spans });
        assert!(verdict.open.is_empty());
        assert!(verdict.gone.has(10) && !verdict.gone.has(20) && verdict.gone.has(39));
        verdict.take(Step::Void { spans: vec![(50, 60)] });
        assert!(verdict.gone.has(50));
    }

    #[test]
    fn a_done_line_counts_though_its_intent_is_damaged() {
        let mut verdict = Verdict::default();
        verdict.take(Step::Done { id: 2, spans: vec![(0, 9)] });
        assert!(verdict.gone.has(8) && verdict.next_id == 3);
    }
}
