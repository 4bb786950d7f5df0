//! `POST /metrics`: the one thing this edge is for (contract C1.9 gives the order).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Uri;
use hyper::body::Body;
use hyper::http::request::Parts;
use tokio::task::spawn_blocking;

use super::answer::{Answer, Preview};
use super::auth::Source;
use super::body::{Bounds, Came};
use super::examples;
use super::problem::Problem;
use super::protocol::{Entrance, Protocol};
use super::state::{Rules, State};
use crate::blocks::Blocks;
use crate::budget::Grant;
use crate::clock::Clock;
use crate::decode::buffer::Buffer;
use crate::decode::labelled::{Clash, Ending, Origin, Timestamps};
use crate::decode::media::{self, Declared};
use crate::decode::{Format, RemoteWrite};
use crate::encode::Block;
use crate::metric::timestamp::Timestamp;
use crate::pipeline::report::Report;
use crate::pipeline::{self, Guard, Step, Terms};
use crate::queue::{Entry, Queue};
use crate::quota::{Intent, Rate, Session};
use crate::tap::Piece;

mod sender;
mod toll;

use sender::Sender;
use toll::Toll;

/// Bodies up to this size are worked on where they were read; that takes less than handing them to
/// another thread. Larger ones would keep other connections waiting.
const INLINE_BYTES_MAX: usize = 16 << 10;

/// The same of formats that say once what their tuples say each time: a few KiB may become many MiB.
const INLINE_UNFOLDING_BYTES_MAX: usize = 1 << 10;

/// A body as it comes: over a connection, or out of a file that is tried against a configuration.
pub(super) trait Stream: Body<Data = Bytes, Error: Send> + Send + Unpin {}

impl<B: Body<Data = Bytes, Error: Send> + Send + Unpin> Stream for B {}

/// Takes one body of metrics.
pub(super) async fn ingest(
    state: &State,
    rules: &Rules,
    head: &Parts,
    entrance: Entrance,
    body: impl Stream,
) -> Result<Answer, Problem> {
    let sender = Sender::of(state, rules, head, &entrance)?;
    if let Sender::Known(source) = &sender {
        source.admit(state, rules)?;
    }
    let purpose = purpose_of(&head.uri).map_err(|problem| sender.may_hear(problem))?;
    let source = sender.source();
    let batch = read(state, rules, head, entrance, body, sender, purpose).await;
    match (batch, purpose) {
        (Ok(batch), Purpose::Preview) => Ok(batch.preview()),
        (Ok(batch), Purpose::Take) => batch.append(state).await,
        (Err(problem), purpose) => {
            if let (Some(source), Purpose::Take) = (source, purpose)
                && problem.is_about_the_body()
            {
                source.refused(state, &problem);
            }
            Err(problem)
        }
    }
}

async fn read(
    state: &State,
    rules: &Rules,
    head: &Parts,
    entrance: Entrance,
    body: impl Stream,
    sender: Sender,
    purpose: Purpose,
) -> Result<Batch, Problem> {
    let mut toll = Toll::new(sender.source().and_then(|source| source.quota.clone()), state);
    let received = receive(state, rules, head, entrance, body, &mut toll.came).await;
    let received = received.map_err(|problem| sender.may_hear(problem))?;
    if let Sender::InLabel(_) = &sender {
        let format = format_of(received.declared, &received.body)?;
        let (source, _) = sender.find(&received.body, format, state.clock.now())?;
        source.admit(state, rules)?;
        toll.quota.clone_from(&source.quota);
    }
    drop(toll);
    let at = if sender.may_be_limited() { state.clock.monotonic() } else { Duration::ZERO };
    let work = Work { received, sender, intent: purpose.intent(), now: state.clock.now(), at };
    work.run(state).await
}

/// A whole body, and what its request says of it.
struct Received {
    protocol: Protocol,
    body: Buffer,
    declared: Declared,
    labels: Vec<(String, String)>,
    timestamps: Timestamps,
    grant: Grant,
}

async fn receive(
    state: &State,
    rules: &Rules,
    head: &Parts,
    entrance: Entrance,
    body: impl Stream,
    came: &mut Came,
) -> Result<Received, Problem> {
    let coding = entrance.coding(&head.headers);
    let (declared, coding) = (entrance.declared?, coding?);
    let bounds = Bounds::new(&rules.limits, &rules.http);
    bounds.check_declared(&body)?;
    let mut grant = state.capacity()?;

    let protocol = entrance.protocol;
    let body = bounds.receive(body, coding, &mut grant, came).await;
    state.counts.received(protocol, coding, came.wire_bytes);
    let body = body?;
    state.counts.is_here(protocol, body.len());
    protocol.check_not_empty(&body)?;
    let timestamps = match protocol {
        Protocol::Pushgateway => Timestamps::Refused,
        _ => Timestamps::Taken,
    };
    Ok(Received { protocol, body, declared, labels: entrance.labels, timestamps, grant })
}

