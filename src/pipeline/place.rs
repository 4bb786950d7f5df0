//! Where a fault lies, for a reader of text: line and column, or byte offset (contract C1.7).

use crate::decode::pull::Fault;

/// The body as text; `skipped` bytes lie before it.
#[inline]
pub(super) fn utf8(body: &[u8], skipped: usize) -> Result<&str, String> {
    // Starting simdutf8 up costs more than a short body takes without it.
    const LONG: usize = 1024;
    let quick = if body.len() < LONG {
        std::str::from_utf8(body).ok()
    } else {
        simdutf8::basic::from_utf8(body).ok()
    };
    quick.ok_or_else(|| not_utf8(body, skipped))
}

#[cold]
fn not_utf8(body: &[u8], skipped: usize) -> String {
    let valid = std::str::from_utf8(body).map_or_else(|error| error.valid_up_to(), str::len);
    format!("expected UTF-8 text at byte {}", skipped + valid)
}

/// "expected `,` or `]` at line 3, column 14".
#[cold]
pub(super) fn in_text(text: &str, fault: &Fault) -> String {
    let before = text.get(..text.floor_char_boundary(fault.offset())).unwrap_or_default();
    let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let end = end(text, fault.offset());
    format!("{} at line {line}, column {column}{end}", fault.expected())
}

/// "expected `:` after a member name at column 9"; the report carries the line.
#[cold]
pub(super) fn in_line(text: &str, fault: &Fault) -> String {
    let before = text.get(..text.floor_char_boundary(fault.offset())).unwrap_or_default();
    let end = if fault.offset() >= text.len() { ", where the line ends" } else { "" };
    format!("{} at column {}{end}", fault.expected(), before.chars().count() + 1)
}

/// "expected 4 more bytes at byte 17".
#[cold]
pub(super) fn in_bytes(fault: &Fault) -> String {
    format!("{} at byte {}", fault.expected(), fault.offset())
}

fn end(text: &str, offset: usize) -> &'static str {
    if text.is_empty() {
        ": the body is empty"
    } else if offset >= text.len() {
        ", where the body ends"
    } else {
        ""
    }
}
