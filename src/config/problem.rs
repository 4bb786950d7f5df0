//! What is wrong with a configuration: every fault found in one pass, each with its place.

use std::fmt;
use std::path::PathBuf;

/// One fault. The text never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: a line of the file, a variable, or the file as a whole.
    pub place: Place,
    /// What was wrong, what is allowed, what to do.
    pub text: String,
}

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A line of the file, from 1.
    Line(usize),
    /// Nowhere: something is missing, or a default took effect.
    File,
    /// An environment variable.
    Variable(String),
}

/// All faults of one configuration, in the order of the file; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// The file's name as the operator gave it.
    pub origin: String,
    /// The faults.
    pub list: Vec<Problem>,
    /// Files that it names, as far as it could be read: the fault may be in one of them.
    pub files: Vec<PathBuf>,
}

impl Problems {
    /// Sorts the faults into the order in which somebody reads the file.
    pub(super) fn new(origin: &str, mut list: Vec<Problem>) -> Self {
        list.sort_by(|a, b| a.place.cmp(&b.place));
        Self { origin: origin.to_owned(), list, files: Vec::new() }
    }

    /// One fault of the file as a whole.
    pub fn of_file(origin: &str, text: String) -> Self {
        Self::new(origin, vec![Problem { place: Place::File, text }])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, problem) in self.list.iter().enumerate() {
            if nth > 0 {
                f.write_str("\n")?;
            }
            match &problem.place {
                Place::Line(line) => write!(f, "{}:{line}: {}", self.origin, problem.text)?,
                Place::File => write!(f, "{}: {}", self.origin, problem.text)?,
                Place::Variable(name) => write!(f, "environment {name}: {}", problem.text)?,
            }
        }
        Ok(())
    }
}

impl Problems {
    /// The faults one by one, each with its place.
    pub fn lines(&self) -> Vec<String> {
        let line =
            |problem: &Problem| Self { list: vec![problem.clone()], ..self.clone() }.to_string();
        self.list.iter().map(line).collect()
    }
}

impl std::error::Error for Problems {}
