//! A segment without a footer: it is written to, or was when the process or the machine stopped.
//!
//! Up to a horizon every record is known to have been acknowledged, and damage costs the damaged
//! record. Behind it lies at most what nobody was answered about: complete requests are kept, because
//! their clients may have been told, and the rest of a request is void (contract C5.1).

use super::super::disk::DiskFile;
use super::super::record::Head;
use super::super::scan::{Damage, Piece, Record, Scanner, Tail, TailKind};
use super::super::segment::{HEADER_BYTES, Mark};
use super::InspectError;
use super::view::Segment;
use super::walk::{Kept, Place, Stop, Walker};

/// Reads one segment.
pub(super) struct Judge<'s> {
    segment: &'s Segment,
    file: &'s dyn DiskFile,
    /// The highest sequence known to be acknowledged so far.
    horizon: u64,
    /// Behind the horizon: never more than one group, in a file that a gateway wrote.
    uncertain: Vec<Part>,
    /// Where the last record that counts ends.
    end: u64,
    /// Where the damage began that was looked at a second time.
    looked_again: Option<u64>,
}

enum Part {
    Record { head: Head, offset: u64 },
    Hole(Damage),
}

impl Part {
    fn last(&self) -> u64 {
        match self {
            Self::Record { head, .. } => head.sequence,
            Self::Hole(damage) => damage.next - 1,
        }
    }
}

impl<'s> Judge<'s> {
    pub(super) fn new(segment: &'s Segment, file: &'s dyn DiskFile) -> Self {
        let horizon = segment.certain.min(segment.limit);
        Self {
            segment,
            file,
            horizon,
            uncertain: Vec::new(),
            end: HEADER_BYTES,
            looked_again: None,
        }
    }

    /// Shows the walker what counts.
    pub(super) fn read(mut self, walker: &mut Walker<'_, '_>) -> Result<(), Stop> {
        let name = self.segment.name;
        let failed = || InspectError::io(name.to_string());
        // What is written from now on does not count.
        let size = self.file.len().map_err(failed())?;
        let start = Mark { sequence: self.segment.first(), offset: HEADER_BYTES };
        let mut scanner = self.scan(start, size);
        let mut content_end = HEADER_BYTES;
        while let Some(piece) = scanner.next().map_err(failed())? {
            match piece {
                Piece::Record(record) => {
                    content_end = record.offset + record.head.record_bytes();
                    self.record(record, walker)?;
                }
                Piece::Damage(damage) => {
                    let begin = Mark { sequence: damage.expected, offset: damage.offset };
                    if self.is_worth_another_look(begin) {
                        scanner = self.scan(begin, size);
                    } else {
                        content_end = damage.offset + damage.bytes;
                        self.hole(damage);
                    }
                }
                Piece::Tail(Tail { offset, bytes, kind: TailKind::Torn, .. }) => {
                    content_end = offset + bytes;
                }
                Piece::Tail(_) => {}
            }
        }
        self.settle(walker)?;
        self.judge(walker)?;
        self.finish(content_end, walker)
    }

    fn scan(&self, from: Mark, size: u64) -> Scanner<'s> {
        Scanner::new(self.file, self.segment.header.identity, from, size)
    }

    /// A gateway may be writing here, and a group is not seen whole at once: its first half could be
    /// read before it was there and the second half after. But writes become visible in their order,
    /// so once something behind a hole is seen, the hole is real if it is still there.
    fn is_worth_another_look(&mut self, begin: Mark) -> bool {
        self.looked_again.replace(begin.offset) != Some(begin.offset)
    }

    fn record(&mut self, record: Record, walker: &mut Walker<'_, '_>) -> Result<(), Stop> {
        let Record { head, offset, body } = record;
        if head.sequence > self.segment.limit {
            return Ok(());
        }
        if head.committed > self.horizon {
            self.horizon = head.committed.min(self.segment.limit);
            self.settle(walker)?;
        }
        if self.uncertain.is_empty() && head.sequence <= self.horizon {
            return self.keep(&head, offset, Some(&body), walker);
        }
        self.uncertain.push(Part::Record { head, offset });
        Ok(())
    }

    fn hole(&mut self, damage: Damage) {
        if damage.next - 1 <= self.segment.limit {
            self.uncertain.push(Part::Hole(damage));
        }
    }

    /// Everything up to the horizon was acknowledged: each record stands for itself.
    fn settle(&mut self, walker: &mut Walker<'_, '_>) -> Result<(), Stop> {
        let horizon = self.horizon;
        let settled = self.uncertain.iter().take_while(|part| part.last() <= horizon).count();
        let behind = self.uncertain.split_off(settled);
        for part in std::mem::replace(&mut self.uncertain, behind) {
            match part {
                Part::Record { head, offset } => self.keep(&head, offset, None, walker)?,
                Part::Hole(damage) => walker.pass_damage(self.segment.name, damage, true),
            }
        }
        Ok(())
    }

    /// Keeps the complete requests of what is left.
    fn judge(&mut self, walker: &mut Walker<'_, '_>) -> Result<(), Stop> {
        let mut request: Vec<(Head, u64)> = Vec::new();
        let mut is_whole = false;
        for part in std::mem::take(&mut self.uncertain) {
            let (head, offset) = match part {
                Part::Record { head, offset } => (head, offset),
                Part::Hole(damage) => {
                    self.give_up(&mut request, walker);
                    is_whole = false;
                    let was_acknowledged = damage.expected <= self.horizon;
                    walker.pass_damage(self.segment.name, damage, was_acknowledged);
                    continue;
                }
            };
            let continues = head.continues;
            if !head.resumes {
                self.give_up(&mut request, walker);
                is_whole = true;
            }
            request.push((head, offset));
            if continues {
                continue;
            }
            if is_whole {
                for (head, offset) in request.drain(..) {
                    self.keep(&head, offset, None, walker)?;
                }
            }
            self.give_up(&mut request, walker);
            is_whole = false;
        }
        self.give_up(&mut request, walker);
        Ok(())
    }

    /// Records of a request of which a part is missing.
    fn give_up(&self, request: &mut Vec<(Head, u64)>, walker: &mut Walker<'_, '_>) {
        for (head, offset) in request.drain(..) {
            let place = Place { file: self.segment.name, offset, bytes: head.record_bytes() };
            walker.pass(place, vec![head], false);
        }
    }

    fn keep(
        &mut self,
        head: &Head,
        offset: u64,
        body: Option<&bytes::Bytes>,
        walker: &mut Walker<'_, '_>,
    ) -> Result<(), Stop> {
        self.end = offset + head.record_bytes();
        walker.keep(Kept { head, segment: self.segment.name, offset, body, file: self.file })
    }

    /// What lies behind the last record that counts: damage if a record should be there, else void.
    fn finish(self, content_end: u64, walker: &mut Walker<'_, '_>) -> Result<(), Stop> {
        let bytes = content_end.saturating_sub(self.end);
        if bytes == 0 {
            return Ok(());
        }
        let place = Place { file: self.segment.name, offset: self.end, bytes };
        if walker.next <= self.segment.owed {
            walker.pass(place, Vec::new(), true);
            return Ok(());
        }
        walker.void(place)
    }
}
