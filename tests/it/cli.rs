//! The program as a process: arguments, exit codes, streams and signals.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

mod serving;

/// A command that inherits nothing, in a directory of its own, which takes its temporary files as well:
/// those of a process that is killed go with it. Its admin port is any that is free.
fn tidegate(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(args).env_clear().env("TMPDIR", directory).current_dir(directory);
    // The default port is there once on this machine.
    command.env("TIDEGATE_ADMIN__LISTEN", "127.0.0.1:0");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(args: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    tidegate(directory.path(), args).output().unwrap()
}

fn run_with(args: &[&str], input: &[u8]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let mut child = tidegate(directory.path(), args).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn fixture(name: &str) -> String {
    format!("{}/fixtures/config/{name}", env!("CARGO_MANIFEST_DIR"))
}

const GAUGE: &str = r#"{"name":"a","gauge":{"value":1}}"#;

#[test]
fn help_goes_to_stdout_and_mistakes_to_stderr_with_2() {
    for command in ["serve", "convert", "check-config", "receiver"] {
        let help = run(&["help", command]);
        assert_eq!(help.status.code(), Some(0), "{command}");
        assert!(text(&help.stdout).contains("Examples:\n"), "{command}");
        let wrong = run(&[command, "--colour"]);
        assert_eq!(wrong.status.code(), Some(2), "{command}");
        assert!(text(&wrong.stderr).contains("--colour"), "{command}");
    }
    assert_eq!(run(&[]).status.code(), Some(2));
    assert_eq!(run(&["--version"]).status.code(), Some(0));
}

#[test]
fn no_configuration_points_to_a_way_on() {
    for command in ["serve", "check-config"] {
        let output = run(&[command]);
        assert_eq!(output.status.code(), Some(2));
        let said = text(&output.stderr);
        assert!(said.contains("tidegate serve --dev") && said.contains("[[sources]]"), "{said}");
    }
    let output = run(&["serve", "--config", "missing.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("missing.toml"));
}

#[test]
fn check_config_prints_the_settings_without_secrets() {
    let output = run(&["check-config", "--config", &fixture("minimal.toml")]);
    assert_eq!(output.status.code(), Some(0));
    let printed = text(&output.stdout);
    assert!(
        printed.contains("[limits]\n") && printed.contains("body_bytes = \"20MiB\"  # default")
    );
    assert!(printed.contains("token = \"***\"") && !printed.contains("change-me"), "{printed}");
}

#[test]
fn check_config_shows_every_fault_and_exits_with_2() {
    let output = run(&["check-config", "--config", &fixture("bad/across.toml")]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()));
    let wanted = fs::read_to_string(fixture("bad/across.txt")).unwrap();
    let said = text(&output.stderr).replace(&fixture("bad/across.toml"), "tidegate.toml");
    assert_eq!(said, format!("tidegate: the configuration cannot be used\n{wanted}"));
}

#[test]
fn the_file_is_found_in_the_working_directory_or_by_its_variable() {
    let directory = tempfile::tempdir().unwrap();
    fs::copy(fixture("minimal.toml"), directory.path().join("tidegate.toml")).unwrap();
    let output = tidegate(directory.path(), &["check-config"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let output = tidegate(directory.path(), &["check-config"])
        .env("TIDEGATE_CONFIG", fixture("bad/queue.toml"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn convert_writes_envelopes_and_says_whether_all_was_taken() {
    let good = run_with(&["convert"], GAUGE.as_bytes());
    assert_eq!(good.status.code(), Some(0));
    let envelope: serde_json::Value = serde_json::from_slice(&good.stdout).unwrap();
    assert_eq!(envelope["metrics"][0][0], "a");
    assert_eq!(text(&good.stdout).lines().count(), 1);
    let report: serde_json::Value = serde_json::from_slice(&good.stderr).unwrap();
    assert_eq!(report["accepted"], 1);

    let body = format!("{GAUGE}\nbroken\n");
    let mixed = run_with(&["convert", "--format", "ndjson", "-"], body.as_bytes());
    assert_eq!(mixed.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&mixed.stderr).unwrap();
    assert_eq!((&report["accepted"], &report["rejected"]), (&1.into(), &1.into()));
    assert_eq!(report["errors"][0]["line"], 2);

    let bad = run_with(&["convert"], b"[1,");
    assert_eq!((bad.status.code(), bad.stdout.len()), (Some(1), 0));
    assert!(text(&bad.stderr).starts_with("tidegate: Couldn't parse JSON content."));
    assert_eq!(run(&["convert", "missing.json"]).status.code(), Some(2));
}

#[test]
fn convert_uses_a_source_of_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let config = "[[sources]]\nname = \"shop\"\ntoken_file = \"/nonexistent\"\nhostname = \"till\"\n\
                  tags = { env = \"prod\" }\n[stackstate]\ntype = \"raw\"\n";
    write(&directory.path().join("c.toml"), config);
    write(&directory.path().join("body.json"), GAUGE);
    let convert = |source: &str| {
        let args = ["convert", "--config", "c.toml", "--source", source, "body.json"];
        tidegate(directory.path(), &args).output().unwrap()
    };
    let output = convert("shop");
    assert_eq!(output.status.code(), Some(0));
    let envelope: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let facts = serde_json::json!({"hostname": "till", "tags": ["env:prod"], "type": "raw"});
    assert_eq!(envelope["metrics"][0][3], facts);
    let output = convert("shed");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no source \"shed\"; it has: shop"));
}

#[test]
fn convert_ends_quietly_when_nobody_reads_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("many.ndjson");
    write(&path, &format!("{GAUGE}\n").repeat(50_000));
    let mut child = tidegate(directory.path(), &["convert", "many.ndjson"]).spawn().unwrap();
    let mut first = [0; 1];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn an_output_that_takes_nothing_more_is_no_panic() {
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    let directory = tempfile::tempdir().unwrap();
    write(&directory.path().join("good.json"), GAUGE);
    let code = |args: &[&str]| {
        let mut command = tidegate(directory.path(), args);
        command.stderr(full()).status().unwrap().code()
    };
    assert_eq!(code(&["convert", "good.json"]), Some(0));
    assert_eq!(code(&["convert", "missing.json"]), Some(2));
    assert_eq!(code(&["check-config", "--config", &fixture("bad/across.toml")]), Some(2));
    let mut command = tidegate(directory.path(), &["convert", "good.json"]);
    let output = command.stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot write the output"));
}

fn write(path: &Path, text: &str) {
    fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}
