//! `POST /-/reload`: the configuration is read again, and what comes of it is the answer.
//!
//! ```text
//!  {"at": "...", "ok": true, "changed": ["source new is added"], "needs_restart": ["`listen`"],
//!   "problems": [], "warnings": []}
//! ```
//!
//! Nothing is decided here: whoever reads the configuration is asked, one after the other. It changes
//! something, so it takes only what a web page cannot send from a browser on this machine.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::route::{Answer, refused, respond};
use crate::clock::system_time;
use crate::metric::timestamp::Timestamp;

pub(super) const PATH: &str = "/-/reload";

/// Longest wait for the answer; a connection of this port lives for 10 s.
const PATIENCE: Duration = Duration::from_secs(8);

/// Requests that wait while one is answered.
const WAITING_MAX: usize = 16;

/// What came of the last time the configuration was read; no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// When that was; at first the start.
    pub at: Option<Timestamp>,
    /// Unix seconds of the last time it could be used.
    pub succeeded_s: u64,
    /// What is other than before, from now on.
    pub changed: Vec<String>,
    /// What stays what it was until a restart.
    pub needs_restart: Vec<String>,
    /// Why it is not used; nothing has changed then.
    pub problems: Vec<String>,
    /// What is allowed and probably not meant.
    pub warnings: Vec<String>,
}

impl Reloaded {
    /// Whether it is used.
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }

    /// For `/status`, and the answer to whoever asked.
    pub fn told(&self) -> Value {
        let at = self.at.and_then(system_time);
        json!({
            "at": at.map(|at| humantime::format_rfc3339_seconds(at).to_string()),
            "ok": self.is_ok(),
            "changed": self.changed,
            "needs_restart": self.needs_restart,
            "problems": self.problems,
            "warnings": self.warnings,
        })
    }
}

/// Somebody who waits for what comes of it.
pub type Asked = oneshot::Sender<Reloaded>;

/// Where the configuration can be asked for to be read again.
#[derive(Clone, Debug)]
pub struct Desk {
    asks: Option<mpsc::Sender<Asked>>,
    last: watch::Receiver<Reloaded>,
}

impl Desk {
    /// One at which somebody sits: who asks, and where the last result is put.
    pub fn open(first: Reloaded) -> (Self, mpsc::Receiver<Asked>, watch::Sender<Reloaded>) {
        let (asks, asked) = mpsc::channel(WAITING_MAX);
        let (tell, last) = watch::channel(first);
        (Self { asks: Some(asks), last }, asked, tell)
    }

    /// One at which nobody sits: there is no file to read.
    pub fn closed(first: Reloaded) -> Self {
        Self { asks: None, last: watch::channel(first).1 }
    }

    /// What came of the last time.
    pub fn last(&self) -> Reloaded {
        self.last.borrow().clone()
    }
}

/// For every method but POST.
pub(super) fn wrong_method() -> Answer {
    let why = "this is for POST: it reads the configuration again";
    let mut answer = refused(StatusCode::METHOD_NOT_ALLOWED, why);
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    answer
}

/// Asks, and says what came of it.
pub(super) async fn answer(desk: &Desk, headers: &HeaderMap) -> Answer {
    if let Err((status, why)) = check(headers) {
        return refused(status, why);
    }
    let Some(asks) = &desk.asks else {
        let why = "this gateway runs without a configuration file, there is nothing to read again";
        return refused(StatusCode::CONFLICT, why);
    };
    let (asked, done) = oneshot::channel();
    if asks.try_send(asked).is_err() {
        let why = "the gateway is stopping, or too many ask at once: try again";
        return refused(StatusCode::SERVICE_UNAVAILABLE, why);
    }
    match timeout(PATIENCE, done).await {
        Ok(Ok(reloaded)) if reloaded.is_ok() => respond_with(StatusCode::OK, &reloaded),
        Ok(Ok(reloaded)) => respond_with(StatusCode::UNPROCESSABLE_ENTITY, &reloaded),
        Ok(Err(_)) => refused(StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping"),
        Err(_) => {
            let why = "it takes long and goes on: `reload` of /status tells what came of it";
            refused(StatusCode::GATEWAY_TIMEOUT, why)
        }
    }
}

/// Whether a page in a browser of this machine could have sent this, although the guard let it pass: a browser that
/// does not say where a POST comes from can still send no other type without asking first than those of forms.
fn check(headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_of_form = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"]
        .iter()
        .any(|of_form| kind.eq_ignore_ascii_case(of_form));
    if is_of_form {
        return Err((
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "this is what a form of a web page sends: send it without a body, like `curl -X POST`",
        ));
    }
    Ok(())
}

fn respond_with(status: StatusCode, reloaded: &Reloaded) -> Answer {
    respond(status, "application/json", reloaded.told().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_form_sends_is_refused() {
        for (headers, wanted) in [
            (&[][..], None),
            (&[("content-type", "application/json")], None),
            (&[("content-type", "text/plain;charset=UTF-8")], Some(415)),
            (&[("content-type", "application/x-www-form-urlencoded")], Some(415)),
            (&[("content-type", "Multipart/Form-Data; boundary=x")], Some(415)),
        ] {
            let map = headers
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
            let map: HeaderMap = map.collect();
            let status = check(&map).err().map(|(status, _)| status.as_u16());
            assert_eq!(status, wanted, "{headers:?}");
        }
    }

    #[tokio::test]
    async fn whoever_asks_gets_what_came_of_it() {
        let (desk, mut asked, tell) = Desk::open(Reloaded::default());
        let headers = HeaderMap::new();
        let wrong = Reloaded { problems: vec!["it".to_owned()], ..Reloaded::default() };
        for (reloaded, status) in [(Reloaded::default(), 200), (wrong, 422)] {
            let answering = async {
                tell.send_replace(reloaded.clone());
                asked.recv().await.unwrap().send(reloaded.clone()).unwrap();
            };
            let (answer, ()) = tokio::join!(answer(&desk, &headers), answering);
            assert_eq!(answer.status(), status);
            assert_eq!(desk.last(), reloaded);
        }
        drop(asked);
        assert_eq!(answer(&desk, &headers).await.status(), 503, "nobody sits there any more");
        let closed = Desk::closed(Reloaded::default());
        assert_eq!(answer(&closed, &headers).await.status(), 409);
    }
}
