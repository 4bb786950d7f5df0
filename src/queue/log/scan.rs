//! Reading a segment's records forward, over damage.
//!
//! Linear in the bytes scanned, whatever they are: every byte is read once, the search for a head only
//! moves forward, and a body is looked at only where an intact head with a plausible sequence asks for
//! it, which moves the search behind that body. Memory is one record and one chunk.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use memchr::memmem;

use super::disk::DiskFile;
use super::record::{HEAD_BYTES_MAX, Head, Identity, MAGIC, RECORD_BYTES_MIN, parse_head};
use super::segment::Mark;

mod pool;
#[cfg(test)]
mod tests;
mod window;

pub(super) use pool::Pool;
pub(super) use window::CHUNK_BYTES;
pub use window::Medium;
use window::Window;

/// Most heads that a [`Damage`] or a [`Tail`] lists: of more, the first ones and the very last.
pub const HEADS_MAX: usize = 4096;

/// Reads the records of one segment in order.
pub struct Scanner<'f> {
    window: Window<'f>,
    finder: memmem::Finder<'static>,
    identity: Identity,
    /// Where the next piece begins, and the sequence of the record that should.
    next: Mark,
    /// A record found behind damage that was returned first.
    found: Option<Record>,
    is_over: bool,
}

/// What lies in a segment. Pieces lie one directly behind the other; the last one is a tail.
#[derive(Clone, Debug)]
pub enum Piece {
    /// An intact record.
    Record(Record),
    /// No record, but one follows.
    Damage(Damage),
    /// No record, and none follows.
    Tail(Tail),
}

/// An intact record.
#[derive(Clone, Debug)]
pub struct Record {
    /// What it says about itself.
    pub head: Head,
    /// Where it begins.
    pub offset: u64,
    /// Its body. A slice of what was read in one go: it keeps up to a chunk or a record of memory.
    pub body: Bytes,
}

/// A stretch in which records are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it begins.
    pub offset: u64,
    /// How long it is. 0 where a sequence is missing between two neighbours.
    pub bytes: u64,
    /// The first sequence that is missing.
    pub expected: u64,
    /// The sequence of the intact record behind it; all from `expected` up to it are missing.
    pub next: u64,
    /// Total tuples before that record.
    pub tuples_before_next: u64,
    /// Those of the missing records of which only the body is damaged, rising; at most [`HEADS_MAX`].
    pub heads: Vec<Head>,
}

/// What lies behind the last intact record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Where it begins: where the last intact record ends.
    pub offset: u64,
    /// How long it is; 0 where the records reach to the end.
    pub bytes: u64,
    /// Whether anything was written there.
    pub kind: TailKind,
    /// Intact heads whose bodies are damaged or cut off, rising; at most [`HEADS_MAX`].
    pub heads: Vec<Head>,
}

/// What a tail is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailKind {
    /// Nothing, or zeros: space that was reserved and not used.
    Clean,
    /// Something that is no intact record, or that cannot be read.
    Torn,
}

/// What begins at an offset.
enum Look {
    Whole(Head, Bytes),
    /// The body does not belong to the head, or the end cuts it off.
    Broken(Head),
    Nothing,
}

/// What a search has passed so far without finding a record.
struct Passed {
    /// The next place to look at, and the lowest sequence that may stand there.
    mark: Mark,
    /// From where on the records up to that sequence can lie.
    since: u64,
    kind: TailKind,
    heads: Vec<Head>,
}

impl<'f> Scanner<'f> {
    /// Reads from the record that begins at `from` up to `limit` or the end of the file. A record that
    /// begins before the limit and ends behind it counts as cut off.
    pub fn new(file: &'f dyn DiskFile, identity: Identity, from: Mark, limit: u64) -> Self {
        Self::with_chunk(file, identity, from, limit, CHUNK_BYTES)
    }

    /// [`Self::new`] with another number of bytes to read in one go, for those who want few records.
    pub fn with_chunk(
        file: &'f dyn DiskFile,
        identity: Identity,
        from: Mark,
        limit: u64,
        chunk_bytes: usize,
    ) -> Self {
        Self {
            window: Window::new(file, from.offset, limit, chunk_bytes),
            finder: memmem::Finder::new(&MAGIC),
            identity,
            next: from,
            found: None,
            is_over: false,
        }
    }

    /// Takes another view of bytes that the disk cannot read; they are damage otherwise.
    pub fn take_the_unreadable_for(&mut self, medium: Medium) {
        self.window.take_for(medium);
    }

    /// Reads into these buffers, which others use as well.
    pub(super) fn read_into(&mut self, pool: &Arc<Pool>) {
        self.window.read_into(Arc::clone(pool));
    }

    /// Begins with what was read before from where it begins.
    pub(super) fn begin_with(&mut self, bytes: Bytes) {
        self.window.begin_with(bytes);
    }

    /// What the scan has read from `offset` on, for the next one.
    pub(super) fn ahead(&self, offset: u64) -> Bytes {
        self.window.ahead(offset)
    }

