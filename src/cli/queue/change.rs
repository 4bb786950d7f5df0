//! `tidegate queue purge` and `forget`: what changes a queue that no gateway works on.

use std::process::ExitCode;

use anyhow::anyhow;

use crate::clock::{Clock, SystemClock};
use crate::config::Environment;
use crate::metric::timestamp::Timestamp;
use crate::queue::log::disk::{Access, Lock, RealDisk};
use crate::queue::log::inspect::purge::{self, Plan};

use super::super::{Failure, USAGE, convert};
use super::args::{ForgetArgs, PurgeArgs};
use super::place::Place;
use super::table::size;
use super::{Opened, words};

/// What throws nothing away because nobody said --yes; its exit code is that of a command that was
/// not carried out, so that a script does not take it for one that was.
fn unconfirmed() -> ExitCode {
    ExitCode::from(USAGE)
}

pub(super) fn purge(args: &PurgeArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let place = Place::find(&args.place, environment)?;
    // Taken before anything is read: what is read is then what is changed.
    let lock = if args.yes { Some(lock(&place)?) } else { None };
    let opened = Opened::at(place)?;
    let name = opened.destination(args.receiver.as_deref())?;
    let now = SystemClock::new().now();
    let before = args.older_than.map(|age| earlier(now, age.as_secs()));
    let plan = plan(&opened, &name, before)?;
    let what = described(&plan, &name);
    if plan.is_empty() {
        let old = before
            .map_or(String::new(), |before| format!(" from before {}", words::instant(before)));
        return done(&format!("nothing{old} waits for {name}"));
    }
    if lock.is_none() {
        print(&format!(
            "would throw away {what}\nNothing was changed. With --yes, and the gateway stopped, it is \
             done.\n"
        ))?;
        return Ok(unconfirmed());
    }
    let disk = writable(&opened.place)?;
    let carried_out = plan.carry_out(&disk);
    carried_out.map_err(|error| Failure::Run(error.into()))?;
    done(&format!(
        "threw away {what}\nThey count as purged. Their files go when the gateway starts, once every \
         destination has passed them."
    ))
}

pub(super) fn forget(args: &ForgetArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let place = Place::find(&args.place, environment)?;
    let name = &args.name;
    let is_configured = place.is_configured(name);
    if is_configured == Some(true) {
        return Err(Failure::Usage(anyhow!(
            "{name} is configured: forgotten, it would begin at the tail and lose what waits. Take it \
             out of the configuration first, or throw away what waits with `tidegate queue purge \
             --receiver {name}`"
        )));
    }
    let lock = if args.yes { Some(lock(&place)?) } else { None };
    let opened = Opened::at(place)?;
    let what = given_up(&opened, name)?;
    if lock.is_none() {
        let hint = match is_configured {
            None => "\nNo configuration was read: make sure that none names it.",
            Some(_) => "",
        };
        let last = if is_last(&opened) {
            "\nIt is the last position: the receiver with which the gateway starts then gets everything \
             that the queue still holds."
        } else {
            ""
        };
        print(&format!(
            "would forget {name} and give up {what}{hint}{last}\nNothing was changed. With --yes, and the \
             gateway stopped, it is done.\n"
        ))?;
        return Ok(unconfirmed());
    }
    let disk = writable(&opened.place)?;
    let forgotten = purge::forget(&disk, name);
    forgotten.map_err(|error| Failure::Run(error.into()))?;
    let left = if is_last(&opened) {
        "No position is left: the receiver with which the gateway starts gets everything that the queue \
         still holds."
    } else {
        "Files kept for it alone go when the gateway starts."
    };
    done(&format!("forgot {name} and gave up {what}\n{left}"))
}

/// Whether forgetting this one leaves records without any position: whoever comes then is not taken
/// for a new receiver.
fn is_last(opened: &Opened) -> bool {
    opened.view.destinations.len() == 1 && !opened.view.segments.is_empty()
}

/// What forgetting costs.
fn given_up(opened: &Opened, name: &str) -> Result<String, Failure> {
    let known = &opened.view.destinations;
    let Some(found) = known.iter().find(|known| *known.name == *name) else {
        let names: Vec<&str> = known.iter().map(|known| &*known.name).collect();
        let has = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let text = format!("the queue has no destination \"{name}\"; it has: {has}");
        return Err(Failure::Usage(anyhow!(text)));
    };
    if let Err(fault) = &found.position {
        return Ok(format!("what waits for it, of which nothing is known: {fault}"));
    }
    let plan = plan(opened, name, None)?;
    Ok(if plan.is_empty() { "nothing".to_owned() } else { described(&plan, name) })
}

fn plan(opened: &Opened, name: &str, before: Option<Timestamp>) -> Result<Plan, Failure> {
    let plan = purge::plan(&opened.view, name, before);
    let plan = plan.map_err(|error| opened.place.unreadable(&error))?;
    Ok(plan.expect("only a destination with a readable position gets here"))
}

fn described(plan: &Plan, name: &str) -> String {
    let waiting = plan.waiting;
    let since = waiting
        .oldest
        .map_or(String::new(), |oldest| format!(", the oldest of {}", words::instant(oldest)));
    format!(
        "{} in {} ({}) waiting for {name}{since}",
        words::count(waiting.tuples, "tuple"),
        words::count(waiting.records, "record"),
        size(waiting.bytes)
    )
}

fn earlier(now: Timestamp, seconds: u64) -> Timestamp {
    let seconds = now.seconds().saturating_sub(i64::try_from(seconds).unwrap_or(i64::MAX));
    Timestamp::from_unix(seconds, now.nanos())
}

/// The lock of the data directory (contract C5.6).
fn lock(place: &Place) -> Result<Lock, Failure> {
    // There is nothing to lock where there is no queue, and no reason to leave a lock file behind.
    place.queue_dir()?;
    Lock::take(&place.data_dir.join("lock"))
        .map_err(|error| Failure::Usage(anyhow!("this needs a stopped gateway: {error}")))
}

fn writable(place: &Place) -> Result<RealDisk, Failure> {
    let directory = place.queue_dir()?;
    RealDisk::open(&directory, Access::ReadWrite)
        .map_err(|error| Failure::Run(anyhow!("cannot write to {}: {error}", directory.display())))
}

fn done(text: &str) -> Result<ExitCode, Failure> {
    print(&format!("{text}\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn print(text: &str) -> Result<(), Failure> {
    convert::print(text).map_err(|error| Failure::Run(error.into()))
}
