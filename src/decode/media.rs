//! The headers that say what a body is, and the look at its first byte when they do not.

use super::{Exposition, Format, Otlp, RemoteWrite};

/// What a Content-Type settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared {
    /// The body is this format, whatever its first byte.
    Format(Format),
    /// The header says nothing of use: [`sniff`] the body.
    Sniff,
}

/// How a body is compressed (contract C1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Not at all.
    Identity,
    /// gzip (RFC 1952), any number of members.
    Gzip,
    /// A zlib stream (RFC 1950), which is what HTTP calls deflate.
    Deflate,
    /// zstd (RFC 8878), any number of frames, windows up to 8 MiB.
    Zstd,
    /// snappy, a block or a framed stream.
    Snappy,
}

/// Which codings the bodies of a format may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codings {
    /// Those of contract C1.4.
    Usual,
    /// Those and snappy: what Prometheus' client libraries push with.
    WithSnappy,
    /// snappy alone, header or not: remote write has no other.
    SnappyOnly,
}

/// A Content-Type that says what a body is, and that it is nothing that is taken; to sniff it would be to
/// guess against the sender's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForeignType {
    /// `application/vnd.google.protobuf`: a page of metrics as delimited messages, which only a scrape
    /// can ask for, or a sender of old.
    #[error(
        "metrics in the protocol-buffer exposition format are not taken: send the text format, with \
         content-type `text/plain; version=0.0.4`, or OpenMetrics, with `application/openmetrics-text`"
    )]
    MetricFamily,
    /// `application/x-protobuf` with a `proto` that is none of remote write's.
    #[error(
        "this protocol-buffer message is not known: remote write is `application/x-protobuf` without \
         `proto`, or with `proto=prometheus.WriteRequest` or `proto=io.prometheus.write.v2.Request`; \
         OTLP goes to /v1/metrics"
    )]
    Message,
}

/// A Content-Encoding that is not taken, cut to 64 bytes. Its text names those that are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("content-encoding {sent:?} is not supported: {}", .taken.advice())]
pub struct UnsupportedCoding {
    sent: String,
    taken: Codings,
}

/// Most bytes of a header that an error repeats.
const SHOWN_BYTES_MAX: usize = 64;

/// MIME types with a meaning here; every other one is as good as none (contract C1.3).
const TYPES: [(&str, Format); 7] = [
    ("application/json", Format::Json),
    ("application/x-ndjson", Format::Ndjson),
    ("application/ndjson", Format::Ndjson),
    ("application/jsonl", Format::Ndjson),
    ("application/msgpack", Format::MessagePack),
    ("application/x-msgpack", Format::MessagePack),
    ("application/vnd.msgpack", Format::MessagePack),
];

const CODINGS: [(&str, Coding); 7] = [
    ("", Coding::Identity),
    ("identity", Coding::Identity),
    ("gzip", Coding::Gzip),
    ("x-gzip", Coding::Gzip),
    ("deflate", Coding::Deflate),
    ("zstd", Coding::Zstd),
    ("snappy", Coding::Snappy),
];

impl Declared {
    /// The codings that a body of this kind may have.
    pub fn codings(self) -> Codings {
        match self {
            Self::Format(Format::RemoteWrite(_)) => Codings::SnappyOnly,
            Self::Format(Format::Exposition(_)) => Codings::WithSnappy,
            Self::Format(_) | Self::Sniff => Codings::Usual,
        }
    }
}

impl Codings {
    /// Reads a Content-Encoding, case and outer white space ignored (contract C1.4). One coding at most:
    /// codings on top of one another are a bomb's favourite wrapping and no client's.
    pub fn read(self, header: Option<&str>) -> Result<Coding, UnsupportedCoding> {
        let text = header.unwrap_or("").trim();
        let named = CODINGS.iter().find(|(name, _)| text.eq_ignore_ascii_case(name));
        let coding = match (self, named) {
            // Senders that leave the header out compress all the same, as Prometheus has it.
            (Self::SnappyOnly, Some(("", _))) => Some(Coding::Snappy),
            (Self::SnappyOnly, named) => {
                named.map(|&(_, coding)| coding).filter(|coding| *coding == Coding::Snappy)
            }
            (Self::WithSnappy, named) => named.map(|&(_, coding)| coding),
            (Self::Usual, named) => {
                named.map(|&(_, coding)| coding).filter(|coding| *coding != Coding::Snappy)
            }
        };
        coding.ok_or_else(|| {
            let cut = text.floor_char_boundary(SHOWN_BYTES_MAX);
            let sent = text.get(..cut).unwrap_or_default().to_owned();
            UnsupportedCoding { sent, taken: self }
        })
    }

