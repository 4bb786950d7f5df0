//! `GET /tap`: tuples as they are accepted, one a line, for as long as somebody listens.
//!
//! A line that begins with `[` is a tuple; with `form=sourced` it is `{"source":"..","tuple":[..]}`.
//! `{"not_shown":N}` says that so many were left out at about this place. An empty line means nothing, but
//! that the gateway is still there.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
use percent_encoding::percent_decode_str;
use tokio::time::timeout;

use super::content::{Content, Teller};
use super::route::{Answer, TEXT, respond};
use crate::tap::{Form, Look, Pattern, Shown, Tap, Wish};

pub(super) const PATH: &str = "/tap";

/// A silence this long ends with an empty line. A connection whose other end is gone is seen when something
/// is written to it, and its place is needed.
const SIGN_OF_LIFE: Duration = Duration::from_secs(4);

/// Most sources that one may name.
const SOURCES_MAX: usize = 64;

pub(super) fn answer(tap: &Arc<Tap>, method: &Method, query: Option<&str>) -> Answer {
    if *method != Method::GET {
        let text = "this method does nothing here: /tap is for GET";
        let mut answer = respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, text);
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return answer;
    }
    let wish = match wish_of(query.unwrap_or_default()) {
        Ok(wish) => wish,
        Err(text) => return respond(StatusCode::BAD_REQUEST, TEXT, text),
    };
    let look = match tap.look(wish) {
        Ok(look) => look,
        Err(crowded) => {
            return respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, crowded.to_string());
        }
    };
    let (told, content) = Content::live();
    tokio::spawn(tell(look, told));
    let mut answer = Response::new(content);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// Hands over what is shown until nobody takes it. A slow one is waited for here, and nowhere else, and one
/// that has stopped does not keep the seat of others.
async fn tell(mut look: Look, told: Teller) {
    loop {
        // A place first: what has none stays where it is counted.
        let Ok(place) = told.room().await else { return };
        match timeout(SIGN_OF_LIFE, look.next()).await {
            Ok(shown) => place.send(written(shown)),
            Err(_) => place.send(Bytes::from_static(b"\n")),
        }
    }
}

fn written(Shown { lines, not_shown }: Shown) -> Bytes {
    if not_shown == 0 {
        return lines;
    }
    let remark = format!("{{\"not_shown\":{not_shown}}}\n");
    [&lines[..], remark.as_bytes()].concat().into()
}

/// Reads `source=checkout&source=billing&sample=1%25&name=http.*&form=sourced`.
fn wish_of(query: &str) -> Result<Wish, String> {
    let mut wish = Wish::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = text_of(value).ok_or_else(|| format!("`{key}` is not UTF-8"))?;
        match key {
            "source" => wish.sources.push(value.into_owned()),
            "sample" => {
                wish.share = value.parse().map_err(|bad| format!("`sample`: {bad}"))?;
            }
            "name" => {
                let pattern = Pattern::new(value.into_owned());
                wish.name = Some(pattern.map_err(|bad| format!("`name`: {bad}"))?);
            }
            "form" => {
                wish.form = match &*value {
                    "tuple" => Form::Tuple,
                    "sourced" => Form::Sourced,
                    _ => return Err("`form` is tuple or sourced".to_owned()),
                }
            }
            _ => {
                return Err(
                    "/tap knows `source`, `sample`, `name` and `form`, and something else \
                     was asked for"
                        .to_owned(),
                );
            }
        }
    }
    if wish.sources.len() > SOURCES_MAX {
        return Err(format!("at most {SOURCES_MAX} sources can be named"));
    }
    Ok(wish)
}

/// A `%` that stands for itself is let pass: `sample=1%` is what people type.
fn text_of(value: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(value).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::super::content::PATIENCE;
    use super::*;

    #[test]
    fn a_query_says_what_is_wanted() {
        let wish = wish_of("source=a&source=b%20c&sample=1%&name=x.*&form=sourced").unwrap();
        assert_eq!(wish.sources, ["a", "b c"]);
        assert_eq!(wish.share, "1/100".parse().unwrap());
        assert_eq!(
            (wish.name, wish.form),
            (Some(Pattern::new("x.*".into()).unwrap()), Form::Sourced)
        );
        assert_eq!(wish_of("sample=1%25").unwrap().share, "0.01".parse().unwrap());
        assert!(wish_of("").unwrap().sources.is_empty());
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (query, wanted) in [
            ("sample=2", "`sample`: \"2\" is no share"),
            ("form=table", "`form` is tuple or sourced"),
            ("sources=a", "/tap knows `source`"),
            ("source=%FF", "`source` is not UTF-8"),
            (&"source=a&".repeat(65), "at most 64 sources"),
        ] {
            let refusal = wish_of(query).unwrap_err();
            assert!(refusal.starts_with(wanted), "{refusal}");
        }
    }

    #[test]
    fn what_is_left_out_is_said_behind_the_lines() {
        let lines = Bytes::from_static(b"[1]\n");
        assert_eq!(written(Shown { lines: lines.clone(), not_shown: 0 }), "[1]\n");
        assert_eq!(written(Shown { lines, not_shown: 7 }), "[1]\n{\"not_shown\":7}\n");
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_is_gone_is_forgotten_also_when_nothing_comes() {
        let tap = Arc::new(Tap::default());
        let mut answer = answer(&tap, &Method::GET, None);
        assert!(tap.is_open());
        let Content::Live(heard) = answer.body_mut() else { panic!("it is live") };
        assert_eq!(heard.recv().await, Some(Bytes::from_static(b"\n")), "a sign of life");
        drop(answer);
        tokio::time::sleep(2 * SIGN_OF_LIFE).await;
        assert!(!tap.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_takes_nothing_loses_the_seat() {
        let tap = Arc::new(Tap::default());
        let answer = answer(&tap, &Method::GET, None);
        tokio::time::sleep(SIGN_OF_LIFE + PATIENCE / 2).await;
        assert!(tap.is_open(), "it may yet go on");
        tokio::time::sleep(PATIENCE).await;
        assert!(!tap.is_open());
        drop(answer);
    }
}
