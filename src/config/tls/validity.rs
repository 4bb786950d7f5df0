//! When a certificate ends: the one field of X.509 that rustls does not tell, read from the DER.
//!
//! ```text
//! Certificate     SEQUENCE
//!   tbsCertificate  SEQUENCE
//!     version         [0]        perhaps
//!     serialNumber    INTEGER
//!     signature       SEQUENCE
//!     issuer          SEQUENCE
//!     validity        SEQUENCE { notBefore, notAfter }    each UTCTime or GeneralizedTime
//! ```

use chrono::NaiveDate;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// `notAfter` as a Unix time; `None` for what is no certificate as RFC 5280 has it.
pub(crate) fn not_after(certificate: &[u8]) -> Option<i64> {
    let (mut certificate, _) = expect(certificate, SEQUENCE)?;
    let mut tbs = take(&mut certificate, SEQUENCE)?;
    if tbs.first() == Some(&VERSION) {
        take(&mut tbs, VERSION)?;
    }
    take(&mut tbs, INTEGER)?;
    take(&mut tbs, SEQUENCE)?;
    take(&mut tbs, SEQUENCE)?;
    let mut validity = take(&mut tbs, SEQUENCE)?;
    let (_, _, after) = element(validity)?;
    validity = after;
    let (tag, text, _) = element(validity)?;
    time(tag, text)
}

/// The content of the next element, which has to be of this kind.
fn take<'d>(rest: &mut &'d [u8], tag: u8) -> Option<&'d [u8]> {
    let (content, after) = expect(rest, tag)?;
    *rest = after;
    Some(content)
}

fn expect(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(der)?;
    (found == tag).then_some((content, rest))
}

/// Tag, content and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        // More than four bytes of length are no certificate's, and none is the form DER does not have.
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if bytes.is_empty() || bytes.len() > 4 {
            return None;
        }
        (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// `YYMMDDHHMMSSZ` of 1950 to 2049, or `YYYYMMDDHHMMSSZ`.
fn time(tag: u8, text: &[u8]) -> Option<i64> {
    let digits = text.strip_suffix(b"Z")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |digits: &[u8]| digits.iter().fold(0, |n, digit| n * 10 + u32::from(digit - b'0'));
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year = number(year);
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = digits.split_at_checked(4)?;
            (number(year), rest)
        }
        _ => return None,
    };
    if rest.len() != 10 {
        return None;
    }
    let part = |nth: usize| number(&rest[2 * nth..2 * nth + 2]);
    let date = NaiveDate::from_ymd_opt(year as i32, part(0), part(1))?;
    Some(date.and_hms_opt(part(2), part(3), part(4))?.and_utc().timestamp())
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read_in_both_ways_of_writing_it() {
        let read = |pem: &[u8]| CertificateDer::from_pem_slice(pem).unwrap();
        let expired = read(include_bytes!("../../../fixtures/tls/expired.pem"));
        assert_eq!(not_after(&expired), Some(1_609_459_200), "2021-01-01, as a UTCTime");
        let server = read(include_bytes!("../../../fixtures/tls/server.pem"));
        let year_2126 = 4_922_000_000..4_955_000_000;
        assert!(year_2126.contains(&not_after(&server).unwrap()), "{:?}", not_after(&server));
    }

    #[test]
    fn what_is_no_certificate_has_no_end_and_no_cut_of_one_has_another() {
        let pem = include_bytes!("../../../fixtures/tls/server.pem");
        let whole = CertificateDer::from_pem_slice(pem).unwrap();
        for cut in 0..whole.len() {
            assert_eq!(not_after(&whole[..cut]), None, "cut at {cut}");
        }
        for der in [&b"\x30\x80\x00"[..], b"\x30\x85\x01\x01\x01\x01\x01", b"\xff\xff", b""] {
            assert_eq!(not_after(der), None, "{der:?}");
        }
    }

    #[test]
    fn times_are_those_of_rfc_5280_alone() {
        for (tag, text, expected) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (GENERALIZED_TIME, "20210230000000Z", None),
            (GENERALIZED_TIME, "20210101000000.5Z", None),
            (UTC_TIME, "2101010000Z", None),
            (UTC_TIME, "210101000000+0100", None),
            (0x16, "210101000000Z", None),
        ] {
            assert_eq!(time(tag, text.as_bytes()), expected, "{text}");
        }
    }
}
