//! The stages composed: a body, its source's profile and a clock reading in; blocks and a report out.
//!
//! The server, `convert`, `dry_run`, the benches and the fuzz targets all call [`run`].

use bumpalo::Bump;

use crate::decode::Format;
use crate::decode::labelled::Origin;
use crate::decode::pull::{Extent, Pull, Token};
use crate::decode::{item, raw::RawMetric};
use crate::encode::{Encoder, Escapes, Expanded, Outlook, Source};
use crate::expand;
use crate::metric::Metric;
use crate::metric::text::Texts;
use crate::metric::timestamp::Timestamp;
use crate::normalize::{self, Profile, Rules, TupleType, Warnings};

mod labelled;
mod lane;
mod place;
pub mod report;
mod series;
mod step;
mod stop;
mod text;
mod warning;
mod windows;

use lane::Luck;
use report::Report;
pub use series::{Guard, Ruling, Terms};
pub use step::{Refused, Sink, Start, Step, Steps};
use stop::Stop;

/// Why a whole body was refused; nothing of it is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not JSON, NDJSON or MessagePack; the text says what was expected and where (C1.7: 406).
    #[error("Couldn't parse JSON content. {0}")]
    Syntax(String),
    /// Not what its Content-Type or path says (400): Prometheus' text, remote write, OTLP.
    #[error("not {format}: {fault}")]
    Malformed {
        /// What it should have been.
        format: &'static str,
        /// What was expected, and where.
        fault: String,
    },
    /// The tuples of this body pass the limit (C1.5: 413).
    #[error(
        "payload reached size limit: its metrics expand to more than {limit} bytes of tuples (`limits.expanded_bytes`); send them in several requests"
    )]
    Expanded {
        /// The limit, bytes.
        limit: u64,
    },
    /// The caller's sink would take no further block (C1.12: 503).
    #[error("no room for the tuples of this body")]
    Refused,
}

/// Turns one whole body into blocks, handed to `sink` as they fill, and a report of its items.
///
/// On an error the blocks already handed out must be thrown away.
///
/// # Errors
///
/// Only what concerns the whole body; a fault of one item is in the report.
pub fn run(
    body: &[u8],
    format: Format,
    profile: &Profile,
    now: Timestamp,
    sink: &mut Sink<'_>,
) -> Result<Report, BodyError> {
    run_steps(body, format, profile, now, &mut step::blocks_only(sink))
}

/// [`run`] for a caller that hears of every [`Step`].
///
/// # Errors
///
/// As [`run`].
pub fn run_steps(
    body: &[u8],
    format: Format,
    profile: &Profile,
    now: Timestamp,
    steps: &mut Steps<'_>,
) -> Result<Report, BodyError> {
    run_of(body, format, &Origin::default(), profile, now, steps)
}

/// [`run_steps`] for a body whose measurements get something from where it came.
///
/// # Errors
///
/// As [`run`].
pub fn run_of<'a>(
    body: &'a [u8],
    format: Format,
    origin: &Origin<'a>,
    profile: &'a Profile,
    now: Timestamp,
    steps: &mut Steps<'_>,
) -> Result<Report, BodyError> {
    run_guarded(body, format, origin, Terms::new(profile, now), steps)
}

/// [`run_of`] for a source whose series are limited.
///
/// # Errors
///
/// As [`run`].
pub fn run_guarded<'a>(
    body: &'a [u8],
    format: Format,
    origin: &Origin<'a>,
    terms: Terms<'a, '_>,
    steps: &mut Steps<'_>,
) -> Result<Report, BodyError> {
    let done = read(Start::default(), body, format, origin, terms, steps);
    match &done {
        Ok(report) if format == Format::Ndjson && !report.lines_read => Err(no_line(report)),
        _ => done,
    }
}

#[cold]
fn no_line(report: &Report) -> BodyError {
    BodyError::Syntax(match report.errors.first() {
        Some(entry) => {
            format!("No line is a JSON value; line {}: {}", entry.line.unwrap_or(1), entry.message)
        }
        None => "expected at least one line with a JSON value".to_owned(),
    })
}

