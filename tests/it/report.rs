//! What a body's items come to, as tables: codes and their order, indices and lines, tuples.

mod body;
mod order;
mod tuple;
mod vector;

use std::sync::Arc;

use tidegate::decode::Format;
use tidegate::metric::timestamp::Timestamp;
use tidegate::normalize::{Policy, Profile};
use tidegate::pipeline::report::{Entry, Report};
use tidegate::pipeline::{self, BodyError};

/// 2026-11-22T10:30:00Z.
const NOW_S: i64 = 1_795_343_400;

fn now() -> Timestamp {
    Timestamp::from_unix(NOW_S, 0)
}

fn plain() -> Profile {
    Profile::new(Arc::new(Policy::default()), Some("shop-1"), &[])
}

/// The profile of an operator with other choices.
fn with(change: impl FnOnce(&mut Policy), tags: &[(&str, &str)]) -> Profile {
    let mut policy = Policy::default();
    change(&mut policy);
    let tags: Vec<(String, String)> =
        tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Profile::new(Arc::new(policy), Some("shop-1"), &tags)
}

fn run(body: &[u8], format: Format, profile: &Profile) -> Result<(Report, Vec<String>), BodyError> {
    let mut tuples = Vec::new();
    let report = pipeline::run(body, format, profile, now(), &mut |block| {
        let text = std::str::from_utf8(&block.bytes).expect("a block is UTF-8");
        tuples.extend(text.split(",\n").map(str::to_owned));
        Ok(())
    })?;
    Ok((report, tuples))
}

fn code(entry: &Entry) -> String {
    let code = serde_json::to_value(entry.code).expect("a code is a string");
    code.as_str().expect("a code is a string").to_owned()
}

/// The entries as `index code`, or `index@line code`.
fn entries(entries: &[Entry]) -> Vec<String> {
    let one = |entry: &Entry| match entry.line {
        Some(line) => format!("{}@{line} {}", entry.index, code(entry)),
        None => format!("{} {}", entry.index, code(entry)),
    };
    entries.iter().map(one).collect()
}

/// The code of the only item, `ok` without one; warnings follow a `+`.
fn verdict(item: &str, profile: &Profile) -> String {
    let (report, tuples) = run(item.as_bytes(), Format::Json, profile)
        .unwrap_or_else(|error| panic!("{item}: {error}"));
    assert_eq!(report.accepted + report.rejected, 1, "{item}");
    assert_eq!(report.accepted == 1, !tuples.is_empty(), "{item}");
    let error = report.errors.first().map_or("ok".to_owned(), code);
    report.warnings.iter().fold(error, |text, entry| format!("{text}+{}", code(entry)))
}
