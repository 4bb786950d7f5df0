//! What a caller of the pipeline gives and hears.

use crate::encode::Block;

/// The sink's answer when it takes no further block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// Takes each block as it fills.
pub type Sink<'s> = dyn FnMut(Block) -> Result<(), Refused> + 's;

/// What happens on the way, for a caller that accounts for the memory it takes.
#[derive(Debug)]
pub enum Step {
    /// A block is full.
    Block(Block),
    /// So many bytes of full blocks wait, because the NDJSON line they come from may still turn out
    /// broken; none, once it has.
    Held(u64),
    /// So many bytes lie beside the body, in what its reader has to keep; until the end.
    Beside(u64),
}

/// Hears of each [`Step`].
pub type Steps<'s> = dyn FnMut(Step) -> Result<(), Refused> + 's;

/// Where in a longer body this piece of it starts: `convert` reads a long file piece by piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Items before it.
    pub index: u64,
    /// NDJSON lines before it.
    pub line: u64,
}

/// A caller that only wants the blocks.
pub(super) fn blocks_only<'s>(
    sink: &'s mut Sink<'_>,
) -> impl FnMut(Step) -> Result<(), Refused> + 's {
    |step| match step {
        Step::Block(block) => sink(block),
        Step::Held(_) | Step::Beside(_) => Ok(()),
    }
}
