//! `tidegate token`: what it makes opens a source, and what it is given it does not show.

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn token(args: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.arg("token").args(args).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that reads nothing may have ended by now.
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn hash_of(token_text: &str) -> String {
    let output = token(&["hash"], token_text);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout).trim_end().to_owned()
}

#[test]
fn a_new_token_is_shown_once_with_the_line_that_lets_it_in() {
    let output = token(&["new"], "");
    let shown = text(&output.stdout);
    let made = shown.lines().next().unwrap();
    assert_eq!((output.status.code(), made.len()), (Some(0), 46));
    assert!(made.starts_with("tg_"), "{made}");
    assert_eq!(shown.matches(made).count(), 1, "{shown}");
    let line = shown.lines().find(|line| line.starts_with("token_sha256")).unwrap();
    assert_eq!(line, format!("token_sha256 = \"{}\"", hash_of(made)));
    // The whole of it is what somebody pastes.
    let lines: Vec<&str> = shown.lines().skip(1).collect();
    let config = format!(
        "[[sources]]\nname = \"s\"\n{}\n[receiver]\nurl = \"http://r/\"\napi_key = \"k\"\n",
        lines.join("\n")
    );
    let environment = tidegate::config::Environment::default();
    let loaded = tidegate::config::load("test", &config, &environment).unwrap();
    assert_eq!(loaded.config.sources[0].tokens.len(), 1);
    assert_ne!(text(&token(&["new"], "").stdout), shown);
}

#[test]
fn the_digest_alone_goes_to_a_file_and_the_token_to_the_terminal() {
    let output = token(&["new", "--sha256-only"], "");
    let made = text(&output.stderr).trim_end();
    assert!(made.starts_with("tg_"), "{made}");
    assert_eq!(text(&output.stdout), format!("token_sha256 = \"{}\"\n", hash_of(made)));
}

#[test]
fn the_digest_is_that_of_the_token_without_the_line_end() {
    // printf %s abc | sha256sum
    let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    for typed in ["abc", "abc\n", "abc \r\n"] {
        assert_eq!(hash_of(typed), known, "{typed:?}");
    }
}

#[test]
fn what_is_no_token_is_refused_and_not_repeated() {
    for (input, said) in [
        ("", "is empty"),
        ("\n", "is empty"),
        ("hunter two", "visible ASCII"),
        ("***", "check-config prints in its place"),
    ] {
        let output = token(&["hash"], input);
        assert_eq!(output.status.code(), Some(2), "{input:?}");
        let told = text(&output.stderr);
        assert!(told.contains(said) && !told.contains("hunter"), "{told}");
    }
    let output = token(&["hash", "hunter2"], "");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""), "no argument is taken");
}
