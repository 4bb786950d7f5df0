//! `tidegate queue ls`: what waits for whom, what a running gateway does about it, and in which files.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::clock::{Clock, SystemClock};
use crate::config::Environment;
use crate::metric::timestamp::Timestamp;
use crate::queue::log::inspect::survey::{Extent, Line, Queued, Survey, survey};
use crate::queue::log::inspect::view::{Unused, Why};
use crate::queue::log::position::SlotsFault;

use super::super::{Failure, convert};
use super::args::LsArgs;
use super::table::{Align, Table, grouped, size};
use super::{Opened, words};

mod running;

use running::Seen;

/// Ranges shown to people; programs get all of them.
const RANGES_SHOWN: usize = 3;

pub(super) fn run(args: &LsArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let opened = Opened::find(&args.place, environment)?;
    let survey = survey(&opened.view).map_err(|error| opened.place.unreadable(&error))?;
    let now = SystemClock::new().now();
    let seen = running::look(&opened.place);
    let text = if args.json {
        format!("{:#}\n", as_json(&opened, &survey, &seen, now))
    } else {
        as_text(&opened, &survey, &seen, now)
    };
    convert::print(&text).map_err(|error| Failure::Run(error.into()))?;
    Ok(ExitCode::SUCCESS)
}

/// Whether a destination is configured, in a word; nothing where that is not known.
fn state(opened: &Opened, name: &str) -> Option<&'static str> {
    let is_configured = opened.place.is_configured(name)?;
    Some(if is_configured { "configured" } else { "orphan" })
}

fn as_text(opened: &Opened, survey: &Survey, seen: &Seen, now: Timestamp) -> String {
    let view = &opened.view;
    let mut text = format!(
        "queue in {}: {} in {}; {} so far, {}\n",
        opened.place.data_dir.join("queue").display(),
        size(view.bytes()),
        words::count(survey.segments.len() as u64, "segment"),
        words::count(survey.end.head, "record"),
        words::count(survey.end.totals.tuples, "tuple"),
    );
    text.push('\n');
    text.push_str(&destinations(opened, survey, now));
    text.push('\n');
    text.push_str(&running::as_text(seen));
    if !survey.segments.is_empty() {
        text.push('\n');
        text.push_str(&segments(&survey.segments));
    }
    let mut others =
        Table::new([("other file", Align::Left), ("bytes", Align::Right), ("", Align::Left)]);
    for unused in &view.unused {
        others.row([unused.name.to_string(), size(unused.bytes), why(unused).to_owned()]);
    }
    for aside in &view.aside {
        let what = words::of_aside(&aside.file).to_owned();
        others.row([aside.file.clone(), size(aside.bytes), what]);
    }
    for file in &view.foreign {
        others.row([file.clone(), String::new(), "not a file of the queue".to_owned()]);
    }
    if !others.is_empty() {
        text.push('\n');
        text.push_str(&others.render());
    }
    text
}

fn destinations(opened: &Opened, survey: &Survey, now: Timestamp) -> String {
    let mut table = Table::new([
        ("destination", Align::Left),
        ("state", Align::Left),
        ("tuples", Align::Right),
        ("records", Align::Right),
        ("bytes", Align::Right),
        ("oldest", Align::Left),
        ("age", Align::Right),
        ("waiting", Align::Left),
    ]);
    for line in &survey.destinations {
        let state = state(opened, &line.name).unwrap_or("-").to_owned();
        let [tuples, records, bytes, oldest, age, waiting] = cells(line, now);
        table.row([line.name.to_string(), state, tuples, records, bytes, oldest, age, waiting]);
    }
    let configured = opened.place.configured.iter().flatten();
    for name in
        configured.filter(|name| !survey.destinations.iter().any(|line| line.name == **name))
    {
        let mut row: [String; 8] = Default::default();
        row[0] = name.to_string();
        "configured".clone_into(&mut row[1]);
        let begins = if opened.view.lacks_positions() {
            "no position though there are records: it gets all of them"
        } else {
            "no position yet: it begins at the tail"
        };
        begins.clone_into(&mut row[7]);
        table.row(row);
    }
    if table.is_empty() && opened.view.lacks_positions() {
        return "no destinations, though there are records: all positions are gone, and the next start \
                delivers all of them\n"
            .to_owned();
    }
    if table.is_empty() {
        return "no destinations: no gateway was started on this queue\n".to_owned();
    }
    table.render()
}

