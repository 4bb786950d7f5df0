//! What a log's directory holds, found out by reading it forward; nothing is deleted.
//!
//! A sealed segment says what it holds in its footer. Any other is scanned: it was written to when
//! the process or the machine stopped. What is certain to have been acknowledged is kept but for
//! damaged records, each of which costs itself. Behind that lies at most one group nobody was
//! answered about: its complete requests are kept, as their clients may believe them to be, and what
//! is left of others is void (contract C5.1).

use std::io::{self, IoSlice};
use std::time::Duration;

use super::super::Totals;
use super::catalogue::{Catalogue, Segment};
use super::disk::{Disk, DiskFile, is_unreadable};
use super::notice::{Notice, OpenError};
use super::scan::Medium;
use super::segment::{Footer, HEADER_BYTES, Header, HeaderFault, Name, VERSION};

pub(super) mod aside;
mod survey;

use survey::Survey;

/// How often, and how long apart, bytes are read again that the disk cannot read.
const READ_TRIES: u32 = 5;
const READ_PAUSE: Duration = Duration::from_millis(200);

/// The state a log goes on from.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    pub(super) catalogue: Catalogue,
    /// The last sequence that was ever acknowledged, or may have been.
    pub(super) head: u64,
    /// The last sequence known to have been acknowledged, or as good: below `head` where the last
    /// group has lost a part. What is kept of it is void as soon as more of it is lost, so it has to
    /// be judged by the same measure every time.
    pub(super) certain: u64,
    pub(super) totals: Totals,
    /// Attempts at the next segment that are taken.
    pub(super) attempts: u32,
    /// Stretches of sequences that are damaged or void in a segment. What no segment holds is not
    /// among them.
    pub(super) lost: Vec<(u64, u64)>,
    pub(super) notices: Vec<Notice>,
    /// Segments that hold no record that counts. They may say what of the one before them counts, so
    /// they are set aside once that is saved elsewhere.
    pub(super) empty: Vec<String>,
}

/// What the positions know of the log: it may be more than its last segment does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    pub(super) head: u64,
    pub(super) certain: u64,
    pub(super) totals: Totals,
}

/// A segment that is part of the log. Not with its file: there may be more than can be open at once.
struct Found {
    name: Name,
    header: Header,
}

/// One of the ways to set a file aside.
type SetAside = fn(&dyn Disk, &str, &mut Vec<Notice>);

/// Reads the directory whose files are `names`.
pub(super) fn recover(
    disk: &dyn Disk,
    names: &[String],
    known: Known,
) -> Result<Recovered, OpenError> {
    let mut recovered = Recovered::default();
    let mut all: Vec<Name> = names.iter().filter_map(|name| Name::parse(name)).collect();
    all.sort_unstable();
    let found = headers(disk, &all, known, &mut recovered.notices)?;
    disk.sync().map_err(|cause| io_error("the directory", cause))?;
    for (index, segment) in found.iter().enumerate() {
        let next = found.get(index + 1).map(|next| &next.header);
        let failed = |cause| io_error(&segment.name.to_string(), cause);
        let file = disk.open(&segment.name.to_string()).map_err(failed)?;
        // The process before may have ended between a write and its sync: what is read here has to
        // be durable before anything is said that follows from it. Only the last file that was
        // written to can be without a sync, or the one before it with its footer.
        let footer = Footer::read(&*file, segment.header.identity).map_err(failed)?;
        if index + 2 >= found.len() || footer.is_none() {
            file.sync().map_err(failed)?;
        }
        take(disk, segment, &*file, footer, next, known, &mut recovered)?;
    }
    recovered.head = recovered.head.max(known.head);
    recovered.certain = recovered.certain.max(known.certain);
    recovered.totals = recovered.totals.max(known.totals);
    let next = recovered.head + 1;
    // Also those that were set aside: a name is never used again.
    let ever = names.iter().filter_map(|name| Name::parse(name.split('@').next()?));
    let taken = ever.filter(|name| name.first == next).map(|name| name.attempt + 1);
    recovered.attempts = taken.max().unwrap_or(0);
    Ok(recovered)
}

