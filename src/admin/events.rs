//! `/events`: the status as server-sent events, once at once and then every second, for as long as somebody
//! listens. The points of the charts come once whole and then one by one. All who listen share one status a second.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Response};
use tokio::time::{MissedTickBehavior, interval};

use super::content::{Content, Teller};
use super::route::Answer;
use super::{State, status};

pub(super) const TYPE: &str = "text/event-stream";

/// Between two events.
const PACE: Duration = Duration::from_secs(1);

/// Milliseconds after which a listener that lost us comes back.
const RETRY_MS: u32 = 1000;

/// What a listener has had: which process it was, and the number of its next point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    process: i64,
    next: u64,
}

/// Begins to tell; ends with whoever listens, or with the admin port.
pub(super) fn answer(state: &Arc<State>, headers: &HeaderMap) -> Answer {
    let (told, content) = Content::live();
    let state = Arc::clone(state);
    let had = headers.get("last-event-id").and_then(|id| Place::read(id.to_str().ok()?));
    tokio::spawn(async move {
        // It waits for the next second most of the time, and must not keep the queue open then.
        tokio::select! {
            () = told.closed() => {}
            () = tell(&state, had, &told) => {}
        }
    });
    let mut answer = Response::new(content);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would keep events until it has enough of them.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    answer
}

async fn tell(state: &State, had: Option<Place>, told: &Teller) {
    let process = state.started.seconds() * 1000 + i64::from(state.started.nanos() / 1_000_000);
    // One who was away shortly has most points already, if they are of this process.
    let mut next = had.filter(|had| had.process == process).map(|had| had.next);
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut text = format!(": tidegate\nretry: {RETRY_MS}\n\n");
    loop {
        ticks.tick().await;
        let (points, following) = points(state, next);
        let place = Place { process, next: following };
        if let Some((name, points)) = points {
            text += &event(name, place, &points);
        }
        next = Some(following);
        text += &head("status", place);
        for piece in [Bytes::from(std::mem::take(&mut text)), status::shared(state).await] {
            let Ok(place) = told.room().await else { return };
            place.send(piece);
        }
    }
}

/// The points from `next` on under their event's name, if there are any; all, where nothing is known of what
/// a listener has. And the number of the one that follows.
fn points(state: &State, next: Option<u64>) -> (Option<(&'static str, String)>, u64) {
    let history = state.history();
    let following = history.next();
    let points = match next {
        Some(next) if next == following => None,
        Some(next) if next < following => Some(("points", history.columns(next).to_string())),
        _ => Some(("history", history.columns(0).to_string())),
    };
    (points, following)
}

/// JSON has no line feeds of its own, which would end the data.
fn event(name: &str, place: Place, data: &str) -> String {
    format!("{}data: {data}\n\n", head(name, place))
}

/// What stands before the data, in whole lines.
fn head(name: &str, place: Place) -> String {
    format!("id: {}-{}\nevent: {name}\n", place.process, place.next)
}

impl Place {
    /// As it was sent; anything else is nobody's.
    fn read(id: &str) -> Option<Self> {
        let (process, next) = id.split_once('-')?;
        Some(Self { process: process.parse().ok()?, next: next.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_and_nothing_else_is() {
        let place = Place { process: 1_700_000_000_123, next: 42 };
        let sent = event("status", place, "{}");
        assert_eq!(sent, "id: 1700000000123-42\nevent: status\ndata: {}\n\n");
        assert_eq!(Place::read("1700000000123-42"), Some(place));
        for other in ["", "-", "1", "1-", "-2", "1-2-3", "a-b", "1--2", " 1-2"] {
            assert_eq!(Place::read(other), None, "{other}");
        }
    }
}