    /// The names of those taken, as Accept-Encoding has them.
    pub fn names(self) -> &'static str {
        match self {
            Self::Usual => "gzip, deflate, zstd, identity",
            Self::WithSnappy => "gzip, deflate, zstd, snappy, identity",
            Self::SnappyOnly => "snappy",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Usual => {
                "send one of gzip, deflate (zlib) or zstd, or identity (no header at all)"
            }
            Self::WithSnappy => {
                "send one of gzip, deflate (zlib), zstd or snappy, or identity (no header at all)"
            }
            Self::SnappyOnly => "remote write is sent as snappy",
        }
    }
}

impl UnsupportedCoding {
    /// The codings that would have been taken.
    pub fn taken(&self) -> Codings {
        self.taken
    }
}

/// Reads a Content-Type, case ignored and parameters too, save those that tell the texts and messages of
/// Prometheus apart (contract C1.3).
pub fn content_type(header: Option<&str>) -> Result<Declared, ForeignType> {
    let header = header.unwrap_or("");
    let found = TYPES.iter().find(|(name, _)| essence(header).eq_ignore_ascii_case(name));
    let format = match found {
        Some(&(_, format)) => Some(format),
        None => of_prometheus(header)?,
    };
    Ok(format.map_or(Declared::Sniff, Declared::Format))
}

fn of_prometheus(header: &str) -> Result<Option<Format>, ForeignType> {
    let is = |name: &str| essence(header).eq_ignore_ascii_case(name);
    if is("application/openmetrics-text") {
        return Ok(Some(Format::Exposition(Exposition::OpenMetrics)));
    }
    if is("text/plain") {
        // Without a version it is any text; with 1.0.0 it is the same text with more liberal names.
        let is_known = matches!(parameter(header, "version"), Some("0.0.4" | "1.0.0"));
        return Ok(is_known.then_some(Format::Exposition(Exposition::Text)));
    }
    if is("application/vnd.google.protobuf") {
        return Err(ForeignType::MetricFamily);
    }
    if is("application/x-protobuf") {
        let version = match parameter(header, "proto") {
            None | Some("prometheus.WriteRequest") => RemoteWrite::V1,
            Some("io.prometheus.write.v2.Request") => RemoteWrite::V2,
            Some(_) => return Err(ForeignType::Message),
        };
        return Ok(Some(Format::RemoteWrite(version)));
    }
    Ok(None)
}

/// Reads the Content-Type of an OTLP request; `None` for anything that OTLP does not have.
pub fn otlp_type(header: Option<&str>) -> Option<Otlp> {
    let is = |name: &str| essence(header.unwrap_or("")).eq_ignore_ascii_case(name);
    if is("application/x-protobuf") {
        Some(Otlp::Protobuf)
    } else if is("application/json") {
        Some(Otlp::Json)
    } else {
        None
    }
}

fn essence(header: &str) -> &str {
    header.split(';').next().unwrap_or("").trim()
}

fn parameter<'h>(header: &'h str, name: &str) -> Option<&'h str> {
    let mut parameters = header.split(';').skip(1).filter_map(|pair| pair.split_once('='));
    let (_, value) = parameters.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
    Some(value.trim().trim_matches('"'))
}

/// How many bytes of a body that is sniffed say nothing: a byte order mark and white space. In JSON
/// they are harmless; before MessagePack they would be values (contract C1.3).
pub fn lead(body: &[u8]) -> usize {
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let spaces = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    body.len() - text.len() + spaces.count()
}

