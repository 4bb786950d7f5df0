//! Content-Encoding of a request body, inflated within a cap.

use std::io::Read;
use std::str::FromStr;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use serde::Deserialize;

/// Output room added at a time, bytes.
const STEP_BYTES: usize = 64 << 10;

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// zlib (RFC 1950), as `deflate` means in HTTP; a bare deflate stream is corrupt.
    Deflate,
    /// gzip, of one or several members.
    Gzip,
    /// As it is: the header says `identity` or is absent.
    Identity,
}

impl Encoding {
    /// All that a StackState intake takes.
    pub const ALL: [Self; 3] = [Self::Deflate, Self::Gzip, Self::Identity];

    /// Its name in the header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deflate => "deflate",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }

    /// From a header value; a list of several encodings is not understood.
    pub(super) fn from_header(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| text.trim().eq_ignore_ascii_case(encoding.name()))
    }
}

/// By its name.
impl FromStr for Encoding {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_header(text).ok_or("expected deflate, gzip or identity")
    }
}

/// Why a body did not inflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InflateError {
    /// Not what the header says, cut short, or followed by something else.
    Corrupt,
    /// More than the cap; inflating stopped there.
    TooLarge,
}

/// The body without its encoding, at most `cap` bytes; a bomb costs no more than that.
pub(super) fn inflate(encoding: Encoding, body: Bytes, cap: usize) -> Result<Bytes, InflateError> {
    match encoding {
        Encoding::Identity if body.len() > cap => Err(InflateError::TooLarge),
        Encoding::Identity => Ok(body),
        Encoding::Gzip => gunzip(&body, cap).map(Bytes::from),
        Encoding::Deflate => unzlib(&body, cap).map(Bytes::from),
    }
}

fn gunzip(body: &[u8], cap: usize) -> Result<Vec<u8>, InflateError> {
    let mut plain = Vec::new();
    // One byte beyond the cap tells "exactly full" from "too much".
    let mut members = MultiGzDecoder::new(body).take(cap as u64 + 1);
    members.read_to_end(&mut plain).map_err(|_| InflateError::Corrupt)?;
    if plain.len() > cap { Err(InflateError::TooLarge) } else { Ok(plain) }
}

/// By hand over `Decompress`: the reader of flate2 takes a stream cut short for its end.
fn unzlib(body: &[u8], cap: usize) -> Result<Vec<u8>, InflateError> {
    let mut stream = Decompress::new(true);
    let mut plain = Vec::new();
    loop {
        plain.reserve(STEP_BYTES);
        let (taken, made) = (stream.total_in(), stream.total_out());
        let rest = body.get(taken as usize..).unwrap_or_default();
        let status = stream
            .decompress_vec(rest, &mut plain, FlushDecompress::None)
            .map_err(|_| InflateError::Corrupt)?;
        if plain.len() > cap {
            return Err(InflateError::TooLarge);
        }
        if status == Status::StreamEnd {
            break;
        }
        if (stream.total_in(), stream.total_out()) == (taken, made) {
            return Err(InflateError::Corrupt);
        }
    }
    if stream.total_in() == body.len() as u64 { Ok(plain) } else { Err(InflateError::Corrupt) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    fn zlib(plain: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn run(encoding: Encoding, body: &[u8], cap: usize) -> Result<Vec<u8>, InflateError> {
        inflate(encoding, Bytes::copy_from_slice(body), cap).map(|plain| plain.to_vec())
    }

    #[test]
    fn the_cap_is_on_the_decoded_side_and_exactly_full_passes() {
        let plain = vec![b'x'; 300_000];
        for (encoding, body) in [
            (Encoding::Identity, plain.clone()),
            (Encoding::Gzip, gzip(&plain)),
            (Encoding::Deflate, zlib(&plain)),
        ] {
            assert_eq!(run(encoding, &body, 300_000).as_ref(), Ok(&plain));
            assert_eq!(run(encoding, &body, 299_999), Err(InflateError::TooLarge));
        }
    }

    #[test]
    fn every_gzip_member_counts() {
        let body = [gzip(b"first,"), gzip(b"second")].concat();
        assert_eq!(run(Encoding::Gzip, &body, 100), Ok(b"first,second".to_vec()));
    }

    #[test]
    fn a_stream_cut_anywhere_or_followed_by_anything_is_corrupt() {
        for (encoding, whole) in
            [(Encoding::Gzip, gzip(b"some text")), (Encoding::Deflate, zlib(b"some text"))]
        {
            for length in 1..whole.len() {
                let cut = run(encoding, &whole[..length], 100);
                assert_eq!(cut, Err(InflateError::Corrupt), "{encoding:?} at {length}");
            }
            let tailed = [whole.as_slice(), b"junk"].concat();
            assert_eq!(run(encoding, &tailed, 100), Err(InflateError::Corrupt), "{encoding:?}");
        }
    }

    #[test]
    fn a_bare_deflate_stream_is_not_zlib() {
        let whole = zlib(b"some text");
        assert_eq!(run(Encoding::Deflate, &whole[2..], 100), Err(InflateError::Corrupt));
    }
}
