//! Slots and files: golden bytes, damage, torn and failed writes.

use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex};

use super::super::super::disk::{Disk, DiskFile};
use super::*;

/// A file in memory of which writes and syncs can be made to fail.
#[derive(Default)]
struct Page {
    bytes: Mutex<Vec<u8>>,
    /// Bytes of the next write that get through, and then an error.
    torn_at: Mutex<Option<usize>>,
    /// Syncs that still succeed.
    syncs_left: Mutex<Option<u32>>,
    /// Reads at these offsets fail.
    unreadable: Mutex<Vec<u64>>,
}

impl DiskFile for Page {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if self.unreadable.lock().unwrap().contains(&offset) {
            return Err(io::Error::other("bad sector"));
        }
        let bytes = self.bytes.lock().unwrap();
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let torn_at = self.torn_at.lock().unwrap().take();
        let new: Vec<u8> = parts.iter().flat_map(|part| part.to_vec()).collect();
        let count = torn_at.unwrap_or(new.len()).min(new.len());
        let mut bytes = self.bytes.lock().unwrap();
        let end = offset as usize + count;
        let length = bytes.len().max(end);
        bytes.resize(length, 0);
        bytes[offset as usize..end].copy_from_slice(&new[..count]);
        if torn_at.is_some() { Err(io::Error::other("torn")) } else { Ok(()) }
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.bytes.lock().unwrap().resize(bytes as usize, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        match &mut *self.syncs_left.lock().unwrap() {
            Some(0) => Err(io::Error::other("no sync")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// A directory of at most one file.
#[derive(Default)]
struct Folder {
    page: Arc<Page>,
    names: Mutex<Vec<String>>,
    has_broken_sync: bool,
}

impl Disk for Folder {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.names.lock().unwrap().clone())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.names.lock().unwrap().push(name.to_owned());
        self.open(name)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        assert_eq!(self.names.lock().unwrap().as_slice(), [name]);
        Ok(Arc::clone(&self.page) as Arc<dyn DiskFile>)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut names = self.names.lock().unwrap();
        let index = names.iter().position(|known| known == name).ok_or(io::ErrorKind::NotFound)?;
        names.remove(index);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut names = self.names.lock().unwrap();
        let name = names.iter_mut().find(|known| *known == from).ok_or(io::ErrorKind::NotFound)?;
        to.clone_into(name);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if self.has_broken_sync { Err(io::Error::other("no sync")) } else { Ok(()) }
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(0)
    }
}

fn sample() -> Saved {
    let tally = Tally::of_classes([9, 8, 7, 6, 5, 4]);
    Saved {
        name: "default".to_owned(),
        generation: 0x0102_0304_0506_0708,
        began_at: 2,
        began_tuples: 10,
        replayed: 3,
        head: 40,
        certain: 39,
        totals: Totals { tuples: 500, accepted: 60, rejected: 7 },
        tally,
        max_backlog_bytes: 1 << 30,
        ranges: vec![(5, 9), (20, u64::MAX)],
        between: vec![Tally::of_classes([1, 2, 3, 4, 5, 0])],
    }
}

/// A save after which everything below `low` is done.
fn up_to(low: u64) -> Saved {
    Saved {
        began_at: 1,
        began_tuples: 0,
        ranges: vec![(low, u64::MAX)],
        between: vec![],
        ..sample()
    }
}

fn low(page: &Page) -> Result<u64, SlotsFault> {
    PositionFile::read(page).unwrap().map(|saved| saved.low())
}

/// A file that was saved with low 11 and then 22; 11 lies in the first slot.
fn file_of_two_saves() -> (Folder, PositionFile) {
    let folder = Folder::default();
    let mut file = PositionFile::blank(&folder, "a").unwrap();
    for low in [5, 11, 22] {
        file.write(&mut up_to(low)).unwrap();
    }
    (folder, file)
}

#[test]
fn a_slot_is_byte_for_byte_as_documented() {
    let bytes = sample().encode();
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    assert_eq!(bytes.len(), 8192);
    assert_eq!(bytes[..16], *b"\xFFTIDEPOS\x01\0\0\0\x01\0\0\0");
    assert_eq!(bytes[16..24], [8, 7, 6, 5, 4, 3, 2, 1]);
    let numbers: Vec<u64> = (24..136).step_by(8).map(number).collect();
    assert_eq!(numbers, [2, 10, 3, 40, 500, 60, 7, 9, 8, 7, 6, 5, 4, 1 << 30]);
    assert_eq!(bytes[136..144], *b"default\0");
    assert!(bytes[144..200].iter().all(|byte| *byte == 0));
    let numbers: Vec<u64> = (200..280).step_by(8).map(number).collect();
    assert_eq!(numbers, [5, 39, 10, 19, 1, 2, 3, 4, 5, 0]);
    assert!(bytes[280..8188].iter().all(|byte| *byte == 0));
    assert_eq!(bytes[8188..], crc32fast::hash(&bytes[..8188]).to_le_bytes());
    assert_eq!(bytes[8188..], 0x3E11_45FF_u32.to_le_bytes(), "CRC-32 as every other tool has it");
    assert_eq!(Saved::parse(&bytes), Ok(sample()));
}

#[test]
fn what_is_no_position_is_told_apart() {
    let sealed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = sample().encode();
        change(&mut bytes);
        bytes.truncate(8188);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes
    };
    let fixed = sample().encode();
    let cases = [
        (vec![], SlotFault::Blank),
        (vec![0; SLOT_BYTES], SlotFault::Blank),
        (fixed[..SLOT_BYTES - 1].to_vec(), SlotFault::Damaged),
        (fixed[..3].to_vec(), SlotFault::Foreign),
        (b"[receiver]\nurl".to_vec(), SlotFault::Foreign),
        ([&[0; 8], &fixed[8..]].concat(), SlotFault::Damaged),
        (sealed(&|bytes| bytes[8] = 2), SlotFault::Version(2)),
        (sealed(&|bytes| bytes[12] = 64), SlotFault::Damaged),
        (sealed(&|bytes| bytes[15] = 255), SlotFault::Damaged),
        (sealed(&|bytes| bytes[136] = b'/'), SlotFault::Damaged),
        (sealed(&|bytes| bytes[136] = 0xFF), SlotFault::Damaged),
        // Low behind the first done run, a run that ends before it begins, more in a run than in all.
        (sealed(&|bytes| bytes[200] = 10), SlotFault::Damaged),
        (sealed(&|bytes| bytes[224] = 8), SlotFault::Damaged),
        (sealed(&|bytes| bytes[232] = 10), SlotFault::Damaged),
        // More acknowledged than committed.
        (sealed(&|bytes| bytes[208] = 41), SlotFault::Damaged),
        // A destination that was at a sequence before it began.
        (sealed(&|bytes| bytes[24] = 6), SlotFault::Damaged),
    ];
    for (bytes, fault) in cases {
        let head = &bytes[..bytes.len().min(20)];
        assert_eq!(Saved::parse(&bytes), Err(fault), "{head:?}");
    }
}

#[test]
fn a_new_file_is_blank_and_its_first_save_fills_both_slots() {
    let folder = Folder::default();
    let mut file = PositionFile::blank(&folder, "a").unwrap();
    assert_eq!(folder.list().unwrap(), ["a.pos"]);
    assert_eq!(*folder.page.bytes.lock().unwrap(), vec![0; 2 * SLOT_BYTES]);
    assert_eq!(low(&folder.page), Err(SlotsFault::Blank));
    file.write(&mut up_to(5)).unwrap();
    let bytes = folder.page.bytes.lock().unwrap().clone();
    for slot in bytes.chunks(SLOT_BYTES) {
        assert_eq!(Saved::parse(slot).unwrap().low(), 5);
    }
}

#[test]
fn a_file_that_could_not_be_made_leaves_its_name_free() {
    let folder = Folder { has_broken_sync: true, ..Folder::default() };
    assert!(PositionFile::blank(&folder, "a").is_err());
    assert_eq!(folder.list().unwrap(), Vec::<String>::new());
}

#[test]
fn saves_alternate_and_the_newest_counts_also_after_reopening() {
    let (folder, _) = file_of_two_saves();
    for next in 23..30 {
        let (mut file, saved) = PositionFile::open(&folder, "a").unwrap().ok().unwrap();
        assert_eq!((saved.low(), saved.name.as_str()), (next - 1, "a"));
        let mut new = up_to(next);
        file.write(&mut new).unwrap();
        assert_eq!(new.generation, saved.generation + 1);
        let bytes = folder.page.bytes.lock().unwrap().clone();
        let lows = bytes.chunks(SLOT_BYTES).map(|slot| Saved::parse(slot).unwrap().low());
        let mut lows: Vec<u64> = lows.collect();
        lows.sort_unstable();
        assert_eq!(lows, [next - 1, next]);
    }
}

#[test]
fn any_changed_byte_of_a_slot_leaves_the_other_one() {
    let (folder, _) = file_of_two_saves();
    for at in 0..2 * SLOT_BYTES {
        folder.page.bytes.lock().unwrap()[at] ^= 0x55;
        let (_, saved) = PositionFile::open(&folder, "a").unwrap().ok().unwrap();
        assert_eq!(saved.low(), if at < SLOT_BYTES { 22 } else { 11 }, "byte {at}");
        folder.page.bytes.lock().unwrap()[at] ^= 0x55;
    }
}

#[test]
fn damage_in_both_slots_is_reported_and_never_guessed_over() {
    let cases: [(&[usize], SlotsFault); 5] = [
        (&[100, SLOT_BYTES + 300], SlotsFault::Damaged),
        (&[0, SLOT_BYTES + 300], SlotsFault::Damaged),
        (&[SLOT_BYTES - 1, 2 * SLOT_BYTES - 1], SlotsFault::Damaged),
        (&[9, SLOT_BYTES + 9], SlotsFault::Damaged),
        (&[0, SLOT_BYTES], SlotsFault::Foreign),
    ];
    for (places, fault) in cases {
        let (folder, _) = file_of_two_saves();
        for at in places {
            folder.page.bytes.lock().unwrap()[*at] ^= 1;
        }
        assert_eq!(low(&folder.page), Err(fault), "{places:?}");
    }
}

#[test]
fn another_version_in_either_slot_is_refused() {
    for slot in [0, SLOT_BYTES] {
        let (folder, _) = file_of_two_saves();
        let mut bytes = folder.page.bytes.lock().unwrap();
        bytes[slot + 8] = 7;
        let sum = crc32fast::hash(&bytes[slot..slot + SLOT_BYTES - 4]);
        bytes[slot + SLOT_BYTES - 4..slot + SLOT_BYTES].copy_from_slice(&sum.to_le_bytes());
        drop(bytes);
        assert_eq!(low(&folder.page), Err(SlotsFault::Version(7)));
    }
}

#[test]
fn a_torn_save_leaves_the_one_before_and_the_next_goes_to_the_same_slot() {
    for torn_at in (0..SLOT_BYTES).step_by(64) {
        let (folder, mut file) = file_of_two_saves();
        *folder.page.torn_at.lock().unwrap() = Some(torn_at);
        assert!(file.write(&mut up_to(33)).is_err());
        assert_eq!(low(&folder.page), Ok(22), "torn at {torn_at}");
        *folder.page.torn_at.lock().unwrap() = Some(torn_at);
        assert!(file.write(&mut up_to(34)).is_err());
        assert_eq!(low(&folder.page), Ok(22), "torn twice at {torn_at}");
        file.write(&mut up_to(35)).unwrap();
        assert_eq!(low(&folder.page), Ok(35));
    }
}

#[test]
fn a_save_that_was_not_synced_is_written_again_in_its_place() {
    let (folder, mut file) = file_of_two_saves();
    let good = folder.page.bytes.lock().unwrap()[SLOT_BYTES..].to_vec();
    *folder.page.syncs_left.lock().unwrap() = Some(0);
    for low in [33, 34] {
        assert!(file.write(&mut up_to(low)).is_err());
        assert_eq!(folder.page.bytes.lock().unwrap()[SLOT_BYTES..], good);
    }
}

#[test]
fn a_first_save_cut_short_anywhere_is_a_file_never_finished_or_that_save() {
    for syncs in [0, 1] {
        let folder = Folder::default();
        let mut file = PositionFile::blank(&folder, "a").unwrap();
        *folder.page.syncs_left.lock().unwrap() = Some(syncs);
        assert!(file.write(&mut up_to(5)).is_err());
        assert_eq!(low(&folder.page), Ok(5));
    }
    for torn_at in (0..SLOT_BYTES).step_by(64) {
        let folder = Folder::default();
        let mut file = PositionFile::blank(&folder, "a").unwrap();
        *folder.page.torn_at.lock().unwrap() = Some(torn_at);
        assert!(file.write(&mut up_to(5)).is_err());
        assert_eq!(low(&folder.page), Err(SlotsFault::Blank), "torn at {torn_at}");
    }
}

#[test]
fn an_unreadable_slot_leaves_the_other_one_and_two_are_an_error() {
    let (folder, _) = file_of_two_saves();
    folder.page.unreadable.lock().unwrap().push(SLOT_BYTES as u64);
    assert_eq!(low(&folder.page), Ok(11));
    folder.page.unreadable.lock().unwrap().push(0);
    assert!(PositionFile::read(&*folder.page).is_err());
}

#[test]
fn only_what_both_slots_have_passed_may_be_deleted() {
    let (folder, mut file) = file_of_two_saves();
    assert!(file.is_past(1, 10) && !file.is_past(1, 11));
    let (reopened, _) = PositionFile::open(&folder, "a").unwrap().ok().unwrap();
    assert!(reopened.is_past(1, 10) && !reopened.is_past(1, 11));
    *folder.page.torn_at.lock().unwrap() = Some(100);
    assert!(file.write(&mut up_to(33)).is_err());
    assert!(!file.is_past(1, 1), "one slot is not known");
    file.write(&mut up_to(33)).unwrap();
    assert!(file.is_past(1, 21) && !file.is_past(1, 22));
}

#[test]
fn a_position_that_could_not_be_read_again_is_not_saved() {
    let (folder, mut file) = file_of_two_saves();
    let mut unsound = Saved { ranges: vec![(5, 9)], ..up_to(5) };
    assert_eq!(file.write(&mut unsound).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert_eq!(low(&folder.page), Ok(22));
}

#[test]
fn file_names_are_the_destinations() {
    assert_eq!(file_name("a.b-C_9"), "a.b-C_9.pos");
    let long = "x".repeat(65) + ".pos";
    let cases = [
        ("default.pos", Some("default")),
        (".pos.pos", Some(".pos")),
        ("00000000000000000001-0.seg", None),
        (".pos", None),
        ("a b.pos", None),
        ("default.pos.damaged", None),
        (&long, None),
    ];
    for (name, destination) in cases {
        assert_eq!(destination_of(name), destination, "{name}");
    }
}
