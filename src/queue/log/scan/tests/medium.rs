//! A disk that cannot read what it holds.

use super::*;

/// Twenty records of about a kilobyte: five pages and something.
fn large() -> Log {
    let mut log = Log::new();
    for _ in 0..20 {
        log.push(1000, None);
    }
    log
}

#[test]
fn an_unreadable_page_costs_the_records_in_it() {
    let log = large();
    // What the medium lost, and the pages of the log that go with it.
    let cases = [
        (4096..8192, 4096..8192),
        (4096..12288, 4096..12288),
        (5000..5001, 4096..8192),
        (1024..1025, 1024..4096),
        (0..1, 0..0),
    ];
    for (unreadable, lost) in cases {
        let file =
            FixedFile { unreadable: Some(unreadable.clone()), ..FixedFile::new(log.bytes.clone()) };
        let is_there = |place: &Range<usize>| place.end <= lost.start || lost.end <= place.start;
        let expected: Vec<_> = log
            .records
            .iter()
            .filter(|(_, place)| is_there(place))
            .map(|(head, _)| head.clone())
            .collect();
        assert_eq!(heads(&scan(&file, CHUNK_BYTES)), expected, "{unreadable:?}");
        for chunk_bytes in CHUNKS {
            let found = heads(&scan(&file, chunk_bytes));
            assert!(expected.iter().all(|head| found.contains(head)), "{unreadable:?}");
        }
    }
}

#[test]
fn an_unreadable_tail_is_torn_though_it_looks_like_zeros() {
    let log = large();
    let mut bytes = log.bytes.clone();
    bytes.resize(16 * 4096, 0);
    let file = FixedFile::new(bytes);
    assert_eq!(tail(&scan(&file, CHUNK_BYTES)).kind, TailKind::Clean);
    let file = FixedFile { unreadable: Some(14 * 4096..14 * 4096 + 1), ..file };
    let pieces = scan(&file, CHUNK_BYTES);
    assert_eq!(tail(&pieces).kind, TailKind::Torn);
    assert_eq!(tail(&pieces).offset, log.end() as u64);
    assert_eq!(heads(&pieces).len(), log.records.len());
}

#[test]
fn a_page_lost_between_records_leaves_the_tail_clean() {
    let log = large();
    let file = FixedFile { unreadable: Some(4096..8192), ..FixedFile::new(log.bytes.clone()) };
    assert_eq!(tail(&scan(&file, CHUNK_BYTES)).kind, TailKind::Clean);
}

#[test]
fn a_disk_that_can_read_nothing_is_asked_once_a_page() {
    let file = FixedFile { unreadable: Some(0..u64::MAX), ..FixedFile::new(vec![1; 1 << 20]) };
    let tail = tail(&scan(&file, CHUNK_BYTES));
    assert_eq!((tail.kind, tail.bytes), (TailKind::Torn, (1 << 20) - START.offset));
    assert_eq!(file.calls.into_inner(), 1 + (1 << 20) / 4096);
}

#[test]
fn an_error_that_passes_is_returned_and_the_scan_goes_on_where_it_was() {
    let mut log = Log::small();
    // A head worth finding again, and many reads until the next record.
    let [(_, one), _, (_, other)] = &log.records[2..5] else { unreachable!() };
    log.bytes[one.end - 1..other.end].fill(1);
    log.bytes.splice(other.end..other.end, [1; 900]);
    let undisturbed = FixedFile::new(log.bytes.clone());
    let expected = format!("{:?}", scan(&undisturbed, 64));
    for failing_call in 0..undisturbed.calls.into_inner() {
        let file =
            FixedFile { failing_call: Some(failing_call), ..FixedFile::new(log.bytes.clone()) };
        let mut scanner = Scanner::with_chunk(&file, IDENTITY, START, u64::MAX, 64);
        let (mut pieces, mut errors) = (Vec::new(), 0);
        loop {
            match scanner.next() {
                Ok(Some(piece)) => pieces.push(piece),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                    errors += 1;
                }
            }
        }
        assert_eq!(errors, 1, "call {failing_call}");
        assert_eq!(format!("{pieces:?}"), expected, "call {failing_call}");
    }
}

#[test]
fn what_an_earlier_scan_has_read_does_not_stand_in_for_what_the_disk_cannot_read() {
    let mut log = Log::new();
    for _ in 0..400 {
        log.push(2000, None);
    }
    let pool = Arc::new(Pool::default());
    let scan = |file: &FixedFile| {
        let mut scanner = Scanner::new(file, IDENTITY, START, u64::MAX);
        scanner.read_into(&pool);
        let mut pieces = Vec::new();
        while let Some(piece) = scanner.next().unwrap() {
            pieces.push(piece);
        }
        heads(&pieces)
    };
    let file = FixedFile::new(log.bytes.clone());
    assert_eq!(scan(&file).len(), 400);
    let unreadable: Range<usize> = 40 * 4096..41 * 4096;
    let file = FixedFile { unreadable: Some(40 * 4096..41 * 4096), ..file };
    let is_there =
        |place: &Range<usize>| place.end <= unreadable.start || unreadable.end <= place.start;
    let left = log.records.iter().filter(|(_, place)| is_there(place)).count();
    assert_eq!(scan(&file).len(), left);
    assert!(left < 400);
}