/// The format a body's first byte betrays, after an optional byte order mark and JSON's white space
/// (contract C1.3); none when it fits none.
pub fn sniff(body: &[u8]) -> Option<Format> {
    match *body.get(lead(body))? {
        b'{' | b'[' => Some(Format::JsonStream),
        // fixmap and fixarray, array 16 and 32, map 16 and 32; none of them begins UTF-8 text
        // that could be JSON.
        0x80..=0x9f | 0xdc..=0xdf => Some(Format::MessagePack),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_name_a_format_or_leave_it_to_the_body() {
        let json = Declared::Format(Format::Json);
        let ndjson = Declared::Format(Format::Ndjson);
        let msgpack = Declared::Format(Format::MessagePack);
        let cases = [
            ("application/json", json),
            ("Application/JSON; charset=utf-8", json),
            ("  application/json  ;charset=utf-8;q=1", json),
            ("application/x-ndjson", ndjson),
            ("application/ndjson", ndjson),
            ("APPLICATION/JSONL", ndjson),
            ("application/msgpack", msgpack),
            ("application/x-msgpack;a=b", msgpack),
            ("application/vnd.msgpack", msgpack),
            ("", Declared::Sniff),
            (";", Declared::Sniff),
            ("text/plain", Declared::Sniff),
            ("text/json", Declared::Sniff),
            ("application/x-www-form-urlencoded", Declared::Sniff),
            ("application/json-seq", Declared::Sniff),
            ("application/json, application/msgpack", Declared::Sniff),
            ("json", Declared::Sniff),
        ];
        for (header, expected) in cases {
            assert_eq!(content_type(Some(header)), Ok(expected), "{header:?}");
        }
        assert_eq!(content_type(None), Ok(Declared::Sniff));
    }

    #[test]
    fn parameters_tell_the_texts_and_messages_of_prometheus_apart() {
        let text = Ok(Declared::Format(Format::Exposition(Exposition::Text)));
        let open = Ok(Declared::Format(Format::Exposition(Exposition::OpenMetrics)));
        let first = Ok(Declared::Format(Format::RemoteWrite(RemoteWrite::V1)));
        let second = Ok(Declared::Format(Format::RemoteWrite(RemoteWrite::V2)));
        let family = Err(ForeignType::MetricFamily);
        let message = Err(ForeignType::Message);
        let cases = [
            ("text/plain; version=0.0.4", text),
            ("text/plain;version=0.0.4", text),
            ("TEXT/Plain; charset=utf-8; Version=\"0.0.4\"", text),
            ("text/plain; version=0.0.4; charset=utf-8; escaping=underscores", text),
            ("text/plain; version=1.0.0; escaping=allow-utf-8", text),
            ("text/plain; version=0.0.5", Ok(Declared::Sniff)),
            ("text/plain; version", Ok(Declared::Sniff)),
            ("text/plain; charset=utf-8", Ok(Declared::Sniff)),
            ("text/html; version=0.0.4", Ok(Declared::Sniff)),
            ("application/openmetrics-text", open),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", open),
            ("Application/OpenMetrics-Text;version=0.0.1", open),
            ("application/x-protobuf", first),
            ("application/x-protobuf;proto=prometheus.WriteRequest", first),
            ("Application/X-Protobuf; Proto=\"prometheus.WriteRequest\"", first),
            ("application/x-protobuf; proto=io.prometheus.write.v2.Request", second),
            ("application/x-protobuf; a=b; proto=io.prometheus.write.v2.Request", second),
            ("application/x-protobuf; proto=io.prometheus.write.v3.Request", message),
            ("application/x-protobuf; proto=", message),
            ("application/x-protobuf; proto=opentelemetry.proto.collector.metrics.v1.X", message),
            ("application/vnd.google.protobuf", family),
            (
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                 encoding=delimited",
                family,
            ),
        ];
        for (header, expected) in cases {
            assert_eq!(content_type(Some(header)), expected, "{header:?}");
        }
    }

    #[test]
    fn otlp_comes_in_two_encodings_and_in_no_other() {
        for (header, expected) in [
            ("application/x-protobuf", Some(Otlp::Protobuf)),
            ("Application/X-Protobuf; charset=utf-8", Some(Otlp::Protobuf)),
            ("application/json", Some(Otlp::Json)),
            (" application/JSON ;charset=utf-8", Some(Otlp::Json)),
            ("application/protobuf", None),
            ("application/x-ndjson", None),
            ("text/plain", None),
            ("", None),
        ] {
            assert_eq!(otlp_type(Some(header)), expected, "{header:?}");
        }
        assert_eq!(otlp_type(None), None);
    }

    #[test]
    fn codings_are_one_of_four_or_refused() {
        let cases = [
            ("", Some(Coding::Identity)),
            ("  ", Some(Coding::Identity)),
            ("identity", Some(Coding::Identity)),
            ("gzip", Some(Coding::Gzip)),
            ("GZIP", Some(Coding::Gzip)),
            ("x-gzip", Some(Coding::Gzip)),
            (" X-GZip\t", Some(Coding::Gzip)),
            ("deflate", Some(Coding::Deflate)),
            ("Zstd", Some(Coding::Zstd)),
            ("br", None),
            ("snappy", None),
            ("compress", None),
            ("gzip, gzip", None),
            ("gzip,identity", None),
            ("gzip;q=1", None),
            ("gzip deflate", None),
            ("x-deflate", None),
        ];
        for (header, expected) in cases {
            assert_eq!(Codings::Usual.read(Some(header)).ok(), expected, "{header:?}");
        }
        assert_eq!(Codings::Usual.read(None), Ok(Coding::Identity));
    }

    #[test]
    fn snappy_is_for_the_formats_of_prometheus_and_the_only_coding_of_remote_write() {
        let cases = [
            (None, Some(Coding::Identity), Some(Coding::Snappy)),
            (Some(""), Some(Coding::Identity), Some(Coding::Snappy)),
            (Some("Snappy "), Some(Coding::Snappy), Some(Coding::Snappy)),
            (Some("identity"), Some(Coding::Identity), None),
            (Some("gzip"), Some(Coding::Gzip), None),
            (Some("snappy, snappy"), None, None),
        ];
        for (header, with, only) in cases {
            assert_eq!(Codings::WithSnappy.read(header).ok(), with, "{header:?}");
            assert_eq!(Codings::SnappyOnly.read(header).ok(), only, "{header:?}");
        }
        for format in [Format::Json, Format::JsonStream, Format::Ndjson, Format::MessagePack] {
            assert_eq!(Declared::Format(format).codings(), Codings::Usual);
        }
        assert_eq!(Declared::Sniff.codings(), Codings::Usual);
    }

    #[test]
    fn a_refused_coding_names_the_accepted_ones_and_is_cut() {
        let text = Codings::Usual.read(Some("br")).expect_err("unsupported").to_string();
        for word in ["\"br\"", "identity", "gzip", "deflate", "zstd"] {
            assert!(text.contains(word), "{text}");
        }
        // Cut at 64 bytes, which here lies inside a character.
        let long = format!("{}\u{e9}\u{e9}", "x".repeat(63));
        let text = Codings::Usual.read(Some(&long)).expect_err("unsupported").to_string();
        assert!(text.contains(&"x".repeat(63)) && !text.contains('\u{e9}'), "{text}");
        let text = Codings::Usual.read(Some("a\nb")).expect_err("unsupported").to_string();
        assert!(!text.contains('\n'), "{text}");
    }

    #[test]
    fn the_first_byte_tells_json_from_messagepack() {
        let json = Some(Format::JsonStream);
        let msgpack = Some(Format::MessagePack);
        let cases: [(&[u8], Option<Format>); 22] = [
            (b"{}", json),
            (b"[", json),
            (b" \t\r\n{", json),
            (b"\xef\xbb\xbf{", json),
            (b"\xef\xbb\xbf\n [", json),
            (b"\x80", msgpack),
            (b"\x8f", msgpack),
            (b"\x90", msgpack),
            (b"\x9f", msgpack),
            (b"\xdc", msgpack),
            (b"\xdd", msgpack),
            (b"\xde", msgpack),
            (b"\xdf", msgpack),
            (b"", None),
            (b"  \n", None),
            (b"\xef\xbb\xbf", None),
            (b"\x7f", None),
            (b"\xa0", None),
            (b"\xdb", None),
            (b"\xe0", None),
            (b"name=x", None),
            (b"\xef\xbb{", None),
        ];
        for (body, expected) in cases {
            assert_eq!(sniff(body), expected, "{body:x?}");
        }
    }
}
