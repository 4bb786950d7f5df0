//! What every outcome owes its reader, whatever went in: blocks within their bounds (C6.1), tuples a
//! strict receiver takes (C4), counts that add up (C1.6).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use tidegate::encode::{BLOCK_BYTES_MAX, BLOCK_TUPLES_MAX, Block};
use tidegate::normalize::Code;
use tidegate::pipeline::report::{ENTRIES_MAX, Entry, Report};

/// `["name", seconds, value, {...}]`; the numbers as their digits.
#[derive(Deserialize)]
pub(crate) struct Tuple<'a>(
    #[serde(borrow)] pub(crate) Cow<'a, str>,
    #[serde(borrow)] pub(crate) &'a RawValue,
    #[serde(borrow)] pub(crate) &'a RawValue,
    #[serde(borrow)] pub(crate) Attributes<'a>,
);

/// The fourth element.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attributes<'a> {
    #[serde(borrow)]
    pub(crate) hostname: Cow<'a, str>,
    pub(crate) tags: Vec<String>,
    #[serde(rename = "type", borrow)]
    pub(crate) kind: Cow<'a, str>,
}

/// Checks blocks and report against each other and each tuple alone.
pub(crate) fn outcome(blocks: &[Block], report: &Report) {
    let mut tuples = 0;
    for block in blocks {
        assert!(!block.bytes.is_empty() && block.bytes.len() <= BLOCK_BYTES_MAX);
        assert!((1..=BLOCK_TUPLES_MAX).contains(&block.tuples), "{} tuples", block.tuples);
        let text = std::str::from_utf8(&block.bytes).expect("a block is UTF-8");
        assert_eq!(text.matches(",\n[").count() + 1, block.tuples as usize, "tuples by separator");
        assert_eq!(text.matches('\n').count() + 1, block.tuples as usize, "no other line end");
        let list = format!("[{text}]");
        let parsed: Vec<Tuple<'_>> = serde_json::from_str(&list).expect("a block is JSON");
        assert_eq!(parsed.len(), block.tuples as usize);
        parsed.iter().for_each(tuple);
        tuples += u64::from(block.tuples);
    }
    assert_eq!(report.tuples, tuples);
    // Prometheus' senders have values that no tuple can hold.
    let empty = report.tally.warnings(Code::SkippedValue) + report.asides.stale_markers;
    assert!(report.tuples + empty >= report.accepted, "every other metric is a tuple at least");
    entries(&report.errors, report);
    entries(&report.warnings, report);
    assert_eq!(report.errors.len() as u64, report.rejected.min(ENTRIES_MAX as u64));
    for warning in &report.warnings {
        let rejected = report.errors.iter().any(|error| error.index == warning.index);
        assert!(!rejected, "a rejected item has no warnings");
    }
}

fn entries(entries: &[Entry], report: &Report) {
    assert!(entries.len() <= ENTRIES_MAX);
    assert!(entries.is_sorted_by_key(|entry| (entry.index, entry.line)));
    for entry in entries {
        assert!(entry.index < report.accepted + report.rejected, "item {}", entry.index);
        assert!(!entry.message.is_empty());
    }
    let once = entries.iter().enumerate().all(|(at, entry)| {
        !entries[at + 1..].iter().any(|o| (o.index, o.code) == (entry.index, entry.code))
    });
    assert!(once, "an item and code come once");
}

/// A tuple as a strict receiver sees it.
fn tuple(tuple: &Tuple<'_>) {
    let Tuple(name, seconds, value, attributes) = tuple;
    let reserved = ["host", "name", "timestamp", "timeReceived", "labels", "tags", "values"];
    assert!(!name.is_empty() && !name.contains(char::is_control), "{name:?}");
    assert!(!reserved.into_iter().any(|prefix| name.starts_with(prefix)), "{name:?} is reserved");
    seconds.get().parse::<i64>().expect("whole seconds");
    let double: f64 = value.get().parse().expect("a number");
    assert!(double.is_finite(), "{value}");
    assert!(value.get().contains(['.', 'e', 'E']), "{value} is no double literal");
    assert!(value.get().len() <= 34, "{value} is longer than a literal may be");
    assert!(!attributes.hostname.contains(char::is_control), "{:?}", attributes.hostname);
    assert!(!attributes.hostname.is_empty());
    for tag in &attributes.tags {
        assert!(!tag.is_empty() && !tag.contains(char::is_control), "{tag:?}");
    }
    let kinds = ["gauge", "counter", "count", "raw"];
    assert!(kinds.contains(&attributes.kind.as_ref()), "{}", attributes.kind);
}
