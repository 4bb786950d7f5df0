//! Prometheus' text exposition format 0.0.4 and OpenMetrics 1.0.
//!
//! A page is read line by line. 0.0.4 is taken as Prometheus' own parser takes it, and of a push what
//! Pushgateway refuses besides is refused; OpenMetrics is held to all of its rules, because one broken rule makes a
//! page none. Nothing of a page is copied but texts with escapes, and nothing is remembered but hashes.

use bumpalo::Bump;
use memchr::memchr;

use super::Exposition;
use super::labelled::{
    Asides, Ending, Flaw, Labelled, Origin, Reading, Readout, Series, Timestamps,
};
use super::pull::Fault;
use crate::metric::{Flow, Shape};

mod kind;
mod line;
mod names;
mod number;
mod open;
mod plain;
mod pushed;
mod series;

use kind::{Kind, Part};
use line::Line;
use number::{Moment, Number};
use open::{Open, Sample};
use plain::{LateTypes, Plain};
use pushed::Pushed;
use series::Texts;

/// Reads a page of metrics line by line.
pub(crate) struct Reader<'a> {
    text: &'a str,
    /// Where the next line begins.
    at: usize,
    timestamps: Timestamps,
    ending: Ending,
    texts: Texts<'a>,
    rules: Rules<'a>,
    /// Of a push alone.
    pushed: Option<Box<Pushed<'a>>>,
    asides: Asides,
}

/// After so many bytes without a sample the caller is asked to account for memory: names are remembered of
/// remarks as well.
const PAUSE_BYTES: usize = 64 << 10;

/// What holds between lines.
enum Rules<'a> {
    Plain(Plain<'a>),
    Open(Box<Open<'a>>),
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        text: &'a str,
        syntax: Exposition,
        origin: &Origin<'a>,
        arena: &'a Bump,
    ) -> Self {
        let rules = match syntax {
            Exposition::Text => Rules::Plain(Plain::new(if origin.is_push() {
                LateTypes::Refused
            } else {
                LateTypes::Taken
            })),
            Exposition::OpenMetrics => Rules::Open(Box::new(Open::new())),
        };
        let pushed = origin.is_push().then(|| Box::new(Pushed::new(origin)));
        let Origin { timestamps, ending, .. } = *origin;
        let texts = Texts::new(syntax, arena);
        Self { text, at: 0, timestamps, ending, texts, rules, pushed, asides: Asides::default() }
    }

    #[inline]
    fn line(&mut self) -> Option<Line<'a>> {
        let start = self.at;
        let rest = self.text.get(start..).filter(|rest| !rest.is_empty())?;
        let length = memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
        self.at = start + length + 1;
        Some(Line::new(rest.get(..length).unwrap_or_default(), start))
    }
}

const CUT: &str = "expected a line feed behind the last line, which may have been cut";

impl<'a> Readout<'a> for Reader<'a> {
    fn next(&mut self, next: &mut Labelled<'a>) -> Result<Option<Series>, Fault> {
        let pause_at = self.at + PAUSE_BYTES;
        while let Some(mut line) = self.line() {
            let texts = &mut self.texts;
            let is_sample = match &mut self.rules {
                Rules::Plain(plain) => {
                    line.blanks();
                    if line.is_at_end() {
                        false
                    } else if line.eat(b'#') {
                        plain.remark(&mut line, texts, &mut self.asides)?;
                        false
                    } else {
                        plain_sample(plain, texts, &mut line, self.timestamps, next)?;
                        true
                    }
                }
                Rules::Open(open) => {
                    open.begin_line(&line)?;
                    if line.peek() == Some(b'#') {
                        open.remark(&mut line, texts, &mut self.asides)?;
                        false
                    } else {
                        let sample = open_sample(open, texts, &mut line, self.timestamps, next)?;
                        self.asides.exemplars += u64::from(sample.exemplar_at.is_some());
                        true
                    }
                }
            };
            let is_cut = self.at > self.text.len() && self.ending == Ending::Whole;
            if is_cut && matches!(self.rules, Rules::Plain(_)) && !line.text().trim().is_empty() {
                return Err(Fault::new(self.text.len(), CUT));
            }
            if is_sample {
                if let Some(pushed) = &mut self.pushed {
                    pushed.take(next).map_err(|expected| line.fault_at(0, expected))?;
                }
                return Ok(Some(Series::Another));
            }
            if self.at >= pause_at {
                return Ok(Some(Series::NotYet));
            }
        }
        if let Rules::Open(open) = &self.rules {
            open.finish(self.text.len())?;
        }
        Ok(None)
    }

    fn asides(&self) -> Asides {
        self.asides
    }

    fn memory(&self) -> u64 {
        let names = match &self.rules {
            Rules::Plain(plain) => plain.memory(),
            Rules::Open(open) => open.memory(),
        };
        let pushed = self.pushed.as_ref().map_or(0, |pushed| pushed.memory());
        names + pushed + self.texts.memory()
    }
}

