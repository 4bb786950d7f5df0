//! The golden cases of `fixtures/ingest`: a request and a clock reading in; an answer and tuples out.
//!
//! Every case runs twice: through the stages called one after the other, and over a socket. Its
//! README says how a case looks and how to add one.

use std::path::{Path, PathBuf};
use std::{env, fs};

mod bless;
mod case;
mod direct;
mod over_http;
mod view;

use case::Case;

/// Set to `1`, the cases' expectations are rewritten with what came out.
const BLESS: &str = "TIDEGATE_BLESS";

#[tokio::test]
async fn every_case_gives_the_same_answer_and_tuples_directly_and_over_http() {
    let root = root();
    let paths = case_paths(&root);
    assert!(!paths.is_empty(), "no cases in {}", root.display());
    let blesses = env::var(BLESS).is_ok_and(|value| value == "1");

    let mut failures = Vec::new();
    for path in &paths {
        let failure = if blesses { bless::bless(path).await } else { check(path).await };
        if let Err(why) = failure {
            failures.push(format!("== {}\n{why}", path.file_name().unwrap().display()));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} cases failed\n\n{}\n\nA case that should now be otherwise: {BLESS}=1, then read \
         the diff.",
        failures.len(),
        paths.len(),
        failures.join("\n\n")
    );
}

/// Runs one case both ways; the text says what differed.
async fn check(path: &Path) -> Result<(), String> {
    let case = Case::read(path)?;
    let expect = case.expect.as_ref().ok_or("there is no [expect]: bless it, then read it")?;
    expect.validate(&case.tuples)?;
    let expected = view::expected(expect, &case.tuples);
    let mut faults = String::new();
    if let Some(direct) = direct::run(&case) {
        faults += &view::difference("directly", &expected, &view::directly(&direct, expect));
    }
    let answer = over_http::run(&case).await;
    let expected = view::expected_answer(&case, expect);
    faults += &view::difference("over http", &expected, &view::answer(&case, &answer));
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ingest")
}

fn copy_of_a_good_case() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in ["case.toml", "tuples.ndjson", "request.json"] {
        fs::copy(root().join("documented-gauge-json").join(name), copy.path().join(name)).unwrap();
    }
    copy
}

/// The directories of the cases, in order. Anything else there is a mistake, save the README.
fn case_paths(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries.filter(|path| !path.ends_with("README.md")).collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn a_case_that_is_wrong_or_tests_nothing_fails() {
    const TUPLE: &str = "123.0";
    for (file, from, to, complaint) in [
        ("case.toml", "about", "abuot", "unknown field `abuot`"),
        ("case.toml", "status", "statsu", "unknown field `statsu`"),
        ("case.toml", "[request]", "[settings.time]\nmax_aeg = '1h'\n[request]", "max_aeg"),
        ("case.toml", "[request]", "[request]\nmethod = 'PUT'", "+ 405 text/plain"),
        ("case.toml", "Bearer test-token", "Bearer other", "+ 403 text/plain"),
        ("case.toml", "Z\n", "Z\nsame_tuples_as = 'nothing'\n", "there is no case nothing"),
        ("case.toml", "status = 202", "status = 202\ntext = ''", "both a `text` and a report"),
        ("case.toml", "accepted = 1", "", "[expect] needs"),
        ("case.toml", "accepted = 1", "accepted = 0", "but nothing is accepted"),
        ("case.toml", "rejected = 0", "rejected = 1", "+ rejected = 0"),
        (
            "case.toml",
            "[expect]\nstatus = 202\naccepted = 1\nrejected = 0",
            "",
            "there is no [expect]",
        ),
        ("tuples.ndjson", TUPLE, "123", "directly, after"),
        ("tuples.ndjson", TUPLE, "123.00", "over http, after"),
        ("tuples.ndjson", "]\n", "]\n[]\n", "- []"),
        ("request.json", "123", "124", "124.0"),
        ("request.json", "{", "", "+ 406 text/plain"),
    ] {
        let copy = copy_of_a_good_case();
        assert_eq!(check(copy.path()).await, Ok(()));
        let text = fs::read_to_string(copy.path().join(file)).unwrap();
        assert!(text.contains(from), "{from}");
        bless::write(&copy.path().join(file), &text.replacen(from, to, 1));
        let fault = check(copy.path()).await.expect_err(to);
        assert!(fault.contains(complaint), "{from} -> {to}: {fault}");
    }
}

#[tokio::test]
async fn files_that_are_missing_or_too_many_fail() {
    for (gone, come, complaint) in [
        (Some("case.toml"), None, "there is no case.toml"),
        (Some("tuples.ndjson"), None, "there is no tuples.ndjson"),
        (Some("request.json"), None, "+ 406 text/plain"),
        (None, Some("request.msgpack"), "more than one file request.*"),
        (None, Some("tuple.ndjson"), "tuple.ndjson is none of a case's files"),
    ] {
        let copy = copy_of_a_good_case();
        if let Some(name) = gone {
            fs::remove_file(copy.path().join(name)).unwrap();
        }
        if let Some(name) = come {
            bless::write(&copy.path().join(name), "");
        }
        let fault = check(copy.path()).await.expect_err(complaint);
        assert!(fault.contains(complaint), "{fault}");
    }
}
