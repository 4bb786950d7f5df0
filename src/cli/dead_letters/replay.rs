//! `tidegate dead-letters replay`: through the gateway that runs, or into the queue of one that does
//! not.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use serde::Deserialize;
use serde_json::json;

use crate::app::log_options;
use crate::clock::{Clock, SystemClock};
use crate::config::{Environment, Storage};
use crate::dead_letter::{DeadLetters, Ownership, view};
use crate::queue::log::LogQueue;
use crate::queue::{Meters, Queue};

use super::super::Failure;
use super::super::gateway::{Absent, Gateway};
use super::args::{ReplayArgs, SelectionArgs};
use super::{Meant, say, words};

/// Longest wait for one answer of a gateway, which takes what it can do in seconds.
const WAIT: Duration = Duration::from_secs(15);

/// What became of one receiver's.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    receiver: String,
    letters: u64,
    more: bool,
    error: Option<String>,
}

/// What a gateway says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    replayed: Vec<Line>,
    error: Option<String>,
}

pub(super) fn run(args: &ReplayArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let meant = Meant::find(&args.selection, environment)?;
    let mut wanted = Vec::new();
    for name in &meant.receivers {
        let seen = view::look(&meant.place.data_dir, name, &meant.selection, &mut |_| Ok(()));
        let seen = seen.map_err(|error| Failure::Usage(anyhow!(error)))?;
        super::tell_of_damage(name, &seen);
        if meant.place.is_configured(name) == Some(false) {
            if let Some(named) = &args.selection.receiver {
                return Err(Failure::Usage(anyhow!(
                    "receiver {named} is not configured: nobody would deliver its {}. Configure it \
                     again to replay them",
                    words::count(seen.meant, "dead letter")
                )));
            }
            if seen.meant > 0 {
                let letters = words::count(seen.meant, "dead letter");
                say(&format!("tidegate: {letters} of {name} stay: it is not configured"));
            }
        } else if seen.meant > 0 {
            wanted.push(Line { receiver: name.clone(), letters: seen.meant, ..Line::default() });
        }
    }
    if args.dry_run {
        let text: String = wanted.iter().map(|line| described("would replay", line)).collect();
        return done(if text.is_empty() { "nothing would be replayed\n" } else { &text });
    }
    if wanted.is_empty() {
        return done("there is nothing to replay\n");
    }
    let names: Vec<String> = wanted.into_iter().map(|line| line.receiver).collect();
    match running(&meant)? {
        Some(gateway) => through(&gateway, &meant, &args.selection, &names),
        None => directly(&meant, &names),
    }
}

fn done(text: &str) -> Result<ExitCode, Failure> {
    super::print(text)?;
    Ok(ExitCode::SUCCESS)
}

fn described(verb: &str, line: &Line) -> String {
    format!("{verb} {} to {}\n", words::count(line.letters, "dead letter"), line.receiver)
}

/// The gateway that works on the data directory, if there is one.
fn running(meant: &Meant) -> Result<Option<Gateway>, Failure> {
    match Gateway::find(&meant.place) {
        Ok(gateway) => Ok(Some(gateway)),
        Err(Absent::NotRunning) => Ok(None),
        Err(absent) => Err(Failure::Usage(anyhow!(
            "somebody may be working on {}, and it cannot be asked: {absent}. Wait until it can, stop it, \
             or switch its admin port on",
            meant.place.data_dir.display()
        ))),
    }
}

