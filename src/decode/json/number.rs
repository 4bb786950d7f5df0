//! The number grammar of RFC 8259, section 6.

use crate::decode::pull::Fault;
use crate::metric::words;

/// The end of the number that starts at `at`.
#[inline]
pub(super) fn scan(bytes: &[u8], mut at: usize) -> Result<usize, Fault> {
    if bytes.get(at) == Some(&b'-') {
        at += 1;
    }
    match bytes.get(at) {
        Some(b'0') => {
            at += 1;
            if matches!(bytes.get(at), Some(b'0'..=b'9')) {
                return Err(Fault::new(at, "expected no digit after a leading zero"));
            }
        }
        Some(b'1'..=b'9') => at = digits(bytes, at),
        _ => return Err(Fault::new(at, "expected a digit")),
    }
    if bytes.get(at) == Some(&b'.') {
        at = some_digits(bytes, at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1;
        if matches!(bytes.get(at), Some(b'+' | b'-')) {
            at += 1;
        }
        at = some_digits(bytes, at)?;
    }
    Ok(at)
}

#[inline]
fn some_digits(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    let end = digits(bytes, at);
    if end == at { Err(Fault::new(at, "expected a digit")) } else { Ok(end) }
}

#[inline]
fn digits(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let marks = words::not_digit(u64::from_le_bytes(*chunk)) & words::HIGH;
        if marks != 0 {
            return at + (marks.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while matches!(bytes.get(at), Some(b'0'..=b'9')) {
        at += 1;
    }
    at
}
