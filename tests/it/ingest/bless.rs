//! Rewriting what a case expects. Whoever does this reads the diff: what came out is not thereby right.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use super::case::{Case, Expect};
use super::direct::{self, Direct};
use super::{over_http, view};

/// Puts what came out into the case's `[expect]` and `tuples.ndjson`.
pub(super) async fn bless(path: &Path) -> Result<(), String> {
    let case = Case::read(path)?;
    let answer = over_http::run(&case).await;
    let status = answer.reply.status;
    let (expect, tuples) = match direct::run(&case) {
        Some(Direct::Judged { report, tuples }) => (view::judgement(status, &report), tuples),
        // The whole text is the edge's.
        _ => (view::refusal(status, answer.reply.text().to_owned()), Vec::new()),
    };
    rewrite_expect(&case, &expect);
    // Another case's tuples are not this one's to rewrite: where they differ, the check says so.
    if case.same_tuples_as.is_none() {
        rewrite_tuples(&case, &tuples);
    }
    Ok(())
}

/// `[expect]` is the last table of a case: everything from there on is ours.
fn rewrite_expect(case: &Case, expect: &Expect) {
    let path = case.path.join("case.toml");
    let text = fs::read_to_string(&path).unwrap();
    let kept = text.split("\n[expect]").next().unwrap().trim_end();
    write(&path, &format!("{kept}\n\n{}", view::render(expect)));
}

fn rewrite_tuples(case: &Case, tuples: &[String]) {
    let path = case.path.join("tuples.ndjson");
    if !tuples.is_empty() {
        write(&path, &format!("{}\n", tuples.join("\n")));
    } else if path.exists() {
        fs::remove_file(path).unwrap();
    }
}

pub(super) fn write(path: &Path, text: &str) {
    File::create(path).and_then(|mut file| file.write_all(text.as_bytes())).unwrap();
}
