//! One page over HTTP, within its bounds: time, bytes on the wire and decompressed, memory.
//!
//! # Choices
//!
//! * Redirects are followed three times at most and on the same scheme, host and port alone: headers are
//!   meant for the target, and an answer must not choose whom the gateway talks to.
//! * No proxy is taken from the environment: exporters are near, as they are for Prometheus.
//! * A job has one pool of connections, with two idle ones for each target at most. System certificates
//!   are loaded when the first `https:` target is scraped, so that a container without any can scrape
//!   `http:`. Files of certificates are read again while targets are scraped.
//! * Nothing of an answer is repeated in an error: a target may send back the headers it got.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use tokio::time::{Instant, timeout_at};

use super::counts::Outcome;
use crate::budget::{Budget, Grant, Spent};
use crate::causes::in_one_line;
use crate::config;
use crate::decode::Exposition;
use crate::decode::buffer::Buffer;
use crate::decode::inflate::InflateError;
use crate::decode::media::{Coding, Codings};
use crate::intake::{Intake, IntakeError};

mod names;
mod secure;

pub(super) use names::Names;
use secure::Secure;

/// Asks for the older text: OpenMetrics says nothing more that would be delivered, and one broken rule of
/// it makes a page none. It is not even named, because many exporters send it to whoever names it, however
/// little it is preferred. Whoever has nothing else sends it all the same, and it is read.
const ACCEPT: HeaderValue = HeaderValue::from_static("text/plain;version=0.0.4,*/*;q=0.1");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
const SCRAPE_TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

const REDIRECTS_MAX: u32 = 3;

/// Longest time a connection is kept for the next scrape; more than most intervals.
const POOL_IDLE: Duration = Duration::from_mins(5);

/// HTTP could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up HTTP for job {job} of [[scrape]]: {cause}")]
pub struct ClientError {
    job: String,
    cause: String,
}

/// Why there is no page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) outcome: Outcome,
    /// For people; nothing of the answer, and no secret.
    pub(super) why: String,
}

/// A page as it came, decompressed.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) body: Buffer,
    pub(super) syntax: Exposition,
    /// What the Content-Type says, where it is none that a page should have.
    pub(super) looks_like: Option<&'static str>,
    /// Holds the bytes of the body.
    pub(super) grant: Grant,
}

/// Fetches the pages of one job.
#[derive(Debug)]
pub(super) struct Fetcher {
    plain: Client,
    secure: Secure,
    job: config::Scrape,
    headers: HeaderMap,
}

impl Failure {
    pub(super) fn new(outcome: Outcome, why: impl Into<String>) -> Self {
        Self { outcome, why: why.into() }
    }
}

impl From<Spent> for Failure {
    fn from(spent: Spent) -> Self {
        Self::new(Outcome::NoRoom, spent.to_string())
    }
}

impl From<InflateError> for Failure {
    fn from(error: InflateError) -> Self {
        match error {
            InflateError::TooLarge { limit } => too_large(limit),
            InflateError::Corrupt(why) => Self::new(Outcome::Malformed, why),
        }
    }
}

impl From<IntakeError> for Failure {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::Spent(spent) => spent.into(),
            IntakeError::Inflate(error) => error.into(),
        }
    }
}

fn too_large(limit: usize) -> Failure {
    let why = format!("its page is over {limit} bytes (`limits.body_bytes`)");
    Failure::new(Outcome::TooLarge, why)
}

impl Fetcher {
    pub(super) fn new(job: &config::Scrape, names: &Names) -> Result<Self, ClientError> {
        // An error says that some provider is installed already, and that one serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
        let error = |cause: String| ClientError { job: job.job.to_string(), cause };
        let plain = builder(job, names).tls_certs_only([]).build();
        let plain = plain.map_err(|cause| error(in_one_line(&cause)))?;
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, ACCEPT);
        headers.insert(header::ACCEPT_ENCODING, GZIP);
        let timeout = job.timeout.as_secs_f64().to_string();
        let timeout = HeaderValue::try_from(timeout).expect("digits and a point can be a header");
        headers.insert(SCRAPE_TIMEOUT, timeout);
        for (name, secret) in &job.headers {
            let name = HeaderName::try_from(name).map_err(|cause| error(cause.to_string()))?;
            let mut value = HeaderValue::try_from(secret.reveal())
                .map_err(|_| error(format!("the value of header {name} cannot be one")))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(Self { plain, secure: Secure::new(job, names), job: job.clone(), headers })
    }

    /// The page at `url`, in no more time than `timeout`. Its memory is of `budget`, and is taken once there
    /// is a page: targets that do not answer hold none.
    pub(super) async fn fetch(
        &self,
        url: &Url,
        bytes_max: usize,
        budget: &Arc<Budget>,
    ) -> Result<Page, Failure> {
        let timeout = self.job.timeout;
        let page = async { read(self.answer(url).await?, bytes_max, budget.grant()?).await };
        let page = timeout_at(Instant::now() + timeout, page).await;
        page.unwrap_or_else(|_| {
            Err(Failure::new(
                Outcome::Timeout,
                format!("no whole page within {timeout:?} (`timeout`)"),
            ))
        })
    }

