//! The document as a page: plain, readable by everybody, and nothing to load.

#![expect(clippy::format_push_string, reason = "text that is written once")]

use super::markdown::{Block, anchor};

const STYLE: &str = "\n:root{color-scheme:light dark}\n\
body{font:1rem/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}\n\
h3{margin-top:2.5rem}\ncode,pre{font-family:ui-monospace,monospace;font-size:.9em}\n\
pre{overflow-x:auto;padding:.75rem;border:1px solid #8886;border-radius:4px}\n\
:target{outline:2px solid;outline-offset:.4rem}\n";

pub(super) fn render(blocks: &[Block]) -> String {
    let title = match blocks.first() {
        Some(Block::Heading { level: 1, text }) => text,
        other => panic!("a document begins with its title, not {other:?}"),
    };
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} - tidegate</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
    );
    for block in blocks {
        match block {
            Block::Heading { level: 1, text } => {
                html += &format!("<h1>{}</h1>\n{}", inline(text), index(blocks));
            }
            Block::Heading { level, text } => {
                let id = anchor(text);
                html += &format!("<h{level} id=\"{id}\">{}</h{level}>\n", inline(text));
            }
            Block::Paragraph(text) => html += &format!("<p>{}</p>\n", inline(text)),
            Block::Code { text, .. } => {
                html += &format!("<pre tabindex=\"0\"><code>{}</code></pre>\n", escape(text));
            }
        }
    }
    html + "</main>\n</body>\n</html>\n"
}

/// Links to all codes.
fn index(blocks: &[Block]) -> String {
    let codes = blocks.iter().filter_map(|block| match block {
        Block::Heading { level: 3, text } => Some(text),
        _ => None,
    });
    let links: Vec<_> = codes.map(|code| format!("<a href=\"#{code}\">{code}</a>")).collect();
    format!("<nav aria-label=\"Codes\">{}</nav>\n", links.join(",\n"))
}

/// Code, bold and links; nothing is nested in our texts.
fn inline(text: &str) -> String {
    let mut html = String::new();
    for (nth, part) in text.split('`').enumerate() {
        if nth % 2 == 1 {
            html += &format!("<code>{}</code>", escape(part));
            continue;
        }
        for (nth, part) in links(&escape(part)).split("**").enumerate() {
            if nth % 2 == 1 {
                html += &format!("<strong>{part}</strong>");
            } else {
                html += part;
            }
        }
    }
    html
}

/// `[text](#anchor)`; others lead out of the page and are not used here.
fn links(text: &str) -> String {
    let mut html = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        let (text, after) = after.split_once("](#").expect("a link within the page");
        let (anchor, after) = after.split_once(')').expect("a link ends");
        html += &format!("{before}<a href=\"#{anchor}\">{text}</a>");
        rest = after;
    }
    html + rest
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
