//! The rules of 0.0.4 between lines: which family a sample is of, and what may be said of it when.

use super::super::Exposition;
use super::super::labelled::Asides;
use super::super::pull::Fault;
use super::kind::{Kind, Part, text_part};
use super::line::Line;
use super::names::{Names, Note};
use super::series::Texts;

/// The families of a page.
pub(super) struct Plain<'a> {
    names: Names,
    /// The name of the last sample and what it was, for most samples have the name of the one before.
    last: Option<(&'a str, Kind, Part)>,
    late_types: LateTypes,
}

/// What becomes of a `# TYPE` that is not the first of its metric, or comes after samples of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LateTypes {
    /// It refuses the page, as a Pushgateway does.
    Refused,
    /// Prometheus takes it from its targets, some of which join the pages of several exporters: the first
    /// stands, and holds from where it was said.
    Taken,
}

/// A family has a type of its own. The bits below say which.
const TYPED: u8 = 8;
/// A family has had samples.
const SAMPLED: u8 = 16;

/// The types of this format, by their number in a note.
const KINDS: [Kind; 5] =
    [Kind::Unknown, Kind::Counter, Kind::Gauge, Kind::Histogram, Kind::Summary];

impl<'a> Plain<'a> {
    pub(super) fn new(late_types: LateTypes) -> Self {
        Self { names: Names::new(), last: None, late_types }
    }

    pub(super) fn memory(&self) -> u64 {
        self.names.memory()
    }

    /// Reads a line that begins with `#`, which has been read: something about a family, or a comment.
    pub(super) fn remark(
        &mut self,
        line: &mut Line<'a>,
        texts: &mut Texts<'a>,
        asides: &mut Asides,
    ) -> Result<(), Fault> {
        let begins = line.at();
        line.blanks();
        if line.at() == begins {
            return Ok(());
        }
        let word = line.token();
        let is_type = word == "TYPE";
        // Without anything behind it, it is a comment like any other.
        if !is_type && word != "HELP" || line.is_at_end() {
            return Ok(());
        }
        line.blanks();
        let at = line.at();
        let name = if line.eat(b'"') { Some(texts.quoted(line)?) } else { line.metric_name() };
        let name = name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| line.fault_at(at, "expected the name of a metric"))?;
        if !matches!(line.peek(), None | Some(b' ' | b'\t')) {
            return Err(line.fault("expected a space after the name of a metric"));
        }
        let hash = self.names.hash(name);
        let note = self.names.note(hash);
        asides.metadata += u64::from(note.is_none());
        let mut note = note.unwrap_or_default();
        if is_type {
            if self.late_types == LateTypes::Refused {
                first(line, at, note)?;
            }
            let number = kind_of(line)?;
            if note.0 & TYPED == 0 {
                note = Note(note.0 | TYPED | number);
            }
            // What the last sample was may have changed.
            self.last = None;
        }
        self.names.put(hash, note);
        Ok(())
    }

    /// What a sample is by its name.
    #[inline]
    pub(super) fn sample(&mut self, name: &'a str) -> (Kind, Part) {
        match self.last {
            Some((last, kind, part)) if last == name => (kind, part),
            _ => self.another(name),
        }
    }

    fn another(&mut self, name: &'a str) -> (Kind, Part) {
        let (hash, note, part) = self.family(name);
        if note.0 & SAMPLED == 0 {
            self.names.put(hash, Note(note.0 | SAMPLED));
        }
        let kind = kind(note);
        self.last = Some((name, kind, part));
        (kind, part)
    }

    /// The family of that very name comes first; else it may be a part of a histogram or summary.
    fn family(&self, name: &str) -> (u64, Note, Part) {
        let own = self.names.hash(name);
        if let Some(note) = self.names.note(own) {
            return (own, note, Part::Plain);
        }
        let part = text_part(name).and_then(|(family, part)| {
            let hash = self.names.hash(family);
            let note = self.names.note(hash).filter(|&note| kind(note).has_text_part(part))?;
            Some((hash, note, part))
        });
        part.unwrap_or((own, Note::default(), Part::Plain))
    }
}

fn kind(note: Note) -> Kind {
    KINDS.get(usize::from(note.0 & (TYPED - 1))).copied().unwrap_or(Kind::Unknown)
}

/// A `# TYPE` is the first of its metric, and before all samples.
fn first(line: &Line<'_>, name_at: usize, note: Note) -> Result<(), Fault> {
    if note.0 & TYPED != 0 {
        return Err(line.fault_at(name_at, "expected one `# TYPE` for each metric, not a second"));
    }
    if note.0 & SAMPLED != 0 {
        return Err(line.fault_at(name_at, "expected `# TYPE` before the samples of its metric"));
    }
    Ok(())
}

/// Reads the type at the end of a `# TYPE`; its number.
fn kind_of(line: &mut Line<'_>) -> Result<u8, Fault> {
    line.blanks();
    let word = line.rest().trim_end_matches([' ', '\t']).to_ascii_lowercase();
    let kind = Kind::parse(&word, Exposition::Text);
    let number = KINDS.iter().position(|&known| Some(known) == kind).ok_or_else(|| {
        line.fault("expected `counter`, `gauge`, `histogram`, `summary` or `untyped`")
    })?;
    Ok(number as u8)
}