fn format_of(declared: Declared, body: &[u8]) -> Result<Format, Problem> {
    match declared {
        Declared::Format(format) => Ok(format),
        Declared::Sniff => media::sniff(body).ok_or_else(|| not_sniffed(body)),
    }
}

/// Nothing that can be told by its first byte. Text may well be Prometheus', which has to be declared: in
/// a text without a version, JSON is what was sent all along.
#[cold]
fn not_sniffed(body: &[u8]) -> Problem {
    let first = body.get(media::lead(body));
    let is_like_a_page =
        first.is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'#' | b'_' | b':'));
    let hint = if is_like_a_page {
        "; Prometheus' text needs content-type `text/plain; version=0.0.4`, and OpenMetrics \
         `application/openmetrics-text`"
    } else {
        ""
    };
    Problem::Unreadable(format!(
        "expected a body that begins with {{ or [ (JSON), or with a MessagePack map or array{hint}"
    ))
}

/// What the client wants done (contract C1.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Take,
    Preview,
}

impl Purpose {
    fn intent(self) -> Intent {
        match self {
            Self::Take => Intent::Take,
            Self::Preview => Intent::Preview,
        }
    }
}

/// Anything that looks like a wish for a preview is one, or is refused: who asked for a test must not
/// have sent.
fn purpose_of(uri: &Uri) -> Result<Purpose, Problem> {
    let pairs = uri.query().unwrap_or("").split('&');
    let mut asked = pairs.filter_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, "1"));
        (key == "dry_run").then_some(value)
    });
    match asked.next_back() {
        None | Some("0" | "false" | "no") => Ok(Purpose::Take),
        Some("1" | "true" | "yes") => Ok(Purpose::Preview),
        Some(_) => Err(Problem::UnknownPurpose),
    }
}

/// Most bytes of a body that is worked on where it was read.
fn inline_bytes_max(declared: Declared) -> usize {
    match declared {
        Declared::Format(Format::RemoteWrite(RemoteWrite::V2) | Format::Otlp(_)) => {
            INLINE_UNFOLDING_BYTES_MAX
        }
        Declared::Format(_) | Declared::Sniff => INLINE_BYTES_MAX,
    }
}

/// A whole body and what it takes to make tuples of it.
struct Work {
    received: Received,
    sender: Sender,
    intent: Intent,
    now: Timestamp,
    /// A monotonic reading, for a sender that may be limited.
    at: Duration,
}

impl Work {
    async fn run(self, state: &State) -> Result<Batch, Problem> {
        let protocol = self.received.protocol;
        if self.received.body.len() <= inline_bytes_max(self.received.declared) {
            if !state.counts.is_timed(protocol) {
                return self.run_here(&*state.queue);
            }
            let (outcome, within) = self.run_timed(&*state.queue, &*state.clock);
            state.counts.decoded(protocol, within);
            return outcome;
        }
        let (workers, queue) = (Arc::clone(&state.workers), Arc::clone(&state.queue));
        let clock = Arc::clone(&state.clock);
        let turn = workers.acquire_owned().await.expect("the semaphore is never closed");
        let done = spawn_blocking(move || {
            let done = self.run_timed(&*queue, &*clock);
            drop(turn);
            done
        });
        // The runtime cancels no blocking task, so what is left is a panic: it goes on here.
        let done = done.await;
        let (outcome, within) =
            done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        state.counts.decoded(protocol, within);
        outcome
    }

    /// [`Self::run_here`], and how long that took.
    fn run_timed(self, queue: &dyn Queue, clock: &dyn Clock) -> (Result<Batch, Problem>, Duration) {
        let begun = clock.monotonic();
        let outcome = self.run_here(queue);
        (outcome, clock.monotonic().saturating_sub(begun))
    }

