//! Numbers as instants: how large one is says which unit it counts (contract C3.2).

use super::Timestamp;

/// `[0-9]{1,19}` or `[0-9]+\.[0-9]+`, all of `bytes`.
pub(super) fn digits(bytes: &[u8]) -> Option<Timestamp> {
    if let Some(integer) = integer(bytes) {
        return instant(integer, 0);
    }
    let (whole, rest) = split_digits(bytes);
    let (fraction, rest) = split_digits(rest.strip_prefix(b".")?);
    let complete = !whole.is_empty() && !fraction.is_empty() && rest.is_empty();
    if complete { decimal(whole, fraction, 0) } else { None }
}

/// The literal of a JSON number; leading zeros, which JSON has not, do no harm.
pub(super) fn literal(bytes: &[u8]) -> Option<Timestamp> {
    if let Some(integer) = integer(bytes) {
        return instant(integer, 0);
    }
    let unsigned = bytes.strip_prefix(b"-");
    let (whole, rest) = split_digits(unsigned.unwrap_or(bytes));
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => split_digits(rest),
        _ => (&[][..], rest),
    };
    let exponent = match rest {
        [] => 0,
        [b'e' | b'E', rest @ ..] => exponent(rest)?,
        _ => return None,
    };
    let negative = unsigned.is_some() && whole.iter().chain(fraction).any(|&digit| digit != b'0');
    if whole.is_empty() || negative { None } else { decimal(whole, fraction, exponent) }
}

/// `integer` and `billionths` of the unit its magnitude implies.
pub(super) fn instant(integer: u64, billionths: u32) -> Option<Timestamp> {
    let per_second: u64 = match integer {
        0..100_000_000_000 => 1,
        100_000_000_000..100_000_000_000_000 => 1_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000_000,
        _ => 1_000_000_000,
    };
    let unit_nanos = 1_000_000_000 / per_second;
    let nanos =
        integer % per_second * unit_nanos + u64::from(billionths) * unit_nanos / 1_000_000_000;
    Timestamp::in_range((integer / per_second) as i64, nanos as u32)
}

/// A number by its digits and exponent: `whole.fraction * 10^exponent`.
fn decimal(whole: &[u8], fraction: &[u8], exponent: i64) -> Option<Timestamp> {
    let zeros = whole.iter().chain(fraction).take_while(|&&digit| digit == b'0').count();
    if zeros == whole.len() + fraction.len() {
        return instant(0, 0);
    }
    let mut digits = whole.iter().chain(fraction).skip(zeros).map(|digit| u64::from(digit - b'0'));
    // The number is 0.DIGITS * 10^point, and the first digit is not zero.
    let point = (whole.len() as i64 - zeros as i64).saturating_add(exponent);
    if point > INTEGER_DIGITS_MAX {
        return None;
    }
    let mut integer = 0_u64;
    for _ in 0..point {
        integer = integer * 10 + digits.next().unwrap_or(0);
    }
    let mut billionths = 0_u64;
    for place in 0..9 {
        // A negative point stands for that many zeros before the first digit.
        let digit = if place < -point { 0 } else { digits.next().unwrap_or(0) };
        billionths = billionths * 10 + digit;
    }
    instant(integer, billionths as u32)
}

/// Longest integer part that is read, in digits; a longer one counts more nanoseconds than 2261 has.
const INTEGER_DIGITS_MAX: i64 = 19;

/// Up to 19 digits and nothing else: no such number overflows.
fn integer(bytes: &[u8]) -> Option<u64> {
    if bytes.len() > INTEGER_DIGITS_MAX as usize || bytes.is_empty() {
        return None;
    }
    let digit = |byte: u8| byte.is_ascii_digit().then_some(u64::from(byte & 0x0f));
    bytes.iter().try_fold(0, |sum, &byte| Some(sum * 10 + digit(byte)?))
}

/// What follows the `e` of a literal. One beyond [`EXPONENT_MAX`] is as good as endless.
fn exponent(bytes: &[u8]) -> Option<i64> {
    let (sign, rest) = match bytes {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, bytes),
    };
    let (digits, rest) = split_digits(rest);
    if digits.is_empty() || !rest.is_empty() {
        return None;
    }
    let size = digits
        .iter()
        .fold(0, |sum: i64, digit| (sum * 10 + i64::from(digit - b'0')).min(EXPONENT_MAX));
    Some(sign * size)
}

/// Far beyond the digits any body can hold to make up for it, far below an overflow.
const EXPONENT_MAX: i64 = 1 << 50;

fn split_digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    bytes.split_at(end)
}
