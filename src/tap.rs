//! A look at tuples as they are accepted, for `tidegate tap`. Costs one load of a number while nobody looks.
//!
//! Who looks never holds up who sends. What is wanted is picked and copied here, within bounds for each
//! body and for each one who looks; what finds no room is counted and told as not shown. What waits stays
//! within [`LOOKERS_MAX`] times [`seat::HELD_BYTES_MAX`], outside of `limits.memory_bytes`. Beside it, each body
//! that is being shown has up to [`seat::BODY_BYTES_MAX`] for each one who looks, until it was shown, and what is
//! on its way to one who looks is a piece or two of [`seat::TAKEN_BYTES_MAX`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::encode::Block;

mod pattern;
mod seat;
mod share;
mod wish;

pub use pattern::Pattern;
pub use seat::Shown;
pub use share::{BadShare, Share};
pub use wish::{Form, Wish};

use seat::Seat;

/// Most who look at once.
pub const LOOKERS_MAX: usize = 8;

/// Most bytes of one body's tuples that are looked through; of the rest it is only known how many they are.
const SCANNED_BYTES_MAX: usize = 4 << 20;

/// Where tuples can be looked at.
#[derive(Debug, Default)]
pub struct Tap {
    /// As many as there are seats.
    open: AtomicUsize,
    seats: RwLock<Vec<Arc<Seat>>>,
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
    /// Of what is about to be accepted. Copies no tuple: the memory is that of the request, which holds its
    /// share of `limits.memory_bytes` until it was shown.
    pub fn of(source: &Arc<str>, blocks: &[Block]) -> Self {
        Self { source: Arc::clone(source), blocks: blocks.to_vec() }
    }
}

/// Everybody who may look does so already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{LOOKERS_MAX} others look at tuples already, which is all there may be: end one of them")]
pub struct Crowded;

impl Tap {
    /// Whether somebody looks: who has tuples keeps them for [`Self::show`] only then.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    /// Shows tuples to whoever looks, and waits for nobody. Takes at most the time to look through
    /// [`SCANNED_BYTES_MAX`].
    #[expect(clippy::needless_pass_by_value, reason = "its blocks are given back here")]
    pub fn show(&self, piece: Piece) {
        let Piece { source, blocks } = &piece;
        let seats = self.seats.read().unwrap_or_else(PoisonError::into_inner);
        let mut pickers: Vec<_> = seats
            .iter()
            .filter(|seat| seat.wants(source))
            .map(|seat| seat.picker(source))
            .collect();
        if pickers.is_empty() {
            return;
        }
        let mut left = SCANNED_BYTES_MAX;
        for block in blocks {
            let scanned = block.bytes.len().min(left);
            left -= scanned;
            let mut seen = 0;
            if scanned == block.bytes.len() {
                for tuple in tuples(&block.bytes) {
                    seen += 1;
                    for picker in &mut pickers {
                        picker.offer(tuple);
                    }
                }
            }
            let unseen = u64::from(block.tuples).saturating_sub(seen);
            for picker in &mut pickers {
                picker.pass_over(unseen);
            }
        }
        pickers.into_iter().for_each(seat::Picker::finish);
    }

    /// Looks from now on, until what this returns is dropped.
    ///
    /// # Errors
    ///
    /// Where [`LOOKERS_MAX`] look already.
    pub fn look(self: &Arc<Self>, wish: Wish) -> Result<Look, Crowded> {
        let mut seats = self.seats.write().unwrap_or_else(PoisonError::into_inner);
        if seats.len() >= LOOKERS_MAX {
            return Err(Crowded);
        }
        let seat = Arc::new(Seat::new(wish));
        seats.push(Arc::clone(&seat));
        self.open.store(seats.len(), Ordering::Relaxed);
        Ok(Look { tap: Arc::clone(self), seat })
    }
}

/// One who looks.
#[derive(Debug)]
pub struct Look {
    tap: Arc<Tap>,
    seat: Arc<Seat>,
}

impl Look {
    /// Some of what waits, in order, as soon as there is something.
    pub async fn next(&mut self) -> Shown {
        self.seat.next().await
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        let mut seats = self.tap.seats.write().unwrap_or_else(PoisonError::into_inner);
        seats.retain(|seat| !Arc::ptr_eq(seat, &self.seat));
        self.tap.open.store(seats.len(), Ordering::Relaxed);
    }
}

/// The tuples of a block, whose separator is `,\n`: a line feed stands nowhere else in it.
fn tuples(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = memchr::memchr_iter(b'\n', block).chain([block.len()]);
    let mut start = 0;
    ends.map(move |end| {
        let line = block.get(start..end).unwrap_or_default();
        start = end + 1;
        line.strip_suffix(b",").unwrap_or(line)
    })
}

#[cfg(test)]
mod tests;
