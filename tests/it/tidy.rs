//! The rules of the house, held against the text of every source file: which module may use which,
//! what the pure core must not touch, how large a file may be.
//!
//! The compiler cannot hold them, because the layers share one crate.

use std::fs;
use std::path::{Path, PathBuf};

/// Which modules of the crate a module may name, itself apart. The direction is that of the map in
/// `src/lib.rs`.
const ALLOWED: &[(&str, &[&str])] = &[
    ("metric", &[]),
    ("decode", &["metric"]),
    ("normalize", &["metric", "decode"]),
    ("expand", &["metric"]),
    ("encode", &["metric", "expand"]),
    ("pipeline", &["metric", "decode", "normalize", "expand", "encode"]),
    ("clock", &["metric"]),
    ("queue", &["metric", "encode", "clock"]),
    ("dead_letter", &["metric", "encode", "clock", "queue"]),
    ("config", &["metric", "normalize", "queue"]),
    (
        "forward",
        &["metric", "encode", "clock", "queue", "dead_letter", "config", "causes", "spread"],
    ),
    ("budget", &[]),
    ("spread", &[]),
    ("intake", &["decode", "budget"]),
    ("blocks", &["encode", "pipeline", "queue", "budget"]),
    ("causes", &[]),
    ("quota", &["metric", "pipeline", "config"]),
    ("traffic", &["metric", "pipeline", "quota"]),
    ("tap", &["encode"]),
    ("tls", &["metric", "clock", "config"]),
    (
        "http",
        &[
            "metric",
            "decode",
            "normalize",
            "encode",
            "pipeline",
            "clock",
            "budget",
            "spread",
            "intake",
            "blocks",
            "quota",
            "traffic",
            "tap",
            "tls",
            "queue",
            "config",
        ],
    ),
    (
        "scrape",
        &[
            "metric",
            "decode",
            "normalize",
            "encode",
            "pipeline",
            "clock",
            "budget",
            "intake",
            "blocks",
            "causes",
            "quota",
            "traffic",
            "tap",
            "queue",
            "config",
        ],
    ),
    (
        "admin",
        &[
            "metric",
            "normalize",
            "pipeline",
            "clock",
            "spread",
            "queue",
            "dead_letter",
            "forward",
            "http",
            "scrape",
            "quota",
            "traffic",
            "tap",
            "tls",
            "observe",
            "config",
        ],
    ),
    ("receiver", &["clock", "tls"]),
    ("observe", &["config"]),
    (
        "app",
        &[
            "metric",
            "normalize",
            "encode",
            "pipeline",
            "clock",
            "budget",
            "queue",
            "dead_letter",
            "config",
            "forward",
            "http",
            "scrape",
            "admin",
            "receiver",
            "traffic",
            "tap",
            "tls",
            "observe",
        ],
    ),
    (
        "cli",
        &[
            "metric",
            "decode",
            "normalize",
            "encode",
            "pipeline",
            "clock",
            "config",
            "queue",
            "dead_letter",
            "forward",
            "receiver",
            "observe",
            "tls",
            "causes",
            "tap",
            "app",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// Parts of a module that another may name, where the rest of it is closed.
const ONLY: &[(&str, &[&str])] = &[("normalize", &["decode::raw", "decode::labelled"])];

/// Modules without I/O, clock, runtime and logs.
const PURE: &[&str] = &["metric", "decode", "normalize", "expand", "encode", "pipeline"];

/// What the pure core must not name.
const EFFECTS: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant",
    "tokio",
    "tracing",
    "hyper",
    "axum",
    "reqwest",
    "rustix",
];

/// Crates that belong to some modules alone.
const HOMES: &[(&str, &[&str])] = &[
    ("clap", &["cli"]),
    ("anyhow", &["cli", "main"]),
    ("indicatif", &["cli"]),
    // `cli` reads the cases of a user's tests, and looks for secrets that a bundle must not hold.
    ("toml", &["config", "cli"]),
    // `cli` asks the admin port of the gateway that runs.
    ("reqwest", &["forward", "scrape", "config", "cli"]),
    ("serde_urlencoded", &["receiver"]),
    ("governor", &["http"]),
    ("tokio_rustls", &["tls"]),
    ("tar", &["cli"]),
    ("rmp", &["decode"]),
    ("crc32fast", &["queue", "dead_letter"]),
    ("prometheus_client", &["queue", "http", "admin"]),
];

const FILE_LINES_MAX: usize = 500;
const CODE_LINES_MAX: usize = 400;

#[test]
fn every_source_file_keeps_the_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 30, "the sources were found: {}", files.len());
    let mut faults = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).expect("sources are UTF-8");
        let name = path.strip_prefix(&root).expect("it was found below").display().to_string();
        faults.extend(check(&name, &text).into_iter().map(|fault| format!("src/{name}: {fault}")));
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// What is wrong with one file; `name` is its path below `src`.
fn check(name: &str, text: &str) -> Vec<String> {
    let module = name.split(['/', '.']).next().unwrap_or_default();
    let code = code_of(name, text);
    let mut faults = Vec::new();
    if !text.starts_with("//! ") {
        faults.push("does not open with a `//!` sentence of purpose".to_owned());
    }
    if text.lines().count() > FILE_LINES_MAX {
        faults.push(format!("has more than {FILE_LINES_MAX} lines"));
    }
    if code.len() > CODE_LINES_MAX {
        faults.push(format!("has more than {CODE_LINES_MAX} lines before its tests"));
    }
    for (nth, line) in text.lines().enumerate() {
        // A module's opening may draw a picture with boxes and arrows.
        let drawn = |c: char| line.starts_with("//!") && ('\u{2500}'..='\u{25ff}').contains(&c);
        if !line.chars().all(|c| c.is_ascii() || drawn(c)) {
            faults.push(format!("line {}: not ASCII", nth + 1));
        }
    }
    let Some((_, allowed)) = ALLOWED.iter().find(|(of, _)| *of == module) else {
        faults.push(format!("module `{module}` has no row in ALLOWED"));
        return faults;
    };
    let depth = name.trim_end_matches(".rs").split('/').count();
    for (line, code) in whole_imports(code) {
        let mut fault = |text: String| faults.push(format!("line {line}: {text}"));
        for path in crate_paths(&code) {
            if let Some(text) = edge(module, allowed, &path) {
                fault(text);
            }
        }
        if supers(&code) >= depth {
            fault("`super` leaves its top module: write `crate::`".to_owned());
        }
        if names(&code, "todo!") || names(&code, "unimplemented!") {
            fault("unfinished".to_owned());
        }
        for effect in EFFECTS.iter().filter(|effect| PURE.contains(&module) && names(&code, effect))
        {
            fault(format!("the pure core names `{effect}`"));
        }
        for (of, homes) in HOMES {
            if uses_crate(&code, of) && !homes.contains(&module) {
                fault(format!("`{of}` belongs to {}", homes.join(" and ")));
            }
        }
    }
    faults
}

