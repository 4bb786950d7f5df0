//! OpenTelemetry's metrics requests, in protobuf and in JSON.

use bumpalo::Bump;

use super::labelled::{Asides, Labelled, Readout, Series};
use super::pull::Fault;

/// Reads an `ExportMetricsServiceRequest` in protobuf.
pub(crate) struct Protobuf<'a>(&'a [u8]);

impl<'a> Protobuf<'a> {
    pub(crate) fn new(body: &'a [u8], _arena: &'a Bump) -> Self {
        Self(body)
    }
}

impl<'a> Readout<'a> for Protobuf<'a> {
    fn next(&mut self, _next: &mut Labelled<'a>) -> Result<Option<Series>, Fault> {
        if self.0.is_empty() { Ok(None) } else { Err(Fault::new(0, "not built yet")) }
    }

    fn asides(&self) -> Asides {
        Asides::default()
    }
}

/// Reads the same in JSON.
pub(crate) struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    pub(crate) fn new(text: &'a str, _arena: &'a Bump) -> Self {
        Self(text)
    }
}

impl<'a> Readout<'a> for Json<'a> {
    fn next(&mut self, _next: &mut Labelled<'a>) -> Result<Option<Series>, Fault> {
        if self.0.is_empty() { Ok(None) } else { Err(Fault::new(0, "not built yet")) }
    }

    fn asides(&self) -> Asides {
        Asides::default()
    }
}
