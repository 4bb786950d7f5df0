//! The layout of header and footer, and everything that is refused in their place.

use proptest::prelude::*;

use super::super::disk::DiskFile;
use super::super::disk::fixed::FixedFile;
use super::*;

const IDENTITY: Identity = Identity(0x1122_3344_5566_7788);

/// Worked out by hand from the drawing, with the checksums of another program.
const GOLDEN_HEADER: &str = "ff544944454c4f47 01000000 00000000 8877665544332211 0700000000000000\
    0500000000000000 00f1536500000000 6100000000000000 2700000000000000 0200000000000000\
    00000000 c503b5e0";
const GOLDEN_FOOTER: &str = "ff544746 02000000 0900000000000000 6400000000000000 2800000000000000\
    0200000000000000 0700000000000000 0004000000000000 0900000000000000 1405000000000000\
    dc05000000000000 23bc1688 ff544745";

fn header() -> Header {
    Header {
        identity: IDENTITY,
        first: 7,
        certain: 5,
        created: 1_700_000_000,
        base: Totals { tuples: 97, accepted: 39, rejected: 2 },
    }
}

fn footer() -> Footer {
    Footer {
        last: 9,
        totals: Totals { tuples: 100, accepted: 40, rejected: 2 },
        end: 1500,
        marks: vec![mark(7, 1024), mark(9, 1300)],
    }
}