/// Asks until nothing is left to do. Each receiver on its own, so that one that fails costs no other.
fn through(
    gateway: &Gateway,
    meant: &Meant,
    args: &SelectionArgs,
    names: &[String],
) -> Result<ExitCode, Failure> {
    // The instant, because how long ago that was changes from one request to the next.
    let since = meant.selection.since.map(words::instant_exactly);
    let mut has_failed = false;
    for name in names {
        let mut total = Line { receiver: name.clone(), ..Line::default() };
        loop {
            let request = json!({
                "receiver": name, "since": since, "source": args.source, "code": args.code,
            });
            let answer = gateway.post("/dead-letters/replay", request.to_string(), WAIT);
            let answer = answer.map_err(|absent| unanswered(&absent, meant, &total))?;
            let told: Told = serde_json::from_str(&answer.body).map_err(|_| {
                let status = answer.status;
                Failure::Run(anyhow!("the gateway answers HTTP {status}, it is another version"))
            })?;
            total.error = told.error;
            total.more = false;
            let before = total.letters;
            for line in told.replayed {
                total.letters += line.letters;
                total.more |= line.more;
                total.error = total.error.or(line.error);
            }
            if total.more && total.letters == before && total.error.is_none() {
                let stuck = "the gateway found no time to replay any of what is left: try again later, \
                             or stop it and replay then";
                total.error = Some(stuck.to_owned());
            }
            if !total.more || total.error.is_some() {
                break;
            }
        }
        has_failed |= tell(&total)?;
    }
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn unanswered(absent: &Absent, meant: &Meant, total: &Line) -> Failure {
    let before = if total.letters == 0 { String::new() } else { described("replayed", total) };
    let after = match absent {
        Absent::Silent { .. } => {
            "If it took the request it goes on with it: `tidegate dead-letters ls` shows what is left"
        }
        _ if meant.place.admin_in_memory().is_some() => {
            "With `queue.durability = \"memory\"` there is no queue but that of the running gateway, which \
             is asked at `admin.listen`: start it and replay then"
        }
        _ => "`tidegate dead-letters ls` shows what is left",
    };
    Failure::Run(anyhow!("{before}{absent}. {after}"))
}

/// Says what became of one receiver's; whether it failed.
fn tell(line: &Line) -> Result<bool, Failure> {
    if line.letters > 0 || line.error.is_none() {
        super::print(&described("replayed", line))?;
    }
    if let Some(error) = &line.error {
        say(&format!("tidegate: {}: {}", line.receiver, words::plain(error)));
    }
    Ok(line.error.is_some())
}

/// Opens the queue here; nobody else can meanwhile.
fn directly(meant: &Meant, names: &[String]) -> Result<ExitCode, Failure> {
    let Some(storage) = &meant.place.storage else {
        return Err(Failure::Usage(anyhow!(
            "no gateway works on {}, and to put something into its queue the configuration is needed: \
             name it with --config",
            meant.place.data_dir.display()
        )));
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build();
    let runtime = runtime.map_err(|error| Failure::Run(error.into()))?;
    runtime.block_on(into_queue(meant, storage, names))
}

async fn into_queue(
    meant: &Meant,
    storage: &Storage,
    names: &[String],
) -> Result<ExitCode, Failure> {
    let data_dir = &meant.place.data_dir;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let options = log_options(&storage.queue, storage.receivers.clone(), &Meters::default());
    let queue = LogQueue::open(data_dir, &options, Arc::clone(&clock));
    let queue: Arc<dyn Queue> = Arc::new(queue.map_err(|error| Failure::Usage(anyhow!(error)))?);
    let mut has_failed = false;
    for name in names {
        let cap = storage.dead_letters.max_bytes;
        let letters = DeadLetters::open(data_dir, name, cap, Ownership::Held);
        let letters = Arc::new(letters.map_err(|error| Failure::Run(anyhow!(error)))?);
        let mut line = Line { receiver: name.clone(), ..Line::default() };
        match letters.replay(&queue, &meant.selection, &clock, None).await {
            Ok(replayed) => line.letters = replayed.letters,
            Err(error) => line.error = Some(error.to_string()),
        }
        has_failed |= tell(&line)?;
    }
    queue.close();
    queue.end().await;
    if !has_failed {
        super::print("They are delivered when the gateway starts.\n")?;
    }
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
