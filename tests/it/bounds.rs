//! Bodies made to cost: each ends within the limits of C1.5, counted in bytes and entries, not in time.

use std::sync::Arc;

use tidegate::decode::Format;
use tidegate::encode::BLOCK_BYTES_MAX;
use tidegate::metric::timestamp::Timestamp;
use tidegate::normalize::{Policy, Profile};
use tidegate::pipeline::report::{ENTRIES_MAX, Report};
use tidegate::pipeline::{self, BodyError, Refused, Step};

/// The largest body the gateway takes.
const BODY_BYTES_MAX: usize = 20 << 20;

/// What a body came to, and what it handed out.
struct Cost {
    result: Result<Report, BodyError>,
    blocks: u64,
    bytes: u64,
}

fn profile_with(expanded_bytes: u64) -> Profile {
    Profile::new(Arc::new(Policy { expanded_bytes, ..Policy::default() }), None, &[])
}

fn now() -> Timestamp {
    Timestamp::from_unix(1_795_343_400, 0)
}

fn cost(body: &[u8], format: Format, expanded_bytes: u64) -> Cost {
    let profile = profile_with(expanded_bytes);
    let (mut blocks, mut bytes) = (0, 0);
    let result = pipeline::run(body, format, &profile, now(), &mut |block| {
        assert!(block.bytes.len() <= BLOCK_BYTES_MAX);
        blocks += 1;
        bytes += block.bytes.len() as u64;
        Ok(())
    });
    Cost { result, blocks, bytes }
}

/// A histogram of 128 long tags and 1,000 buckets: 25 KB that become 16 MB.
fn explosive() -> String {
    let tags: Vec<String> =
        (0..128).map(|n| format!("\"k{n:03}\":\"{}\"", "v".repeat(110))).collect();
    let buckets: Vec<String> =
        (0..1_000).map(|n| format!("{{\"upper_limit\":{n},\"count\":1}}")).collect();
    format!(
        r#"{{"name":"x","tags":{{{}}},"histogram":{{"count":1,"sum":1,"buckets":[{}]}}}}"#,
        tags.join(","),
        buckets.join(",")
    )
}

#[test]
fn a_body_that_explodes_stops_at_the_limit() {
    let one = explosive();
    let count = BODY_BYTES_MAX / 8 / one.len();
    let limit: u64 = 24 << 20;
    let formats = [
        (Format::Json, format!("[{}]", vec![one.as_str(); count].join(","))),
        (Format::JsonStream, one.repeat(count)),
        (Format::Ndjson, format!("{one}\n").repeat(count)),
        // One line: no block can be handed out before it is known to be whole.
        (Format::Ndjson, one.repeat(count)),
        (Format::MessagePack, String::new()),
    ];
    for (format, body) in formats {
        let body = match format {
            Format::MessagePack => {
                let value: serde_json::Value = serde_json::from_str(&one).expect("valid");
                rmp_serde::to_vec(&value).expect("memory takes all").repeat(count)
            }
            _ => body.into_bytes(),
        };
        let cost = cost(&body, format, limit);
        assert_eq!(cost.result, Err(BodyError::Expanded { limit }), "{format:?}");
        assert!(cost.bytes <= limit + (limit >> 10), "{format:?}: {} bytes", cost.bytes);
        assert!(cost.blocks <= limit / (BLOCK_BYTES_MAX as u64 / 2) + 1, "{} blocks", cost.blocks);
    }
}

#[test]
fn broken_lines_do_not_buy_work_without_end() {
    // Each line expands and is taken back: what was spent on it stays spent.
    let line = format!("{}{{\n", explosive());
    let limit: u64 = 24 << 20;
    let broken =
        cost(line.repeat(BODY_BYTES_MAX / 8 / line.len()).as_bytes(), Format::Ndjson, limit);
    assert_eq!(broken.result, Err(BodyError::Expanded { limit }));
}

