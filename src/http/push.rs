//! The paths of a Pushgateway, `/metrics/job/<job>{/<label>/<value>}`, and the grouping key they are.
//!
//! A segment is percent-encoded, where `+` is a plus; behind a name that ends in `@base64` the value is
//! base64 in the URL-safe alphabet, padded or not, and `=` stands for an empty one. An empty label means
//! no label, and takes the place of the body's all the same.

use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, Engine};
use percent_encoding::percent_decode_str;

use crate::decode::raw::TAG_KEY_BYTES_MAX;
use crate::normalize::{TAG_VALUE_BYTES_MAX, TAGS_BYTES_MAX, TAGS_MAX};

/// Methods of these paths.
pub(super) const ALLOW: &str = "PUT,POST,DELETE";

/// The labels of a path; each name occurs once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct GroupingKey {
    pub(super) labels: Vec<(String, String)>,
}

/// Why a path is no grouping key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "segment {segment} of the path, {shown:?}, {what}; a push goes to \
     /metrics/job/<job>{{/<label>/<value>}}"
)]
pub struct PathFault {
    /// Counted from 1.
    segment: usize,
    /// The segment as sent, cut to [`SHOWN_BYTES_MAX`].
    shown: String,
    what: &'static str,
}

/// Most bytes of a segment that an error repeats.
const SHOWN_BYTES_MAX: usize = 64;

const BASE64_SUFFIX: &str = "@base64";

/// Padding is cut off before; what is left over in the last character is nobody's business.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// How a value stands in its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    Plain,
    Base64,
}

/// Reads a path; `None` where it is none of a Pushgateway's.
pub(super) fn grouping_key(path: &str) -> Option<Result<GroupingKey, PathFault>> {
    let rest = path.strip_prefix("/metrics/")?;
    let (first, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let (name, writing) = name_of(first).ok()?;
    (name == "job").then(|| read(writing, rest))
}

/// Reads `<job>{/<label>/<value>}`.
fn read(job_writing: Writing, rest: &str) -> Result<GroupingKey, PathFault> {
    let mut segments = Segments { left: rest.split('/'), last: "", number: 2 };
    let job = segments.next().unwrap_or_default();
    let job_at = segments.number;
    let job_value = value_of(job, job_writing).map_err(|what| fault(job_at, job, what))?;
    if job_value.is_empty() {
        return Err(fault(job_at, job, "is empty where the name of the job is expected"));
    }

    let mut key = GroupingKey::default();
    if rest.len() > job.len() + 1 {
        key.pairs(&mut segments)?;
    }
    // The job is the path's own, whatever label is called so behind it.
    key.labels.retain(|(name, _)| name != "job");
    key.labels.insert(0, ("job".to_owned(), job_value));
    key.check_size(&segments)?;
    Ok(key)
}

impl GroupingKey {
    fn pairs(&mut self, segments: &mut Segments<'_>) -> Result<(), PathFault> {
        while let Some(segment) = segments.next() {
            let at = segments.number;
            let named = name_of(segment).and_then(|(name, writing)| {
                check_name(&name)?;
                Ok((name, writing))
            });
            let (name, writing) = named.map_err(|what| fault(at, segment, what))?;
            let Some(value) = segments.next() else {
                return Err(fault(at, segment, "is a label without a value"));
            };
            let at = segments.number;
            let value = value_of(value, writing).map_err(|what| fault(at, value, what))?;
            // Of equal names the last counts.
            self.labels.retain(|(other, _)| *other != name);
            self.labels.push((name, value));
            // Here already: each further label would be compared with all of them.
            if self.labels.len() >= TAGS_MAX {
                return Err(fault(at - 1, segment, TOO_MANY));
            }
        }
        Ok(())
    }

    /// More than one measurement may have (contract C2.3) would have every single one rejected.
    fn check_size(&self, segments: &Segments<'_>) -> Result<(), PathFault> {
        let bytes: usize = self.labels.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > TAGS_BYTES_MAX {
            return Err(fault(segments.number, segments.last, TOO_LONG));
        }
        Ok(())
    }
}

const TOO_MANY: &str = "is one label too many: a measurement has up to 128, with its job";
const TOO_LONG: &str = "is the end of labels that have more than 16 KiB together";

/// The segments of a path behind `/metrics/job`.
struct Segments<'p> {
    left: std::str::Split<'p, char>,
    last: &'p str,
    /// Of the last one handed out, from 1.
    number: usize,
}

