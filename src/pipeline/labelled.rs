//! Bodies of Prometheus-style senders: each measurement a reader hands out becomes an item of the body.

use bumpalo::Bump;

use super::{BodyError, Report, Run, Step, Steps, Stop, Terms, place, refused};
use crate::decode::labelled::{Flaw, Labelled, Origin, Reading, Readout, Series};
use crate::decode::pull::Fault;
use crate::decode::raw::{RawTag, Scalar};
use crate::decode::remote_write::Dialect;
use crate::decode::{Exposition, Format, Otlp, RemoteWrite, exposition, otlp, remote_write};
use crate::encode::Escapes;
use crate::metric::{Shape, text};
use crate::normalize::Verdict;

/// What a reader holds beside the body is told of whenever it has grown by as much.
const TOLD_BYTES: u64 = 64 << 10;

const OWN: Flaw = Flaw::Name("this series is said of the body, and not by it");

impl<'a> Run<'a, '_, '_> {
    /// Takes every measurement of `reader`.
    pub(super) fn labelled<R: Readout<'a>>(
        &mut self,
        reader: &mut R,
        origin: &Origin<'a>,
    ) -> Result<(), Stop> {
        let mut raw = Labelled::blank();
        let mut verdict = Verdict::default();
        let mut escapes = Escapes::Perhaps;
        let mut told = 0;
        let mut unfolded = 0;
        let mut is_own = false;
        loop {
            // Before the first, a reader says what its tables will take. Texts that had to be cleaned or
            // renamed lie in the arena beside the reader's.
            let memory = reader.memory() + self.arena.allocated_bytes() as u64;
            if memory > told + TOLD_BYTES {
                told = memory;
                (self.steps)(Step::Beside(memory)).map_err(refused)?;
            }
            let Some(series) = reader.next(&mut raw)? else { break };
            if series == Series::NotYet {
                continue;
            }
            if series == Series::Another {
                origin.label(&mut raw, self.arena);
                is_own = origin.brings(&raw);
                forget_token(&mut raw);
                unfolded += bytes_of(&raw);
                let limit = self.rules.profile().policy().expanded_bytes;
                if unfolded > limit.max(self.body.len() as u64) {
                    return Err(BodyError::Expanded { limit }.into());
                }
                // One look at each text, instead of one to clean it and one for each time it is written.
                let plain = is_plain(&raw);
                self.rules.tell_tame(plain);
                escapes = if plain { self.plain_escapes } else { Escapes::Perhaps };
                verdict = self.rules.series(&mut raw, &mut self.metric);
            }
            if is_own {
                raw.reading = Reading::Unfit(OWN);
            }
            self.measurement(&mut raw, &verdict, escapes)?;
            self.hand_out()?;
        }
        let asides = reader.asides();
        self.report.asides.exemplars = asides.exemplars;
        self.report.asides.metadata = asides.metadata;
        Ok(())
    }

    /// Takes every measurement of a remote write request.
    fn remote_write<D: Dialect<'a>>(
        &mut self,
        reader: Result<remote_write::Reader<'a, D>, Fault>,
        origin: &Origin<'a>,
    ) -> Result<(), BodyError> {
        let refuse = |fault: &Fault| malformed("a remote write message", place::in_bytes(fault));
        let mut reader = reader.map_err(|fault| refuse(&fault))?.of_token(origin.token.0);
        self.labelled(&mut reader, origin).map_err(|stop| stop.or(refuse))
    }

    fn measurement(
        &mut self,
        raw: &mut Labelled<'a>,
        verdict: &Verdict,
        escapes: Escapes,
    ) -> Result<(), Stop> {
        let index = self.index;
        self.index += 1;
        match self.rules.measurement(raw, verdict, &mut self.metric) {
            Ok(accepted) if accepted.is_empty => {
                let is_histogram = raw.reading == Reading::StaleHistogram;
                let is_stale = is_histogram || raw.reading == Reading::Stale;
                self.report.asides.stale_markers += u64::from(is_stale);
                self.report.asides.histograms += u64::from(is_histogram);
                self.note(index, &accepted.warnings);
                Ok(())
            }
            Ok(accepted) => {
                let is_histogram = matches!(self.metric.shape, Shape::Histogram(..));
                self.report.asides.histograms += u64::from(is_histogram);
                self.accept(index, escapes, &accepted.warnings)
            }
            Err(rejection) => {
                self.report.reject(index, None, rejection);
                Ok(())
            }
        }
    }
}

