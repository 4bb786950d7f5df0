//! One item judged by the letter of the contract, member by member and without haste (C2, C3).

use std::borrow::Cow;

use serde_json::value::RawValue;
use tidegate::metric::timestamp::Timestamp;
use tidegate::normalize::{Code, Outside, Profile, ReservedAction, TupleType};

use super::print::{self, Series};
use super::tree::{Broken, Members, Tree, look};

/// What becomes of an item.
pub(crate) enum Judged {
    Taken(Vec<Code>),
    Rejected(Code),
}

/// Why an item goes no further: a fault of its own, or of the grammar.
pub(crate) enum Stop {
    Rejected(Code),
    Broken,
}

impl From<Broken> for Stop {
    fn from(Broken: Broken) -> Self {
        Self::Broken
    }
}

impl From<Code> for Stop {
    fn from(code: Code) -> Self {
        Self::Rejected(code)
    }
}

/// Judges one item; appends its tuples to `out`.
pub(crate) fn judge(
    item: &RawValue,
    profile: &Profile,
    now: Timestamp,
    out: &mut String,
) -> Result<Judged, Broken> {
    match taken(item, profile, now, out) {
        Ok(warnings) => Ok(Judged::Taken(warnings)),
        Err(Stop::Rejected(code)) => Ok(Judged::Rejected(code)),
        Err(Stop::Broken) => Err(Broken),
    }
}

fn taken(
    item: &RawValue,
    profile: &Profile,
    now: Timestamp,
    out: &mut String,
) -> Result<Vec<Code>, Stop> {
    let Tree::Object(members) = look(item)? else { return Err(Code::NotAnObject.into()) };
    let members = unwrapped(members)?;
    let mut warnings = Vec::new();
    let name = name(&members, profile, &mut warnings)?;
    let shape = shape(&members)?;
    let (mut tags, bytes) = super::tags::read(&members)?;
    if shape.pairs_sent > shape.pairs_max || bytes > 16 << 10 {
        return Err(Code::TooLarge.into());
    }
    let hostname = super::tags::with_fixed(&mut tags, profile);
    let at = instant(&members, profile, now, &mut tags, &mut warnings)?;
    if shape.skipped {
        warnings.push(Code::SkippedQuantile);
    }
    if let Some(code) = outside(at, now, profile) {
        if profile.policy().time.outside == Outside::Reject {
            return Err(code.into());
        }
        warnings.push(code);
    }
    let tags: Vec<(String, String)> = tags.into_iter().map(|tag| (tag.key, tag.text)).collect();
    let series = Series { name: &name, seconds: at.seconds(), hostname: &hostname, tags: &tags };
    shape.push(&series, profile.policy().tuple_type == TupleType::Raw, out);
    Ok(warnings)
}

