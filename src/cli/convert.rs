//! `tidegate convert`: the pipeline without a server, from a file to envelopes on stdout.

use std::io::{self, Cursor, IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};

use crate::clock::{Clock, SystemClock};
use crate::config::{Environment, Shaping};
use crate::decode::inflate::Inflater;
use crate::decode::media::Coding;
use crate::decode::{Exposition, Format, Otlp, RemoteWrite, media};
use crate::metric::timestamp::Timestamp;
use crate::normalize::{Outside, Profile};
use crate::pipeline::report::Report;
use crate::pipeline::{self, BodyError, Start};

use super::{ConvertArgs, Failure, FormatArg, load};

mod input;
mod output;
mod pieces;

use output::Output;
use pieces::{Piece, Pieces};

/// Most bytes of an input that is not NDJSON, decompressed: it has to be in memory whole, because
/// nothing of it may be kept when its end does not parse (contract C1.7).
const WHOLE_BYTES_MAX: u64 = 256 << 20;

const TEXT: Format = Format::Exposition(Exposition::Text);
const OPEN_METRICS: Format = Format::Exposition(Exposition::OpenMetrics);

/// Where `auto` stops asking whether an input that begins with `{` is a body like those a client
/// sends, and takes it line by line.
const SNIFFED_BYTES_MAX: u64 = 20 << 20;

