//! Sizes, durations and strings as an operator writes them, in both directions.

use std::time::Duration;

const KIB: u64 = 1 << 10;
/// Longest first, so that printing finds the largest unit that fits.
const UNITS: [(&str, u64); 4] =
    [("TiB", KIB << 30), ("GiB", KIB << 20), ("MiB", KIB << 10), ("KiB", KIB)];

/// `20971520`, `"20971520"` or `"20MiB"`; a space before the unit is fine. Powers of 1,024 only:
/// `MB` would be read differently by different people.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let (digits, factor) = UNITS
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim_end(), *factor)))
        .unwrap_or((text.strip_suffix('B').unwrap_or(text), 1));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// The shortest exact way to write a size, without quotes.
pub(crate) fn size_text(bytes: u64) -> String {
    UNITS
        .iter()
        .find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor))
        .map_or_else(|| bytes.to_string(), |(unit, factor)| format!("{}{unit}", bytes / factor))
}

/// `"10s"`, `"15min"`, `"1h 30min"`, `"200ms"`. A bare number has no unit and is refused.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    humantime::parse_duration(text).ok()
}

/// The shortest exact way to write a duration, without quotes.
pub(super) fn duration_text(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// Text as a TOML string on one line, quotes included; good for keys and values alike. The escapes of
/// JSON are those of TOML, which forbids one character more.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_powers_of_1024_only() {
        for (text, wanted) in [
            ("0", Some(0)),
            ("1024", Some(1024)),
            ("20MiB", Some(20 << 20)),
            ("20 MiB", Some(20 << 20)),
            ("4GiB", Some(4 << 30)),
            ("17B", Some(17)),
            ("20MB", None),
            ("20M", None),
            ("-1", None),
            ("1.5GiB", None),
            ("MiB", None),
            ("", None),
            ("99999999999TiB", None),
        ] {
            assert_eq!(parse_size(text), wanted, "{text}");
        }
    }

    #[test]
    fn printed_sizes_read_back_the_same() {
        for bytes in [0, 1, 1023, 1024, 1536, 20 << 20, (20 << 20) + 1, 4 << 30, u64::MAX] {
            assert_eq!(parse_size(&size_text(bytes)), Some(bytes));
        }
        assert_eq!(size_text(1536 << 10), "1536KiB");
    }

    #[test]
    fn quoted_text_is_one_line_and_reads_back_the_same() {
        let every: String = (0..=0x2100).filter_map(char::from_u32).collect();
        for text in ["", "plain", "C:\\dir", "it's \"quoted\"", "two\nlines\r\n", &every] {
            let line = format!("{} = {}", quoted(text), quoted(text));
            assert_eq!(line.lines().count(), 1);
            let table: toml::Table = line.parse().unwrap();
            assert_eq!(table.get(text).and_then(toml::Value::as_str), Some(text));
        }
    }

    #[test]
    fn durations_need_a_unit_and_read_back_the_same() {
        assert_eq!(parse_duration("15min"), Some(Duration::from_mins(15)));
        assert_eq!(parse_duration("10"), None);
        assert_eq!(parse_duration("0"), None);
        assert_eq!(parse_duration(""), None);
        assert_eq!(parse_duration("-3s"), None);
        for millis in [0, 200, 1500, 900_000, 5_400_000] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse_duration(&duration_text(duration)), Some(duration));
        }
    }
}
