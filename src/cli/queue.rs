//! `tidegate queue`: looking into the durable queue, and taking things out of it (contract C8).
//!
//! 0: done, and for `verify` sound. 1: something is damaged, or does not balance. 2: wrong arguments,
//! no queue, one that cannot be read, or a change that was not confirmed with --yes; nothing was
//! changed.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};

use crate::config::Environment;
use crate::queue::log::disk::{Access, Disk, RealDisk};
use crate::queue::log::inspect::{InspectError, View};

use super::{Failure, place, table, words};

mod args;
mod change;
mod export;
mod finding;
mod ls;
mod verify;

use args::QueueCommand;
use place::{Place, PlaceArgs};

pub(super) use args::QueueArgs;

pub(super) fn run(args: &QueueArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    match &args.command {
        QueueCommand::Ls(args) => ls::run(args, environment),
        QueueCommand::Verify(args) => verify::run(args, environment),
        QueueCommand::Export(args) => export::run(args, environment),
        QueueCommand::Purge(args) => change::purge(args, environment),
        QueueCommand::Forget(args) => change::forget(args, environment),
    }
}

/// A queue that is looked at.
struct Opened {
    place: Place,
    view: View,
}

impl Opened {
    /// For reading alone: no lock, and no right to write.
    fn find(args: &PlaceArgs, environment: &Environment) -> Result<Self, Failure> {
        let place = Place::find(args, environment)?;
        Self::at(place)
    }

    fn at(place: Place) -> Result<Self, Failure> {
        let directory = place.queue_dir()?;
        let disk = RealDisk::open(&directory, Access::ReadOnly);
        let disk = disk.with_context(|| format!("cannot read {}", directory.display()));
        let disk: Arc<dyn Disk> = Arc::new(disk.map_err(Failure::Usage)?);
        let view = View::open(&disk);
        let view = view.map_err(|error| place.unreadable(&error))?;
        Ok(Self { place, view })
    }

    /// The destination that is meant, when one was named or there is only one.
    fn destination(&self, wanted: Option<&str>) -> Result<Arc<str>, Failure> {
        let known = &self.view.destinations;
        let names = || known.iter().map(|known| &*known.name).collect::<Vec<_>>().join(", ");
        let found = match (wanted, &known[..]) {
            (None, [only]) => Ok(only),
            (Some(name), _) => known.iter().find(|known| *known.name == *name).ok_or_else(|| {
                let has = if known.is_empty() { "none".to_owned() } else { names() };
                anyhow!("the queue has no destination \"{name}\"; it has: {has}")
            }),
            (None, []) if self.view.lacks_positions() => Err(anyhow!(
                "the queue in {} has records and no position: how far its destinations were is not \
                 known. When the gateway starts, it delivers everything that the queue still holds; \
                 `tidegate queue export --all` prints it",
                self.place.data_dir.display()
            )),
            (None, []) => Err(anyhow!(
                "the queue in {} has no destination yet: no gateway was started on it",
                self.place.data_dir.display()
            )),
            (None, _) => Err(anyhow!("which destination? Name one with --receiver: {}", names())),
        };
        let found = found.map_err(Failure::Usage)?;
        match &found.position {
            Ok(_) => Ok(Arc::clone(&found.name)),
            Err(fault) => Err(Failure::Usage(anyhow!(
                "what waits for {} is not known: {fault}. When the gateway starts, it delivers \
                 everything again that the queue still holds",
                found.name
            ))),
        }
    }
}

impl Place {
    /// Why nothing is known of the queue.
    fn unreadable(&self, error: &InspectError) -> Failure {
        let directory = self.data_dir.join("queue");
        Failure::Usage(anyhow!("the queue in {} cannot be read: {error}", directory.display()))
    }
}
