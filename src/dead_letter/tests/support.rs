//! Dead letters on a simulated disk, and numbered letters for them.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::super::folder::Folder;
use super::super::index::Index;
use super::super::{DeadLetters, Letter};
use crate::metric::timestamp::Timestamp;
use crate::queue::log::disk::Disk;
use crate::queue::log::disk::sim::SimDisk;

pub(super) const RECEIVER: &str = "default";

pub(super) const CAP: u64 = 64 << 20;

/// A simulated disk as the directory.
pub(super) struct SimFolder(Arc<dyn Disk>);

impl SimFolder {
    pub(super) fn of(disk: &SimDisk) -> Self {
        Self(disk.handle())
    }

    pub(super) fn over(disk: Arc<dyn Disk>) -> Self {
        Self(disk)
    }
}

impl Folder for SimFolder {
    fn look(&self) -> io::Result<Option<Arc<dyn Disk>>> {
        Ok(Some(Arc::clone(&self.0)))
    }

    fn make(&self) -> Result<Arc<dyn Disk>, String> {
        Ok(Arc::clone(&self.0))
    }
}

pub(super) fn open_capped(disk: Arc<dyn Disk>, max_bytes: u64) -> DeadLetters {
    DeadLetters::over(Arc::new(SimFolder(disk)), RECEIVER, max_bytes).unwrap()
}

pub(super) fn open(disk: &SimDisk) -> DeadLetters {
    open_capped(disk.handle(), CAP)
}

/// Refused with 400 at `number` seconds, of one of three sources.
pub(super) fn letter(number: u64) -> Letter {
    Letter {
        sequence: number / 4,
        index: (number % 4) as u32,
        received: Timestamp::from_unix(1_700_000_000, 7),
        source: Arc::from(["checkout", "search", "cart"][number as usize % 3]),
        at: Timestamp::from_unix(1_700_000_000 + number as i64, 5),
        status: 400,
        answer: Arc::from("no such type"),
        tuple: Bytes::from(format!("[\"m{number}\",1,1.0,{{}}]")),
    }
}

pub(super) fn letters(numbers: impl IntoIterator<Item = u64>) -> Vec<Letter> {
    numbers.into_iter().map(letter).collect()
}

pub(super) fn number(tuple: &[u8]) -> u64 {
    let text = str::from_utf8(tuple).unwrap().strip_prefix("[\"m").unwrap();
    text.split('"').next().unwrap().parse().unwrap()
}

/// What is listed, in order.
pub(super) fn listed(disk: &dyn Disk) -> Vec<u64> {
    let mut seen = Vec::new();
    Index::read(disk, &mut |_, placed| {
        let number = number(&placed.letter.tuple);
        assert_eq!(placed.letter, letter(number));
        seen.push(number);
        Ok(())
    })
    .unwrap();
    seen
}
