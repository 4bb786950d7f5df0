//! One metric tuple: `["name", seconds, value, {attributes}]`, judged as strictly as the receiver it
//! stands in for would, or stricter where that one would answer 200 and lose the point.
//!
//! What is decided here because no document decides it:
//!
//! * Seconds are a plain integer literal that fits 64 bits, negative ones included; `1.0` and `1e3`
//!   are refused though a lenient reader would take them. There is no check of age.
//! * A value too small for a double is taken (it rounds to zero), one too large is refused.
//! * `type` is required, `hostname` and `tags` are not; other attributes are ignored.
//! * A tag needs a key: `k:v` and `k` pass, `:v` and the empty string do not. Several tags of one
//!   key pass, although the receiver keeps one value per key: contract C2.3 may produce them.
//! * An attribute given twice is refused: one of the two would be lost.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::json::{self, Shape};

/// Names may not begin with these, in this case (contract C4.6): the stored document has fields of
/// these names.
const RESERVED: [&str; 7] =
    ["host", "labels", "name", "tags", "timeReceived", "timestamp", "values"];

/// Most characters of a number; longer ones are refused by the JSON library of the receiver.
const NUMBER_CHARS_MAX: usize = 100;

/// An accepted tuple, as the text that was received; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuple(Arc<str>);

impl Tuple {
    /// Keeps a tuple that has been parsed. Line breaks between its parts, and the indentation after
    /// them, are left out so that it prints as one line; every other byte stays.
    pub(super) fn keep(text: &str) -> Self {
        // A JSON string never holds a raw line break, so these stand between tokens.
        if !text.contains(['\n', '\r']) {
            return Self(Arc::from(text));
        }
        let lines = text.split(['\n', '\r']);
        Self(lines.map(|line| line.trim_start_matches([' ', '\t'])).collect::<String>().into())
    }

    /// The tuple as received, digit for digit, on one line.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The tuple taken apart.
    pub fn parts(&self) -> Parts<'_> {
        let raw = serde_json::from_str(&self.0).expect("was JSON when it was accepted");
        Parts::parse(raw).expect("was a tuple when it was accepted")
    }
}

/// What a tuple says. Texts have their escapes resolved; the value is as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    /// The metric name.
    pub name: Cow<'a, str>,
    /// Seconds since 1970.
    pub seconds: i64,
    /// The literal of the value.
    pub value: &'a str,
    /// The `type` attribute.
    pub kind: Kind,
    /// The `hostname` attribute.
    pub hostname: Option<Cow<'a, str>>,
    /// The `tags` attribute; empty when absent.
    pub tags: Vec<Cow<'a, str>>,
}

/// The `type` attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `gauge`
    Gauge,
    /// `count`
    Count,
    /// `rate`
    Rate,
    /// `counter`
    Counter,
    /// `raw`
    Raw,
}

/// Why a tuple is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadTuple {
    /// The place inside the tuple, as `[3].tags[1]`; empty for the tuple as a whole.
    pub(super) place: String,
    pub(super) reason: String,
}

impl fmt::Display for BadTuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

#[cold]
fn bad(place: impl Into<String>, reason: impl Into<String>) -> BadTuple {
    BadTuple { place: place.into(), reason: reason.into() }
}

impl<'a> Parts<'a> {
    /// Reads one tuple; the first fault is reported.
    pub(super) fn parse(raw: &'a RawValue) -> Result<Self, BadTuple> {
        if Shape::of(raw) != Shape::Array {
            return Err(bad("", format!("expected an array of four, got {}", Shape::of(raw))));
        }
        let items = json::items(raw).expect("an array has items");
        let &[name, seconds, value, attributes] = items.as_slice() else {
            return Err(bad("", format!("expected four elements, got {}", items.len())));
        };
        let (name, seconds, value) =
            (parse_name(name)?, parse_seconds(seconds)?, parse_value(value)?);
        let Attributes { kind, hostname, tags } = Attributes::parse(attributes)?;
        Ok(Self { name, seconds, value, kind, hostname, tags })
    }
}

fn parse_name(raw: &RawValue) -> Result<Cow<'_, str>, BadTuple> {
    let name = string(raw).map_err(|reason| bad("[0]", reason))?;
    if name.is_empty() {
        return Err(bad("[0]", "the name is empty"));
    }
    if let Some(prefix) = RESERVED.iter().find(|prefix| name.starts_with(**prefix)) {
        return Err(bad("[0]", format!("the name {name:?} begins with the reserved `{prefix}`")));
    }
    Ok(name)
}

fn parse_seconds(raw: &RawValue) -> Result<i64, BadTuple> {
    let literal = number(raw, "[1]")?;
    // JSON has no leading `+` and no leading zeros, so whatever parses here is plain digits.
    literal.parse().map_err(|_| bad("[1]", format!("expected whole epoch seconds, got {literal}")))
}

