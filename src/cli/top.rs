//! `tidegate top`: the status page in a terminal.
//!
//! 0: whoever watched had enough; with --once, the gateway is ready. 1: it is not. 2: wrong arguments, or
//! nobody could be asked.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::ask::{AskArgs, Whereabouts};
use super::{Failure, convert, words};
use crate::app::signal::Signals;
use crate::clock::{Clock, SystemClock};
use crate::config::Environment;

mod line;
mod page;
mod screen;
mod told;

use page::{Frame, page};
use screen::Screen;
use told::Told;

/// How often the gateway may be asked, at most and at least.
const INTERVAL_MIN: Duration = Duration::from_millis(200);
const INTERVAL_MAX: Duration = Duration::from_hours(1);

/// Watch a running gateway in a terminal
///
/// What comes in, what waits, what goes out, and one sentence on how it is, redrawn in place; q or Ctrl-C
/// ends it. A gateway that is restarted meanwhile is found again. Without a terminal, or with --once, it is
/// printed once: exit code 0 says ready, 1 not ready, 2 that nobody could be asked. NO_COLOR is honoured.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tidegate top

  tidegate top --once && echo ready

  tidegate top --admin http://10.0.0.7:8081 --interval 5s")]
pub(super) struct TopArgs {
    #[command(flatten)]
    ask: AskArgs,

    /// Print it once
    #[arg(long)]
    once: bool,

    /// How often to look, 200ms to 1h
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    interval: Duration,
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if !(INTERVAL_MIN..=INTERVAL_MAX).contains(&interval) {
        return Err("expected 200ms to 1h".to_owned());
    }
    Ok(interval)
}

pub(super) fn run(args: &TopArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let whereabouts = args.ask.whereabouts(environment)?;
    let is = |name: &str, wanted: &dyn Fn(&str) -> bool| {
        environment.variables.get(name).is_some_and(|value| wanted(value))
    };
    let is_plain = is("NO_COLOR", &|value| !value.is_empty());
    let is_terminal = io::stdout().is_terminal();
    if args.once || !is_terminal || is("TERM", &|value| value == "dumb") {
        return once(&whereabouts, is_terminal && !is_plain);
    }
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start").map_err(Failure::Run)?;
    let watched = runtime.block_on(watch(&whereabouts, args.interval, !is_plain));
    // A look that hangs must not hold the process.
    runtime.shutdown_background();
    watched.map(|()| ExitCode::SUCCESS).map_err(Failure::Run)
}

fn once(whereabouts: &Whereabouts, is_coloured: bool) -> Result<ExitCode, Failure> {
    let told = ask(whereabouts).map_err(|why| Failure::Usage(anyhow!(why)))?;
    let (width, _) = screen::size().filter(|_| is_coloured).unwrap_or((usize::MAX, 0));
    let frame = Frame { told: Some(&told), trouble: None, now: now(), width, height: usize::MAX };
    let lines = page(&frame);
    let text: Vec<_> = lines.iter().map(|line| line.render(width, is_coloured) + "\n").collect();
    convert::print(&text.concat()).map_err(|error| Failure::Run(error.into()))?;
    Ok(if told.ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the gateway says of itself, or a sentence on why it does not. Blocks for seconds at worst.
fn ask(whereabouts: &Whereabouts) -> Result<Told, String> {
    let answer = whereabouts.gateway().and_then(|gateway| gateway.get("/status"));
    let answer = answer.map_err(|absent| absent.to_string())?;
    if answer.status != 200 {
        let says = words::plain(answer.body.lines().next().unwrap_or_default());
        return Err(format!("the gateway answers HTTP {}: {says}", answer.status));
    }
    serde_json::from_str(&answer.body)
        .map_err(|error| format!("what the gateway says cannot be read: {error}"))
}

fn now() -> String {
    words::instant(SystemClock::new().now())
}

/// Until somebody has enough.
async fn watch(
    whereabouts: &Whereabouts,
    interval: Duration,
    is_coloured: bool,
) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("cannot take over signals")?;
    let resizes = signal(SignalKind::window_change());
    let mut resizes = resizes.context("cannot take over signals")?;
    let mut screen = Screen::enter(is_coloured).context("cannot use the terminal")?;
    let mut keys = keys();
    let (mut told, mut trouble) = (None, None);
    let mut asking = ask_after(Duration::ZERO, whereabouts);
    loop {
        tokio::select! {
            _ = signals.next() => return Ok(()),
            Some(key) = keys.recv() => {
                if is_quit(key) {
                    return Ok(());
                }
                continue;
            }
            _ = resizes.recv() => {}
            answer = &mut asking => {
                // Nothing cancels it, so what is left is a panic.
                match answer.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())) {
                    Ok(new) => (told, trouble) = (Some(new), None),
                    Err(why) => trouble = Some(why),
                }
                asking = ask_after(interval, whereabouts);
            }
        }
        let (width, height) = screen::size().unwrap_or((80, 24));
        let trouble = trouble.as_deref();
        let frame = Frame { told: told.as_ref(), trouble, now: now(), width, height };
        if screen.draw(&page(&frame), width, height).is_err() {
            // The terminal is gone.
            return Ok(());
        }
    }
}

fn ask_after(wait: Duration, whereabouts: &Whereabouts) -> JoinHandle<Result<Told, String>> {
    let whereabouts = whereabouts.clone();
    tokio::spawn(async move {
        tokio::time::sleep(wait).await;
        let asked = spawn_blocking(move || ask(&whereabouts)).await;
        asked.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    })
}

/// q, Ctrl-C, Ctrl-D
fn is_quit(key: u8) -> bool {
    matches!(key, b'q' | b'Q' | 0x03 | 0x04)
}

/// What is typed. Whoever reads a terminal cannot be called off, and ends with the process.
fn keys() -> mpsc::Receiver<u8> {
    use std::io::Read as _;
    let (typed, keys) = mpsc::channel(16);
    std::thread::spawn(move || {
        for key in io::stdin().lock().bytes() {
            let Ok(key) = key else { return };
            if typed.blocking_send(key).is_err() {
                return;
            }
        }
    });
    keys
}