/// The label that may name a sender's token is a secret, wherever it comes from: no tag is made of it.
fn forget_token(raw: &mut Labelled<'_>) {
    let is_token = |tag: &RawTag<'_>| tag.sent_key == remote_write::TOKEN_LABEL;
    if raw.tags.tags.iter().any(is_token) {
        raw.tags.tags.retain(|tag| !is_token(tag));
    }
}

/// What a tag costs beside its bytes: it is looked at, and compared with others.
const TAG_COST_BYTES: usize = 16;

/// Bytes of a series' name and labels, and something for each label. Some formats name them once for many
/// series, and all of them are looked at for each: what they unfold to is bounded, also where no tuple comes of it.
fn bytes_of(raw: &Labelled<'_>) -> u64 {
    let text = |tag: &RawTag<'_>| match tag.value {
        Scalar::Text(text) => text.len(),
        _ => 0,
    };
    let cost = |tag: &RawTag<'_>| tag.key.len() + text(tag) + TAG_COST_BYTES;
    let tags: usize = raw.tags.tags.iter().map(cost).sum();
    (raw.name.len() + tags) as u64
}

/// Whether no text of the series can need a change.
fn is_plain(raw: &Labelled<'_>) -> bool {
    let value = |value: Scalar<'_>| match value {
        Scalar::Text(text) => text::is_plain(text),
        // Their texts are made of digits and letters.
        Scalar::Number(_) | Scalar::Bool(_) | Scalar::Null => true,
        _ => false,
    };
    let tag = |tag: &RawTag<'_>| text::is_plain(tag.key) && value(tag.value);
    text::is_plain(raw.name) && raw.tags.tags.iter().all(tag)
}

/// How many times a body its tuples are, about: what they say in full each time, some formats say once.
fn unfolding(format: Format) -> usize {
    match format {
        Format::Exposition(_) | Format::RemoteWrite(RemoteWrite::V1) => 2,
        Format::RemoteWrite(RemoteWrite::V2) | Format::Otlp(Otlp::Protobuf) => 5,
        _ => 1,
    }
}

/// Reads a whole body of one of these formats; as [`super::run_of`].
pub(super) fn read<'a>(
    body: &'a [u8],
    format: Format,
    origin: &Origin<'a>,
    mut terms: Terms<'a, '_>,
    steps: &mut Steps<'_>,
) -> Result<Report, BodyError> {
    let arena = Bump::new();
    let encoder = super::encoder(body.len().saturating_mul(unfolding(format)), terms.profile);
    let mut run = Run::new(&arena, terms.again(), body, encoder, steps);
    match format {
        Format::Exposition(syntax) => {
            let name = match syntax {
                Exposition::Text => "the text exposition format",
                Exposition::OpenMetrics => "OpenMetrics text",
            };
            let text = place::utf8(body, 0).map_err(|fault| malformed(name, fault))?;
            let mut reader = exposition::Reader::new(text, syntax, origin, &arena);
            let read = run.labelled(&mut reader, origin);
            read.map_err(|stop| stop.or(|fault| malformed(name, place::in_text(text, fault))))?;
        }
        Format::RemoteWrite(RemoteWrite::V1) => {
            run.remote_write(remote_write::V1::new(body), origin)?;
        }
        Format::RemoteWrite(RemoteWrite::V2) => {
            run.remote_write(remote_write::V2::new(body), origin)?;
        }
        Format::Otlp(Otlp::Protobuf) => {
            let binary = |fault: &Fault| malformed(OTLP, place::in_bytes(fault));
            let mut reader = otlp::Protobuf::new(body, &arena);
            run.labelled(&mut reader, origin).map_err(|stop| stop.or(binary))?;
        }
        Format::Otlp(Otlp::Json) => {
            let text = place::utf8(body, 0).map_err(|fault| malformed(OTLP, fault))?;
            let mut reader = otlp::Json::new(text, &arena);
            let read = run.labelled(&mut reader, origin);
            read.map_err(|stop| stop.or(|fault| malformed(OTLP, place::in_text(text, fault))))?;
        }
        Format::Json | Format::JsonStream | Format::Ndjson | Format::MessagePack => {
            unreachable!("items have readers of their own")
        }
    }
    run.finish()
}

const OTLP: &str = "an OTLP metrics request";

fn malformed(format: &'static str, fault: String) -> BodyError {
    BodyError::Malformed { format, fault }
}
