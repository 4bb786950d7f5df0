//! The command line (contract C8): what can be typed, and what the exit code means.
//!
//! 0: done. 1: failed while running, or `convert` rejected something. 2: wrong arguments or a wrong
//! configuration, nothing was started.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::Environment;

mod ask;
mod bundle;
mod check_config;
mod convert;
mod dead_letters;
mod gateway;
mod load;
mod place;
mod queue;
mod receiver;
mod serve;
mod table;
mod tap;
mod test;
mod token;
mod top;
mod words;

/// A metrics gateway: takes metrics over HTTP, as Better Stack's ingest API, Prometheus and
/// OpenTelemetry have them, and delivers them to a StackState receiver.
#[derive(Debug, Parser)]
#[command(
    name = "tidegate",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = "New here? `tidegate serve --dev` needs no configuration and prints a curl command to try.\n\
                  `tidegate help <command>` explains a command and shows examples."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(ServeArgs),
    Convert(ConvertArgs),
    CheckConfig(CheckConfigArgs),
    Receiver(ReceiverArgs),
    Queue(queue::QueueArgs),
    DeadLetters(dead_letters::DeadLettersArgs),
    Tap(tap::TapArgs),
    Top(top::TopArgs),
    Test(test::TestArgs),
    Token(token::TokenArgs),
    Bundle(bundle::BundleArgs),
}

/// Run the gateway
///
/// Listens for metrics, turns them into StackState tuples, queues them and delivers them. SIGTERM
/// or Ctrl-C ends it in order: running requests and deliveries get `shutdown.grace` to finish; a
/// second signal ends it at once.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tidegate serve --dev
      Try it: the gateway on 127.0.0.1:8080 with token \"dev\", and a receiver of its own on
      127.0.0.1:7077. Prints a curl command to paste, and every tuple that arrives.

  tidegate serve --config /etc/tidegate/tidegate.toml
      The real thing. fixtures/config/minimal.toml is the least it needs, full.toml shows every key.

  TIDEGATE_LISTEN=0.0.0.0:8080 TIDEGATE_LIMITS__CONNECTIONS=1000 tidegate serve
      Variables beat the file: TIDEGATE_<KEY>, or TIDEGATE_<SECTION>__<KEY>.")]
struct ServeArgs {
    #[command(flatten)]
    config: ConfigArg,

    /// Try it out: needs no file, brings its own receiver, and prints the tuples that arrive
    ///
    /// Token "dev", no rate limit. Tuples go to stdout, one JSON array a line. The queue is in a
    /// temporary directory that is removed at the end (a killed process leaves it behind as
    /// tidegate-dev-*), unless TIDEGATE_DATA_DIR names one to keep.
    #[arg(long, conflicts_with = "file")]
    dev: bool,

    /// Listen on this address instead of the configured one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,

    /// With --dev, where its receiver listens
    #[arg(long, value_name = "ADDRESS:PORT", requires = "dev", default_value = "127.0.0.1:7077")]
    receiver_listen: SocketAddr,
}

/// Turn a body of metrics into StackState envelopes, without a server
///
/// Reads a file or standard input, plain or compressed (gzip, zstd), and writes one envelope a line
/// to stdout, ready to be posted to a receiver. The report goes to stderr: the same as the HTTP API
/// answers. Exits with 1 when anything was rejected. Points of any age are taken.
///
/// NDJSON is read piece by piece, so a file may be larger than memory. The other formats are read
/// whole, up to 256 MiB, and a body that does not parse yields nothing.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  echo '{\"name\":\"jobs.done\",\"counter\":{\"value\":3}}' | tidegate convert

  tidegate convert --format ndjson metrics.log.gz > envelopes.ndjson

  curl -s localhost:9100/metrics | tidegate convert --format prometheus
      What the page of an exporter comes to.

  tidegate convert --config tidegate.toml --source checkout body.json
      With that source's host name and tags, and the file's [stackstate] and [reserved_names].")]
struct ConvertArgs {
    /// What the input is
    #[arg(long, value_enum, default_value_t = FormatArg::Auto)]
    format: FormatArg,

    /// Shape tuples as this configuration says; its secrets are not read
    #[arg(long = "config", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Use the host name and tags of this `[[sources]]` entry
    #[arg(long, value_name = "NAME", requires = "config")]
    source: Option<String>,

    /// The input; standard input when absent or `-`
    #[arg(value_name = "FILE")]
    input: Option<PathBuf>,
}

/// How `convert` reads its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    /// By the file's name (.ndjson, .jsonl, .msgpack, .prom), else by its first byte
    Auto,
    /// One JSON value: an object, or an array of objects
    Json,
    /// JSON values by line; a broken line costs itself only
    Ndjson,
    /// MessagePack maps or arrays of maps, one or several in a row
    Msgpack,
    /// Prometheus' text exposition format 0.0.4: what an exporter shows
    Prometheus,
    /// OpenMetrics 1.0
    Openmetrics,
    /// A remote write 1.0 request, in snappy as it is sent, or without
    RemoteWrite,
    /// A remote write 2.0 request
    #[value(name = "remote-write-2")]
    RemoteWrite2,
    /// An OTLP metrics request as a protocol-buffer message
    Otlp,
    /// An OTLP metrics request as JSON
    OtlpJson,
}

