//! Compressed bodies as clients and attackers send them: cut anywhere, joined, short, padded, bombs.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use proptest::prelude::*;
use tidegate::decode::inflate::{InflateError, Inflater};
use tidegate::decode::media::Coding;

const CODINGS: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Zstd, Coding::Snappy];
/// Of them, those whose streams may follow one another.
const REPEATING: [Coding; 2] = [Coding::Gzip, Coding::Zstd];

fn compress(coding: Coding, body: &[u8]) -> Vec<u8> {
    match coding {
        Coding::Identity => body.to_vec(),
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(body).expect("memory takes all");
            encoder.finish().expect("memory takes all")
        }
        Coding::Deflate => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(body).expect("memory takes all");
            encoder.finish().expect("memory takes all")
        }
        Coding::Zstd => zstd::encode_all(body, 3).expect("memory takes all"),
        Coding::Snappy => snap::raw::Encoder::new().compress_vec(body).expect("memory takes all"),
    }
}

/// The other form that snappy comes in.
fn snappy_stream(body: &[u8]) -> Vec<u8> {
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(body).expect("memory takes all");
    let sent = encoder.into_inner().expect("memory takes all");
    // An encoder that was given nothing has not begun.
    if sent.is_empty() { STREAM_START.to_vec() } else { sent }
}

const STREAM_START: &[u8] = b"\xff\x06\0\0sNaPpY";

fn inflate<'a>(
    coding: Coding,
    limit: usize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, InflateError> {
    let mut inflater = Inflater::new(coding, limit);
    for piece in pieces {
        inflater.push(piece)?;
    }
    inflater.finish().map(|body| body.to_vec())
}

fn lines(count: usize) -> Vec<u8> {
    (0..count)
        .flat_map(|n| format!("{{\"name\":\"m{n}\",\"gauge\":{{\"value\":{n}}}}}\n").into_bytes())
        .collect()
}

fn corrupt(result: Result<Vec<u8>, InflateError>) -> String {
    match result {
        Err(InflateError::Corrupt(text)) => text,
        other => panic!("expected a corrupt body, got {other:?}"),
    }
}

#[test]
fn bodies_come_out_whole_wherever_they_are_cut_in_two() {
    let body = lines(40);
    for coding in CODINGS {
        let sent = compress(coding, &body);
        for cut in 0..=sent.len() {
            let (head, tail) = sent.split_at(cut);
            let came = inflate(coding, 1 << 20, [head, tail]);
            assert_eq!(came.as_ref(), Ok(&body), "{coding:?} cut at {cut}");
        }
    }
}

#[test]
fn bodies_come_out_whole_byte_by_byte() {
    let body = lines(40);
    for coding in CODINGS {
        assert_eq!(inflate(coding, 1 << 20, compress(coding, &body).chunks(1)), Ok(body.clone()));
    }
    assert_eq!(inflate(Coding::Identity, 1 << 20, body.chunks(1)), Ok(body));
}

#[test]
fn every_member_and_frame_counts_wherever_they_are_cut() {
    for coding in REPEATING {
        let parts: [&[u8]; 4] = [b"first ", b"", b"second ", b"third"];
        let sent: Vec<u8> = parts.iter().flat_map(|part| compress(coding, part)).collect();
        for cut in 0..=sent.len() {
            let (head, tail) = sent.split_at(cut);
            let came = inflate(coding, 1 << 20, [head, tail]);
            assert_eq!(came.as_deref(), Ok(&b"first second third"[..]), "{coding:?} cut at {cut}");
        }
        assert_eq!(
            inflate(coding, 1 << 20, sent.chunks(1)).as_deref(),
            Ok(&b"first second third"[..])
        );
    }
}

#[test]
fn a_gzip_header_with_all_its_fields_may_be_cut_anywhere() {
    let mut encoder = flate2::GzBuilder::new()
        .filename("metrics.ndjson")
        .comment("from a client that says a lot")
        .extra(vec![7; 300])
        .mtime(1_700_000_000)
        .write(Vec::new(), Compression::best());
    encoder.write_all(b"body").unwrap();
    let sent = encoder.finish().unwrap();
    for cut in 0..=sent.len() {
        let (head, tail) = sent.split_at(cut);
        assert_eq!(inflate(Coding::Gzip, 4, [head, tail]).as_deref(), Ok(&b"body"[..]), "{cut}");
    }
}

