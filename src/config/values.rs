//! Typed reading of a section: each call names a key, its default and what is allowed.
//!
//! A value that is not allowed is noted as a fault and the default stands in, so that reading goes
//! on to the next fault; the caller never sees a configuration that has any.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::file::found;
use super::problem::Place;
use super::scalar::Scalar;
use super::section::Section;
use super::units::{duration_text, parse_duration, parse_size, quoted, size_text};

impl<'f> Section<'f> {
    /// A switch.
    pub(super) fn switch(&mut self, key: &'static str, default: bool) -> bool {
        self.read(key, default, ToString::to_string, |scalar| {
            scalar.boolean().ok_or_else(|| "true or false".to_owned())
        })
    }

    /// A whole number.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> u64 {
        self.read(key, default, ToString::to_string, |scalar| {
            scalar
                .integer()
                .filter(|number| range.contains(number))
                .ok_or_else(|| format!("a whole number from {} to {}", range.start(), range.end()))
        })
    }

    /// A status code, one of a few.
    pub(super) fn status(&mut self, key: &'static str, default: u16, allowed: &[u16]) -> u16 {
        self.read(key, default, ToString::to_string, |scalar| {
            let status =
                allowed.iter().find(|status| scalar.integer() == Some(u64::from(**status)));
            status
                .copied()
                .ok_or_else(|| or(&allowed.iter().map(u16::to_string).collect::<Vec<_>>()))
        })
    }

    /// A number of bytes.
    pub(super) fn size(
        &mut self,
        key: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> u64 {
        let show = |bytes: &u64| match size_text(*bytes) {
            text if text.ends_with('B') => quoted(&text),
            text => text,
        };
        self.read(key, default, show, |scalar| {
            let size = scalar.integer().or_else(|| parse_size(scalar.text()?));
            size.filter(|size| range.contains(size)).ok_or_else(|| {
                let (low, high) = (size_text(*range.start()), size_text(*range.end()));
                format!("a size from {low} to {high}, as bytes or like \"20MiB\"")
            })
        })
    }

    /// A length of time.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        self.read(
            key,
            default,
            |time| quoted(&duration_text(*time)),
            |scalar| {
                let time = scalar.text().and_then(parse_duration);
                time.filter(|time| range.contains(time)).ok_or_else(|| {
                    let (low, high) = (duration_text(*range.start()), duration_text(*range.end()));
                    format!("a time with its unit from {low} to {high}, like \"10s\" or \"15min\"")
                })
            },
        )
    }

    /// One of several words.
    pub(super) fn choice<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        default: T,
        options: &[(&str, T)],
    ) -> T {
        let show = |chosen: &T| {
            let option = options.iter().find(|(_, option)| option == chosen);
            quoted(option.map_or("", |(word, _)| word))
        };
        self.read(key, default, show, |scalar| {
            let option = options.iter().find(|(word, _)| Some(*word) == scalar.text());
            option.map(|(_, option)| *option).ok_or_else(|| one_of(options))
        })
    }

    /// Text of which `parse` makes a value, or says what it must be.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        default: T,
        show: impl FnOnce(&T) -> String,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        let show = |value: &T| quoted(&show(value));
        self.read(key, default, show, |scalar| match scalar.text() {
            Some(text) => parse(text),
            None => Err("a string in quotes".to_owned()),
        })
    }

    /// Text of which `parse` makes a value; `None` when the key is absent or at fault.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        show: impl FnOnce(&T) -> String,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (scalar, place) = self.scalar(key)?;
        let parsed = scalar.text().ok_or_else(|| "a string in quotes".to_owned()).and_then(parse);
        match parsed {
            Ok(value) => {
                self.show(key, quoted(&show(&value)), place);
                Some(value)
            }
            Err(expected) => {
                self.must_be(key, place, &expected, &scalar.found());
                None
            }
        }
    }

    /// A list of strings, each made a value by `parse`.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        default: Vec<T>,
        show: impl Fn(&T) -> String,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        self.know(key);
        let (mut list, mut place) = (default, Place::File);
        if let Some(value) = self.value(key) {
            place = self.file.line(value);
            match value.get_ref().as_array() {
                None => self.must_be(
                    key,
                    place.clone(),
                    "a list, like [\"...\"]",
                    &found(value.get_ref()),
                ),
                Some(items) => {
                    list = items.iter().filter_map(|item| self.item(key, item, &parse)).collect();
                }
            }
        }
        let shown: Vec<String> = list.iter().map(|value| quoted(&show(value))).collect();
        self.show(key, format!("[{}]", shown.join(", ")), place);
        list
    }

    fn item<T>(
        &self,
        key: &str,
        item: &Spanned<DeValue<'f>>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = item.get_ref();
        match value.as_str().ok_or_else(|| "a string in quotes".to_owned()).and_then(parse) {
            Ok(value) => Some(value),
            Err(expected) => {
                let text = format!(
                    "each of `{}` must be {expected}, not {}",
                    self.name(key),
                    found(value)
                );
                self.fault_at(self.file.line(item), text);
                None
            }
        }
    }

    /// A table of strings, in the order of their keys.
    pub(super) fn pairs(&mut self, key: &'static str) -> Option<(Vec<(String, String)>, Place)> {
        self.know(key);
        let value = self.value(key)?;
        let place = self.file.line(value);
        let Some(table) = value.get_ref().as_table() else {
            let expected = "a table of strings, like { env = \"prod\" }";
            self.must_be(key, place, expected, &found(value.get_ref()));
            return None;
        };
        let mut pairs = Vec::new();
        for (name, value) in table {
            let Some(text) = value.get_ref().as_str() else {
                let path = format!("{key}.{}", name.get_ref());
                self.must_be(
                    &path,
                    self.file.line(value),
                    "a string in quotes",
                    &found(value.get_ref()),
                );
                continue;
            };
            pairs.push((name.get_ref().to_string(), text.to_owned()));
        }
        let shown: Vec<String> = pairs
            .iter()
            .map(|(name, text)| format!("{} = {}", quoted(name), quoted(text)))
            .collect();
        self.show(key, format!("{{ {} }}", shown.join(", ")), place.clone());
        Some((pairs, place))
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        default: T,
        show: impl FnOnce(&T) -> String,
        convert: impl FnOnce(&Scalar<'f>) -> Result<T, String>,
    ) -> T {
        let (mut value, mut origin) = (default, Place::File);
        if let Some((scalar, place)) = self.scalar(key) {
            match convert(&scalar) {
                Ok(written) => (value, origin) = (written, place),
                Err(expected) => self.must_be(key, place, &expected, &scalar.found()),
            }
        }
        self.show(key, show(&value), origin);
        value
    }
}

fn one_of<T>(options: &[(&str, T)]) -> String {
    or(&options.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>())
}

/// `a, b or c`
fn or(words: &[String]) -> String {
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}
