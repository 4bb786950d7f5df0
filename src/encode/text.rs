//! Text inside a JSON string.

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// Appends `text` with quotes and backslashes escaped. Control characters were replaced long before
/// (contract C4.7), so nothing else needs it.
#[inline]
pub(super) fn push(out: &mut Vec<u8>, text: &str) {
    debug_assert!(!text.bytes().any(|byte| byte < 0x20), "sanitised: {text:?}");
    if is_plain(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
    } else {
        push_escaped(out, text);
    }
}

#[cold]
fn push_escaped(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

/// No quote and no backslash; eight bytes at a time.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut hits = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let quote = word ^ (ONES * b'"' as u64);
        let slash = word ^ (ONES * b'\\' as u64);
        hits |= (quote.wrapping_sub(ONES) & !quote) | (slash.wrapping_sub(ONES) & !slash);
    }
    hits & HIGH == 0 && !rest.iter().any(|byte| matches!(byte, b'"' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_reads_back_as_it_was() {
        let long = "0123456789abcdef".repeat(4);
        for at in 0..long.len() {
            for odd in ['"', '\\', '\u{e9}', '#', ']'] {
                let mut text = long.clone();
                text.insert(at, odd);
                let mut out = vec![b'"'];
                push(&mut out, &text);
                out.push(b'"');
                let read: String = serde_json::from_slice(&out).expect("valid JSON");
                assert_eq!(read, text);
            }
        }
    }
}