/// The segments with a readable header, in order; of several that begin at one sequence the last one:
/// the others failed before anything in them was acknowledged.
fn headers(
    disk: &dyn Disk,
    all: &[Name],
    known: Known,
    notices: &mut Vec<Notice>,
) -> Result<Vec<Found>, OpenError> {
    let mut found: Vec<Found> = Vec::new();
    // Not before every header was read: a directory that is refused must not have been changed.
    let mut asides: Vec<(String, SetAside)> = Vec::new();
    for name in all.iter().rev() {
        let file_name = name.to_string();
        if found.last().is_some_and(|later| later.name.first == name.first) {
            asides.push((file_name, aside::whole));
            continue;
        }
        let failed = |cause| io_error(&file_name, cause);
        let file = disk.open(&file_name).map_err(failed)?;
        let mut bytes = vec![0; HEADER_BYTES as usize];
        let read = patiently(|medium| match file.read_at(0, &mut bytes) {
            Err(error) if is_unreadable(&error) && medium == Medium::Damaged => Ok(None),
            read => read.map(Some),
        });
        let read = match read {
            // The medium has lost it, like a header whose checksum does not hold.
            Ok(None) => {
                asides.push((file_name, aside::headless));
                continue;
            }
            Ok(Some(read)) => read,
            Err(error) => return Err(failed(error)),
        };
        match Header::parse(&bytes[..read]) {
            Ok(header) if header.first == name.first => {
                mend(&*file, &header, &bytes);
                found.push(Found { name: *name, header });
            }
            Err(HeaderFault::Version(version)) => {
                return Err(OpenError::Version { file: file_name, version, expected: VERSION });
            }
            // Its creation was cut off, unless others know of records in it; then anything may be there
            // that its blocks held before.
            Ok(_) | Err(HeaderFault::Blank | HeaderFault::Foreign)
                if found.is_empty() && known.head < name.first =>
            {
                asides.push((file_name, aside::whole));
            }
            Err(HeaderFault::Blank | HeaderFault::Damaged) => {
                asides.push((file_name, aside::headless));
            }
            Err(HeaderFault::Foreign) | Ok(_) => {
                return Err(OpenError::Foreign { file: file_name });
            }
        }
    }
    for (file_name, set_aside) in asides {
        set_aside(disk, &file_name, notices);
    }
    found.reverse();
    Ok(found)
}

/// Writes a copy of the header anew that was torn or damaged: the next damage must not meet the last
/// one. If that fails, the other copy is as good as it was.
fn mend(file: &dyn DiskFile, header: &Header, bytes: &[u8]) {
    let half = bytes.len() / 2;
    let whole = header.encode();
    let is_good = [bytes[..half] == whole[..half], bytes[half..] == whole[half..]];
    let outcome = match is_good {
        [true, false] => file.write_at(half as u64, &[IoSlice::new(&whole[half..])]),
        [false, true] => file.write_at(0, &[IoSlice::new(&whole[..half])]),
        _ => Ok(()),
    };
    outcome.unwrap_or_default();
}

/// Adds one segment to what is recovered.
fn take(
    disk: &dyn Disk,
    found: &Found,
    file: &dyn DiskFile,
    footer: Option<Footer>,
    next: Option<&Header>,
    known: Known,
    recovered: &mut Recovered,
) -> Result<(), OpenError> {
    let Found { name, header } = found;
    let file_name = name.to_string();
    let failed = |cause| io_error(&file_name, cause);
    let bytes = file.len().map_err(failed)?;
    let limit = next.map_or(u64::MAX, |next| next.first - 1);
    let mut segment = Segment::begin(*name, header);
    segment.is_closed = true;
    segment.bytes = bytes;
    if let Some(footer) = footer {
        segment.last = footer.last;
        segment.totals = footer.totals;
        segment.end = footer.end;
        segment.marks = footer.marks;
        segment.is_sealed = true;
        recovered.certain = recovered.certain.max(footer.last);
    } else {
        let certain = next.map_or(known.certain, |next| next.certain);
        let survey = patiently(|medium| Survey::of(file, header, certain, limit, medium));
        let survey = survey.map_err(failed)?;
        recovered.lost.extend_from_slice(&survey.lost);
        segment.has_damage = !survey.lost.is_empty();
        recovered.notices.extend(survey.notices(&file_name));
        survey.apply(&mut segment);
        if segment.is_empty() {
            recovered.empty.push(file_name);
            recovered.head = recovered.head.max(survey.head);
            recovered.certain = recovered.certain.max(header.certain).max(survey.certain);
            recovered.totals = recovered.totals.max(survey.totals_at_head);
            return Ok(());
        }
        recovered.certain = recovered.certain.max(header.certain).max(survey.certain);
        recovered.head = recovered.head.max(survey.head);
        recovered.totals = recovered.totals.max(survey.totals_at_head);
        aside::tidy(disk, file, &mut segment, &survey, &mut recovered.notices);
    }
    if segment.last > limit {
        // Cannot be, by what the modules here write; what a later segment says holds.
        return Err(OpenError::Foreign { file: file_name });
    }
    recovered.head = recovered.head.max(segment.last).max(header.first - 1);
    recovered.totals = recovered.totals.max(segment.totals);
    recovered.catalogue.insert(segment);
    Ok(())
}

/// Reads again for a while what the disk cannot read, before it is taken for lost: a volume that was
/// away for a moment must not cost what it holds.
fn patiently<T>(mut read: impl FnMut(Medium) -> io::Result<T>) -> io::Result<T> {
    for _ in 0..READ_TRIES {
        match read(Medium::Away) {
            Err(error) if is_unreadable(&error) => std::thread::sleep(READ_PAUSE),
            other => return other,
        }
    }
    read(Medium::Damaged)
}

fn io_error(file: &str, cause: io::Error) -> OpenError {
    OpenError::Io { directory: String::new(), doing: format!("reading {file}"), cause }
}
