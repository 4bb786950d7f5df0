//! The rules of OpenMetrics between lines: families in one piece, what is said of them first, and an end.

use super::super::Exposition;
use super::super::labelled::{Asides, Labelled};
use super::super::pull::Fault;
use super::kind::{Kind, Part};
use super::line::Line;
use super::names::{Names, Note};
use super::number::{Moment, Number};
use super::series::{Texts, value_of};

mod buckets;
mod exemplar;
mod family;
mod values;

pub(super) use exemplar::exemplar;
use family::{Family, Place};

/// The families of a page.
pub(super) struct Open<'a> {
    /// Names of families, as they are and with what their parts add; and the label sets of metrics.
    seen: Names,
    family: Option<Family<'a>>,
    has_ended: bool,
}

/// A sample, read and not yet judged against its family.
#[derive(Clone, Copy)]
pub(super) struct Sample<'a> {
    /// The sum of the hashes of its labels, which does not depend on their order.
    pub(super) labels: u64,
    pub(super) value: Number<'a>,
    pub(super) value_at: usize,
    pub(super) at: Option<Moment>,
    pub(super) at_at: usize,
    /// Where its exemplar begins.
    pub(super) exemplar_at: Option<usize>,
}

/// What a line says of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Help,
    Type,
    Unit,
}

impl<'a> Open<'a> {
    pub(super) fn new() -> Self {
        Self { seen: Names::new(), family: None, has_ended: false }
    }

    pub(super) fn memory(&self) -> u64 {
        self.seen.memory()
    }

    /// The hash of a label, for [`Sample::labels`].
    #[inline]
    pub(super) fn hash(&self, name: &str, value: &str) -> u64 {
        self.seen.hash((name, value))
    }

    /// Before each line is read: nothing may follow the end.
    pub(super) fn begin_line(&self, line: &Line<'_>) -> Result<(), Fault> {
        if self.has_ended {
            return Err(line.fault("expected nothing after `# EOF`"));
        }
        if line.is_at_end() {
            return Err(line.fault("expected no blank line"));
        }
        Ok(())
    }

    /// At the end of the page, at that offset.
    pub(super) fn finish(&self, offset: usize) -> Result<(), Fault> {
        if self.has_ended {
            Ok(())
        } else {
            Err(Fault::new(offset, "expected `# EOF` as the last line"))
        }
    }

