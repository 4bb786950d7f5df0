//! `tidegate serve`: the gateway, or with `--dev` the gateway and a receiver to try it with.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::time::Instant;

use crate::app::reload::Upkeep;
use crate::app::signal::{Hangups, Signals};
use crate::app::{Afterwards, Ended, Gateway};
use crate::clock::SystemClock;
use crate::config::{self, Config, Environment, Loaded};
use crate::observe;
use crate::queue::Durability;
use crate::receiver::{Options, Printer, Receiver, Rules, Running};

use super::{Failure, ServeArgs, gateway, load};

mod open_files;
mod trial;

use trial::Trial;

/// What `--dev` runs with; variables beat it like any file. Its queue is the real one, synced, in a
/// temporary directory ([`Trial`]).
const DEV: &str = r#"
[[sources]]
name = "dev"
token = "dev"

[receiver]
url = "http://127.0.0.1:7077/stsAgent/intake"
api_key = "dev"

[limits]
requests_per_minute = 0
"#;

/// A signal this soon after the first is the same one: `timeout` and some supervisors signal the
/// process and then its group, and that must not cost what an orderly end saves.
const ECHO: Duration = Duration::from_millis(300);

pub(super) fn run(args: &ServeArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start").map_err(Failure::Run)?;
    // First of all: a reload that somebody asks for meanwhile must not end the process.
    let hangups = {
        let _runtime = runtime.enter();
        Hangups::listen().context("cannot take over SIGHUP").map_err(Failure::Run)?
    };
    let (origin, mut loaded) = if args.dev {
        let loaded = config::load("serve --dev", DEV, environment);
        (None, loaded.map_err(|error| Failure::Usage(error.into()))?)
    } else {
        let (origin, loaded) = load::origin(&args.config, environment)?;
        (Some(origin), loaded)
    };
    let origin = match args.listen {
        Some(listen) => {
            loaded.config.listen = listen;
            origin.map(|origin| origin.decided(&["listen"]))
        }
        None => origin,
    };
    let level = Some(observe::start(&loaded.config.log));
    let upkeep = Upkeep { origin, hangups: Some(hangups), level };
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let deliveries = loaded.config.receivers.iter().map(|receiver| receiver.concurrency);
    let scrapes = loaded.config.scrapes.iter().map(open_files::of_scrape);
    open_files::make_room(loaded.config.limits.connections, deliveries.chain(scrapes).sum());
    if args.dev {
        trial::explain_codes(&mut loaded);
    }
    let trial = if args.dev { begin_trial(&mut loaded).map_err(Failure::Run)? } else { None };
    let afterwards = if trial.is_some() { Afterwards::Removed } else { Afterwards::Kept };
    let serving = serve(args, loaded.config, upkeep, afterwards);
    let ended = runtime.block_on(serving).map_err(Failure::Run)?;
    // A second signal leaves tasks behind that would hold the process.
    runtime.shutdown_background();
    if let Some(trial) = trial {
        trial.end(ended.map_or(0, |ended| ended.queued));
    }
    Ok(if ended.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn begin_trial(loaded: &mut Loaded) -> anyhow::Result<Option<Trial>> {
    Trial::begin(loaded).context(
        "cannot make a temporary directory for the queue; name one with TIDEGATE_DATA_DIR or TMPDIR",
    )
}

/// What came of it; `None` when it was ended at once.
async fn serve(
    args: &ServeArgs,
    mut config: Config,
    mut upkeep: Upkeep,
    afterwards: Afterwards,
) -> anyhow::Result<Option<Ended>> {
    let fate = match (config.queue.durability, afterwards) {
        (Durability::Memory, _) | (_, Afterwards::Removed) => "are lost",
        (Durability::Fsync | Durability::Os, Afterwards::Kept) => "stay queued",
    };
    let mut signals = Signals::listen().context("cannot take over signals")?;
    // A trial has no file to read again, and ends with the terminal it runs in.
    let mut terminal = upkeep.hangups.take_if(|_| args.dev);
    let receiver =
        if args.dev { Some(dev_receiver(args.receiver_listen, &mut config).await?) } else { None };
    let gateway = Gateway::start_with(config, Arc::new(SystemClock::new()), upkeep).await?;
    if receiver.is_some() {
        invite(gateway.addr(), gateway.admin_addr());
    }
    let signal = tokio::select! {
        signal = signals.next() => signal,
        () = hung_up(&mut terminal) => "SIGHUP",
    };
    tracing::info!(signal, "{signal} received");
    let end = async {
        let ended = gateway.stop_before(afterwards).await;
        if let Some(receiver) = receiver {
            receiver.stop().await;
        }
        ended
    };
    Ok(unless_interrupted(end, &mut signals, fate).await)
}

async fn hung_up(terminal: &mut Option<Hangups>) {
    match terminal {
        Some(hangups) => hangups.next().await,
        None => std::future::pending().await,
    }
}

/// A second signal means now, unless it is an echo of the first.
async fn unless_interrupted(
    end: impl Future<Output = Ended>,
    signals: &mut Signals,
    fate: &str,
) -> Option<Ended> {
    let echoes_until = Instant::now() + ECHO;
    let again = async {
        loop {
            let signal = signals.next().await;
            if Instant::now() >= echoes_until {
                return signal;
            }
        }
    };
    tokio::select! {
        ended = end => Some(ended),
        signal = again => {
            tracing::warn!(signal, "{signal} received again: ending at once, undelivered tuples {fate}");
            None
        }
    }
}

/// The receiver at the other end, to which the configuration is turned.
async fn dev_receiver(listen: SocketAddr, config: &mut Config) -> anyhow::Result<Running> {
    let options = Options {
        listen,
        rules: Rules::for_key(config.receivers[0].api_key.reveal()),
        print: Some(Printer::new(io::stdout())),
        ..Options::default()
    };
    let receiver = Receiver::start(options).await;
    let receiver = receiver
        .map_err(|error| anyhow!("{error}; choose another address with --receiver-listen"))?;
    config.receivers[0].url = receiver.url();
    Ok(receiver)
}

/// To stderr, whatever the logs look like: stdout is for tuples.
fn invite(addr: SocketAddr, admin: Option<SocketAddr>) {
    let addr = gateway::reachable(addr);
    let watch = admin.map(gateway::reachable).map_or_else(String::new, |admin| {
        format!(
            "How it is doing, as a page and in a terminal:\n\n  http://{admin}/\n  \
             tidegate top --admin http://{admin}\n\n"
        )
    });
    super::say(&format!(
        "\nTry it, from another terminal:\n\n  \
         curl -i http://{addr}/metrics -H 'Authorization: Bearer dev' \\\n       \
         -d '{{\"name\":\"jobs.done\",\"counter\":{{\"value\":3}},\"tags\":{{\"env\":\"dev\"}}}}'\n\n{watch}\
         Tuples that reach the receiver are printed here. Ctrl-C ends it.\n"
    ));
}
