//! The JSON object of an intake request: members to tuples, or the text of the 400.
//!
//! Only `metrics` is judged in depth. The other members a StackState intake takes have their shapes
//! checked and are then ignored; members it does not know are ignored altogether. A known member
//! given twice is refused, because one of the two would be lost without a word.

use std::fmt;

use serde_json::value::RawValue;

use super::json::{self, Members, Shape};
use super::tuple::{Parts, Tuple};

/// What an accepted envelope carried.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) internal_hostname: String,
    /// `collection_timestamp`, milliseconds since 1970.
    pub(super) collected_ms: Option<i64>,
    pub(super) tuples: Vec<Tuple>,
}

/// The unit of `collection_timestamp`, chosen by the header `sts-time-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeUnit {
    Seconds,
    /// `sts-time-format: ms`
    Millis,
}

/// Why an envelope is refused: the text of a 400.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Not JSON.
    Syntax(String),
    /// JSON of another shape.
    Shape { member: &'static str, reason: String },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(cause) => write!(f, "The request content was malformed:\n{cause}"),
            Self::Shape { member, reason } => {
                write!(f, "Failed to deserialize JSON on fields: {member}, with message: {reason}")
            }
        }
    }
}

#[cold]
fn refuse(member: &'static str, reason: impl Into<String>) -> Refusal {
    Refusal::Shape { member, reason: reason.into() }
}

/// Reads a whole body.
pub(super) fn parse(body: &[u8], unit: TimeUnit) -> Result<Envelope, Refusal> {
    let members = split(body)?;
    let hostname = members
        .find("internalHostname")?
        .ok_or_else(|| refuse("", "Object is missing required member 'internalHostname'"))?;
    let internal_hostname = match Shape::of(hostname) {
        Shape::Text => json::text(hostname).ok_or_else(|| {
            refuse("internalHostname", "the string has an escape that names no character")
        })?,
        other => return Err(refuse("internalHostname", format!("expected a string, got {other}"))),
    };
    let collected_ms = collected(&members, unit)?;
    check_events(&members)?;
    for member in ["service_checks", "topologies", "health"] {
        check_objects(&members, member)?;
    }
    let tuples = tuples(&members)?;
    Ok(Envelope { internal_hostname: internal_hostname.into_owned(), collected_ms, tuples })
}

/// The members of the body, which must be one JSON object and nothing else.
fn split(body: &[u8]) -> Result<Members<'_>, Refusal> {
    let text = simdutf8::compat::from_utf8(body)
        .map_err(|cause| Refusal::Syntax(format!("not UTF-8 at byte {}", cause.valid_up_to())))?;
    let syntax = |cause: serde_json::Error| Refusal::Syntax(cause.to_string());
    if !text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
        serde_json::from_str::<&RawValue>(text).map_err(syntax)?;
        return Err(refuse("", "Object expected"));
    }
    serde_json::from_str(text).map_err(syntax)
}

impl<'a> Members<'a> {
    /// The one member of this name.
    fn find(&self, name: &'static str) -> Result<Option<&'a RawValue>, Refusal> {
        let mut found = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| *value);
        let first = found.next();
        if found.next().is_some() {
            return Err(refuse(name, "given twice, one of them would be lost"));
        }
        Ok(first)
    }

    /// The one member of this name, which must have this shape.
    fn find_as(&self, name: &'static str, shape: Shape) -> Result<Option<&'a RawValue>, Refusal> {
        let found = self.find(name)?;
        match found.map(Shape::of) {
            Some(other) if other != shape => {
                Err(refuse(name, format!("expected {shape}, got {other}")))
            }
            _ => Ok(found),
        }
    }
}

/// Agents send fractions of a second here, so any number will do.
fn collected(members: &Members<'_>, unit: TimeUnit) -> Result<Option<i64>, Refusal> {
    let Some(raw) = members.find_as("collection_timestamp", Shape::Number)? else {
        return Ok(None);
    };
    let scale = match unit {
        TimeUnit::Seconds => 1000.0,
        TimeUnit::Millis => 1.0,
    };
    match raw.get().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Some((number * scale).round() as i64)),
        _ => Err(refuse("collection_timestamp", "the number is too large for a double")),
    }
}

/// `events` maps a name to an array of objects.
fn check_events(members: &Members<'_>) -> Result<(), Refusal> {
    let Some(raw) = members.find_as("events", Shape::Object)? else { return Ok(()) };
    let named = json::members(raw)
        .ok_or_else(|| refuse("events", "a name has an escape that names no character"))?;
    for (name, list) in named.0 {
        let Some(items) = json::items(list) else {
            return Err(refuse(
                "events",
                format!("{name:?}: expected an array, got {}", Shape::of(list)),
            ));
        };
        for (index, shape) in items.into_iter().map(Shape::of).enumerate() {
            if shape != Shape::Object {
                let reason = format!("{name:?}[{index}]: expected an object, got {shape}");
                return Err(refuse("events", reason));
            }
        }
    }
    Ok(())
}

fn check_objects(members: &Members<'_>, member: &'static str) -> Result<(), Refusal> {
    let Some(raw) = members.find_as(member, Shape::Array)? else { return Ok(()) };
    let items = json::items(raw).expect("an array has items");
    for (index, shape) in items.into_iter().map(Shape::of).enumerate() {
        if shape != Shape::Object {
            let reason = format!("{member}[{index}]: expected an object, got {shape}");
            return Err(refuse(member, reason));
        }
    }
    Ok(())
}

