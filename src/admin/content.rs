//! The body of an answer: a text, or events that go on for as long as somebody listens.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

/// Pieces of a live answer that wait for whoever listens.
const PIECES_MAX: usize = 16;

/// See the module.
#[derive(Debug)]
pub(super) enum Content {
    /// Everything there is to say; `None` once it was said.
    Whole(Option<Bytes>),
    /// What is said while it happens; ends when whoever tells is gone.
    Live(mpsc::Receiver<Bytes>),
}

impl Content {
    /// A live one, and where its pieces go: whoever tells learns from a refusal that nobody listens any
    /// more, and waits for one that listens slowly.
    pub(super) fn live() -> (mpsc::Sender<Bytes>, Self) {
        let (told, heard) = mpsc::channel(PIECES_MAX);
        (told, Self::Live(heard))
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Live(heard) => {
                heard.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
            Self::Live(_) => SizeHint::default(),
        }
    }
}
