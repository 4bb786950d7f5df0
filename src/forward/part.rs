//! The tuples of one request, and how they are cut into smaller requests: never inside a tuple, and
//! without copying one.

use std::sync::Arc;

use bytes::Bytes;
use memchr::{memchr_iter, memrchr};

use crate::metric::timestamp::Timestamp;
use crate::queue::Leased;

/// Between two tuples, within a piece as well as between pieces. A JSON string holds no raw newline,
/// so every newline is a separator's.
pub(super) const SEPARATOR: &[u8; 2] = b",\n";

/// Neighbouring tuples of one leased block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The source's name.
    pub source: Arc<str>,
    /// When its request was received.
    pub received: Timestamp,
    /// The record of its block ([`Leased::sequence`]).
    pub sequence: u64,
    /// The index of its first tuple in that record, from 0.
    pub first: u32,
    /// The tuples, joined by a comma and a newline; never empty.
    pub bytes: Bytes,
    /// How many, at least one.
    pub tuples: u32,
}

/// The tuples of one request, in order; never empty. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pieces: Arc<[Piece]>,
    tuples: u32,
    bytes: usize,
}

impl Part {
    /// Everything on loan, which is at least one block.
    pub fn of(blocks: &[Leased]) -> Self {
        blocks.iter().map(Piece::of).collect::<Open>().close()
    }

    /// How many tuples.
    pub fn tuples(&self) -> u32 {
        self.tuples
    }

    /// How many bytes they take in a body, the separators between pieces included.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What it is made of.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Both halves by number, the smaller one first; `None` when a tuple stands alone.
    pub fn halves(&self) -> Option<(Self, Self)> {
        (self.tuples > 1).then(|| self.cut(self.tuples / 2))
    }

    /// Two parts of about as many bytes each; `None` when a tuple stands alone.
    pub fn halves_by_bytes(&self) -> Option<(Self, Self)> {
        let fit = self.fitting(self.bytes / 2);
        (self.tuples > 1).then(|| self.cut(fit.clamp(1, self.tuples - 1)))
    }

    /// The same tuples in parts of at most `bytes_max` each, save that a tuple larger than that
    /// stands alone.
    pub fn within(self, bytes_max: usize) -> Vec<Self> {
        if self.bytes <= bytes_max {
            return vec![self];
        }
        let (mut parts, mut open) = (Vec::new(), Open::default());
        for piece in &*self.pieces {
            let mut piece = piece.clone();
            while let Some(rest) = open.fill(piece, bytes_max) {
                parts.push(std::mem::take(&mut open).close());
                piece = rest;
            }
        }
        parts.push(open.close());
        parts
    }

    /// How many of the first tuples take at most `bytes_max`.
    fn fitting(&self, bytes_max: usize) -> u32 {
        let (mut tuples, mut room) = (0, bytes_max);
        for piece in &*self.pieces {
            let fit = piece.fitting(room);
            tuples += fit;
            if fit < piece.tuples {
                break;
            }
            room = room.saturating_sub(piece.bytes.len() + SEPARATOR.len());
        }
        tuples
    }

    /// The first `tuples`, and the others; neither is empty.
    fn cut(&self, tuples: u32) -> (Self, Self) {
        debug_assert!(tuples > 0 && tuples < self.tuples);
        let (mut first, mut second) = (Open::default(), Open::default());
        for piece in &*self.pieces {
            match tuples - first.tuples {
                0 => second.push(piece.clone()),
                missing if missing >= piece.tuples => first.push(piece.clone()),
                missing => {
                    let (head, rest) = piece.cut(missing);
                    first.push(head);
                    second.push(rest);
                }
            }
        }
        (first.close(), second.close())
    }
}

impl From<Piece> for Part {
    fn from(piece: Piece) -> Self {
        std::iter::once(piece).collect::<Open>().close()
    }
}

impl Piece {
    fn of(leased: &Leased) -> Self {
        Self {
            source: Arc::clone(&leased.source),
            received: leased.received,
            sequence: leased.sequence,
            first: 0,
            bytes: leased.block.bytes.clone(),
            tuples: leased.block.tuples,
        }
    }

    /// How many of the first tuples take at most `bytes_max`.
    fn fitting(&self, bytes_max: usize) -> u32 {
        if self.bytes.len() <= bytes_max {
            return self.tuples;
        }
        // The last separator that begins within the room ends the last tuple that fits.
        let room = &self.bytes[..(bytes_max + SEPARATOR.len()).min(self.bytes.len())];
        let Some(end) = memrchr(b'\n', room) else { return 0 };
        memchr_iter(b'\n', &room[..=end]).count() as u32
    }

    /// The first `tuples`, and the others; neither is empty.
    fn cut(&self, tuples: u32) -> (Self, Self) {
        debug_assert!(tuples > 0 && tuples < self.tuples);
        let newline = memchr_iter(b'\n', &self.bytes).nth(tuples as usize - 1);
        let newline = newline.expect("a block has a separator between every two of its tuples");
        let head = Self { bytes: self.bytes.slice(..newline - 1), tuples, ..self.clone() };
        let rest = Self {
            bytes: self.bytes.slice(newline + 1..),
            first: self.first + tuples,
            tuples: self.tuples - tuples,
            ..self.clone()
        };
        (head, rest)
    }
}

/// A part that is being put together.
#[derive(Default)]
struct Open {
    pieces: Vec<Piece>,
    tuples: u32,
    bytes: usize,
}