/// The inside of `{"metric": {...}}` without a `name` beside it (C2.1).
fn unwrapped(members: Members<'_>) -> Result<Members<'_>, Stop> {
    if members.last("name").is_none()
        && let Some(inner) = members.last("metric")
        && let Tree::Object(inner) = look(inner)?
    {
        return Ok(inner);
    }
    Ok(members)
}

fn name(
    members: &Members<'_>,
    profile: &Profile,
    warnings: &mut Vec<Code>,
) -> Result<String, Stop> {
    let name = match members.present("name")? {
        None => return Err(Code::MissingName.into()),
        Some(Tree::Text(name)) if (1..=1_024).contains(&name.len()) => print::clean(&name),
        Some(_) => return Err(Code::InvalidName.into()),
    };
    let reserved = ["host", "name", "timestamp", "timeReceived", "labels", "tags", "values"];
    if !reserved.into_iter().any(|prefix| name.starts_with(prefix)) {
        return Ok(name);
    }
    let rule = &profile.policy().reserved_names;
    match rule.action {
        ReservedAction::Keep => Ok(name),
        ReservedAction::Reject => Err(Code::InvalidName.into()),
        ReservedAction::Prefix => {
            warnings.push(Code::Renamed);
            Ok(format!("{}{name}", rule.prefix))
        }
    }
}

/// Suffix, value, generated tag and kind of one tuple.
pub(super) type Part = (&'static str, String, Option<(&'static str, String)>, &'static str);

/// What was measured, as it will be written.
#[derive(Default)]
pub(super) struct Shape {
    pub(super) tuples: Vec<Part>,
    /// Buckets, quantiles or samples.
    pub(super) pairs_sent: usize,
    pub(super) pairs_max: usize,
    pub(super) skipped: bool,
}

impl Shape {
    fn push(&self, series: &Series<'_>, raw: bool, out: &mut String) {
        for (suffix, value, label, kind) in &self.tuples {
            let label = label.as_ref().map(|(key, value)| (*key, value.as_str()));
            series.push(out, suffix, value, label, if raw { "raw" } else { kind });
        }
    }
}

fn shape(members: &Members<'_>) -> Result<Shape, Stop> {
    let kinds = [
        "gauge",
        "counter",
        "histogram",
        "aggregated_histogram",
        "summary",
        "aggregated_summary",
        "set",
        "distribution",
    ];
    let mut there = Vec::new();
    for kind in kinds {
        if let Some(tree) = members.present(kind)? {
            there.push((kind, tree));
        }
    }
    if there.len() > 1 {
        return Err(Code::MultipleValues.into());
    }
    let Some((kind, tree)) = there.pop() else {
        let sketch = members.present("sketch")?.is_some();
        return Err(if sketch { Code::UnsupportedKind } else { Code::MissingValue }.into());
    };
    let incremental =
        matches!(members.present("kind")?, Some(Tree::Text(kind)) if kind == "incremental");
    let count = if incremental { "count" } else { "counter" };
    match kind {
        "gauge" => point(&tree, "gauge"),
        "counter" => point(&tree, count),
        "set" => super::vector::set(&tree),
        "distribution" => super::vector::distribution(&tree, count),
        "summary" | "aggregated_summary" => {
            series(&tree, count, &SUMMARY).map_err(|stop| within(stop, Code::InvalidSummary))
        }
        _ => series(&tree, count, &HISTOGRAM).map_err(|stop| within(stop, Code::InvalidHistogram)),
    }
}

/// Any fault inside a histogram or summary has one code.
fn within(stop: Stop, code: Code) -> Stop {
    match stop {
        Stop::Rejected(_) => Stop::Rejected(code),
        broken @ Stop::Broken => broken,
    }
}

fn point(tree: &Tree<'_>, kind: &'static str) -> Result<Shape, Stop> {
    let Tree::Object(members) = tree else { return Err(Code::InvalidValue.into()) };
    let Some(value) = members.last("value") else { return Err(Code::MissingValue.into()) };
    let value = match look(value)? {
        Tree::Number(literal) => print::value(literal).ok_or(Code::NotFinite)?,
        Tree::Bool(bool) => if bool { "1.0" } else { "0.0" }.to_owned(),
        Tree::Null => return Err(Code::NotFinite.into()),
        _ => return Err(Code::InvalidValue.into()),
    };
    Ok(Shape { tuples: vec![("", value, None, kind)], ..Shape::default() })
}

struct Names {
    list: &'static str,
    bound: &'static str,
    value: &'static str,
}

const HISTOGRAM: Names = Names { list: "buckets", bound: "upper_limit", value: "count" };
const SUMMARY: Names = Names { list: "quantiles", bound: "quantile", value: "value" };

/// Any code: the caller knows the one to report.
const FAULT: Stop = Stop::Rejected(Code::InvalidValue);

fn series(tree: &Tree<'_>, count_kind: &'static str, names: &Names) -> Result<Shape, Stop> {
    let Tree::Object(members) = tree else { return Err(FAULT) };
    let count = count(members.last("count"))?;
    let sum = number(members.last("sum"))?;
    let Some(Tree::Array(pairs)) = members.present(names.list)? else { return Err(FAULT) };
    let mut shape = Shape { pairs_sent: pairs.len(), pairs_max: 1_024, ..Shape::default() };
    for pair in pairs {
        let Tree::Object(pair) = look(pair)? else { return Err(FAULT) };
        let (bound, value) = (pair.last(names.bound).ok_or(FAULT)?, pair.last(names.value));
        if names.list == "buckets" {
            let label = Some(("upper_limit", upper_limit(&look(bound)?)?));
            shape.tuples.push(("", self::count(value)?, label, count_kind));
        } else {
            let Tree::Number(bound) = look(bound)? else { return Err(FAULT) };
            print::value(bound).ok_or(FAULT)?;
            if matches!(look(value.ok_or(FAULT)?)?, Tree::Null) {
                shape.skipped = true;
                continue;
            }
            let label = Some(("quantile", print::bound(bound.parse().map_err(|_| FAULT)?)));
            shape.tuples.push(("", number(value)?, label, "gauge"));
        }
    }
    shape.tuples.push(("_sum", sum, None, count_kind));
    shape.tuples.push(("_count", count, None, count_kind));
    Ok(shape)
}

fn number(value: Option<&RawValue>) -> Result<String, Stop> {
    match look(value.ok_or(FAULT)?)? {
        Tree::Number(literal) => print::value(literal).ok_or(FAULT),
        _ => Err(FAULT),
    }
}

fn count(value: Option<&RawValue>) -> Result<String, Stop> {
    let printed = number(value)?;
    let negative = printed.starts_with('-')
        && printed
            .bytes()
            .take_while(|byte| byte | 0x20 != b'e')
            .any(|b| b.is_ascii_digit() && b != b'0');
    if negative { Err(FAULT) } else { Ok(printed) }
}

fn upper_limit(tree: &Tree<'_>) -> Result<String, Stop> {
    match tree {
        Tree::Null => Ok("+Inf".to_owned()),
        Tree::Number(literal) => Ok(print::bound(literal.parse().map_err(|_| FAULT)?)),
        Tree::Text(text) => match text.to_ascii_lowercase().as_str() {
            "inf" | "+inf" | "infinity" | "+infinity" => Ok("+Inf".to_owned()),
            "-inf" | "-infinity" => Ok("-Inf".to_owned()),
            _ => Err(FAULT),
        },
        _ => Err(FAULT),
    }
}

/// When it was measured (C3). The parser itself has its own oracle elsewhere.
fn instant(
    members: &Members<'_>,
    profile: &Profile,
    now: Timestamp,
    tags: &mut Vec<super::tags::Tag>,
    warnings: &mut Vec<Code>,
) -> Result<Timestamp, Stop> {
    let dt = match members.present("dt")? {
        Some(dt) => dt,
        None => match members.present("timestamp")? {
            Some(timestamp) => timestamp,
            None => return Ok(now),
        },
    };
    let (parsed, text) = match dt {
        Tree::Text(text) => (Timestamp::parse(&text), Some(text)),
        Tree::Number(literal) => (Timestamp::from_literal(literal), Some(Cow::Borrowed(literal))),
        Tree::Bool(bool) => (None, Some(Cow::Borrowed(if bool { "true" } else { "false" }))),
        _ => (None, None),
    };
    if let Some(at) = parsed {
        return Ok(at);
    }
    warnings.push(Code::UnparsedDt);
    if let (Some(text), true) = (text, profile.policy().time.keep_unparsed) {
        let end = (0..=text.len().min(128)).rev().find(|&end| text.is_char_boundary(end));
        let kept = text.get(..end.unwrap_or(0)).unwrap_or_default();
        tags.retain(|tag| tag.key != "dt");
        tags.push(super::tags::Tag::new("dt".to_owned(), Some(print::clean(kept))));
    }
    Ok(now)
}

/// Whether the point lies outside the window (C3.6).
fn outside(at: Timestamp, now: Timestamp, profile: &Profile) -> Option<Code> {
    let nanos = |instant: Timestamp| {
        i128::from(instant.seconds()) * 1_000_000_000 + i128::from(instant.nanos())
    };
    let time = profile.policy().time;
    let age = nanos(now) - nanos(at);
    if time.outside == Outside::Ignore {
        None
    } else if age > i128::from(time.max_age_s) * 1_000_000_000 {
        Some(Code::TooOld)
    } else if -age > i128::from(time.max_future_s) * 1_000_000_000 {
        Some(Code::InFuture)
    } else {
        None
    }
}
