//! Queue directories written byte by byte with the format's own modules, as no gateway leaves them.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use tidegate::metric::timestamp::Timestamp;
use tidegate::queue::Totals;
use tidegate::queue::log::disk::{Access, RealDisk};
use tidegate::queue::log::position::{PositionFile, Saved, Tally};
use tidegate::queue::log::record::{Head, Identity};
use tidegate::queue::log::segment::{Footer, HEADER_BYTES, Header, Mark, Name};

/// When the record with sequence 0 would have been received: 2025-01-01T00:00:00Z.
pub(crate) const BEGAN: i64 = 1_735_689_600;

/// A data directory with a queue.
pub(crate) struct Files {
    root: tempfile::TempDir,
}

/// One segment to write.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) first: u64,
    pub(crate) attempt: u32,
    pub(crate) certain: u64,
    pub(crate) base: Totals,
    pub(crate) records: Vec<Spec>,
    pub(crate) is_sealed: bool,
}

/// One record to write.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spec {
    pub(crate) tuples: u32,
    pub(crate) committed: u64,
    pub(crate) resumes: bool,
    pub(crate) continues: bool,
    pub(crate) target: Option<&'static str>,
    /// How much later it was received than its place says.
    pub(crate) later_seconds: i64,
    /// Total tuples to add that are not there.
    pub(crate) lie: u64,
}

/// Where the parts of a written segment lie.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) file: String,
    pub(crate) path: PathBuf,
    /// Where each record begins.
    pub(crate) offsets: Vec<u64>,
    /// Where the records end.
    pub(crate) end: u64,
    pub(crate) totals: Totals,
    pub(crate) last: u64,
}

/// Records of these many tuples, each a request of its own, all acknowledged but the last.
pub(crate) fn requests(first: u64, tuples: &[u32]) -> Vec<Spec> {
    let spec =
        |(committed, tuples): (u64, &u32)| Spec { tuples: *tuples, committed, ..Spec::default() };
    (first - 1..).zip(tuples).map(spec).collect()
}

impl Plan {
    /// A segment behind what `before` holds, everything before it acknowledged.
    pub(crate) fn behind(last: u64, totals: Totals, tuples: &[u32]) -> Self {
        Self {
            first: last + 1,
            attempt: 0,
            certain: last,
            base: totals,
            records: requests(last + 1, tuples),
            is_sealed: true,
        }
    }

    pub(crate) fn open(mut self) -> Self {
        self.is_sealed = false;
        self
    }
}

impl Files {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("queue")).unwrap();
        Self { root }
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn queue(&self) -> PathBuf {
        self.root.path().join("queue")
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        File::create(self.queue().join(name)).unwrap().write_all(bytes).unwrap();
    }

    pub(crate) fn segment(&self, plan: &Plan) -> Written {
        let name = Name { first: plan.first, attempt: plan.attempt };
        let identity = Identity(0x1234_5678_9abc_def0 ^ plan.first ^ u64::from(plan.attempt) << 32);
        let header = Header {
            identity,
            first: plan.first,
            certain: plan.certain,
            created: BEGAN,
            base: plan.base,
        };
        let mut bytes = header.encode();
        let (mut offsets, mut totals) = (Vec::new(), plan.base);
        for (sequence, spec) in (plan.first..).zip(&plan.records) {
            offsets.push(bytes.len() as u64);
            let body = body(sequence, spec.tuples);
            totals.accepted += u64::from(spec.tuples);
            totals.tuples += spec.lie;
            if spec.target.is_none() {
                totals.tuples += u64::from(spec.tuples);
            }
            let head = Head {
                sequence,
                committed: spec.committed,
                resumes: spec.resumes,
                continues: spec.continues,
                source: "shop".into(),
                target: spec.target.map(Into::into),
                received: Timestamp::from_unix(BEGAN + sequence as i64 + spec.later_seconds, 0),
                body_bytes: body.len() as u32,
                tuples: spec.tuples,
                totals,
            };
            head.encode(identity, body.as_bytes(), &mut bytes);
            bytes.extend_from_slice(body.as_bytes());
        }
        let (end, last) = (bytes.len() as u64, plan.first + plan.records.len() as u64 - 1);
        if plan.is_sealed {
            let marks = (plan.first..).zip(&offsets);
            let marks = marks.map(|(sequence, offset)| Mark { sequence, offset: *offset });
            let footer = Footer { last, totals, end, marks: marks.step_by(3).collect() };
            bytes.extend_from_slice(&footer.encode(identity));
        }
        assert!(end >= HEADER_BYTES);
        let file = name.to_string();
        self.put(&file, &bytes);
        let path = self.queue().join(&file);
        Written { file, path, offsets, end, totals, last }
    }

    /// A position with these done runs above `low`; the tally of each is `delivered`.
    pub(crate) fn position(&self, name: &str, saved: &Saved) {
        let disk = RealDisk::open(&self.queue(), Access::ReadWrite).unwrap();
        PositionFile::begin(&disk, name, &mut saved.clone()).unwrap();
    }

    pub(crate) fn saved(&self, name: &str) -> Saved {
        let disk = RealDisk::open(&self.queue(), Access::ReadWrite).unwrap();
        PositionFile::open(&disk, name).unwrap().unwrap_or_else(|fault| panic!("{fault}")).1
    }

    /// Every file with its content.
    pub(crate) fn content(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut list = Vec::new();
        for directory in [self.data_dir(), &self.queue()] {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    list.push((path.clone(), fs::read(&path).unwrap()));
                }
            }
        }
        list.sort();
        list
    }
}

impl Written {
    /// Changes one byte.
    pub(crate) fn flip(&self, offset: u64) {
        let mut bytes = fs::read(&self.path).unwrap();
        bytes[offset as usize] ^= 0x40;
        File::create(&self.path).unwrap().write_all(&bytes).unwrap();
    }

    /// Cuts the file.
    pub(crate) fn cut(&self, bytes: u64) {
        File::options().write(true).open(&self.path).unwrap().set_len(bytes).unwrap();
    }
}

/// A position that waits for these ranges, the last one open, and got everything else.
pub(crate) fn waiting(head: u64, totals: Totals, done: Tally, ranges: &[(u64, u64)]) -> Saved {
    Saved {
        began_at: 1,
        head,
        certain: head,
        totals,
        tally: done,
        ranges: ranges.to_vec(),
        between: vec![Tally::default(); ranges.len() - 1],
        ..Saved::default()
    }
}

/// The tuples of a record.
pub(crate) fn body(sequence: u64, tuples: u32) -> String {
    let tuples: Vec<String> = (0..tuples).map(|nth| tuple(sequence, nth)).collect();
    tuples.join(",\n")
}

/// One of them.
pub(crate) fn tuple(sequence: u64, nth: u32) -> String {
    format!(r#"["jobs.done",{BEGAN},{nth}.0,{{"tags":["record:{sequence}"]}}]"#)
}
