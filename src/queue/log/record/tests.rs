//! The layout of a record, and everything that is refused in its place.

use proptest::prelude::*;

use super::*;

const IDENTITY: Identity = Identity(0x1122_3344_5566_7788);
const BODY: &[u8] = br#"["a",1]"#;

/// Worked out by hand from the drawing, with the checksums of another program.
const GOLDEN: &str = "ff544752 01 00 01 05 06 000000 7e371ba8 2b490faf 07000000 07000000 03000000\
    0700000000000000 0500000000000000 feffffffffffffff 0065cd1d 00000000 6400000000000000\
    2800000000000000 0200000000000000 7765622d31 6261636b7570 5b2261222c315d";

fn head() -> Head {
    Head {
        sequence: 7,
        committed: 5,
        continues: true,
        resumes: false,
        source: "web-1".into(),
        target: Some("backup".into()),
        received: Timestamp::from_unix(-2, 500_000_000),
        body_bytes: BODY.len() as u32,
        tuples: 3,
        totals: Totals { tuples: 100, accepted: 40, rejected: 2 },
    }
}

fn encoded(head: &Head, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    head.encode(IDENTITY, body, &mut bytes);
    bytes
}

#[test]
fn the_layout_of_a_record_does_not_change() {
    let mut bytes = encoded(&head(), BODY);
    bytes.extend_from_slice(BODY);
    let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    assert_eq!(hex, GOLDEN.replace(' ', ""));
    assert_eq!(head().record_bytes(), bytes.len() as u64);
}

#[test]
fn a_record_for_one_target_adds_no_tuples_to_the_totals() {
    assert_eq!(head().tuples_before(), 100);
    assert_eq!(Head { target: None, ..head() }.tuples_before(), 97);
}

#[test]
fn every_flipped_bit_of_a_head_is_found() {
    let bytes = encoded(&head(), BODY);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let seen = parse_head(&flipped, IDENTITY);
        assert!(matches!(seen, Err(HeadFault::NotAHead | HeadFault::Short)), "bit {bit}: {seen:?}");
    }
}

#[test]
fn every_flipped_bit_of_a_body_is_found() {
    let (_, check) = parse_head(&encoded(&head(), BODY), IDENTITY).unwrap();
    assert!(check.holds(BODY));
    for bit in 0..BODY.len() * 8 {
        let mut flipped = BODY.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!check.holds(&flipped), "bit {bit}");
    }
    assert!(!check.holds(&BODY[1..]));
    assert!(!check.holds(b""));
}

#[test]
fn a_body_is_known_by_segment_and_sequence() {
    let checksum = |sequence, identity| {
        let mut bytes = Vec::new();
        Head { sequence, ..head() }.encode(identity, BODY, &mut bytes);
        u32_at(&bytes, AT_BODY_CHECKSUM)
    };
    assert_ne!(checksum(7, IDENTITY), checksum(8, IDENTITY));
    assert_ne!(checksum(7, IDENTITY), checksum(7, Identity(1)));
}

#[test]
fn a_record_of_another_segment_is_none() {
    let bytes = encoded(&head(), BODY);
    assert_eq!(parse_head(&bytes, Identity(1)).unwrap_err(), HeadFault::NotAHead);
}

#[test]
fn a_head_that_is_cut_off_is_short() {
    let bytes = encoded(&head(), BODY);
    for cut in 0..bytes.len() {
        assert_eq!(parse_head(&bytes[..cut], IDENTITY).unwrap_err(), HeadFault::Short, "{cut}");
    }
    assert_eq!(parse_head(b"\xFFTX", IDENTITY).unwrap_err(), HeadFault::NotAHead);
}

