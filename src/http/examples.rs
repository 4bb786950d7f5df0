//! What a source sent and was rejected, for whoever looks at it later.

use crate::decode::Format;
use crate::pipeline::report::Report;
use crate::traffic::example::{self, Layout};

/// Rejected items as they were sent, where the format is text. What names its token inside the body is none.
#[cold]
pub(super) fn of(body: &[u8], format: Format, report: &Report) -> Vec<(u64, String)> {
    let layout = match format {
        Format::Json | Format::JsonStream => Layout::Values,
        Format::Ndjson | Format::Exposition(_) => Layout::Lines,
        Format::MessagePack | Format::RemoteWrite(_) | Format::Otlp(_) => return Vec::new(),
    };
    example::find(body, layout, report)
}
