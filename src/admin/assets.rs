//! The page and what it needs, built in: no build step, nothing from anywhere else.

use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde_json::Value;

use super::route::{Answer, respond};

mod still;

/// Nothing but what this port serves, and nobody may put the page into another. Scripts and styles are files
/// of this port: whatever text a client could bring into the page, it would not run.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = include_str!("assets/page.html");

/// Where the page has what is shown without scripts.
const STILL: &str = "<!--still-->";

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const ICON: &str = "image/svg+xml";

/// Path, type and text of what the page needs.
const ASSETS: [(&str, &str, &str); 10] = [
    ("/assets/page.css", CSS, include_str!("assets/page.css")),
    ("/assets/page.js", SCRIPT, include_str!("assets/page.js")),
    ("/assets/sections.js", SCRIPT, include_str!("assets/sections.js")),
    ("/assets/charts.js", SCRIPT, include_str!("assets/charts.js")),
    ("/assets/history.js", SCRIPT, include_str!("assets/history.js")),
    ("/assets/dom.js", SCRIPT, include_str!("assets/dom.js")),
    ("/assets/words.js", SCRIPT, include_str!("assets/words.js")),
    ("/assets/well.svg", ICON, include_str!("assets/well.svg")),
    ("/assets/look.svg", ICON, include_str!("assets/look.svg")),
    ("/assets/trouble.svg", ICON, include_str!("assets/trouble.svg")),
];

/// A file that the page needs.
pub(super) struct Asset {
    content_type: &'static str,
    text: &'static str,
}

/// The one at `path`.
pub(super) fn find(path: &str) -> Option<Asset> {
    let &(_, content_type, text) = ASSETS.iter().find(|(known, ..)| *known == path)?;
    Some(Asset { content_type, text })
}

impl Asset {
    pub(super) fn answer(&self) -> Answer {
        guarded(respond(StatusCode::OK, self.content_type, self.text))
    }
}

/// The page. Where scripts run it asks for everything itself; for the others it holds what `/status` tells now.
pub(super) fn page(told: &Value) -> Answer {
    let (before, after) = PAGE.split_once(STILL).expect("the page has a place for it");
    let text = [before, &still::render(told), after].concat();
    guarded(respond(StatusCode::OK, "text/html; charset=utf-8", text))
}

fn guarded(mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    headers.insert("content-security-policy", HeaderValue::from_static(POLICY));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("x-frame-options", HeaderValue::from_static("DENY"));
    headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_needs_nothing_that_is_not_built_in() {
        let of_page = PAGE.split(['"', '\'']);
        let scripts = ASSETS.iter().flat_map(|(.., text)| text.split(['"', '\'', '`']));
        let named: Vec<&str> =
            of_page.chain(scripts).filter(|text| text.starts_with("/assets/")).collect();
        assert!(named.len() > 10, "{named:?}");
        for path in named.into_iter().filter(|path| !path.contains("${")) {
            assert!(find(path).is_some(), "{path}");
        }
        for text in ASSETS.iter().map(|(.., text)| *text).chain([PAGE]) {
            let foreign = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!foreign.contains("://"), "something of elsewhere");
            assert!(text.is_ascii());
            for unsafe_word in
                ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval("]
            {
                assert!(!text.contains(unsafe_word), "{unsafe_word}");
            }
        }
    }
}
