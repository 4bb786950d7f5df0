//! A second reading of JSON bodies, slow and by the letter, to hold the pipeline against.
//!
//! serde_json judges the grammar; contract C2 to C4 are written out here anew over its values. The
//! two readings agree on verdict, report and every byte of the tuples, or [`compare`] says where not.

pub(crate) mod generate;
mod item;
mod print;
mod tags;
mod tree;
mod vector;
mod words;

use std::sync::Arc;

use bumpalo::Bump;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use tidegate::decode::Format;
use tidegate::decode::json::JsonReader;
use tidegate::metric::timestamp::Timestamp;
use tidegate::normalize::{Code, Outside, Policy, Profile, ReservedAction, TupleType};
use tidegate::pipeline::{self, BodyError};

use item::Judged;
use tree::{Broken, Tree};

/// What a body came to: one of the two readings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// All tuples, joined as in a block.
    pub(crate) tuples: String,
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    pub(crate) errors: Vec<(u64, Option<u64>, Code)>,
    pub(crate) warnings: Vec<(u64, Option<u64>, Code)>,
}

/// Most entries of either list of a report (C1.6).
const ENTRIES_MAX: usize = 100;

/// The clock reading of every comparison.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix(1_795_343_400, 250_000_000)
}

/// The operators the bodies are read for, from plain to contrary.
pub(crate) fn profiles() -> [Profile; 3] {
    let tags = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let mut raw = Policy { tuple_type: TupleType::Raw, ..Policy::default() };
    raw.reserved_names.action = ReservedAction::Keep;
    raw.time.keep_unparsed = false;
    raw.hostname_tags = vec!["hostname".to_owned(), "a".to_owned()];
    let mut strict = Policy::default();
    strict.reserved_names.action = ReservedAction::Reject;
    strict.time.outside = Outside::Reject;
    [
        Profile::new(Arc::new(Policy::default()), Some("shop-1"), &[]),
        Profile::new(Arc::new(raw), None, &tags(&[("env", "prod"), ("a", "fixed"), ("dt", "d")])),
        Profile::new(Arc::new(strict), None, &tags(&[("host", "h\"1"), ("quantile", "q")])),
    ]
}

/// The pipeline's reading; none where the body is not valid.
pub(crate) fn read(
    body: &[u8],
    format: Format,
    profile: &Profile,
    now: Timestamp,
) -> Option<Outcome> {
    let mut tuples = Vec::new();
    let report = pipeline::run(body, format, profile, now, &mut |block| {
        if !tuples.is_empty() {
            tuples.extend_from_slice(b",\n");
        }
        tuples.extend_from_slice(&block.bytes);
        Ok(())
    });
    let report = match report {
        Ok(report) => report,
        Err(BodyError::Syntax(_)) => return None,
        Err(other) => panic!("a small body and a willing sink: {other}"),
    };
    let entries = |entries: &[pipeline::report::Entry]| {
        entries.iter().map(|entry| (entry.index, entry.line, entry.code)).collect()
    };
    Some(Outcome {
        tuples: String::from_utf8(tuples).expect("tuples are UTF-8"),
        accepted: report.accepted,
        rejected: report.rejected,
        errors: entries(&report.errors),
        warnings: entries(&report.warnings),
    })
}

/// The slow reading; none where the body is not valid.
pub(crate) fn predict(
    body: &[u8],
    format: Format,
    profile: &Profile,
    now: Timestamp,
) -> Option<Outcome> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut slow = Slow { profile, now, index: 0, line: None, outcome: Outcome::default() };
    if format == Format::Ndjson {
        return slow.lines(body).then_some(slow.outcome);
    }
    let text = std::str::from_utf8(body).ok()?;
    let mut rest = slow.value(text).ok()?;
    if format == Format::JsonStream {
        while !blank(rest) {
            rest = slow.value(rest).ok()?;
        }
    }
    blank(rest).then_some(slow.outcome)
}

struct Slow<'a> {
    profile: &'a Profile,
    now: Timestamp,
    index: u64,
    line: Option<u64>,
    outcome: Outcome,
}

fn blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