fn parse_value(raw: &RawValue) -> Result<&str, BadTuple> {
    let literal = number(raw, "[2]")?;
    match literal.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(literal),
        _ => Err(bad("[2]", format!("{literal} is too large for a double"))),
    }
}

fn number<'a>(raw: &'a RawValue, place: &str) -> Result<&'a str, BadTuple> {
    let literal = raw.get();
    match Shape::of(raw) {
        Shape::Number if literal.len() <= NUMBER_CHARS_MAX => Ok(literal),
        Shape::Number => {
            Err(bad(place, format!("a number of over {NUMBER_CHARS_MAX} characters is too long")))
        }
        other => Err(bad(place, format!("expected a number, got {other}"))),
    }
}

fn string(raw: &RawValue) -> Result<Cow<'_, str>, String> {
    match Shape::of(raw) {
        Shape::Text => json::text(raw)
            .ok_or_else(|| "the string has an escape that names no character".to_owned()),
        other => Err(format!("expected a string, got {other}")),
    }
}

/// The fourth element.
struct Attributes<'a> {
    kind: Kind,
    hostname: Option<Cow<'a, str>>,
    tags: Vec<Cow<'a, str>>,
}

impl<'a> Attributes<'a> {
    fn parse(raw: &'a RawValue) -> Result<Self, BadTuple> {
        if Shape::of(raw) != Shape::Object {
            return Err(bad("[3]", format!("expected an object, got {}", Shape::of(raw))));
        }
        let members = json::members(raw)
            .ok_or_else(|| bad("[3]", "a member name has an escape that names no character"))?;
        let (mut kind, mut hostname, mut tags) = (None, None, None);
        for (key, value) in members.0 {
            let again = match key.as_ref() {
                "type" => kind.replace(parse_kind(value)?).is_some(),
                "hostname" => {
                    let text = string(value).map_err(|reason| bad("[3].hostname", reason))?;
                    hostname.replace(text).is_some()
                }
                "tags" => tags.replace(parse_tags(value)?).is_some(),
                _ => false,
            };
            if again {
                return Err(bad(format!("[3].{key}"), "given twice, one of them would be lost"));
            }
        }
        let kind = kind.ok_or_else(|| bad("[3]", "Object is missing required member 'type'"))?;
        Ok(Self { kind, hostname, tags: tags.unwrap_or_default() })
    }
}

fn parse_kind(raw: &RawValue) -> Result<Kind, BadTuple> {
    let text = string(raw).map_err(|reason| bad("[3].type", reason))?;
    Ok(match text.as_ref() {
        "gauge" => Kind::Gauge,
        "count" => Kind::Count,
        "rate" => Kind::Rate,
        "counter" => Kind::Counter,
        "raw" => Kind::Raw,
        other => {
            let known = "gauge, count, rate, counter, raw";
            return Err(bad(
                "[3].type",
                format!("unknown type {other:?}, expected one of {known}"),
            ));
        }
    })
}

