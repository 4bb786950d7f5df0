//! Valid bodies, damaged: whatever the bytes, an answer within bounds (C1.7, "bad input").
//!
//! The fuzz targets of `tests/fuzz` call the same entry points; this replays a seeded number.

use std::io::Write;
use std::path::Path;

use crate::differential::reading::generate::Generator;

#[path = "support/robust/all.rs"]
pub(crate) mod robust;

/// Damages up to three times, then calls `entry`.
fn rounds(seed: u64, count: u32, bodies: &[Vec<u8>], entry: fn(&[u8])) {
    let mut generator = Generator::new(seed);
    for _ in 0..count {
        let mut body = bodies[generator.below(bodies.len())].clone();
        for _ in 0..=generator.below(3) {
            generator.damage(&mut body);
        }
        entry(&body);
    }
}

fn generated(seed: u64, count: usize) -> Vec<Vec<u8>> {
    let mut generator = Generator::new(seed);
    let body = |_| {
        let mut body = Vec::new();
        generator.body(&mut body);
        body
    };
    (0..count).map(body).collect()
}

/// Generated JSON as MessagePack, so that maps, arrays and texts nest as metrics do; with what only
/// MessagePack has beside it.
fn messagepack(seed: u64, count: usize) -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = generated(seed, count)
        .iter()
        .filter_map(|body| serde_json::from_slice::<serde_json::Value>(body).ok())
        .map(|value| rmp_serde::to_vec_named(&value).expect("memory takes all"))
        .collect();
    let gauge = |value: &[u8], dt: &[u8]| {
        let parts: [&[u8]; 6] =
            [b"\x83\xa4name\xc4\x01x\xa5gauge\x81\xa5value", value, b"\xa2dt", dt, b"", b""];
        parts.concat()
    };
    bodies.push(gauge(b"\xca\x3f\x80\0\0", b"\xd6\xff\x6a\x02\x03\x04"));
    bodies.push(gauge(
        b"\xcb\x7f\xf0\0\0\0\0\0\0",
        b"\xc7\x0c\xff\0\0\0\x01\0\0\0\0\x6a\x02\x03\x04",
    ));
    bodies.push(gauge(b"\xd3\x80\0\0\0\0\0\0\0", b"\xd7\xff\0\0\0\x04\x6a\x02\x03\x04"));
    bodies.push(b"\xdd\0\0\0\x02\x80\x81\xc4\x01\xff\xdb\0\0\0\x01a".to_vec());
    assert!(bodies.len() > count / 4, "only {} bodies", bodies.len());
    bodies
}

#[test]
fn damaged_json_is_answered_within_bounds() {
    rounds(11, 8_000, &generated(11, 200), robust::json);
}

#[test]
fn damaged_lines_are_answered_within_bounds() {
    let bodies = generated(12, 200);
    let joined: Vec<Vec<u8>> = bodies.chunks(5).map(|lines| lines.join(&b'\n')).collect();
    rounds(12, 4_000, &joined, robust::ndjson);
    rounds(13, 4_000, &bodies, robust::ndjson);
}

#[test]
fn damaged_messagepack_is_answered_within_bounds() {
    rounds(14, 16_000, &messagepack(14, 400), robust::msgpack);
}

/// The pages among the golden cases.
fn pages() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ingest");
    let cases = std::fs::read_dir(folder).unwrap().map(|case| case.unwrap().path());
    let mut paths: Vec<_> = cases.map(|case| case.join("request.txt")).collect();
    paths.sort();
    let pages = paths.iter().filter_map(|path| std::fs::read(path).ok());
    let pages: Vec<_> = pages.filter(|page| page.is_ascii() || page.starts_with(b"#")).collect();
    assert!(pages.len() >= 12, "only {} pages", pages.len());
    pages
}

#[test]
fn damaged_pages_are_answered_within_bounds() {
    rounds(21, 8_000, &pages(), robust::exposition);
}

#[test]
fn a_page_cut_anywhere_is_answered_within_bounds() {
    for page in pages() {
        (0..page.len()).for_each(|end| robust::exposition(&page[..end]));
    }
}

#[test]
fn damaged_otlp_is_answered_within_bounds() {
    let (protobuf, json): (Vec<_>, Vec<_>) = crate::otlp::bodies(21, 60).into_iter().unzip();
    rounds(21, 6_000, &protobuf, robust::otlp);
    rounds(22, 4_000, &json, robust::otlp);
}

#[test]
fn one_format_read_as_another_is_answered_within_bounds() {
    rounds(15, 2_000, &messagepack(15, 100), robust::json);
    rounds(16, 2_000, &messagepack(16, 100), robust::ndjson);
    rounds(17, 4_000, &generated(17, 100), robust::msgpack);
}

#[test]
fn damaged_instants_are_none_or_in_range() {
    let texts = [
        "2026-11-22T10:30:00.123456789Z",
        "20261122T103000Z",
        "2026-11-22 10:30 +02:00",
        "2026-11-22t23:59:60,5-2359",
        "1795343400.25",
        "1795343400250000000",
        "1.795e9",
        "1e19",
    ];
    let bodies: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    rounds(18, 30_000, &bodies, robust::timestamp);
    let payloads = [vec![0x6a; 4], vec![0x6a; 8], vec![0; 12], vec![0xff; 12]];
    rounds(19, 10_000, &payloads, robust::timestamp);
}

#[test]
fn damaged_compressed_bodies_are_answered_within_bounds() {
    let plain = generated(20, 200).concat();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&plain).expect("memory takes all");
    let gzip = gzip.finish().expect("memory takes all");
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(&plain).expect("memory takes all");
    let zlib = zlib.finish().expect("memory takes all");
    let zstd = zstd::encode_all(&plain[..], 3).expect("memory takes all");
    let block = snap::raw::Encoder::new().compress_vec(&plain).expect("memory takes all");
    let mut stream = snap::write::FrameEncoder::new(Vec::new());
    stream.write_all(&plain).expect("memory takes all");
    let stream = stream.into_inner().expect("memory takes all");
    let twice = [gzip.clone(), gzip.clone()].concat();
    rounds(20, 400, &[gzip, twice, zlib, zstd, block, stream], robust::inflate);
}

#[test]
fn damaged_remote_write_is_answered_within_bounds() {
    rounds(21, 8_000, &crate::remote_write::bodies(21, 300), robust::remote_write);
    rounds(22, 2_000, &generated(22, 100), robust::remote_write);
}
