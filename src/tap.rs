//! A look at tuples as they are accepted, for `tidegate tap`. Costs one load of a number while nobody looks.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::encode::Block;

/// Pieces that wait for one who looks; who is slower misses some, and is told how many.
const PIECES_MAX: usize = 256;

/// Where tuples can be looked at.
#[derive(Debug)]
pub struct Tap {
    pieces: broadcast::Sender<Piece>,
}

/// Tuples of one request or scrape, accepted a moment ago.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The source they came under.
    pub source: Arc<str>,
    /// As the queue got them.
    pub blocks: Vec<Block>,
}

impl Piece {
    /// Of what is about to be accepted.
    pub fn of(source: &Arc<str>, blocks: &[Block]) -> Self {
        Self { source: Arc::clone(source), blocks: blocks.to_vec() }
    }
}

impl Default for Tap {
    fn default() -> Self {
        Self { pieces: broadcast::Sender::new(PIECES_MAX) }
    }
}

impl Tap {
    /// Whether somebody looks: who has tuples copies them only then.
    pub fn is_open(&self) -> bool {
        self.pieces.receiver_count() > 0
    }

    /// Shows tuples to whoever looks.
    pub fn show(&self, piece: Piece) {
        // Nobody looks any more.
        self.pieces.send(piece).ok();
    }

    /// Looks from now on.
    pub fn look(&self) -> broadcast::Receiver<Piece> {
        self.pieces.subscribe()
    }
}
