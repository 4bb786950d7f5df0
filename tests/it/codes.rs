//! `docs/codes.md`: every code is there, its examples get it, and the admin port's `/codes` is the same text.

use std::path::{Path, PathBuf};
use std::{env, fs};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tidegate::config::{self, Config, Environment};
use tidegate::metric::timestamp::Timestamp;
use tidegate::normalize::{Code, Policy};

use super::support::edge::{Edge, TOKEN};
use super::support::peers::put;
use super::support::wire::{once, post};

mod markdown;
mod page;

use markdown::{Block, blocks};

/// 2026-11-22 12:00 UTC, as the document says.
const NOW_S: i64 = 1_795_348_800;

/// One example of the document.
#[derive(Debug)]
struct Example {
    /// The code whose section it stands in.
    section: String,
    /// TOML beside what every gateway needs.
    settings: String,
    content_type: &'static str,
    body: String,
    /// The one of the answer's lists that is not empty.
    list: String,
    /// Its only entry.
    entry: Value,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn document() -> Vec<Block> {
    blocks(&fs::read_to_string(root().join("docs/codes.md")).expect("the document is there"))
}

/// Rewrites a generated file where that is asked for, and else compares it.
pub(crate) fn bless_or_compare(path: &str, made: &str) {
    let path = root().join(path);
    if env::var("TIDEGATE_BLESS").is_ok_and(|value| value == "1") {
        put(&path, made);
        return;
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    let differs = there.lines().zip(made.lines()).position(|(there, made)| there != made);
    assert!(
        there == made,
        "{} is stale from line {} on: TIDEGATE_BLESS=1, then read the difference",
        path.display(),
        differs.map_or(there.lines().count().min(made.lines().count()), |line| line) + 1
    );
}

fn examples() -> Vec<Example> {
    let (mut examples, mut section) = (Vec::new(), String::new());
    let (mut settings, mut asked) = (String::new(), None);
    for block in document() {
        match block {
            Block::Heading { level, text } => {
                section = if level == 3 { text } else { String::new() };
            }
            Block::Paragraph(_) => {}
            Block::Code { language, text } => match language.as_str() {
                "toml" => settings = text,
                list @ ("errors" | "warnings") => {
                    let (content_type, body) = asked.take().expect("an answer to something");
                    examples.push(Example {
                        section: section.clone(),
                        list: list.to_owned(),
                        settings: std::mem::take(&mut settings),
                        content_type,
                        body,
                        entry: serde_json::from_str(&text).expect(&text),
                    });
                }
                other => asked = Some((content_type(other), unfold(&text))),
            },
        }
    }
    assert!(asked.is_none(), "an example has no answer");
    examples
}

fn content_type(language: &str) -> &'static str {
    match language {
        "json" => "application/json",
        "ndjson" => "application/x-ndjson",
        "prometheus" => "text/plain; version=0.0.4",
        other => panic!("no content-type is known for a block of {other}"),
    }
}

/// `<4000 x>` to 4,000 letters, so that the document need not hold them.
fn unfold(text: &str) -> String {
    let mut parts = text.split('<');
    let mut unfolded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (count, rest) = part.split_once(" x>").expect("`<COUNT x>`");
        unfolded += &"x".repeat(count.parse().expect("a number of letters"));
        unfolded += rest;
    }
    unfolded
}

/// Lines under `[[sources]]` belong to the source there is.
fn configured(settings: &str) -> Config {
    let (before, of_source) = settings.split_once("[[sources]]\n").unwrap_or((settings, ""));
    let text = format!(
        "[[sources]]\nname = \"main\"\ntoken = \"{TOKEN}\"\n{of_source}\n\
         [receiver]\nurl = \"http://127.0.0.1:1/\"\napi_key = \"unused\"\n{before}"
    );
    config::load("docs/codes.md", &text, &Environment::default()).expect(settings).config
}

#[tokio::test]
async fn every_example_gets_the_code_it_stands_under() {
    let mut faults = Vec::new();
    for example in examples() {
        let config = configured(&example.settings);
        let edge = Edge::with(|settings| {
            settings.sources.clone_from(&config.sources);
            settings.policy = Policy::clone(&config.policy);
            settings.now = Timestamp::from_unix(NOW_S, 0);
        })
        .await;
        let headers = format!("content-type: {}\r\n", example.content_type);
        let answer = once(&edge, &post(&headers, example.body.as_bytes())).await.json();
        let code = example.entry["code"].as_str().expect("an entry has a code");
        assert_eq!(code, example.section, "an example stands under its code");
        for list in ["errors", "warnings"] {
            let wanted =
                if list == example.list { vec![example.entry.clone()] } else { Vec::new() };
            if answer[list] != Value::from(wanted.clone()) {
                faults.push(format!("{code}: {list} {wanted:?}, got {}", answer[list]));
            }
        }
        assert_eq!(answer["help"][code], format!("docs/codes.md#{code}"));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_code_has_its_section_where_it_belongs_an_example_and_advice() {
    let examples = examples();
    let (mut chapter, mut found) = (String::new(), Vec::new());
    let mut advised = 0;
    for block in document() {
        match block {
            Block::Heading { level: 2, text } => chapter = text,
            Block::Heading { level: 3, text } => found.push((chapter.clone(), text)),
            Block::Paragraph(text) if text.starts_with("**What to do:**") => advised += 1,
            _ => {}
        }
    }
    let rejections: Vec<_> = Code::rejections().collect();
    let chapter_of = |code: &Code| {
        let chapter = if rejections.contains(code) { "Rejections" } else { "Warnings" };
        chapter.to_owned()
    };
    let wanted: Vec<_> =
        Code::ALL.iter().map(|code| (chapter_of(code), code.as_str().to_owned())).collect();
    assert_eq!(found, wanted);
    assert_eq!(advised, Code::COUNT);
    for (_, code) in wanted {
        assert!(examples.iter().any(|example| example.section == code), "{code} has no example");
    }
}

#[test]
fn the_page_is_made_of_the_document() {
    bless_or_compare("src/admin/codes.html", &page::render(&document()));
}

#[test]
fn the_page_has_an_anchor_for_each_code_and_loads_nothing() {
    let html = fs::read_to_string(root().join("src/admin/codes.html")).unwrap();
    for code in Code::ALL {
        assert_eq!(html.matches(&format!(" id=\"{}\"", code.as_str())).count(), 1);
    }
    for loads in ["src=", "<script", "<link", "url(", "@import", "http://", "https://"] {
        assert!(!html.contains(loads), "{loads}");
    }
    let style = html.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>"));
    let digest = STANDARD.encode(Sha256::digest(style.expect("a style").0));
    let module = fs::read_to_string(root().join("src/admin/codes.rs")).unwrap();
    assert!(module.contains(&format!("'sha256-{digest}'")), "the policy needs sha256-{digest}");
}