    /// The next piece; `None` once the tail was returned. Bytes that the disk cannot read are damage;
    /// any other error is returned, and the same piece is tried again by the next call.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator of results could go on behind one"
    )]
    pub fn next(&mut self) -> io::Result<Option<Piece>> {
        if let Some(record) = self.found.take() {
            return Ok(Some(self.advance(record)));
        }
        if self.is_over {
            return Ok(None);
        }
        let mut passed = Passed::new(self.next);
        while let Some(at) = self.find(&mut passed)? {
            passed.mark.offset = at;
            match self.look(&passed)? {
                Look::Whole(head, body) => {
                    let record = Record { head, offset: at, body };
                    return Ok(Some(self.arrive(record, passed)));
                }
                Look::Broken(head) => passed.skip_broken(head, self.window.limit()),
                Look::Nothing => passed.skip_magic(),
            }
        }
        self.is_over = true;
        let offset = self.next.offset;
        if self.window.unreadable_end() > offset {
            passed.kind = TailKind::Torn;
        }
        let bytes = self.window.limit().saturating_sub(offset);
        Ok(Some(Piece::Tail(Tail { offset, bytes, kind: passed.kind, heads: passed.heads })))
    }

    /// An intact record was found: it comes next, or the damage before it does.
    fn arrive(&mut self, record: Record, passed: Passed) -> Piece {
        if record.offset == self.next.offset && record.head.sequence == self.next.sequence {
            return self.advance(record);
        }
        let damage = Damage {
            offset: self.next.offset,
            bytes: record.offset - self.next.offset,
            expected: self.next.sequence,
            next: record.head.sequence,
            tuples_before_next: record.head.tuples_before(),
            heads: passed.heads,
        };
        self.found = Some(record);
        Piece::Damage(damage)
    }

    fn advance(&mut self, record: Record) -> Piece {
        self.next = Mark {
            sequence: record.head.sequence + 1,
            offset: record.offset + record.head.record_bytes(),
        };
        Piece::Record(record)
    }

    /// The next place at or behind the mark where a head could begin.
    fn find(&mut self, passed: &mut Passed) -> io::Result<Option<u64>> {
        loop {
            let at = passed.mark.offset;
            let seen = self.window.view(at, MAGIC.len())?;
            let found = self.finder.find(&seen);
            let behind = found.unwrap_or(seen.len());
            if passed.kind == TailKind::Clean && !is_zero(&seen[..behind]) {
                passed.kind = TailKind::Torn;
            }
            if let Some(found) = found {
                passed.kind = TailKind::Torn;
                return Ok(Some(at + found as u64));
            }
            if at + seen.len() as u64 >= self.window.limit() {
                return Ok(None);
            }
            // A magic may begin in the last three bytes and end in the next window.
            passed.mark.offset += (seen.len() - (MAGIC.len() - 1)) as u64;
        }
    }

    /// Looks at the place of the mark, where a magic stands.
    fn look(&mut self, passed: &Passed) -> io::Result<Look> {
        let at = passed.mark.offset;
        let seen = self.window.view(at, HEAD_BYTES_MAX)?;
        let Ok((head, check)) = parse_head(&seen, self.identity) else {
            return Ok(Look::Nothing);
        };
        // Before the body is read: else fakes could have every byte read many times over.
        if !passed.may_be(head.sequence) {
            return Ok(Look::Nothing);
        }
        let bytes = head.record_bytes() as usize;
        let seen = self.window.view(at, bytes)?;
        let body =
            if bytes <= seen.len() { seen.slice(head.head_bytes()..bytes) } else { Bytes::new() };
        Ok(if check.holds(&body) { Look::Whole(head, body) } else { Look::Broken(head) })
    }
}

impl Passed {
    fn new(from: Mark) -> Self {
        Self { mark: from, since: from.offset, kind: TailKind::Clean, heads: Vec::new() }
    }

    /// Whether a record with this sequence may stand at the mark: sequences rise, and no more can be
    /// missing than would have had room. Else one checksum that holds by chance would make every
    /// record behind it too old.
    fn may_be(&self, sequence: u64) -> bool {
        let missing_max = (self.mark.offset - self.since) / RECORD_BYTES_MIN + 1;
        sequence.checked_sub(self.mark.sequence).is_some_and(|missing| missing <= missing_max)
    }

    /// The head at the mark is intact, so its length is right.
    fn skip_broken(&mut self, head: Head, limit: u64) {
        let end = self.mark.offset + head.record_bytes();
        // Cut off: whatever could follow would lie where its body should.
        let behind = if end > limit { self.mark.offset + head.head_bytes() as u64 } else { end };
        self.mark = Mark { sequence: head.sequence + 1, offset: behind };
        self.since = behind;
        if self.heads.len() == HEADS_MAX {
            self.heads.pop();
        }
        self.heads.push(head);
    }

    /// A magic does not overlap itself.
    fn skip_magic(&mut self) {
        self.mark.offset += MAGIC.len() as u64;
    }
}

/// Whether there is nothing but zeros. In strides, because reserved space may be a whole segment.
fn is_zero(bytes: &[u8]) -> bool {
    let (strides, rest) = bytes.as_chunks::<64>();
    let is_zero = |bytes: &[u8]| bytes.iter().fold(0, |all, byte| all | byte) == 0;
    strides.iter().all(|stride| is_zero(stride)) && is_zero(rest)
}
