//! The `Retry-After` header: whole seconds or an HTTP date (contract C6.2).

use std::time::Duration;

use chrono::NaiveDateTime;

use crate::metric::timestamp::Timestamp;

/// Most that a receiver can ask for; a typo in a proxy must not stop deliveries for a day.
pub const RETRY_AFTER_MAX: Duration = Duration::from_mins(5);

/// The three forms of an HTTP date; the last two are obsolete and still to be understood.
const DATES: [&str; 3] =
    ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

/// The wait a header value asks for at `now`, at most [`RETRY_AFTER_MAX`]; a date in the past is no
/// wait at all. `None` when it cannot be read.
pub fn parse(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a u64 holds are a long wait all the same.
        let seconds = value.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
    }
    let date = |format: &&str| NaiveDateTime::parse_from_str(value, format).ok();
    let then = DATES.iter().find_map(date)?.and_utc().timestamp();
    let seconds = then.saturating_sub(now.seconds()).max(0) as u64;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_bounded() {
        // 1994-11-06T08:49:37Z
        let now = Timestamp::from_unix(784_111_777, 500_000_000);
        let cases: [(&str, Option<u64>); 17] = [
            ("0", Some(0)),
            ("7", Some(7)),
            (" 12 ", Some(12)),
            ("300", Some(300)),
            ("301", Some(300)),
            ("99999999999999999999999", Some(300)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sunday, 06-Nov-94 08:49:47 GMT", Some(10)),
            ("Sun Nov  6 08:49:47 1994", Some(10)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sat, 05 Nov 1994 08:49:37 GMT", Some(0)),
            ("Mon, 07 Nov 1994 08:49:37 GMT", Some(300)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("Sun, 31 Nov 1994 08:49:37 GMT", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text, now), expected.map(Duration::from_secs), "{text:?}");
        }
    }
}