/// The lines that are compiled into the product, numbered from 1, comments cut off.
fn code_of(name: &str, text: &str) -> Vec<(usize, String)> {
    if name.ends_with("/tests.rs") || name.contains("/tests/") {
        return Vec::new();
    }
    let (mut code, mut lines) = (Vec::new(), text.lines().enumerate());
    while let Some((nth, line)) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            // `mod tests;` stands among the other modules; `mod tests {` is the end of the file.
            match lines.next() {
                Some((_, line)) if line.trim_end().ends_with(';') => continue,
                _ => break,
            }
        }
        let line = line.find("//").and_then(|at| line.get(..at)).unwrap_or(line);
        code.push((nth + 1, line.to_owned()));
    }
    code
}

/// An import broken over several lines becomes one line, at the number of its first.
fn whole_imports(code: Vec<(usize, String)>) -> Vec<(usize, String)> {
    let mut whole: Vec<(usize, String)> = Vec::new();
    for (nth, line) in code {
        match whole.last_mut() {
            Some((_, open)) if names(open, "use") && open.contains('{') && !open.contains(';') => {
                open.push_str(line.trim());
            }
            _ => whole.push((nth, line)),
        }
    }
    whole
}

/// What follows each `crate::` of a line, groups spread out: `crate::{a, b::c}` is `a` and `b::c`.
fn crate_paths(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = code.get(at + "crate::".len()..).unwrap_or_default();
        // `$crate` in a macro and `my_crate::` are other things.
        let before = code.get(..at).unwrap_or_default();
        if before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        if let Some(group) = rest.strip_prefix('{') {
            let mut level = 0;
            for part in group.split_inclusive([',', '{', '}']) {
                let path = part.trim_end_matches([',', '{', '}']).trim();
                if level == 0 && !path.is_empty() {
                    paths.push(path.to_owned());
                }
                level += part.matches('{').count() as i32 - part.matches('}').count() as i32;
                if level < 0 {
                    break;
                }
            }
        } else {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
            paths.push(rest.get(..end.unwrap_or(rest.len())).unwrap_or_default().to_owned());
        }
    }
    paths
}

fn edge(module: &str, allowed: &[&str], path: &str) -> Option<String> {
    let target = path.split("::").next().unwrap_or_default();
    if target == module {
        return None;
    }
    if !allowed.contains(&target) {
        return Some(format!("`{module}` must not use `crate::{target}`"));
    }
    let is_of = |part: &str| part.split("::").next() == Some(target);
    let only =
        ONLY.iter().find(|(of, parts)| *of == module && parts.iter().any(|part| is_of(part)));
    let (_, parts) = only?;
    let is_within = |part: &&str| path == *part || path.starts_with(&format!("{part}::"));
    (!parts.iter().any(is_within)).then(|| {
        let parts = parts.join("` and `crate::");
        format!("`{module}` may use `crate::{parts}` alone, not `crate::{path}`")
    })
}

