//! `convert` against bodies in memory.

use super::*;

fn job() -> Job<Vec<u8>> {
    let shaping =
        crate::config::load_shaping("none", "hostname = \"gateway\"", &Environment::default())
            .expect("it is valid");
    let profile = profile(shaping, None).expect("no source is asked for");
    let now = Timestamp::from_unix(1_700_000_000, 0);
    let output = Output::new(Vec::new(), now, "gateway").expect("the name is short");
    Job { profile, now, output }
}

fn convert(format: FormatArg, name: &str, body: &[u8]) -> (Result<Report, String>, String) {
    let mut job = job();
    let body = input::decompressed(Cursor::new(body.to_vec())).expect("memory can be read");
    let report = job.convert(format, Some(Path::new(name)), body).map_err(|stop| match stop {
        Stop::Closed => "closed".to_owned(),
        Stop::Failed(error) => format!("{error:#}"),
    });
    job.output.flush().expect("memory can be written");
    let text = String::from_utf8(job.output.into_inner()).expect("envelopes are UTF-8");
    (report, text)
}

/// Tuples of all envelopes, and how many envelopes.
fn tuples(text: &str) -> (Vec<serde_json::Value>, usize) {
    let envelopes = text.lines().map(|line| {
        let envelope: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        envelope["metrics"].as_array().expect("it has metrics").clone()
    });
    let envelopes: Vec<_> = envelopes.collect();
    let count = envelopes.len();
    (envelopes.into_iter().flatten().collect(), count)
}

const GAUGE: &str = r#"{"name":"a","gauge":{"value":1},"dt":"2001-01-01T00:00:00Z"}"#;

#[test]
fn an_envelope_is_one_line_with_every_member() {
    let (report, text) = convert(FormatArg::Auto, "x", format!("[{GAUGE},{GAUGE}]").as_bytes());
    assert!(report.expect("it parses").is_clean(), "age is no concern");
    let tuple = r#"["a",978307200,1.0,{"hostname":"gateway","tags":[],"type":"gauge"}]"#;
    assert_eq!(
        text,
        format!(
            "{{\"collection_timestamp\":1700000000,\"internalHostname\":\"gateway\",\"events\":{{}},\
             \"metrics\":[{tuple},{tuple}],\"service_checks\":[],\"topologies\":[]}}\n"
        )
    );
}

#[test]
fn compressed_input_is_seen_by_its_first_bytes() {
    use flate2::Compression;
    let member = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).expect("memory can be written");
        encoder.finish().expect("memory can be written")
    };
    let line = format!("{GAUGE}\n");
    let zstd = zstd::bulk::compress(line.repeat(2).as_bytes(), 1).expect("it compresses");
    for body in [line.repeat(2).into_bytes(), [member(&line), member(&line)].concat(), zstd] {
        let (report, text) = convert(FormatArg::Auto, "x", &body);
        assert_eq!(report.map(|report| report.accepted), Ok(2));
        assert_eq!(tuples(&text).0.len(), 2);
    }
}

#[test]
fn ndjson_in_pieces_keeps_counting_items_and_lines() {
    let body = format!("{GAUGE}\n\nbroken\n").repeat(70_000);
    assert!(body.len() > 4 << 20, "several pieces: {}", body.len());
    let (report, text) = convert(FormatArg::Auto, "x.ndjson", body.as_bytes());
    let report = report.expect("some lines parse");
    assert_eq!((report.accepted, report.rejected), (70_000, 70_000));
    assert_eq!(tuples(&text).0.len(), 70_000);
    let last = report.errors.last().expect("there are errors");
    assert_eq!((last.index, last.line), (199, Some(300)));

    // The same faults at the end, in a piece of its own.
    let body = format!("{}{{}}\n", format!("{GAUGE}\n").repeat(80_000));
    let (report, _) = convert(FormatArg::Ndjson, "x", body.as_bytes());
    let report = report.expect("some lines parse");
    let entry = &report.errors[0];
    assert_eq!((entry.index, entry.line), (80_000, Some(80_001)));
}

#[test]
fn a_line_that_is_too_long_is_one_rejected_item() {
    let body = format!("{GAUGE}\n{}\n{GAUGE}\n", "x".repeat(pieces::LINE_BYTES_MAX + 1));
    let (report, _) = convert(FormatArg::Ndjson, "x", body.as_bytes());
    let report = report.expect("some lines parse");
    assert_eq!((report.accepted, report.rejected), (2, 1));
    let entry = &report.errors[0];
    assert_eq!((entry.index, entry.line), (1, Some(2)));
    assert_eq!(entry.message, "the line is longer than 20 MiB");
}

