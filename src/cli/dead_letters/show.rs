//! `tidegate dead-letters show`: the letters themselves.

use std::collections::VecDeque;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anyhow::anyhow;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::config::Environment;
use crate::dead_letter::{Letter, view};

use super::super::Failure;
use super::args::ShowArgs;
use super::words::plain;
use super::{Meant, tell_of_damage, words};

pub(super) fn run(args: &ShowArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let meant = Meant::find(&args.selection, environment)?;
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    let mut is_damaged = false;
    for name in &meant.receivers {
        let shown = show(args, &meant, name, &mut out);
        match shown.and_then(|seen| out.flush().map(|()| seen).map_err(Stop::Output)) {
            Ok(seen) => is_damaged |= tell_of_damage(name, &seen),
            Err(Stop::Output(error)) => return ended(error),
            Err(Stop::Input(error)) => return Err(Failure::Usage(anyhow!(error))),
        }
    }
    Ok(if is_damaged { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

enum Stop {
    Input(crate::dead_letter::OpenError),
    Output(io::Error),
}

/// That nobody reads it any more is no failure.
fn ended(error: io::Error) -> Result<ExitCode, Failure> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        _ => Err(Failure::Run(anyhow!(error).context("cannot write the output"))),
    }
}

fn show(
    args: &ShowArgs,
    meant: &Meant,
    name: &str,
    out: &mut impl Write,
) -> Result<view::Seen, Stop> {
    let mut newest = VecDeque::new();
    let mut output = Ok(());
    let seen = view::look(&meant.place.data_dir, name, &meant.selection, &mut |letter| {
        let Some(limit) = args.limit else {
            output = write(args, name, &letter, out);
            // Nothing more can be written, so nothing more has to be read.
            return match &output {
                Ok(()) => Ok(()),
                Err(error) => Err(error.kind().into()),
            };
        };
        newest.push_back(letter);
        if newest.len() > limit {
            newest.pop_front();
        }
        Ok(())
    });
    output.map_err(Stop::Output)?;
    let seen = seen.map_err(Stop::Input)?;
    for letter in &newest {
        write(args, name, letter, out).map_err(Stop::Output)?;
    }
    Ok(seen)
}

fn write(args: &ShowArgs, name: &str, letter: &Letter, out: &mut impl Write) -> io::Result<()> {
    if args.json { writeln!(out, "{}", as_json(name, letter)) } else { text(name, letter, out) }
}

fn text(name: &str, letter: &Letter, out: &mut impl Write) -> io::Result<()> {
    let answer = plain(&letter.answer);
    writeln!(
        out,
        "{} {name} answered {} to a tuple of {}, received {}\n  {}\n  {}\n",
        words::instant(letter.at),
        letter.status,
        plain(&letter.source),
        words::instant(letter.received),
        if answer.is_empty() { "(without a word)" } else { &answer },
        plain(&String::from_utf8_lossy(&letter.tuple)),
    )
}

/// The tuple digit for digit; one that is no JSON as text.
fn as_json(name: &str, letter: &Letter) -> String {
    let mut object = json!({
        "receiver": name,
        "at": words::instant(letter.at),
        "status": letter.status,
        "answer": &*letter.answer,
        "source": &*letter.source,
        "received": words::instant(letter.received),
        "sequence": letter.sequence,
        "index": letter.index,
    })
    .to_string();
    // Behind the others, because a value would not keep its digits.
    object.pop();
    let raw: Result<&RawValue, _> = serde_json::from_slice(&letter.tuple);
    let tuple = raw.map_or_else(
        |_| Value::from(String::from_utf8_lossy(&letter.tuple)).to_string(),
        |raw| raw.get().replace('\n', " "),
    );
    format!("{object},\"tuple\":{tuple}}}")
}