/// Why there is no report.
#[derive(Debug)]
enum Stop {
    /// Whoever read our output has enough.
    Closed,
    /// The input is not what it should be, or cannot be read; or the output cannot be written.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

pub(super) fn run(args: &ConvertArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let shaping = load::shaping(args.config.as_deref(), environment)?;
    let help = Arc::clone(&shaping.http.help_url);
    let profile = profile(shaping, args.source.as_deref()).map_err(Failure::Usage)?;
    let path = args.input.as_deref().filter(|path| *path != Path::new("-"));
    let input = input::open(path).map_err(Failure::Usage)?;
    let now = SystemClock::new().now();
    let output = Output::new(io::stdout().lock(), now, &profile.policy().gateway_hostname);
    let output = output.map_err(|error| Failure::Usage(error.into()))?;
    let mut job = Job { profile, now, output };
    let report = match job.convert(args.format, path, input) {
        Ok(report) => report,
        Err(Stop::Closed) => return Ok(ExitCode::SUCCESS),
        Err(Stop::Failed(error)) => return Err(Failure::Run(error)),
    };
    show(&report, &help);
    Ok(if report.rejected > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Age means nothing for a file (contract C3.6), and nothing waits behind the output, so neither
/// limit applies.
fn profile(shaping: Shaping, source: Option<&str>) -> anyhow::Result<Profile> {
    let mut policy = Arc::unwrap_or_clone(shaping.policy);
    policy.time.outside = Outside::Ignore;
    policy.expanded_bytes = u64::MAX;
    let Some(name) = source else { return Ok(Profile::new(Arc::new(policy), None, &[])) };
    let source = shaping.sources.iter().find(|source| &*source.name == name);
    let source = source.with_context(|| {
        let names: Vec<&str> = shaping.sources.iter().map(|source| &*source.name).collect();
        format!("the configuration has no source \"{name}\"; it has: {}", names.join(", "))
    })?;
    Ok(Profile::new(Arc::new(policy), source.hostname.as_deref(), &source.tags))
}

/// The report of contract C1.6, indented for people and on one line for programs.
fn show(report: &Report, help: &str) {
    let told = report.told(help);
    let text = if io::stderr().is_terminal() {
        serde_json::to_string_pretty(&told)
    } else {
        serde_json::to_string(&told)
    };
    super::say(&text.expect("a report is numbers and strings"));
}

/// Writes text to stdout; that nobody reads it any more is no error.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// One conversion.
struct Job<W: Write> {
    profile: Profile,
    now: Timestamp,
    output: Output<W>,
}

impl<W: Write> Job<W> {
    fn convert(
        &mut self,
        format: FormatArg,
        path: Option<&Path>,
        mut input: impl Read,
    ) -> Result<Report, Stop> {
        let format = match format {
            FormatArg::Auto => path.and_then(by_name).unwrap_or(FormatArg::Auto),
            named => named,
        };
        let report = match format {
            FormatArg::Ndjson => self.lines(input)?,
            FormatArg::Json => self.whole(Format::Json, Vec::new(), input)?,
            FormatArg::Msgpack => self.whole(Format::MessagePack, Vec::new(), input)?,
            FormatArg::Prometheus => self.whole(TEXT, Vec::new(), input)?,
            FormatArg::Openmetrics => self.whole(OPEN_METRICS, Vec::new(), input)?,
            FormatArg::RemoteWrite => self.message(RemoteWrite::V1, input)?,
            FormatArg::RemoteWrite2 => self.message(RemoteWrite::V2, input)?,
            FormatArg::Otlp => self.whole(Format::Otlp(Otlp::Protobuf), Vec::new(), input)?,
            FormatArg::OtlpJson => self.whole(Format::Otlp(Otlp::Json), Vec::new(), input)?,
            FormatArg::Auto => {
                let mut head = Vec::new();
                let mut limited = input.by_ref().take(SNIFFED_BYTES_MAX);
                limited.read_to_end(&mut head).context("cannot read the input")?;
                let ends = (head.len() as u64) < SNIFFED_BYTES_MAX;
                match media::sniff(&head) {
                    Some(Format::MessagePack) => self.whole(Format::MessagePack, head, input)?,
                    Some(_) if !ends && head.trim_ascii_start().starts_with(b"{") => {
                        self.lines(Cursor::new(head).chain(input))?
                    }
                    Some(format) => self.whole(format, head, input)?,
                    None => return Err(unrecognised(&head).into()),
                }
            }
        };
        self.output.flush()?;
        Ok(report)
    }

    /// Line by line, in memory that does not grow with the input.
    fn lines(&mut self, input: impl Read) -> Result<Report, Stop> {
        let (mut report, mut start) = (Report::default(), Start::default());
        let mut pieces = Pieces::new(input);
        while let Some(piece) = pieces.next().context("cannot read the input")? {
            let (part, lines) = match piece {
                Piece::Lines(text) => {
                    let lines = memchr::memchr_iter(b'\n', text).count() as u64;
                    (self.piece(start, Format::Ndjson, text)?, lines)
                }
                Piece::TooLong => (pieces::too_long(start), 1),
            };
            start.index += part.accepted + part.rejected;
            start.line += lines;
            pieces::add(&mut report, part);
        }
        if report.lines_read {
            return Ok(report);
        }
        let cause = match report.errors.first() {
            Some(entry) => format!("line {}: {}", entry.line.unwrap_or(1), entry.message),
            None => "the input is empty".to_owned(),
        };
        Err(anyhow!("no line of the input is a JSON value: {cause}").into())
    }

    /// The whole input at once. The first pass only asks whether it parses to its end: what the
    /// second one writes cannot be taken back.
    fn whole(&mut self, format: Format, head: Vec<u8>, input: impl Read) -> Result<Report, Stop> {
        let mut body = head;
        let room = WHOLE_BYTES_MAX + 1 - body.len() as u64;
        input.take(room).read_to_end(&mut body).context("cannot read the input")?;
        if body.len() as u64 > WHOLE_BYTES_MAX {
            return Err(too_large(format).into());
        }
        let checked = pipeline::run(&body, format, &self.profile, self.now, &mut |_| Ok(()));
        checked.map_err(|error| {
            let hint = if format == Format::JsonStream {
                "; if every line is a value of its own, say --format ndjson"
            } else {
                ""
            };
            anyhow!("{error}{hint}")
        })?;
        self.piece(Start::default(), format, &body)
    }

    /// A message of remote write, which is never sent without snappy and may have been kept without it.
    fn message(&mut self, version: RemoteWrite, input: impl Read) -> Result<Report, Stop> {
        let format = Format::RemoteWrite(version);
        let mut sent = Vec::new();
        input.take(WHOLE_BYTES_MAX + 1).read_to_end(&mut sent).context("cannot read the input")?;
        let mut inflater = Inflater::new(Coding::Snappy, WHOLE_BYTES_MAX as usize);
        match inflater.push(&sent).and_then(|()| inflater.finish()) {
            Ok(message) => self.whole(format, message.to_vec(), io::empty()),
            Err(packed) => self.whole(format, sent, io::empty()).map_err(|stop| match stop {
                // It was most probably sent as it is always sent.
                Stop::Failed(plain) => {
                    anyhow!("{packed}; and without snappy it is no message either: {plain}").into()
                }
                Stop::Closed => Stop::Closed,
            }),
        }
    }

    fn piece(&mut self, start: Start, format: Format, body: &[u8]) -> Result<Report, Stop> {
        let Self { profile, now, output } = self;
        let mut failed = None;
        let mut sink = |block| {
            output.write(block).map_err(|error| {
                failed = Some(error);
                pipeline::Refused
            })
        };
        let outcome = pipeline::run_from(start, body, format, profile, *now, &mut sink);
        match (outcome, failed) {
            (Ok(report), _) => Ok(report),
            (Err(BodyError::Refused), Some(stop)) => Err(stop),
            (Err(error), _) => Err(anyhow!(error).into()),
        }
    }
}

/// Only lines can be read piece by piece, and only JSON can be written so.
fn too_large(format: Format) -> anyhow::Error {
    let way_out = match format {
        Format::Json | Format::JsonStream | Format::Ndjson | Format::MessagePack => {
            ", and only NDJSON is read piece by piece: split it, or write one metric a line and say \
             --format ndjson"
        }
        Format::Exposition(_) => ": split the page, families whole",
        Format::RemoteWrite(_) | Format::Otlp(_) => ": split it into several messages",
    };
    anyhow!("the input is larger than {} MiB{way_out}", WHOLE_BYTES_MAX >> 20)
}

/// The format a file's name betrays, without what says how it is compressed.
fn by_name(path: &Path) -> Option<FormatArg> {
    let name = path.file_name()?.to_str()?;
    let name = [".gz", ".zst"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    match Path::new(name).extension()?.to_str()? {
        "ndjson" | "jsonl" => Some(FormatArg::Ndjson),
        "msgpack" | "mp" => Some(FormatArg::Msgpack),
        // As the files are called that node_exporter collects.
        "prom" => Some(FormatArg::Prometheus),
        _ => None,
    }
}

fn unrecognised(head: &[u8]) -> anyhow::Error {
    if head.trim_ascii().is_empty() {
        return anyhow!("the input is empty");
    }
    anyhow!(
        "the input begins neither like JSON nor like MessagePack: an object, an array or lines of \
         objects are expected; --format says which, and names the other formats, as in \
         --format prometheus"
    )
}

#[cfg(test)]
mod tests;
