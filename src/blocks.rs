//! The blocks that one body or page becomes, in memory that is accounted for while they fill (contract
//! C1.5).

use crate::budget::{Grant, Spent};
use crate::encode::Block;
use crate::pipeline::{Refused, Step};
use crate::queue::Queue;

/// Blocks as they fill, as the queue will hold them.
pub(crate) struct Blocks<'q> {
    queue: &'q dyn Queue,
    full: Vec<Block>,
    /// Bytes of those.
    encoded: u64,
    /// What the body's reader keeps.
    beside: u64,
    spent: Option<Spent>,
}

impl<'q> Blocks<'q> {
    /// None yet.
    pub(crate) fn new(queue: &'q dyn Queue) -> Self {
        Self { queue, full: Vec::new(), encoded: 0, beside: 0, spent: None }
    }

    /// Takes in what happened; `grant` holds it beside the `body` bytes of memory of what it comes from.
    /// Refuses where that is more than there is, which [`Self::spent`] remembers.
    pub(crate) fn take(
        &mut self,
        step: Step,
        body: usize,
        grant: &mut Grant,
    ) -> Result<(), Refused> {
        let held = match &step {
            Step::Block(block) => {
                self.encoded += block.bytes.len() as u64;
                0
            }
            Step::Held(bytes) => *bytes,
            Step::Beside(bytes) => {
                self.beside = *bytes;
                0
            }
        };
        grant.resize(body as u64 + self.encoded + held + self.beside).map_err(|spent| {
            self.spent = Some(spent);
            Refused
        })?;
        if let Step::Block(block) = step {
            self.full.push(self.queue.keep(block));
        }
        Ok(())
    }

    /// Why a step was refused, if one was.
    pub(crate) fn spent(&self) -> Option<Spent> {
        self.spent
    }

    /// All of them, once what they come from is gone: from then on `grant` is for them alone.
    pub(crate) fn finish(self, grant: &mut Grant) -> Result<Vec<Block>, Spent> {
        grant.resize(self.encoded)?;
        Ok(self.full)
    }
}
