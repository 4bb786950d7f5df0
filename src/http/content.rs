//! The body of an answer: nothing or one piece, as a rule.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::answer::Frames;

/// What the edge answers with.
pub(super) type Response = hyper::Response<Content>;

/// Bytes that are there already.
#[derive(Debug)]
pub(super) enum Content {
    /// Perhaps none.
    Whole(Bytes),
    /// The tuples of a dry run.
    Pieces(Frames),
}

impl Content {
    pub(super) const EMPTY: Self = Self::Whole(Bytes::new());

    /// Bytes that are left to be sent.
    pub(super) fn left(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Pieces(frames) => frames.left(),
        }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => None,
            Self::Whole(bytes) => Some(std::mem::take(bytes)),
            Self::Pieces(frames) => frames.next(),
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}
