//! MessagePack bodies, a window at a time.
//!
//! Reading is quickest beside a copy of the body (`decode::msgpack`), and a copy of a large body would
//! be as large. So there is one of the next so many bytes only, and whatever was read from it is
//! encoded and forgotten before the next is made.

use bumpalo::Bump;

use super::lane::packed;
use super::{BodyError, Report, Run, Start, Steps, Stop, Terms, place};
use crate::decode::msgpack::{self, MsgpackReader};
use crate::decode::pull::{Extent, Pull, Token};

/// Bytes of a window: it and its copy fit the inner caches, and what is done for each window costs
/// nothing beside what is done for its metrics.
const WINDOW_BYTES: usize = 64 << 10;

/// Bytes of a body of a metric or two, whose copy is not worth an allocation.
const SMALL_BYTES: usize = 512;

/// How far a body has been read.
struct Place {
    /// Where the next value begins.
    at: usize,
    /// What is still to come of the array it is in.
    array: Extent,
}

/// Reads a whole body; as [`super::run_steps`].
pub(super) fn read(
    start: Start,
    body: &[u8],
    terms: Terms<'_, '_>,
    steps: &mut Steps<'_>,
) -> Result<Report, BodyError> {
    read_by(WINDOW_BYTES, start, body, terms, steps)
}

/// The same by windows of any size, which makes no difference to what becomes of the body.
fn read_by(
    window_bytes: usize,
    start: Start,
    body: &[u8],
    mut terms: Terms<'_, '_>,
    steps: &mut Steps<'_>,
) -> Result<Report, BodyError> {
    let mut encoder = super::encoder(body.len(), terms.profile);
    let (mut report, mut index, mut place) =
        (Report::default(), start.index, Place { at: 0, array: Extent(0) });
    loop {
        let arena = Bump::new();
        let end = body.len().min(place.at + window_bytes);
        let part = body.get(place.at..end).unwrap_or_default();
        let (mut small, large);
        let stripped = if part.len() <= SMALL_BYTES {
            small = [0; SMALL_BYTES];
            msgpack::strip_into(&mut small, part)
        } else {
            large = msgpack::stripped(part);
            &large
        };
        let ascii = place::utf8(stripped, 0).unwrap_or_default();
        // Most texts are parts of the copy.
        let mut run = Run::new(&arena, terms.again(), ascii.as_bytes(), encoder, &mut *steps);
        (run.report, run.index) = (report, index);
        let mut reader = MsgpackReader::new(body);
        reader.copied(place.at, ascii);
        if run.window(&mut reader, &mut place.array, end)? {
            return run.finish();
        }
        place.at = reader.mark();
        (encoder, report, index) = (run.encoder, run.report, run.index);
    }
}

impl<'a> Run<'a, '_, '_> {
    /// Reads every value that begins before `end`; true when the last of the body was among them.
    fn window(
        &mut self,
        reader: &mut MsgpackReader<'a>,
        array: &mut Extent,
        end: usize,
    ) -> Result<bool, BodyError> {
        loop {
            // An empty body falls to the reader, which expects a value.
            self.step(reader, array).map_err(|stop| stop.or_syntax(place::in_bytes))?;
            self.hand_out()?;
            if array.0 == 0 && reader.at_end() {
                return Ok(true);
            }
            if reader.mark() >= end {
                return Ok(false);
            }
        }
    }

    /// Reads an item, or into an array of items.
    #[inline]
    fn step(&mut self, reader: &mut MsgpackReader<'a>, array: &mut Extent) -> Result<(), Stop> {
        if !reader.element(array)? {
            let start = reader.mark();
            if let Token::Array(entered) = reader.next()? {
                *array = entered;
                return Ok(());
            }
            reader.rewind(start);
        }
        let mut plain = reader.plain();
        if self.luck.is_worth_a_try()
            && let Some(warnings) = packed::read(&mut plain, &mut self.rules, &mut self.metric)
        {
            reader.go_on_after(&plain);
            self.luck.stayed();
            let index = self.index;
            self.index += 1;
            return self.accept(index, self.plain_escapes, &warnings);
        }
        self.item(reader)
    }
}

#[cfg(test)]
mod tests;