    fn run_here(self, queue: &dyn Queue) -> Result<Batch, Problem> {
        let Self { received, sender, intent, now, at } = self;
        let Received { protocol, body, declared, labels, timestamps, mut grant } = received;
        let format = format_of(declared, &body)?;
        let (source, token) = sender.find(&body, format, now)?;
        let mut session = source.quota.as_ref().and_then(|quota| quota.session(intent, at));
        let lead = match (declared, format) {
            (Declared::Sniff, Format::MessagePack) => media::lead(&body),
            _ => 0,
        };
        let mut blocks = Blocks::new(queue);
        let mut steps = |step: Step| blocks.take(step, body.memory(), &mut grant);
        let (clash, ending) = (Clash::Replaced, Ending::Whole);
        let origin = Origin { labels: &labels, clash, timestamps, ending, own: &[], token };
        let guard = session.as_mut().map(|session| session as &mut dyn Guard);
        let terms = Terms { profile: &source.profile, now, guard };
        let outcome = pipeline::run_guarded(&body[lead..], format, &origin, terms, &mut steps);
        let report = outcome.map_err(|error| {
            let why = || blocks.spent().expect("only this sink refuses, and it says why").into();
            Problem::of_body(error, why)
        })?;
        // Before the queue is waited for: who sends at once is not to pass for what others still wait with.
        if let (Some(quota), Intent::Take) = (&source.quota, intent) {
            quota.charge(Rate::Metrics, report.accepted + report.rejected, at);
        }
        let bytes = body.len() as u64;
        let examples = if report.rejected > 0 && source.ledger.wants_examples(now) {
            examples::of(&body[lead..], format, &report)
        } else {
            Vec::new()
        };
        drop(body);
        let blocks = blocks.finish(&mut grant)?;
        Ok(Batch {
            protocol,
            source,
            received: now,
            bytes,
            report,
            examples,
            session,
            blocks,
            grant,
        })
    }
}

/// A body as tuples.
struct Batch {
    protocol: Protocol,
    source: Arc<Source>,
    received: Timestamp,
    /// Of the body, decompressed.
    bytes: u64,
    report: Report,
    /// Some of what the report rejects, by its index there.
    examples: Vec<(u64, String)>,
    /// The series that it begins.
    session: Option<Session>,
    blocks: Vec<Block>,
    grant: Grant,
}

impl Batch {
    /// Queues the tuples. The answer leaves when they are safe (contract C5.1), and the memory is
    /// given back then: from there on the queue accounts for them.
    async fn append(self, state: &State) -> Result<Answer, Problem> {
        let Self { protocol, source, received, bytes, report, examples, session, blocks, grant } =
            self;
        if blocks.is_empty() {
            state.queue.count_decided(report.accepted, report.rejected);
        } else {
            let entry = Entry {
                source: Arc::clone(&source.name),
                received,
                blocks,
                target: None,
                accepted: report.accepted,
                rejected: report.rejected,
            };
            let piece = state.tap.is_open().then(|| Piece::of(&source.name, &entry.blocks));
            state.queue.append(entry).await?;
            if let Some(piece) = piece {
                state.tap.show(piece);
            }
        }
        drop(grant);
        if let Some(session) = session {
            session.commit();
        }
        state.counts.decided(&report);
        state.counts.handled(protocol, state.clock.now().since(received));
        let reports = std::slice::from_ref(&report);
        source.ledger.decided_as(bytes, reports, &examples, received);
        state.complaints.metrics(&source.name, &report);
        Ok(Answer::Taken(report))
    }

    /// Always a 200, also when nothing was acceptable: the question was answered (contract C1.14).
    fn preview(self) -> Answer {
        let Self { report, blocks, grant, .. } = self;
        Answer::Preview(Preview { report, blocks, grant })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Otlp;

    #[test]
    fn what_unfolds_is_worked_on_by_another_thread_from_a_kibibyte_on() {
        for (declared, most) in [
            (Declared::Sniff, 16 << 10),
            (Declared::Format(Format::Json), 16 << 10),
            (Declared::Format(Format::RemoteWrite(RemoteWrite::V1)), 16 << 10),
            (Declared::Format(Format::RemoteWrite(RemoteWrite::V2)), 1 << 10),
            (Declared::Format(Format::Otlp(Otlp::Protobuf)), 1 << 10),
            (Declared::Format(Format::Otlp(Otlp::Json)), 1 << 10),
        ] {
            assert_eq!(inline_bytes_max(declared), most, "{declared:?}");
        }
    }

    #[test]
    fn who_asks_for_a_preview_gets_one_or_a_refusal() {
        for (uri, expected) in [
            ("/metrics", Ok(Purpose::Take)),
            ("/metrics?dry_run=1", Ok(Purpose::Preview)),
            ("/?a=b&dry_run=1&c", Ok(Purpose::Preview)),
            ("/metrics?dry_run=true", Ok(Purpose::Preview)),
            ("/metrics?dry_run", Ok(Purpose::Preview)),
            ("/metrics?dry_run=0", Ok(Purpose::Take)),
            ("/metrics?dry_run=1&dry_run=no", Ok(Purpose::Take)),
            ("/metrics?xdry_run=1", Ok(Purpose::Take)),
            ("/metrics?dry_run=", Err(Problem::UnknownPurpose)),
            ("/metrics?dry_run=maybe", Err(Problem::UnknownPurpose)),
            ("/metrics?dry_run=%31", Err(Problem::UnknownPurpose)),
        ] {
            assert_eq!(purpose_of(&uri.parse().unwrap()), expected, "{uri}");
        }
    }
}
