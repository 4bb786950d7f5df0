//! What the straight lane (`pipeline::lane`) reads with: a cursor for the plain values that ordinary
//! metrics are made of, in either format.
//!
//! Whatever else it meets, valid or not, it answers with `None` and is then good for nothing more; its
//! caller reads the value again with the format's own reader, which knows the whole grammar.

use super::raw::{Number, Scalar};

/// Reads plain values.
///
/// Containers are read as `let mut more = cursor.map()?; while more > 0 { ..; more =
/// cursor.next_member(more)?; }`. The number is how many entries are known to come: MessagePack knows
/// of all, JSON of the next alone.
pub(crate) trait Cursor<'a> {
    /// Enters a map.
    fn map(&mut self) -> Option<u32>;

    /// Passes what stands between members, or the end of the map.
    fn next_member(&mut self, more: u32) -> Option<u32>;

    /// Enters an array.
    fn array(&mut self) -> Option<u32>;

    /// Passes what stands between elements, or the end of the array.
    fn next_element(&mut self, more: u32) -> Option<u32>;

    /// Moves to the next member's name, for [`Self::is`].
    fn to_name(&mut self) -> Option<()> {
        Some(())
    }

    /// Passes a member's name, if it is `quoted`, which stands in quotes and has at most 31 letters
    /// between them.
    fn is<const N: usize>(&mut self, quoted: &[u8; N]) -> bool;

    /// Passes what stands between a member's name and its value.
    fn colon(&mut self) -> Option<()> {
        Some(())
    }

    /// A string of printable ASCII without quote and backslash, as all are that are read here.
    fn string(&mut self) -> Option<&'a str>;

    /// The key of a tag: such a string, without a colon in it.
    fn key(&mut self) -> Option<&'a str>;

    /// The value of a tag with what stands before it: a string, or a number that is its own text.
    fn tag_value(&mut self) -> Option<&'a str>;

    /// A number.
    fn number(&mut self) -> Option<Number<'a>>;

    /// A string or a number.
    fn scalar(&mut self) -> Option<Scalar<'a>>;
}
