//! One entry point for each decoder: any bytes go in, and what comes out must keep every promise.
//!
//! The mutation test and the fuzz targets call the same functions. A broken promise is a panic.

pub(crate) mod strict;

use std::sync::Arc;

use tidegate::decode::inflate::Inflater;
use tidegate::decode::media::Coding;
use tidegate::decode::{Exposition, Format, Otlp, RemoteWrite};
use tidegate::metric::timestamp::Timestamp;
use tidegate::normalize::{Policy, Profile};
use tidegate::pipeline::report::Report;
use tidegate::pipeline::{self, BodyError};

/// Most bytes of tuples a body may become here.
const EXPANDED_BYTES_MAX: u64 = 8 << 20;

/// Most bytes a compressed body may become here.
const INFLATED_BYTES_MAX: usize = 1 << 20;

/// As a declared JSON body, and as one that was sniffed.
pub(crate) fn json(bytes: &[u8]) {
    let whole = body(bytes, Format::Json);
    let stream = body(bytes, Format::JsonStream);
    if let Ok(whole) = whole {
        // One value is a stream of one.
        assert_eq!(Ok(whole), stream);
    }
}

/// As lines.
pub(crate) fn ndjson(bytes: &[u8]) {
    drop(body(bytes, Format::Ndjson));
}

/// As MessagePack.
pub(crate) fn msgpack(bytes: &[u8]) {
    drop(body(bytes, Format::MessagePack));
}

/// As a remote write of either version, decompressed.
pub(crate) fn remote_write(bytes: &[u8]) {
    drop(body(bytes, Format::RemoteWrite(RemoteWrite::V1)));
    drop(body(bytes, Format::RemoteWrite(RemoteWrite::V2)));
}

/// As a page of Prometheus' text, and as one of OpenMetrics.
pub(crate) fn exposition(bytes: &[u8]) {
    let text = body(bytes, Format::Exposition(Exposition::Text));
    let open = body(bytes, Format::Exposition(Exposition::OpenMetrics));
    for refused in [text.err(), open.err()].into_iter().flatten() {
        // A page is taken whole or not at all, and the answer says where it went wrong.
        let is_malformed = matches!(refused, BodyError::Malformed { .. });
        assert!(is_malformed || matches!(refused, BodyError::Expanded { .. }), "{refused}");
    }
}

/// As an OTLP request in each encoding.
pub(crate) fn otlp(bytes: &[u8]) {
    drop(body(bytes, Format::Otlp(Otlp::Protobuf)));
    drop(body(bytes, Format::Otlp(Otlp::Json)));
}

/// As a `dt` of every type.
pub(crate) fn timestamp(bytes: &[u8]) {
    let in_range = |instant: Option<Timestamp>| {
        if let Some(instant) = instant {
            // 1970 to 2261 (C3.4).
            assert!((0..=9_214_646_399).contains(&instant.seconds()), "{instant:?} from {bytes:?}");
            assert!(instant.nanos() < 1_000_000_000);
        }
    };
    if let Ok(text) = std::str::from_utf8(bytes) {
        in_range(Timestamp::parse(text));
        assert_eq!(Timestamp::parse(text), Timestamp::parse(&format!(" {text}\t")));
        if serde_json::from_str::<serde_json::Number>(text).is_ok() {
            in_range(Timestamp::from_literal(text));
        }
    }
    if let Some(first) = bytes.first_chunk() {
        in_range(Timestamp::from_u64(u64::from_be_bytes(*first)));
        in_range(Timestamp::from_f64(f64::from_be_bytes(*first)));
    }
    if let Some(instant) = Timestamp::from_extension(bytes) {
        assert!(instant.nanos() < 1_000_000_000);
    }
}

/// As a body in each coding; in one piece and in two it is the same.
pub(crate) fn inflate(bytes: &[u8]) {
    let run = |coding, cut: usize| {
        let mut inflater = Inflater::new(coding, INFLATED_BYTES_MAX);
        let (head, tail) = bytes.split_at(cut);
        inflater.push(head).and_then(|()| inflater.push(tail)).and_then(|()| inflater.finish())
    };
    for coding in [Coding::Identity, Coding::Gzip, Coding::Deflate, Coding::Zstd, Coding::Snappy] {
        let whole = run(coding, 0);
        if let Ok(out) = &whole {
            assert!(out.len() <= INFLATED_BYTES_MAX);
        }
        assert_eq!(
            whole.ok().as_deref(),
            run(coding, bytes.len() / 2).ok().as_deref(),
            "{coding:?}"
        );
    }
}

/// Through the pipeline, for the default operator, with every promise checked.
pub(crate) fn body(bytes: &[u8], format: Format) -> Result<Report, BodyError> {
    let policy = Policy { expanded_bytes: EXPANDED_BYTES_MAX, ..Policy::default() };
    let profile = Profile::new(Arc::new(policy), Some("gateway-1"), &[]);
    let now = Timestamp::from_unix(1_795_343_400, 0);
    let mut blocks = Vec::new();
    let report = pipeline::run(bytes, format, &profile, now, &mut |block| {
        blocks.push(block);
        Ok(())
    });
    let handed: u64 = blocks.iter().map(|block| block.bytes.len() as u64).sum();
    // Separators are not counted (two bytes a tuple of 40 at least), so a little more is no harm.
    assert!(handed <= EXPANDED_BYTES_MAX + EXPANDED_BYTES_MAX / 16, "{handed} bytes handed out");
    match &report {
        Ok(report) => strict::outcome(&blocks, report),
        Err(BodyError::Syntax(text)) => assert!(!text.is_empty() && text.len() < 1_024, "{text}"),
        Err(BodyError::Malformed { fault, .. }) => {
            assert!(!fault.is_empty() && fault.len() < 1_024, "{fault}");
        }
        Err(BodyError::Expanded { limit }) => assert_eq!(*limit, EXPANDED_BYTES_MAX),
        Err(BodyError::Refused) => panic!("the sink takes everything"),
    }
    report
}