/// Say what is wrong with a configuration, or print the settings in effect
///
/// All faults are shown at once, each with its line. Without faults, every setting is printed as
/// TOML with where it came from; secrets are hidden. Nothing is started. Exits with 0 or 2.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tidegate check-config --config /etc/tidegate/tidegate.toml

  tidegate check-config | grep -v '# default'
      Only what differs from the defaults.")]
struct CheckConfigArgs {
    #[command(flatten)]
    config: ConfigArg,
}

/// Run a StackState receiver to test against
///
/// Takes what a real one takes, refuses what a real one refuses or silently loses, and prints every
/// tuple it takes to stdout, one JSON array a line. It can be told to fail, from the start or while
/// it runs: PUT /_control, GET /_received.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tidegate receiver
      On 127.0.0.1:7077 with the key API_KEY.

  tidegate receiver --fault 503,retry-after=2,rate=0.3
      Three of ten deliveries get a 503. Others: hang, delay=2s, drip=100ms, reset=body, endless,
      400,body=no, 503,early, 307,location=http://10.0.0.1/, 503,turns=5/2.

  tidegate receiver --body-limit 65536 --encoding gzip --poison begins=bad.
      Stricter than a real one: what is larger, otherwise encoded or so named is refused.

  curl -X PUT localhost:7077/_control -d '{\"fault\": {\"status\": 503}}'
  curl -X PUT localhost:7077/_control -d '{\"rules\": {\"poison\": [{\"begins\": \"bad.\"}]}}'
  curl -X DELETE localhost:7077/_control
      Break and mend one that runs. Each PUT replaces what the one before it set; DELETE goes
      back to the start, without --fault. Rules: api_keys, body_limit, encodings, poison.")]
struct ReceiverArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7077")]
    listen: SocketAddr,

    /// The key to ask for; may be given several times
    #[arg(long = "api-key", value_name = "KEY", default_value = "API_KEY")]
    api_keys: Vec<String>,

    /// Fail like this from the start; `tidegate help receiver` shows examples
    #[arg(long, value_name = "FAULT")]
    fault: Option<crate::receiver::Standing>,

    /// The largest body taken, on the wire and decoded
    #[arg(long, value_name = "BYTES")]
    body_limit: Option<usize>,

    /// An encoding to take: deflate, gzip, identity; may be given several times
    #[arg(long = "encoding", value_name = "NAME")]
    encodings: Vec<crate::receiver::Encoding>,

    /// Refuse requests with metrics of such names: begins=TEXT or contains=TEXT; may be given several
    /// times
    #[arg(long = "poison", value_name = "NAMES")]
    poisons: Vec<crate::receiver::Poison>,

    /// Speak TLS with this certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "key_file")]
    cert_file: Option<PathBuf>,

    /// The key of that certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "cert_file")]
    key_file: Option<PathBuf>,

    /// Refuse clients without a certificate of the authorities in this file
    #[arg(long, value_name = "FILE", requires = "cert_file")]
    client_ca_file: Option<PathBuf>,

    /// Do not print tuples
    #[arg(long)]
    quiet: bool,
}

#[derive(Debug, Args)]
struct ConfigArg {
    /// The configuration; when absent what TIDEGATE_CONFIG names, else ./tidegate.toml
    // Not clap's `env`: a variable that is set for the machine must not conflict with --dev.
    #[arg(id = "file", long = "config", value_name = "FILE")]
    path: Option<PathBuf>,
}

/// Why a command ended without doing its work.
#[derive(Debug)]
enum Failure {
    /// Arguments or configuration: exit code 2.
    Usage(anyhow::Error),
    /// Anything later: exit code 1.
    Run(anyhow::Error),
}

/// Exit code of [`Failure::Usage`]; clap uses the same.
const USAGE: u8 = 2;

/// Runs what the process was asked to.
pub fn run() -> ExitCode {
    let environment = Environment::of_process();
    let outcome = match Cli::parse().command {
        Command::Serve(args) => serve::run(&args, &environment),
        Command::Convert(args) => convert::run(&args, &environment),
        Command::CheckConfig(args) => check_config::run(&args, &environment),
        Command::Receiver(args) => receiver::run(args),
        Command::Queue(args) => queue::run(&args, &environment),
        Command::DeadLetters(args) => dead_letters::run(&args, &environment),
        Command::Tap(args) => tap::run(&args, &environment),
        Command::Top(args) => top::run(&args, &environment),
        Command::Test(args) => test::run(&args, &environment),
        Command::Token(args) => token::run(&args),
        Command::Bundle(args) => bundle::run(&args, &environment),
    };
    match outcome {
        Ok(code) => code,
        Err(Failure::Usage(error)) => {
            say(&format!("tidegate: {error:#}"));
            ExitCode::from(USAGE)
        }
        Err(Failure::Run(error)) => {
            say(&format!("tidegate: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// A line for people, to stderr. A full disk or a closed pipe behind it is no reason to panic, as
/// `eprintln!` does: the exit code still says what happened.
fn say(line: &str) {
    drop(writeln!(io::stderr(), "{line}"));
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        assert_examples(&Cli::command());
    }

    /// Each subcommand's long help ends with examples; how many there are.
    pub(super) fn assert_examples(command: &clap::Command) -> usize {
        let subcommands = command.get_subcommands();
        subcommands
            .inspect(|command| {
                let help =
                    command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.starts_with("Examples:\n"), "{}", command.get_name());
            })
            .count()
    }
}
