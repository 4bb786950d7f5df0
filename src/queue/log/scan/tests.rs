//! What is found in a segment that is whole, cut, flipped, overwritten, hostile or unreadable.

use std::ops::Range;
use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::super::super::Totals;
use super::super::disk::fixed::FixedFile;
use super::super::record::FIXED_BYTES;
use super::super::segment::HEADER_BYTES;
use super::*;
use crate::metric::timestamp::Timestamp;

mod hostile;
mod medium;

const IDENTITY: Identity = Identity(0xA5A5_0F0F_1234_5678);
/// Where the small log begins, as in a segment.
const START: Mark = Mark { sequence: 41, offset: HEADER_BYTES };
/// Small enough to have records lie across several reads, and large enough for all of them.
const CHUNKS: [usize; 3] = [64, 700, CHUNK_BYTES];

/// A log and where its records lie.
struct Log {
    bytes: Vec<u8>,
    records: Vec<(Head, Range<usize>)>,
}

impl Log {
    fn new() -> Self {
        Self { bytes: vec![b'#'; START.offset as usize], records: Vec::new() }
    }

    /// Eight records of different shapes.
    fn small() -> Self {
        let mut log = Self::new();
        let sizes = [1, 40, 300, 2, 120, 77, 1, 200];
        for (at, bytes) in sizes.into_iter().enumerate() {
            log.push(bytes, (at % 3 == 1).then_some("spare"));
        }
        log
    }

    fn push(&mut self, body_bytes: usize, target: Option<&str>) {
        let sequence = START.sequence + self.records.len() as u64;
        let before = self.records.last().map_or(1000, |(head, _)| head.totals.tuples);
        let tuples = 1 + (sequence % 5) as u32;
        let counted = if target.is_none() { u64::from(tuples) } else { 0 };
        let head = Head {
            sequence,
            committed: sequence - 1,
            continues: sequence.is_multiple_of(2),
            resumes: sequence.is_multiple_of(3),
            source: "s".repeat(1 + sequence as usize % 7).into(),
            target: target.map(Into::into),
            received: Timestamp::from_unix(sequence as i64, 0),
            body_bytes: body_bytes as u32,
            tuples,
            totals: Totals { tuples: before + counted, accepted: sequence, rejected: 0 },
        };
        self.push_head(head);
    }

    fn push_head(&mut self, head: Head) {
        let start = self.bytes.len();
        put(&head, IDENTITY, &mut self.bytes);
        self.records.push((head, start..self.bytes.len()));
    }

    fn end(&self) -> usize {
        self.records.last().map_or(START.offset as usize, |(_, place)| place.end)
    }
}

/// A body tells its sequence, so that a body in the wrong place is seen.
fn body_of(head: &Head) -> Vec<u8> {
    let digits = head.sequence.to_string();
    digits.bytes().cycle().take(head.body_bytes as usize).collect()
}

fn put(head: &Head, identity: Identity, into: &mut Vec<u8>) {
    let body = body_of(head);
    head.encode(identity, &body, into);
    into.extend_from_slice(&body);
}

/// All pieces; holds them against what is true of every scan.
fn scan(file: &FixedFile, chunk_bytes: usize) -> Vec<Piece> {
    let limit = file.bytes.len() as u64;
    let mut scanner = Scanner::with_chunk(file, IDENTITY, START, limit, chunk_bytes);
    let mut pieces = Vec::new();
    while let Some(piece) = scanner.next().unwrap() {
        pieces.push(piece);
    }
    assert!(scanner.next().unwrap().is_none(), "a tail is the end");
    check(&pieces, limit.max(START.offset));
    pieces
}

fn check(pieces: &[Piece], limit: u64) {
    let mut at = START;
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Record(Record { head, offset, body }) => {
                assert_eq!(Mark { sequence: head.sequence, offset: *offset }, at);
                assert_eq!(*body, body_of(head));
                at = Mark { sequence: at.sequence + 1, offset: offset + head.record_bytes() };
            }
            Piece::Damage(damage) => {
                assert_eq!(Mark { sequence: damage.expected, offset: damage.offset }, at);
                assert!(damage.next >= at.sequence);
                let missing = at.sequence..damage.next;
                assert!(damage.heads.iter().all(|head| missing.contains(&head.sequence)));
                assert!(damage.heads.is_sorted_by_key(|head| head.sequence));
                at = Mark { sequence: damage.next, offset: at.offset + damage.bytes };
                assert!(
                    matches!(pieces[index + 1], Piece::Record(_)),
                    "damage lies before a record"
                );
            }
            Piece::Tail(tail) => {
                assert_eq!(tail.offset, at.offset);
                assert_eq!(tail.offset + tail.bytes, limit);
                assert_eq!(index + 1, pieces.len());
            }
        }
    }
    assert!(matches!(pieces.last(), Some(Piece::Tail(_))));
}

