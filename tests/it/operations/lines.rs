//! Each line of level warn or error that the sources can write has a row in the guide.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// So much of a text, from its start, has to stand in a row.
const LEAD_CHARS: usize = 40;

/// A text with fewer fixed characters says nothing by itself.
const FIXED_CHARS_MIN: usize = 12;

/// Lines whose text is made elsewhere: file, text, and what stands in the guide for it.
const MADE_ELSEWHERE: &[(&str, &str, &[&str])] = &[
    ("app/announce.rs", "...", &["the disk of `data_dir` has ... bytes in all"]),
    ("app/epitaph.rs", "...", &["stopped: ... accepted tuples"]),
    ("cli/serve.rs", "...", &["environment ... is ignored", "a remark on the configuration"]),
    (
        "dead_letter/store.rs",
        "...",
        &["every dead letter in this file was replayed but those that"],
    ),
    (
        "scrape/job.rs",
        "...",
        &["... scrapes were dropped", "the queue panicked", "reading a page panicked"],
    ),
    // The texts of `notice.rs`, which are looked at one by one.
    ("queue/log/queue/threads.rs", "...", &[]),
    (
        "app/reload.rs",
        "...",
        &[
            "environment ... is ignored",
            "a remark on the configuration",
            "a fault of the configuration",
        ],
    ),
];

const NOTICES: &str = "queue/log/notice.rs";

struct Line {
    file: String,
    text: String,
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The first text in quotes behind `at` that is no value of a field, within the brackets that are open
/// there; what it says, with `...` for each value.
fn text_in(code: &str, at: usize) -> Option<String> {
    let (mut depth, mut before) = (1, ' ');
    let mut letters = code.get(at..)?.chars();
    while depth > 0 {
        let letter = letters.next()?;
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '"' => {
                let text = literal(&mut letters)?;
                if before != '=' {
                    return Some(shown(&text));
                }
            }
            _ => {}
        }
        if !letter.is_whitespace() {
            before = letter;
        }
    }
    None
}

/// A text up to its closing quote, as it will be read.
fn literal(letters: &mut std::str::Chars<'_>) -> Option<String> {
    let mut text = String::new();
    loop {
        match letters.next()? {
            '"' => return Some(text),
            '\\' => match letters.next()? {
                '\n' => {
                    let rest = letters.as_str().trim_start();
                    *letters = rest.chars();
                }
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
}

fn shown(text: &str) -> String {
    let (mut shown, mut rest) = (String::new(), text);
    while let Some((fixed, after)) = rest.split_once('{') {
        shown.extend([fixed, "..."]);
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    shown + rest
}

/// Every line of the sources, tests apart.
fn lines(root: &Path) -> Vec<Line> {
    let (mut files, mut lines) = (Vec::new(), Vec::new());
    collect(root, &mut files);
    files.sort();
    for path in files {
        let code = fs::read_to_string(&path).unwrap();
        let code = code.split("#[cfg(test)]\nmod tests").next().unwrap();
        let file = path.strip_prefix(root).unwrap().display().to_string();
        let mut calls = vec!["tracing::warn!(", "tracing::error!("];
        if file == NOTICES {
            calls.push("write!(");
        }
        for call in calls {
            for (at, _) in code.match_indices(call) {
                let text = text_in(code, at + call.len());
                let text = text.unwrap_or_else(|| panic!("{file}: {call} without a text"));
                lines.push(Line { file: file.clone(), text });
            }
        }
    }
    lines
}

fn lead(text: &str) -> &str {
    text.char_indices().nth(LEAD_CHARS).map_or(text, |(at, _)| text.split_at(at).0)
}

/// The texts of the guide's rows: the second cell, without its marks.
fn rows(guide: &str) -> BTreeSet<String> {
    let cells = guide.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let level = cells.next()?.trim();
        let text = cells.next()?.trim_matches('`').trim();
        matches!(level, "warn" | "error").then(|| text.to_owned())
    });
    cells.collect()
}

fn has_row(rows: &BTreeSet<String>, text: &str) -> bool {
    rows.iter().any(|row| row.starts_with(lead(text)))
}

#[test]
fn every_line_that_warns_has_a_row_in_the_guide() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rows = rows(&fs::read_to_string(root.join("docs/operations.md")).unwrap());
    let lines = lines(&root.join("src"));
    assert!(lines.len() > 60 && rows.len() > 60, "{} lines, {} rows", lines.len(), rows.len());
    let mut wrong = Vec::new();
    for Line { file, text } in &lines {
        let elsewhere = MADE_ELSEWHERE.iter().find(|(of, made, _)| of == file && made == text);
        let wanted = match elsewhere {
            Some((_, _, texts)) => texts.to_vec(),
            None if text.replace("...", "").trim().len() < FIXED_CHARS_MIN => {
                wrong.push(format!("{file}: say in MADE_ELSEWHERE what {text:?} may be"));
                continue;
            }
            None => vec![text.as_str()],
        };
        let missing = wanted.iter().filter(|text| !has_row(&rows, text));
        wrong.extend(missing.map(|text| format!("{file}: no row for {text:?}")));
    }
    assert!(wrong.is_empty(), "docs/operations.md, tables of log lines:\n{}", wrong.join("\n"));
}

#[test]
fn the_text_of_a_line_is_found_among_its_fields() {
    let code = "tracing::warn!(\n job = \"x\", n = f(1),\n \"a {b} \\\n   \\\"c\\\": {d:?}\", e)";
    assert_eq!(text_in(code, 15).as_deref(), Some("a ... \"c\": ..."));
    assert_eq!(text_in("warn!(a = \"b\")", 6), None);
    let rows =
        rows("| warn | `a ... b` | x |\n| level | `c` | y |\n| error | `` d `e` f `` | z |\n");
    assert_eq!(rows.iter().map(String::as_str).collect::<Vec<_>>(), ["a ... b", "d `e` f"]);
    assert!(has_row(&rows, "a ...") && !has_row(&rows, "b"));
}