impl<'p> Segments<'p> {
    fn next(&mut self) -> Option<&'p str> {
        let next = self.left.next()?;
        (self.last, self.number) = (next, self.number + 1);
        Some(next)
    }
}

#[cold]
fn fault(segment: usize, text: &str, what: &'static str) -> PathFault {
    let cut = text.floor_char_boundary(SHOWN_BYTES_MAX);
    PathFault { segment, shown: text.get(..cut).unwrap_or_default().to_owned(), what }
}

/// A label's name, and how its value is written.
fn name_of(segment: &str) -> Result<(String, Writing), &'static str> {
    let mut name = text_of(decoded(segment)?)?;
    if let Some(plain) = name.strip_suffix(BASE64_SUFFIX) {
        name.truncate(plain.len());
        return Ok((name, Writing::Base64));
    }
    Ok((name, Writing::Plain))
}

/// The classic names only, as a Pushgateway has it unless told otherwise: a segment too many or too few
/// makes names of values, and this is where that shows.
fn check_name(name: &str) -> Result<(), &'static str> {
    let mut bytes = name.bytes();
    let begins = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if name.is_empty() {
        Err("is empty where the name of a label is expected")
    } else if !begins || !bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        Err("is no name of a label: expected letters, digits and `_`, and no digit at first")
    } else if name.starts_with("__") {
        Err("is no name of a label: those that begin with `__` are reserved")
    } else if name.len() > TAG_KEY_BYTES_MAX {
        Err("is longer than the 255 bytes a label's name may have")
    } else {
        Ok(())
    }
}

fn value_of(segment: &str, writing: Writing) -> Result<String, &'static str> {
    let mut bytes = decoded(segment)?;
    if writing == Writing::Base64 {
        let padding = bytes.iter().rev().take_while(|&&byte| byte == b'=').count();
        bytes.truncate(bytes.len() - padding);
        bytes = BASE64.decode(bytes).map_err(
            |_| "is no base64 of the URL-safe alphabet, which has `-` and `_` for `+` and `/`",
        )?;
    }
    if bytes.len() > TAG_VALUE_BYTES_MAX {
        return Err("is longer than the 4,096 bytes a label's value may have");
    }
    text_of(bytes)
}

fn text_of(bytes: Vec<u8>) -> Result<String, &'static str> {
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 once decoded")
}

