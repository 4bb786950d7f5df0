//! The name of one request, for the client's log and ours (contract C1.13).

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

/// The header that carries it both ways.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

const CLIENT_BYTES_MAX: usize = 128;

/// The client's own id if it is sane, else 128 random bits in hex. Ids need not be unguessable.
pub(super) fn of(headers: &HeaderMap) -> HeaderValue {
    match headers.get(&HEADER) {
        Some(value) if is_sane(value.as_bytes()) => value.clone(),
        _ => HeaderValue::from_bytes(&hex(fastrand::u128(..)))
            .expect("hex digits are a header value"),
    }
}

/// All 32 digits; every request gets them, and a formatter takes several times as long.
fn hex(number: u128) -> [u8; 32] {
    let digit = |index| b"0123456789abcdef"[(number >> (124 - 4 * index)) as usize % 16];
    std::array::from_fn(digit)
}

/// 1 to 128 characters of a token (RFC 9110) or of what ids are commonly made of besides: nothing
/// that could break a log line or an answer.
fn is_sane(id: &[u8]) -> bool {
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/=@".contains(byte);
    (1..=CLIENT_BYTES_MAX).contains(&id.len()) && id.iter().all(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(sent: &[u8]) -> HeaderValue {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_bytes(sent).unwrap());
        of(&headers)
    }

    #[test]
    fn hex_digits_are_those_of_the_formatter() {
        for number in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210] {
            assert_eq!(hex(number)[..], *format!("{number:032x}").as_bytes());
        }
    }

    #[test]
    fn a_sane_id_is_kept_and_any_other_replaced() {
        let longest = [b'a'; CLIENT_BYTES_MAX];
        for kept in [&b"6f1c-22:1/x=@"[..], b"a", &longest] {
            assert_eq!(answered(kept).as_bytes(), kept);
        }
        let too_long = [b'a'; CLIENT_BYTES_MAX + 1];
        for replaced in [&b""[..], b"two words", b"caf\xc3\xa9", b"\"quoted\"", b"a\tb", &too_long]
        {
            assert_eq!(answered(replaced).len(), 32, "{replaced:?}");
        }
        assert_ne!(of(&HeaderMap::new()), of(&HeaderMap::new()));
    }
}