    /// The answer to one request, redirects followed.
    async fn answer(&self, url: &Url) -> Result<Response, Failure> {
        let mut at = url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let response = self.send(&at).await?;
            let status = response.status();
            if status == StatusCode::OK {
                return Ok(response);
            }
            let next = response.headers().get(header::LOCATION).filter(|_| is_redirect(status));
            let Some(next) = next else {
                let why = format!("it answered with status {}, not 200", status.as_u16());
                return Err(Failure::new(Outcome::Refused, why));
            };
            let next = next.to_str().ok().and_then(|next| at.join(next).ok());
            at = next.filter(|next| next.origin() == url.origin()).ok_or_else(|| {
                let why = "it redirects to another scheme, host or port, which is not followed: name the \
                           address it means";
                Failure::new(Outcome::Refused, why)
            })?;
        }
        let why = format!("it redirects more than {REDIRECTS_MAX} times");
        Err(Failure::new(Outcome::Refused, why))
    }

    async fn send(&self, url: &Url) -> Result<Response, Failure> {
        let client = if url.scheme() == "https" {
            let client = self.secure.client().await;
            client.map_err(|cause| {
                Failure::new(Outcome::Down, format!("cannot set up TLS: {cause}"))
            })?
        } else {
            self.plain.clone()
        };
        let request = || client.get(url.clone()).headers(self.headers.clone()).send();
        let first = request().await;
        // A connection that was kept may have been closed by the target just then.
        let is_worth_another = first
            .as_ref()
            .is_err_and(|error| error.is_request() && !error.is_connect() && !error.is_timeout());
        let answer = if is_worth_another { request().await } else { first };
        answer.map_err(|error| Failure::new(Outcome::Down, in_one_line(&error.without_url())))
    }
}

fn builder(job: &config::Scrape, names: &Names) -> reqwest::ClientBuilder {
    Client::builder()
        .dns_resolver(names.resolver(job.timeout))
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .http1_only()
        .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(2)
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Reads the body of a 200.
async fn read(mut response: Response, bytes_max: usize, mut grant: Grant) -> Result<Page, Failure> {
    let text =
        |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let (syntax, looks_like) = syntax(text(header::CONTENT_TYPE));
    let coding = Codings::Usual.read(text(header::CONTENT_ENCODING)).map_err(|_| {
        let why = "its page has a Content-Encoding that was not asked for: gzip, or none";
        Failure::new(Outcome::Malformed, why)
    })?;
    let declared = response.content_length();
    if declared.is_some_and(|declared| declared > bytes_max as u64) {
        return Err(too_large(bytes_max));
    }
    // Else nothing but the end of the connection tells the end of the page, and that may be too soon.
    let has_an_end = declared.is_some() || coding != Coding::Identity || is_chunked(&response);
    let mut intake = Intake::new(coding, declared, bytes_max, &mut grant)?;
    let mut received = 0;
    loop {
        let chunk = response.chunk().await.map_err(|error| {
            Failure::new(
                Outcome::Down,
                format!("its page broke off: {}", in_one_line(&error.without_url())),
            )
        })?;
        let Some(chunk) = chunk else { break };
        received += chunk.len();
        if received > bytes_max {
            return Err(too_large(bytes_max));
        }
        intake.take(&chunk).await?;
    }
    let body = intake.finish().await?;
    if !has_an_end && body.last().is_some_and(|last| *last != b'\n') {
        let why =
            "its page ends in the middle of a line, and no Content-Length says that it should";
        return Err(Failure::new(Outcome::Malformed, why));
    }
    Ok(Page { body, syntax, looks_like, grant })
}

fn is_chunked(response: &Response) -> bool {
    let codings = response.headers().get_all(header::TRANSFER_ENCODING);
    let last = codings.iter().next_back().map(HeaderValue::as_bytes);
    last.is_some_and(|last| last.trim_ascii_end().to_ascii_lowercase().ends_with(b"chunked"))
}

/// How a page is written. Anything but OpenMetrics is read as the older text, which exporters of all kinds
/// send under all kinds of names; what is wrong with the page then shows.
fn syntax(content_type: Option<&str>) -> (Exposition, Option<&'static str>) {
    let essence = content_type.unwrap_or("").split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case("application/openmetrics-text") {
        return (Exposition::OpenMetrics, None);
    }
    let looks_like = match &*essence.to_ascii_lowercase() {
        "" | "text/plain" => None,
        "text/html" => Some("a web page"),
        "application/json" => Some("JSON"),
        "application/vnd.google.protobuf" => Some("protocol buffers"),
        _ => Some("something else"),
    };
    (Exposition::Text, looks_like)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_tells_openmetrics_and_is_forgiving_otherwise() {
        use Exposition::{OpenMetrics, Text};
        for (header, expected) in [
            (None, (Text, None)),
            (Some(""), (Text, None)),
            (Some("text/plain"), (Text, None)),
            (Some("text/plain; version=0.0.4; charset=utf-8"), (Text, None)),
            (
                Some("application/openmetrics-text; version=1.0.0; charset=utf-8"),
                (OpenMetrics, None),
            ),
            (Some("Text/HTML; charset=utf-8"), (Text, Some("a web page"))),
            (Some("application/json"), (Text, Some("JSON"))),
            (Some("secret"), (Text, Some("something else"))),
        ] {
            assert_eq!(syntax(header), expected, "{header:?}");
        }
    }
}