/// [`run`] over a piece of a body that begins at `start`.
///
/// # Errors
///
/// As [`run`].
pub fn run_from(
    start: Start,
    body: &[u8],
    format: Format,
    profile: &Profile,
    now: Timestamp,
    sink: &mut Sink<'_>,
) -> Result<Report, BodyError> {
    let terms = Terms::new(profile, now);
    read(start, body, format, &Origin::default(), terms, &mut step::blocks_only(sink))
}

fn read<'a>(
    start: Start,
    whole: &'a [u8],
    format: Format,
    origin: &Origin<'a>,
    mut terms: Terms<'a, '_>,
    steps: &mut Steps<'_>,
) -> Result<Report, BodyError> {
    let text = match format {
        Format::MessagePack => return windows::read(start, whole, terms, steps),
        Format::Json => Text::Value,
        Format::JsonStream => Text::Values,
        Format::Ndjson => Text::Lines,
        Format::Exposition(_) | Format::RemoteWrite(_) | Format::Otlp(_) => {
            return labelled::read(whole, format, origin, terms, steps);
        }
    };
    // One byte order mark is tolerated (C2.5); in MessagePack the same bytes are values.
    let body = whole.strip_prefix(BOM).filter(|_| start == Start::default()).unwrap_or(whole);
    let arena = Bump::new();
    let encoder = encoder(body.len(), terms.profile);
    let mut run = Run::new(&arena, terms.again(), body, encoder, steps);
    run.index = start.index;
    run.skipped = whole.len() - body.len();
    match text {
        Text::Value => run.json(body)?,
        Text::Values => run.json_stream(body)?,
        Text::Lines => run.ndjson(body, start.line)?,
    }
    run.finish()
}

/// What a body of text is made of.
enum Text {
    Value,
    Values,
    Lines,
}

/// An encoder for what becomes of a body of so many bytes.
fn encoder(body_bytes: usize, profile: &Profile) -> Encoder {
    Encoder::new(Outlook {
        body_bytes,
        bytes_max: profile.policy().expanded_bytes,
        always_raw: profile.policy().tuple_type == TupleType::Raw,
    })
}

const BOM: &[u8] = b"\xef\xbb\xbf";

/// One body on its way; `'a` is the body's and the profile's.
struct Run<'a, 's, 'k> {
    arena: &'a Bump,
    rules: Rules<'a>,
    /// Whether texts of the body, or of the operator, can need an escape; not known before the first
    /// item that leaves the straight lane.
    escapes: Option<Escapes>,
    /// The same where those of the body cannot: of metrics from the straight lane.
    plain_escapes: Escapes,
    raw: RawMetric<'a>,
    metric: Metric<'a>,
    /// What most texts of the metrics are parts of.
    body: &'a [u8],
    encoder: Encoder,
    report: Report,
    /// The next item's number.
    index: u64,
    luck: Luck,
    /// NDJSON: the physical line being read, from 1.
    line: Option<u64>,
    steps: &'s mut Steps<'k>,
    /// Asked about each series, where they are limited.
    guard: Option<&'s mut dyn Guard>,
    /// Bytes of the body before what is read.
    skipped: usize,
}

impl<'a, 's, 'k> Run<'a, 's, 'k> {
    /// At the start of a body, or of a part of one, whose texts are parts of `body`.
    fn new(
        arena: &'a Bump,
        terms: Terms<'a, 's>,
        body: &'a [u8],
        encoder: Encoder,
        steps: &'s mut Steps<'k>,
    ) -> Self {
        let Terms { profile, now, guard } = terms;
        Self {
            arena,
            rules: Rules::new(now, profile, Texts::new(arena)),
            escapes: None,
            plain_escapes: if profile.is_tame() { Escapes::Never } else { Escapes::Perhaps },
            raw: RawMetric::new(normalize::JUDGES),
            metric: Metric::with_room(),
            body,
            encoder,
            report: Report::default(),
            index: 0,
            luck: Luck::default(),
            line: None,
            steps,
            guard,
            skipped: 0,
        }
    }

