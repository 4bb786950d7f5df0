//! Instants and stretches of records as people read them.

use std::fmt::Write as _;
use std::time::Duration;

use crate::clock::system_time;
use crate::metric::timestamp::Timestamp;

/// `2026-11-22T04:41:59Z`; `-` outside the years that can be written so.
pub(super) fn instant(at: Timestamp) -> String {
    let time = system_time(at).map(|time| humantime::format_rfc3339_seconds(time).to_string());
    time.unwrap_or_else(|| "-".to_owned())
}

/// The same with all of its digits.
pub(super) fn instant_exactly(at: Timestamp) -> String {
    let time = system_time(at).map(|time| humantime::format_rfc3339_nanos(time).to_string());
    time.unwrap_or_else(|| "-".to_owned())
}

/// How long ago, in seconds; 0 for what lies ahead.
pub(super) fn age_seconds(at: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.seconds().saturating_sub(at.seconds())).unwrap_or(0)
}

/// `42s`, `5m 3s`, `2h 3m`, `4days 1h`: the two largest units.
pub(super) fn age(seconds: u64) -> String {
    let text = humantime::format_duration(Duration::from_secs(seconds)).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// `7`, `7 to 12`
pub(super) fn span(first: u64, last: u64) -> String {
    if first == last { first.to_string() } else { format!("{first} to {last}") }
}

/// `record 7`, `records 7 to 12`
pub(super) fn records(first: u64, last: u64) -> String {
    let noun = if first == last { "record" } else { "records" };
    format!("{noun} {}", span(first, last))
}

/// Text from afar, on a terminal whose cursor it must not move and whose direction of writing it must not
/// turn: `?` stands for control characters, and for those that are not seen and change what is.
pub(super) fn plain(text: &str) -> String {
    let is_unseen = |c: char| {
        matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
        )
    };
    text.replace(|c: char| c.is_control() || is_unseen(c), "?")
}

/// `1 tuple`, `1,204 tuples`
pub(super) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", super::table::grouped(number))
}

/// What a file is that was set aside.
pub(super) fn of_aside(file: &str) -> &'static str {
    if file.ends_with(".partial") {
        "being written now, or left by an attempt that was cut off; not part of the queue"
    } else if file.contains(".pos@") {
        "a position nobody could read, set aside; not part of the queue, can be deleted"
    } else if file.ends_with(".damaged") {
        "damaged, set aside for whoever wants to look; not part of the queue, can be deleted"
    } else {
        "cut off by a crash and set aside; not part of the queue, can be deleted"
    }
}

/// Bytes as digits of sixteen, two each.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes every text");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_show_their_two_largest_units() {
        for (seconds, wanted) in
            [(0, "0s"), (42, "42s"), (303, "5m 3s"), (7_421, "2h 3m"), (349_261, "4days 1h")]
        {
            assert_eq!(age(seconds), wanted);
        }
    }

    #[test]
    fn instants_that_cannot_be_written_are_a_dash() {
        for (seconds, wanted) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_795_322_519, "2026-11-22T04:41:59Z"),
            (-1, "-"),
            (i64::MAX, "-"),
        ] {
            assert_eq!(instant(Timestamp::from_unix(seconds, 0)), wanted);
        }
    }

    #[test]
    fn nothing_from_afar_reaches_the_terminal_raw() {
        let text = "a\u{1b}[2J\u{9b}31m\r\n\u{202e}b\u{200b}\u{2066}\u{feff}\u{e9}";
        assert_eq!(plain(text), "a?[2J?31m???b???\u{e9}");
    }

    #[test]
    fn what_lies_ahead_has_no_age() {
        let [early, late] = [10, 25].map(|seconds| Timestamp::from_unix(seconds, 0));
        assert_eq!((age_seconds(early, late), age_seconds(late, early)), (15, 0));
    }
}
