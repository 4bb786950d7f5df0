//! `tidegate dead-letters ls`: who refused what, how often, and why.

use std::process::ExitCode;

use anyhow::anyhow;
use serde_json::{Value, json};

use crate::config::Environment;
use crate::dead_letter::view::{self, Seen};

use super::super::Failure;
use super::args::LsArgs;
use super::groups::{Group, Groups, Kind};
use super::table::{Align, Table, grouped, size};
use super::words::plain;
use super::{Meant, tell_of_damage, words};

/// One receiver's.
struct Line {
    name: String,
    groups: Groups,
    seen: Seen,
}

pub(super) fn run(args: &LsArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let meant = Meant::find(&args.selection, environment)?;
    let mut lines = Vec::with_capacity(meant.receivers.len());
    for name in &meant.receivers {
        let mut groups = Groups::default();
        let seen = view::look(&meant.place.data_dir, name, &meant.selection, &mut |letter| {
            groups.add(&letter);
            Ok(())
        });
        let seen = seen.map_err(|error| Failure::Usage(anyhow!(error)))?;
        lines.push(Line { name: name.clone(), groups, seen });
    }
    let text = if args.json {
        format!("{:#}\n", as_json(&meant, &lines))
    } else {
        as_text(&meant, &lines)
    };
    super::print(&text)?;
    let is_damaged = lines.iter().filter(|line| tell_of_damage(&line.name, &line.seen)).count() > 0;
    Ok(if is_damaged { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The cap, where the configuration was read.
fn cap(meant: &Meant) -> Option<u64> {
    meant.place.storage.as_ref().map(|storage| storage.dead_letters.max_bytes)
}

fn as_text(meant: &Meant, lines: &[Line]) -> String {
    let mut table = Table::new([
        ("receiver", Align::Left),
        ("status", Align::Right),
        ("source", Align::Left),
        ("letters", Align::Right),
        ("first", Align::Left),
        ("last", Align::Left),
        ("for example", Align::Left),
        ("answer", Align::Left),
    ]);
    for line in lines {
        for (Kind { status, source, answer }, group) in &line.groups.by_kind {
            let Group { letters, first, last, example } = group;
            table.row([
                line.name.clone(),
                status.to_string(),
                plain(source),
                grouped(*letters),
                words::instant(*first),
                words::instant(*last),
                example.clone(),
                answer.clone(),
            ]);
        }
        if line.groups.others > 0 {
            let mut row: [String; 8] = Default::default();
            row[0].clone_from(&line.name);
            row[3] = grouped(line.groups.others);
            "others".clone_into(&mut row[7]);
            table.row(row);
        }
    }
    let mut text = String::new();
    for line in lines {
        text.push_str(&heading(meant, line));
    }
    if lines.is_empty() {
        text.push_str("no dead letters\n");
    }
    if !table.is_empty() {
        text.push('\n');
        text.push_str(&table.render());
    }
    text
}

fn heading(meant: &Meant, line: &Line) -> String {
    let Line { name, seen, .. } = line;
    let chosen =
        if meant.is_choosy() { format!("{} of ", grouped(seen.meant)) } else { String::new() };
    let used = match cap(meant) {
        Some(cap) => format!(
            "{} of {} ({} %)",
            size(seen.used_bytes),
            size(cap),
            u128::from(seen.used_bytes) * 100 / u128::from(cap.max(1))
        ),
        None => size(seen.used_bytes),
    };
    let orphan = match meant.place.is_configured(name) {
        Some(false) => "; not configured, so they cannot be replayed",
        _ => "",
    };
    format!("{name}: {chosen}{}, {used}{orphan}\n", words::count(seen.letters, "dead letter"))
}

fn as_json(meant: &Meant, lines: &[Line]) -> Value {
    let group = |(kind, group): (&Kind, &Group)| {
        json!({
            "status": kind.status,
            "source": &*kind.source,
            "answer": kind.answer,
            "letters": group.letters,
            "first": words::instant(group.first),
            "last": words::instant(group.last),
            "example": group.example,
        })
    };
    let receiver = |line: &Line| {
        json!({
            "name": line.name,
            "configured": meant.place.is_configured(&line.name),
            "letters": line.seen.letters,
            "meant": line.seen.meant,
            "used_bytes": line.seen.used_bytes,
            "limit_bytes": cap(meant),
            "damaged_lines": line.seen.damaged,
            "unfinished_bytes": line.seen.torn_bytes,
            "groups": line.groups.by_kind.iter().map(group).collect::<Vec<_>>(),
            "other_letters": line.groups.others,
        })
    };
    json!({
        "directory": meant.place.data_dir.join("dead-letters").display().to_string(),
        "receivers": lines.iter().map(receiver).collect::<Vec<_>>(),
    })
}
