//! The name and labels of a series: `name{label="value",..}`, or `{"any name",..}`.

use bumpalo::Bump;
use memchr::memchr2;

use super::super::Exposition;
use super::super::labelled::Labelled;
use super::super::pull::Fault;
use super::super::raw::{Scalar, TAGS_KEPT};
use super::line::Line;

/// Reads series, with the buffers it takes.
pub(super) struct Texts<'a> {
    pub(super) syntax: Exposition,
    arena: &'a Bump,
    scratch: String,
}

/// What stands between braces.
pub(super) enum Item<'a> {
    /// A quoted text that is no label: the name of the metric.
    Name(&'a str),
    /// A label and its value.
    Label(&'a str, &'a str),
}

impl<'a> Texts<'a> {
    pub(super) fn new(syntax: Exposition, arena: &'a Bump) -> Self {
        Self { syntax, arena, scratch: String::new() }
    }

    /// Bytes of memory it takes beside the arena.
    pub(super) fn memory(&self) -> u64 {
        self.scratch.capacity() as u64
    }

    /// Blanks, where the syntax has any.
    #[inline]
    fn blanks(&self, line: &mut Line<'a>) {
        if self.syntax == Exposition::Text {
            line.blanks();
        }
    }

    /// Reads a series into `next`. Each label with a value is shown to `see`.
    pub(super) fn series(
        &mut self,
        line: &mut Line<'a>,
        next: &mut Labelled<'a>,
        mut see: impl FnMut(&'a str, &'a str),
    ) -> Result<(), Fault> {
        next.begin();
        let start = line.at();
        if let Some(name) = line.metric_name() {
            if !matches!(line.peek(), None | Some(b' ' | b'\t' | b'{')) {
                return Err(line.fault("expected a space or `{` after the name of a metric"));
            }
            next.name = name;
            self.blanks(line);
        } else if line.peek() != Some(b'{') {
            return Err(line.fault("expected the name of a metric"));
        }
        if line.eat(b'{') {
            self.items(line, |item| match item {
                Item::Name(_) if !next.name.is_empty() => Err("expected one name, not another"),
                Item::Name("") => Err("expected a name that is not empty"),
                Item::Name(name) => {
                    next.name = name;
                    Ok(())
                }
                Item::Label(name, value) => {
                    label(next, name, value)?;
                    if !value.is_empty() {
                        see(name, value);
                    }
                    Ok(())
                }
            })?;
        }
        if next.name.is_empty() {
            return Err(line.fault_at(start, "expected the name of the metric before its labels"));
        }
        Ok(())
    }

    /// Reads what stands between braces, behind the first of them up to the last. What `take` says
    /// against an item is a fault at its place.
    pub(super) fn items(
        &mut self,
        line: &mut Line<'a>,
        mut take: impl FnMut(Item<'a>) -> Result<(), &'static str>,
    ) -> Result<(), Fault> {
        self.blanks(line);
        if line.eat(b'}') {
            return Ok(());
        }
        loop {
            let at = line.at();
            let item = self.item(line)?;
            take(item).map_err(|expected| line.fault_at(at, expected))?;
            self.blanks(line);
            if line.eat(b'}') {
                return Ok(());
            }
            line.expect(b',', "expected `,` or `}` after a label")?;
            self.blanks(line);
            // OpenMetrics has no comma after the last label; older text may.
            if self.syntax == Exposition::Text && line.eat(b'}') {
                return Ok(());
            }
        }
    }

    #[inline]
    fn item(&mut self, line: &mut Line<'a>) -> Result<Item<'a>, Fault> {
        let name = if let Some(name) = line.label_name() {
            self.blanks(line);
            name
        } else if line.eat(b'"') {
            let text = self.quoted(line)?;
            self.blanks(line);
            if line.peek() != Some(b'=') {
                return Ok(Item::Name(text));
            }
            text
        } else {
            return Err(line.fault("expected the name of a label"));
        };
        line.expect(b'=', "expected `=` after the name of a label")?;
        self.blanks(line);
        line.expect(b'"', "expected `\"` before the value of a label")?;
        Ok(Item::Label(name, self.quoted(line)?))
    }

    /// Reads a quoted text behind its first quote.
    #[inline]
    pub(super) fn quoted(&mut self, line: &mut Line<'a>) -> Result<&'a str, Fault> {
        let rest = line.rest().as_bytes();
        match memchr2(b'"', b'\\', rest) {
            Some(length) if rest.get(length) == Some(&b'"') => {
                let text = line.take(length);
                line.take(1);
                Ok(text)
            }
            _ => self.escaped(line),
        }
    }

    #[cold]
    fn escaped(&mut self, line: &mut Line<'a>) -> Result<&'a str, Fault> {
        self.scratch.clear();
        loop {
            let rest = line.rest().as_bytes();
            let Some(length) = memchr2(b'"', b'\\', rest) else {
                line.take(rest.len());
                return Err(line.fault("expected `\"` at the end of a quoted text"));
            };
            self.scratch.push_str(line.take(length));
            if line.eat(b'"') {
                return Ok(self.arena.alloc_str(&self.scratch));
            }
            line.take(1);
            match line.peek() {
                Some(b'n') => self.scratch.push('\n'),
                Some(b'"') => self.scratch.push('"'),
                Some(b'\\') => self.scratch.push('\\'),
                // Anything else stays as it is, backslash and all; it is read with what follows.
                _ => {
                    self.scratch.push('\\');
                    continue;
                }
            }
            line.take(1);
        }
    }
}

/// Gives a series a label, unless it has one of the name. Past those that are kept nobody looks: the series
/// has too many by then.
#[inline]
fn label<'a>(next: &mut Labelled<'a>, name: &'a str, value: &'a str) -> Result<(), &'static str> {
    if next.tags.tags.iter().any(|tag| tag.sent_key == name) || next.empty.contains(&name) {
        return Err("expected each label once");
    }
    match name {
        "__name__" => return Err("expected a label other than `__name__`"),
        "" => return Err("expected a label whose name is not empty"),
        _ => {}
    }
    // An empty label means the same as none, and must be unique all the same.
    if !value.is_empty() {
        next.label(name, value);
    } else if next.empty.len() < TAGS_KEPT {
        next.empty.push(name);
    }
    Ok(())
}

/// The value of a label.
pub(super) fn value_of<'a>(series: &Labelled<'a>, name: &str) -> Option<&'a str> {
    series.tags.tags.iter().find_map(|tag| match tag.value {
        Scalar::Text(value) if tag.sent_key == name => Some(value),
        _ => None,
    })
}
