//! Lines that prove themselves: `<crc32 of the JSON, 8 hex digits> <JSON>\n`.

use std::ops::Range;

/// What precedes the JSON.
const PREFIX_BYTES: usize = 9;

/// What a file's bytes hold.
#[derive(Debug, Default)]
pub(super) struct Lines<'b> {
    /// The version its first line names; `None` when that line is missing or damaged.
    pub(super) version: Option<u32>,
    /// Those that are whole, by the bytes they take.
    pub(super) whole: Vec<Line<'b>>,
    /// Where there are lines that nobody can read any more.
    pub(super) damaged: Vec<Range<u64>>,
    /// Bytes that a write left unfinished.
    pub(super) torn_bytes: u64,
}

/// One whole line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line<'b> {
    /// Where it stands in the file, its line end included. It is what a replay names it by: damage
    /// before it does not move it.
    pub(super) at: Range<u64>,
    /// The object.
    pub(super) json: &'b str,
}

/// Appends one line.
pub(super) fn push(out: &mut Vec<u8>, json: &[u8]) {
    debug_assert!(!json.contains(&b'\n'), "JSON without white space has no line end");
    out.extend_from_slice(format!("{:08x} ", crc32fast::hash(json)).as_bytes());
    out.extend_from_slice(json);
    out.push(b'\n');
}

/// The first line of a file.
pub(super) fn heading(format: &str, version: u32) -> String {
    format!("{format} {version}\n")
}

/// Reads a file of this format.
pub(super) fn read<'b>(format: &str, bytes: &'b [u8]) -> Lines<'b> {
    let mut lines = Lines::default();
    let mut offset = 0;
    for (nth, chunk) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let start = offset;
        offset += chunk.len();
        let Some(text) = chunk.strip_suffix(b"\n") else {
            lines.torn_bytes = chunk.len() as u64;
            break;
        };
        if nth == 0
            && let Some(version) = version(format, text)
        {
            lines.version = Some(version);
            continue;
        }
        if let Some(json) = whole(text) {
            lines.push(start..offset, json);
            continue;
        }
        // The end of the line before it may be what is damaged.
        let salvaged = salvage(text);
        let skipped = salvaged.map_or(chunk.len(), |(skipped, _)| skipped);
        lines.damaged.push(start as u64..(start + skipped) as u64);
        if let Some((_, json)) = salvaged {
            lines.push(start + skipped..offset, json);
        }
    }
    lines
}

impl<'b> Lines<'b> {
    /// From this byte on nothing is known to have been written whole: what a crash tore may hold
    /// anything, line ends too, and is not damage.
    pub(super) fn unfinished_from(&mut self, byte: u64) {
        let torn = self.damaged.extract_if(.., |damaged| damaged.start >= byte);
        self.torn_bytes += torn.map(|damaged| damaged.end - damaged.start).sum::<u64>();
    }

    fn push(&mut self, at: Range<usize>, json: &'b str) {
        self.whole.push(Line { at: at.start as u64..at.end as u64, json });
    }
}

fn version(format: &str, text: &[u8]) -> Option<u32> {
    str::from_utf8(text).ok()?.strip_prefix(format)?.strip_prefix(' ')?.parse().ok()
}

fn whole(text: &[u8]) -> Option<&str> {
    let (prefix, json) = text.split_at_checked(PREFIX_BYTES)?;
    if !is_prefix(prefix) || json.first() != Some(&b'{') {
        return None;
    }
    let sum = u32::from_str_radix(str::from_utf8(&prefix[..8]).ok()?, 16).ok()?;
    if sum != crc32fast::hash(json) {
        return None;
    }
    str::from_utf8(json).ok()
}

