//! Tuples to one request body: the envelope around them (contract C6.1) and its Content-Encoding.

use std::io::{self, Write};

use flate2::write::{GzEncoder, ZlibEncoder};

use crate::config::Compression;
use crate::encode::{BLOCK_BYTES_MAX, BLOCK_TUPLES_MAX};
use crate::metric::timestamp::Timestamp;
use crate::queue::Want;

use super::body::{Body, Chain, SHARED_BYTES_MIN};
use super::part::{Part, SEPARATOR};

/// Most raw bytes of one request, envelope included (contract C6.1).
pub const ENVELOPE_BYTES_MAX: usize = 4 << 20;

const HEAD: &str = "{\"collection_timestamp\":";
const HOST: &str = ",\"internalHostname\":";
const METRICS: &str = ",\"events\":{},\"metrics\":[";
const TAIL: &str = "],\"service_checks\":[],\"topologies\":[]}";

/// Digits of the longest i64, with its sign.
const TIMESTAMP_BYTES_MAX: usize = 20;

/// What one envelope holds besides its tuples and its host name.
const FRAME_BYTES: usize =
    HEAD.len() + TIMESTAMP_BYTES_MAX + HOST.len() + METRICS.len() + TAIL.len();

/// Most bytes of the host name in JSON: the largest block must still fit.
const HOSTNAME_BYTES_MAX: usize = ENVELOPE_BYTES_MAX - BLOCK_BYTES_MAX - FRAME_BYTES;

/// The host name does not fit beside the largest block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the gateway's `hostname` takes {bytes} bytes in JSON, at most {HOSTNAME_BYTES_MAX} fit")]
pub struct HostnameTooLong {
    bytes: usize,
}

/// The frame around the tuples, the same for every request of this gateway.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// As JSON, quotes included.
    hostname: String,
}

impl Envelope {
    /// An envelope in the name of the gateway's own host.
    pub fn new(hostname: &str) -> Result<Self, HostnameTooLong> {
        let hostname = serde_json::Value::from(hostname).to_string();
        if hostname.len() > HOSTNAME_BYTES_MAX {
            return Err(HostnameTooLong { bytes: hostname.len() });
        }
        Ok(Self { hostname })
    }

    /// What fits into one envelope.
    pub fn want(&self) -> Want {
        Want { bytes: self.room(ENVELOPE_BYTES_MAX), tuples: BLOCK_TUPLES_MAX }
    }

    /// How many bytes of tuples ([`Part::bytes`]) fit into a body of `body_bytes_max` raw bytes.
    pub fn room(&self, body_bytes_max: usize) -> usize {
        body_bytes_max.saturating_sub(self.frame_bytes())
    }

    /// Most raw bytes of the body of this part.
    pub fn raw_bytes(&self, part: &Part) -> usize {
        self.frame_bytes() + part.bytes()
    }

    fn frame_bytes(&self) -> usize {
        FRAME_BYTES + self.hostname.len()
    }

    /// The body of one request; how long that takes, [`Envelope::pack_bytes`] tells.
    pub fn pack(&self, now: Timestamp, part: &Part, compression: Compression) -> Body {
        let body = self.plain(now, part);
        // The fast level: on tuples it reaches most of the ratio at several times the speed.
        let level = flate2::Compression::fast();
        let packed = match compression {
            Compression::Identity => return body,
            // zlib, not raw deflate: that is what HTTP's `deflate` means.
            Compression::Deflate => {
                let mut out = ZlibEncoder::new(room(&body), level);
                write(&body, &mut out).and_then(|()| out.finish())
            }
            Compression::Gzip => {
                let mut out = GzEncoder::new(room(&body), level);
                write(&body, &mut out).and_then(|()| out.finish())
            }
        };
        packed.expect("writing to a vector does not fail").into()
    }

    /// How many bytes packing has to go through: a MiB takes about a millisecond when they are
    /// compressed, less than a tenth of that when they are copied.
    pub fn pack_bytes(&self, part: &Part, compression: Compression) -> usize {
        let copied = |bytes: &usize| *bytes < SHARED_BYTES_MIN;
        match compression {
            Compression::Deflate | Compression::Gzip => self.raw_bytes(part),
            Compression::Identity => {
                part.pieces().iter().map(|piece| piece.bytes.len()).filter(copied).sum()
            }
        }
    }

