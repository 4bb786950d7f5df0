//! What opening or using a log has found that somebody should know, and why it does not open.

use std::fmt;
use std::io;

/// Something found in the files. None of it stops the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The end of a segment holds no whole requests: it was cut off while it was written, and nothing
    /// of it was acknowledged, unless a loss is told of as well.
    Torn {
        /// The segment.
        file: String,
        /// Where the torn part begins.
        offset: u64,
        /// The file it was copied to or is called now; `None` if the disk did not take it, it then
        /// stays where it is.
        kept_as: Option<String>,
    },
    /// A group could not be written or synced at the first try.
    Unwritten {
        /// What the operating system says.
        why: String,
    },
    /// Records that were acknowledged cannot be read: they are lost, and counted as damaged.
    Damaged {
        /// The segment.
        file: String,
        /// Where the damage begins.
        offset: u64,
        /// The first and last sequence of it.
        sequences: (u64, u64),
    },
    /// Sequences for which there is no segment, and which some destination did not have yet.
    Missing {
        /// The first and the last of them.
        sequences: (u64, u64),
    },
    /// A segment whose header cannot be read any more.
    Headless {
        /// What it is called now, or still.
        file: String,
    },
    /// Both halves of a destination's position are damaged: it gets everything again that is kept.
    PositionLost {
        /// The destination.
        destination: String,
    },
    /// A destination gave up its oldest records.
    Expired {
        /// The destination.
        destination: String,
        /// Tuples in them.
        tuples: u64,
        /// What made it.
        why: Expiry,
    },
    /// A position whose destination is not configured; it keeps its records.
    Orphan {
        /// The destination.
        destination: String,
    },
    /// A file that is not one of a log's.
    Foreign {
        /// Its name.
        file: String,
    },
    /// The books of a destination disagreed with what is in the files.
    Unbalanced {
        /// The destination.
        destination: String,
        /// Tuples waiting by the books.
        booked: u64,
        /// Tuples waiting by the files.
        counted: u64,
    },
}

/// Why records expire (contract C5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// More waited than its bound allows.
    Bound,
    /// The cap was near: it kept more of the disk than its bound allows, or has a bound and was the
    /// next to give way.
    Cap,
    /// It is not configured: the cap was near, or the bound that it had was reached.
    Orphan,
}

impl Expiry {
    fn tell(self, f: &mut fmt::Formatter<'_>, destination: &str, tuples: u64) -> fmt::Result {
        match self {
            Self::Bound => write!(
                f,
                "more waits for receiver {destination} than its `max_backlog_bytes` allows: its oldest \
                 {tuples} tuples were given up and counted as expired; see why it takes less than comes \
                 in, or raise the bound"
            ),
            Self::Cap => write!(
                f,
                "the queue is nearly full, and receiver {destination} keeps much of it: {tuples} of its \
                 oldest tuples were given up and counted as expired, so that others go on; see why it takes \
                 less than comes in, or raise `queue.max_bytes`"
            ),
            Self::Orphan => write!(
                f,
                "{tuples} tuples for receiver {destination}, which is not configured, were given up and \
                 counted as expired: the queue is nearly full, or more waited than the `max_backlog_bytes` it had"
            ),
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Torn { file, offset, kept_as: Some(kept) } => write!(
                f,
                "queue file {file} holds no whole records from byte {offset} on: it was being written when \
                 the process or the machine stopped, or was damaged; that part is kept as {kept}. \
                 Acknowledged records in it, if there were any, are told of as lost on their own"
            ),
            Self::Torn { file, offset, kept_as: None } => write!(
                f,
                "queue file {file} holds no whole records from byte {offset} on: it was being written when \
                 the process or the machine stopped, or was damaged; that part stays where it is. \
                 Acknowledged records in it, if there were any, are told of as lost on their own"
            ),
            Self::Unwritten { why } => write!(
                f,
                "the queue's file could not be written: {why}; it is left as it is, the requests go to a \
                 new one, or get 503 if that fails as well; check the disk"
            ),
            Self::Damaged { file, offset, sequences: (first, last) } => write!(
                f,
                "queue file {file} is damaged at byte {offset}: records {first} to {last} are lost and \
                 counted as damaged; check the disk"
            ),
            Self::Missing { sequences: (first, last) } => write!(
                f,
                "the queue's files do not hold records {first} to {last} any more, which were not \
                 delivered yet: they are lost and counted as damaged; were files removed or put back by \
                 hand, or did the machine stop under another `queue.durability` than \"fsync\"?"
            ),
            Self::Headless { file } => write!(
                f,
                "the header of a queue file is damaged, its records are lost and counted as damaged; \
                 the file is kept as {file}; check the disk"
            ),
            Self::PositionLost { destination } => write!(
                f,
                "both halves of the position of receiver {destination} are damaged: everything the \
                 queue still holds is delivered to it again; check the disk"
            ),
            Self::Expired { destination, tuples, why } => why.tell(f, destination, *tuples),
            Self::Orphan { destination } => write!(
                f,
                "the queue keeps data for receiver {destination}, which is not configured; deliver it by \
                 configuring the receiver again, or give it up with `tidegate queue forget \
                 {destination}`"
            ),
            Self::Foreign { file } => {
                write!(
                    f,
                    "{file} in the queue's directory is not one of its files; it is left alone"
                )
            }
            Self::Unbalanced { destination, booked, counted } => write!(
                f,
                "the books of receiver {destination} say that {booked} tuples wait, the files hold \
                 {counted}: this is a bug, please report it"
            ),
        }
    }
}

impl OpenError {
    /// Names the directory, which those who read in it do not know.
    pub(super) fn within(self, path: &std::path::Path) -> Self {
        match self {
            Self::Io { doing, cause, .. } => {
                Self::Io { directory: path.display().to_string(), doing, cause }
            }
            other => other,
        }
    }
}

/// Why a log is not opened. A directory in which a file is refused was not changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Reading or writing failed.
    #[error("cannot open the queue in {directory}: {doing}: {cause}")]
    Io {
        /// The directory, as configured.
        directory: String,
        /// What was tried.
        doing: String,
        /// What the operating system says.
        cause: io::Error,
    },
    /// Another process has it.
    #[error(transparent)]
    Locked(#[from] super::disk::LockError),
    /// A file of another version.
    #[error(
        "{file} in the queue's directory has format version {version}, this tidegate reads version \
         {expected}: deliver what it holds with the version that wrote it, or move the directory away"
    )]
    Version {
        /// The file.
        file: String,
        /// What it says.
        version: u32,
        /// What is understood.
        expected: u32,
    },
    /// A file that is called like one of ours and is not.
    #[error(
        "{file} in the queue's directory is not a file of tidegate: move it away, or choose another \
         `data_dir`"
    )]
    Foreign {
        /// The file.
        file: String,
    },
}
