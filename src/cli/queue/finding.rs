//! What `verify` found, in words and for programs.

use serde_json::{Value, json};

use crate::queue::log::inspect::verify::Finding;
use crate::queue::log::inspect::view::Why;
use crate::queue::log::inspect::walk::{Lost, Place};
use crate::queue::log::position::{SlotsFault, file_name};

use super::ls::why_code;
use super::table::{grouped, size};
use super::words;

/// One sentence: where, what, whether something is lost, and what to do.
pub(super) fn sentence(finding: &Finding) -> String {
    match finding {
        Finding::Lost { lost, waiting } => of_lost(lost, waiting),
        Finding::Void(place) => format!(
            "{}: {} behind the last whole request, being written now or cut off by a crash; nobody was \
             answered about them, nothing is lost",
            at(*place),
            size(place.bytes)
        ),
        Finding::Unused(unused) => match unused.why {
            Why::Replaced => format!(
                "{}: a later file begins at the same record; writing this one failed before anything in \
                 it was acknowledged, nothing is lost",
                unused.name
            ),
            Why::Blank => format!(
                "{}: just begun, or cut off while it was; it holds nothing, nothing is lost",
                unused.name
            ),
            Why::Headless => format!(
                "{}: both copies of its header are damaged, its records cannot be read. Check the disk",
                unused.name
            ),
        },
        Finding::Aside(aside) => {
            format!("{}: {}, {}", aside.file, size(aside.bytes), words::of_aside(&aside.file))
        }
        Finding::NoPositions => "there are records and no position says how far any destination is; \
             the next start delivers everything that the queue still holds. Unless all were forgotten \
             by `tidegate queue forget`: were files removed by hand?"
            .to_owned(),
        Finding::Foreign(file) => format!("{file}: not a file of the queue, left alone"),
        Finding::Position { destination, fault } => of_position(destination, *fault),
        Finding::Totals { place, sequence, before, found } => format!(
            "{}: the totals of record {sequence} do not follow from those before it: {} tuples, {} metrics \
             accepted, {} rejected after {}, {}, {}. The books cannot be relied on; this is a bug, please \
             report it",
            at(*place),
            grouped(found.tuples),
            grouped(found.accepted),
            grouped(found.rejected),
            grouped(before.tuples),
            grouped(before.accepted),
            grouped(before.rejected),
        ),
        Finding::Tuples { place, sequence, said, held } => format!(
            "{}: record {sequence} says that it holds {}, there are {}. The books cannot be relied on; \
             this is a bug, please report it",
            at(*place),
            words::count(u64::from(*said), "tuple"),
            grouped(*held)
        ),
        Finding::Disagrees { destination, sequence, position, log } => format!(
            "{}: at record {sequence} it knows of {}, the log of {}. Does the file come from another \
             queue?",
            file_name(destination),
            words::count(*position, "tuple"),
            grouped(*log)
        ),
    }
}

fn of_lost(lost: &Lost, waiting: &[std::sync::Arc<str>]) -> String {
    let records = words::records(lost.first, lost.last);
    let (is, they) = if lost.first == lost.last { ("is", "it") } else { ("are", "them") };
    let tuples = match lost.tuples {
        Some(tuples) => words::count(tuples, "tuple"),
        None => "tuples of which the number is not known".to_owned(),
    };
    let whose = waiting.join(", ");
    match lost.place {
        Some(place) if !lost.was_acknowledged => format!(
            "{}: {records} {is} what a crash left of requests ({tuples}); nobody was answered about \
             {they}, nothing is lost",
            at(place)
        ),
        Some(place) if waiting.is_empty() => format!(
            "{}: {records} {is} damaged ({tuples}); no destination waits for {they}: delivered, or \
             counted as damaged before. Check the disk",
            at(place)
        ),
        Some(place) => format!(
            "{}: {records} {is} damaged, {tuples} lost to {whose}; the next start counts {they} as \
             damaged. Check the disk",
            at(place)
        ),
        None => format!(
            "no file holds {records} ({tuples}), for which {whose} still waits: lost. Were files \
             removed by hand?"
        ),
    }
}

fn of_position(destination: &str, fault: SlotsFault) -> String {
    let file = file_name(destination);
    format!(
        "{file}: {fault}; how far {destination} was is not known, the next start delivers everything \
         again that the queue still holds. Check the disk"
    )
}

/// `00000000000000000001-0.seg at byte 4096`
fn at(place: Place) -> String {
    format!("{} at byte {}", place.file, place.offset)
}

/// The same for programs.
pub(super) fn object(finding: &Finding) -> Value {
    let place = |place: Place| json!({ "file": place.file.to_string(), "offset": place.offset, "bytes": place.bytes });
    let mut object = match finding {
        Finding::Lost { lost, waiting } => {
            let mut object = lost.place.map_or_else(|| json!({}), place);
            let names: Vec<&str> = waiting.iter().map(|name| &**name).collect();
            let kind = if lost.was_acknowledged { "lost" } else { "void_records" };
            object["kind"] = json!(kind);
            object["first"] = json!(lost.first);
            object["last"] = json!(lost.last);
            object["tuples"] = json!(lost.tuples);
            object["waiting"] = json!(names);
            object
        }
        Finding::Void(at) => with_kind(place(*at), "unfinished"),
        Finding::Unused(unused) => {
            let file = json!({ "file": unused.name.to_string(), "why": why_code(unused.why) });
            with_kind(file, "unused")
        }
        Finding::Aside(aside) => {
            with_kind(json!({ "file": aside.file, "bytes": aside.bytes }), "set_aside")
        }
        Finding::Foreign(file) => json!({ "kind": "foreign", "file": file }),
        Finding::Position { destination, .. } => {
            json!({ "kind": "position", "file": file_name(destination) })
        }
        Finding::NoPositions => json!({ "kind": "no_positions" }),
        Finding::Totals { place: at, sequence, .. } => {
            let mut object = with_kind(place(*at), "totals");
            object["first"] = json!(sequence);
            object
        }
        Finding::Tuples { place: at, sequence, .. } => {
            let mut object = with_kind(place(*at), "tuples");
            object["first"] = json!(sequence);
            object
        }
        Finding::Disagrees { destination, sequence, .. } => {
            json!({ "kind": "disagrees", "file": file_name(destination), "first": sequence })
        }
    };
    object["fault"] = json!(finding.is_fault());
    object["text"] = json!(sentence(finding));
    object
}

fn with_kind(mut object: Value, kind: &str) -> Value {
    object["kind"] = json!(kind);
    object
}