const NO_SPACE: &str = "expected a value after the series";

/// Reads a sample of 0.0.4.
#[inline]
fn plain_sample<'a>(
    plain: &mut Plain<'a>,
    texts: &mut Texts<'a>,
    line: &mut Line<'a>,
    timestamps: Timestamps,
    next: &mut Labelled<'a>,
) -> Result<(), Fault> {
    texts.series(line, next, |_, _| {})?;
    line.blanks();
    let value_at = line.at();
    let token = line.token();
    if token.is_empty() {
        return Err(line.fault(NO_SPACE));
    }
    let value = number::value(token).map_err(|expected| line.fault_at(value_at, expected))?;
    line.blanks();
    let mut at = None;
    if !line.is_at_end() {
        let place = line.at();
        let expected = "expected a timestamp in whole milliseconds, or the end of the line";
        at = number::milliseconds(line.token());
        at.ok_or_else(|| line.fault_at(place, expected))?;
        line.blanks();
        if !line.is_at_end() {
            return Err(line.fault("expected the end of the line after the timestamp"));
        }
        refuse(timestamps, line, place)?;
    }
    let (kind, part) = plain.sample(next.name);
    fill(next, kind, part, value, at, timestamps);
    Ok(())
}

/// Reads a sample of OpenMetrics.
fn open_sample<'a>(
    open: &mut Open<'a>,
    texts: &mut Texts<'a>,
    line: &mut Line<'a>,
    timestamps: Timestamps,
    next: &mut Labelled<'a>,
) -> Result<Sample<'a>, Fault> {
    let mut labels: u64 = 0;
    texts.series(line, next, |name, value| {
        labels = labels.wrapping_add(open.hash(name, value));
    })?;
    line.expect(b' ', NO_SPACE)?;
    let value_at = line.at();
    let token = line.token();
    if token.is_empty() {
        return Err(line.fault(NO_SPACE));
    }
    let value = number::value(token).map_err(|expected| line.fault_at(value_at, expected))?;
    let mut sample = Sample { labels, value, value_at, at: None, at_at: 0, exemplar_at: None };
    if line.peek() == Some(b' ') && !line.rest().starts_with(" #") {
        line.take(1);
        sample.at_at = line.at();
        sample.at = number::seconds(line.token());
        if sample.at.is_none() {
            let expected = "expected a timestamp in seconds, an exemplar or the end of the line";
            return Err(line.fault_at(sample.at_at, expected));
        }
        refuse(timestamps, line, sample.at_at)?;
    }
    if line.eat(b' ') {
        sample.exemplar_at = Some(line.at());
        open::exemplar(line, texts)?;
    }
    if !line.is_at_end() {
        return Err(line.fault("expected the end of the line"));
    }
    let (kind, part) = open.sample(next, &sample, line)?;
    fill(next, kind, part, value, sample.at, timestamps);
    Ok(sample)
}

fn refuse(timestamps: Timestamps, line: &Line<'_>, at: usize) -> Result<(), Fault> {
    if timestamps == Timestamps::Refused {
        let expected = "expected no timestamp: a pushed sample must not carry one";
        return Err(line.fault_at(at, expected));
    }
    Ok(())
}

#[inline]
fn fill<'a>(
    next: &mut Labelled<'a>,
    kind: Kind,
    part: Part,
    value: Number<'a>,
    at: Option<Moment>,
    timestamps: Timestamps,
) {
    next.reading = match value {
        Number::Finite(value) if kind.is_total(part) => {
            Reading::Shape(Shape::Counter(value, Flow::Total))
        }
        Number::Finite(value) => Reading::Shape(Shape::Gauge(value)),
        Number::NotFinite(_) => Reading::NotFinite,
    };
    match at.filter(|_| timestamps == Timestamps::Taken) {
        Some(Moment::At(at)) => next.at = Some(at),
        Some(Moment::Beyond(_)) => {
            let flaw = Flaw::Value("the timestamp is too far from 1970");
            next.reading = Reading::Unfit(flaw);
        }
        None => {}
    }
}

#[cfg(test)]
mod tests;
