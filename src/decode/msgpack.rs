//! (placeholder until merge)
use super::pull::{Extent, Fault, Key, Pull, Token};
/// tmp
pub struct MsgpackReader<'a>(&'a [u8]);
impl<'a> MsgpackReader<'a> {
    /// tmp
    pub fn new(b: &'a [u8]) -> Self {
        Self(b)
    }
    /// tmp
    pub fn at_end(&mut self) -> bool {
        self.0.is_empty()
    }
}
impl<'a> Pull<'a> for MsgpackReader<'a> {
    fn next(&mut self) -> Result<Token<'a>, Fault> {
        Err(Fault::new(0, "tmp"))
    }
    fn element(&mut self, _: &mut Extent) -> Result<bool, Fault> {
        Err(Fault::new(0, "tmp"))
    }
    fn key(&mut self, _: &mut Extent) -> Result<Option<Key<'a>>, Fault> {
        Err(Fault::new(0, "tmp"))
    }
    fn skip(&mut self) -> Result<(), Fault> {
        Err(Fault::new(0, "tmp"))
    }
    fn mark(&self) -> usize {
        0
    }
    fn rewind(&mut self, _: usize) {}
}
