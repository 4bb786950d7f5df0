//! Setting aside what is no part of the log: kept under another name, never deleted.
//!
//! All of it is a courtesy to whoever wants to look later. A disk that is full or refuses costs
//! nothing but that: the log opens the same, and finds the same again next time.

use std::io::{self, IoSlice};

use super::super::catalogue::Segment;
use super::super::disk::{Disk, DiskFile};
use super::super::notice::Notice;
use super::super::segment::Footer;
use super::survey::Survey;

const COPY_BYTES: usize = 1 << 20;

/// Most files of one name that are kept.
const KEPT_MAX: u32 = 100;

/// A whole file: its creation was cut off, or another one took its place.
pub(in super::super) fn whole(disk: &dyn Disk, file: &str, notices: &mut Vec<Notice>) {
    let kept_as = rename(disk, file, "torn").ok();
    notices.push(Notice::Torn { file: file.to_owned(), offset: 0, kept_as });
}

/// A segment nobody can read.
pub(super) fn headless(disk: &dyn Disk, file: &str, notices: &mut Vec<Notice>) {
    let file = rename(disk, file, "damaged").unwrap_or_else(|_| file.to_owned());
    notices.push(Notice::Headless { file });
}

/// Gives a file a name under which it is kept and is no part of the log. One that was taken before may
/// be this file's own: a power cut in the middle of it can leave both.
pub(in super::super) fn rename(disk: &dyn Disk, file: &str, suffix: &str) -> io::Result<String> {
    let mut outcome = Err(io::ErrorKind::AlreadyExists.into());
    for number in 0..KEPT_MAX {
        let kept = format!("{file}@{number}.{suffix}");
        outcome = disk.rename(file, &kept).map(|()| kept);
        if !outcome.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists) {
            break;
        }
    }
    outcome
}

/// Copies what lies behind the last record of a segment, and then seals it: it will not be scanned
/// again. A segment with damage in its middle stays as it is, footers say nothing of damage.
pub(super) fn tidy(
    disk: &dyn Disk,
    file: &dyn DiskFile,
    segment: &mut Segment,
    survey: &Survey,
    notices: &mut Vec<Notice>,
) {
    let name = segment.name.to_string();
    if survey.content_end > survey.end {
        let kept = format!("{name}@{}.torn", survey.end);
        // A segment with damage is found like this at every start.
        let is_kept = disk.open(&kept).is_ok()
            || copy(disk, file, survey.end, survey.content_end, &kept).is_ok();
        notices.push(Notice::Torn {
            file: name,
            offset: survey.end,
            kept_as: is_kept.then_some(kept),
        });
        if !is_kept {
            return;
        }
    }
    if survey.lost.is_empty() {
        // Otherwise it is scanned again next time.
        seal(file, segment).ok();
    }
}

fn copy(disk: &dyn Disk, file: &dyn DiskFile, from: u64, to: u64, name: &str) -> io::Result<()> {
    let partial = format!("{name}.partial");
    // Left by an attempt that was cut off.
    disk.remove(&partial).ok();
    let copy = disk.create(&partial)?;
    let mut buffer = vec![0; COPY_BYTES.min((to - from) as usize)];
    let mut offset = from;
    while offset < to {
        let wanted = buffer.len().min((to - offset) as usize);
        let read = file.read_at(offset, &mut buffer[..wanted])?;
        if read == 0 {
            break;
        }
        copy.write_at(offset - from, &[IoSlice::new(&buffer[..read])])?;
        offset += read as u64;
    }
    copy.sync()?;
    disk.rename(&partial, name)?;
    disk.sync()
}

fn seal(file: &dyn DiskFile, segment: &mut Segment) -> io::Result<()> {
    let footer = Footer {
        last: segment.last,
        totals: segment.totals,
        end: segment.end,
        marks: segment.marks.clone(),
    };
    let footer = footer.encode(segment.identity);
    let bytes = segment.end + footer.len() as u64;
    // Cut first: between the two steps the file ends with its last record, which is as good.
    file.set_len(segment.end)?;
    file.write_at(segment.end, &[IoSlice::new(&footer)])?;
    file.sync()?;
    segment.bytes = bytes;
    segment.is_sealed = true;
    Ok(())
}