#[test]
fn what_an_open_line_holds_is_told_before_the_line_ends() {
    let profile = profile_with(u64::MAX);
    let mut held = Vec::new();
    let body = explosive().repeat(3) + "{";
    let done = pipeline::run_steps(body.as_bytes(), Format::Ndjson, &profile, now(), &mut |step| {
        if let Step::Held(bytes) = step {
            held.push(bytes);
        }
        Ok(())
    });
    assert!(matches!(done, Err(BodyError::Syntax(_))), "no line is whole: {done:?}");
    assert!(held.iter().max() > Some(&(BLOCK_BYTES_MAX as u64)), "{held:?}");
    assert_eq!(held.last(), Some(&0), "the broken line gave everything back");

    // And may be too much: then it ends at once.
    let refused =
        pipeline::run_steps(body.as_bytes(), Format::Ndjson, &profile, now(), &mut |step| {
            if matches!(step, Step::Held(1..)) { Err(Refused) } else { Ok(()) }
        });
    assert_eq!(refused, Err(BodyError::Refused));
}

#[test]
fn the_limit_of_expansion_is_exact() {
    let body = r#"{"name":"x","gauge":{"value":1}}"#.repeat(100);
    let whole = cost(body.as_bytes(), Format::JsonStream, u64::MAX);
    // The two bytes between tuples belong to the block, not to the tuples.
    let tuples = whole.bytes - 2 * 99;
    assert!(cost(body.as_bytes(), Format::JsonStream, tuples).result.is_ok());
    let over = cost(body.as_bytes(), Format::JsonStream, tuples - 1).result;
    assert_eq!(over, Err(BodyError::Expanded { limit: tuples - 1 }));
}

#[test]
fn millions_of_empty_objects_leave_a_hundred_entries() {
    const COUNT: usize = 1_000_000;
    for (format, body) in [
        (Format::Json, format!("[{}{{}}]", "{},".repeat(COUNT - 1))),
        (Format::JsonStream, "{}".repeat(COUNT)),
        (Format::Ndjson, "{}\n".repeat(COUNT)),
        (Format::Ndjson, "{}".repeat(COUNT)),
    ] {
        let cost = cost(body.as_bytes(), format, 1 << 20);
        let report = cost.result.expect("valid");
        assert_eq!((report.accepted, report.rejected), (0, COUNT as u64), "{format:?}");
        assert_eq!((report.errors.len(), cost.bytes), (ENTRIES_MAX, 0));
    }
    let report = cost(&vec![0x80; COUNT], Format::MessagePack, 1 << 20).result.expect("valid");
    assert_eq!((report.rejected, report.errors.len()), (COUNT as u64, ENTRIES_MAX));
}

#[test]
fn deep_nesting_is_an_answer_not_a_crash() {
    let name = r#"{"name":"x","gauge":{"value":1},"x":"#;
    for depth in [100_000, BODY_BYTES_MAX / 8] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
            let opened = open.repeat(depth);
            let closed = format!("{name}{opened}1{}}}", close.repeat(depth));
            for body in [opened.as_bytes(), closed.as_bytes()] {
                for format in [Format::Json, Format::JsonStream, Format::Ndjson] {
                    match cost(body, format, 1 << 20).result {
                        Err(BodyError::Syntax(_)) => {}
                        other => panic!("{format:?} {depth} {open}: {other:?}"),
                    }
                }
            }
        }
        // MessagePack counts instead of descending: deep is as good as flat.
        let nested = [vec![0x91; depth], vec![0x01]].concat();
        let report = cost(&nested, Format::MessagePack, 1 << 20).result.expect("valid");
        assert_eq!((report.accepted, report.rejected), (0, 1));
        let cut = cost(&vec![0x91; depth], Format::MessagePack, 1 << 20).result;
        assert!(matches!(cut, Err(BodyError::Syntax(_))), "{cut:?}");
    }
}

#[test]
fn sixty_four_levels_always_pass() {
    for format in [Format::Json, Format::JsonStream, Format::Ndjson] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            // The item itself is a level.
            let nested = format!("{}1{}", open.repeat(63), close.repeat(63));
            for member in ["x", "namespace", "dt"] {
                let body = format!(r#"{{"name":"x","gauge":{{"value":1}},"{member}":{nested}}}"#);
                let report = cost(body.as_bytes(), format, 1 << 20).result.expect("63 and one");
                assert_eq!(report.accepted, 1, "{format:?} {member}");
            }
        }
    }
}

