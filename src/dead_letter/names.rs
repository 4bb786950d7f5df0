//! Names of the files of dead letters.

use std::fmt;

/// Letters.
const LETTERS: &str = ".letters";
/// What became of letters.
const JOURNAL: &str = ".replays";
/// What is kept of letters only for whoever has better means to read it.
const DAMAGED: &str = ".damaged";
const DIGITS: usize = 10;

/// A file of one receiver's dead letters. Numbers only rise as long as there are files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    /// `0000000001.letters`
    Letters(u32),
    /// `0000000001-0000000000.replays`: what became of the letters of that file.
    Journal { of: u32, attempt: u32 },
    /// `0000000001.damaged`: a file of letters of which all were replayed but those that nobody can
    /// read.
    Damaged(u32),
}

impl Name {
    /// `None` for what is none of ours.
    pub(super) fn parse(file: &str) -> Option<Self> {
        if let Some(text) = file.strip_suffix(LETTERS) {
            return Some(Self::Letters(number(text)?));
        }
        if let Some(text) = file.strip_suffix(DAMAGED) {
            return Some(Self::Damaged(number(text)?));
        }
        let (of, attempt) = file.strip_suffix(JOURNAL)?.split_once('-')?;
        Some(Self::Journal { of: number(of)?, attempt: number(attempt)? })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Letters(number) => write!(f, "{number:0DIGITS$}{LETTERS}"),
            Self::Damaged(number) => write!(f, "{number:0DIGITS$}{DAMAGED}"),
            Self::Journal { of, attempt } => write!(f, "{of:0DIGITS$}-{attempt:0DIGITS$}{JOURNAL}"),
        }
    }
}

fn number(text: &str) -> Option<u32> {
    let is_plain = text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_others_are_none() {
        for name in [
            Name::Letters(1),
            Name::Letters(u32::MAX),
            Name::Damaged(7),
            Name::Journal { of: 7, attempt: 0 },
            Name::Journal { of: u32::MAX, attempt: 12 },
        ] {
            assert_eq!(Name::parse(&name.to_string()), Some(name));
        }
        for foreign in [
            "1.letters",
            "0000000001.letters.bak",
            "+000000001.letters",
            "9999999999.letters",
            "0000000001.replays",
            "0000000001-0.replays",
            "notes.txt",
        ] {
            assert_eq!(Name::parse(foreign), None, "{foreign}");
        }
    }
}
