//! A request that comes over no wire, tried against a configuration: what it would be answered, and which
//! tuples would have been queued. It goes through the routes of the edge itself.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{self, HeaderValue};
use sha2::{Digest, Sha256};

use super::route::route;
use super::state::{Parts, State};
use crate::budget::Budget;
use crate::clock::ManualClock;
use crate::config;
use crate::metric::timestamp::Timestamp;
use crate::normalize::Policy;
use crate::queue::memory::MemoryQueue;
use crate::queue::{Destination, Fate, Queue, Want};

/// Whom nobody delivers to.
const NOBODY: &str = "rehearsal";

/// An edge as configured, for one source, at one moment.
pub struct Rehearsal {
    state: State,
    queue: Arc<MemoryQueue>,
    /// What opens the source here; its own token is not known.
    authorization: HeaderValue,
}

/// A request; what is not given is not sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where it is posted to.
    pub path: String,
    /// Its header.
    pub content_type: Option<String>,
    /// Its header.
    pub content_encoding: Option<String>,
    /// As it would be on the wire.
    pub body: Bytes,
}

/// What came of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The status of the answer.
    pub status: u16,
    /// Its body: a report, a problem in words, or nothing.
    pub answer: Bytes,
    /// One tuple each, in order.
    pub tuples: Vec<String>,
}

/// Why a request could not even be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} cannot be sent: expected visible ASCII characters")]
pub struct Unsendable(&'static str);

impl Rehearsal {
    /// What `policy` and the settings make of requests of `source` that arrive at `now`.
    pub fn new(
        mut source: config::Source,
        policy: &Arc<Policy>,
        auth: config::Auth,
        http: config::Http,
        limits: config::Limits,
        now: Timestamp,
    ) -> Self {
        let token = URL_SAFE_NO_PAD.encode(fastrand::u128(..).to_le_bytes());
        let sha256 = Sha256::digest(token.as_bytes()).into();
        source.tokens = vec![config::Token { key: "token", sha256, expires: None }];
        let queue = Arc::new(MemoryQueue::new(u64::MAX, vec![Destination::named(NOBODY)]));
        let state = State::new(Parts {
            sources: std::slice::from_ref(&source),
            policy,
            auth,
            http,
            budget: Arc::new(Budget::new(limits.memory_bytes)),
            limits,
            queue: Arc::clone(&queue) as Arc<dyn Queue>,
            clock: Arc::new(ManualClock::new(now)),
            traffic: Arc::default(),
            tap: Arc::default(),
        });
        let authorization = HeaderValue::try_from(format!("Bearer {token}"));
        let authorization = authorization.expect("base64 can stand in a header");
        Self { state, queue, authorization }
    }

    /// Posts a request.
    ///
    /// # Errors
    ///
    /// When a path or a header is none.
    pub async fn post(&self, request: Request) -> Result<Heard, Unsendable> {
        let Request { path, content_type, content_encoding, body } = request;
        let mut built = hyper::Request::post(path);
        if let Some(headers) = built.headers_mut() {
            headers.insert(header::AUTHORIZATION, self.authorization.clone());
            for (name, value, what) in [
                (header::CONTENT_TYPE, content_type, "the content type"),
                (header::CONTENT_ENCODING, content_encoding, "the content encoding"),
            ] {
                let Some(value) = value else { continue };
                headers.insert(name, value.parse().map_err(|_| Unsendable(what))?);
            }
        }
        let built = built.body(()).map_err(|_| Unsendable("the path"))?;
        let (head, ()) = built.into_parts();
        let response = route(&self.state, &self.state.rules(), &head, Full::new(body)).await;
        let status = response.status().as_u16();
        let answer = match response.into_body().collect().await {
            Ok(whole) => whole.to_bytes(),
            Err(never) => match never {},
        };
        Ok(Heard { status, answer, tuples: self.queued().await })
    }

    /// What was queued since the last time.
    async fn queued(&self) -> Vec<String> {
        let outlet = self.queue.outlet(NOBODY).expect("the queue was made for it");
        let mut tuples = Vec::new();
        while outlet.depth().blocks > 0 {
            let want = Want { bytes: usize::MAX, tuples: u32::MAX };
            let Some(lease) = outlet.lease(want).await else { break };
            for leased in &lease.blocks {
                let text = String::from_utf8_lossy(&leased.block.bytes);
                tuples.extend(text.split(",\n").map(str::to_owned));
            }
            let delivered = lease.blocks.iter().map(|leased| u64::from(leased.block.tuples)).sum();
            outlet.ack(lease, Fate { delivered, dead_lettered: 0 }).await;
        }
        tuples
    }
}