fn is_prefix(prefix: &[u8]) -> bool {
    let (digits, space) = prefix.split_at(8);
    space == b" " && digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// A whole line at the end of a damaged one, and what stands before it. What a client sent cannot be
/// taken for one: inside a line it stands in strings, whose quotes are escaped.
fn salvage(text: &[u8]) -> Option<(usize, &str)> {
    (1..text.len().saturating_sub(PREFIX_BYTES))
        .filter(|at| text[at + PREFIX_BYTES] == b'{' && is_prefix(&text[*at..at + PREFIX_BYTES]))
        .find_map(|at| {
            let json = whole(&text[at..])?;
            serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok().then_some((at, json))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: &str = "things";

    fn file(objects: &[&str]) -> Vec<u8> {
        let mut bytes = heading(FORMAT, 3).into_bytes();
        for json in objects {
            push(&mut bytes, json.as_bytes());
        }
        bytes
    }

    fn jsons<'b>(lines: &Lines<'b>) -> Vec<&'b str> {
        lines.whole.iter().map(|line| line.json).collect()
    }

    #[test]
    fn what_was_written_is_read_with_its_place() {
        let bytes = file(&["{\"a\":1}", "{}"]);
        let lines = read(FORMAT, &bytes);
        assert_eq!((lines.version, &lines.damaged[..], lines.torn_bytes), (Some(3), &[][..], 0));
        assert_eq!(jsons(&lines), ["{\"a\":1}", "{}"]);
        assert_eq!(lines.whole[0].at, 9..26);
        assert_eq!(lines.whole[1].at, 26..bytes.len() as u64);
    }

    #[test]
    fn a_file_cut_anywhere_keeps_its_whole_lines() {
        let bytes = file(&["{\"a\":1}", "{\"b\":2}", "{}"]);
        let ends: Vec<u64> = read(FORMAT, &bytes).whole.iter().map(|line| line.at.end).collect();
        for cut in 0..bytes.len() {
            let lines = read(FORMAT, &bytes[..cut]);
            let wanted = ends.iter().filter(|end| **end <= cut as u64).count();
            assert_eq!((lines.whole.len(), lines.damaged.len()), (wanted, 0), "cut at {cut}");
            let is_clean = cut == 0 || bytes[cut - 1] == b'\n';
            assert_eq!(lines.torn_bytes == 0, is_clean, "cut at {cut}");
        }
    }

    #[test]
    fn any_flipped_bit_costs_at_most_the_line_it_is_in() {
        let objects = ["{\"a\":\"one\"}", "{\"a\":\"two\"}", "{\"a\":\"three\"}"];
        let bytes = file(&objects);
        let whole = read(FORMAT, &bytes).whole;
        for at in 0..bytes.len() - 1 {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let lines = read(FORMAT, &damaged);
                let untouched: Vec<_> =
                    whole.iter().filter(|line| !line.at.contains(&(at as u64))).collect();
                let kept: Vec<_> = lines.whole.iter().collect();
                assert_eq!(kept, untouched, "byte {at} bit {bit}");
                let in_head = at < 9;
                let is_clean = lines.damaged.is_empty();
                assert_eq!(is_clean, in_head && lines.version.is_some(), "byte {at}");
                // It is damage as long as something behind it was known to be written whole.
                let (mut ended, mut open) = (lines, read(FORMAT, &damaged));
                ended.unfinished_from(at as u64 + 1);
                open.unfinished_from(0);
                assert_eq!((ended.torn_bytes == 0, open.damaged.is_empty()), (true, true));
                assert_eq!(open.torn_bytes == 0, is_clean);
            }
        }
    }

    #[test]
    fn text_of_a_client_in_a_damaged_line_is_not_taken_for_a_line() {
        let mut inner = Vec::new();
        push(&mut inner, b"{}");
        let inner = String::from_utf8(inner).unwrap();
        let object = serde_json::json!({ "a": inner.trim_end() }).to_string();
        let mut bytes = file(&[&object, "{}"]);
        bytes[9] ^= 1;
        assert_eq!(jsons(&read(FORMAT, &bytes)), ["{}"]);
        // Not even where it would end the line.
        let mut line = b"zz".to_vec();
        line.extend_from_slice(&inner.as_bytes()[..inner.len() - 1]);
        line.extend_from_slice(b"\"}\n");
        assert_eq!(read(FORMAT, &line).whole, []);
    }
}