#[test]
fn a_body_that_does_not_parse_yields_nothing() {
    let many = format!("{GAUGE},").repeat(30_000);
    let cases = [
        (FormatArg::Json, format!("[{many}")),
        (FormatArg::Auto, format!("[{many}")),
        (FormatArg::Auto, String::new()),
        (FormatArg::Ndjson, String::new()),
        (FormatArg::Auto, "hello".to_owned()),
        (FormatArg::Ndjson, "hello\nworld\n".to_owned()),
    ];
    for (format, body) in cases {
        let (report, text) = convert(format, "x", body.as_bytes());
        assert!(report.is_err(), "{format:?}");
        assert_eq!(text, "");
    }
}

#[test]
fn a_reader_that_has_enough_ends_it_quietly() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let Job { profile, now, .. } = job();
    let output = Output::new(Closed, now, "gateway").expect("the name is short");
    let mut job = Job { profile, now, output };
    let body = format!("{GAUGE}\n").repeat(20_000);
    let stopped = job.convert(FormatArg::Ndjson, None, body.as_bytes());
    assert!(matches!(stopped, Err(Stop::Closed)), "{stopped:?}");
}

#[test]
fn a_page_of_an_exporter_becomes_tuples() {
    let page = "# TYPE a counter\na{b=\"c\"} 1\nd 2.5 978307200000\ne NaN\n";
    let wanted = [
        serde_json::json!(["a", 1_700_000_000, 1.0, {"hostname": "gateway", "tags": ["b:c"], "type": "counter"}]),
        serde_json::json!(["d", 978_307_200, 2.5, {"hostname": "gateway", "tags": [], "type": "gauge"}]),
    ];
    for (format, name) in [(FormatArg::Prometheus, "x"), (FormatArg::Auto, "node.prom")] {
        let (report, text) = convert(format, name, page.as_bytes());
        let report = report.expect("it parses");
        assert_eq!((report.accepted, report.rejected, report.warnings.len()), (3, 0, 1));
        assert_eq!(tuples(&text).0, wanted);
    }
    let (report, _) = convert(FormatArg::Openmetrics, "x", page.as_bytes());
    assert!(report.expect_err("it does not end").contains("not OpenMetrics text"));
    let (report, _) = convert(FormatArg::Auto, "x", page.as_bytes());
    assert!(report.expect_err("nothing says what it is").contains("--format prometheus"));
}

#[test]
fn remote_write_is_read_with_its_snappy_and_without() {
    // `timeseries { labels { "__name__" "up" } samples { 1.0 at 978,307,200,000 ms } }`
    let message = b"\x0a\x22\x0a\x0e\x0a\x08__name__\x12\x02up\x12\x10\x09\0\0\0\0\0\0\xf0\x3f\x10\x80\xe8\x9c\xbd\xbc\x1c";
    let packed = snap::raw::Encoder::new().compress_vec(message).expect("it compresses");
    for body in [&message[..], &packed] {
        let (report, text) = convert(FormatArg::RemoteWrite, "x", body);
        assert_eq!(report.map(|report| (report.accepted, report.rejected)), Ok((1, 0)));
        let wanted = serde_json::json!(["up", 978_307_200, 1.0, {"hostname": "gateway", "tags": [], "type": "gauge"}]);
        assert_eq!(tuples(&text).0, [wanted]);
    }
    let (report, text) = convert(FormatArg::RemoteWrite2, "x", b"\x0a");
    assert!(report.expect_err("it is cut").contains("remote write"));
    assert_eq!(text, "");
    let cut = &packed[..packed.len() - 1];
    let fault = convert(FormatArg::RemoteWrite, "x", cut).0.expect_err("it is cut");
    assert!(fault.starts_with("the body does not decompress as snappy near byte "), "{fault}");
}

#[test]
fn who_has_too_much_is_told_what_helps_in_that_format() {
    for (format, wanted) in [
        (Format::Json, "split it, or write one metric a line and say --format ndjson"),
        (TEXT, "split the page"),
        (Format::RemoteWrite(RemoteWrite::V2), "split it into several messages"),
        (Format::Otlp(Otlp::Json), "split it into several messages"),
    ] {
        let text = too_large(format).to_string();
        assert!(text.starts_with("the input is larger than 256 MiB"), "{text}");
        assert!(text.contains(wanted), "{text}");
        assert_eq!(text.contains("ndjson"), format == Format::Json, "{text}");
    }
}

#[test]
fn names_betray_formats() {
    for (name, wanted) in [
        ("a.ndjson", Some(FormatArg::Ndjson)),
        ("a.jsonl.gz", Some(FormatArg::Ndjson)),
        ("dir.d/a.msgpack.zst", Some(FormatArg::Msgpack)),
        ("node.prom", Some(FormatArg::Prometheus)),
        ("a.json", None),
        ("a", None),
        ("a.gz", None),
    ] {
        assert_eq!(by_name(Path::new(name)), wanted, "{name}");
    }
}
