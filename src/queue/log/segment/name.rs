//! File names of segments.

use std::fmt;

use super::Name;

const SUFFIX: &str = ".seg";
const DIGITS: usize = 20;

impl Name {
    /// Reads a file name; `None` for every spelling but the one [`Name`] prints, so that two files
    /// never have one name.
    pub fn parse(text: &str) -> Option<Self> {
        let (first, attempt) = text.strip_suffix(SUFFIX)?.split_once('-')?;
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_canonical = first.len() == DIGITS && (attempt == "0" || !attempt.starts_with('0'));
        if !is_canonical || !is_number(first) || !is_number(attempt) {
            return None;
        }
        let first = first.parse().ok().filter(|first| *first >= 1)?;
        Some(Self { first, attempt: attempt.parse().ok()? })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:0DIGITS$}-{}{SUFFIX}", self.first, self.attempt)
    }
}