    /// As it is before it is compressed.
    fn plain(&self, now: Timestamp, part: &Part) -> Body {
        let mut chain = Chain::with_room(self.raw_bytes(part));
        chain.copy(format!("{HEAD}{}{HOST}{}{METRICS}", now.seconds(), self.hostname).as_bytes());
        for (index, piece) in part.pieces().iter().enumerate() {
            if index > 0 {
                chain.copy(SEPARATOR);
            }
            chain.share(&piece.bytes);
        }
        chain.copy(TAIL.as_bytes());
        chain.close()
    }
}

/// The Content-Encoding header of a body; none for identity, as the receiver's own examples do.
pub fn content_encoding(compression: Compression) -> Option<&'static str> {
    match compression {
        Compression::Deflate => Some("deflate"),
        Compression::Gzip => Some("gzip"),
        Compression::Identity => None,
    }
}

/// Memory for what becomes of `body`: tuples shrink to a sixth.
fn room(body: &Body) -> Vec<u8> {
    Vec::with_capacity(body.len() / 6 + 256)
}

fn write(body: &Body, out: &mut impl Write) -> io::Result<()> {
    body.slices().iter().try_for_each(|slice| out.write_all(slice))
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::encode::Block;
    use crate::queue::Leased;

    fn leased(text: impl Into<Bytes>) -> Leased {
        Leased {
            sequence: 1,
            source: Arc::from("s"),
            received: Timestamp::from_unix(0, 0),
            block: Block { bytes: text.into(), tuples: 1 },
        }
    }

    #[test]
    fn blocks_are_joined_into_the_documented_object() {
        let envelope = Envelope::new("gate\"way").unwrap();
        let blocks = [leased("[\"a\",1,1.0,{}],\n[\"b\",1,1.0,{}]"), leased("[\"c\",1,1.0,{}]")];
        let body = envelope.pack(
            Timestamp::from_unix(1_548_855_554, 9),
            &Part::of(&blocks),
            Compression::Identity,
        );
        let expected = concat!(
            r#"{"collection_timestamp":1548855554,"internalHostname":"gate\"way","events":{},"#,
            r#""metrics":[["a",1,1.0,{}],"#,
            "\n",
            r#"["b",1,1.0,{}],"#,
            "\n",
            r#"["c",1,1.0,{}]],"service_checks":[],"topologies":[]}"#
        );
        let body = body.into_bytes();
        assert_eq!(std::str::from_utf8(&body).unwrap(), expected);
        serde_json::from_slice::<serde_json::Value>(&body).unwrap();
    }

    #[test]
    fn every_encoding_decodes_to_the_same_bytes() {
        let envelope = Envelope::new("h").unwrap();
        let blocks = ["[1]".repeat(100_000), "[2]".into(), "[3]".into(), "[4]".repeat(10_000)];
        let blocks = blocks.map(leased);
        let pack = |compression| {
            envelope.pack(Timestamp::from_unix(7, 0), &Part::of(&blocks), compression).into_bytes()
        };
        let plain = pack(Compression::Identity);
        let (mut zlib, mut gzip) = (Vec::new(), Vec::new());
        flate2::read::ZlibDecoder::new(&*pack(Compression::Deflate))
            .read_to_end(&mut zlib)
            .unwrap();
        flate2::read::MultiGzDecoder::new(&*pack(Compression::Gzip))
            .read_to_end(&mut gzip)
            .unwrap();
        assert!(plain == zlib && plain == gzip);
    }

    #[test]
    fn a_full_envelope_has_at_most_four_mebibytes_and_the_largest_block_fits() {
        for hostname in ["h", &"\u{1}".repeat(9_000)] {
            let envelope = Envelope::new(hostname).unwrap();
            let want = envelope.want().bytes;
            assert!(want >= BLOCK_BYTES_MAX);
            let blocks = [leased(vec![b' '; want - 5]), leased(&b"[1]"[..])];
            let body = envelope.pack(
                Timestamp::from_unix(i64::MIN, 0),
                &Part::of(&blocks),
                Compression::Identity,
            );
            assert_eq!(body.len(), ENVELOPE_BYTES_MAX);
            assert_eq!(envelope.raw_bytes(&Part::of(&blocks)), ENVELOPE_BYTES_MAX);
            assert_eq!(envelope.room(ENVELOPE_BYTES_MAX), want);
            assert_eq!(envelope.room(9), 0, "no body is that small");
        }
        let error = Envelope::new(&"h".repeat(70_000)).unwrap_err();
        assert!(error.to_string().contains("`hostname`"), "{error}");
    }
}