#[test]
fn what_no_writer_writes_is_refused_even_with_a_checksum_that_holds() {
    let cases: &[(&str, usize, &[u8], HeadFault)] = &[
        ("no body", 20, &[0; 8], HeadFault::NotAHead),
        ("a body past the limit", 20, &[0xFF; 8], HeadFault::NotAHead),
        ("raw bytes that are not the stored ones", 24, &[8], HeadFault::NotAHead),
        ("no tuples", 28, &[0; 4], HeadFault::NotAHead),
        ("tuples past the limit", 28, &10_001_u32.to_le_bytes(), HeadFault::NotAHead),
        ("sequence 0", 32, &[0; 16], HeadFault::NotAHead),
        ("the last sequence", 32, &[0xFF; 8], HeadFault::NotAHead),
        ("acknowledged before it was written", 40, &[7], HeadFault::NotAHead),
        ("nanoseconds of more than a second", 56, &[0xFF; 4], HeadFault::NotAHead),
        ("a source that is no text", FIXED_BYTES, &[0xFF], HeadFault::NotAHead),
        ("a target that is no text", FIXED_BYTES + 5, &[0xFF], HeadFault::NotAHead),
        ("bytes that are to be zero", 9, &[1], HeadFault::NotAHead),
        ("more bytes that are to be zero", 63, &[1], HeadFault::NotAHead),
        ("an unknown kind", 4, &[2], HeadFault::Unknown { kind: 2, codec: 0 }),
        ("an unknown codec", 5, &[9], HeadFault::Unknown { kind: 1, codec: 9 }),
        ("an unknown flag", 6, &[4], HeadFault::Unknown { kind: 1, codec: 0 }),
    ];
    for (name, at, patch, fault) in cases {
        let mut bytes = encoded(&head(), BODY);
        bytes[*at..*at + patch.len()].copy_from_slice(patch);
        let sum = head_checksum(&bytes, IDENTITY).to_le_bytes();
        bytes[AT_CHECKSUM..AT_BODY_CHECKSUM].copy_from_slice(&sum);
        assert_eq!(parse_head(&bytes, IDENTITY).unwrap_err(), *fault, "{name}");
    }
}

#[test]
fn totals_below_the_tuples_they_include_are_refused() {
    let totals = Totals { tuples: 2, ..Totals::default() };
    assert!(!Head { target: None, totals, ..head() }.is_sound());
    assert!(Head { totals, ..head() }.is_sound(), "they do not include those for one target");
}

#[test]
#[should_panic(expected = "within its bounds")]
fn a_name_too_long_for_its_length_is_not_written() {
    encoded(&Head { source: "x".repeat(256).into(), ..head() }, BODY);
}

#[test]
#[should_panic(expected = "the head of this body")]
fn a_body_of_another_length_is_not_written() {
    encoded(&head(), b"longer than it should be");
}

fn any_name() -> impl Strategy<Value = Arc<str>> {
    proptest::collection::vec(any::<char>(), 1..80).prop_map(|chars| {
        let mut name: String = chars.into_iter().collect();
        name.truncate(name.floor_char_boundary(NAME_BYTES_MAX));
        name.into()
    })
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        (sequence, committed) in (1..u64::MAX).prop_flat_map(|last| (Just(last), 0..last)),
        (continues, resumes) in any::<(bool, bool)>(),
        source in any_name(),
        target in proptest::option::of(any_name()),
        (seconds, nanos) in (any::<i64>(), 0..=NANOS_MAX),
        tuples in 1..=BLOCK_TUPLES_MAX,
        (before, accepted, rejected) in (0..u64::MAX / 2, any::<u64>(), any::<u64>()),
        body in proptest::collection::vec(any::<u8>(), 1..300),
        before_it in proptest::collection::vec(any::<u8>(), 0..9),
    ) {
        let head = Head {
            sequence,
            committed,
            continues,
            resumes,
            source,
            target,
            received: Timestamp::from_unix(seconds, nanos),
            body_bytes: body.len() as u32,
            tuples,
            totals: Totals { tuples: before + u64::from(tuples), accepted, rejected },
        };
        let mut bytes = before_it.clone();
        head.encode(IDENTITY, &body, &mut bytes);
        prop_assert_eq!(bytes.len(), before_it.len() + head.head_bytes());
        bytes.extend_from_slice(&body);
        let (read, check) = parse_head(&bytes[before_it.len()..], IDENTITY).unwrap();
        prop_assert!(check.holds(&bytes[before_it.len() + read.head_bytes()..]));
        prop_assert_eq!(read, head);
    }
}
