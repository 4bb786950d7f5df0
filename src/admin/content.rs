//! The body of an answer: a text, or events that go on for as long as somebody listens.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Duration, timeout};

/// Pieces of a live answer that wait for whoever listens: what is slower than that is waited for.
const PIECES_MAX: usize = 1;

/// Whoever takes no piece for so long is gone, or as good as, and is told nothing more.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug)]
pub(super) enum Content {
    /// Everything there is to say; `None` once it was said.
    Whole(Option<Bytes>),
    /// What is said while it happens; ends when whoever tells is gone.
    Live(Heard),
}

/// Where the pieces of a live answer go.
#[derive(Debug)]
pub(super) struct Teller {
    pieces: mpsc::Sender<Bytes>,
    ended: Arc<Notify>,
}

/// Where they come from.
#[derive(Debug)]
pub(super) struct Heard {
    pieces: mpsc::Receiver<Bytes>,
    ended: Arc<Notify>,
}

/// Nobody listens any more, or nobody has taken anything for [`PATIENCE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unheard;

impl Teller {
    /// Waits until there is room for a piece.
    pub(super) async fn room(&self) -> Result<mpsc::Permit<'_, Bytes>, Unheard> {
        match timeout(PATIENCE, self.pieces.reserve()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Unheard),
        }
    }

    /// Until nobody listens.
    pub(super) async fn closed(&self) {
        self.pieces.closed().await;
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.ended.notify_one();
    }
}

impl Heard {
    /// What is told when there is no more to tell: a connection that nothing is taken from learns it in no
    /// other way.
    pub(super) fn ended(&self) -> Arc<Notify> {
        Arc::clone(&self.ended)
    }

    #[cfg(test)]
    pub(super) async fn recv(&mut self) -> Option<Bytes> {
        self.pieces.recv().await
    }
}

impl Content {
    /// A live one, and where its pieces go: whoever tells learns from a refusal that nobody listens any
    /// more, and waits for one that listens slowly.
    pub(super) fn live() -> (Teller, Self) {
        let (told, heard) = mpsc::channel(PIECES_MAX);
        let ended = Arc::new(Notify::new());
        let teller = Teller { pieces: told, ended: Arc::clone(&ended) };
        (teller, Self::Live(Heard { pieces: heard, ended }))
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
                heard.pieces.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
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