impl Slow<'_> {
    /// Reads one value, an array flattened one level (C1.6); returns what follows it.
    fn value<'t>(&mut self, text: &'t str) -> Result<&'t str, Broken> {
        let (value, rest) = tree::first(text)?;
        if value.get().starts_with('[') {
            if let Tree::Array(items) = tree::look(value)? {
                items.into_iter().try_for_each(|item| self.item(item))?;
            }
        } else {
            self.item(value)?;
        }
        Ok(rest)
    }

    fn item(&mut self, item: &RawValue) -> Result<(), Broken> {
        let entry = |code| (self.index, self.line, code);
        let outcome = &mut self.outcome;
        match item::judge(item, self.profile, self.now, &mut outcome.tuples)? {
            Judged::Taken(codes) => {
                outcome.accepted += 1;
                outcome.warnings.extend(codes.into_iter().map(entry));
                outcome.warnings.truncate(ENTRIES_MAX);
            }
            Judged::Rejected(code) => {
                outcome.rejected += 1;
                outcome.errors.push(entry(code));
                outcome.errors.truncate(ENTRIES_MAX);
            }
        }
        self.index += 1;
        Ok(())
    }

    /// Whether any line is whole (C1.7).
    fn lines(&mut self, body: &[u8]) -> bool {
        let mut any = false;
        for (at, line) in body.split(|&byte| byte == b'\n').enumerate() {
            self.line = Some(at as u64 + 1);
            let before = (self.index, self.outcome.clone());
            let Ok(values) = self.one_line(line) else {
                (self.index, self.outcome) = before;
                self.outcome.rejected += 1;
                self.outcome.errors.push((self.index, self.line, Code::InvalidJson));
                self.outcome.errors.truncate(ENTRIES_MAX);
                self.index += 1;
                continue;
            };
            any |= values;
        }
        any
    }

    fn one_line(&mut self, line: &[u8]) -> Result<bool, Broken> {
        let mut rest = std::str::from_utf8(line).map_err(|_| Broken)?;
        let mut any = false;
        while !blank(rest) {
            rest = self.value(rest)?;
            any = true;
        }
        Ok(any)
    }
}

/// Reads a body both ways.
///
/// # Errors
///
/// Says what each made of it, where they differ and the contract does not allow both.
pub(crate) fn compare(
    body: &[u8],
    format: Format,
    profile: &Profile,
    now: Timestamp,
) -> Result<(), String> {
    verdicts(body)?;
    let (ours, theirs) = (read(body, format, profile, now), predict(body, format, profile, now));
    if ours == theirs || deep(body) || repaired_alike(body, format, profile, now) {
        return Ok(());
    }
    Err(format!(
        "{format:?} {:?}\n  pipeline: {ours:?}\n  oracle:   {theirs:?}",
        String::from_utf8_lossy(body)
    ))
}

/// The reader alone beside serde_json passing over the same bytes.
pub(crate) fn verdicts(body: &[u8]) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(body) else { return Ok(()) };
    let arena = Bump::new();
    let mut reader = JsonReader::new(text, &arena);
    let ours = reader.check().is_ok() && reader.at_end();
    let theirs = serde_json::from_str::<IgnoredAny>(text).is_ok();
    if ours == theirs || !ours && deep(body) {
        return Ok(());
    }
    Err(format!("{text:?}: our reader says {ours}, serde_json {theirs}"))
}

/// Nested over 64 levels: there the contract allows either verdict (C2.5), and serde_json, which has
/// no limit when it skips, may give the other.
fn deep(body: &[u8]) -> bool {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_i32, 0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => depth += 1,
            b']' | b'}' if !quoted => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest > 64
}

/// Lone surrogates count only in members that are read, and which these are is each reader's own
/// affair at the edges (a member that a later one overrules): what matters is that nothing else
/// differs.
fn repaired_alike(body: &[u8], format: Format, profile: &Profile, now: Timestamp) -> bool {
    let mut repaired = body.to_vec();
    for at in 0..repaired.len().saturating_sub(5) {
        if let [b'\\', b'u', d @ (b'd' | b'D'), b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..] =
            &mut repaired[at..]
        {
            *d = b'1';
        }
    }
    repaired != body
        && read(&repaired, format, profile, now) == predict(&repaired, format, profile, now)
}