    /// Reads a line that begins with `#`.
    pub(super) fn remark(
        &mut self,
        line: &mut Line<'a>,
        texts: &mut Texts<'a>,
        asides: &mut Asides,
    ) -> Result<(), Fault> {
        const EXPECTED: &str = "expected `# TYPE `, `# HELP `, `# UNIT ` or `# EOF`";
        if line.text() == "# EOF" {
            self.has_ended = true;
            return self.leave(line);
        }
        let said = match () {
            () if line.eat_text("# HELP ") => Said::Help,
            () if line.eat_text("# TYPE ") => Said::Type,
            () if line.eat_text("# UNIT ") => Said::Unit,
            () => return Err(line.fault(EXPECTED)),
        };
        let at = line.at();
        let name = if line.eat(b'"') { Some(texts.quoted(line)?) } else { line.metric_name() };
        let name = name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| line.fault_at(at, "expected the name of a metric family"))?;
        line.expect(b' ', "expected a space after the name of a metric family")?;
        if self.family.as_ref().is_none_or(|family| family.name != name) {
            self.leave(line)?;
            self.enter(name, line, at)?;
            asides.metadata += 1;
        }
        let family = self.family.as_mut().expect("one was entered, if there was none");
        if family.has_samples {
            return Err(line.fault_at(at, "expected this before the samples of the metric family"));
        }
        let once = |is_first| {
            if is_first {
                Ok(())
            } else {
                Err(line.fault_at(0, "expected this once for each family"))
            }
        };
        match said {
            Said::Help => once(!std::mem::replace(&mut family.has_help, true))?,
            Said::Unit => once(family.unit.replace(line.rest()).is_none())?,
            Said::Type => {
                let expected = "expected a type of OpenMetrics, as in `counter` or `unknown`";
                let kind = Kind::parse(line.rest(), Exposition::OpenMetrics);
                let kind = kind.ok_or_else(|| line.fault(expected))?;
                once(family.kind.replace(kind).is_none())?;
                let hash = family.hash;
                self.claim_parts(name, kind).map_err(|expected| line.fault_at(at, expected))?;
                self.seen.put(hash, Note(kind as u8));
            }
        }
        let family = self.family.as_ref().expect("as above");
        family.check_unit().map_err(|expected| line.fault_at(at, expected))
    }

    /// The family is over: what can only be said of the whole of it is judged.
    fn leave(&mut self, line: &Line<'_>) -> Result<(), Fault> {
        let Some(mut family) = self.family.take() else { return Ok(()) };
        family.end_point().map_err(|should| unfinished(family.name, line, should))
    }

    fn enter(&mut self, name: &'a str, line: &Line<'_>, at: usize) -> Result<(), Fault> {
        let hash = self.claim(name).map_err(|expected| line.fault_at(at, expected))?;
        self.family = Some(Family::new(name, hash));
        Ok(())
    }

    /// Takes a name for a family, if neither another has it nor a part of another.
    fn claim(&mut self, name: &str) -> Result<u64, &'static str> {
        let hash = self.seen.hash(name);
        let is_part = |suffix: &&str| {
            let family = name.strip_suffix(suffix).map(|family| self.seen.hash(family));
            let note = family.and_then(|family| self.seen.note(family)).unwrap_or_default();
            let kind = Kind::ALL.get(usize::from(note.0)).copied().unwrap_or(Kind::Unknown);
            kind.part(suffix).is_some()
        };
        if Kind::SUFFIXES.iter().any(is_part) || !self.seen.insert(hash) {
            return Err(CLAIMED);
        }
        Ok(hash)
    }

    /// The same for the parts of a family. They are not remembered, for its type tells them; and no two parts
    /// of different families have one name, since no suffix ends in another.
    fn claim_parts(&self, name: &str, kind: Kind) -> Result<(), &'static str> {
        let mut suffixes = kind.parts().iter().filter(|(suffix, _)| !suffix.is_empty());
        let is_taken = suffixes.any(|(suffix, _)| {
            let part = [name, suffix].concat();
            self.seen.note(self.seen.hash(part.as_str())).is_some()
        });
        if is_taken { Err(CLAIMED) } else { Ok(()) }
    }

    /// Judges a sample against its family, which may be a new one.
    pub(super) fn sample(
        &mut self,
        series: &Labelled<'a>,
        sample: &Sample<'a>,
        line: &Line<'a>,
    ) -> Result<(Kind, Part), Fault> {
        let known = self.family.as_ref().and_then(|family| family.part(series.name));
        let part = match known {
            Some(part) => part,
            None => self.another(series.name, line)?,
        };
        let family = self.family.as_mut().expect("one was entered, if there was none");
        family.has_samples = true;
        let kind = family.kind.unwrap_or(Kind::Unknown);
        let double = sample.value.double();
        let name = family.name;
        let fault = |place, expected| match place {
            Place::Before => unfinished(name, line, expected),
            Place::Line => line.fault_at(0, expected),
            Place::Value => line.fault_at(sample.value_at, expected),
            Place::Timestamp => line.fault_at(sample.at_at, expected),
        };
        if let (Some(exemplar_at), false) =
            (sample.exemplar_at, matches!(part, Part::Total | Part::Bucket))
        {
            let expected = "expected no exemplar: only buckets and totals have them";
            return Err(line.fault_at(exemplar_at, expected));
        }
        values::check(kind, part, double).map_err(|expected| fault(Place::Value, expected))?;
        let own = values::own_label(kind, part, family.name);
        let own_value = own.and_then(|name| value_of(series, name));
        let bound = values::bound(kind, part, own_value).map_err(|why| fault(Place::Line, why))?;
        let own_hash = own.zip(own_value).map_or(0, |(name, value)| self.seen.hash((name, value)));
        family
            .place(&mut self.seen, part, sample, own_hash)
            .and_then(|()| {
                let judged = family.buckets.take(part, bound, double);
                judged.map_err(|expected| (Place::Value, expected))
            })
            .map_err(|(place, expected)| fault(place, expected))?;
        Ok((kind, part))
    }

    /// A sample that is not of the family at hand begins one without a type.
    #[cold]
    fn another(&mut self, name: &'a str, line: &Line<'a>) -> Result<Part, Fault> {
        if let Some(family) = self.family.as_ref().filter(|family| family.name == name) {
            let expected = match family.kind {
                Some(Kind::Counter) => "expected a sample of a counter to end in `_total`",
                Some(Kind::Info) => "expected a sample of an info to end in `_info`",
                _ => "expected a sample of a histogram to end in `_bucket`, `_count` or `_sum`",
            };
            return Err(line.fault_at(0, expected));
        }
        self.leave(line)?;
        self.enter(name, line, 0)?;
        Ok(Part::Plain)
    }
}

const CLAIMED: &str = "expected each metric family once and in one piece, with names no other has";

/// A histogram that is not whole, found out at the line after it.
#[cold]
fn unfinished(name: &str, line: &Line<'_>, should: &str) -> Fault {
    const SHOWN_BYTES_MAX: usize = 128;
    let shown = name.get(..name.floor_char_boundary(SHOWN_BYTES_MAX)).unwrap_or_default();
    line.fault_because(format!("expected the histogram `{shown}`, before this, to {should}"))
}