/// Undoes percent-encoding.
fn decoded(segment: &str) -> Result<Vec<u8>, &'static str> {
    let is_hex = |at: usize| segment.as_bytes().get(at).is_some_and(u8::is_ascii_hexdigit);
    let mut percents = memchr::memchr_iter(b'%', segment.as_bytes());
    if !percents.all(|at| is_hex(at + 1) && is_hex(at + 2)) {
        return Err("has a `%` without two hexadecimal digits behind it; write it as %25");
    }
    Ok(percent_decode_str(segment).collect())
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn check(path: &str, expected: &[(&str, &str)]) {
        let key = grouping_key(path).unwrap_or_else(|| panic!("{path}: no push")).unwrap();
        let labels = key.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        assert_eq!(labels.collect::<Vec<_>>(), expected, "{path}");
    }

    #[test]
    fn a_path_is_a_job_and_labels() {
        for (path, expected) in [
            ("/metrics/job/batch", &[("job", "batch")][..]),
            ("/metrics/job/batch/", &[("job", "batch")]),
            ("/metrics/job/batch/instance/host-1", &[("job", "batch"), ("instance", "host-1")]),
            ("/metrics/job/a%2Fb", &[("job", "a/b")]),
            ("/metrics/job@base64/YS9i", &[("job", "a/b")]),
            ("/metrics/job%40base64/YS9i", &[("job", "a/b")]),
            // What prometheus_client sends.
            (
                "/metrics/job/batch/empty@base64/=/instance/host-1/path@base64/L3Zhci90bXA=",
                &[("job", "batch"), ("empty", ""), ("instance", "host-1"), ("path", "/var/tmp")],
            ),
            (
                "/metrics/job@base64/YS9i/instance@base64/d2l0aCBzcGFjZSAmIMOp",
                &[("job", "a/b"), ("instance", "with space & \u{e9}")],
            ),
            (
                "/metrics/job/z/instance/a%2Bb%26%C3%A9%3A1",
                &[("job", "z"), ("instance", "a+b&\u{e9}:1")],
            ),
            ("/metrics/job/z/a/b+c", &[("job", "z"), ("a", "b+c")]),
            // Padded, not padded, and with bits left over.
            (
                "/metrics/job/z/a@base64/eA==/b@base64/eA/c@base64/eB",
                &[("job", "z"), ("a", "x"), ("b", "x"), ("c", "x")],
            ),
            ("/metrics/job/z/a@base64/eA%3D%3D", &[("job", "z"), ("a", "x")]),
            ("/metrics/job/z/a@base64/Pz8_fn5-", &[("job", "z"), ("a", "???~~~")]),
            // Empty values, however they came about.
            ("/metrics/job/z/a//b/2", &[("job", "z"), ("a", ""), ("b", "2")]),
            ("/metrics/job/z/a/", &[("job", "z"), ("a", "")]),
            ("/metrics/job/z/a@base64//b/2", &[("job", "z"), ("a", ""), ("b", "2")]),
            // The last of equal names counts, and the job of the path over each.
            ("/metrics/job/z/a/1/b/2/a/3", &[("job", "z"), ("b", "2"), ("a", "3")]),
            ("/metrics/job/z/job/other", &[("job", "z")]),
            ("/metrics/job/job/job/job", &[("job", "job")]),
            ("/metrics/job/z/_a9/%20", &[("job", "z"), ("_a9", " ")]),
        ] {
            check(path, expected);
        }
    }

    #[test]
    fn a_fault_names_its_segment() {
        let long = "x".repeat(TAG_VALUE_BYTES_MAX + 1);
        let long_name = "x".repeat(TAG_KEY_BYTES_MAX + 1);
        for (path, segment, what) in [
            ("/metrics/job", 3, "is empty where the name of the job"),
            ("/metrics/job/", 3, "is empty where the name of the job"),
            ("/metrics/job//instance/a", 3, "is empty where the name of the job"),
            ("/metrics/job@base64/=", 3, "is empty where the name of the job"),
            ("/metrics/job/z/instance", 4, "is a label without a value"),
            ("/metrics/job/z/a/1/instance", 6, "is a label without a value"),
            ("/metrics/job/z//", 4, "is empty where the name of a label"),
            ("/metrics/job/z/a/1/", 6, "is empty where the name of a label"),
            ("/metrics/job/z/@base64/eA", 4, "is empty where the name of a label"),
            ("/metrics/job/z/9a/1", 4, "is no name of a label: expected"),
            ("/metrics/job/z/a-b/1", 4, "is no name of a label: expected"),
            ("/metrics/job/z/a.b/1", 4, "is no name of a label: expected"),
            ("/metrics/job/z/%C3%A9/1", 4, "is no name of a label: expected"),
            ("/metrics/job/z/__name__/m", 4, "is no name of a label: those"),
            ("/metrics/job/z/a@base64/a+b/", 5, "is no base64"),
            ("/metrics/job/z/a@base64/e", 5, "is no base64"),
            ("/metrics/job/z/a@base64/e=A", 5, "is no base64"),
            ("/metrics/job/z/a/100%/b/1", 5, "has a `%` without"),
            ("/metrics/job/z/a/%4", 5, "has a `%` without"),
            ("/metrics/job/z/a/%FF", 5, "is not UTF-8"),
            ("/metrics/job/z/a@base64/_w", 5, "is not UTF-8"),
            ("/metrics/job/%FF", 3, "is not UTF-8"),
            (&format!("/metrics/job/z/a/{long}"), 5, "is longer than the 4,096 bytes"),
            (&format!("/metrics/job/{long}"), 3, "is longer than the 4,096 bytes"),
            (&format!("/metrics/job/z/{long_name}/1"), 4, "is longer than the 255 bytes"),
        ] {
            let fault = grouping_key(path).expect(path).expect_err(path);
            assert_eq!(fault.segment, segment, "{path}");
            assert!(fault.what.starts_with(what), "{path}: {fault}");
            assert!(fault.shown.len() <= SHOWN_BYTES_MAX, "{fault}");
        }
    }

    #[test]
    fn other_paths_are_none_of_a_pushgateways() {
        for path in
            ["/", "/metrics", "/metrics/", "/metrics/jobs/a", "/metrics/job%/a", "/metric/job/a"]
        {
            assert_eq!(grouping_key(path), None, "{path}");
        }
    }

    /// A value as a sender may write it, and the end of its label's name.
    fn written(value: &str, how: u8) -> (String, &'static str) {
        use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
        use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
        match how {
            0 => (utf8_percent_encode(value, NON_ALPHANUMERIC).to_string(), ""),
            1 => (URL_SAFE.encode(value), BASE64_SUFFIX),
            2 => (URL_SAFE_NO_PAD.encode(value), "%40base64"),
            _ => (URL_SAFE.encode(value).replace('=', "%3D"), BASE64_SUFFIX),
        }
    }

    proptest! {
        #[test]
        fn whatever_a_sender_writes_is_read_back(
            job in ".{1,20}", job_how in 0u8..4, labels in vec((".{0,20}", 0u8..4), 0..5),
        ) {
            let (value, end) = written(&job, job_how);
            let mut path = format!("/metrics/job{end}/{value}");
            let mut expected = vec![("job".to_owned(), job)];
            for (n, (value, how)) in labels.into_iter().enumerate() {
                let (written, end) = written(&value, how);
                path = [&path, "/label_", &n.to_string(), end, "/", &written].concat();
                expected.push((format!("label_{n}"), value));
            }
            prop_assert_eq!(grouping_key(&path), Some(Ok(GroupingKey { labels: expected })));
        }

        #[test]
        fn any_path_is_a_key_or_a_fault(rest in "[ab_%@=/4]{0,30}|(/a@base64/.{0,5}){0,3}") {
            if let Some(Ok(key)) = grouping_key(&format!("/metrics/job/{rest}")) {
                prop_assert_eq!(&key.labels[0].0, "job");
                prop_assert!(!key.labels[0].1.is_empty());
                prop_assert!(key.labels.iter().all(|(name, _)| check_name(name).is_ok()));
            }
        }
    }

    #[test]
    fn a_key_has_as_many_labels_as_a_measurement_may() {
        let labels = |count| (0..count).map(|n| format!("/l{n}/v")).collect::<Vec<_>>().concat();
        let key = |labels: &str| grouping_key(&format!("/metrics/job/z{labels}")).unwrap();
        assert_eq!(key(&labels(TAGS_MAX - 1)).unwrap().labels.len(), TAGS_MAX);
        let fault = key(&labels(TAGS_MAX)).unwrap_err();
        assert_eq!((fault.segment, fault.what), (2 + 2 * TAGS_MAX, TOO_MANY));
        assert_eq!(key(&"/a/1".repeat(1000)).unwrap().labels.len(), 2);

        let value = "v".repeat(TAG_VALUE_BYTES_MAX);
        let wide =
            |count| (0..count).map(|n| format!("/l{n}/{value}")).collect::<Vec<_>>().concat();
        assert!(key(&wide(3)).is_ok());
        assert_eq!(key(&wide(4)).unwrap_err().what, TOO_LONG);
    }
}
