//! `[time]`, `[stackstate]`, `[reserved_names]`: what shapes tuples, gathered into one
//! [`normalize::Policy`](Policy), whose fields say what each one does.

use std::time::Duration;

use crate::normalize::{Outside, Policy, ReservedAction, ReservedNames, TimePolicy, TupleType};

use super::section::Section;

/// The prefixes StackState forbids (contract C4.6).
const RESERVED: [&str; 7] =
    ["host", "name", "timestamp", "timeReceived", "labels", "tags", "values"];

/// Years as `humantime` counts them, so that the limit reads back as `100years`.
const YEARS_100: Duration = Duration::from_hours(100 * 8766);

/// Reads the three sections; `hostname` and `hostname_tags` stand at the top of the file.
pub(super) fn read(
    top: &mut Section<'_>,
    hostname: &str,
    hostname_tags: &[String],
    expanded_bytes: u64,
) -> Policy {
    Policy {
        time: time(top.section("time")),
        tuple_type: tuple_type(top.section("stackstate")),
        reserved_names: reserved_names(top.section("reserved_names")),
        hostname_tags: hostname_tags.to_vec(),
        gateway_hostname: hostname.to_owned(),
        expanded_bytes,
    }
}

/// `max_age` and `max_future`: 0 s to 100 years, default 15 min each, as Better Stack documents;
/// `outside`: a warning (default) or a rejection, see contract C3.6; `keep_unparsed`: contract C3.5.
fn time(mut section: Section<'_>) -> TimePolicy {
    let quarter = Duration::from_mins(15);
    let range = Duration::ZERO..=YEARS_100;
    let outside = [("warn", Outside::Warn), ("reject", Outside::Reject)];
    let time = TimePolicy {
        max_age_s: section.duration("max_age", quarter, range.clone()).as_secs(),
        max_future_s: section.duration("max_future", quarter, range).as_secs(),
        outside: section.choice("outside", Outside::Warn, &outside),
        keep_unparsed: section.switch("keep_unparsed", true),
    };
    section.finish();
    time
}

/// `type`: as the metric's kind says (default), or `raw` for every tuple (contract C4.2).
fn tuple_type(mut section: Section<'_>) -> TupleType {
    let types = [("as_sent", TupleType::AsSent), ("raw", TupleType::Raw)];
    let tuple_type = section.choice("type", TupleType::AsSent, &types);
    section.finish();
    tuple_type
}

/// `action`: prefix (default), reject or keep; `prefix`: `metric.` (contract C4.6).
fn reserved_names(mut section: Section<'_>) -> ReservedNames {
    let actions = [
        ("prefix", ReservedAction::Prefix),
        ("reject", ReservedAction::Reject),
        ("keep", ReservedAction::Keep),
    ];
    let action = section.choice("action", ReservedAction::Prefix, &actions);
    let prefix = section.parsed("prefix", "metric.".to_owned(), String::clone, prefix);
    section.finish();
    ReservedNames { action, prefix }
}

fn prefix(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 64 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("1 to 64 visible ASCII characters".to_owned());
    }
    if let Some(reserved) = RESERVED.iter().find(|reserved| text.starts_with(**reserved)) {
        return Err(format!(
            "something that does not itself begin with the reserved \"{reserved}\""
        ));
    }
    Ok(text.to_owned())
}
