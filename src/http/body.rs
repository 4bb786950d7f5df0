//! Reading a body within its bounds: bytes on the wire, bytes decompressed, memory, time (C1.5).

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Frame;
use tokio::time::{Instant, timeout_at};

use super::ingest::Stream;
use super::problem::Problem;
use crate::budget::Grant;
use crate::config;
use crate::decode::buffer::Buffer;
use crate::decode::media::Coding;
use crate::intake::{Intake, IntakeError};

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::Spent(spent) => spent.into(),
            IntakeError::Inflate(error) => error.into(),
        }
    }
}

/// How much of a body came, also of one that is refused or given up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Came {
    pub(super) wire_bytes: usize,
    inflated_bytes: usize,
    whole: Option<usize>,
}

impl Came {
    /// Decompressed bytes, or of a body that broke off the bytes on the wire where those are more.
    pub(super) fn bytes(&self) -> usize {
        self.whole.unwrap_or(self.wire_bytes.max(self.inflated_bytes))
    }
}

/// How a body may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// On the wire, and decompressed.
    pub(super) bytes_max: usize,
    /// Longest pause, and the span over which the rate is averaged.
    pub(super) timeout: Duration,
    /// Bytes a second.
    pub(super) rate_min: u64,
}

impl Bounds {
    pub(super) fn new(limits: &config::Limits, http: &config::Http) -> Self {
        let &config::Http { body_timeout: timeout, body_min_rate: rate_min, .. } = http;
        Self { bytes_max: limits.body_bytes, timeout, rate_min }
    }

    fn too_large(&self) -> Problem {
        Problem::BodyTooLarge { limit: self.bytes_max }
    }

    /// Refuses a body whose declared length is over the limit, before any of it is read (C1.9).
    pub(super) fn check_declared(&self, body: &impl Stream) -> Result<(), Problem> {
        let declared = body.size_hint().lower();
        if declared > self.bytes_max as u64 { Err(self.too_large()) } else { Ok(()) }
    }

    /// The whole body, decompressed; `grant` holds its bytes, and `came` is how many there were.
    pub(super) async fn receive(
        &self,
        mut body: impl Stream,
        coding: Coding,
        grant: &mut Grant,
        came: &mut Came,
    ) -> Result<Buffer, Problem> {
        let mut intake = Intake::new(coding, body.size_hint().upper(), self.bytes_max, grant)?;
        // What is here already needs neither clock nor timer, and small bodies mostly are.
        let mut pace = None;
        while !body.is_end_stream() {
            let frame = match at_hand(&mut body).await {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    let pace = pace.get_or_insert_with(|| Pace::new(self));
                    let Ok(frame) = timeout_at(pace.deadline(), body.frame()).await else {
                        pace.judge()?;
                        continue;
                    };
                    frame
                }
            };
            let Some(frame) = frame else { break };
            // Trailers say nothing we need.
            let Ok(chunk) = frame.map_err(|_| Problem::BrokenOff)?.into_data() else { continue };
            came.wire_bytes += chunk.len();
            if came.wire_bytes > self.bytes_max {
                return Err(self.too_large());
            }
            if let Some(pace) = &mut pace {
                pace.count(chunk.len())?;
            }
            let taken = intake.take(&chunk).await;
            came.inflated_bytes = intake.bytes();
            taken?;
        }
        let body = intake.finish().await?;
        came.whole = Some(body.len());
        Ok(body)
    }
}

/// One look for the next frame.
async fn at_hand<B: Stream>(body: &mut B) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *body).poll_frame(cx))).await
}

/// Whether bytes keep coming (contract C1.5).
struct Pace {
    timeout: Duration,
    rate_min: u64,
    /// When the last byte came.
    last: Instant,
    /// When the span of the average began, and the bytes since.
    span_began: Instant,
    span_bytes: u64,
}

impl Pace {
    fn new(bounds: &Bounds) -> Self {
        let now = Instant::now();
        let Bounds { timeout, rate_min, .. } = *bounds;
        Self { timeout, rate_min, last: now, span_began: now, span_bytes: 0 }
    }

    /// When there is something to judge unless bytes come first.
    fn deadline(&self) -> Instant {
        self.last.min(self.span_began) + self.timeout
    }

    fn count(&mut self, bytes: usize) -> Result<(), Problem> {
        self.count_at(bytes, Instant::now())
    }

    fn count_at(&mut self, bytes: usize, now: Instant) -> Result<(), Problem> {
        if bytes > 0 {
            self.last = now;
        }
        self.span_bytes += bytes as u64;
        self.judge_at(now)
    }

    fn judge(&mut self) -> Result<(), Problem> {
        self.judge_at(Instant::now())
    }

    fn judge_at(&mut self, now: Instant) -> Result<(), Problem> {
        let too_slow = Problem::TooSlow {
            rate: self.rate_min,
            pause_s: self.timeout.as_secs_f64().ceil() as u64,
        };
        if now >= self.last + self.timeout {
            return Err(too_slow);
        }
        if now < self.span_began + self.timeout {
            return Ok(());
        }
        let span_ms = (now - self.span_began).as_millis() as u64;
        if self.span_bytes.saturating_mul(1000) < self.rate_min.saturating_mul(span_ms) {
            return Err(too_slow);
        }
        self.span_began = now;
        self.span_bytes = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds =
        Bounds { bytes_max: 1 << 20, timeout: Duration::from_secs(30), rate_min: 1024 };

    /// Feeds `bytes` every `every_ms` and says after how many seconds that was judged too slow.
    fn cut_after(bytes: usize, every_ms: u64, total_ms: u64) -> Option<u64> {
        let mut pace = Pace::new(&BOUNDS);
        let began = pace.last;
        for at in (every_ms..=total_ms).step_by(every_ms as usize) {
            let now = began + Duration::from_millis(at);
            let deadline = pace.deadline();
            if deadline < now && pace.judge_at(deadline).is_err() {
                return Some((deadline - began).as_secs());
            }
            if pace.count_at(bytes, now).is_err() {
                return Some(at / 1000);
            }
        }
        None
    }

    #[test]
    fn a_body_is_cut_when_it_pauses_or_averages_too_little() {
        assert_eq!(cut_after(1024, 1000, 300_000), None);
        assert_eq!(cut_after(100_000, 29_000, 300_000), None);
        assert_eq!(cut_after(1000, 1000, 300_000), Some(30));
        assert_eq!(cut_after(1, 10, 300_000), Some(30));
        assert_eq!(cut_after(1 << 20, 31_000, 300_000), Some(30));
    }
}
