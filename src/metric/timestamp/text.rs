//! Dates and times as text (contract C3.3): a stack of small parsers, each of which takes a prefix and
//! returns what it read and the rest.

use chrono::NaiveDate;

use super::Timestamp;

/// How date and time are punctuated; both the same way.
#[derive(Clone, Copy)]
enum Style {
    /// `2022-12-31`, `13:45:59`.
    Extended,
    /// `20221231`, `134559`.
    Basic,
}

/// Seconds of the day and nanoseconds; second 60 counts as the next minute's first.
struct Time {
    seconds: i64,
    nanos: u32,
}

const DAY_S: i64 = 86_400;
const HOUR_S: i64 = 3_600;
const MINUTE_S: i64 = 60;

/// A date, a separator, a time and maybe a zone, all of `bytes`; UTC where no zone is named.
pub(super) fn date_time(bytes: &[u8]) -> Option<Timestamp> {
    let (days, style, rest) = date(bytes)?;
    let [b'T' | b't' | b' ', rest @ ..] = rest else { return None };
    let (time, rest) = time(rest, style)?;
    let seconds = i64::from(days) * DAY_S + time.seconds - offset(rest)?;
    Timestamp::in_range(seconds, time.nanos)
}

/// Days since the epoch of a date that exists, and how it was written.
fn date(bytes: &[u8]) -> Option<(i32, Style, &[u8])> {
    let ([y1, y2, y3, y4, m1, m2, d1, d2], style, rest) = match *bytes {
        [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, ref rest @ ..] => {
            ([y1, y2, y3, y4, m1, m2, d1, d2], Style::Extended, rest)
        }
        [y1, y2, y3, y4, m1, m2, d1, d2, ref rest @ ..] => {
            ([y1, y2, y3, y4, m1, m2, d1, d2], Style::Basic, rest)
        }
        _ => return None,
    };
    let year = pair(y1, y2)? * 100 + pair(y3, y4)?;
    let day = NaiveDate::from_ymd_opt(year as i32, pair(m1, m2)?, pair(d1, d2)?)?;
    Some((day.to_epoch_days(), style, rest))
}

/// Hours and minutes, and maybe seconds with a fraction.
fn time(bytes: &[u8], style: Style) -> Option<(Time, &[u8])> {
    let (hour, minute, rest) = match (style, bytes) {
        (Style::Extended, [h1, h2, b':', m1, m2, rest @ ..])
        | (Style::Basic, [h1, h2, m1, m2, rest @ ..]) => (pair(*h1, *h2)?, pair(*m1, *m2)?, rest),
        _ => return None,
    };
    let (second, nanos, rest) = match (style, rest) {
        (Style::Extended, [b':', s1, s2, rest @ ..])
        | (Style::Basic, [s1 @ b'0'..=b'9', s2, rest @ ..]) => {
            let (nanos, rest) = fraction(rest);
            (pair(*s1, *s2)?, nanos, rest)
        }
        _ => (0, 0, rest),
    };
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = i64::from(hour) * HOUR_S + i64::from(minute) * MINUTE_S + i64::from(second);
    Some((Time { seconds, nanos }, rest))
}

/// A point or comma and any number of digits, of which nine count; nothing is no fraction.
fn fraction(bytes: &[u8]) -> (u32, &[u8]) {
    let [b'.' | b',', digits @ ..] = bytes else { return (0, bytes) };
    let mut nanos = 0;
    let mut worth = 100_000_000;
    let mut rest = digits;
    while let [digit @ b'0'..=b'9', tail @ ..] = rest {
        nanos += u32::from(digit - b'0') * worth;
        worth /= 10;
        rest = tail;
    }
    (nanos, rest)
}

/// The zone, which must be all that is left: seconds ahead of UTC.
fn offset(bytes: &[u8]) -> Option<i64> {
    if bytes.is_empty() {
        return Some(0);
    }
    let zone = bytes.strip_prefix(b" ").unwrap_or(bytes);
    let (sign, hours, minutes) = match *zone {
        [b'Z' | b'z'] => return Some(0),
        [sign, h1, h2] if matches!(sign, b'+' | b'-') => (sign, pair(h1, h2)?, 0),
        [sign, h1, h2, m1, m2] | [sign, h1, h2, b':', m1, m2] => {
            (sign, pair(h1, h2)?, pair(m1, m2)?)
        }
        [_, _, _] if zone.eq_ignore_ascii_case(b"UTC") || zone.eq_ignore_ascii_case(b"GMT") => {
            return Some(0);
        }
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    let ahead = i64::from(hours) * HOUR_S + i64::from(minutes) * MINUTE_S;
    match sign {
        b'+' => Some(ahead),
        b'-' => Some(-ahead),
        _ => None,
    }
}

/// The number two digits write.
fn pair(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then_some(u32::from(tens) * 10 + u32::from(ones))
}
