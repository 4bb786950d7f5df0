//! `tidegate dead-letters`: what receivers refused for good, and another try (contract C6.3, C8).
//!
//! 0: done. 1: something could not be read or replayed. 2: wrong arguments, or nothing was started.

use std::process::ExitCode;

use anyhow::anyhow;

use crate::clock::{Clock, SystemClock};
use crate::config::Environment;
use crate::dead_letter::{Selection, view};

use super::place::Place;
use super::{Failure, convert, say, table, words};

mod args;
mod groups;
mod ls;
mod replay;
mod show;

use args::{DeadLettersCommand, SelectionArgs};

pub(super) use args::DeadLettersArgs;

pub(super) fn run(args: &DeadLettersArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    match &args.command {
        DeadLettersCommand::Ls(args) => ls::run(args, environment),
        DeadLettersCommand::Show(args) => show::run(args, environment),
        DeadLettersCommand::Replay(args) => replay::run(args, environment),
    }
}

/// Whose letters are meant, and which of them.
struct Meant {
    place: Place,
    /// Of those that have a directory, by name.
    receivers: Vec<String>,
    selection: Selection,
}

impl Meant {
    fn find(args: &SelectionArgs, environment: &Environment) -> Result<Self, Failure> {
        let now = SystemClock::new().now();
        let since = args.since.as_deref().map(|text| Selection::since(text, now)).transpose();
        let since = since.map_err(|error| Failure::Usage(anyhow!("--since: {error}")))?;
        let source = args.source.as_deref().map(Into::into);
        let selection = Selection { since, source, status: args.code };
        let place = Place::find(&args.place, environment)?;
        if !place.data_dir.is_dir() {
            return Err(Failure::Usage(anyhow!(
                "there is no data directory {}: `data_dir` is another one, or nothing was ever kept \
                 there; name it with --data-dir",
                place.data_dir.display()
            )));
        }
        let known = view::receivers(&place.data_dir).map_err(|error| {
            let directory = place.data_dir.display();
            Failure::Usage(anyhow!("the dead letters in {directory} cannot be listed: {error}"))
        })?;
        let receivers = match &args.receiver {
            None => known,
            Some(name) if known.contains(name) => vec![name.clone()],
            Some(name) if place.is_configured(name) == Some(true) => Vec::new(),
            Some(name) => {
                let has = if known.is_empty() { "nobody".to_owned() } else { known.join(", ") };
                return Err(Failure::Usage(anyhow!(
                    "there are no dead letters of a receiver \"{name}\"; there are those of: {has}"
                )));
            }
        };
        Ok(Self { place, receivers, selection })
    }

    /// Whether letters can be meant or not.
    fn is_choosy(&self) -> bool {
        self.selection != Selection::default()
    }
}

/// Tells of what could not be read; whether there was anything.
fn tell_of_damage(receiver: &str, seen: &view::Seen) -> bool {
    if seen.damaged > 0 {
        say(&format!(
            "tidegate: {} of {receiver} cannot be read any more; their files are kept",
            words::count(seen.damaged, "line"),
        ));
    }
    seen.damaged > 0
}

fn print(text: &str) -> Result<(), Failure> {
    convert::print(text).map_err(|error| Failure::Run(error.into()))
}

/// Its beginning, with a mark where it goes on.
fn shortened(text: &str, chars_max: usize) -> String {
    let mut short: String = text.chars().take(chars_max).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_at_a_character_and_marked() {
        for (text, wanted) in
            [("", ""), ("abcd", "abcd"), ("abcde", "abcd..."), ("\u{e4}bcd", "\u{e4}bcd")]
        {
            assert_eq!(shortened(text, 4), wanted);
        }
    }
}