    /// One value of the body: an item, or an array of items.
    fn value<R: Pull<'a>>(&mut self, reader: &mut R) -> Result<(), Stop> {
        let start = reader.mark();
        if let Token::Array(mut extent) = reader.next()? {
            return self.items(reader, &mut extent);
        }
        reader.rewind(start);
        self.item(reader)
    }

    fn items<R: Pull<'a>>(&mut self, reader: &mut R, extent: &mut Extent) -> Result<(), Stop> {
        while reader.element(extent)? {
            self.item(reader)?;
            if self.line.is_none() { self.hand_out()? } else { self.hold()? }
        }
        Ok(())
    }

    #[inline]
    fn item<R: Pull<'a>>(&mut self, reader: &mut R) -> Result<(), Stop> {
        let index = self.index;
        if let Some(mut plain) = reader.plain()
            && self.luck.is_worth_a_try()
            && let Some(warnings) = lane::read(&mut plain, &mut self.rules, &mut self.metric)
        {
            reader.go_on_after(&plain);
            self.luck.stayed();
            self.index += 1;
            return self.accept(index, self.plain_escapes, &warnings);
        }
        self.luck.left();
        item::read(reader, &mut self.raw)?;
        let escapes = self.escapes(reader.tame_since());
        self.index += 1;
        match self.rules.normalize(&mut self.raw, &mut self.metric) {
            Ok(warnings) => self.accept(index, escapes, &warnings)?,
            Err(rejection) => self.report.reject(index, self.line, rejection),
        }
        Ok(())
    }

    /// Whether texts of an item from the general road can need an escape; `tame` is what its reader knows
    /// of them. One that knows nothing reads a JSON body, which is looked at once, as a whole.
    #[inline]
    fn escapes(&mut self, tame: Option<bool>) -> Escapes {
        if let (None, Some(known)) = (tame, self.escapes) {
            return known;
        }
        let tame = tame.unwrap_or_else(|| Texts::of_json(self.body, self.arena).are_tame());
        self.rules.tell_tame(tame);
        let escapes = if tame { self.plain_escapes } else { Escapes::Perhaps };
        self.escapes = Some(escapes);
        escapes
    }

    /// Takes the item of number `index`, which is in `self.metric`, if its series may be.
    #[inline]
    fn accept(&mut self, index: u64, escapes: Escapes, warnings: &Warnings) -> Result<(), Stop> {
        if self.guard.is_some() {
            return self.accept_guarded(index, escapes, warnings);
        }
        self.take(index, escapes, warnings)
    }

    #[inline]
    fn take(&mut self, index: u64, escapes: Escapes, warnings: &Warnings) -> Result<(), Stop> {
        self.encode(escapes)?;
        self.report.kinds.count(&self.metric);
        self.note(index, warnings);
        Ok(())
    }

    /// Counts an item that was accepted.
    #[inline]
    fn note(&mut self, index: u64, warnings: &Warnings) {
        self.report.accepted += 1;
        if !warnings.is_empty() {
            let (report, metric) = (&mut self.report, &self.metric);
            warning::note(report, index, self.line, warnings, metric, self.rules.profile());
        }
    }

    #[inline]
    fn encode(&mut self, escapes: Escapes) -> Result<(), BodyError> {
        let (metric, source) = (&self.metric, Source { body: self.body, escapes });
        self.encoder.begin();
        expand::expand(metric, |sample| self.encoder.push(metric, &sample, source)).map_err(
            |Expanded| BodyError::Expanded { limit: self.rules.profile().policy().expanded_bytes },
        )
    }

    #[inline]
    fn hand_out(&mut self) -> Result<(), BodyError> {
        if !self.encoder.has_full() {
            return Ok(());
        }
        self.encoder.full().try_for_each(|block| (self.steps)(Step::Block(block)).map_err(refused))
    }

    /// Full blocks of a line that is still open cannot be handed out, but they can be told of.
    #[inline]
    fn hold(&mut self) -> Result<(), BodyError> {
        if !self.encoder.has_full() {
            return Ok(());
        }
        (self.steps)(Step::Held(self.encoder.full_bytes())).map_err(refused)
    }

    fn finish(&mut self) -> Result<Report, BodyError> {
        self.hand_out()?;
        self.report.tuples = self.encoder.tuples();
        if let Some(block) = self.encoder.last() {
            (self.steps)(Step::Block(block)).map_err(refused)?;
        }
        Ok(std::mem::take(&mut self.report))
    }
}

fn refused(Refused: Refused) -> BodyError {
    BodyError::Refused
}
