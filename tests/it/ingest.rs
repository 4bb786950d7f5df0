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
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ingest");
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

/// The directories of the cases, in order. Anything else there is a mistake, save the README.
fn case_paths(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries.filter(|path| !path.ends_with("README.md")).collect();
    paths.sort();
    paths
}