impl Open {
    fn push(&mut self, piece: Piece) {
        self.bytes += self.separator() + piece.bytes.len();
        self.tuples += piece.tuples;
        self.pieces.push(piece);
    }

    /// Takes as much of `piece` as `bytes_max` leaves room for, but never nothing at all; gives back
    /// what was not taken.
    fn fill(&mut self, piece: Piece, bytes_max: usize) -> Option<Piece> {
        let room = bytes_max.saturating_sub(self.bytes + self.separator());
        let least = u32::from(self.pieces.is_empty());
        match piece.fitting(room).max(least) {
            0 => Some(piece),
            fit if fit >= piece.tuples => {
                self.push(piece);
                None
            }
            fit => {
                let (head, rest) = piece.cut(fit);
                self.push(head);
                Some(rest)
            }
        }
    }

    fn separator(&self) -> usize {
        if self.pieces.is_empty() { 0 } else { SEPARATOR.len() }
    }

    fn close(self) -> Part {
        assert!(!self.pieces.is_empty(), "a part has a tuple");
        Part { pieces: self.pieces.into(), tuples: self.tuples, bytes: self.bytes }
    }
}

impl FromIterator<Piece> for Open {
    fn from_iter<I: IntoIterator<Item = Piece>>(pieces: I) -> Self {
        let mut open = Self::default();
        pieces.into_iter().for_each(|piece| open.push(piece));
        open
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::encode::Block;

    /// Blocks by their tuples, numbered from 5; and the tuples with their names.
    fn lease(blocks: &[Vec<String>]) -> (Part, Vec<(u64, u32, String)>) {
        let leased = (5..).zip(blocks).map(|(sequence, tuples)| Leased {
            sequence,
            source: Arc::from("shop"),
            received: Timestamp::from_unix(sequence as i64, 0),
            block: Block { bytes: tuples.join(",\n").into(), tuples: tuples.len() as u32 },
        });
        let part = Part::of(&leased.collect::<Vec<_>>());
        let named = (5..).zip(blocks).flat_map(|(sequence, tuples)| {
            (0..).zip(tuples).map(move |(index, text)| (sequence, index, text.clone()))
        });
        (part, named.collect())
    }

    /// The tuples of parts, named; every part's own numbers are checked on the way.
    fn named<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Vec<(u64, u32, String)> {
        let mut all = Vec::new();
        for part in parts {
            let joined: Vec<_> = part.pieces().iter().map(|piece| &*piece.bytes).collect();
            assert_eq!(part.bytes(), joined.join(&SEPARATOR[..]).len());
            assert_eq!(part.tuples(), part.pieces().iter().map(|piece| piece.tuples).sum::<u32>());
            for piece in part.pieces() {
                let text = std::str::from_utf8(&piece.bytes).unwrap();
                let tuples: Vec<_> = text.split(",\n").map(str::to_owned).collect();
                assert_eq!(tuples.len(), piece.tuples as usize);
                assert_eq!(piece.received, Timestamp::from_unix(piece.sequence as i64, 0));
                let named = (piece.first..).zip(tuples);
                all.extend(named.map(|(index, text)| (piece.sequence, index, text)));
            }
        }
        all
    }

    fn blocks() -> impl Strategy<Value = Vec<Vec<String>>> {
        // Commas inside, as in tuples.
        let tuple = (0..30_usize).prop_map(|length| format!("[1,{}]", ",".repeat(length)));
        prop::collection::vec(prop::collection::vec(tuple, 1..20), 1..8)
    }

    proptest! {
        #[test]
        fn every_cut_keeps_every_tuple_its_name_and_its_place(blocks in blocks(), max in 0..900_usize) {
            let (part, expected) = lease(&blocks);
            prop_assert_eq!(named([&part]), &*expected);
            for halves in [part.halves(), part.halves_by_bytes()] {
                prop_assert_eq!(halves.is_some(), expected.len() > 1);
                if let Some((first, second)) = halves {
                    prop_assert_eq!(named([&first, &second]), &*expected);
                }
            }
            if let Some((first, second)) = part.halves() {
                prop_assert!(second.tuples() - first.tuples() <= 1);
            }
            if let Some((first, _)) = part.halves_by_bytes() {
                let next = &expected[first.tuples() as usize].2;
                let half = part.bytes() / 2;
                prop_assert!(first.tuples() == 1 || first.bytes() <= half);
                prop_assert!(first.bytes() + 2 + next.len() > half, "as much as fits");
            }
            let parts = part.within(max);
            prop_assert_eq!(named(&parts), &*expected);
            for pair in parts.windows(2) {
                let next = named([&pair[1]])[0].2.len();
                prop_assert!(pair[0].bytes() + 2 + next > max, "as few parts as possible");
            }
            prop_assert!(parts.iter().all(|part| part.bytes() <= max || part.tuples() == 1));
        }
    }

    #[test]
    fn cuts_are_slices_of_the_block() {
        let (part, _) = lease(&[vec!["[1]".to_owned(), "[2]".to_owned()]]);
        let (first, second) = part.halves().unwrap();
        let block = part.pieces()[0].bytes.as_ptr();
        assert_eq!(first.pieces()[0].bytes.as_ptr(), block);
        assert_eq!(second.pieces()[0].bytes.as_ptr(), block.wrapping_add(5));
    }
}
