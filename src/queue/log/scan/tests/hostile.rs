//! Bytes made to mislead a scan, or to keep it busy.

use super::*;

/// A head with every right to be believed but its place.
fn fake(sequence: u64, body_bytes: u32) -> Vec<u8> {
    let (head, _) = &Log::small().records[0];
    let head = Head { sequence, committed: 0, body_bytes, ..head.clone() };
    let mut bytes = Vec::new();
    head.encode(IDENTITY, &body_of(&head), &mut bytes);
    bytes
}

#[test]
fn debris_of_any_kind_costs_nothing_that_lies_behind_it() {
    let log = Log::small();
    let mut foreign = Vec::new();
    put(&log.records[2].0, Identity(1), &mut foreign);
    let mut stale = Vec::new();
    put(&log.records[0].0, IDENTITY, &mut stale);
    let mut far = Vec::new();
    put(&Head { sequence: 1 << 40, ..log.records[2].0.clone() }, IDENTITY, &mut far);
    let cases = [
        ("nothing at all", vec![]),
        ("a byte", vec![0xFF]),
        ("a magic", MAGIC.to_vec()),
        ("half a magic", MAGIC[..2].to_vec()),
        ("magics", MAGIC.repeat(500)),
        ("a record of another segment", foreign),
        ("a record that was there before", stale),
        ("a record from far ahead", far),
        ("a head that reaches over the end", fake(43, 2 << 20)),
        ("heads from the past without bodies", fake(1, 5).repeat(20)),
    ];
    let expected: Vec<_> =
        [0, 1, 3, 4, 5, 6, 7].map(|index: usize| log.records[index].0.clone()).into();
    for (name, debris) in cases {
        let gap = &log.records[2].1;
        let bytes = [&log.bytes[..gap.start], &debris, &log.bytes[gap.end..]].concat();
        for chunk_bytes in CHUNKS {
            let pieces = scan(&FixedFile::new(bytes.clone()), chunk_bytes);
            assert_eq!(heads(&pieces), expected, "{name}");
            let damages = damages(&pieces);
            assert_eq!(damages.len(), 1, "{name}");
            assert_eq!(damages[0].bytes, debris.len() as u64, "{name}");
            assert_eq!((damages[0].expected, damages[0].next), (43, 44), "{name}");
        }
    }
}

#[test]
fn a_record_is_found_wherever_it_lies_in_what_is_read_in_one_go() {
    let log = Log::small();
    let place = &log.records[3].1;
    // Room for the three records that are lost.
    for gap in 180..1700 {
        let lost = vec![0; gap];
        let bytes =
            [&log.bytes[..START.offset as usize], &lost, &log.bytes[place.start..]].concat();
        let pieces = scan(&FixedFile::new(bytes), 700);
        assert_eq!(heads(&pieces).len(), 5, "{gap} bytes");
    }
}

#[test]
fn no_byte_is_read_twice_whatever_it_is() {
    const BYTES: usize = 1 << 20;
    const CHUNK: usize = 4096;
    let mut gapped = MAGIC.to_vec();
    gapped.extend_from_slice(&[1, 0, 0, 255, 0, 0, 0, 0, 0]);
    let nested = (0..BYTES / FIXED_BYTES).flat_map(|at| fake(START.sequence + at as u64, 1000));
    let cases = [
        ("zeros", vec![0]),
        ("the magic's first byte", vec![0xFF]),
        ("magics", MAGIC.to_vec()),
        ("magics that pass the cheap looks", gapped),
        ("heads of three MiB, each cut off", fake(START.sequence, 3 << 20)),
        ("heads of three MiB from far ahead", fake(1 << 40, 3 << 20)),
        ("heads in the bodies of others", nested.collect()),
    ];
    for (name, pattern) in cases {
        let mut bytes = vec![b'#'; START.offset as usize];
        bytes.extend(pattern.iter().cycle().take(BYTES));
        let file = FixedFile::new(bytes);
        let pieces = scan(&file, CHUNK);
        assert_eq!(pieces.len(), 1, "{name}");
        let calls = file.calls.load(Ordering::Relaxed);
        // One call for each chunk, and one more where a record begins in it and does not end there.
        let most = 2 * BYTES / CHUNK + 2;
        assert!(calls <= most, "{name}: {calls} calls, at most {most}");
        assert_eq!(file.bytes_read.load(Ordering::Relaxed), BYTES as u64, "{name}");
    }
}

#[test]
fn the_heads_of_a_long_loss_are_bounded_and_keep_the_last_one() {
    let mut log = Log::new();
    for _ in 0..HEADS_MAX + 50 {
        log.push(1, None);
    }
    let mut bytes = log.bytes.clone();
    for (_, place) in &log.records {
        bytes[place.end - 1] ^= 1;
    }
    let tail = tail(&scan(&FixedFile::new(bytes), CHUNK_BYTES));
    let (last, first) = tail.heads.split_last().unwrap();
    assert_eq!(first.len(), HEADS_MAX - 1);
    assert!(first.iter().zip(&log.records).all(|(head, record)| *head == record.0));
    assert_eq!(Some(last), log.records.last().map(|(head, _)| head));
}
