//! `tidegate tap`: tuples as a running gateway accepts them.
//!
//! 0: whoever looked had enough. 1: nobody could be asked, or the gateway ended. 2: wrong arguments.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::runtime;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::ask::AskArgs;
use super::gateway::Answer;
use super::{Failure, words};
use crate::app::signal::Signals;
use crate::config::Environment;
use crate::tap::Share;

mod lines;

use lines::{Lines, Stop};

/// A gateway that is there says so every few seconds.
const SILENCE: Duration = Duration::from_secs(20);

/// Chunks that wait for a slow reader; what is more waits, and is counted, at the gateway.
const CHUNKS_MAX: usize = 4;

/// What a signal leaves for writing what has come already.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Show tuples as a running gateway accepts them
///
/// One tuple a line on stdout, from now on, until Ctrl-C or until whoever reads has enough. Looking never
/// slows the gateway down: what comes faster than it is read is left out, and it is said how much. At most 8
/// can look at once.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tidegate tap

  tidegate tap --source checkout --name 'http.*' --limit 20
      The next twenty tuples of a source whose names begin like that.

  tidegate tap --sample 1% --format sourced | jq -r .source | head -1000 | sort | uniq -c
      Who sends how much.

  tidegate tap --admin http://127.0.0.1:8081
      The gateway that has its admin port there.")]
pub(super) struct TapArgs {
    #[command(flatten)]
    ask: AskArgs,

    /// Only what comes under this source or scraped job; may be given several times
    #[arg(long = "source", value_name = "NAME")]
    sources: Vec<String>,

    /// Only a share of the tuples: 1%, 0.01 or 1/100
    #[arg(long, value_name = "SHARE", default_value = "100%")]
    sample: Share,

    /// Only tuples of such names; * stands for any text and ? for one character
    #[arg(long, value_name = "PATTERN")]
    name: Option<String>,

    /// End after so many tuples
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    /// What a line looks like
    #[arg(long, value_enum, default_value_t = Format::Tuples)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// `["name",seconds,value,{..}]`, as it is delivered
    Tuples,
    /// `{"source":"..","tuple":[..]}`
    Sourced,
}

pub(super) fn run(args: &TapArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let whereabouts = args.ask.whereabouts(environment)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start").map_err(Failure::Run)?;
    let look = async {
        let gateway = whereabouts.gateway().map_err(|absent| anyhow!("{absent}"))?;
        let begun = gateway.listen(&args.path()).await.map_err(|absent| anyhow!("{absent}"))?;
        let response = begun.map_err(|Answer { status, body }| {
            anyhow!("{} answers HTTP {status}: {}", gateway.admin(), words::plain(body.trim_end()))
        })?;
        show(response, args.limit).await
    };
    let outcome = runtime.block_on(look);
    // A write that hangs must not hold the process.
    runtime.shutdown_background();
    outcome.map(|()| ExitCode::SUCCESS).map_err(Failure::Run)
}

/// Ends well when a signal comes, when the limit is reached, and when nobody reads on.
async fn show(response: reqwest::Response, limit: Option<u64>) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("cannot take over signals")?;
    let (chunks, mut written) = mpsc::channel::<bytes::Bytes>(CHUNKS_MAX);
    let is_terminal = io::stdout().is_terminal();
    let mut writing = spawn_blocking(move || {
        let mut lines = Lines::new(io::stdout().lock(), limit, is_terminal);
        while let Some(chunk) = written.blocking_recv() {
            match lines.take(&chunk) {
                Ok(()) => {}
                Err(Stop::Enough) => return Ok(lines.last_words()),
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
        Ok(lines.last_words())
    });
    let ended = tokio::select! {
        _ = signals.next() => None,
        done = &mut writing => return finished(done),
        why = read(response, chunks) => Some(why),
    };
    // Nothing more comes; what came is written, and what was left out is told.
    let Some(ended) = ended else {
        return match timeout(LAST_WORDS, writing).await {
            Ok(done) => finished(done),
            // Whoever reads does not.
            Err(_) => Ok(()),
        };
    };
    finished(writing.await)?;
    Err(ended)
}

fn finished(
    done: Result<io::Result<Option<String>>, tokio::task::JoinError>,
) -> anyhow::Result<()> {
    // Nothing cancels it, so what is left is a panic.
    let done = done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    if let Some(words) = done.context("cannot write the output")? {
        super::say(&words);
    }
    Ok(())
}

/// Hands on what comes until nothing comes any more; why that is.
async fn read(
    mut response: reqwest::Response,
    chunks: mpsc::Sender<bytes::Bytes>,
) -> anyhow::Error {
    loop {
        match timeout(SILENCE, response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                if chunks.send(chunk).await.is_err() {
                    // The writer says why; it is heard first.
                    return std::future::pending().await;
                }
            }
            Ok(Ok(None) | Err(_)) => {
                return anyhow!(
                    "the gateway has closed the connection: it ended, or others needed it"
                );
            }
            Err(_) => return anyhow!("the gateway has said nothing for {SILENCE:?}"),
        }
    }
}

impl TapArgs {
    fn path(&self) -> String {
        let pair = |key: &str, text: &str| {
            format!("{key}={}", utf8_percent_encode(text, NON_ALPHANUMERIC))
        };
        let mut pairs = vec![format!("sample={}", self.sample)];
        pairs.extend(self.sources.iter().map(|source| pair("source", source)));
        pairs.extend(self.name.iter().map(|name| pair("name", name)));
        if self.format == Format::Sourced {
            pairs.push("form=sourced".to_owned());
        }
        format!("/tap?{}", pairs.join("&"))
    }
}
