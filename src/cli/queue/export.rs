//! `tidegate queue export`: tuples that wait, as NDJSON.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::anyhow;

use crate::config::Environment;
use crate::queue::log::inspect::view::Why;
use crate::queue::log::inspect::walk::{Event, Kept, Stop};
use crate::queue::log::inspect::{InspectError, Ranges};

use super::super::{Failure, say};
use super::args::ExportArgs;
use super::{Opened, words};

/// How the output ended.
enum Written {
    Whole,
    /// Whoever read it has enough: `| head`.
    Closed,
    Failed(io::Error),
}

pub(super) fn run(args: &ExportArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let opened = Opened::find(&args.place, environment)?;
    let mut wanted = if args.all {
        Wanted { ranges: Ranges::all(), lost: Ranges::all(), destination: None }
    } else {
        let name = opened.destination(args.receiver.as_deref())?;
        let ranges = opened.view.saved(&name).map(|saved| saved.ranges.clone());
        let ranges = Ranges::new(ranges.expect("destination() returns readable ones"));
        Wanted { lost: ranges.clone(), ranges, destination: Some(name) }
    };
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    let (lost, written) =
        export(&opened, &mut wanted, &mut out).map_err(|error| opened.place.unreadable(&error))?;
    match written {
        Written::Failed(error) => {
            Err(Failure::Run(anyhow!(error).context("cannot write the output")))
        }
        Written::Closed => Ok(ExitCode::SUCCESS),
        Written::Whole => {
            let missing = missing(&opened, args.all, lost);
            if missing.is_empty() {
                return Ok(ExitCode::SUCCESS);
            }
            for what in missing {
                say(&format!(
                    "tidegate: {what} cannot be read, so not all of it is in the output; `tidegate \
                     queue verify` says more"
                ));
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What should be in the output and is not.
fn missing(opened: &Opened, all: bool, lost: u64) -> Vec<String> {
    let records = (lost > 0).then(|| words::count(lost, "record"));
    // How many records a file without a header holds nobody can say; what waits for a destination is
    // counted by its sequences.
    let headless = opened.view.unused.iter().filter(|file| all && file.why == Why::Headless);
    records.into_iter().chain(headless.map(|file| file.name.to_string())).collect()
}

/// What is to be printed.
struct Wanted {
    ranges: Ranges,
    /// The same again, for what is missing.
    lost: Ranges,
    /// `None` for everybody's.
    destination: Option<Arc<str>>,
}

impl Wanted {
    fn has(&mut self, kept: &Kept<'_>) -> bool {
        let target = kept.head.target.as_deref();
        let is_for = match (target, &self.destination) {
            (Some(target), Some(destination)) => *target == **destination,
            _ => true,
        };
        self.ranges.contains(kept.head.sequence) && is_for
    }
}

/// Prints; how many records that were wanted could not be read.
fn export(
    opened: &Opened,
    wanted: &mut Wanted,
    out: &mut impl Write,
) -> Result<(u64, Written), InspectError> {
    let (mut lost, mut written) = (0, Written::Whole);
    // With --all, what was deleted long ago is not missing.
    let oldest = opened.view.segments.first().map_or(1, |segment| segment.header.first);
    let from = match wanted.destination {
        Some(_) => wanted.ranges.first().unwrap_or(1),
        None => oldest,
    };
    opened.view.walk(from, &mut |event| {
        match event {
            Event::Record(kept) if wanted.has(&kept) => {
                if let Err(error) = lines(&kept.body()?, out) {
                    written = ended(error);
                    return Err(Stop::Enough);
                }
            }
            Event::Lost(gap) if gap.place.is_some() || wanted.destination.is_some() => {
                lost += wanted.lost.overlap(gap.first, gap.last);
            }
            _ => {}
        }
        Ok(())
    })?;
    if let Err(error) = out.flush() {
        written = ended(error);
    }
    Ok((lost, written))
}

fn ended(error: io::Error) -> Written {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Written::Closed,
        _ => Written::Failed(error),
    }
}

/// One tuple a line: a block joins them with a comma and a line end, and a JSON string never holds a
/// raw line end.
fn lines(body: &[u8], out: &mut impl Write) -> io::Result<()> {
    for line in body.split(|byte| *byte == b'\n') {
        out.write_all(line.strip_suffix(b",").unwrap_or(line))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_printed_one_tuple_a_line() {
        for (body, wanted) in [
            ("[1]", "[1]\n"),
            ("[1],\n[2]", "[1]\n[2]\n"),
            (r#"["a,\n",{"tags":["x,"]}]"#, "[\"a,\\n\",{\"tags\":[\"x,\"]}]\n"),
        ] {
            let mut out = Vec::new();
            lines(body.as_bytes(), &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), wanted);
        }
    }
}
