//! JSON strings: borrowed when they have no escapes, decoded when they do.

use bumpalo::Bump;

use crate::decode::pull::Fault;
use crate::metric::words;

const UNCLOSED: &str = "expected `\"` to close a string";
const CONTROL: &str = "expected no control character in a string; escape it";
const ESCAPE: &str = "expected one of `\" \\ / b f n r t u` after `\\`";
const HEX: &str = "expected four hexadecimal digits after `\\u`";
const SURROGATE: &str = "expected a pair of surrogates; a lone one is not a character";

/// The text of the string whose first byte after the quote is `start`, and the offset after its end.
///
/// Most strings are short and plain: those end within the first chunk, and the reader should not even
/// make a call for them.
#[expect(clippy::inline_always, reason = "a third of the time goes into reading strings")]
#[inline(always)]
pub(super) fn read<'a>(
    text: &'a str,
    start: usize,
    arena: &'a Bump,
) -> Result<(&'a str, usize), Fault> {
    let bytes = text.as_bytes();
    let mut plain = start;
    if let Some(chunk) = bytes.get(start..).and_then(|rest| rest.first_chunk()) {
        // Without a mark this is the end of the chunk.
        plain += (marks(chunk).trailing_zeros() / 8) as usize;
        if bytes.get(plain) == Some(&b'"') {
            // Both ends lie next to an ASCII quote, so they are character boundaries.
            return Ok((text.get(start..plain).unwrap_or_default(), plain + 1));
        }
    }
    read_long(text, start, plain, arena)
}

/// The same for a string of any length and with escapes, that is plain up to `plain`.
#[inline(never)]
fn read_long<'a>(
    text: &'a str,
    start: usize,
    plain: usize,
    arena: &'a Bump,
) -> Result<(&'a str, usize), Fault> {
    let end = plain_end(text.as_bytes(), plain);
    if text.as_bytes().get(end) == Some(&b'"') {
        return Ok((text.get(start..end).unwrap_or_default(), end + 1));
    }
    let (decoded, end) = read_escaped(text, start, end)?;
    Ok((arena.alloc_str(&decoded), end))
}

/// The offset after the string whose first byte after the quote is `at`. Escapes are checked, save
/// that a lone surrogate passes: the member is not read (contract C2.5).
#[inline]
pub(super) fn skip(bytes: &[u8], mut at: usize) -> Result<usize, Fault> {
    loop {
        at = plain_end(bytes, at);
        match bytes.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => {
                at = match bytes.get(at + 1) {
                    Some(b'u') => hex(bytes, at + 2)?.1,
                    Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at + 2,
                    _ => return Err(Fault::new(at + 1, ESCAPE)),
                }
            }
            Some(_) => return Err(Fault::new(at, CONTROL)),
            None => return Err(Fault::new(at, UNCLOSED)),
        }
    }
}

#[cold]
fn read_escaped(text: &str, start: usize, plain: usize) -> Result<(String, usize), Fault> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let (mut from, mut at) = (start, plain);
    loop {
        // `from` and `at` lie next to ASCII bytes.
        out.push_str(text.get(from..at).unwrap_or_default());
        match bytes.get(at) {
            Some(b'"') => return Ok((out, at + 1)),
            Some(b'\\') => {
                let (character, end) = escape(bytes, at + 1)?;
                out.push(character);
                from = end;
                at = plain_end(bytes, end);
            }
            Some(_) => return Err(Fault::new(at, CONTROL)),
            None => return Err(Fault::new(at, UNCLOSED)),
        }
    }
}

/// What stands after a backslash, and the offset after it.
fn escape(bytes: &[u8], at: usize) -> Result<(char, usize), Fault> {
    let character = match bytes.get(at) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode(bytes, at),
        _ => return Err(Fault::new(at, ESCAPE)),
    };
    Ok((character, at + 1))
}

/// `uXXXX`, and the second half of a surrogate pair where the first is one.
fn unicode(bytes: &[u8], at: usize) -> Result<(char, usize), Fault> {
    let (first, end) = hex(bytes, at + 1)?;
    if !(0xd800..0xe000).contains(&first) {
        return char::from_u32(first).map(|c| (c, end)).ok_or(Fault::new(at, SURROGATE));
    }
    let followed = bytes.get(end) == Some(&b'\\') && bytes.get(end + 1) == Some(&b'u');
    if first >= 0xdc00 || !followed {
        return Err(Fault::new(at - 1, SURROGATE));
    }
    let (second, end) = hex(bytes, end + 2)?;
    if !(0xdc00..0xe000).contains(&second) {
        return Err(Fault::new(at - 1, SURROGATE));
    }
    let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
    char::from_u32(code).map(|c| (c, end)).ok_or(Fault::new(at, SURROGATE))
}

fn hex(bytes: &[u8], at: usize) -> Result<(u32, usize), Fault> {
    let mut code = 0;
    for offset in at..at + 4 {
        let digit = bytes.get(offset).and_then(|&byte| char::from(byte).to_digit(16));
        code = code << 4 | digit.ok_or(Fault::new(offset, HEX))?;
    }
    Ok((code, at + 4))
}

/// The first byte from `at` on that ends a run of plain text: a quote, a backslash, a control
/// character, or the end of the body.
#[inline]
fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let marks = marks(chunk);
        if marks != 0 {
            return at + (marks.trailing_zeros() / 8) as usize;
        }
        at += CHUNK;
    }
    while bytes.get(at).is_some_and(|&byte| !ends_run(byte)) {
        at += 1;
    }
    at
}

/// Most strings end within so many bytes, so that one look at them is enough.
const CHUNK: usize = 16;

#[inline]
fn ends_run(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

/// Marks bytes that end a run in their top bits; the lowest mark is right.
#[expect(clippy::inline_always, reason = "a third of the time goes into reading strings")]
#[inline(always)]
fn marks(chunk: &[u8; CHUNK]) -> u128 {
    let both = u128::from_le_bytes(*chunk);
    let marks = |word| words::equal(word, b'"') | words::equal(word, b'\\') | words::control(word);
    u128::from(marks(both as u64) & words::HIGH)
        | u128::from(marks((both >> 64) as u64) & words::HIGH) << 64
}