#[test]
fn zstd_skippable_frames_are_skipped() {
    let skippable = |size: u8| {
        let mut frame = vec![0x53, 0x2a, 0x4d, 0x18, size, 0, 0, 0];
        frame.resize(8 + usize::from(size), 9);
        frame
    };
    let sent =
        [skippable(0), compress(Coding::Zstd, b"a"), skippable(5), compress(Coding::Zstd, b"b")];
    let sent = [sent.concat(), skippable(0)].concat();
    for cut in 0..=sent.len() {
        let (head, tail) = sent.split_at(cut);
        assert_eq!(
            inflate(Coding::Zstd, 9, [head, tail]).as_deref(),
            Ok(&b"ab"[..]),
            "cut at {cut}"
        );
    }
}

#[test]
fn a_body_cut_short_at_any_byte_is_an_error() {
    for coding in CODINGS {
        let sent = compress(coding, &lines(40));
        for end in 0..sent.len() {
            let whole = corrupt(inflate(coding, 1 << 20, [&sent[..end]]));
            let bytes = corrupt(inflate(coding, 1 << 20, sent[..end].chunks(1)));
            assert_eq!(whole, bytes, "{coding:?} cut at {end}");
        }
        let second = [sent.clone(), sent].concat();
        for end in second.len() / 2 + 1..second.len() {
            corrupt(inflate(coding, 1 << 20, [&second[..end]]));
        }
    }
}

#[test]
fn anything_behind_the_end_is_an_error() {
    let junk: [&[u8]; 6] =
        [b"\0", b"junk", b"\x1f", b"\x28\xb5\x2f", &[0; 512], b"\x1f\x8b\x08\x00"];
    for coding in CODINGS {
        for junk in junk {
            let sent = [compress(coding, b"body"), junk.to_vec()].concat();
            let at_once = corrupt(inflate(coding, 1 << 20, [&sent[..]]));
            corrupt(inflate(coding, 1 << 20, sent.chunks(1)));
            assert!(at_once.contains("near byte "), "{at_once}");
        }
    }
    // Two zlib streams in a row are not a zlib stream.
    let sent = compress(Coding::Deflate, b"body");
    corrupt(inflate(Coding::Deflate, 1 << 20, [&sent[..], &sent[..]]));
}

#[test]
fn an_empty_body_is_not_a_compressed_one() {
    for coding in CODINGS {
        let text = corrupt(inflate(coding, 1 << 20, []));
        assert!(text.contains("it is empty"), "{text}");
        corrupt(inflate(coding, 1 << 20, [&b""[..]]));
        assert_eq!(inflate(coding, 1 << 20, [&compress(coding, b"")[..]]), Ok(Vec::new()));
    }
    assert_eq!(inflate(Coding::Identity, 0, []), Ok(Vec::new()));
}

