//! Rejected items as their sender wrote them, found once more in the body: only while somebody has use for
//! them, and only in formats of text, where that is a walk over the bytes.

use super::rejects::{reasons, shown};
use crate::pipeline::report::Report;

/// Most bytes of an example.
const EXAMPLE_BYTES_MAX: usize = 200;

/// How far into a body items are looked for.
const LOOK_BYTES_MAX: usize = 1 << 20;

/// Where the items of a body begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// JSON values, arrays flattened one level; an item is found by its index.
    Values,
    /// An item to a line, found by its number.
    Lines,
}

/// An item for each reason that a report tells, by its index in the report. A body holds no token: it is the
/// caller's to ask only for formats of which that is true.
#[cold]
pub fn find(body: &[u8], layout: Layout, report: &Report) -> Vec<(u64, String)> {
    let body = &body[..body.len().min(LOOK_BYTES_MAX)];
    let text = |item: &[u8]| {
        // A long item may be cut inside a character, and what is no UTF-8 is shown as far as it is.
        let cut = &item[..item.len().min(EXAMPLE_BYTES_MAX + 4)];
        shown(String::from_utf8_lossy(cut).trim(), EXAMPLE_BYTES_MAX)
    };
    let found = reasons(report).into_iter().filter_map(|entry| {
        let item = match layout {
            Layout::Values => Values::of(body).nth(usize::try_from(entry.index).ok()?)?,
            Layout::Lines => {
                let nth = usize::try_from(entry.line?.checked_sub(1)?).ok()?;
                body.split(|byte| *byte == b'\n').nth(nth)?
            }
        };
        Some((entry.index, text(item)))
    });
    found.filter(|(_, text)| !text.is_empty()).collect()
}

/// The items of JSON that was read before: what is wrong with it stays unsaid here.
struct Values<'b> {
    body: &'b [u8],
    at: usize,
    /// Inside a top-level array.
    is_inside: bool,
}

impl<'b> Values<'b> {
    fn of(body: &'b [u8]) -> Self {
        Self { body, at: 0, is_inside: false }
    }

    /// The end of the value that begins at `from`.
    fn end(&self, from: usize) -> usize {
        let (mut depth, mut at) = (0_usize, from);
        while let Some(byte) = self.body.get(at) {
            match byte {
                b'"' => at = self.end_of_string(at),
                b'{' | b'[' => depth += 1,
                b'}' | b']' | b',' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return at,
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        return at + 1;
                    }
                }
                _ => {}
            }
            at += 1;
            // A string at the top is whole with its last quote.
            if depth == 0 && self.body[from] == b'"' {
                return at.min(self.body.len());
            }
        }
        self.body.len()
    }

    /// The last byte of the string that begins at `from`.
    fn end_of_string(&self, from: usize) -> usize {
        let mut at = from + 1;
        while let Some(byte) = self.body.get(at) {
            match byte {
                b'"' => return at,
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        self.body.len()
    }
}

impl<'b> Iterator for Values<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match *self.body.get(self.at)? {
                b'[' if !self.is_inside => self.is_inside = true,
                b']' if self.is_inside => self.is_inside = false,
                // White space, commas, and the three bytes of a mark at the start.
                b' ' | b'\t' | b'\r' | b'\n' | b',' | 0xef | 0xbb | 0xbf => {}
                _ => {
                    let (from, end) = (self.at, self.end(self.at));
                    // Never twice at one place, whatever stands there.
                    self.at = end.max(from + 1);
                    return Some(&self.body[from..end]);
                }
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::normalize::Code;
    use crate::pipeline::report::Entry;

    fn items(body: &str) -> Vec<String> {
        Values::of(body.as_bytes()).map(|item| String::from_utf8_lossy(item).into_owned()).collect()
    }

    #[test]
    fn items_are_counted_as_the_report_counts_them() {
        for (body, expected) in [
            (r#"{"a":1}"#, &[r#"{"a":1}"#][..]),
            (
                r#" [{"a":[1,{}]} , 2,"x,]\"" ,[3]] "#,
                &[r#"{"a":[1,{}]}"#, "2", r#""x,]\"""#, "[3]"],
            ),
            ("{}{}\n{\"b\":\"}\"}", &["{}", "{}", r#"{"b":"}"}"#]),
            ("\u{feff}[{},{}][{}]null", &["{}", "{}", "{}", "null"]),
            ("[]", &[]),
            ("[{\"open", &["{\"open"]),
        ] {
            assert_eq!(items(body), expected, "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked_over_once(body in "[\\[\\]{}\", a\\\\]{0,40}") {
            let whole: usize = Values::of(body.as_bytes()).map(<[u8]>::len).sum();
            prop_assert!(whole <= body.len());
        }

        #[test]
        fn every_item_of_an_array_is_found(values in proptest::collection::vec("[a-c\\]\\[{}\"\\\\,]{0,6}", 0..6)) {
            let body = serde_json::to_string(&values).unwrap();
            let found: Vec<String> =
                items(&body).iter().map(|item| serde_json::from_str(item).unwrap()).collect();
            prop_assert_eq!(found, values);
        }
    }

    #[test]
    fn an_example_is_short_and_fit_to_be_shown() {
        let entry =
            |index, line| Entry { index, line, code: Code::InvalidTags, message: String::new() };
        let report = |entry| Report { rejected: 1, errors: vec![entry], ..Report::default() };
        let long = format!("[0,{{\"name\":\"{}\"}}]", "\u{e9}".repeat(1000));
        let found = find(long.as_bytes(), Layout::Values, &report(entry(1, None)));
        let [(1, text)] = &found[..] else { panic!("{found:?}") };
        assert!(text.starts_with("{\"name\":\"\u{e9}") && text.ends_with("..."), "{text}");
        assert!(text.len() <= EXAMPLE_BYTES_MAX + 3, "{text}");

        let lines = b"one\n\x1b\xff two\nthree";
        let found = find(lines, Layout::Lines, &report(entry(7, Some(2))));
        assert_eq!(found, [(7, "_\u{fffd} two".to_owned())]);
        for out_of_reach in [entry(7, Some(9)), entry(7, Some(0)), entry(7, None)] {
            assert_eq!(find(lines, Layout::Lines, &report(out_of_reach)), []);
        }
        assert_eq!(find(b"[1]", Layout::Values, &report(entry(1, None))), []);
    }
}
