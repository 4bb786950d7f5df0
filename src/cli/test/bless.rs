//! Writes down what came out, for `--bless`.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::Context;

use super::case::{Expected, Folder, REPORT, TUPLES};
use super::compare;
use crate::app::Heard;
use crate::cli::words::count;

/// What was written, a sentence each.
pub(super) fn write(
    folder: &Folder,
    expected: &Expected,
    heard: &Heard,
) -> anyhow::Result<Vec<String>> {
    let mut written = Vec::new();
    let tuples = &heard.tuples;
    let text = tuples.iter().flat_map(|tuple| [tuple.as_str(), "\n"]).collect::<String>();
    if expected.tuples.as_deref().unwrap_or_default() != *tuples {
        put(&folder.path.join(TUPLES), (!tuples.is_empty()).then_some(text.as_str()))?;
        written.push(format!("{TUPLES}: {}", count(tuples.len() as u64, "tuple")));
    }
    let report = compare::report(heard);
    if expected.report != report {
        let text = report.map(|report| format!("{report:#}\n"));
        put(&folder.path.join(REPORT), text.as_deref())?;
        let what = if text.is_some() { "as answered" } else { "removed, the answer has none" };
        written.push(format!("{REPORT}: {what}"));
    }
    let status = heard.status;
    let is_right = match expected.status {
        Some(wanted) => wanted == status,
        None => (200..300).contains(&status),
    };
    if !is_right {
        set_status(&folder.path.join("case.toml"), status)?;
        written.push(format!("case.toml: status = {status}"));
    }
    Ok(written)
}

/// Nothing removes the file.
fn put(file: &Path, text: Option<&str>) -> anyhow::Result<()> {
    let outcome = match text {
        Some(text) => File::create(file).and_then(|mut file| file.write_all(text.as_bytes())),
        None => match fs::remove_file(file) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        },
    };
    outcome.with_context(|| format!("cannot write {}", file.display()))
}

/// The rest of the file stays as somebody wrote it.
fn set_status(file: &Path, status: u16) -> anyhow::Result<()> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        other => other.with_context(|| format!("cannot read {}", file.display()))?,
    };
    put(file, Some(&with_status(&text, status)))
}

fn with_status(text: &str, status: u16) -> String {
    let is_status = |line: &&str| {
        let rest = line.trim_start().strip_prefix("status");
        rest.is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let others = text.lines().filter(|line| !is_status(line));
    let mut lines: Vec<String> = others.map(str::to_owned).collect();
    let at = text.lines().position(|line| is_status(&line)).unwrap_or(lines.len());
    lines.insert(at, format!("status = {status}"));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_replaced_or_added() {
        for (text, wanted) in [
            ("", "status = 406\n"),
            ("about = \"status\"\n", "about = \"status\"\nstatus = 406\n"),
            ("now = 1\nstatus = 202\n# end", "now = 1\nstatus = 406\n# end\n"),
        ] {
            assert_eq!(with_status(text, 406), wanted);
        }
    }
}