#[test]
fn plain_text_under_a_coding_says_which_coding_was_expected() {
    for (coding, word) in
        [(Coding::Gzip, "as gzip"), (Coding::Deflate, "a zlib stream"), (Coding::Zstd, "as zstd")]
    {
        let text = corrupt(inflate(coding, 1 << 20, [&br#"{"name":"a"}"#[..]]));
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn the_limit_is_exact() {
    let body = lines(3000);
    for coding in [Coding::Identity, Coding::Gzip, Coding::Deflate, Coding::Zstd] {
        let sent = compress(coding, &body);
        for size in [1, 1000, sent.len()] {
            assert_eq!(inflate(coding, body.len(), sent.chunks(size)).as_ref(), Ok(&body));
            let limit = body.len() - 1;
            let over = inflate(coding, limit, sent.chunks(size));
            assert_eq!(over, Err(InflateError::TooLarge { limit }), "{coding:?} by {size}");
        }
        assert_eq!(inflate(coding, 0, [&compress(coding, b"")[..]]), Ok(Vec::new()));
        let over = inflate(coding, 0, [&compress(coding, b"x")[..]]);
        assert_eq!(over, Err(InflateError::TooLarge { limit: 0 }));
    }
}

#[test]
fn a_bomb_stops_one_byte_past_the_limit() {
    const LIMIT: usize = 1 << 18;
    let zeros = vec![0; 8 << 20];
    for coding in CODINGS {
        let sent = compress(coding, &zeros);
        let mut inflater = Inflater::new(coding, LIMIT);
        assert_eq!(inflater.push(&sent), Err(InflateError::TooLarge { limit: LIMIT }));
        // What came out is what was paid for: the allocator may round the buffer up, no more. Of a
        // block of snappy nothing has.
        let came = if coding == Coding::Snappy { 0..1 } else { LIMIT + 1..LIMIT + 4096 };
        assert!(came.contains(&inflater.len()), "{}", inflater.len());
    }
    // A bomb in many members is one too.
    for coding in REPEATING {
        let member = compress(coding, &zeros[..LIMIT]);
        let sent = [member.clone(), member].concat();
        assert_eq!(
            inflate(coding, LIMIT, [&sent[..]]),
            Err(InflateError::TooLarge { limit: LIMIT })
        );
    }
}

#[test]
fn zstd_windows_over_8_mib_are_refused_however_the_body_is_cut() {
    // No content size in the header, so the window is as declared.
    let frame = |window_log: u32| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(window_log).unwrap();
        encoder.write_all(b"body").unwrap();
        encoder.flush().unwrap();
        encoder.finish().unwrap()
    };
    let fits = frame(23);
    let over = frame(24);
    for size in 1..=over.len() {
        assert_eq!(inflate(Coding::Zstd, 1 << 20, fits.chunks(size)).as_deref(), Ok(&b"body"[..]));
        let text = corrupt(inflate(Coding::Zstd, 1 << 20, over.chunks(size)));
        assert!(text.contains("8 MiB"), "{text}");
    }
}

#[test]
fn zstd_windows_over_8_mib_are_refused_where_the_content_size_is_the_window() {
    // A single segment declares no window but its content size; one raw block of 3 bytes follows.
    let frame = |size: u32| {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
        frame.extend(size.to_le_bytes());
        frame.extend([0x19, 0, 0, b'a', b'b', b'c']);
        frame
    };
    assert_eq!(inflate(Coding::Zstd, 1 << 25, [&frame(3)[..]]).as_deref(), Ok(&b"abc"[..]));
    let text = corrupt(inflate(Coding::Zstd, 1 << 25, [&frame(16 << 20)[..]]));
    assert!(text.contains("8 MiB"), "{text}");
}

#[test]
fn zstd_windows_over_8_mib_are_refused_where_the_whole_frame_is_at_hand() {
    // The library would decode such a small frame in one go and never look at its window.
    let frame = |window: u8| {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x40, window, 0, 0];
        frame.extend([0x01, 0x08, 0]);
        frame.extend([b'x'; 256]);
        frame
    };
    let (fits, over) = (frame(13 << 3), frame(14 << 3));
    for size in [1, 7, over.len()] {
        let came = inflate(Coding::Zstd, 1 << 20, fits.chunks(size));
        assert_eq!(came.as_deref(), Ok(&[b'x'; 256][..]));
        let text = corrupt(inflate(Coding::Zstd, 1 << 20, over.chunks(size)));
        assert!(text.contains("8 MiB"), "{text}");
    }
    let second = [fits, over].concat();
    corrupt(inflate(Coding::Zstd, 1 << 20, [&second[..]]));
}

#[test]
fn a_flipped_bit_is_noticed() {
    let body = lines(20);
    for coding in [Coding::Gzip, Coding::Deflate] {
        let sent = compress(coding, &body);
        // The header's bits that carry no data (time, system) may flip unnoticed; its magic may not.
        for at in (0..2).chain(10..sent.len()) {
            let mut bad = sent.clone();
            bad[at] ^= 0x10;
            corrupt(inflate(coding, 1 << 20, [&bad[..]]));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn inflating_undoes_compressing_however_the_body_is_cut(
        parts in prop::collection::vec(prop::collection::vec(0u8..8, 0..5000), 1..4),
        cuts in prop::collection::vec(1usize..700, 1..8),
    ) {
        for coding in [Coding::Identity, Coding::Gzip, Coding::Deflate, Coding::Zstd] {
            let parts = if coding == Coding::Deflate { vec![parts.concat()] } else { parts.clone() };
            let sent: Vec<u8> = parts.iter().flat_map(|part| compress(coding, part)).collect();
            let body = parts.concat();
            let mut inflater = Inflater::new(coding, body.len());
            let mut rest = &sent[..];
            let mut cuts = cuts.iter().cycle();
            while let Some(cut) = cuts.next().filter(|_| !rest.is_empty()) {
                let (piece, tail) = rest.split_at((*cut).min(rest.len()));
                prop_assert_eq!(inflater.push(piece), Ok(()));
                rest = tail;
            }
            prop_assert_eq!(inflater.len(), body.len());
            prop_assert_eq!(inflater.finish().map(|whole| whole.to_vec()), Ok(body));
        }
    }

    #[test]
    fn any_bytes_end_in_a_body_or_an_error_within_the_limit(
        mut bytes in prop::collection::vec(any::<u8>(), 0..300),
        magic in 0usize..4,
    ) {
        let magic: &[u8] = [&b""[..], b"\x1f\x8b\x08\x00", b"\x78\x9c", b"\x28\xb5\x2f\xfd"][magic];
        bytes.splice(0..0, magic.iter().copied());
        for coding in CODINGS {
            let at_once = inflate(coding, 1000, [&bytes[..]]);
            prop_assert!(at_once.as_ref().map_or(0, Vec::len) <= 1000);
            let by_byte = inflate(coding, 1000, bytes.chunks(1));
            prop_assert_eq!(at_once.is_ok(), by_byte.is_ok());
        }
    }
}

/// A chunk of a stream of snappy, without its checksum.
fn chunk(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u32).to_le_bytes();
    [&[kind], &length[..3], bytes].concat()
}

#[test]
fn a_stream_of_snappy_comes_out_whole_wherever_it_is_cut() {
    let body = lines(5_000);
    assert!(body.len() > 2 << 16, "several chunks");
    let sent = snappy_stream(&body);
    let near_the_ends = (0..100).chain(sent.len() - 100..=sent.len());
    for cut in near_the_ends.chain((100..sent.len() - 100).step_by(977)) {
        let (head, tail) = sent.split_at(cut);
        let came = inflate(Coding::Snappy, body.len(), [head, tail]);
        assert_eq!(came.as_ref(), Ok(&body), "cut at {cut}");
    }
    assert_eq!(inflate(Coding::Snappy, body.len(), sent.chunks(1)).as_ref(), Ok(&body));
    let limit = body.len() - 1;
    let over = inflate(Coding::Snappy, limit, sent.chunks(1000));
    assert_eq!(over, Err(InflateError::TooLarge { limit }));
    assert_eq!(inflate(Coding::Snappy, 0, [STREAM_START]), Ok(Vec::new()));
}

#[test]
fn a_stream_of_snappy_is_strict_about_its_chunks() {
    let sent = snappy_stream(b"body");
    // Padding, a chunk that may be skipped, and a stream that begins again.
    for between in [chunk(0xfe, &[0; 300]), chunk(0x80, b"what"), STREAM_START.to_vec()] {
        let sent = [&sent[..10], &between, &sent[10..], &between].concat();
        assert_eq!(inflate(Coding::Snappy, 4, [&sent[..]]).as_deref(), Ok(&b"body"[..]));
    }
    let mut wrong_sum = sent.clone();
    wrong_sum[14] ^= 1;
    let bad = [
        wrong_sum,
        sent[..sent.len() - 1].to_vec(),
        [&sent[..], b"\0"].concat(),
        [&sent[..], &chunk(0x02, b"must not be skipped")].concat(),
        [&sent[..], &chunk(0x00, b"")].concat(),
        [&sent[..], b"\x00\xff\xff\xff"].concat(),
        [&sent[..], b"\x80\xff\xff\xff"].concat(),
        [&sent[..], &chunk(0xff, b"SnApPy")].concat(),
    ];
    for (nth, sent) in bad.iter().enumerate() {
        for size in [1, sent.len()] {
            let text = corrupt(inflate(Coding::Snappy, 1 << 20, sent.chunks(size)));
            assert!(text.contains("as snappy"), "{nth}: {text}");
        }
    }
}

#[test]
fn the_length_in_front_of_a_block_of_snappy_is_not_believed() {
    let honest = compress(Coding::Snappy, b"body");
    assert_eq!(honest[0], 4, "the length");
    for (head, expected) in [
        // Three bytes too few, one too many.
        (&b"\x01"[..], None),
        (b"\x05", None),
        // As many as may be: more than six bytes can become.
        (b"\x80\x80\x40", None),
        // Over the limit, and beyond 32 bits.
        (b"\x81\x80\x40", Some(InflateError::TooLarge { limit: 1 << 20 })),
        (b"\xff\xff\xff\xff\x0f", Some(InflateError::TooLarge { limit: 1 << 20 })),
        (b"\xff\xff\xff\xff\xff\xff\x01", None),
    ] {
        let sent = [head, &honest[1..]].concat();
        for size in [1, sent.len()] {
            let mut inflater = Inflater::new(Coding::Snappy, 1 << 20);
            let pushed = sent.chunks(size).try_for_each(|piece| inflater.push(piece));
            assert!(inflater.memory() < 64 << 10, "{} bytes for a promise", inflater.memory());
            let result = pushed.and_then(|()| inflater.finish()).map(|whole| whole.to_vec());
            match expected {
                Some(ref error) => assert_eq!(result.as_ref(), Err(error), "{head:x?}"),
                None => drop(corrupt(result)),
            }
        }
    }
    // What a block becomes is counted before it does.
    let sent = compress(Coding::Snappy, &vec![7; 1 << 20]);
    let mut inflater = Inflater::new(Coding::Snappy, 1 << 20);
    inflater.push(&sent).expect("within the limit");
    assert!(inflater.memory() >= (1 << 20) && inflater.is_empty());
    assert_eq!(inflater.finish().map(|whole| whole.len()), Ok(1 << 20));
}
