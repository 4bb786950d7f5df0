//! One segment without a footer, read from end to end.

use std::io;

use super::super::super::Totals;
use super::super::appender::MARK_EVERY_BYTES;
use super::super::catalogue::Segment;
use super::super::disk::DiskFile;
use super::super::notice::Notice;
use super::super::record::Head;
use super::super::scan::{Medium, Piece, Record, Scanner, TailKind};
use super::super::segment::{HEADER_BYTES, Header, Mark};

/// What such a segment holds.
#[derive(Debug)]
pub(super) struct Survey {
    last: u64,
    /// The last sequence that this segment says was acknowledged, also if its record is damaged and
    /// nothing behind it is kept; and the totals there.
    pub(super) head: u64,
    pub(super) totals_at_head: Totals,
    /// The last sequence known to have been acknowledged; `last` where nothing behind it is missing.
    pub(super) certain: u64,
    totals: Totals,
    /// Where the last record that is kept ends.
    pub(super) end: u64,
    /// Behind this the file is zeros.
    pub(super) content_end: u64,
    marks: Vec<Mark>,
    /// Sequences up to `head` that are damaged or void.
    pub(super) lost: Vec<(u64, u64)>,
    damage: Vec<(u64, (u64, u64))>,
}

/// A record or a hole behind what is certain.
#[derive(Debug)]
enum Part {
    Record { head: Head, offset: u64 },
    Hole { offset: u64, sequences: (u64, u64) },
}

/// The first record that says of the highest sequence that it was acknowledged.
#[derive(Debug, Default)]
struct Witness {
    committed: u64,
    /// Before it. What stands between that sequence and itself cannot be told from it, and belongs to a
    /// request that is void.
    totals: Totals,
}

impl Witness {
    fn hear(&mut self, head: &Head) {
        if head.committed > self.committed {
            let totals = Totals { tuples: head.tuples_before(), ..head.totals };
            *self = Self { committed: head.committed, totals };
        }
    }
}

impl Part {
    fn last(&self) -> u64 {
        match self {
            Self::Record { head, .. } => head.sequence,
            Self::Hole { sequences: (_, last), .. } => *last,
        }
    }
}

impl Survey {
    /// `certain`: the highest acknowledged sequence, as others know it. `limit`: records behind it are
    /// void.
    pub(super) fn of(
        file: &dyn DiskFile,
        header: &Header,
        certain: u64,
        limit: u64,
        medium: Medium,
    ) -> io::Result<Self> {
        let mut survey = Self {
            last: header.first - 1,
            head: header.first - 1,
            totals_at_head: header.base,
            certain: header.first - 1,
            totals: header.base,
            end: HEADER_BYTES,
            content_end: HEADER_BYTES,
            marks: Vec::new(),
            lost: Vec::new(),
            damage: Vec::new(),
        };
        let start = Mark { sequence: header.first, offset: HEADER_BYTES };
        let size = file.len()?;
        let mut scanner = Scanner::new(file, header.identity, start, size);
        scanner.take_the_unreadable_for(medium);
        // Not known to be acknowledged: never more than the records of one group.
        let mut uncertain: Vec<Part> = Vec::new();
        let mut witness = Witness::default();
        while let Some(piece) = scanner.next()? {
            let part = match piece {
                Piece::Record(Record { head, offset, .. }) => Part::Record { head, offset },
                Piece::Damage(damage) => Part::Hole {
                    offset: damage.offset,
                    sequences: (damage.expected, damage.next - 1),
                },
                Piece::Tail(tail) => {
                    survey.content_end = match tail.kind {
                        TailKind::Clean => tail.offset,
                        TailKind::Torn => size,
                    };
                    continue;
                }
            };
            if part.last() > limit {
                // What is void still has to be set aside, so the reading goes on for its end.
                continue;
            }
            if let Part::Record { head, .. } = &part {
                witness.hear(head);
                survey.settle(&mut uncertain, head.committed);
            }
            uncertain.push(part);
        }
        survey.settle(&mut uncertain, certain.min(limit));
        let (settled, lost) = (survey.last, survey.lost.len());
        survey.judge(uncertain);
        survey.certain = if survey.lost.len() == lost { survey.last } else { settled };
        survey.believe(&witness);
        survey.content_end = survey.content_end.max(survey.end);
        Ok(survey)
    }

    /// Everything up to `horizon` was acknowledged: each record stands for itself.
    fn settle(&mut self, uncertain: &mut Vec<Part>, horizon: u64) {
        let settled = uncertain.iter().take_while(|part| part.last() <= horizon).count();
        for part in uncertain.drain(..settled) {
            self.keep(&part);
        }
    }

    /// Records at the end that were acknowledged and are damaged: that they were is known from one
    /// behind them that is not kept. They are lost and counted (contract C5.3), and no other record gets
    /// their sequences.
    fn believe(&mut self, witness: &Witness) {
        (self.head, self.totals_at_head) = (self.last, self.totals);
        if witness.committed > self.last {
            self.lost.push((self.last + 1, witness.committed));
            self.head = witness.committed;
            self.certain = witness.committed;
            self.totals_at_head = witness.totals;
        }
    }

    /// Keeps the complete requests of a group nobody was answered about.
    fn judge(&mut self, uncertain: Vec<Part>) {
        let mut request: Vec<Part> = Vec::new();
        let mut is_whole = false;
        for part in uncertain {
            let (resumes, continues) = match &part {
                Part::Record { head, .. } => (head.resumes, head.continues),
                Part::Hole { .. } => {
                    // What it was the middle of, or the end, is void.
                    request.clear();
                    is_whole = false;
                    continue;
                }
            };
            if !resumes {
                request.clear();
                is_whole = true;
            }
            request.push(part);
            if !continues {
                if is_whole {
                    for part in &request {
                        self.keep(part);
                    }
                }
                request.clear();
                is_whole = false;
            }
        }
    }

    /// A record is part of the log, a hole in it is a loss; so is whatever was passed over before.
    fn keep(&mut self, part: &Part) {
        match part {
            Part::Hole { offset, sequences } => self.damage.push((*offset, *sequences)),
            Part::Record { head, offset } => {
                if head.sequence > self.last + 1 {
                    self.lost.push((self.last + 1, head.sequence - 1));
                }
                let far = |mark: &Mark| *offset >= mark.offset + MARK_EVERY_BYTES;
                if self.marks.last().is_none_or(far) {
                    self.marks.push(Mark { sequence: head.sequence, offset: *offset });
                }
                self.last = head.sequence;
                self.totals = head.totals;
                self.end = offset + head.record_bytes();
            }
        }
    }

    pub(super) fn apply(&self, segment: &mut Segment) {
        segment.last = self.last;
        segment.totals = self.totals;
        segment.end = self.end;
        segment.marks.clone_from(&self.marks);
    }

    pub(super) fn notices(&self, file: &str) -> impl Iterator<Item = Notice> {
        self.damage.iter().map(|(offset, sequences)| Notice::Damaged {
            file: file.to_owned(),
            offset: *offset,
            sequences: *sequences,
        })
    }
}