fn mark(sequence: u64, offset: u64) -> Mark {
    Mark { sequence, offset }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// A file with something in place of records, and the footer.
fn sealed(footer: &Footer) -> Vec<u8> {
    let mut bytes = vec![b'.'; footer.end as usize];
    bytes.extend_from_slice(&footer.encode(IDENTITY));
    bytes
}

fn read(bytes: Vec<u8>) -> Option<Footer> {
    Footer::read(&FixedFile::new(bytes), IDENTITY).unwrap()
}

#[test]
fn names_are_read_in_the_one_spelling_they_are_printed_in() {
    let name = Name { first: 1, attempt: 0 };
    assert_eq!(name.to_string(), "00000000000000000001-0.seg");
    for name in [name, Name { first: u64::MAX, attempt: u32::MAX }, Name { first: 42, attempt: 10 }]
    {
        assert_eq!(Name::parse(&name.to_string()), Some(name));
    }
    let others = [
        "",
        ".seg",
        "00000000000000000001.seg",
        "1-0.seg",
        "00000000000000000001-.seg",
        "00000000000000000001-00.seg",
        "00000000000000000001-01.seg",
        "00000000000000000001-+1.seg",
        "+0000000000000000001-0.seg",
        "00000000000000000001-0.seg.torn",
        "00000000000000000001-0.SEG",
        "00000000000000000001-0-0.seg",
        "00000000000000000001-4294967296.seg",
        "99999999999999999999-0.seg",
        "00000000000000000000-0.seg",
        "000000000000000000001-0.seg",
    ];
    for other in others {
        assert_eq!(Name::parse(other), None, "{other}");
    }
}

#[test]
fn names_sort_by_sequence_and_attempt() {
    let [one, retried, next] =
        [(9, 0), (9, 1), (10, 0)].map(|(first, attempt)| Name { first, attempt });
    assert!(one < retried && retried < next);
    assert!(retried.to_string() < next.to_string());
}

#[test]
fn the_layout_of_a_header_does_not_change() {
    let bytes = header().encode();
    assert_eq!(bytes.len() as u64, HEADER_BYTES);
    let golden = GOLDEN_HEADER.replace(' ', "");
    assert_eq!(hex(&bytes[..80]), golden);
    assert_eq!(hex(&bytes[512..592]), golden);
    assert!(bytes[80..512].iter().chain(&bytes[592..]).all(|byte| *byte == 0));
}

#[test]
fn either_copy_of_a_header_is_enough_whatever_the_other_sector_holds() {
    for broken in [0..512, 512..1024] {
        for filler in [0, 0xFF, b'x'] {
            let mut bytes = header().encode();
            bytes[broken.clone()].fill(filler);
            assert_eq!(Header::parse(&bytes), Ok(header()), "{broken:?} {filler}");
        }
    }
    for at in 0..HEADER_BYTES as usize {
        let mut bytes = header().encode();
        bytes[at] ^= 1;
        assert_eq!(Header::parse(&bytes), Ok(header()), "{at}");
    }
}

#[test]
fn a_header_with_both_copies_broken_is_damaged() {
    for at in 8..80 {
        let mut bytes = header().encode();
        bytes[at] ^= 1;
        bytes[512 + at] ^= 1;
        assert_eq!(Header::parse(&bytes), Err(HeaderFault::Damaged), "{at}");
    }
    let mut bytes = header().encode();
    bytes[79] ^= 1;
    bytes[512..].fill(0);
    assert_eq!(Header::parse(&bytes), Err(HeaderFault::Damaged), "and one of them gone");
}

#[test]
fn a_header_of_another_version_names_it() {
    let mut bytes = header().encode();
    bytes[8] = 2;
    let sum = crc32fast::hash(&bytes[..76]).to_le_bytes();
    bytes[76..80].copy_from_slice(&sum);
    bytes[512..].fill(0);
    assert_eq!(Header::parse(&bytes), Err(HeaderFault::Version(2)));
    assert_eq!(Header::parse(&bytes[..80]), Err(HeaderFault::Version(2)), "and shorter than ours");
}

#[test]
fn a_header_that_says_what_cannot_be_is_damaged() {
    let mut bytes = header().encode();
    bytes[32] = 7;
    let sum = crc32fast::hash(&bytes[..76]).to_le_bytes();
    bytes[76..80].copy_from_slice(&sum);
    bytes.copy_within(..80, 512);
    assert_eq!(Header::parse(&bytes), Err(HeaderFault::Damaged));
}

#[test]
fn a_file_whose_creation_was_cut_off_is_blank() {
    let bytes = header().encode();
    for cut in 0..bytes.len() {
        assert_eq!(Header::parse(&bytes[..cut]), Err(HeaderFault::Blank), "{cut}");
    }
    assert_eq!(Header::parse(&[0; 1024]), Err(HeaderFault::Blank));
    assert_eq!(Header::parse(&[0; 700]), Err(HeaderFault::Blank));
}

#[test]
fn a_file_of_others_is_foreign() {
    for bytes in [&b"PK\x03\x04"[..], &[b'x'; 1024], b"\xFFTIDEWAY", b"\x00\x00x"] {
        assert_eq!(Header::parse(bytes), Err(HeaderFault::Foreign), "{bytes:?}");
    }
}

#[test]
fn the_layout_of_a_footer_does_not_change() {
    assert_eq!(hex(&footer().encode(IDENTITY)), GOLDEN_FOOTER.replace(' ', ""));
}

#[test]
fn a_footer_is_read_whole_or_not_at_all() {
    let bytes = sealed(&footer());
    let end = footer().end as usize;
    assert_eq!(read(bytes.clone()), Some(footer()));
    for at in end..bytes.len() {
        for flip in [1, 0xFF] {
            let mut flipped = bytes.clone();
            flipped[at] ^= flip;
            assert_eq!(read(flipped), None, "{at}");
        }
    }
    for cut in 0..bytes.len() {
        assert_eq!(read(bytes[..cut].to_vec()), None, "{cut}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(read(longer), None);
}

#[test]
fn a_footer_of_another_segment_is_none() {
    let file = FixedFile::new(sealed(&footer()));
    assert_eq!(Footer::read(&file, Identity(1)).unwrap(), None);
}

#[test]
fn a_footer_that_cannot_be_read_is_none_and_any_other_error_is_one() {
    let bytes = sealed(&footer());
    let unreadable = Some(1500..1501);
    let file = FixedFile { unreadable, ..FixedFile::new(bytes.clone()) };
    assert_eq!(Footer::read(&file, IDENTITY).unwrap(), None);
    for failing_call in [Some(0), Some(1)] {
        let file = FixedFile { failing_call, ..FixedFile::new(bytes.clone()) };
        let error = Footer::read(&file, IDENTITY).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    }
}

/// A file that is only as large as it says.
struct Sparse {
    bytes: u64,
    back: [u8; 16],
}

impl DiskFile for Sparse {
    fn len(&self) -> std::io::Result<u64> {
        Ok(self.bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        assert_eq!(offset, self.bytes - 16, "no more is read than what says how much there is");
        buffer.copy_from_slice(&self.back);
        Ok(buffer.len())
    }

    fn write_at(&self, _: u64, _: &[std::io::IoSlice<'_>]) -> std::io::Result<()> {
        unreachable!()
    }

    fn set_len(&self, _: u64) -> std::io::Result<()> {
        unreachable!()
    }

    fn sync(&self) -> std::io::Result<()> {
        unreachable!()
    }
}

#[test]
fn a_footer_that_claims_to_be_huge_takes_no_memory() {
    let bytes = 1 << 40;
    for end in [1024, bytes - 56 - 16 * (MARKS_MAX as u64 + 1), 0, bytes, bytes - 57, u64::MAX] {
        let mut back = *b"eeeeeeeecccc\xFFTGE";
        back[..8].copy_from_slice(&end.to_le_bytes());
        assert_eq!(Footer::read(&Sparse { bytes, back }, IDENTITY).unwrap(), None, "{end}");
    }
}

#[test]
fn a_footer_without_records_is_one() {
    let footer = Footer { last: 6, totals: header().base, end: HEADER_BYTES, marks: vec![] };
    assert_eq!(read(sealed(&footer)), Some(footer));
}

#[test]
fn the_mark_before_a_sequence_is_the_last_one_that_is_not_behind_it() {
    let marks = [mark(7, 1024), mark(9, 1300), mark(20, 4000)];
    let default = mark(1, 1024);
    let cases = [(0, default), (6, default), (7, marks[0]), (8, marks[0]), (9, marks[1])];
    for (sequence, expected) in cases.into_iter().chain([(19, marks[1]), (u64::MAX, marks[2])]) {
        assert_eq!(mark_before(&marks, sequence, default), expected, "{sequence}");
    }
    assert_eq!(mark_before(&[], 5, default), default);
}

proptest! {
    #[test]
    fn headers_come_back(
        identity: u64,
        (first, certain) in (1..=u64::MAX).prop_flat_map(|first| (Just(first), 0..first)),
        created: i64,
        (tuples, accepted, rejected) in any::<(u64, u64, u64)>(),
    ) {
        let base = Totals { tuples, accepted, rejected };
        let header = Header { identity: Identity(identity), first, certain, created, base };
        prop_assert_eq!(Header::parse(&header.encode()), Ok(header));
    }

    #[test]
    fn footers_come_back(
        steps in proptest::collection::vec((1..100_u64, 1..100_u64), 0..50),
        (tuples, accepted, rejected) in any::<(u64, u64, u64)>(),
    ) {
        let mut at = mark(7, HEADER_BYTES);
        let mut marks = Vec::new();
        for (sequences, bytes) in steps {
            marks.push(at);
            at = mark(at.sequence + sequences, at.offset + bytes);
        }
        let totals = Totals { tuples, accepted, rejected };
        let footer = Footer { last: at.sequence, totals, end: at.offset, marks };
        prop_assert_eq!(read(sealed(&footer)), Some(footer));
    }
}
