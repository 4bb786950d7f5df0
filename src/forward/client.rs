//! One POST to the receiver: every wait and every answer bounded, the key on the wire only
//! (contract C6.1).
//!
//! # Choices
//!
//! * Redirects are not followed: a redirected POST loses its body, and the key would go elsewhere.
//! * Proxies are taken from `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` unless `proxy` says otherwise, as the
//!   vendor's agents and curl do, because a hosted receiver is often reached through one; a receiver on this
//!   machine (loopback address or `localhost`) never is.
//! * The HTTP client is replaced every few minutes: names are resolved again, and no connection lives
//!   for ever, so a receiver that moved behind its name is found. What is on the wire is not disturbed.
//!   It is replaced at once when a file of certificates changes.
//! * System certificates are loaded for `https:` receivers only: a container without any can still
//!   deliver to `http:`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Response;
use reqwest::header::{self, HeaderMap};
use tokio::time::{Instant, timeout_at};

use super::blocking::blocking;
use super::body::Body;
use super::envelope::content_encoding;
use super::outcome::{Failure, Reply};
use super::retry_after;
use super::scrub::Extent;
use super::status::Trust;
use super::target::{KEY_HEADER, Target, TargetError};
use crate::config::{Compression, Receiver, Secret};
use crate::metric::timestamp::Timestamp;

mod reading;
mod recipe;
mod trouble;

use reading::{READ_WAIT_MAX, Reader, Reading};
use recipe::{Made, Recipe};

/// Most characters of an answer or an error that are kept.
pub const TEXT_CHARS_MAX: usize = 512;

/// Most bytes of an answer that are read: its text, or what must go by to use the connection again.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// Longest wait for an answer's body: its status has decided everything already.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(2);

/// Idle connections are dropped before common proxies drop them, which would fail a request.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// How long connections and resolved names are used at most; requests on the wire end in their own time.
const RENEWED_EVERY: Duration = Duration::from_mins(5);

/// Installs the process-wide TLS provider. Called once by the program; again does nothing.
pub fn install_crypto() {
    // An error says that some provider is installed already, and that one serves as well.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// The HTTP client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up HTTP for its `url` {url}: {cause}")]
pub struct ClientError {
    url: String,
    cause: String,
}

/// Sends bodies to one receiver.
#[derive(Debug)]
pub struct Client {
    recipe: Mutex<Arc<Recipe>>,
    http: Mutex<Http>,
    target: Mutex<Arc<Target>>,
    name: Arc<str>,
    timeout: Duration,
    renewed_every: Duration,
    reader: Reader,
}

/// The HTTP client in use: a pool of connections.
#[derive(Debug)]
struct Http {
    made: Made,
    renew_at: Instant,
    /// Why no other could be made, once that was said.
    fault: Option<String>,
}

/// Another way to connect, made and not used yet.
pub struct Connections {
    recipe: Arc<Recipe>,
    made: Made,
}

/// What a look at the files of certificates found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// What is in use, or nothing that can be.
    Same,
    /// Something else, which connections use from now on.
    Another,
}

/// What one attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What decides.
    pub reply: Reply,
    /// For people: the status and the receiver's words, or what went wrong; bounded, without the key.
    pub text: String,
}

impl Client {
    /// A client for this receiver.
    pub fn new(receiver: &Receiver, target: Target) -> Result<Self, ClientError> {
        install_crypto();
        let recipe = Recipe::of(receiver, &target);
        let http =
            Http { made: recipe.build()?, renew_at: Instant::now() + RENEWED_EVERY, fault: None };
        Ok(Self {
            recipe: Mutex::new(Arc::new(recipe)),
            http: Mutex::new(http),
            target: Mutex::new(Arc::new(target)),
            name: Arc::clone(&receiver.name),
            timeout: receiver.timeout,
            renewed_every: RENEWED_EVERY,
            reader: Reader::default(),
        })
    }

    /// The same, with connections that are used no longer than this.
    #[must_use]
    pub fn renewed_every(mut self, renewed_every: Duration) -> Self {
        self.renewed_every = renewed_every;
        lock(&self.http).renew_at = Instant::now() + renewed_every;
        self
    }