/// The longest run of `super::` in a line.
fn supers(code: &str) -> usize {
    (1..8).take_while(|count| code.contains(&"super::".repeat(*count))).count()
}

/// Whether a line holds `word` as a word of its own.
fn names(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        let (before, after) = (code.get(..at), code.get(at + word.len()..));
        !before.is_some_and(|text| text.ends_with(part))
            && !after.is_some_and(|text| text.starts_with(part))
    })
}

/// Whether a line names a crate: `clap::..` or `use clap;`, and not `.toml` or a field `axum`.
fn uses_crate(code: &str, name: &str) -> bool {
    names(code, &format!("use {name}"))
        || code.match_indices(&format!("{name}::")).any(|(at, _)| {
            let before = code.get(..at).unwrap_or_default();
            !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '.')
        })
}

// -- the checker checked --

fn faults(name: &str, code: &str) -> Vec<String> {
    check(name, &format!("//! A purpose.\n{code}\n"))
}

#[test]
fn a_file_that_keeps_the_rules_has_no_fault() {
    for (name, code) in [
        ("metric/name.rs", "use super::value::Value; use crate::metric::tags::Tags;"),
        ("normalize/names.rs", "use crate::decode::raw::{RawMetric, Scalar};"),
        ("http/ingest.rs", "use crate::{pipeline, queue::Queue};"),
        ("decode/json.rs", "// crate::http is far away, and so is tokio\nlet tokioish = 1;"),
        ("decode/json.rs", "#[cfg(test)]\nmod tests {\n    use crate::pipeline::run;\n}"),
        ("decode/json/tests.rs", "use crate::pipeline::run;"),
        ("cli/convert.rs", "use clap::Parser; use anyhow::Result;"),
        ("queue/memory.rs", "#[cfg(test)]\nmod tests;\nuse crate::encode::Block;"),
        ("app.rs", "let path = \"x.toml\"; self.toml::<u8>();"),
    ] {
        assert_eq!(faults(name, code), Vec::<String>::new(), "{name}: {code}");
    }
}

#[test]
fn each_broken_rule_is_seen() {
    for (name, code, wanted) in [
        ("metric.rs", "use crate::decode::Format;", "`metric` must not use `crate::decode`"),
        ("http.rs", "let x = crate::forward::start();", "`http` must not use `crate::forward`"),
        (
            "http.rs",
            "use crate::{\n    queue::{A, B},\n    forward,\n};",
            "`http` must not use `crate::forward`",
        ),
        (
            "queue/memory.rs",
            "#[cfg(test)]\nmod tests;\nuse crate::http::serve;",
            "`queue` must not use `crate::http`",
        ),
        (
            "receiver/tuple.rs",
            "pub(in crate::receiver) use crate::encode::Block;",
            "`receiver` must not use `crate::encode`",
        ),
        (
            "normalize.rs",
            "use crate::decode::json;",
            "`normalize` may use `crate::decode::raw` and `crate::decode::labelled` alone",
        ),
        ("metric/name.rs", "use super::super::decode;", "`super` leaves its top module"),
        ("decode.rs", "use std::fs::File;", "the pure core names `std::fs`"),
        ("expand.rs", "let now = std::time::Instant::now();", "the pure core names `Instant`"),
        ("pipeline.rs", "tracing::info!();", "the pure core names `tracing`"),
        ("encode.rs", "todo!()", "unfinished"),
        ("http.rs", "use clap::Parser;", "`clap` belongs to cli"),
        ("app.rs", "fn run() -> anyhow::Result<()> {}", "`anyhow` belongs to cli and main"),
        ("queue.rs", "let letter = '\u{e9}';", "not ASCII"),
        ("novelty.rs", "", "module `novelty` has no row"),
    ] {
        let faults = faults(name, code);
        assert!(faults.iter().any(|fault| fault.contains(wanted)), "{name}: {code}: {faults:?}");
    }
    assert!(check("metric.rs", "use std::fmt;\n")[0].contains("does not open with"));
    let long = |lines| format!("//! A purpose.\n{}", "fn a() {}\n".repeat(lines));
    assert_eq!(check("metric.rs", &long(399)), Vec::<String>::new());
    assert!(check("metric.rs", &long(400))[0].contains("more than 400 lines before its tests"));
    let tests = format!("//! A.\n#[cfg(test)]\nmod tests {{\n{}}}\n", "//\n".repeat(496));
    assert_eq!(check("metric.rs", &tests), Vec::<String>::new());
    assert!(check("metric.rs", &(tests + "//\n"))[0].contains("more than 500 lines"));
}