fn cells(line: &Line, now: Timestamp) -> [String; 6] {
    let mut cells: [String; 6] = Default::default();
    match &line.queued {
        Ok(queued) => {
            let Queued { tuples, records, bytes, oldest, ranges } = queued;
            cells[0] = grouped(*tuples);
            cells[1] = grouped(*records);
            cells[2] = size(*bytes);
            if let Some(oldest) = oldest {
                cells[3] = words::instant(*oldest);
                cells[4] = words::age(words::age_seconds(*oldest, now));
            }
            cells[5] = shown(ranges);
        }
        Err(fault) => cells[5] = unknown(*fault),
    }
    cells
}

fn unknown(fault: SlotsFault) -> String {
    format!("not known: {fault}")
}

fn shown(ranges: &[(u64, u64)]) -> String {
    if ranges.is_empty() {
        return "nothing".to_owned();
    }
    let spans = ranges.iter().take(RANGES_SHOWN).map(|(first, last)| words::span(*first, *last));
    let spans = spans.collect::<Vec<_>>().join(", ");
    match ranges.len().saturating_sub(RANGES_SHOWN) {
        0 => spans,
        more => format!("{spans} and {more} more"),
    }
}

fn segments(extents: &[Extent]) -> String {
    let mut table = Table::new([
        ("segment", Align::Left),
        ("records", Align::Left),
        ("tuples", Align::Right),
        ("bytes", Align::Right),
        ("state", Align::Left),
    ]);
    for extent in extents {
        let is_empty = extent.last < extent.first;
        let span =
            if is_empty { "none".to_owned() } else { words::span(extent.first, extent.last) };
        let mut state = if extent.is_sealed { "sealed" } else { "open" }.to_owned();
        if extent.lost > 0 {
            state = format!("{state}, {} damaged", words::count(extent.lost, "record"));
        }
        if extent.void_bytes > 0 {
            state = format!("{state}, {} at its end unfinished", size(extent.void_bytes));
        }
        let tuples = grouped(extent.tuples);
        table.row([extent.name.to_string(), span, tuples, size(extent.bytes), state]);
    }
    table.render()
}

fn why(unused: &Unused) -> &'static str {
    match unused.why {
        Why::Replaced => "replaced by a later attempt; nothing in it was acknowledged",
        Why::Blank => "just begun, or cut off while it was; it holds nothing",
        Why::Headless => "damaged: both copies of its header; its records are lost",
    }
}

/// The word for programs.
pub(super) fn why_code(why: Why) -> &'static str {
    match why {
        Why::Replaced => "replaced",
        Why::Blank => "blank",
        Why::Headless => "damaged_header",
    }
}

fn as_json(opened: &Opened, survey: &Survey, seen: &Seen, now: Timestamp) -> Value {
    let view = &opened.view;
    let destination = |line: &Line| {
        let queued = line.queued.as_ref().ok();
        json!({
            "name": &*line.name,
            "state": state(opened, &line.name),
            "fault": line.queued.as_ref().err().map(ToString::to_string),
            "queued": queued.map(|queued| json!({
                "tuples": queued.tuples,
                "records": queued.records,
                "bytes": queued.bytes,
                "oldest": queued.oldest.map(words::instant),
                "age_seconds": queued.oldest.map(|oldest| words::age_seconds(oldest, now)),
                "ranges": queued.ranges,
            })),
        })
    };
    let segment = |extent: &Extent| {
        json!({
            "file": extent.name.to_string(),
            "first": extent.first,
            "last": extent.last,
            "tuples": extent.tuples,
            "bytes": extent.bytes,
            "sealed": extent.is_sealed,
            "damaged_records": extent.lost,
            "unfinished_bytes": extent.void_bytes,
        })
    };
    let unused = |unused: &Unused| {
        json!({
            "file": unused.name.to_string(),
            "bytes": unused.bytes,
            "why": why_code(unused.why),
        })
    };
    let totals = survey.end.totals;
    json!({
        "directory": opened.place.data_dir.join("queue").display().to_string(),
        "bytes": view.bytes(),
        "last_record": survey.end.head,
        "totals": {
            "tuples": totals.tuples, "accepted": totals.accepted, "rejected": totals.rejected,
        },
        "destinations": survey.destinations.iter().map(destination).collect::<Vec<_>>(),
        "gateway": running::as_json(seen),
        "segments": survey.segments.iter().map(segment).collect::<Vec<_>>(),
        "unused": view.unused.iter().map(unused).collect::<Vec<_>>(),
        "set_aside": view.aside.iter()
            .map(|aside| json!({ "file": aside.file, "bytes": aside.bytes })).collect::<Vec<_>>(),
        "foreign": view.foreign,
    })
}