fn heads(pieces: &[Piece]) -> Vec<Head> {
    let head = |piece: &Piece| match piece {
        Piece::Record(record) => Some(record.head.clone()),
        _ => None,
    };
    pieces.iter().filter_map(head).collect()
}

fn damages(pieces: &[Piece]) -> Vec<Damage> {
    let damage = |piece: &Piece| match piece {
        Piece::Damage(damage) => Some(damage.clone()),
        _ => None,
    };
    pieces.iter().filter_map(damage).collect()
}

fn tail(pieces: &[Piece]) -> Tail {
    match pieces.last() {
        Some(Piece::Tail(tail)) => tail.clone(),
        other => panic!("no tail but {other:?}"),
    }
}

/// Scans and expects the records with the given indices, and nothing else.
fn expect(log: &Log, bytes: &[u8], chunk_bytes: usize, indices: &[usize]) -> Vec<Piece> {
    let pieces = scan(&FixedFile::new(bytes), chunk_bytes);
    let expected: Vec<_> = indices.iter().map(|index| log.records[*index].0.clone()).collect();
    assert_eq!(heads(&pieces), expected, "chunks of {chunk_bytes}");
    pieces
}

#[test]
fn a_whole_log_is_read_whole() {
    let log = Log::small();
    for chunk_bytes in CHUNKS {
        let pieces = expect(&log, &log.bytes, chunk_bytes, &[0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(damages(&pieces), []);
        let offset = log.end() as u64;
        assert_eq!(tail(&pieces), Tail { offset, bytes: 0, kind: TailKind::Clean, heads: vec![] });
    }
}

#[test]
fn a_flipped_byte_costs_the_record_it_lies_in_and_no_other() {
    let log = Log::small();
    let last = log.records.len() - 1;
    for (index, (head, place)) in log.records.iter().enumerate() {
        let others: Vec<_> = (0..=last).filter(|other| *other != index).collect();
        for at in place.clone() {
            for (flip, chunk_bytes) in [(1, 64), (0xFF, CHUNK_BYTES)] {
                let mut bytes = log.bytes.clone();
                bytes[at] ^= flip;
                let pieces = expect(&log, &bytes, chunk_bytes, &others);
                let is_body = at >= place.start + head.head_bytes();
                let heads = if is_body { vec![head.clone()] } else { vec![] };
                let (offset, bytes) = (place.start as u64, place.len() as u64);
                if index == last {
                    let kind = TailKind::Torn;
                    assert_eq!(tail(&pieces), Tail { offset, bytes, kind, heads }, "byte {at}");
                    continue;
                }
                let damage = Damage {
                    offset,
                    bytes,
                    expected: head.sequence,
                    next: head.sequence + 1,
                    tuples_before_next: head.totals.tuples,
                    heads,
                };
                assert_eq!(damages(&pieces), [damage], "byte {at}");
                assert_eq!(tail(&pieces).kind, TailKind::Clean);
            }
        }
    }
}

#[test]
fn a_cut_log_gives_every_record_that_ends_before_the_cut() {
    let log = Log::small();
    for cut in START.offset as usize..log.bytes.len() {
        let whole: Vec<_> =
            (0..log.records.len()).take_while(|index| log.records[*index].1.end <= cut).collect();
        let (head, place) = &log.records[whole.len()];
        for chunk_bytes in CHUNKS {
            let pieces = expect(&log, &log.bytes[..cut], chunk_bytes, &whole);
            assert_eq!(damages(&pieces), []);
            let tail = tail(&pieces);
            assert_eq!(tail.offset, place.start as u64);
            assert_eq!(tail.kind == TailKind::Clean, cut == place.start, "cut at {cut}");
            let is_head_whole = cut >= place.start + head.head_bytes();
            let heads = if is_head_whole { vec![head.clone()] } else { vec![] };
            assert_eq!(tail.heads, heads, "cut at {cut}");
        }
    }
}

#[test]
fn the_limit_ends_a_log_as_the_end_of_its_file_does() {
    let log = Log::small();
    let file = FixedFile::new(log.bytes.clone());
    let place = log.records[3].1.clone();
    for (limit, kind) in [(place.start, TailKind::Clean), (place.end - 1, TailKind::Torn)] {
        let mut scanner = Scanner::new(&file, IDENTITY, START, limit as u64);
        let mut pieces = Vec::new();
        while let Some(piece) = scanner.next().unwrap() {
            pieces.push(piece);
        }
        check(&pieces, limit as u64);
        assert_eq!(heads(&pieces).len(), 3);
        assert_eq!(tail(&pieces).kind, kind);
    }
    let mut scanner = Scanner::new(&file, IDENTITY, START, u64::MAX);
    let mut pieces = Vec::new();
    while let Some(piece) = scanner.next().unwrap() {
        pieces.push(piece);
    }
    check(&pieces, log.bytes.len() as u64);
    assert_eq!(heads(&pieces).len(), 8);
}

#[test]
fn a_limit_before_the_start_leaves_an_empty_tail() {
    let file = FixedFile::new([0; 100]);
    let pieces = scan(&file, CHUNK_BYTES);
    let expected = Tail { offset: START.offset, bytes: 0, kind: TailKind::Clean, heads: vec![] };
    assert_eq!(tail(&pieces), expected);
    assert_eq!(pieces.len(), 1);
}

#[test]
fn a_scan_may_begin_at_any_record() {
    let log = Log::small();
    let file = FixedFile::new(log.bytes.clone());
    for (index, (head, place)) in log.records.iter().enumerate() {
        let from = Mark { sequence: head.sequence, offset: place.start as u64 };
        let mut scanner = Scanner::new(&file, IDENTITY, from, log.end() as u64);
        for (expected, _) in &log.records[index..] {
            assert!(
                matches!(scanner.next().unwrap(), Some(Piece::Record(r)) if r.head == *expected)
            );
        }
        assert!(matches!(scanner.next().unwrap(), Some(Piece::Tail(_))));
    }
}

#[test]
fn reserved_space_is_a_clean_tail_until_something_is_written_to_it() {
    let log = Log::small();
    let mut bytes = log.bytes.clone();
    bytes.resize(log.end() + 5000, 0);
    for chunk_bytes in CHUNKS {
        let pieces = scan(&FixedFile::new(bytes.clone()), chunk_bytes);
        assert_eq!(tail(&pieces).kind, TailKind::Clean);
        assert_eq!(tail(&pieces).bytes, 5000);
        for at in [0, 1, 63, 64, 2500, 4999] {
            let mut bytes = bytes.clone();
            bytes[log.end() + at] = 1;
            let pieces = scan(&FixedFile::new(bytes), chunk_bytes);
            assert_eq!(tail(&pieces).kind, TailKind::Torn, "{at}");
            assert_eq!(tail(&pieces).offset, log.end() as u64);
        }
    }
}

#[test]
fn several_records_lost_in_one_stretch_are_told_with_the_bodies_whose_heads_remain() {
    let log = Log::small();
    let mut bytes = log.bytes.clone();
    let [(one, lost), (_, gone), (three, half)] = &log.records[2..5] else { unreachable!() };
    bytes[lost.end - 1] ^= 1;
    bytes[gone.clone()].fill(0);
    bytes[half.end - 1] ^= 1;
    for chunk_bytes in CHUNKS {
        let pieces = expect(&log, &bytes, chunk_bytes, &[0, 1, 5, 6, 7]);
        let damage = Damage {
            offset: lost.start as u64,
            bytes: (half.end - lost.start) as u64,
            expected: one.sequence,
            next: three.sequence + 1,
            tuples_before_next: log.records[5].0.tuples_before(),
            heads: vec![one.clone(), three.clone()],
        };
        assert_eq!(damages(&pieces), [damage]);
    }
}

#[test]
fn a_record_larger_than_a_chunk_is_read_whole() {
    let mut log = Log::new();
    for body_bytes in [3 << 20, 5, 1 << 20, 5] {
        log.push(body_bytes, None);
    }
    let file = FixedFile::new(log.bytes.clone());
    let pieces = scan(&file, CHUNK_BYTES);
    assert_eq!(heads(&pieces).len(), 4);
    assert_eq!(file.bytes_read.into_inner(), (log.end() as u64) - START.offset, "and once");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    #[test]
    fn overwritten_stretches_cost_the_records_they_touch_and_no_other(
        sizes in proptest::collection::vec(1..400_usize, 1..30),
        stretches in proptest::collection::vec((0..8000_usize, 1..500_usize, 0..4_u8), 0..5),
        chunk_bytes in 1..3000_usize,
    ) {
        let mut log = Log::new();
        for bytes in sizes {
            log.push(bytes, None);
        }
        let mut bytes = log.bytes.clone();
        let mut touched = vec![false; log.records.len()];
        for (at, length, filler) in stretches {
            let start = (START.offset as usize + at).min(bytes.len());
            let end = (start + length).min(bytes.len());
            for (index, byte) in bytes[start..end].iter_mut().enumerate() {
                *byte = match filler { 0 => 0, 1 => MAGIC[index % 4], 2 => 0xFF, _ => !*byte };
            }
            for (index, (_, place)) in log.records.iter().enumerate() {
                touched[index] |= place.start < end && start < place.end;
            }
        }
        // Two stretches may have restored what was there.
        let whole: Vec<_> = (0..log.records.len())
            .filter(|index| {
                let place = log.records[*index].1.clone();
                !touched[*index] || bytes[place.clone()] == log.bytes[place]
            })
            .collect();
        expect(&log, &bytes, chunk_bytes, &whole);
    }
}