    /// Where this client sends to now.
    pub fn target(&self) -> Arc<Target> {
        Arc::clone(&lock(&self.target))
    }

    /// Sends with this key from the next request on.
    pub fn change_key(&self, key: &Secret) -> Result<(), TargetError> {
        let mut target = lock(&self.target);
        *target = Arc::new(target.with_key(key)?);
        Ok(())
    }

    /// Posts one body in this encoding, and waits for the answer no longer than
    /// its `timeout` from connecting to the status line. `now` gives dates in it a meaning.
    pub async fn post(
        &self,
        body: impl Into<Body>,
        encoding: Compression,
        now: Timestamp,
    ) -> Answer {
        let deadline = Instant::now() + self.timeout;
        let target = self.target();
        let mut request = self
            .http()
            .await
            .post(target.url().clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(reqwest::Body::wrap(body.into().outgoing()));
        if let Some(encoding) = content_encoding(encoding) {
            request = request.header(header::CONTENT_ENCODING, encoding);
        }
        if let Some(key) = target.key_header() {
            request = request.header(KEY_HEADER, key);
        }
        let answer = match timeout_at(deadline, request.send()).await {
            Ok(Ok(response)) => read(response, &target, deadline, now).await,
            Ok(Err(error)) => {
                let kind = trouble::kind(&error);
                failed(&target, kind, &trouble::words(error, &self.name))
            }
            Err(_) => {
                let limit = self.timeout;
                let text =
                    format!("no answer within {limit:?} (`timeout` of receiver {})", self.name);
                failed(&target, Failure::Timeout, &text)
            }
        };
        // A key that came while this was on the wire may stand in the answer as well.
        let now = self.target();
        if Arc::ptr_eq(&target, &now) {
            return answer;
        }
        Answer { text: now.scrub().clean(&answer.text, Extent::Whole, TEXT_CHARS_MAX), ..answer }
    }

    /// The HTTP client, a new one when its time has come. Nobody else waits for that one, and who does waits
    /// no longer than [`READ_WAIT_MAX`].
    async fn http(&self) -> reqwest::Client {
        let (client, is_due) = {
            let mut http = lock(&self.http);
            let is_due = http.renew_at <= Instant::now();
            if is_due {
                http.renew_at = Instant::now() + self.renewed_every;
            }
            (http.made.client.clone(), is_due)
        };
        if !is_due {
            return client;
        }
        let recipe = Arc::clone(&lock(&self.recipe));
        self.renew(recipe).await.unwrap_or(client)
    }

    /// A new HTTP client, by this recipe; nothing when it cannot be made, which is said once.
    async fn renew(&self, recipe: Arc<Recipe>) -> Option<reqwest::Client> {
        let by = Arc::clone(&recipe);
        // Off the reactor: certificates are read from the disk.
        let made = match self.reader.read(move || by.build()).await {
            Reading::Done(made) => made,
            Reading::Late => Err(recipe.late(READ_WAIT_MAX)),
            Reading::Busy => {
                lock(&self.http).renew_at = Instant::now() + READ_WAIT_MAX;
                return None;
            }
        };
        let made = made.map_err(|error| self.tell(&error)).ok()?;
        let mut http = lock(&self.http);
        // Unless another recipe came meanwhile, by which one was made.
        if Arc::ptr_eq(&recipe, &lock(&self.recipe)) {
            http.fault = None;
            http.made = made;
        }
        Some(http.made.client.clone())
    }

    /// Why there is no new HTTP client, once.
    fn tell(&self, error: &ClientError) {
        let (mut http, text) = (lock(&self.http), error.to_string());
        if http.fault.as_ref() != Some(&text) {
            tracing::warn!(
                receiver.name = &*self.name,
                "receiver {}: {text}; the connections there go on being used",
                self.name
            );
            http.fault = Some(text);
        }
    }

    /// How far the receiver is believed to be who it says.
    pub fn trust(&self) -> Trust {
        lock(&self.recipe).trust()
    }

    /// Reads the files of certificates and keys again, off the reactor; when they hold something else,
    /// connections come up with that from now on.
    pub async fn look(&self) -> Look {
        let recipe = Arc::clone(&lock(&self.recipe));
        if !recipe.has_files() {
            return Look::Same;
        }
        let reader = Arc::clone(&recipe);
        let found = match self.reader.read(move || Some(reader.credentials().ok()?.digest())).await
        {
            Reading::Done(found) => found,
            Reading::Late => {
                self.tell(&recipe.late(READ_WAIT_MAX));
                return Look::Same;
            }
            Reading::Busy => return Look::Same,
        };
        let before = lock(&self.http).made.digest;
        if found == Some(before) {
            lock(&self.http).fault = None;
            return Look::Same;
        }
        // What is at fault is told by whoever tries to use it.
        self.renew(recipe).await;
        if lock(&self.http).made.digest == before {
            return Look::Same;
        }
        tracing::info!(
            receiver.name = &*self.name,
            "receiver {} is spoken to with what its certificate files say now, which changed",
            self.name
        );
        Look::Another
    }

    /// What another `ca_file`, `cert_file`, `key_file`, `insecure_skip_verify`, `proxy` or `connect_timeout`
    /// takes, all that can fail: changes nothing.
    pub async fn prepare(&self, receiver: &Receiver) -> Result<Connections, ClientError> {
        let recipe = Arc::new(Recipe::of(receiver, &self.target()));
        let by = Arc::clone(&recipe);
        let made = blocking(move || by.build()).await?;
        Ok(Connections { recipe, made })
    }

    /// Connections come up so from now on. What is on the wire is not disturbed.
    pub fn adopt(&self, Connections { recipe, made }: Connections) {
        // Before anything goes through that one.
        {
            let mut target = lock(&self.target);
            *target = Arc::new(target.with_proxy(recipe.proxy()));
        }
        let mut http = lock(&self.http);
        *lock(&self.recipe) = recipe;
        http.made = made;
        http.fault = None;
    }
}

/// Both are held for a copy only, and nothing in between can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The status decides; whatever happens to the body after it changes nothing.
async fn read(
    mut response: Response,
    target: &Target,
    deadline: Instant,
    now: Timestamp,
) -> Answer {
    let status = response.status();
    let retry_after = retry_after(response.headers(), now);
    let location = header_text(response.headers(), header::LOCATION);
    let location = location.and_then(|location| target.shown_from_here(location));
    let by = deadline.min(Instant::now() + ANSWER_WAIT_MAX);
    let (body, extent) = read_bounded(&mut response, by).await;
    let names_encoding = names_encoding(&body);
    let mut text = format!("HTTP {status}");
    if let Some(location) = location.filter(|_| status.is_redirection()) {
        text.push_str(" to ");
        text.push_str(&location);
    }
    let scrub = target.scrub();
    let mut text = scrub.clean(&text, Extent::Whole, TEXT_CHARS_MAX);
    // Apart from its status: of a body that was cut a piece is lost, of the status nothing is.
    let body = scrub.clean(&String::from_utf8_lossy(&body), extent, TEXT_CHARS_MAX);
    if !body.is_empty() {
        let room = TEXT_CHARS_MAX.saturating_sub(text.chars().count());
        text.extend(": ".chars().chain(body.chars()).take(room));
    }
    Answer { reply: Reply::Answered { status: status.as_u16(), retry_after, names_encoding }, text }
}

fn failed(target: &Target, failure: Failure, text: &str) -> Answer {
    let text = target.scrub().clean(text, Extent::Whole, TEXT_CHARS_MAX);
    Answer { reply: Reply::Failed(failure), text }
}

/// The first bytes of an answer, and whether there may be more.
async fn read_bounded(response: &mut Response, by: Instant) -> (Vec<u8>, Extent) {
    let mut body = Vec::new();
    while let Ok(Ok(chunk)) = timeout_at(by, response.chunk()).await {
        let Some(chunk) = chunk else { return (body, Extent::Whole) };
        let room = ANSWER_BYTES_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() >= room {
            break;
        }
    }
    (body, Extent::Cut)
}

fn names_encoding(body: &[u8]) -> bool {
    body.to_ascii_lowercase().windows(16).any(|window| window == b"content-encoding")
}

fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    retry_after::parse(header_text(headers, header::RETRY_AFTER)?, now)
}

fn header_text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
