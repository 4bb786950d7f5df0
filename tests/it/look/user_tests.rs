//! `tidegate test`: a user's own cases.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use super::{copy, put, stderr, stdout, tidegate};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/user-tests")
}

fn test(directory: &Path, more: &[&str]) -> Output {
    let args = [&["test", ".", "--config", "tidegate.toml"], more].concat();
    tidegate(directory, &args).output().unwrap()
}

/// The examples, to be changed.
fn examples() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    copy(&fixtures(), directory.path());
    directory
}

#[test]
fn the_examples_pass_without_the_secrets_of_their_configuration() {
    let output = test(&fixtures(), &[]);
    let printed = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{printed}{}", stderr(&output));
    assert!(printed.contains("ok       gauge\n"), "{printed}");
    assert!(printed.ends_with("4 cases: 4 as expected, 0 not\n"), "{printed}");
}

#[test]
fn a_difference_is_shown_fails_and_can_be_blessed() {
    let directory = examples();
    let tuples = directory.path().join("gauge/tuples.ndjson");
    let right = fs::read_to_string(&tuples).unwrap();
    put(&tuples, &right.replace("17.0", "18.0"));
    put(&directory.path().join("broken-line/report.json"), "{}");
    put(
        &directory.path().join("push/case.toml"),
        "path = \"/metrics/job\"\nsource = \"billing\"\n",
    );
    let output = test(directory.path(), &[]);
    let printed = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    for wanted in [
        "FAILED   gauge\n",
        "- [\"orders.open\",1767225600,18.0,",
        "+ [\"orders.open\",1767225600,17.0,",
        "report.json:",
        "status: 2xx was expected and 400 came",
        "4 cases: 1 as expected, 3 not",
    ] {
        assert!(printed.contains(wanted), "{wanted}: {printed}");
    }
    let output = test(directory.path(), &["--bless"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert_eq!(fs::read_to_string(&tuples).unwrap(), right);
    let output = test(directory.path(), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
}

#[test]
fn what_is_wrong_with_a_case_is_said() {
    for (case, wanted) in [
        ("sourc = \"checkout\"", "unknown key `sourc`: did you mean `source`?"),
        ("source = \"shed\"", "no source \"shed\"; it has: checkout, billing"),
        ("", "several sources: name one with `source`"),
        (
            "source = \"checkout\"\npath = \"metrics\"",
            "`path` in case.toml must begin with a slash",
        ),
        ("source = \"checkout\"\npath = \"/nowhere\"", "status: 2xx was expected and 404 came"),
        ("source = \"checkout\"\ncontent_encoding = \"br\"", "2xx was expected and 415 came"),
    ] {
        let directory = examples();
        put(&directory.path().join("gauge/case.toml"), case);
        let output = test(directory.path(), &[]);
        assert_eq!(output.status.code(), Some(1), "{case}");
        assert!(stdout(&output).contains(wanted), "{case}: {}", stdout(&output));
    }
}

#[test]
fn nothing_to_try_is_2() {
    let directory = tempfile::tempdir().unwrap();
    put(&directory.path().join("tidegate.toml"), "");
    let output = test(directory.path(), &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("has no case"), "{}", stderr(&output));
    let output = tidegate(directory.path(), &["test", "missing"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