#[test]
fn one_enormous_string_is_carried_or_refused_whole() {
    let text = "x".repeat(BODY_BYTES_MAX / 4);
    let escaped = "\\n".repeat(BODY_BYTES_MAX / 8);
    for text in [&text, &escaped] {
        for member in ["name", "unknown", "dt", "kind"] {
            let rest = if member == "name" { "" } else { r#""name":"x","# };
            let body = format!(r#"{{{rest}"gauge":{{"value":1}},"{member}":"{text}"}}"#);
            let cost = cost(body.as_bytes(), Format::Json, 1 << 20);
            let report = cost.result.expect("valid");
            assert_eq!(report.accepted, u64::from(member != "name"), "{member}");
            assert!(cost.bytes < 1_024, "{member}: {} bytes", cost.bytes);
        }
        let unclosed = format!(r#"{{"name":"{text}"#);
        let error = cost(unclosed.as_bytes(), Format::Json, 1 << 20).result.expect_err("unclosed");
        assert!(error.to_string().len() < 1_024, "the error does not repeat the body");
    }
}

#[test]
fn one_enormous_number_is_a_double_or_none() {
    let digits = "7".repeat(BODY_BYTES_MAX / 8);
    let rows = [
        ("gauge\":{\"value", digits.clone(), "NotFinite"),
        ("gauge\":{\"value", format!("0.{digits}"), "0.7777777777777778"),
        ("gauge\":{\"value", format!("1e{digits}"), "NotFinite"),
        ("gauge\":{\"value", format!("1e-{digits}"), ",0.0,"),
        ("counter\":{\"value\":1},\"tags\":{\"a", digits.clone(), "InvalidTags"),
        ("counter\":{\"value\":1},\"junk\":{\"dt", digits.clone(), ",1.0,"),
    ];
    for (member, number, expected) in rows {
        let body = format!("{{\"name\":\"x\",\"{member}\":{number}}},\"dt\":{number}}}");
        let mut text = String::new();
        let profile = Profile::new(Arc::new(Policy::default()), None, &[]);
        let now = Timestamp::from_unix(1_795_343_400, 0);
        let report = pipeline::run(body.as_bytes(), Format::Json, &profile, now, &mut |block| {
            text.push_str(std::str::from_utf8(&block.bytes).expect("a block is UTF-8"));
            Ok(())
        })
        .expect("valid");
        text.extend(report.errors.iter().map(|entry| format!("{:?}", entry.code)));
        assert!(text.contains(expected) && text.len() < 1_024, "{member}: {text}");
    }
}

#[test]
fn lengths_that_lie_are_not_believed() {
    for body in [
        b"\xdd\xff\xff\xff\xff".as_slice(),
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\xff",
        b"\x81\xa4tags\xdf\x7f\xff\xff\xff",
        b"\x81\xa9histogram\x81\xa7buckets\xdd\x7f\xff\xff\xff",
    ] {
        let result = cost(body, Format::MessagePack, 1 << 20).result;
        assert!(matches!(result, Err(BodyError::Syntax(_))), "{body:x?}: {result:?}");
    }
}

#[test]
fn a_line_that_breaks_costs_its_own_bytes_even_where_a_block_is_nearly_full() {
    // Good lines up to just below a block, then many that spill over it and break.
    let good = format!("{{\"name\":\"{}\",\"gauge\":{{\"value\":1}}}}\n", "x".repeat(1_000));
    let tuple = cost(good.as_bytes(), Format::Ndjson, 1 << 20).bytes as usize + 2;
    let fill = BLOCK_BYTES_MAX / tuple;
    let broken = good.trim_end().to_owned() + "{\n";
    let body = good.repeat(fill) + &broken.repeat(2_000) + &good;
    let cost = cost(body.as_bytes(), Format::Ndjson, 64 << 20);
    let report = cost.result.expect("most lines are whole");
    assert_eq!((report.accepted, report.rejected), (fill as u64 + 1, 2_000));
    assert_eq!((report.tuples, cost.blocks), (fill as u64 + 1, 2));
}
