//! A request body as the memory it already lies in: large blocks are sent from where the queue lent
//! them, so a body costs neither a copy nor fresh pages, and to send it again is to clone it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

/// Bytes of this size and more are sent from where they lie; smaller ones are copied together, because
/// each slice of a body costs its writer more than so short a copy.
pub const SHARED_BYTES_MIN: usize = 16 << 10;

/// Most bytes copied into one slice: allocators serve so few from memory that was used before.
const CHUNK_BYTES_MAX: usize = 64 << 10;

/// The bytes of one request, in order. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Body {
    slices: Arc<[Bytes]>,
    bytes: usize,
}

impl Body {
    /// How many bytes.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Its bytes, in order; no slice is empty.
    pub fn slices(&self) -> &[Bytes] {
        &self.slices
    }

    /// In one piece, copied unless it is one already.
    pub fn into_bytes(self) -> Bytes {
        match &*self.slices {
            [only] => only.clone(),
            slices => slices.concat().into(),
        }
    }

    /// As a reader that goes from slice to slice.
    pub(super) fn outgoing(self) -> Outgoing {
        Outgoing { left: self.bytes as u64, slices: self.slices, next: 0 }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self { bytes: bytes.len(), slices: [bytes].into() }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

/// A body that is being put together.
#[derive(Debug)]
pub(super) struct Chain {
    slices: Vec<Bytes>,
    /// What was copied since the last slice.
    open: Vec<u8>,
    bytes: usize,
    bytes_max: usize,
}

impl Chain {
    /// Begins one of about so many bytes at most.
    pub(super) fn with_room(bytes_max: usize) -> Self {
        Self { slices: Vec::new(), open: Vec::new(), bytes: 0, bytes_max }
    }

    /// Appends a copy.
    pub(super) fn copy(&mut self, text: &[u8]) {
        self.bytes += text.len();
        let mut text = text;
        while !text.is_empty() {
            if self.open.capacity() == 0 {
                let left = (self.bytes_max + text.len()).saturating_sub(self.bytes);
                self.open
                    .reserve_exact(left.clamp(text.len().min(CHUNK_BYTES_MAX), CHUNK_BYTES_MAX));
            }
            let fit = text.len().min(self.open.capacity() - self.open.len());
            let (now, rest) = text.split_at(fit);
            self.open.extend_from_slice(now);
            text = rest;
            if self.open.len() == self.open.capacity() {
                self.close_slice();
            }
        }
    }

    /// Appends these bytes where they lie, if that pays.
    pub(super) fn share(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARED_BYTES_MIN {
            return self.copy(bytes);
        }
        self.close_slice();
        self.bytes += bytes.len();
        self.slices.push(bytes.clone());
    }

    pub(super) fn close(mut self) -> Body {
        self.close_slice();
        Body { slices: self.slices.into(), bytes: self.bytes }
    }

    fn close_slice(&mut self) {
        if !self.open.is_empty() {
            self.slices.push(std::mem::take(&mut self.open).into());
        }
    }
}

/// A body on its way out.
pub(super) struct Outgoing {
    slices: Arc<[Bytes]>,
    next: usize,
    left: u64,
}

impl hyper::body::Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(slice) = self.slices.get(self.next).cloned() else { return Poll::Ready(None) };
        self.next += 1;
        self.left -= slice.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(slice))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    /// Exact, so that it is announced by its length: not every receiver takes chunks.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use hyper::body::Body as _;

    use super::*;

    fn bytes(length: usize, seed: usize) -> Bytes {
        (0..length).map(|at| (at * 7 + seed) as u8).collect::<Vec<u8>>().into()
    }

    #[tokio::test]
    async fn what_was_put_in_comes_out_in_order_and_announced_to_the_byte() {
        let lengths = [1, SHARED_BYTES_MIN - 1, SHARED_BYTES_MIN, 3 * CHUNK_BYTES_MAX, 2];
        for room in [0, 1, CHUNK_BYTES_MAX, 1 << 20] {
            let (mut chain, mut expected) = (Chain::with_room(room), Vec::new());
            for (index, length) in lengths.into_iter().cycle().take(23).enumerate() {
                let bytes = bytes(length, index);
                match index % 3 {
                    0 => chain.copy(&bytes),
                    _ => chain.share(&bytes),
                }
                expected.extend_from_slice(&bytes);
            }
            let body = chain.close();
            assert_eq!(body.len(), expected.len(), "{room}");
            assert!(body.slices().iter().all(|slice| !slice.is_empty()), "{room}");
            assert!(body.clone().into_bytes() == expected, "{room}");
            let outgoing = body.outgoing();
            assert_eq!(outgoing.size_hint().exact(), Some(expected.len() as u64), "{room}");
            assert!(!outgoing.is_end_stream());
            assert!(outgoing.collect().await.unwrap().to_bytes() == expected, "{room}");
        }
    }

    #[test]
    fn a_large_block_is_sent_from_where_it_lies_and_small_ones_go_together() {
        let (large, small) = (bytes(SHARED_BYTES_MIN, 1), bytes(10, 2));
        let mut chain = Chain::with_room(100);
        for bytes in [&small, &small, &large, &small, &large] {
            chain.share(bytes);
        }
        let body = chain.close();
        let lengths: Vec<usize> = body.slices().iter().map(Bytes::len).collect();
        assert_eq!(lengths, [20, SHARED_BYTES_MIN, 10, SHARED_BYTES_MIN]);
        assert_eq!(body.slices()[1].as_ptr(), large.as_ptr());
        assert!(Chain::with_room(9).close().is_empty());
    }
}