fn parse_tags(raw: &RawValue) -> Result<Vec<Cow<'_, str>>, BadTuple> {
    if Shape::of(raw) != Shape::Array {
        return Err(bad("[3].tags", format!("expected an array, got {}", Shape::of(raw))));
    }
    let items = json::items(raw).expect("an array has items");
    let parse = |(index, item)| {
        let tag = string(item).map_err(|reason| bad(format!("[3].tags[{index}]"), reason))?;
        if tag.is_empty() || tag.starts_with(':') {
            return Err(bad(format!("[3].tags[{index}]"), format!("the tag {tag:?} has no key")));
        }
        Ok(tag)
    };
    items.into_iter().enumerate().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(text: &str) -> Result<(), String> {
        let raw: &RawValue = serde_json::from_str(text).unwrap();
        Parts::parse(raw).map(drop).map_err(|bad| bad.to_string())
    }

    #[test]
    fn tuples_that_are_accepted() {
        let attributes = r#"{"hostname":"h","type":"gauge","tags":["k:v"]}"#;
        for accepted in [
            format!(r#"["m",1548857152,10.0,{attributes}]"#),
            format!(r#"["2xx.Responses",0,62248,{attributes}]"#),
            format!(r#"["m",-1,-0.0,{attributes}]"#),
            format!(r#"["m",9223372036854775807,1.7976931348623157e308,{attributes}]"#),
            format!(r#"["m",1,1e-400,{attributes}]"#),
            format!(r#"["my.host",1,1,{attributes}]"#),
            format!(r#"["Host",1,1,{attributes}]"#),
            format!(r#"["time",1,1,{attributes}]"#),
            r#"["m",1,1,{"type":"raw"}]"#.to_owned(),
            r#"["m",1,1,{"type":"count","tags":[]}]"#.to_owned(),
            r#"["m",1,1,{"type":"rate","tags":["foo","k:a","k:b","k:a:b","k:"]}]"#.to_owned(),
            r#"["m",1,1,{"type":"counter","device_name":"/dev/sda1","x":null,"x":1}]"#.to_owned(),
        ] {
            assert_eq!(judge(&accepted), Ok(()), "{accepted}");
        }
    }

    #[test]
    fn tuples_that_are_refused_and_why() {
        let long = "1".repeat(101);
        for (refused, why) in [
            (r"{}", ": expected an array of four, got an object"),
            (r#"["m",1,1]"#, ": expected four elements, got 3"),
            (r#"["m",1,1,{"type":"raw"},1]"#, ": expected four elements, got 5"),
            (r#"[1,1,1,{"type":"raw"}]"#, "[0]: expected a string, got a number"),
            (r#"["",1,1,{"type":"raw"}]"#, "[0]: the name is empty"),
            (r#"["\ud800",1,1,{}]"#, "[0]: the string has an escape that names no character"),
            (r#"["m",1.5,1,{}]"#, "[1]: expected whole epoch seconds, got 1.5"),
            (r#"["m",1.0,1,{}]"#, "[1]: expected whole epoch seconds, got 1.0"),
            (r#"["m",1e3,1,{}]"#, "[1]: expected whole epoch seconds, got 1e3"),
            (
                r#"["m",9223372036854775808,1,{}]"#,
                "[1]: expected whole epoch seconds, got 9223372036854775808",
            ),
            (r#"["m","1",1,{}]"#, "[1]: expected a number, got a string"),
            (r#"["m",null,1,{}]"#, "[1]: expected a number, got null"),
            (r#"["m",1,null,{}]"#, "[2]: expected a number, got null"),
            (r#"["m",1,"1",{}]"#, "[2]: expected a number, got a string"),
            (r#"["m",1,true,{}]"#, "[2]: expected a number, got a boolean"),
            (r#"["m",1,1e309,{}]"#, "[2]: 1e309 is too large for a double"),
            (
                &format!(r#"["m",1,{long},{{}}]"#),
                "[2]: a number of over 100 characters is too long",
            ),
            (r#"["m",1,1,[]]"#, "[3]: expected an object, got an array"),
            (r#"["m",1,1,{}]"#, "[3]: Object is missing required member 'type'"),
            (
                r#"["m",1,1,{"type":"histogram"}]"#,
                r#"[3].type: unknown type "histogram", expected one of gauge, count, rate, counter, raw"#,
            ),
            (r#"["m",1,1,{"type":null}]"#, "[3].type: expected a string, got null"),
            (
                r#"["m",1,1,{"type":"raw","hostname":7}]"#,
                "[3].hostname: expected a string, got a number",
            ),
            (
                r#"["m",1,1,{"type":"raw","tags":{"k":"v"}}]"#,
                "[3].tags: expected an array, got an object",
            ),
            (
                r#"["m",1,1,{"type":"raw","tags":["k:v",1]}]"#,
                "[3].tags[1]: expected a string, got a number",
            ),
            (
                r#"["m",1,1,{"type":"raw","tags":[":v"]}]"#,
                r#"[3].tags[0]: the tag ":v" has no key"#,
            ),
            (
                r#"["m",1,1,{"type":"raw","tags":["a:b"],"tags":[]}]"#,
                "[3].tags: given twice, one of them would be lost",
            ),
        ] {
            assert_eq!(judge(refused), Err(why.to_owned()), "{refused}");
        }
    }

    #[test]
    fn every_reserved_prefix_is_refused_however_it_is_written() {
        for prefix in RESERVED {
            let refused = judge(&format!(r#"["{prefix}s.up",1,1,{{"type":"raw"}}]"#));
            let why = refused.unwrap_err();
            assert!(why.starts_with("[0]: the name"), "{why}");
            assert!(why.contains("reserved"), "{why}");
        }
        let escaped = judge(r#"["\u0068ost.cpu",1,1,{"type":"raw"}]"#).unwrap_err();
        assert!(escaped.contains("reserved `host`"), "{escaped}");
    }

    #[test]
    fn a_kept_tuple_differs_from_what_came_by_line_breaks_alone() {
        let tuple = Tuple::keep("[ \"a  b\" ,\t1,\r\n    1.50E+2,\n\t{\"type\" : \"raw\"}\n]");
        assert_eq!(tuple.text(), "[ \"a  b\" ,\t1,1.50E+2,{\"type\" : \"raw\"}]");
        assert_eq!(tuple.parts().value, "1.50E+2");
    }
}
