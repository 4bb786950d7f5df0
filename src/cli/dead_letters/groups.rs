//! Letters that were refused alike, counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::dead_letter::Letter;
use crate::metric::timestamp::Timestamp;

/// Most groups of one receiver; what is not alike to any of them is counted as one more.
const GROUPS_MAX: usize = 1000;

/// What they have in common. Answers that quote the metric are all different: the beginning decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) status: u16,
    pub(super) source: Arc<str>,
    pub(super) answer: String,
}

/// How often, from when to when, and one of them.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) letters: u64,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) example: String,
}

/// All of one receiver.
#[derive(Debug, Default)]
pub(super) struct Groups {
    pub(super) by_kind: BTreeMap<Kind, Group>,
    /// Letters of further kinds.
    pub(super) others: u64,
}

impl Groups {
    pub(super) fn add(&mut self, letter: &Letter) {
        let answer = super::words::plain(&letter.answer);
        // Its status has a column of its own; the room is for the reason.
        let words = answer.split_once(": ").map_or(&*answer, |(_, words)| words);
        let answer = super::shortened(words, ANSWER_CHARS);
        let kind = Kind { status: letter.status, source: Arc::clone(&letter.source), answer };
        if let Some(group) = self.by_kind.get_mut(&kind) {
            group.letters += 1;
            group.first = group.first.min(letter.at);
            group.last = group.last.max(letter.at);
        } else if self.by_kind.len() < GROUPS_MAX {
            let example = super::shortened(&super::words::plain(&name(&letter.tuple)), NAME_CHARS);
            let group = Group { letters: 1, first: letter.at, last: letter.at, example };
            self.by_kind.insert(kind, group);
        } else {
            self.others += 1;
        }
    }
}

/// As much of an answer as tells it from others.
const ANSWER_CHARS: usize = 120;
const NAME_CHARS: usize = 60;

/// The metric's name in a tuple; empty if it has none.
fn name(tuple: &[u8]) -> String {
    let tuple: Result<Vec<serde_json::Value>, _> = serde_json::from_slice(tuple);
    let name = tuple.ok().and_then(|tuple| tuple.into_iter().next());
    name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn letter(source: &str, answer: &str, at: i64) -> Letter {
        Letter {
            sequence: 1,
            index: 0,
            received: Timestamp::from_unix(0, 0),
            source: source.into(),
            at: Timestamp::from_unix(at, 0),
            status: 400,
            answer: answer.into(),
            tuple: Bytes::from_static(b"[\"a.b\",1,1.0,{}]"),
        }
    }

    #[test]
    fn what_was_refused_alike_is_counted_together() {
        let mut groups = Groups::default();
        for (source, answer, at) in
            [("a", "no", 5), ("a", "no", 3), ("b", "no", 4), ("a", "why", 6)]
        {
            groups.add(&letter(source, answer, at));
        }
        let seen: Vec<_> = groups
            .by_kind
            .iter()
            .map(|(kind, group)| {
                (
                    &*kind.source,
                    &*kind.answer,
                    group.letters,
                    group.first.seconds(),
                    group.last.seconds(),
                )
            })
            .collect();
        assert_eq!(seen, [("a", "no", 2, 3, 5), ("a", "why", 1, 6, 6), ("b", "no", 1, 4, 4)]);
        assert!(groups.by_kind.values().all(|group| group.example == "a.b"));
    }

    #[test]
    fn memory_is_bounded_however_many_kinds_there_are() {
        let mut groups = Groups::default();
        for nth in 0..GROUPS_MAX + 3 {
            groups.add(&letter("a", &format!("no {nth}"), 1));
        }
        assert_eq!((groups.by_kind.len(), groups.others), (GROUPS_MAX, 3));
    }
}
