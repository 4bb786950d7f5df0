//! Prometheus' text exposition format 0.0.4 and OpenMetrics 1.0.

use bumpalo::Bump;

use super::Exposition;
use super::labelled::{Asides, Labelled, Readout, Series, Timestamps};
use super::pull::Fault;

/// Reads a page of metrics line by line.
pub(crate) struct Reader<'a> {
    text: &'a str,
    #[expect(dead_code, reason = "being built")]
    syntax: Exposition,
    #[expect(dead_code, reason = "being built")]
    timestamps: Timestamps,
    #[expect(dead_code, reason = "being built")]
    arena: &'a Bump,
    asides: Asides,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        text: &'a str,
        syntax: Exposition,
        timestamps: Timestamps,
        arena: &'a Bump,
    ) -> Self {
        Self { text, syntax, timestamps, arena, asides: Asides::default() }
    }
}

impl<'a> Readout<'a> for Reader<'a> {
    fn next(&mut self, _next: &mut Labelled<'a>) -> Result<Option<Series>, Fault> {
        if self.text.is_empty() { Ok(None) } else { Err(Fault::new(0, "not built yet")) }
    }

    fn asides(&self) -> Asides {
        self.asides
    }
}
