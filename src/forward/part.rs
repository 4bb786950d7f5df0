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
