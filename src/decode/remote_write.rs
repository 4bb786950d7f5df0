//! Prometheus' remote write 1.0 and 2.0, decompressed.

use bumpalo::Bump;

use super::labelled::{Asides, Labelled, Readout, Series};
use super::pull::Fault;

/// Reads a `prometheus.WriteRequest`.
pub(crate) struct V1<'a>(&'a [u8]);

impl<'a> V1<'a> {
    pub(crate) fn new(body: &'a [u8], _arena: &'a Bump) -> Result<Self, Fault> {
        Ok(Self(body))
    }
}

impl<'a> Readout<'a> for V1<'a> {
    fn next(&mut self, _next: &mut Labelled<'a>) -> Result<Option<Series>, Fault> {
        if self.0.is_empty() { Ok(None) } else { Err(Fault::new(0, "not built yet")) }
    }

    fn asides(&self) -> Asides {
        Asides::default()
    }
}

/// Reads an `io.prometheus.write.v2.Request`.
pub(crate) struct V2<'a>(&'a [u8]);

impl<'a> V2<'a> {
    pub(crate) fn new(body: &'a [u8], _arena: &'a Bump) -> Result<Self, Fault> {
        Ok(Self(body))
    }
}

impl<'a> Readout<'a> for V2<'a> {
    fn next(&mut self, _next: &mut Labelled<'a>) -> Result<Option<Series>, Fault> {
        if self.0.is_empty() { Ok(None) } else { Err(Fault::new(0, "not built yet")) }
    }

    fn asides(&self) -> Asides {
        Asides::default()
    }
}