/// One bad tuple refuses the whole payload, as one bad element does on the other side.
fn tuples(members: &Members<'_>) -> Result<Vec<Tuple>, Refusal> {
    let Some(raw) = members.find_as("metrics", Shape::Array)? else { return Ok(Vec::new()) };
    let items = json::items(raw).expect("an array has items");
    let keep = |(index, item): (usize, &RawValue)| match Parts::parse(item) {
        Ok(_) => Ok(Tuple::keep(item.get())),
        Err(bad) => Err(refuse("metrics", format!("metrics[{index}]{bad}"))),
    };
    items.into_iter().enumerate().map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> String {
        parse(body.as_bytes(), TimeUnit::Seconds).unwrap_err().to_string()
    }

    #[test]
    fn envelopes_that_are_refused_and_why() {
        for (body, why) in [
            (
                "",
                "The request content was malformed:\nEOF while parsing a value at line 1 column 0",
            ),
            (
                "{\"internalHostname\":\"h\"}}",
                "The request content was malformed:\ntrailing characters at line 1 column 25",
            ),
            ("\u{feff}{}", "The request content was malformed:\nexpected value at line 1 column 1"),
            ("[]", "Failed to deserialize JSON on fields: , with message: Object expected"),
            (
                "{}",
                "Failed to deserialize JSON on fields: , with message: Object is missing required member 'internalHostname'",
            ),
            (
                r#"{"internalHostname":null}"#,
                "Failed to deserialize JSON on fields: internalHostname, with message: expected a string, got null",
            ),
            (
                r#"{"internalHostname":"h","collection_timestamp":"1"}"#,
                "Failed to deserialize JSON on fields: collection_timestamp, with message: expected a number, got a string",
            ),
            (
                r#"{"internalHostname":"h","events":[]}"#,
                "Failed to deserialize JSON on fields: events, with message: expected an object, got an array",
            ),
            (
                r#"{"internalHostname":"h","events":{"api":{}}}"#,
                "Failed to deserialize JSON on fields: events, with message: \"api\": expected an array, got an object",
            ),
            (
                r#"{"internalHostname":"h","health":[[{}]]}"#,
                "Failed to deserialize JSON on fields: health, with message: health[0]: expected an object, got an array",
            ),
            (
                r#"{"internalHostname":"h","topologies":null}"#,
                "Failed to deserialize JSON on fields: topologies, with message: expected an array, got null",
            ),
            (
                r#"{"internalHostname":"h","metrics":{}}"#,
                "Failed to deserialize JSON on fields: metrics, with message: expected an array, got an object",
            ),
            (
                r#"{"internalHostname":"h","metrics":[],"metrics":[]}"#,
                "Failed to deserialize JSON on fields: metrics, with message: given twice, one of them would be lost",
            ),
            (
                r#"{"internalHostname":"h","metrics":[["m",1,1,{"type":"raw"}],["m",1.5,1,{"type":"raw"}]]}"#,
                "Failed to deserialize JSON on fields: metrics, with message: metrics[1][1]: expected whole epoch seconds, got 1.5",
            ),
        ] {
            assert_eq!(refusal(body), why, "{body}");
        }
    }

    #[test]
    fn numbers_json_does_not_have_are_malformed() {
        for value in ["NaN", "Infinity", "-Infinity", "+1", "01", "1.", ".5", "0x1"] {
            let text = refusal(&format!(
                r#"{{"internalHostname":"h","metrics":[["m",1,{value},{{"type":"raw"}}]]}}"#
            ));
            assert!(text.starts_with("The request content was malformed:\n"), "{value}: {text}");
        }
    }

    #[test]
    fn nothing_but_the_hostname_is_required_and_unknown_members_pass() {
        let body = br#" {"internalHostname":"h","gohai":{"x":[null]},"gohai":1,"apiKey":""} "#;
        let envelope = parse(body, TimeUnit::Seconds).unwrap();
        assert_eq!(envelope.internal_hostname, "h");
        assert_eq!(envelope.collected_ms, None);
        assert!(envelope.tuples.is_empty());
    }

    #[test]
    fn the_collection_time_is_seconds_unless_the_header_says_milliseconds() {
        let body = br#"{"internalHostname":"h","collection_timestamp":1487973674.928511}"#;
        assert_eq!(parse(body, TimeUnit::Seconds).unwrap().collected_ms, Some(1_487_973_674_929));
        let body = br#"{"internalHostname":"h","collection_timestamp":1719228562000}"#;
        assert_eq!(parse(body, TimeUnit::Millis).unwrap().collected_ms, Some(1_719_228_562_000));
    }

    #[test]
    fn no_damage_to_a_payload_makes_the_reader_panic_or_keep_what_it_cannot_read_again() {
        let whole = include_bytes!("../../fixtures/receiver/envelope.json");
        let mut random = fastrand::Rng::with_seed(20);
        let (mut taken, mut refused) = (0, 0);
        for _ in 0..4000 {
            let mut body = whole.to_vec();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..body.len());
                match random.u8(..4) {
                    0 => body[at] = random.u8(..),
                    1 => body[at] = random.choice(*b"[]{},:\"0.e-\\u\n ").expect("not empty"),
                    2 => drop(body.remove(at)),
                    _ => body.truncate(at.max(1)),
                }
            }
            match parse(&body, TimeUnit::Seconds) {
                Ok(envelope) => {
                    taken += 1;
                    for tuple in &envelope.tuples {
                        assert!(!tuple.parts().name.is_empty() && !tuple.text().contains('\n'));
                    }
                }
                Err(_) => refused += 1,
            }
        }
        assert!(taken > 100 && refused > 100, "{taken} taken, {refused} refused");
    }
}
